"""A network in PyTorch whose gradient comes from autograd: forward, on a given trace, and the whole objective. Importing it needs torch.

    refsnn conformance --adapter refsnn.verify.conformance.examples.torch_autograd:adapter

Two lines do what the paper's method needs, and both have the value of their first term and the derivative of the rest:
    S = fired + (phi(V) - phi(V).detach())             a spike with a surrogate derivative, phi being its primitive
    V = recorded + (model - model.detach())            a recorded value in place of the model's
"""

import numpy as np
import torch


def numbers(value):
    """A number, or one a neuron, as a tensor."""
    return torch.tensor(value, dtype=torch.float64)


def spike(V, fired, theta, params):
    """0 or 1, as fired; the derivative is SuperSpike's, at V or, where spike-aware, at the threshold."""
    phi = (V - theta) / (1 + params["slope"] * (V - theta).abs())
    if params["spike_aware"]:
        phi = torch.where(fired > 0, V, phi)
    return fired + (phi - phi.detach())                                  # (B, N)


def run(inputs, params):
    """All layers over all time steps, on the trace among the inputs or free: a list of (V (T, B, N), S or None)."""
    below, trace = inputs["x"], []
    for l in range(len(params["tau_mem"])):
        W, R, spiking = inputs[f"W{l}"], inputs.get(f"R{l}"), l < len(params["tau_mem"]) - 1
        alpha, beta = (torch.exp(-params["dt"] / numbers(params[tau][l])) for tau in ("tau_syn", "tau_mem"))
        theta, V_given, S_given = numbers(params["threshold"][l]), inputs.get(f"V{l}"), inputs.get(f"S{l}")
        I = torch.zeros(below.shape[1], W.shape[1], dtype=torch.float64)                 # (B, N)
        V, S = [I if V_given is None else V_given[0]], [I if S_given is None else S_given[0]]
        for t in range(len(below) - 1):
            I = alpha * I + below[t] @ W + (0 if R is None else S[t] @ R)
            after = beta * V[t] + I
            if V_given is not None:
                after = V_given[t + 1] + (after - after.detach())
            elif spiking:
                after = after - theta * S[t].detach()
            V.append(after)
            fired = S_given[t + 1] if S_given is not None else (after > theta).to(torch.float64).detach()
            S.append(spike(after, fired, theta, params) if spiking else I)
        below = torch.stack(S)
        trace.append((torch.stack(V), below if spiking else None))
    return trace


def objective(trace, inputs, params):
    """The loss of a trace, with every regulariser."""
    V = trace[-1][0] + inputs.get("noise", 0)                                            # (T, B, K)
    # gather, because amax shares a tie among all that have it
    reduced = V.sum(0) if params["reduce"] == "sum" else V.gather(0, torch.from_numpy(V.detach().numpy().argmax(axis=0)[None]))[0]
    m = params["readout_scale"] * reduced                                                # (B, K)
    loss = torch.nn.functional.cross_entropy(m, inputs["labels"]) + params["readout"] * (m ** 2).mean()
    for l, (_, S) in enumerate(trace[:-1]):
        excess = torch.relu(S.sum((0, 2)) - params["rate_limit"])                        # (B,)
        loss = loss + params["burst"] * (S.sum(0) ** 2).mean() + params["rate"] * (excess ** 2).mean()
        loss = loss + params["weight"] * (inputs[f"W{l}"] ** 2).mean()
    return loss


class Autograd:
    """The adapter."""

    name, version, dtype = "PyTorch autograd", torch.__version__, "float64"

    def capabilities(self):
        """A free run, and the objective with its gradient, on a trace or free."""
        return {"ops": ["forward", "loss_and_gradient_of_trace", "loss_and_gradient"], "conventions": {},
                "skip": {"must-fail": "inputs are not checked"}}

    def call(self, op, inputs, params, conventions):
        """Arrays to tensors, tensors to arrays."""
        tensors = {name: torch.tensor(np.array(array)) for name, array in inputs.items()}        # copies: the inputs are read-only
        if op == "forward":
            trace = run(tensors, {**params, "slope": 1.0, "spike_aware": False})
            trace[-1] = (trace[-1][0] + tensors.get("noise", 0), None)
            return {f"{letter}{l}": array.numpy() for l, pair in enumerate(trace) for letter, array in zip("VS", pair) if array is not None}
        weights = {name: tensors[name].requires_grad_() for name in tensors if name[0] in "WR"}
        loss = objective(run(tensors, params), tensors, params)
        gradient = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
        return {"loss": loss.detach().numpy(), **{f"d{name}": own.numpy() for name, own in zip(weights, gradient)}}


adapter = Autograd()
