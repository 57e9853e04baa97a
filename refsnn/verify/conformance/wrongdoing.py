"""Ways to be wrong that take more than a line: functions (op, inputs, params, conventions) -> outputs, and such of outputs, for mutants.py."""

import numpy as np

from refsnn.spec.encoding import spline_matrix
from refsnn.verify.operations import Reference

REFERENCE = Reference()


def right(op, inputs, params, **changes):
    """The reference's answer, under other conventions where such are named."""
    return REFERENCE.call(op, inputs, params, changes)


def in_half_precision(op, inputs, params, conventions):
    """All inputs go through float16."""
    with np.errstate(over="ignore"):
        return right(op, {name: array.astype(np.float16).astype(float) for name, array in inputs.items()}, params)


def in_single_precision(op, inputs, params, conventions):
    """Computed in float32, returned as float64."""
    rounded = {name: array.astype(np.float32) if array.dtype == float else array for name, array in inputs.items()}
    outputs = Reference("float32").call(op, rounded, params, {})
    return {name: array.astype(float) if array.dtype == np.float32 else array for name, array in outputs.items()}


def one_sided(op, inputs, params, conventions):
    """SuperSpike without the absolute value."""
    with np.errstate(divide="ignore"):
        return {"sigma": 1 / (1 + params["slope"] * (inputs["V"] - params["threshold"])) ** 2}


def overwriting(op, inputs, params, conventions):
    """The membrane decays in place."""
    inputs["V"] *= 0.5
    return right(op, inputs, params)


def overwriting_by_force(op, inputs, params, conventions):
    """The same by a pointer, past the flag that forbids it."""
    outputs = right(op, inputs, params)
    address, _ = inputs["V"].__array_interface__["data"]
    np.ctypeslib.as_array((np.ctypeslib.ctypes.c_double * inputs["V"].size).from_address(address))[:] = 0
    return outputs


class Remembering:
    """The current of the call before is still there."""

    def __init__(self):
        self.current = 0.0

    def __call__(self, op, inputs, params, conventions):
        outputs = right(op, {**inputs, "I": inputs["I"] + self.current}, params)
        self.current = float(outputs["I_next"].flat[0])
        return outputs


def drawing(op, inputs, params, conventions):
    """Noise of a generator without a seed."""
    outputs = right(op, inputs, params)
    outputs["V1"] = outputs["V1"] + np.random.default_rng().normal(0, 1e-5, outputs["V1"].shape)
    return outputs


def overflowing(op, inputs, params, conventions):
    """softmax without taking off the largest score."""
    m, rows = inputs["m"], np.arange(len(inputs["m"]))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        p = np.exp(m) / np.exp(m).sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, inputs["labels"]]).mean()
    p[rows, inputs["labels"]] -= 1
    return {"loss": np.array(loss), "dm": p / len(m)}


def cancelling(op, inputs, params, conventions):
    """The difference quotient of C3 as it is printed: 0/0 where time constants are equal, and put to 0 there."""
    h, tau_mem = params["h"], inputs["tau_mem"]
    outputs = right(op, inputs, params)
    outputs["U_next"] = np.exp(-h / tau_mem) * inputs["U"]
    for sign in ("exc", "inh"):
        tau = inputs[f"tau_{sign}"]
        with np.errstate(divide="ignore", invalid="ignore"):
            outputs["U_next"] += np.nan_to_num((np.exp(-h / tau_mem) - np.exp(-h / tau)) / (1 / tau - 1 / tau_mem)) * inputs[f"I_{sign}"]
    return outputs


def cut_grey(op, inputs, params, conventions):
    """E17 without the 1/2."""
    crop, n = params["crop"], inputs["images"].shape[1] - 2 * params["crop"]
    A = spline_matrix(n, params["size"])
    return {"small": np.clip(A @ inputs["images"][:, crop:crop + n, crop:crop + n].astype(float) @ A.T, 0, 255).astype(np.uint8)}


def epsilon_inside(op, inputs, params, conventions):
    """Adam with sqrt(nu + epsilon)."""
    outputs, n = right(op, inputs, params), params["step"] + 1
    mu, nu = outputs["mu_next"] / (1 - params["decay_first"]**n), outputs["nu_next"] / (1 - params["decay_second"]**n)
    return {**outputs, "W_next": inputs["W"] - params["rate"] * mu / np.sqrt(nu + params["epsilon"])}


def twenty_steps(op, inputs, params, conventions):
    """T = 20 is in the code: what arrives later is not seen."""
    return right(op, {**inputs, "x": np.where(np.arange(len(inputs["x"]))[:, None, None] < 20, inputs["x"], 0.0)}, params)


def first_for_all(outputs, inputs, params):
    """Every sample gets the result of the first."""
    return {name: np.broadcast_to(array[:1], array.shape).copy() for name, array in outputs.items()}


