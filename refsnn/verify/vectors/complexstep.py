"""Values and gradients under any conventions by complex steps: no backward pass, and no code of the library.

Every weight gets an imaginary part of 1e-30 in a run of its own, all runs side by side on the leading axis U. The forward direction is written
with complex numbers, as SPEC E6 says it: real parts are the values, recorded ones where a trace is given; imaginary parts are derivatives, the
model's. At the end the imaginary part of the objective, over 1e-30, is the gradient. Products of two imaginary parts are 1e-60: nothing.

    symbol    code         shape          meaning
    -         a, p, c      dicts          inputs, params, conventions (all switches) of an operation
    V, S      V, S         (U, T, B, N)   complex membrane and spikes; of a step (U, B, N)
"""

from dataclasses import asdict

import numpy as np

from refsnn.verify.conventions import Conventions

STEP = 1e-30


def fires(V, theta, c):
    """E3, with what the convention says of ties; real."""
    return np.where(V == theta, {"silent": 0.0, "spike": 1.0, "half": 0.5}[c["tie"]], V > theta)


def height(V, S, theta, p, c):
    """sigma' at real V, S. E5."""
    d = abs(np.where(p["spike_aware"] & (S > 0), theta, V) - theta)
    u = d if c["surrogate_slope"] == "outside" else p["slope"] * d
    value = {"superspike": 1 / (1 + u) ** 2, "sigmoid": 1 / np.cosh(np.minimum(u / 2, 300)) ** 2, "triangle": (1 - u) * (u < 1),
             "arctan": 1 / (1 + u * u),
             "rectangle": 1.0 * (u < 0.5)}[c["surrogate"]]
    return value if c["surrogate_slope"] == "inside" else p["slope"] * value


class Constants:
    """What a layer multiplies with: alpha, beta, theta, and the scales of the input into I and of I into V."""

    def __init__(self, p, c):
        mem, syn, self.theta = (np.array(p.get(name, 1.0), float) for name in ("tau_mem", "tau_syn", "threshold"))
        euler = c["integrator"] == "euler"
        self.alpha, self.beta = (1 - p["dt"] / tau if euler else np.exp(-p["dt"] / tau) for tau in (syn, mem))
        self.into_V = {"one": 1.0, "one_minus_beta": 1 - self.beta}.get(c["input_scale"], p["dt"] / mem)
        self.into_I = p["dt"] / syn if c["input_scale"] == "dt_over_both_taus" else 1.0


def step(I, V, S, drive, k, c):
    """(I, V before its own reset) a step later, from the V that was compared and its spikes. E1, E2."""
    I, old = k.alpha * I + k.into_I * drive, I
    spikes = S if c["reset_gradient"] == "flow" else S.real
    kept = {"subtract": lambda U: U - k.theta * spikes, "to_value": lambda U: U * (1 - spikes), "none": lambda U: U}[c["reset"]]
    entering = k.into_V * (old if c["current"] == "old" else I)
    return I, k.beta * kept(V) + entering if c["reset_time"] == "same_step" else kept(k.beta * V + entering)


def layer(S_below, W, R, k, p, c, recorded, spiking):
    """(V, S) of a layer: S_below (U, T, B, M), W (U, M, N), R (U, N, N) or None; recorded: None, or real V, S (T, B, N)."""
    d, r = {"one": 1, "none": 0}[c["input_delay"]], {"one": 1, "two": 2}[c["recurrence_delay"]]
    V = np.zeros((*S_below.shape[:3], W.shape[2]), complex)
    S, I, T = np.zeros_like(V), np.zeros_like(V[:, 0]), V.shape[1]
    if recorded is not None:
        V += recorded[0]
        S += recorded[1]
    for t in range(d, T):
        drive = S_below[:, t - d] @ W
        if R is not None and t >= r:
            drive = drive + S[:, t - r] @ R
        before = (V[:, t - 1], S[:, t - 1]) if t else (np.zeros_like(I), np.zeros_like(I))
        I, model = step(I, *before, drive, k, c)
        V[:, t] = model if recorded is None else recorded[0][t] + 1j * model.imag
        if spiking:
            fired = fires(V[:, t].real, k.theta, c) if recorded is None else recorded[1][t]
            S[:, t] = fired + 1j * height(V[:, t].real, fired, k.theta, p, c) * V[:, t].imag
    return V, S


def turned(array, c):
    """(T, B, N) out of what the conventions take the axes for, and back."""
    return array.swapaxes(-3, -2) if c["axes"] == "batch_first" else array


