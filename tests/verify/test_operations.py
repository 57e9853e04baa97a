"""The contract of the operations: the reference keeps it, plain Python agrees with the reference, and who breaks it is told how."""

import ast
from pathlib import Path

import numpy as np
import pytest

import refsnn.verify.scalar
from refsnn.errors import DtypeError, RangeError, RefsnnError, ShapeError
from refsnn.verify.conventions import SWITCHES
from refsnn.verify.operations import OPERATIONS, Reference, checked_call, expected
from refsnn.verify.problems import problem
from refsnn.verify.scalar import ScalarLoops

PROBLEMS = 8
# times are found by halving an interval, to some roundings; the chip, free runs and training have spikes, which are equal or not at all
EXACT = {"uint8", "int64"}


def problems(op, dtype="float64", count=PROBLEMS):
    """Some problems for an operation; the same in every run."""
    return [problem(op, np.random.default_rng([seed, *op.encode()]), dtype) for seed in range(count)]


def assert_equal(own, other, bound=1e-12):
    """1e-12 of the largest value: sums of up to 40 terms in another order differ by 1e-15 of it, carried through 13 time steps."""
    assert own.keys() == other.keys()
    for name in own:
        assert own[name].shape == other[name].shape, name
        if own[name].dtype.name in EXACT:
            np.testing.assert_array_equal(own[name], other[name], err_msg=name)
        elif own[name].size:
            finite = np.isfinite(own[name])
            np.testing.assert_array_equal(finite, np.isfinite(other[name]), err_msg=name)
            largest = np.abs(own[name][finite]).max(initial=0)
            assert np.abs(own[name][finite] - other[name][finite]).max(initial=0) <= bound * largest, name


@pytest.mark.parametrize("op", OPERATIONS)
def test_plain_python_agrees_with_the_reference(op):
    for inputs, params in problems(op):
        own = checked_call(Reference(), op, inputs, params, {})
        assert_equal(own, checked_call(ScalarLoops(), op, inputs, params, {}))
