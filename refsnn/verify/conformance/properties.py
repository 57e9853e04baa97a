"""What holds for every correct implementation, whatever its numbers: checked on the subject alone, without a reference.

A check gets ask(inputs, params) -> outputs, a problem and its op, and returns pairs (outputs, parts): the outputs must be the sum of the parts. The
letters of the contract (T, B, N0, ..) say which axis of which array is meant.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from refsnn.verify.conformance.compare import letters_of
from refsnn.verify.operations import layers_of

DELAY = 20                   # steps by which an input is moved


@dataclass(frozen=True)
class Property:
    """A property: its name, what it means that it fails, the operations that must have it, and its check."""

    name: str
    failure: str
    ops: tuple
    check: Callable


def along(op, side, params, arrays, letter, change):
    """Arrays with change(array, axis) done on every axis with a letter."""
    changed, letters = {}, letters_of(op, side, params)
    for name, array in arrays.items():
        for axis, own in enumerate(letters[name]):
            array = change(array, axis) if own == letter else array
        changed[name] = array
    return changed


def taking(index):
    """A change that takes a part of an axis."""
    return lambda array, axis: np.take(array, index, axis)


def size_of(op, params, inputs, letter):
    """The size of an axis."""
    letters = letters_of(op, "inputs", params)
    return next(array.shape[letters[name].index(letter)] for name, array in inputs.items() if letter in letters[name])


def samples_permuted(ask, inputs, params, op):
    """With the samples in another order, outputs that belong to samples are in that order, and the others are the same."""
    order = np.roll(np.arange(size_of(op, params, inputs, "B")), 1)
    turned = ask(along(op, "inputs", params, inputs, "B", taking(order)), params)
    return [(turned, [along(op, "outputs", params, ask(inputs, params), "B", taking(order))])]


def sample_alone(ask, inputs, params, op):
    """Every sample alone gives what it gives in the batch."""
    whole = ask(inputs, params)
    return [(ask(along(op, "inputs", params, inputs, "B", taking([b])), params), [along(op, "outputs", params, whole, "B", taking([b]))])
            for b in range(size_of(op, params, inputs, "B"))]


def sum_of_samples(ask, inputs, params, op):
    """The gradient of a batch is the sum of those of its samples, for given derivatives."""
    samples = range(size_of(op, params, inputs, "B"))
    return [(ask(inputs, params), [ask(along(op, "inputs", params, inputs, "B", taking([b])), params) for b in samples])]


def neurons_permuted(ask, inputs, params, op):
    """With the neurons of the first layer numbered in another order, the outputs are the same, in that order."""
    layered = layers_of(op, params) > 0
    letter = "N0" if layered else "N"
    order = np.roll(np.arange(size_of(op, params, inputs, letter)), 1)
    own = dict(params)
    for name in {"tau_mem", "tau_syn", "threshold"} & set(params):
        first = params[name][0] if layered else params[name]
        first = [first[n] for n in order] if isinstance(first, list) else first
        own[name] = [first, *params[name][1:]] if layered else first
    turned = ask(along(op, "inputs", params, inputs, letter, taking(order)), own)
    return [(turned, [along(op, "outputs", params, ask(inputs, params), letter, taking(order))])]


def prefix(ask, inputs, params, op):
    """What is still to come changes nothing: without the last step, all steps before it are the same."""
    earlier = np.arange(size_of(op, params, inputs, "T") - 1)
    if len(earlier) < 2:
        return []
    shorter = ask(along(op, "inputs", params, inputs, "T", taking(earlier)), params)
    return [(shorter, [along(op, "outputs", params, ask(inputs, params), "T", taking(earlier))])]


def later(array, axis):
    """An array that starts DELAY steps later, after zeros."""
    return np.concatenate([np.zeros((*array.shape[:axis], DELAY, *array.shape[axis + 1:]), array.dtype), array], axis)


def time_shift(ask, inputs, params, op):
    """The same input some steps later gives the same outputs so much later, and before it rest."""
    inputs = without_noise(inputs)
    return [(ask(along(op, "inputs", params, inputs, "T", later), params), [along(op, "outputs", params, ask(inputs, params), "T", later)])]


def without_noise(inputs):
    """Inputs without noise on the readout."""
    return {name: array for name, array in inputs.items() if name != "noise"}


def zero_input(ask, inputs, params, op):
    """Without input everything stays at rest."""
    silent = ask(without_noise(inputs) | {"x": np.zeros_like(inputs["x"])}, params)
    return [(silent, [{name: np.zeros_like(array) for name, array in silent.items()}])]


def additive(ask, inputs, params, op):
    """Below the threshold membranes add: V of two halves of the spikes is V of all of them."""
    high = {**params, "threshold": [1e6] * len(params["threshold"])}
    even = np.indices(inputs["x"].shape).sum(axis=0) % 2 == 0
    parts = [ask(without_noise(inputs) | {"x": inputs["x"] * half}, high) for half in (even, ~even)]
    return [(ask(without_noise(inputs), high), parts)]


LINEAR_IN = {"li_step": ("I", "V", "drive"), "adjoint_step": ("gV", "lam_S", "lam_V_next", "lam_I_next"), "scores_adjoint": ("dm",),
             "backward": ("gV", "gS"), "analog_step": ("U", "I_exc", "I_inh")}


def linear(ask, inputs, params, op):
    """With these inputs times -3 the outputs are -3 times what they were."""
    scaled = {name: -3 * array if name.rstrip("0123456789") in LINEAR_IN[op] else array for name, array in inputs.items()}
    return [(ask(scaled, params), [{name: -3 * array for name, array in ask(inputs, params).items()}])]


def raised_scores(ask, inputs, params, op):
    """A number that is added to all scores of a sample changes neither the loss nor its derivative."""
    return [(ask(inputs | {"m": inputs["m"] + 4}, params), [ask(inputs, params)])]


PROPERTIES = (
    Property("batch-independence", "a sample's result depends on the other samples of its batch",
             ("lif_step", "li_step", "forward", "analog_step", "chip_run", "adjoint_step", "scores", "scores_adjoint"), sample_alone),
    Property("permuted-samples", "the order of the samples matters",
             ("forward", "backward", "scores", "cross_entropy", "burst", "readout_amplitude", "rate_bound", "loss_and_gradient_of_trace"),
             samples_permuted),
    Property("sum-of-samples", "the gradient of a batch is not the sum over its samples", ("backward",), sum_of_samples),
    Property("permuted-neurons", "the order of the neurons matters",
             ("lif_step", "li_step", "forward", "analog_step", "adjoint_step", "backward", "loss_and_gradient_of_trace"), neurons_permuted),
    Property("prefix", "what comes later changes what was before: it is not causal", ("forward", "chip_run"), prefix),
    Property("time-shift", f"the same input {DELAY} steps later gives something else: time itself matters, or more than so many steps",
             ("forward", "backward"), time_shift),
    Property("zero-input", "without input it does not stay at rest", ("forward",), zero_input),
    Property("linear-below-threshold", "below the threshold the membranes of two inputs do not add", ("forward",), additive),
    Property("linear", "with the inputs times -3 the outputs are not -3 times what they were", tuple(LINEAR_IN), linear),
    Property("raised-scores", "a number added to all scores changes the loss", ("cross_entropy",), raised_scores),
)
