"""Mistakes that no change of the question or the answer reaches, as rules of their own, for the paper's conventions.

OTHER_RULES: {operation: ((text, rule(case) -> outputs), ..)}; an output that a rule does not give is the expected one.
"""

import numpy as np

from refsnn.spec import Surrogate, bptt, network
from refsnn.spec.surrogate import superspike
from refsnn.verify.conformance.cases import reference
from refsnn.verify.operations import layers_of
from refsnn.verify.reference import named_gradient, network_of, objective_of, trace_of


def adam_with(denominator):
    """A rule of Adam, which divides by denominator(nu, share, epsilon); nu / share is the second mean, corrected."""
    def rule(case):
        p, n = case.params, case.params["step"] + 1
        mu, share = case.expected["mu_next"] / (1 - p["decay_first"]**n), 1 - p["decay_second"]**n
        return {"W_next": case.inputs["W"] - p["rate"] * mu / denominator(case.expected["nu_next"], share, p["epsilon"])}
    return rule


def signed_peak(V, theta, slope):
    """SuperSpike without the absolute value."""
    return 1 / (slope * (V - theta) + 1) ** 2


def signed_adjoint(case):
    """The step of the recursion with that peak."""
    a, p = case.inputs, case.params
    theta = np.asarray(p["threshold"])
    lam_S = a["lam_S"] + (a["lam_I_next"] @ a["R"].T if "R" in a else 0)
    more = (signed_peak(a["V"], theta, p["slope"]) - superspike(a["V"], theta, p["slope"])) * lam_S
    if p["spike_aware"]:
        more = np.where(a["S"] > 0, 0, more)
    return {name: array + more for name, array in case.expected.items()}


class OneSided(Surrogate):
    """A surrogate with that peak."""

    def derivative(self, V, S, theta):
        """As of Surrogate."""
        peak = signed_peak(V, theta, self.slope)
        return np.where(S > 0, 1.0, peak) if self.spike_aware else peak


def one_sided(case):
    """The gradient with that surrogate, on a trace or of a free run."""
    a, p, count = case.inputs, case.params, layers_of(case.op, case.params)
    net, surrogate = network_of(a, p), OneSided(p["slope"], p["spike_aware"])
    trace = trace_of(a, count) if "V0" in a else None
    if case.op == "backward":
        direct = [[a.get(f"{name}{l}") for l in range(count)] for name in ("gV", "gS")]
        return named_gradient(bptt.backward(net.layers, a["x"], trace, *direct, surrogate))
    return named_gradient(network.loss_and_gradient(net, a["x"], a["labels"], trace, objective_of(p), surrogate, a.get("noise"))[1])


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


OTHER_RULES = {
    "forward": (("the reset takes theta squared off", reset_in_run(np.square)),
                ("the reset takes 1 off, whatever the threshold", reset_in_run(np.ones_like))),
    **dict.fromkeys(("backward", "loss_and_gradient_of_trace", "loss_and_gradient"), (("the absolute value left out of the surrogate", one_sided),)),
    "adam_step": (("epsilon inside the root", adam_with(lambda nu, share, epsilon: np.sqrt(nu / share + epsilon))),
                  ("epsilon added before the correction of the bias",
                   adam_with(lambda nu, share, epsilon: (np.sqrt(nu) + epsilon) / np.sqrt(share)))),
    "clip_weights": (("clipped from above only", lambda case: {"W_next": np.minimum(case.inputs["W"], case.params["limit"])}),
                     ("clipped from below only", lambda case: {"W_next": np.maximum(case.inputs["W"], -case.params["limit"])})),
    "surrogate": (("the absolute value left out", lambda case: {"sigma": signed_peak(
        case.inputs["V"], case.params["threshold"], case.params["slope"])}),),
    "adjoint_step": (("the absolute value left out of the surrogate", signed_adjoint),),
    "burst": tuple((f"of a neuron's spikes {count} count at most, with no derivative beyond", capped(count)) for count in (1, 2, 3, 4, 5, 10)),
}
