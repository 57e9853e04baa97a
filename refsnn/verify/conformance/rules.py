"""Mistakes that no change of the question or the answer reaches, as rules of their own, for the paper's conventions.

OTHER_RULES: {operation: ((text, rule(case) -> outputs), ..)}; an output that a rule does not give is the expected one.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from refsnn.spec import Surrogate, bptt, loss, network, optim
from refsnn.spec.surrogate import superspike
from refsnn.verify.conformance.cases import reference
from refsnn.verify.operations import layers_of
from refsnn.verify.reference import named_gradient, network_of, objective_of, trace_of


def adam_with(denominator, first=1):
    """A rule of Adam, which divides by denominator(nu, share, epsilon), nu / share being the second mean, corrected; its first step has the number
    `first`. In a step with the number 0 it is 0/0."""
    def rule(case):
        p, n = case.params, case.params["step"] + first
        if n == 0:
            return {"W_next": np.full_like(case.inputs["W"], np.nan)}
        mu, share = case.expected["mu_next"] / (1 - p["decay_first"]**n), 1 - p["decay_second"]**n
        return {"W_next": case.inputs["W"] - p["rate"] * mu / denominator(case.expected["nu_next"], share, p["epsilon"])}
    return rule


def signed_peak(V, theta, slope):
    """SuperSpike without the absolute value."""
    return 1 / (slope * (V - theta) + 1) ** 2


def flat_peak(V, theta, slope):
    """SuperSpike without the square."""
    return 1 / (slope * np.abs(V - theta) + 1)


def sigma_with(peak):
    """A rule of the surrogate: another peak."""
    return lambda case: {"sigma": peak(case.inputs["V"], case.params["threshold"], case.params["slope"])}


def adjoint_with(peak):
    """A rule of the step of the recursion: another peak."""
    def rule(case):
        a, p = case.inputs, case.params
        theta = np.asarray(p["threshold"])
        lam_S = a["lam_S"] + (a["lam_I_next"] @ a["R"].T if "R" in a else 0)
        more = (peak(a["V"], theta, p["slope"]) - superspike(a["V"], theta, p["slope"])) * lam_S
        if p["spike_aware"]:
            more = np.where(a["S"] > 0, 0, more)
        return {name: array + more for name, array in case.expected.items()}
    return rule


@dataclass(frozen=True)
class OtherSurrogate(Surrogate):
    """A surrogate with another peak, peak(V, theta, slope)."""

    peak: Callable = superspike

    def derivative(self, V, S, theta):
        """As of Surrogate."""
        sigma = self.peak(V, theta, self.slope)
        return np.where(S > 0, 1.0, sigma) if self.spike_aware else sigma


def gradient_with(peak):
    """A rule of the gradient, on a trace or of a free run: another peak."""
    def rule(case):
        a, p, count = case.inputs, case.params, layers_of(case.op, case.params)
        net, surrogate = network_of(a, p), OtherSurrogate(p["slope"], p["spike_aware"], peak)
        trace = trace_of(a, count) if "V0" in a else None
        if case.op == "backward":
            direct = [[a.get(f"{name}{l}") for l in range(count)] for name in ("gV", "gS")]
            return named_gradient(bptt.backward(net.layers, a["x"], trace, *direct, surrogate))
        return named_gradient(network.loss_and_gradient(net, a["x"], a["labels"], trace, objective_of(p), surrogate, a.get("noise"))[1])
    return rule


def decay_also(recurrent, readout):
    """A rule of the objective: weight decay of R, of the readout's W, or of both, too."""
    def rule(case):
        own, rho, last = dict(case.expected), case.params["weight"], layers_of(case.op, case.params) - 1
        for name in [name for name in case.inputs if recurrent and name[0] == "R" or readout and name == f"W{last}"]:
            value, derivative = loss.weight_decay(case.inputs[name], rho)
            own["loss"], own[f"d{name}"] = own["loss"] + value, own[f"d{name}"] + derivative
        return own
    return rule


def trained_with(clip):
    """A rule of training: clip(network) in place of the clip of the hidden weights."""
    def rule(case):
        a, p, losses = case.inputs, case.params, []
        net = network_of(a, p)
        state = optim.adam_start(network.parameters(net.layers))
        for x, labels, noise in zip(a["x"], a["labels"], a["noise"]):
            total, gradient, _ = network.loss_and_gradient(net, x, labels, None, objective_of(p), Surrogate(p["slope"], p["spike_aware"]), noise)
            losses.append(total)
            arrays, state = optim.adam_step(network.parameters(net.layers), network.parameters(gradient), state, p["learning_rate"])
            net = clip(net.with_parameters(arrays))
        weights = {f"{letter}{l}_next": array for l, layer in enumerate(net.layers) for letter, array in (("W", layer.W), ("R", layer.R))}
        return {"loss": np.array(losses), **{name: array for name, array in weights.items() if array is not None}}
    return rule


