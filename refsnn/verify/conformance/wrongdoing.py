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
