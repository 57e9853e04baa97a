"""The operations that are formulas, with 50 decimal digits: what the true value is. It shares no code with the library.

Arrays here hold decimal.Decimal, to which a float64 converts exactly; numpy only carries them along. a are the inputs of an operation, p its
params. SPEC E1-E18, C1, section 4.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext, localcontext

import numpy as np

DIGITS = 50
ROUNDINGS = {"even": ROUND_HALF_EVEN, "away": ROUND_HALF_UP, "zero": ROUND_DOWN}


def decimal(values):
    """An array of Decimals: every number exactly as it is."""
    return np.vectorize(lambda value: Decimal(float(value)), otypes=[object])(values)


def exp(values):
    """e to the power of every entry."""
    return np.vectorize(lambda value: value.exp(), otypes=[object])(values)


def left(tau, p):
    """exp(-dt/tau), per neuron or one."""
    return exp(-decimal(p["dt"]) / decimal(tau))


def decay(a, p):
    """E1, E2."""
    return {"alpha": left(a["tau"], p)}


def latency_of(x, tau_in):
    """The time of one pixel; None for a dark one. The constant is the float 0.2. E18."""
    return tau_in * (x / (x - Decimal(0.2))).ln() if x > Decimal(0.2) else None


def latency(a, p):
    """E18."""
    found = [latency_of(x, Decimal(p["tau_in"])) for x in decimal(a["intensity"])]
    return {"time": [Decimal("inf") if time is None else time for time in found]}


def encode(a, p):
    """E18; a pixel is the rational x = n/255, and 51 is dark."""
    images, tau, white = a["images"], Decimal(p["tau_in"]), latency_of(Decimal(1), Decimal(p["tau_in"]))
    x = np.zeros((p["steps"], len(images), images[0].size))
    for (b, *position), pixel in np.ndenumerate(images):
        if pixel > 51:
            bin_ = int((latency_of(Decimal(int(pixel)) / 255, tau) - white) / Decimal(p["dt"]))
            if bin_ < p["steps"]:
                x[(bin_, b, np.ravel_multi_index(position, images[0].shape))] = 1
    return {"x": x}


def peak(V, theta, slope):
    """sigma'. E5."""
    return 1 / (slope * abs(V - theta) + 1) ** 2


def surrogate(a, p):
    """E5."""
    return {"sigma": peak(decimal(a["V"]), Decimal(p["threshold"]), Decimal(p["slope"]))}


def surrogate_primitive(a, p):
    """E5."""
    d = decimal(a["V"]) - Decimal(p["threshold"])
    return {"phi": d / (1 + Decimal(p["slope"]) * abs(d))}


def lif_step(a, p):
    """E1-E3."""
    theta = decimal(p["threshold"])
    after = li_step(a, p)
    V = after["V_next"] - theta * decimal(a["S"])
    return {"I_next": after["I_next"], "V_next": V, "S_next": (V > theta).astype(float)}


def li_step(a, p):
    """E4."""
    I = left(p["tau_syn"], p) * decimal(a["I"]) + decimal(a["drive"])
    return {"I_next": I, "V_next": left(p["tau_mem"], p) * decimal(a["V"]) + I}


def forward(a, p):
    """E1-E4, with the noise on the last membrane."""
    S_below, found, count = decimal(a["x"]), {}, len(p["tau_mem"])
    for l in range(count):
        W, R = decimal(a[f"W{l}"]), decimal(a[f"R{l}"]) if f"R{l}" in a else None
        own = {name: p[name][l] for name in ("tau_mem", "tau_syn", "threshold")} | {"dt": p["dt"]}
        V = decimal(np.zeros((*S_below.shape[:2], W.shape[1])))
        S, I = V.copy(), V[0]
        for t in range(len(V) - 1):
            drive = S_below[t] @ W + (0 if R is None else S[t] @ R)
            after = lif_step({"I": I, "V": V[t], "S": S[t], "drive": drive}, own)
            I, V[t + 1] = after["I_next"], after["V_next"]
            S[t + 1] = decimal(after["S_next"]) if l < count - 1 else S[t]
        found |= {f"V{l}": V, f"S{l}": S} if l < count - 1 else {f"V{l}": V + decimal(a["noise"]) if "noise" in a else V}
        S_below = S
    return found


