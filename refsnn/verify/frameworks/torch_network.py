"""What the adapters of PyTorch frameworks share: a network of their layers, the paper's objective, and autograd. It needs torch.

A framework is given as two functions:

    layer(drive, tau_mem, tau_syn, threshold, dt, slope) -> (V, S)     its own spiking layer over all time steps; drive (T, B, N) = S_below W
    spike(distance, slope) -> S                                        its own spike function at V - theta

The readout is the same layer with a threshold that is never reached. All frameworks have one time constant for all neurons of a layer here, and no
recurrence: what they have in common.
"""

import numpy as np
import torch

from refsnn.verify.frameworks.simulated import NEVER, require_plain


class TorchNetwork:
    """An adapter, as refsnn.verify.operations asks for."""

    def __init__(self, name, version, layer, spike, dtype="float64"):
        self.name, self.version, self.dtype, self.layer, self.spike = name, version, dtype, layer, spike

    def capabilities(self):
        """A free run, its gradient, and the surrogate derivative."""
        return {"ops": ["surrogate", "forward", "loss_and_gradient"], "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """Arrays to tensors, tensors to arrays."""
        tensors = {name: torch.tensor(np.array(array)) for name, array in inputs.items()}        # copies: the inputs are read-only
        if op == "surrogate":
            V = tensors["V"].requires_grad_()
            self.spike(V - params["threshold"], params["slope"]).sum().backward()
            return {"sigma": V.grad.numpy()}
        require_plain(inputs, params)
        if op == "forward":
            with torch.no_grad():
                trace = self.run(tensors, {**params, "slope": 1.0})
            return {f"{letter}{l}": array.numpy() for l, pair in enumerate(trace) for letter, array in zip("VS", pair) if array is not None}
        weights = {name: tensors[name].requires_grad_() for name in tensors if name[0] == "W"}
        loss = objective(self.run(tensors, params), tensors, params)
        gradient = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
        return {"loss": loss.detach().numpy(), **{f"d{name}": own.numpy() for name, own in zip(weights, gradient)}}

    def run(self, inputs, params):
        """All layers: a list of (V (T, B, N), S or None)."""
        below, trace, count = inputs["x"], [], len(params["tau_mem"])
        for l in range(count):
            readout = l == count - 1
            threshold = NEVER if readout else params["threshold"][l]
            V, S = self.layer(below @ inputs[f"W{l}"], params["tau_mem"][l], params["tau_syn"][l], threshold, params["dt"], params["slope"])
            below = S.to(V.dtype)                                                                # some give float32 spikes
            trace.append((V + inputs.get("noise", 0), None) if readout else (V, below))
        return trace


def over_time(step, drive, *state):
    """A step (drive[t], *state) -> (V, S, *state) for all t: V, S (T, B, N)."""
    membranes, spikes = [], []
    for drive_t in drive:
        V, S, *state = step(drive_t, *state)
        membranes.append(V)
        spikes.append(S)
    return torch.stack(membranes), torch.stack(spikes)


def objective(trace, inputs, params):
    """The loss of a trace, with every regulariser."""
    V = trace[-1][0]                                                                             # (T, B, K)
    # gather, because amax shares a tie among all that have it
    reduced = V.sum(0) if params["reduce"] == "sum" else V.gather(0, torch.from_numpy(V.detach().numpy().argmax(axis=0)[None]))[0]
    m = params["readout_scale"] * reduced                                                        # (B, K)
    loss = torch.nn.functional.cross_entropy(m, inputs["labels"]) + params["readout"] * (m ** 2).mean()
    for l, (_, S) in enumerate(trace[:-1]):
        excess = torch.relu(S.sum((0, 2)) - params["rate_limit"])                                # (B,)
        loss = loss + params["burst"] * (S.sum(0) ** 2).mean() + params["rate"] * (excess ** 2).mean()
        loss = loss + params["weight"] * (inputs[f"W{l}"] ** 2).mean()
    return loss
