"""What a subject is asked: cases, and how near their results must come.

A source of cases is a function (op, dtype, conventions) -> list of Case, and returns those that hold for a subject of that dtype which follows those
conventions (a dict): by_hand, stored (the golden vectors that ship) and generated; and large, which is asked where all of these are right.

The expected values are the reference's, in float64, for the very numbers that a float32 subject gets; a vector holds its own. Where a membrane comes
close to its threshold in a free run, two correct programs may differ by a spike: such cases are drawn again (`settled`).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from refsnn.errors import RangeError
from refsnn.verify.conformance.byhand import BY_HAND
from refsnn.verify.operations import OPERATIONS, Reference, cast, conventions_for, expected, layers_of
from refsnn.verify.problems import LARGE_OPS, large_problem, problem
from refsnn.verify.vectors import read

COUNT = 10                   # generated cases an operation
STIR = 1e-4                  # relative: how much the inputs of a free run are moved, to see whether a spike comes or goes
STIR_LARGE = 1e-5            # of 41,000 membranes one or the other is near its threshold; float32 moves them by 1e-6
STIRRED = {"lif_step": ("I", "V", "drive"), "load_weights": ("W",), "exact_spikes": ("weights", "recurrent"),
           "chip_run": ("synapse_exc", "synapse_inh", "recurrent_exc", "recurrent_inh"),           # not W, which is rounded
           **dict.fromkeys(("forward", "loss_and_gradient", "train"), ("W", "R", "noise"))}


@dataclass(frozen=True)
class Bound:
    """What an output may be off by: relative times the largest expected value, plus absolute; (0, 0) is exact."""

    relative: float
    absolute: float = 0.0

    def of(self, array):
        """The bound for an expected array; infinities do not count."""
        return self.relative * np.abs(array[np.isfinite(array)]).max(initial=0) + self.absolute


@dataclass(frozen=True)
class UlpBound:
    """What every number of an output may be off by, in units in the last place of the expected one, in a dtype."""

    ulps: float
    dtype: str

    def of(self, array):
        """The bounds for an expected array, one a number; infinities must be met."""
        return self.ulps * np.spacing(np.abs(np.where(np.isfinite(array), array, 0)).astype(self.dtype)).astype(float)


@dataclass(frozen=True, eq=False)
class Case:
    """One question: an operation with inputs (float64 arrays, which a float32 subject gets as float32), params and conventions; its expected
    outputs, with a Bound or UlpBound each; or the class of the error with which it must be refused, and no outputs."""

    id: str
    op: str
    inputs: dict
    params: dict
    conventions: dict
    expected: dict
    bounds: dict
    comment: str = ""
    dtype: str = "float64"                       # of the subject
    error: str | None = None

    @property
    def level(self):
        """The level of its operation."""
        return OPERATIONS[self.op].level

    @property
    def wide_bounds(self):
        """Bounds for what the reference gives in a changed question: a vector's own are for its numbers."""
        return bounds_of(self.op, self.params, self.dtype)


# Correct adapters were off by at most 3e-15 (plain Python, which sums in another order) and 5e-7 (the reference in float32); 2e-5 where terms
# cancel, under conventions with large derivatives. Where a run is differentiated that is free, the error of a membrane near the threshold counts
# 50 times in the surrogate: 7e-6 in float32. The tests hold both adapters to a tenth of these bounds.
RELATIVE = {"float64": 1e-12, "float32": 1e-4}
FREE_GRADIENT = {"float64": 1e-12, "float32": 1e-3}


def bounds_of(op, params, dtype):
    """{output: Bound} for an operation. Whole numbers and spikes are exact, but for pixels and converter codes of a float32 subject."""
    bounds, relative = {}, (FREE_GRADIENT if op == "loss_and_gradient" else RELATIVE)[dtype]
    for name, (kind, _, _) in expected(OPERATIONS[op].outputs, layers_of(op, params)).items():
        if kind != "float" or name[0] == "S" and name != "S":
            bounds[name] = Bound(0, 1 if name == "small" and dtype == "float32" else 0)
        else:
            # a membrane is a difference of two codes, and each may be rounded the other way
            bounds[name] = Bound(relative, 2 * params["converter_lsb"] if op == "chip_run" and dtype == "float32" else 0)
    return bounds


