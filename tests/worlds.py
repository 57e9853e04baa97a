"""What the formulas of the derivation are evaluated with: for each topic the symbols, from the library, and the values of the free indices.

Derivatives are central differences, integrals quadratures; nothing here repeats what a formula says.
"""

import math

import numpy as np

from refsnn.chip.dynamics import transfer
from refsnn.chip.synapses import load_weights, weight_scale
from refsnn.exercises import tasks
from refsnn.spec import Layer, NeuronParameters, Objective, Surrogate, Trace, bptt, encoding, loss, neuron
from refsnn.spec.surrogate import superspike, superspike_primitive

SLOPE = 3.0                               # of the surrogate where differences are taken: 50 is too steep for them
UNEQUAL = NeuronParameters(tau_mem=9e-6, tau_syn=4e-6)
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(40)


def d(function, at):
    """The derivative of a function at a point, by a central difference of fourth order."""
    step = 1e-4 * max(abs(at), 1e-2)
    near, far = (function(at + k * step) - function(at - k * step) for k in (1, 2))
    return (8 * near - far) / (12 * step)


def integral(function, low, high):
    """Gauss-Legendre."""
    middle, half = (low + high) / 2, (high - low) / 2
    return half * sum(w * function(middle + half * p) for p, w in zip(POINTS, WEIGHTS))


COMMON = {"exp": np.exp, "log": np.log, "floor": math.floor, "abs": abs, "sum": sum, "max": max, "min": min, "round": np.rint, "range": range,
          "mean": lambda values: np.mean(list(values)), "d": d, "integral": integral}


def analog():
    """ode: the two equations in units of 1 us, and a run of the library below threshold."""
    tau_syn, tau_mem, dt, rng = 4.0, 9.0, 1.7, np.random.default_rng(0)
    constants = NeuronParameters(tau_mem=tau_mem, tau_syn=tau_syn, dt=dt)
    J = lambda t: 0.7 * np.exp(-t / tau_syn)                                             # noqa: E731
    c = lambda h: float(transfer(h, tau_mem, tau_syn))                                   # noqa: E731
    U = lambda t: 0.3 * np.exp(-t / tau_mem) + c(t) * 0.7 if t else 0.3                  # noqa: E731
    T, drive = 6, rng.normal(size=7)
    I, V, S = [np.zeros((1, 1))], [np.zeros((1, 1))], np.zeros((1, 1))
    for t in range(T):
        after = neuron.lif_step(I[-1], V[-1], S, drive[t], constants.alpha, constants.beta, 1e9)
        I.append(after[0]), V.append(after[1])
    # the analog side by quadrature, spike by spike, and not by a recursion
    kappa = 1 / c(dt)
    J_after = [sum(kappa * drive[k] * np.exp(-(t - k) * dt / tau_syn) for k in range(t + 1)) for t in range(T)]
    U_at = [sum(kappa * drive[k] * integral(lambda s: np.exp(-((t - k) * dt - s) / tau_mem - s / tau_syn), 0,
                                            (t - k) * dt) for k in range(t)) for t in range(T)]
    return {"tau_syn": tau_syn, "tau_mem": tau_mem, "dt": dt, "alpha": constants.alpha, "beta": constants.beta, "J": J, "U": U, "c": c,
            "kappa": kappa,
            "G": lambda t: np.exp(t / tau_mem) * U(t), "I": I, "V": V, "drive": drive, "J_after": J_after, "U_at": U_at}, \
        {"t": range(1, T - 1), "h": (0.5, 1.7, 3.0)}


