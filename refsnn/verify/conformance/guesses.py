"""Mistakes that are no conventions, as changes of the question or of the answer: if the subject gives what the reference gives after such a change,
the change has found the mistake.

CHANGED_QUESTIONS: (text, change(case) -> (inputs, params)), what the reference would have to be asked. CHANGED_ANSWERS: (text, change(name, array,
letters) -> array), what would have to be done to an output; NaN stands for what the change leaves open. A change that does not apply changes nothing.
What neither of them reaches is in rules.py.
"""

import numpy as np

from refsnn.verify.conformance.cases import reference
from refsnn.verify.conformance.compare import letters_of
from refsnn.verify.operations import layers_of
from refsnn.verify.reference import PATTERN

NEURON = ("tau_mem", "tau_syn", "threshold")


def with_params(**changes):
    """The question with other params, as far as it has them; a value may be a function of all params."""
    def change(case):
        own = {name: value(case.params) if callable(value) else value for name, value in changes.items() if name in case.params}
        return case.inputs, {**case.params, **own}
    return change


def stem(name):
    """The name of an input without the number of its layer."""
    return name.rstrip("0123456789")


def with_inputs(names, function):
    """The question with function(array) for every input that has one of these names, with blanks between them, in any layer."""
    def change(case):
        return {name: function(array) if stem(name) in names.split() else array for name, array in case.inputs.items()}, case.params
    return change


def without_inputs(name):
    """The question without an input that may be missing, in any layer."""
    return lambda case: ({own: array for own, array in case.inputs.items() if stem(own) != name}, case.params)


def first_values(case):
    """The question with the first neuron's value for all neurons."""
    def first(value, depth):
        if depth:
            return [first(own, depth - 1) for own in value]
        return value[0] if isinstance(value, list) else value
    depth = int(layers_of(case.op, case.params) > 0)
    return case.inputs, {name: first(value, depth) if name in NEURON else value for name, value in case.params.items()}


def first_layers(case):
    """The question with the first layer's value for all layers that it fits: one number fits all, a list those with as many neurons."""
    count, own = layers_of(case.op, case.params), {}
    for name in NEURON if count else ():
        first = case.params[name][0]
        own[name] = [first if not isinstance(first, list) or len(first) == case.inputs[f"W{l}"].shape[1] else case.params[name][l] for l in range(count)]
    return case.inputs, {**case.params, **own}


def spikes_from_membranes(case):
    """The question on a trace whose spikes are not those that were recorded, but those that its membranes give."""
    count, own = layers_of(case.op, case.params), {}
    for l in range(count - 1) if "V0" in case.inputs else ():
        own[f"S{l}"] = (case.inputs[f"V{l}"] > np.asarray(case.params["threshold"][l])).astype(float)
    if case.op == "adjoint_step":
        own["S"] = (case.inputs["V"] > np.asarray(case.params["threshold"])).astype(float)
    return {**case.inputs, **own}, case.params


def run_again(case):
    """The question on the trace of a free run of the network, in place of the given one."""
    if "V0" not in case.inputs:
        return case.inputs, case.params
    given = {name: array for name, array in case.inputs.items() if stem(name) in ("x", "W", "R")}
    return {**case.inputs, **reference().call("forward", given, {name: case.params[name] for name in (*NEURON, "dt")}, {})}, case.params


def every_threshold(value):
    """A threshold of every neuron or layer, from all params."""
    return lambda params: [value] * len(params["threshold"]) if isinstance(params["threshold"], list) else value


def as_dtype(dtype):
    """The question with its floats rounded."""
    def change(case):
        return {name: array.astype(dtype).astype(float) if array.dtype == float else array for name, array in case.inputs.items()}, case.params
    return change


def without_bin_0(array):
    """An array (T, ..) with nothing at t = 0."""
    return np.concatenate([np.zeros_like(array[:1]), array[1:]])


def moved(steps):
    """An array (T, ..) moved in time, zeros coming in."""
    def change(array):
        rest = np.zeros_like(array[:abs(steps)])
        return np.concatenate([rest, array[:-steps]] if steps > 0 else [array[-steps:], rest])
    return change


def labels_moved(step):
    """The question with every label so many classes further."""
    def change(case):
        if "labels" not in case.inputs:
            return case.inputs, case.params
        classes = (case.inputs["m"] if "m" in case.inputs else case.inputs[f"W{layers_of(case.op, case.params) - 1}"]).shape[1]
        return {**case.inputs, "labels": (case.inputs["labels"] + step) % classes}, case.params
    return change