def network(weights, a, p, c):
    """(V, S) of every layer; weights {W0, R0, ..} complex with the axis U; on the trace among a where there is one."""
    S_below, found, count = turned(a["x"], c)[None] + np.zeros((len(weights["W0"]), 1, 1, 1), complex), [], len(p["tau_mem"])
    for l in range(count):
        own = {name: p[name][l] for name in ("tau_mem", "tau_syn", "threshold")} | {"dt": p["dt"]}
        recorded = (turned(a[f"V{l}"], c), turned(a[f"S{l}"], c) if f"S{l}" in a else 0.0) if f"V{l}" in a else None
        R = weights.get(f"R{l}")
        R = R.swapaxes(1, 2) if R is not None and c["recurrent_weights"] == "to_from" else R
        k, surrogate = Constants(own, c), {"slope": p.get("slope", 1.0), "spike_aware": p.get("spike_aware", False)}
        V, S = layer(S_below, weights[f"W{l}"], R, k, surrogate, c, recorded, l < count - 1)
        found.append((V, S))
        S_below = S
    if "noise" in a:
        found[-1] = found[-1][0] + turned(a["noise"], c), found[-1][1]
    return found


def scores(V, p, c):
    """m (U, B, K) of V (U, T, B, K); the maximum is looked for among the real parts. E11, E12."""
    if p["reduce"] == "sum":
        return p["readout_scale"] * V.sum(axis=1)
    largest = V.real == V.real.max(axis=1, keepdims=True)
    if c["time_maximum"] != "shared":
        order = slice(None, None, -1 if c["time_maximum"] == "last" else 1)
        largest = (largest & (np.cumsum(largest[:, order], axis=1)[:, order] == 1))
    return p["readout_scale"] * (V * largest).sum(axis=1) / largest.sum(axis=1)


def entropy(m, labels, c):
    """The loss (U,) of m (U, B, K). E11."""
    m = m - m.real.max(axis=2, keepdims=True)
    losses = np.log(np.exp(m).sum(axis=2)) - m[:, np.arange(len(labels)), labels]
    return losses.sum(axis=1) if c["batch_loss"] == "sum" else losses.mean(axis=1)


def mean_square(x, rho):
    """rho mean(x^2) over all axes but U. E14, E15."""
    return rho * (x.reshape(len(x), -1) ** 2).mean(axis=1)


def burst(S, rho):
    """E13."""
    return mean_square(S.sum(axis=1), rho)


def rate_bound(S, rho, limit):
    """E16."""
    excess = S.sum(axis=(1, 3)) - limit
    return rho * (excess**2 * (excess.real > 0)).mean(axis=1)


def objective(weights, a, p, c):
    """The loss (U,). E11-E16."""
    trace = network(weights, a, p, c)
    m = scores(trace[-1][0], p, c)
    loss = entropy(m, a["labels"], c) + mean_square(m, p["readout"])
    for l, (_, S) in enumerate(trace[:-1]):
        loss = loss + burst(S, p["burst"]) + rate_bound(S, p["rate"], p["rate_limit"]) + mean_square(weights[f"W{l}"], p["weight"])
    return loss


def derivatives(function, arrays):
    """(value, {name: derivative by every entry}) of a function of {name: complex array with the axis U}.

    U has a run for every entry, and a last one without imaginary parts, for the value.
    """
    sizes = [array.size for array in arrays.values()]
    offsets, lifted, U = np.cumsum([0, *sizes]), {}, sum(sizes) + 1
    for (name, array), offset in zip(arrays.items(), offsets):
        lifted[name] = np.zeros((U, *array.shape), complex) + array
        lifted[name].reshape(U, -1)[np.arange(offset, offset + array.size), np.arange(array.size)] += 1j * STEP
    values = function(lifted)
    return values[-1].real, {name: (values.imag[offset:offset + array.size] / STEP).reshape(array.shape)
                            for (name, array), offset in zip(arrays.items(), offsets)}


def weights_of(a):
    """The weights among inputs."""
    return {name: array for name, array in a.items() if name[0] in "WR"}


def learnt(a, p, c):
    """Loss and gradient of everything, on a trace or on a free run."""
    loss, gradient = derivatives(lambda weights: objective(weights, a, p, c), weights_of(a))
    return {"loss": loss, **{f"d{name}": array for name, array in gradient.items()}}