def spiking():
    """neuron: a recurrent run of the library, a readout, and one spike."""
    rng, n = np.random.default_rng(1), range(1, 12)
    x, W, R, W_out = (rng.random((12, 1, 3)) < 0.5) * 1.0, rng.normal(0.6, 0.5, (3, 2)), rng.normal(0, 0.5, (2, 2)), rng.normal(size=(2, 2))
    hidden, readout, I, I_out = neuron.run_spiking(x, W, R, UNEQUAL), None, [np.zeros((1, 2))], [np.zeros((1, 2))]
    readout = neuron.run_readout(hidden.spikes, W_out, UNEQUAL).membrane
    for t in range(11):
        I.append(neuron.li_step(I[-1], 0, x[t] @ W + hidden.spikes[t] @ R, UNEQUAL.alpha, UNEQUAL.beta)[0])
        I_out.append(neuron.li_step(I_out[-1], 0, hidden.spikes[t] @ W_out, UNEQUAL.alpha, UNEQUAL.beta)[0])
    assert hidden.spikes.sum() > 3
    one = (np.arange(13) == 0).reshape(-1, 1, 1) * 1.0
    w, high = 1.3, dict(threshold=1e9)
    v = neuron.run_spiking(one, np.array([[w]]), None, NeuronParameters(9e-6, 4e-6, **high)).membrane.ravel()
    v_equal = neuron.run_spiking(one, np.array([[w]]), None, NeuronParameters(4e-6, 4e-6, **high)).membrane.ravel()
    currents, current = [0.0], 0.0
    for t in range(12):
        current = neuron.li_step(current, 0.0, w * one[t].item(), UNEQUAL.alpha, UNEQUAL.beta)[0]
        currents.append(current)
    return {"S_below": x, "W": W, "R": R, "W_out": W_out, "I": I, "V": hidden.membrane, "S": hidden.spikes, "I_out": I_out, "V_out": readout,
            "theta": 1.0,
            "drive": [x[t] @ W + hidden.spikes[t] @ R for t in range(12)], "alpha": UNEQUAL.alpha, "beta": UNEQUAL.beta, "w": w, "i": currents,
            "v": v,
            "v_equal": v_equal}, {"t": range(11), "n": n}


def coded():
    """code: a pixel."""
    x, tau_in = 0.6, 8.0
    t_x, t_white = (float(encoding.latency(np.array(value), tau_in)) for value in (x, 1.0))
    pixel_bin = int(encoding.pixel_bins(np.array([[[153]]], np.uint8), 20, 1.7e-6, 8e-6, "float64").item())
    return {"x": x, "tau_in": tau_in, "U": lambda t: x * (1 - np.exp(-t / tau_in)), "t_x": t_x, "t_white": t_white,
            "theta_in": encoding.THRESHOLD_IN, "dt": 1.7,
            "bin": pixel_bin}, {"t": (0.0, 2.0, 9.0)}


def surrogates():
    """surrogate: the functions of the library."""
    theta, beta_s = 1.0, 2.0
    sigma = lambda V: superspike(V, theta, beta_s)                                       # noqa: E731
    return {"theta": theta, "beta_s": beta_s, "sigma": sigma, "Phi": lambda V: superspike_primitive(V, theta, beta_s),
            "step": lambda V: float(V > theta)}, \
        {"V": (0.2, 0.9, 1.3, 2.5), "u": (0.1, 0.7, 2.0)}