@cache
def reference():
    """The adapter that gives the expected values."""
    return Reference()


def as_float64(inputs):
    """Inputs with all floats in float64."""
    return {name: array.astype(float) if array.dtype == np.float32 else array for name, array in inputs.items()}


def make_case(id, op, inputs, params, dtype, conventions, comment=""):
    """A Case with the reference's answer; inputs as float64, rounded to `dtype`."""
    inputs = as_float64(cast(inputs, dtype))
    answer = reference().call(op, inputs, params, conventions)
    return Case(id, op, inputs, params, conventions, answer, bounds_of(op, params, dtype), comment, dtype)


def by_hand(op, dtype, conventions):
    """The cases written by hand: ties, boundaries, and first ones that can be worked on paper."""
    return [make_case(f"{op}/{name}", op, inputs, params, dtype, conventions, comment) for name, inputs, params, comment in BY_HAND.get(op, ())]


@cache
def vectors():
    """The golden vectors that ship."""
    return read()


def stored(op, dtype, conventions):
    """The golden vectors of an operation, with their own bounds: those that are meant for the dtype, under the conventions that the op obeys."""
    own, chosen = [vector for vector in vectors() if vector.op == op], conventions_for(op, conventions)
    return [Case(f"{op}/{vector.id}", op, vector.inputs, vector.params, conventions, vector.outputs,
                 {name: bound_of(entry, dtype) for name, entry in vector.tolerance.items()}, vector.comment, dtype, vector.error)
            for vector in own if conventions_for(op, vector.conventions) == chosen and all(
                entry[dtype] is not None for entry in vector.tolerance.values())]


def bound_of(tolerance, dtype):
    """The Bound or UlpBound of a vector's tolerance."""
    return UlpBound(tolerance[dtype], dtype) if tolerance["kind"] == "ulp" else Bound(tolerance[dtype])


def generated(op, dtype, conventions):
    """COUNT random problems; the same in every run."""
    drawn = [settled_problem(op, np.random.default_rng([number, *op.encode()]), dtype, conventions) for number in range(COUNT)]
    return [make_case(f"{op}/{number}", op, *own, dtype, conventions) for number, own in enumerate(drawn)]


def large(op, dtype, conventions):
    """A problem that is larger than all others in every direction, for the operations of LARGE_OPS."""
    if op not in LARGE_OPS:
        return []
    drawn = settled_problem(op, np.random.default_rng([COUNT, *op.encode()]), dtype, conventions, large_problem, STIR_LARGE)
    return [make_case(f"{op}/large", op, *drawn, dtype, conventions, "what holds for small sizes only")]


def settled_problem(op, rng, dtype, conventions, draw=problem, stir=STIR):
    """A problem whose result does not hang on the last digits: (inputs, params). Raises RangeError where a hundred draws give none."""
    for _ in range(100):
        inputs, params = draw(op, rng, dtype)
        if settled(op, as_float64(inputs), params, conventions, stir):
            return as_float64(inputs), params
    raise RangeError(f"no settled problem for {op} in 100 draws")


def settled(op, inputs, params, conventions, stir=STIR):
    """Whether no spike, and no whole number, comes or goes where weights and states are moved by `stir`, and no other output moves by a tenth."""
    if op not in STIRRED:
        return True
    plain, rng = reference().call(op, inputs, params, conventions), np.random.default_rng(0)
    for draw in (lambda shape: 1.0, lambda shape: -1.0, lambda shape: rng.uniform(-1, 1, shape)):
        moved = {name: array * (1 + stir * draw(array.shape)) if name.rstrip("0123456789") in STIRRED[op] else array for name, array in inputs.items()}
        for name, array in reference().call(op, moved, params, conventions).items():
            own = plain[name]
            if own.shape != array.shape:
                return False
            # the converter's codes step wherever they are moved: there the spikes decide
            allowed = 0 if own.dtype != float or name[0] == "S" else np.inf if op == "chip_run" else 0.1 * np.abs(own).max(initial=0)
            if np.abs(own - array).max(initial=0) > allowed:
                return False
    return True