def clip_everything(net):
    """The clip of all weights, those of the readout too."""
    limit = optim.WEIGHT_LIMIT
    return net.with_parameters([array.clip(-limit, limit) for array in network.parameters(net.layers)])


def reset_in_run(amount):
    """A rule of a free run: a reset takes amount(theta) off."""
    def rule(case):
        a, p, count, found = case.inputs, case.params, layers_of(case.op, case.params), {}
        S = a["x"]
        for l in range(count):
            # a readout as a layer that never spikes
            own = {name: p[name][l] for name in ("tau_mem", "tau_syn")} | {"dt": p["dt"], "threshold": p["threshold"][l] if l < count - 1 else 1e100}
            found[f"V{l}"], S = layer_run(S, a[f"W{l}"], a.get(f"R{l}"), own, amount)
            found[f"S{l}"] = S
        found[f"V{count - 1}"] = found[f"V{count - 1}"] + a.get("noise", 0)
        return {name: found[name] for name in case.expected}
    return rule


def layer_run(S_below, W, R, params, amount):
    """(V, S), (T, B, N) each, of one layer, step by step."""
    theta, V = np.asarray(params["threshold"]), np.zeros((*S_below.shape[:2], W.shape[1]))
    S, I = np.zeros_like(V), V[0]
    for t in range(len(V) - 1):
        drive = S_below[t] @ W + (0 if R is None else S[t] @ R)                   # (B, N)
        state = {"I": I, "V": V[t], "S": S[t] * (amount(theta) / theta), "drive": drive}
        I, V[t + 1], S[t + 1] = reference().call("lif_step", state, params, {}).values()
    return V, S


def capped(count):
    """The burst regulariser of no more than so many spikes of a neuron, which has no derivative beyond."""
    def rule(case):
        n, rho = case.inputs["S"].sum(axis=0), case.params["rho"]
        gS = np.where(n > count, 0, 2 * rho * n / n.size)
        return {"value": rho * np.mean(np.minimum(n, count) ** 2), "gS": np.broadcast_to(gS, case.inputs["S"].shape)}
    return rule


PEAKS = (("the absolute value left out of the surrogate", signed_peak), ("the surrogate not squared", flat_peak))
GRADIENT = tuple((text, gradient_with(peak)) for text, peak in PEAKS)
DECAY = (("weight decay of R, too", decay_also(True, False)), ("weight decay of the readout, too", decay_also(False, True)),
         ("weight decay of R and of the readout, too", decay_also(True, True)))

OTHER_RULES = {
    "surrogate": tuple((text, sigma_with(peak)) for text, peak in PEAKS),
    "forward": (("the reset takes theta squared off", reset_in_run(np.square)),
                ("the reset takes 1 off, whatever the threshold", reset_in_run(np.ones_like))),
    "adjoint_step": tuple((text, adjoint_with(peak)) for text, peak in PEAKS),
    "backward": GRADIENT,
    "loss_and_gradient_of_trace": GRADIENT + DECAY,
    "loss_and_gradient": GRADIENT + DECAY,
    "burst": tuple((f"of a neuron's spikes {count} count at most, with no derivative beyond", capped(count)) for count in (1, 2, 3, 4, 5, 10)),
    "adam_step": (("epsilon inside the root", adam_with(lambda nu, share, epsilon: np.sqrt(nu / share + epsilon))),
                  ("epsilon added before the correction of the bias", adam_with(lambda nu, share, epsilon: (np.sqrt(nu) + epsilon) / np.sqrt(share))),
                  ("Adam's step counted from 0", adam_with(lambda nu, share, epsilon: np.sqrt(nu / share) + epsilon, first=0))),
    "clip_weights": (("clipped from above only", lambda case: {"W_next": np.minimum(case.inputs["W"], case.params["limit"])}),
                     ("clipped from below only", lambda case: {"W_next": np.maximum(case.inputs["W"], -case.params["limit"])}),
                     ("not clipped", lambda case: {"W_next": case.inputs["W"]})),
    "train": (("no clip", trained_with(lambda net: net)), ("the readout clipped, too", trained_with(clip_everything))),
}
