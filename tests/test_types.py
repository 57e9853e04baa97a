"""What users call has type hints; mypy, which .ci/run runs, checks that they are true."""

import inspect

import pytest

import refsnn
import refsnn.chip
import refsnn.spec
import refsnn.verify.vectors
from refsnn import datasets, events, fast, runs, speech
from refsnn.exchange import nir, recordings
from refsnn.verify import check

ROOMS = (refsnn, refsnn.spec, refsnn.chip, refsnn.verify.vectors)
MORE = (fast.forward, fast.loss_and_gradient, fast.classify, events.encode_events, datasets.load, speech.load, runs.train, check.smooth_twin, check.adjoint,
        nir.to_nir, nir.from_nir, recordings.bin_events, recordings.list_events, recordings.save_trace, recordings.load_trace)
FUNCTIONS = {f"{function.__module__}.{function.__qualname__}": function for function in
             [getattr(room, name) for room in ROOMS for name in room.__all__ if inspect.isfunction(getattr(room, name))] + list(MORE)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_users_call_says_what_it_returns(name):
    # but for NIR's graph, whose package is not there when refsnn is imported
    assert "return" in FUNCTIONS[name].__annotations__ or name == "refsnn.exchange.nir.to_nir"


@pytest.mark.parametrize("name", ["Layer", "Network", "NeuronParameters", "Objective", "Surrogate", "Trace", "Variation"])
def test_what_users_make_says_what_its_fields_are(name):
    assert set(getattr(refsnn, name).__dataclass_fields__) <= set(getattr(refsnn, name).__annotations__)