def losses():
    """loss: the functions of the library on one sample; derivatives by differences."""
    rng, objective, summed = np.random.default_rng(2), Objective(), Objective(reduce="sum")
    V, S, label, W = rng.normal(0, 0.2, (7, 1, 3)), (rng.random((7, 1, 4)) < 0.4) * 1.0, 1, rng.normal(size=(2, 3))
    m, labels = loss.scores(V, objective), np.array([label])
    of = lambda scores: loss.cross_entropy(scores, labels)[0]                            # noqa: E731
    bump = lambda k, value: np.where(np.arange(3) == k, value, m[0])[None]               # noqa: E731
    dL_dm = np.array([d(lambda value: of(bump(k, value)), m[0, k]) for k in range(3)])
    dL_sum_dm = loss.cross_entropy(loss.scores(V, summed), labels)[1][0]
    rho_b, rho_a, rho_w, rho_r, theta_r = 0.3, 0.2, 0.1, 0.05, 2.0
    slope = lambda value, k: d(lambda v: value(bump(k, v)), m[0, k])                     # noqa: E731
    w = W.ravel()
    weight = lambda j: d(lambda v: loss.weight_decay(np.where(np.arange(6) == j, v, w)[None], rho_w)[0], w[j])      # noqa: E731
    total = S.sum()
    rate = d(lambda more: loss.rate_bound(np.concatenate([S, np.full((7, 1, 1), (more - total) / 7)], 2), rho_r, theta_r)[0], total)
    of_all = Objective(burst=rho_b, weight=rho_w, readout=rho_a, rate=rho_r, rate_limit=theta_r)
    # weights and spikes need not belong together here: the objective only reads them
    whole = loss.objective_and_derivatives((Layer(W), None), (Trace(V, S), Trace(V, None)), labels, of_all)[0]
    return {"objective": whole, "V": V[:, 0], "S": S[:, 0], "T": 7, "K": 3, "N": 4, "J": 6, "R_out": 10.0, "m": m[0], "label": label,
            "p": np.exp(m[0]) / np.exp(m[0]).sum(), "L": of(m),
            "dL_dm": dL_dm, "a": m.max(), "t_max": V[:, 0].argmax(axis=0),
            "gV": loss.scores_adjoint(V, loss.cross_entropy(m, labels)[1], objective)[:, 0],
            "m_sum": loss.scores(V, summed)[0], "dL_sum_dm": dL_sum_dm, "gV_sum": loss.scores_adjoint(V, dL_sum_dm[None], summed)[:, 0],
            "n": S.sum(axis=(0, 1)), "rho_b": rho_b, "burst": loss.burst(S, rho_b)[0], "gS": np.repeat(loss.burst(S, rho_b)[1], 7, 0),
            "rho_a": rho_a, "amplitude": loss.readout_amplitude(m, rho_a)[0],
            "damplitude_dm": [slope(lambda v: loss.readout_amplitude(v, rho_a)[0], k) for k in range(3)],
            "rho_w": rho_w, "w": w, "decay": loss.weight_decay(W, rho_w)[0], "ddecay_dw": [weight(j) for j in range(6)],
            "rho_r": rho_r, "theta_r": theta_r, "total": total, "bound": loss.rate_bound(S, rho_r, theta_r)[0], "dbound_dS": rate}, \
        {"t": range(7), "k": range(3), "i": range(4), "j": range(6)}


def injected():
    """injection: derivatives of the library's backward pass on a trace with a spike at t = 2, read off unit adjoints."""
    rng, T = np.random.default_rng(3), 5
    V, S = rng.normal(0.8, 0.5, (T, 1, 1)), (np.arange(T) == 2).reshape(-1, 1, 1) * 1.0
    layer, surrogate = Layer(np.ones((1, 1)), None, UNEQUAL), Surrogate(SLOPE)
    unit = lambda t: (np.arange(T) == t).reshape(-1, 1, 1) * 1.0                         # noqa: E731
    lam_I = lambda gV, gS: bptt.spiking_adjoint(layer, Trace(V, S), gV, gS, surrogate).ravel()          # noqa: E731
    lam_V = lambda gV, gS, t: lam_I(gV, gS)[t] - UNEQUAL.alpha * np.append(lam_I(gV, gS), 0)[t + 1]    # noqa: E731
    r, M_now, nothing = 0.37, 1.21, np.zeros((T, 1, 1))
    return {"r": r, "M": M_now, "M_now": M_now, "Y": lambda M: r + M - M_now, "beta": UNEQUAL.beta, "V": V,
            "sigma": lambda V: superspike(V, 1.0, SLOPE).item(),
            "dV_dV": {(t + 1, t): lam_V(unit(t + 1), nothing, t) for t in range(1, T - 1)},
            "dV_dI": {(t, t): lam_I(unit(t), nothing)[t] for t in range(1, T)},
            "dS_dV": {(t, t): lam_V(nothing, unit(t), t) for t in range(1, T)}}, {"t": range(1, T - 1)}