def adjoint_step(a, p):
    """E7-E9."""
    V, theta, lam_I_next = decimal(a["V"]), decimal(p["threshold"]), decimal(a["lam_I_next"])
    lam_S = decimal(a["lam_S"]) + (lam_I_next @ decimal(a["R"]).T if "R" in a else 0)
    at = np.where(a["S"] > 0, theta, V) if p["spike_aware"] else V
    lam_V = decimal(a["gV"]) + peak(at, theta, Decimal(p["slope"])) * lam_S + left(p["tau_mem"], p) * decimal(a["lam_V_next"])
    return {"lam_V": lam_V, "lam_I": lam_V + left(p["tau_syn"], p) * lam_I_next}


def scores(a, p):
    """E11, E12."""
    V = decimal(a["V"])
    m = Decimal(p["readout_scale"]) * (V.max(axis=0) if p["reduce"] == "max" else V.sum(axis=0))
    return {"m": m, "decision": [list(scored).index(max(scored)) for scored in m]}


def cross_entropy(a, p):
    """E11, without taking the largest score off: 50 digits and any exponent need no care."""
    m, one_hot = decimal(a["m"]), decimal(np.eye(a["m"].shape[1])[a["labels"]])
    share = exp(m) / exp(m).sum(axis=1, keepdims=True)
    return {"loss": sum(-value.ln() for value in (share * one_hot).sum(axis=1)) / len(m), "dm": (share - one_hot) / len(m)}


def adam_step(a, p):
    """Kingma & Ba 2015, algorithm 1."""
    b1, b2, g, n = Decimal(p["decay_first"]), Decimal(p["decay_second"]), decimal(a["dW"]), p["step"] + 1
    mu, nu = b1 * decimal(a["mu"]) + (1 - b1) * g, b2 * decimal(a["nu"]) + (1 - b2) * g * g
    root = np.vectorize(lambda value: value.sqrt(), otypes=[object])(nu / (1 - b2**n))
    return {"W_next": decimal(a["W"]) - Decimal(p["rate"]) * (mu / (1 - b1**n)) / (root + Decimal(p["epsilon"])), "mu_next": mu, "nu_next": nu}


def clip_weights(a, p):
    """The middle one of three."""
    return {"W_next": np.vectorize(lambda w: sorted((w, p["limit"], -p["limit"]))[1])(a["W"])}


def load_weights(a, p):
    """C1, with any of the three conventions of rounding."""
    W, levels = decimal(a["W"]), p["levels"]
    scale = Decimal(240) if p["layer"] == "spiking" else min(Decimal(levels) / abs(W).max(), Decimal(250))
    codes = np.vectorize(lambda w: int((scale * w).quantize(Decimal(1), ROUNDINGS[p["weight_rounding"]])))(W)
    return {"codes": codes.clip(-levels, levels), "scale": scale}


def learning_rate(a, p):
    """The exponential schedule; the cosine by its series."""
    rate = Decimal(p["rate"])
    if p["schedule"] == "exponential":
        return {"rates": [rate * Decimal(p["factor"]) ** int(epoch) for epoch in a["epoch"]]}
    return {"rates": [rate * (1 + cosine(int(epoch), p["epochs"])) / 2 for epoch in a["epoch"]]}


PI = Decimal("3.14159265358979323846264338327950288419716939937511")


def cosine(n, of):
    """cos(pi n / of) by its series."""
    term, total, square = Decimal(1), Decimal(1), (PI * n / of) ** 2
    for k in range(2, 80, 2):
        term *= -square / (k * (k - 1))
        total += term
    return total


OPERATIONS = {function.__name__: function for function in (decay, latency, encode, surrogate, surrogate_primitive, lif_step, li_step, forward,
                                                           adjoint_step, scores,
                                                           cross_entropy, adam_step, clip_weights, load_weights, learning_rate)}


def applies(draft):
    """Whether this file has an answer: under the paper's conventions, and for roundings under others."""
    return draft.op in OPERATIONS and (not draft.conventions or draft.op == "load_weights")


def answer(draft):
    """The outputs of a draft, rounded to float64 at the end."""
    params = {**draft.params, "weight_rounding": "even", **draft.conventions}
    with localcontext():
        getcontext().prec = DIGITS
        return {name: np.array(values, dtype=object).astype(float) for name, values in OPERATIONS[draft.op](draft.inputs, params).items()}