def backward(a, p, c):
    """The gradient of the sum of gV V + gS S. E5-E10."""
    def product(weights):
        pairs = [(turned(a[f"g{letter}{l}"], c), part) for l, own in enumerate(network(weights, a, p, c)) for letter,
                 part in zip("VS", own) if f"g{letter}{l}" in a]
        return sum((g * part).sum(axis=(1, 2, 3)) for g, part in pairs)
    return {f"d{name}": array for name, array in derivatives(product, weights_of(a))[1].items()}


def forward(a, p, c):
    """The real parts, for weights without imaginary ones; recorded as the convention says. E1-E4."""
    found = {}
    for l, (V, S) in enumerate(network({name: array[None] + 0j for name, array in weights_of(a).items()}, a, p, c)):
        V, S = V[0].real, S[0].real
        if l < len(p["tau_mem"]) - 1:
            found[f"S{l}"] = turned(S, c)
            if c["recorded_membrane"] == "after_reset":
                V = {"subtract": V - np.array(p["threshold"][l]) * S, "to_value": V * (1 - S), "none": V}[c["reset"]]
        found[f"V{l}"] = turned(V, c)
    return found


def lif_step(a, p, c):
    """E1-E3."""
    k = Constants(p, c)
    I, V = step(a["I"], a["V"], a.get("S", np.zeros_like(a["V"])), a["drive"], k, c)
    return {"I_next": I, "V_next": V, **({"S_next": fires(V, k.theta, c)} if "S" in a else {})}


def train(a, p, c):
    """Steps of training, Adam and the clip written out. Section 4."""
    weights, losses = weights_of(a), []
    mu, nu = ({name: np.zeros_like(array) for name, array in weights.items()} for _ in range(2))
    for n, (x, labels, noise) in enumerate(zip(a["x"], a["labels"], a["noise"]), 1):
        answers = learnt({**weights, "x": x, "labels": labels, "noise": noise}, p, c)
        losses.append(answers["loss"])
        for name in weights:
            g = answers[f"d{name}"]
            mu[name], nu[name] = 0.9 * mu[name] + 0.1 * g, 0.999 * nu[name] + 0.001 * g * g
            moved = weights[name] - p["learning_rate"] * mu[name] / (1 - 0.9**n) / (np.sqrt(nu[name] / (1 - 0.999**n)) + 1e-8)
            weights[name] = moved if name == f"W{len(p['tau_mem']) - 1}" else np.clip(moved, -63 / 240, 63 / 240)
    return {"loss": np.array(losses), **{f"{name}_next": array for name, array in weights.items()}}


def of(name, function):
    """An operation that gives a value and its derivative by the input `name`, called value_name and derivative_name."""
    def operation(a, p, c, outputs):
        value, found = derivatives(lambda lifted: function(lifted[name], a, p, c), {name: a[name]})
        return dict(zip(outputs, (value, found[name])))
    return operation


DIFFERENTIATED = {
    "scores_adjoint": (of("V", lambda V, a, p, c: (a["dm"] * scores(V, p, c)).sum(axis=(1, 2))), ("", "gV")),
    "cross_entropy": (of("m", lambda m, a, p, c: entropy(m, a["labels"], c)), ("loss", "dm")),
    "burst": (of("S", lambda S, a, p, c: burst(S, p["rho"])), ("value", "gS")),
    "rate_bound": (of("S", lambda S, a, p, c: rate_bound(S, p["rho"], p["limit"])), ("value", "gS")),
    "readout_amplitude": (of("m", lambda m, a, p, c: mean_square(m, p["rho"])), ("value", "dm")),
    "weight_decay": (of("W", lambda W, a, p, c: mean_square(W, p["rho"])), ("value", "dW")),
}
DIRECT = {"forward": forward, "backward": backward, "lif_step": lif_step, "li_step": lif_step, "loss_and_gradient_of_trace": learnt,
          "loss_and_gradient": learnt,
          "train": train, "decay": lambda a, p, c: {"alpha": Constants({"tau_mem": a["tau"], "tau_syn": a["tau"], **p}, c).alpha},
          "surrogate": lambda a, p, c: {"sigma": height(a["V"], 0 * a["V"], p["threshold"], {**p, "spike_aware": False}, c)}}


def answer(draft):
    """The outputs of a draft under its conventions."""
    a, p, c = draft.inputs, draft.params, asdict(Conventions(**draft.conventions))
    if draft.op in DIFFERENTIATED:
        operation, outputs = DIFFERENTIATED[draft.op]
        return {name: array for name, array in operation(a, p, c, outputs).items() if name}
    return DIRECT[draft.op](a, p, c)
