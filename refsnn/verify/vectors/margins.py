"""How far a run is from being another one: a membrane that only just passes the threshold makes a spike on one machine and none on the next.

A case with a free run publishes its margin, the smallest |V - theta| of all its spiking neurons, and is refused below LEAST. Left out are exact
ties, V = theta, which only a draft with the flag TieAtThreshold may have, and only at numbers that binary floats hold; and drafts with the
flag Boundary, which are about neighbouring floats.

A chip compares the membranes of its fine grid, which no trace shows, and a neuron in continuous time compares all the time. Their runs are
done again with all thresholds moved by LEAST, up and down: as long as no membrane was within LEAST of a threshold, the run up to any instant is
the same, and so is what it compares next. If all three runs have the same spikes, the margin is LEAST or more. Codes likewise: converters are
moved by CODE of an LSB.

A maximum over time whose two largest samples are nearly equal would pass its derivative elsewhere: that is refused, too.
"""

import math

import numpy as np

from refsnn.errors import RangeError
from refsnn.verify.operations import OPERATIONS, Reference
from refsnn.verify.vectors.draft import GRID

LEAST = 1e-4                               # theta
CODE = 1e-3                                # LSB
RUNS = ("forward", "loss_and_gradient")


def margin_of(draft):
    """(margin, ties) of a draft that need not be refused: a float, rounded down to two digits, or None where nothing is compared; and a count.

    Raises RangeError where it is too small, or where there is a tie that is not flagged.
    """
    if draft.op in ("chip_run", "exact_spikes"):
        require_steady(draft)
        return LEAST, 0
    distances = [np.abs(V - theta) for own in steps_of(draft) for V, theta in compared(own)]
    if not distances:
        return None, 0
    distances = np.concatenate([array.ravel() for array in distances])
    ties = int(np.count_nonzero(distances == 0))
    if ties and "TieAtThreshold" not in draft.flags:
        raise RangeError(f"{draft.id}: {ties} membranes are exactly at the threshold, and it has no flag TieAtThreshold")
    if ties == len(distances):
        return None, ties
    margin = distances[distances > 0].min()
    if margin < LEAST and "Boundary" not in draft.flags:
        raise RangeError(f"{draft.id}: the threshold margin is {margin:.1e}; it must be at least {LEAST}")
    unit = 10.0 ** (math.floor(math.log10(margin)) - 1)
    return float(f"{math.floor(margin / unit) * unit:.1e}"), ties


def steps_of(draft):
    """The free runs that a draft is made of: itself, or one for every step of a training, whose weights are those after the steps before."""
    if draft.op in RUNS or draft.op == "lif_step":
        return [(draft.op, draft.inputs, draft.params, draft.conventions)]
    if draft.op != "train":
        return []
    runs, sequence = [], ("x", "labels", "noise")
    for step in range(len(draft.inputs["x"])):
        weights = {name: array for name, array in draft.inputs.items() if name not in sequence}
        if step:
            earlier = {**weights, **{name: draft.inputs[name][:step] for name in sequence}}
            after = Reference().call("train", earlier, draft.params, draft.conventions)
            weights = {name: after[f"{name}_next"] for name in weights}
        runs.append(("loss_and_gradient", {**weights, **{name: draft.inputs[name][step] for name in sequence}}, draft.params, draft.conventions))
    return runs


def compared(run):
    """Pairs (V, theta): the membranes that a run compares with its thresholds, all that can make a spike."""
    op, inputs, params, conventions = run
    if conventions.get("recorded_membrane") == "after_reset":
        conventions = {**conventions, "recorded_membrane": "before_reset"}
    if op == "lif_step":
        pairs = [(Reference().call(op, inputs, params, conventions)["V_next"], np.array(params["threshold"]))]
    else:
        trace = Reference().call("forward", {name: array for name, array in inputs.items() if name != "labels"},
                                 {name: params[name] for name in OPERATIONS["forward"].params}, conventions)
        readout = f"V{len(params['tau_mem']) - 1}"
        if params.get("reduce") == "max":
            require_one_maximum(trace[readout])
        pairs = [(V, np.array(params["threshold"][int(name[1:])])) for name, V in trace.items() if name[0] == "V" and name != readout]
    for V, theta in pairs:
        ties = np.broadcast_to(theta, V.shape)[V == theta]
        if (ties * GRID % 1).any():
            raise RangeError("a membrane ties with a threshold that is no multiple of 2^-12")
    return pairs


def require_one_maximum(V):
    """Raise RangeError where the largest sample in time of V (T, B, K) is followed closely, but not tied, by another."""
    largest = V.max(axis=0)
    gap = np.where(V == largest, np.inf, largest - V).min()
    if gap < LEAST:
        raise RangeError(f"two samples that are nearly the largest in time are {gap:.1e} apart")


def require_steady(draft):
    """Raise RangeError where a spike depends on the last 1e-4 of a threshold, or a code on the last 1e-3 of an LSB."""
    plain = moved_run(draft, 1.0, 0.0)
    spikes = [name for name in plain if name[0] == "S" or name == "spike_units"]
    others = [(moved_run(draft, factor, 0.0), spikes) for factor in (1 - LEAST, 1 + LEAST)]
    if draft.op == "chip_run" and draft.params["converter_lsb"]:
        others += [(moved_run(draft, 1.0, shift), list(plain)) for shift in (-CODE, CODE)]
    for run, names in others:
        for name in names:
            if not np.array_equal(run[name], plain[name]):
                raise RangeError(f"{draft.id}: {name} depends on less than {LEAST} theta or {CODE} LSB")


def moved_run(draft, factor, shift):
    """The outputs of a chip, or of a layer in continuous time, with all thresholds times `factor` and all converters off by `shift` LSB."""
    inputs = dict(draft.inputs)
    if draft.op == "exact_spikes":
        inputs["threshold"] = factor * inputs["threshold"]
    else:
        for l in range(len(draft.params["tau_mem"])):
            ones = np.ones(inputs[f"W{l}"].shape[1])
            inputs[f"threshold{l}"] = factor * inputs.get(f"threshold{l}", ones)
            inputs[f"converter_offset{l}"] = shift + inputs.get(f"converter_offset{l}", 0 * ones)
    return Reference().call(draft.op, inputs, draft.params, draft.conventions)
