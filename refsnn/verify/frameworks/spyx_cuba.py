"""Spyx: its CuBaLIF with superspike, run step by step, and the gradient by JAX. float32, as its parameters are."""

import math
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from spyx import axn, nn

from refsnn.verify.frameworks.simulated import NEVER, require_plain

PACKAGES = ("spyx==1.0.0",)


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """V, S (T, B, N). A CuBaLIF compares the membrane that a step starts from; that one is recorded, so that V and S belong together."""
    cell = nn.CuBaLIF((drive.shape[2],), alpha=math.exp(-dt / tau_syn), beta=math.exp(-dt / tau_mem), threshold=threshold,
                      activation=axn.superspike(slope), rngs=nnx.Rngs(0))
    state, membranes, spikes = cell.initial_state(drive.shape[1]), [], []
    for drive_t in drive:
        membranes.append(state[:, :drive.shape[2]])
        S, state = cell(drive_t, state)
        spikes.append(S)
    return jnp.stack(membranes), jnp.stack(spikes)


def run(weights, inputs, params):
    """All layers: a list of (V, S or None)."""
    below, trace, count = jnp.asarray(inputs["x"]), [], len(params["tau_mem"])
    for l in range(count):
        readout = l == count - 1
        V, S = layer(below @ weights[f"W{l}"], params["tau_mem"][l], params["tau_syn"][l], NEVER if readout else params["threshold"][l],
                     params["dt"], params["slope"])
        below = S
        trace.append((V + inputs.get("noise", 0), None) if readout else (V, S))
    return trace


def objective(weights, inputs, params):
    """The loss with every regulariser; m is a sum over time."""
    trace = run(weights, inputs, params)
    m = params["readout_scale"] * trace[-1][0].sum(0)                        # (B, K)
    loss = -jnp.take_along_axis(jax.nn.log_softmax(m), inputs["labels"][:, None], 1).mean() + params["readout"] * (m ** 2).mean()
    for l, (_, S) in enumerate(trace[:-1]):
        excess = jnp.maximum(S.sum((0, 2)) - params["rate_limit"], 0)        # (B,)
        loss += params["burst"] * (S.sum(0) ** 2).mean() + params["rate"] * (excess ** 2).mean() + params["weight"] * (weights[f"W{l}"] ** 2).mean()
    return loss


class Spyx:
    """The adapter."""

    name, version, dtype = "Spyx", version("spyx"), "float32"

    def capabilities(self):
        """A free run, its gradient, and the surrogate derivative."""
        return {"ops": ["surrogate", "forward", "loss_and_gradient"], "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """Arrays in and out."""
        if op == "surrogate":
            return {"sigma": np.asarray(jax.grad(lambda V: axn.superspike(params["slope"])(V - params["threshold"]).sum())(jnp.asarray(inputs["V"])))}
        require_plain(inputs, params)
        weights = {name: jnp.asarray(array) for name, array in inputs.items() if name[0] == "W"}
        if op == "forward":
            trace = run(weights, inputs, {**params, "slope": 1.0})
            return {f"{letter}{l}": np.asarray(array) for l, pair in enumerate(trace) for letter, array in zip("VS", pair) if array is not None}
        if params["reduce"] != "sum":
            raise NotImplementedError("jax.numpy.max shares a tie")
        loss, gradient = jax.value_and_grad(objective)(weights, inputs, params)
        return {"loss": np.asarray(loss), **{f"d{name}": np.asarray(own) for name, own in gradient.items()}}


adapter = Spyx()

DOCUMENTS = ()