def reset_by(amount):
    """The question of a step with spikes that make the reset take off amount(theta) in place of theta."""
    def change(case):
        if case.op != "lif_step":
            return case.inputs, case.params
        theta = np.asarray(case.params["threshold"])
        return {**case.inputs, "S": case.inputs["S"] * amount(theta) / theta}, case.params
    return change


def first_spikes(count):
    """The question of a regulariser with no more than the first spikes of every neuron."""
    def change(case):
        if case.op not in ("burst", "rate_bound"):
            return case.inputs, case.params
        S = case.inputs["S"]
        return {**case.inputs, "S": S * (S.cumsum(axis=0) <= count)}, case.params
    return change


FAR = 1e9                    # theta: there a surrogate derivative is next to nothing


def cut(low, high):
    """The question with membranes that were recorded outside of (theta - low, theta + high) moved FAR away, where the surrogate is taken of them."""
    def change(case):
        count, moved_ = layers_of(case.op, case.params), dict(case.inputs)
        thresholds = {f"V{l}": theta for l, theta in enumerate(case.params["threshold"][:-1])} if count else {"V": case.params.get("threshold")}
        for name in thresholds.keys() & case.inputs.keys() if "slope" in case.params else ():
            d = case.inputs[name] - np.asarray(thresholds[name])
            moved_[name] = np.where((d < -low) | (d > high), FAR, case.inputs[name])
        return moved_, case.params
    return change


CHANGED_QUESTIONS = (
    ("tau_mem and tau_syn exchanged", with_params(tau_mem=lambda p: p["tau_syn"], tau_syn=lambda p: p["tau_mem"])),
    ("tau_mem used for both time constants", with_params(tau_syn=lambda p: p["tau_mem"])),
    ("tau_syn used for both time constants", with_params(tau_mem=lambda p: p["tau_syn"])),
    ("dt a thousand times too short", with_params(dt=lambda p: p["dt"] / 1000)),
    ("dt a thousand times too long", with_params(dt=lambda p: p["dt"] * 1000)),
    *((f"a dt of {text} whatever is asked for", with_params(dt=dt)) for text, dt in (("1.7 us", 1.7e-6), ("1 us", 1e-6), ("1 ms", 1e-3), ("1 s", 1.0))),
    ("the first neuron's parameters used for all", first_values),
    ("the first layer's parameters used for all", first_layers),
    ("a threshold of 1 whatever is asked for", with_params(threshold=every_threshold(1.0))),
    *((f"a slope of {slope} whatever is asked for", with_params(slope=float(slope))) for slope in (1, 2, 5, 10, 20, 25, 50, 100)),
    ("spike_aware ignored", with_params(spike_aware=False)),
    ("spike_aware whatever is asked for", with_params(spike_aware=True)),
    ("the maximum over time whatever is asked for", with_params(reduce="max")),
    ("the sum over time whatever is asked for", with_params(reduce="sum")),
    ("readout_scale left out", with_params(readout_scale=1.0)),
    *((f"the {name} regulariser left out", with_params(**{name: 0.0})) for name in ("burst", "weight", "readout", "rate")),
    ("no limit on the rate", with_params(limit=0.0, rate_limit=0.0)),
    ("noise left out", with_inputs("noise", np.zeros_like)),
    ("recurrence left out", with_inputs("R recurrent", np.zeros_like)),
    ("the spikes of bin 0 left out", with_inputs("x S", without_bin_0)),
    ("spikes one step early against the adjoints", with_inputs("x S", moved(-1))),
    ("spikes one step late against the adjoints", with_inputs("x S", moved(1))),
    ("the input backwards in time", with_inputs("x", lambda array: array[::-1])),
    ("the bias of Adam's means not corrected", with_params(step=10**9)),
    ("Adam's step counted from 0", with_params(step=lambda p: max(p["step"] - 1, 0))),
    ("Adam's step counted from 2", with_params(step=lambda p: p["step"] + 1)),
    ("Adam without its earlier means", with_inputs("mu nu", np.zeros_like)),
    ("Adam's two decays exchanged", with_params(decay_first=lambda p: p["decay_second"], decay_second=lambda p: p["decay_first"])),
    ("epsilon left out", with_params(epsilon=0.0)),
    ("one level more, as in two's complement", with_params(levels=lambda p: p["levels"] + 1)),
    ("the readout's scale in every layer", with_params(layer="readout")),
    ("the spiking layers' scale in every layer", with_params(layer="spiking")),
    ("epochs counted from 1", with_inputs("epoch", lambda array: array + 1)),
    ("no refractory time", with_params(refractory=0.0)),
    ("the chip's weights not digitised", with_params(weight_levels=0)),
    ("the chip's converter left out", with_params(converter_lsb=0.0)),
    ("one grid step in a dt, whatever is asked for", with_params(substeps=1)),
    ("R transposed in the recursion", with_inputs("R", lambda array: array.T)),
    ("the spikes taken from the membranes, not from the trace", spikes_from_membranes),
    ("the network run again in place of the given trace", run_again),
    ("V one step early against everything else", with_inputs("V", moved(-1))),
    ("V one step late against everything else", with_inputs("V", moved(1))),
    ("a threshold of 0", with_params(threshold=every_threshold(1e-9))),
    ("spikes with the other sign: a reset that is added", with_inputs("S", np.negative)),
    *((f"input {name} left out", with_inputs(name, np.zeros_like)) for name in (
        "I", "V", "S", "drive", "gV", "gS", "lam_S", "lam_V_next", "lam_I_next", "I_exc", "I_inh", "U", "W", "dW")),
    *((f"input {name} taken as nominal", without_inputs(name)) for name in (*PATTERN, "synapse_exc", "synapse_inh", "recurrent_exc", "recurrent_inh",
                                                                            "noise_read", "noise_membrane", "noise_threshold")),
    ("gradients with the other sign", with_inputs("dW", np.negative)),
    ("the reset takes theta squared off", reset_by(np.square)),
    ("the reset takes 1 off, whatever the threshold", reset_by(np.ones_like)),
    ("labels one class too high", labels_moved(1)),
    ("labels one class too low", labels_moved(-1)),
    ("the label of the sample before", with_inputs("labels", lambda array: np.roll(array, 1, -1))),
    ("the label of the sample after", with_inputs("labels", lambda array: np.roll(array, -1, -1))),
    ("noise added twice", with_inputs("noise", lambda array: 2 * array)),
    ("noise with the other sign", with_inputs("noise", np.negative)),
    *((f"of a neuron's spikes {count} count at most", first_spikes(count)) for count in (1, 2, 3, 4, 5, 10)),
    *((f"the surrogate is 0 more than {width} from the threshold", cut(width, width)) for width in (0.25, 0.5, 1, 2, 3, 5, 10, 100)),
    *((f"the surrogate is 0 more than {width} below the threshold", cut(width, np.inf)) for width in (0, 0.25, 0.5, 1, 2, 3, 5, 10, 100)),
    *((f"the surrogate is 0 more than {width} above the threshold", cut(np.inf, width)) for width in (0, 1)),
    ("inputs rounded to float16", as_dtype(np.float16)),
    ("inputs rounded to float32", as_dtype(np.float32)),
)