class Twin:
    """The smooth twin of a recurrent layer and a readout, whose every quantity can be pushed: its derivatives are differences."""

    T, names = 7, ("I", "V", "S", "I_above", "V_out")

    def __init__(self):
        rng = np.random.default_rng(4)
        self.x = (rng.random((self.T, 1, 2)) < 0.6) * 1.0
        self.W, self.R, self.W_above = rng.normal(0.5, 0.5, (2, 3)), rng.normal(0, 0.5, (3, 3)), rng.normal(0, 1, (3, 2))
        self.gV, self.gS, self.gV_out = (rng.normal(size=(self.T, 1, size)) for size in (3, 3, 2))

    def run(self, push=None, W=None, R=None):
        """All quantities as arrays (T, 1, .); push: (name, t, row) is added to a quantity, and goes on from there."""
        W, R, a, b = self.W if W is None else W, self.R if R is None else R, UNEQUAL.alpha, UNEQUAL.beta
        out = {name: np.zeros((self.T, 1, 2 if name in ("I_above", "V_out") else 3)) for name in self.names}

        def record(name, t, value):
            out[name][t] = value + (push[2] if push and push[:2] == (name, t) else 0)

        for t in range(self.T):
            before = {name: array[t - 1] if t else 0 * array[0] for name, array in out.items()}
            drive = self.x[t - 1] @ W + before["S"] @ R if t else 0
            record("I", t, a * before["I"] + drive)
            record("V", t, b * before["V"] + out["I"][t])
            record("S", t, superspike_primitive(out["V"][t], 1.0, SLOPE) if t else 0 * out["V"][t])
            record("I_above", t, a * before["I_above"] + before["S"] @ self.W_above)
            record("V_out", t, b * before["V_out"] + out["I_above"][t])
        return out

    def value(self, out):
        """L: a weighted sum of all membranes and spikes, the weights being its direct derivatives."""
        return sum((g * out[name]).sum() for g, name in ((self.gV, "V"), (self.gS, "S"), (self.gV_out, "V_out")))

    def slopes(self, read, name, t):
        """The derivative of read(run) by each entry of a quantity at t, as rows."""
        size = 2 if name in ("I_above", "V_out") else 3
        return np.array([d(lambda v: read(self.run((name, t, v * np.eye(size)[j]))), 0.0) for j in range(size)])


def adjoints():
    """adjoint: adjoints by the library, derivatives by pushing the smooth twin."""
    twin = Twin()
    T, out = twin.T, twin.run()
    hidden, above = Layer(twin.W, twin.R, UNEQUAL), Layer(twin.W_above, None, UNEQUAL, spiking=False)
    lamI_above = np.append(bptt.readout_adjoint(above, twin.gV_out), np.zeros((1, 1, 2)), 0)
    from_above = bptt.spike_adjoint(lamI_above[:-1], twin.W_above)
    lamI = np.append(bptt.spiking_adjoint(hidden, Trace(out["V"], out["S"]), twin.gV, twin.gS + from_above, Surrogate(SLOPE)), np.zeros((1, 1, 3)), 0)
    lamV, lamV_out, lamS = np.zeros_like(lamI), np.zeros_like(lamI_above), {}
    for t in range(T - 1, 0, -1):
        sigma = superspike(out["V"][t], 1.0, SLOPE)
        lamV[t], again = tasks.adjoint_step(twin.gV[t], sigma, twin.gS[t] + from_above[t], lamV[t + 1], lamI[t + 1], twin.R, UNEQUAL.alpha,
                                            UNEQUAL.beta)
        assert np.allclose(again, lamI[t], 1e-12)
        lamV_out[t] = lamI_above[t] - UNEQUAL.alpha * lamI_above[t + 1]
        lamS[t] = (lamV[t] - twin.gV[t] - UNEQUAL.beta * lamV[t + 1]) / sigma
    times, to = range(1, T - 1), lambda name, t: lambda run: run[name][t, 0]                 # noqa: E731
    total = {f"dL_d{name}": {t: twin.slopes(twin.value, name, t)[None] for t in times} for name in ("S", "V", "I")}
    own = {"dV_dI": {(t, t): np.diag(twin.slopes(to("V", t), "I", t)) for t in times},
           "dS_dV": {(t, t): np.diag(twin.slopes(to("S", t), "V", t)) for t in times},
           "dV_dV": {(t + 1, t): twin.slopes(to("V", t + 1), "V", t)[np.arange(3), np.arange(3)] - reaching(twin, t) for t in times},
           "dI_dI": {(t + 1, t): np.diag(twin.slopes(to("I", t + 1), "I", t)) - reaching(twin, t) for t in times},
           "dI_dS": {(t + 1, t): twin.slopes(to("I", t + 1), "S", t).T for t in times},
           "dI_above_dS": {(t + 1, t): twin.slopes(to("I_above", t + 1), "S", t).T for t in times}}
    by_weight = {f"dL_d{name}": np.array([[d(lambda v: twin.value(twin.run(**{name: array + v * entry})), 0.0) for entry in row]
                                          for row in np.eye(array.size).reshape(*array.shape, *array.shape)])
                 for name, array in (("W", twin.W), ("R", twin.R))}
    return {"T": T, "gV": twin.gV, "gS": twin.gS, "gV_out": twin.gV_out, "lamS": lamS, "lamV": lamV, "lamI": lamI, "lamI_above": lamI_above,
            "lamV_out": lamV_out,
            "lamI_out": lamI_above, "R": twin.R, "W_above": twin.W_above, "alpha": UNEQUAL.alpha, "beta": UNEQUAL.beta, "S_below": twin.x,
            "S": out["S"],
            "V": out["V"], "sigma": lambda V: superspike(V, 1.0, SLOPE), **total, **own, **by_weight}, {"t": times}