def untrained(op, inputs, params, conventions):
    """Adam starts afresh in every step of training."""
    weights, losses, count = {name: array for name, array in inputs.items() if name[0] in "WR"}, [], len(params["tau_mem"])
    for x, labels, noise in zip(inputs["x"], inputs["labels"], inputs["noise"]):
        step = right(op, {**weights, "x": x[None], "labels": labels[None], "noise": noise[None]}, params)
        losses.append(step["loss"][0])
        weights = {f"{letter}{l}": step[f"{letter}{l}_next"] for l in range(count) for letter in "WR" if f"{letter}{l}_next" in step}
    return {"loss": np.array(losses), **{f"{name}_next": array for name, array in weights.items()}}


def truncated(op, inputs, params, conventions):
    """The gradient of pieces of 20 steps, each with nothing after it."""
    gradient = {}
    for start in range(0, len(inputs["x"]) - 1, 20):
        piece = {name: array[start:start + 21] if name[0] in "xVSg" else array for name, array in inputs.items()}
        gradient = {name: array + gradient.get(name, 0.0) for name, array in right(op, piece, params).items()}
    return gradient


def restless(op, inputs, params, conventions):
    """A membrane that moves by itself where the first 20 of 21 to 40 steps are silent."""
    outputs = right(op, inputs, params)
    if 20 < len(inputs["x"]) <= 40 and not inputs["x"][:20].any():
        outputs["V0"] += 0.1
    return outputs


def first_layer(inputs, params):
    """The question with the first layer's parameters for all layers, as far as numpy can take them for that."""
    own = dict(params)
    for name in ("tau_mem", "tau_syn", "threshold"):
        first = params[name][0]
        fits = [not isinstance(first, list) or len(first) == inputs[f"W{l}"].shape[1] for l in range(len(params[name]))]
        own[name] = [first if fit else own_value for fit, own_value in zip(fits, params[name])]
    return inputs, own


def spikes_again(inputs, params):
    """The question with spikes where the membranes of the trace are above the threshold."""
    thresholds = {f"S{l}": np.array(theta) for l, theta in enumerate(params["threshold"][:-1])}
    return inputs | {name: (inputs[f"V{name[1:]}"] > theta).astype(float) for name, theta in thresholds.items()}, params


def running_again(op, inputs, params, conventions):
    """The gradient on a trace of the model's own."""
    trace = right("forward", {name: array for name, array in inputs.items() if name[0] in "xWR"},
                  {name: params[name] for name in ("tau_mem", "tau_syn", "threshold", "dt")})
    return right(op, inputs | trace, params)


def decaying(letter):
    """Weight decay of R, or of the W of the readout, too."""
    def spoil(outputs, inputs, params):
        last = len(params["tau_mem"]) - 1
        for name in [name for name in inputs if name[0] == letter and (letter == "R" or name == f"W{last}")]:
            own = right("weight_decay", {"W": inputs[name]}, {"rho": params["weight"]})
            outputs |= {"loss": outputs["loss"] + own["value"], f"d{name}": outputs[f"d{name}"] + own["dW"]}
        return outputs
    return spoil


def counted_from_0(op, inputs, params, conventions):
    """Adam with the exponent `step` in place of step + 1: 0/0 in the first step."""
    outputs, n = right(op, inputs, params), params["step"]
    with np.errstate(divide="ignore", invalid="ignore"):
        mu, nu = (outputs[f"{name}_next"] / np.float64(1 - params[f"decay_{rank}"]**n) for name, rank in (("mu", "first"), ("nu", "second")))
        return outputs | {"W_next": inputs["W"] - params["rate"] * mu / (np.sqrt(nu) + params["epsilon"])}


def training(clip):
    """Training with clip(array) for the clip of the hidden weights."""
    def train(op, inputs, params, conventions):
        weights, losses = {name: array for name, array in inputs.items() if name[0] in "WR"}, []
        moments, gradient_params = {name: np.zeros((2, *array.shape)) for name, array in weights.items()}, dict(params)
        rate = gradient_params.pop("learning_rate")
        for step, (x, labels, noise) in enumerate(zip(inputs["x"], inputs["labels"], inputs["noise"])):
            gradient = right("loss_and_gradient", {**weights, "x": x, "labels": labels, "noise": noise}, gradient_params)
            losses.append(gradient["loss"])
            for name, array in weights.items():
                mu, nu = moments[name]
                own = {"step": step, "rate": rate, "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8}
                moved = right("adam_step", {"W": array, "dW": gradient[f"d{name}"], "mu": mu, "nu": nu}, own)
                weights[name] = clip(moved["W_next"])
                moments[name] = np.array([moved["mu_next"], moved["nu_next"]])
        return {"loss": np.array(losses), **{f"{name}_next": array for name, array in weights.items()}}
    return train