def in_time(steps):
    """An output with a time moved by some steps; what comes in is open."""
    def change(name, array, letters):
        if letters[:1] not in (["T"], ["steps"]) or array.dtype != float:
            return array
        open_ = np.full_like(array[:1], np.nan)
        return np.concatenate([open_, array[:-1]] if steps > 0 else [array[1:], open_])
    return change


CHANGED_ANSWERS = (
    ("always 0", lambda name, array, letters: np.zeros_like(array)),
    ("transposed", lambda name, array, letters: array.T if array.ndim == 2 else array),
    ("time and batch exchanged", lambda name, array, letters: array.swapaxes(0, 1) if letters[:2] in (["T", "B"], ["steps", "B"]) else array),
    ("one step late", in_time(1)),
    ("one step early", in_time(-1)),
    ("backwards in time", lambda name, array, letters: array[::-1] if letters[:1] in (["T"], ["steps"]) else array),
)


def sizes_of(case):
    """{name: number} of what a factor may be, for a case: sizes of the contract's axes, and params that are numbers."""
    sizes = {}
    for arrays, side in ((case.inputs, "inputs"), (case.expected, "outputs")):
        letters = letters_of(case.op, side, case.params)
        for name, array in arrays.items():
            sizes |= {letter: float(size) for letter, size in zip(letters[name], array.shape)}
    sizes = {f"the size of {letter}": size for letter, size in sizes.items()}
    return sizes | {name: float(value) for name, value in case.params.items() if type(value) in (int, float)}


FACTORS = {2.0: "2", 0.5: "1/2", -1.0: "-1", 1000.0: "1000 (a unit?)", 1e-3: "1/1000 (a unit?)", 1e6: "1e6 (a unit?)", 1e-6: "1e-6 (a unit?)"}