def reaching(twin, t):
    """What V[t] adds to its own I[t+1], and so to V[t+1], by way of its spike and R: not the direct way that E8 and E9 mean."""
    return np.diag(twin.R) * superspike(twin.run()["V"][t, 0], 1.0, SLOPE)


def states():
    """jacobian: one neuron that drives itself; its Jacobian by pushing the state, mu by the matrix of exercise 10, lam by the library's recursion."""
    rng, T, r, alpha, beta = np.random.default_rng(5), 7, 0.6, UNEQUAL.alpha, UNEQUAL.beta
    x, (gV, gS) = rng.random(T), rng.normal(size=(2, T))

    def step(state, t):
        current = alpha * state[0] + r * state[2] + x[t]
        return np.array([current, beta * state[1] + current, superspike_primitive(beta * state[1] + current, 1.0, SLOPE)])

    state, mu = [np.zeros(3)], {T: np.zeros(3)}
    for t in range(T - 1):
        state.append(step(state[t], t))
    I, V, S = np.transpose(state)
    for t in range(T - 1, -1, -1):
        after = tasks.step_jacobian(V[t + 1] if t + 1 < T else 0.0, r, alpha, beta, 1.0, SLOPE)
        mu[t] = np.array([0, gV[t], gS[t]]) + after.T @ mu[t + 1]
    entry = lambda i, j, t: d(lambda v: step(np.where(np.arange(3) == j, v, state[t]), t)[i], state[t][j])                  # noqa: E731
    column = lambda array: array[:, None, None]                                                                           # noqa: E731
    lamI = bptt.spiking_adjoint(Layer(np.ones((1, 1)), np.array([[r]]), UNEQUAL), Trace(column(V), column(S)), column(gV), column(gS), Surrogate(SLOPE)).ravel()
    lamV = lamI - alpha * np.append(lamI[1:], 0)
    sigma, times = lambda V: superspike(V, 1.0, SLOPE), range(1, T - 1)
    lamS = {t: (lamV[t] - gV[t] - beta * lamV[t + 1]) / sigma(V[t]) for t in times}
    jacobian = {f"d{above}_d{below}": {(t + 1, t): entry(i, j, t) for t in times} for i, above in enumerate("IVS") for j, below in enumerate("IVS")}
    return {"I": I, "V": V, "S": S, "x": x, "r": r, "alpha": alpha, "beta": beta, "sigma": sigma, "gV": gV, "gS": gS, "lamI": lamI, "lamV": lamV,
            "lamS": lamS, **{f"mu{name}": {t: mu[t][i] for t in mu} for i, name in enumerate("IVS")}, **jacobian}, {"t": times}


def chips():
    """chip: the analog step and loaded weights of the library."""
    tau_mem, tau_syn, h = 9.0, 4.0, 1.7
    W = np.array([[0.1234]])
    scale = weight_scale(W, True, 63)
    target, rate = np.array([[0.7]]), 0.1
    w = load_weights(W, True, 63)
    return {"tau_mem": tau_mem, "tau_syn": tau_syn, "h": h, "c": lambda h: transfer(h, tau_mem, tau_syn),
            "c_equal": lambda h: transfer(h, tau_mem, tau_mem),
            "delta": h / tau_syn - h / tau_mem, "tau_slow": 9.0, "distance": h / 4.0 - h / 9.0, "small": 1e-4, "scale": scale, "W": W.item(), "w": w.item(), "rate": rate,
            "dL_dw": (w - target).item(),
            "W_next": tasks.straight_through_step(W, target, rate, scale).item()}, {}


WORLDS = {"ode": analog, "neuron": spiking, "code": coded, "surrogate": surrogates, "loss": losses, "injection": injected, "adjoint": adjoints,
          "jacobian": states, "chip": chips}
