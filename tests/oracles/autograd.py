"""Loss and surrogate gradients of a small spiking network, by PyTorch autograd.

An oracle that shares no code with the hand-written back-propagation it checks. Only the forward recursion is
spelled out; PyTorch derives the gradients. The spike (surrogate derivative) and the injection of recorded values
(straight-through) have backward rules of their own. Method: Cramer, Billaudelle et al., arXiv 2006.07239.

Axes: T time steps (axis 0), B batch, M inputs, N neurons of a layer, K classes. W[pre, post]. All in float64.
"""

import numpy as np
import torch

OBJECTIVE_KEYS = {"reduce", "readout_scale", "burst", "weight", "readout", "rate", "rate_limit"}


class Spike(torch.autograd.Function):
    """Forward: `fired` (0/1), produced by the model or recorded. Backward: surrogate derivative at membrane v."""

    @staticmethod
    def forward(ctx, v, fired, theta, slope, spike_aware):
        derivative = 1.0 / (slope * (v - theta).abs() + 1.0) ** 2               # (B, N)
        if spike_aware:
            derivative = torch.where(fired == 1.0, 1.0, derivative)             # a spike: as if taken at v = theta
        ctx.save_for_backward(derivative)
        return fired.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None, None, None, None


class Inject(torch.autograd.Function):
    """model + (recorded - model).detach(), but without its rounding, which could break ties of a recorded trace."""

    @staticmethod
    def forward(ctx, model, recorded):
        return recorded.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def tensor(array):
    return None if array is None else torch.tensor(np.asarray(array, dtype=np.float64))


def run(layers, x, slope, spike_aware, recorded):
    """Advance all layers together. x (T, B, M) -> list of (V (T, B, N), S (T, B, N) or None) as tensors."""
    steps, batch = x.shape[:2]
    current, membranes, spikes = [], [], []                                     # one entry per layer; lists over t
    for index, layer in enumerate(layers):
        zeros = torch.zeros(batch, layer["W"].shape[1], dtype=torch.float64)    # (B, N)
        current.append(zeros)
        membranes.append([recorded[index][0][0] if recorded else zeros])
        spikes.append([recorded[index][1][0] if recorded else zeros] if layer["spiking"] else None)
    for t in range(steps - 1):
        for index, layer in enumerate(layers):
            below = x[t] if index == 0 else spikes[index - 1][t]                # (B, M)
            current[index] = layer["alpha"] * current[index] + below @ layer["W"]
            if layer["R"] is not None:
                current[index] = current[index] + spikes[index][t] @ layer["R"]
            v = layer["beta"] * membranes[index][t] + current[index]            # (B, N)
            if recorded:
                v = Inject.apply(v, recorded[index][0][t + 1])
            elif layer["spiking"]:
                v = v - layer["theta"] * spikes[index][t].detach()
            membranes[index].append(v)
            if layer["spiking"]:
                fired = recorded[index][1][t + 1] if recorded else (v > layer["theta"]).to(torch.float64)
                spikes[index].append(Spike.apply(v, fired, layer["theta"], slope, spike_aware))
    return [(torch.stack(v), None if s is None else torch.stack(s)) for v, s in zip(membranes, spikes)]


def loss_of(layers, trace, labels, objective):
    """Cross-entropy of the reduced readout, plus the regularisers; a missing regulariser counts as 0."""
    v = trace[-1][0]                                                            # (T, B, K)
    if objective["reduce"] == "max":
        first = torch.from_numpy(np.argmax(v.detach().numpy(), axis=0))         # (B, K); first index on a tie
        reduced = torch.gather(v, 0, first[None])[0]
    else:
        reduced = v.sum(dim=0)
    m = objective["readout_scale"] * reduced                                    # (B, K)
    loss = -torch.log_softmax(m, dim=1)[torch.arange(len(labels)), labels].mean()
    loss = loss + objective.get("readout", 0.0) * (m ** 2).mean()
    for layer, (_, s) in zip(layers[:-1], trace):
        count = s.sum(dim=0)                                                    # (B, N) spikes of each neuron
        loss = loss + objective.get("burst", 0.0) * (count ** 2).mean()
        loss = loss + objective.get("weight", 0.0) * (layer["W"] ** 2).mean()
        if objective.get("rate"):
            excess = torch.relu(count.sum(dim=1) - objective["rate_limit"])     # (B,)
            loss = loss + objective["rate"] * (excess ** 2).mean()
    return loss


def loss_and_gradient(layers, x, labels, objective, slope=50.0, spike_aware=False, noise=None, trace=None):
    """Return (loss, [(dW, dR or None)], [(V, S or None)]), the last two per layer; dR is None where R is.

    `layers`: dicts with W, R (or None), alpha, beta, theta (scalar or (N,)) and spiking; only the last is False.
    `noise` (T, B, K) is added to the readout's membrane after the run, and is part of the returned trace.
    `trace`, if given, is injected: recorded values forward, the model's derivatives backward, no reset.
    """
    if [bool(layer["spiking"]) for layer in layers] != [True] * (len(layers) - 1) + [False]:
        raise ValueError("all layers but the last must spike, and the last must not")
    if set(objective) - OBJECTIVE_KEYS or objective["reduce"] not in ("max", "sum") or layers[-1].get("R") is not None:
        raise ValueError("an unknown key or reduction in the objective, or a recurrent readout")
    layers = [{key: value if key == "spiking" else tensor(value) for key, value in {"R": None, **layer}.items()}
              for layer in layers]
    recorded = None if trace is None else [(tensor(v), tensor(s)) for v, s in trace]
    parameters = [layer[key].requires_grad_() for layer in layers for key in "WR" if layer[key] is not None]

    result = run(layers, tensor(x), slope, spike_aware, recorded)
    if noise is not None:
        result[-1] = (result[-1][0] + tensor(noise), None)
    loss = loss_of(layers, result, torch.as_tensor(np.asarray(labels, dtype=np.int64)), objective)
    loss = loss + 0.0 * sum(p.sum() for p in parameters)                        # so that each one is in the graph
    loss.backward()
    grads = [(layer["W"].grad.numpy(), None if layer["R"] is None else layer["R"].grad.numpy()) for layer in layers]
    return loss.item(), grads, [(v.detach().numpy(), None if s is None else s.detach().numpy()) for v, s in result]
