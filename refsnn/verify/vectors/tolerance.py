"""How near an answer must come: the kinds of tolerance, the error that each is about, and the bounds, taken from what was measured.

    exact     every number is the same
    ulp       the largest |got - ref|, each in units in the last place of its ref
    scaled    the largest |got - ref| over the largest |ref|

Infinite values must be infinite in both. A bound is FACTOR times the worst error among other correct ways to compute the same outputs
(measure.py), over all cases of the operation; at least FACTOR roundings, or half-roundings for ulp. There is no statistical kind: no operation
draws anything.
"""

import math
import re

import numpy as np

FACTOR = 8
ONE_FORMULA = {"decay", "surrogate", "surrogate_primitive"}        # one formula a number: no sums, so no terms that cancel
LEAST = {("scaled", "float64"): 2.0**-52, ("scaled", "float32"): 2.0**-23, ("ulp", "float64"): 0.5, ("ulp", "float32"): 0.5}


def kind_of(op, name, dtype):
    """The kind of tolerance of an output."""
    if dtype.kind in "iu" or name[0] in "Sx" or op == "clip_weights":
        return "exact"
    return "ulp" if op in ONE_FORMULA else "scaled"


def error(kind, got, reference, dtype="float64"):
    """The error of an array; inf where shapes or infinities differ, or something is NaN."""
    if got.shape != reference.shape:
        return math.inf
    finite = np.isfinite(reference)
    if not np.array_equal(got[~finite], reference[~finite]) or not np.isfinite(got[finite]).all():
        return math.inf
    got, reference = got[finite].astype(float), reference[finite].astype(float)
    distance = np.abs(got - reference)
    if not distance.any():
        return 0.0
    if kind == "exact":
        return math.inf
    if kind == "ulp":
        return float((distance / np.spacing(np.abs(reference).astype(dtype)).astype(float)).max())
    largest = np.abs(reference).max()
    return float(distance.max() / largest) if largest else math.inf


def stem(name):
    """An output's name without the number of its layer: all layers share a bound."""
    return re.sub(r"\d", "{l}", name)


def bound(kind, dtype, worst):
    """FACTOR times the worst error, rounded up to two digits; 0 for exact."""
    if kind == "exact":
        return 0.0
    largest = FACTOR * max(worst, LEAST[kind, dtype])
    unit = 10.0 ** (math.floor(math.log10(largest)) - 1)
    return float(f"{math.ceil(largest / unit) * unit:.1e}")


def tolerance(draft, name, array, measured):
    """The entry `tolerance` of an output: kind, a bound for either dtype, why."""
    kind = kind_of(draft.op, name, array.dtype)
    only64 = "Float64Only" in draft.flags
    if kind == "exact":
        return {"kind": kind, "float64": 0.0, "float32": None if only64 else 0.0,
                "why": f"equal in all {measured['ways'][draft.op]['float64']} ways to compute it"}
    bounds, reasons = {"float64": None, "float32": None}, []
    for dtype in ("float64",) if only64 else ("float64", "float32"):
        worst, least = measured["worst"][draft.op][stem(name)][dtype], LEAST[kind, dtype]
        ways = f"{measured['ways'][draft.op][dtype]} ways to compute it"
        bounds[dtype] = bound(kind, dtype, worst["error"])
        if worst["error"] > least:
            reasons.append(f"{dtype}: {FACTOR} times {worst['error']:.1e}, the worst of {ways} ({worst['case']}, {worst['way']})")
        else:
            reasons.append(f"{dtype}: {FACTOR} times {least:.1e}, a rounding, which none of {ways} exceeded")
    return {"kind": kind, **bounds, "why": "; ".join(reasons)}
