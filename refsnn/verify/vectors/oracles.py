"""Second opinions: other ways to the same answer. Every case has at least two, one of which shares no code with the library.

A disagreement is a mistake in one of them, and the case is not written. Where an oracle is no better than rounding, it is also one of the ways
whose spread measure.py measures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refsnn.verify.operations import DTYPES, OPERATIONS, Reference, cast, expected, layers_of
from refsnn.verify.scalar import ScalarLoops
from refsnn.verify.vectors import complexstep, precise, propagator


@dataclass(frozen=True)
class Oracle:
    """A way to an answer: whether it uses code of the library; for which drafts it is; (draft, the reference's answer) -> outputs."""

    name: str
    independent: bool
    applies: Callable
    answer: Callable


def splined(draft):
    """Images scaled by scipy. SPEC E17."""
    from scipy.ndimage import zoom
    crop, size, images = draft.params["crop"], draft.params["size"], draft.inputs["images"].astype(float)
    n = images.shape[1] - 2 * crop
    scaled = [zoom(image[crop:crop + n, crop:crop + n], size / n, order=3, mode="mirror") for image in images]
    return {"small": np.floor(np.array(scaled) + 0.5).clip(0, 255)}


def reordered(draft, seed=0, dtype="float64"):
    """The reference's own answer with neurons, inputs and samples in another order, put back into the old one: its sums run otherwise."""
    count, adapter, rng = layers_of(draft.op, draft.params), Reference(dtype), np.random.default_rng(seed)
    contract = expected(OPERATIONS[draft.op].inputs, count)
    sizes = {letter: size for name, array in draft.inputs.items() for letter, size in zip(contract[name][1], array.shape)}
    movable = [letter for letter in sizes if letter == "M" or letter[0] == "N" or letter == "B" and "axes" not in draft.conventions]
    orders = {letter: rng.permutation(sizes[letter]) for letter in movable}
    back = {letter: np.argsort(order) for letter, order in orders.items()}
    inputs = {name: moved(array, contract[name][1], orders) for name, array in cast(draft.inputs, dtype).items()}
    params = {name: moved_param(value, count, orders) for name, value in draft.params.items()}
    outputs, contract = adapter.call(draft.op, inputs, params, draft.conventions), expected(OPERATIONS[draft.op].outputs, count)
    return {name: moved(array, contract[name][1], back) for name, array in outputs.items()}


def moved(array, letters, orders):
    """An array with its axes in the orders of their letters."""
    for axis, letter in enumerate(letters):
        if letter in orders:
            array = array.take(orders[letter], axis)
    return np.array(array, order="C")


def moved_param(value, count, orders):
    """A param with its lists per neuron in the order of the layer's neurons."""
    if not isinstance(value, list):
        return value
    if not count:
        return [value[i] for i in orders["N"]]
    return [[own[i] for i in orders.get(f"N{l}", range(len(own)))] if isinstance(own, list) else own for l, own in enumerate(value)]


ORACLES = (
    Oracle("plain Python loops", True, lambda draft: not draft.conventions, lambda draft,
           _: ScalarLoops().call(draft.op, draft.inputs, draft.params, {})),
    Oracle("50 decimal digits", True, precise.applies, lambda draft, _: precise.answer(draft)),
    Oracle("complex step", True, lambda draft: draft.op in complexstep.DIRECT or draft.op in complexstep.DIFFERENTIATED,
           lambda draft, _: complexstep.answer(draft)),
    Oracle("matrix exponential of scipy", True, lambda draft: draft.op == "analog_step", lambda draft,
           _: propagator.analog_step(draft.inputs, draft.params)),
    Oracle("spikes replayed with the matrix exponential of scipy", True, lambda draft: draft.op == "exact_spikes",
           lambda draft, answered: propagator.exact_spikes(draft.inputs, draft.params, answered)),
    Oracle("splines of scipy", True, lambda draft: draft.op == "downscale", lambda draft, _: splined(draft)),
    Oracle("neurons, inputs and samples in another order", False, lambda draft: draft.op not in ("exact_spikes", "encode", "downscale", "latency"),
           lambda draft, _: reordered(draft)),
)


def opinions(draft, answered):
    """{name: outputs} of all oracles of a draft that need not be refused; their whole numbers in the dtypes of the contract."""
    kinds = expected(OPERATIONS[draft.op].outputs, layers_of(draft.op, draft.params))
    found = {}
    for oracle in ORACLES:
        if oracle.applies(draft):
            found[oracle.name] = {name: np.array(array, DTYPES.get(kinds[name][0], float)) for name, array in oracle.answer(draft, answered).items()}
    return found
