"""Functions for exercises that the library has nowhere else: small things to derive on paper.

    symbol    code          unit     shape     meaning
    alpha     alpha         1        ()        exp(-dt/tau_syn)
    n         n             steps    ()        time steps since a spike arrived
    r         r             1        ()        weight of a neuron's synapse onto itself
    sigma'    sigma         1/theta  (), (B,N) surrogate derivative at the membrane that was compared with the threshold
"""

import numpy as np


def decay(tau, dt):
    """What is left, after a time step dt, of a quantity that obeys tau dI/dt = -I: the factor I(t + dt) / I(t). SPEC E1, E2.

    tau: array (N,) of time constants, dt: a number, both in seconds. Returns (N,).
    """
    return np.exp(-dt / tau)


def psp_peak(alpha):
    """Where one spike through weight 1 lifts the membrane highest, while alpha = beta: (n, V). SPEC E1, E2.

    After n steps the membrane is V = n alpha^(n-1). n: the whole number of steps, at least 1, after which it is largest (the smaller of
    two that are equal); V: the membrane there. 0 < alpha < 1.
    """
    n = 1
    while (n + 1) * alpha > n:
        n += 1
    return n, n * alpha ** (n - 1)


def step_jacobian(V_next, r, alpha, beta, theta, slope):
    """The derivatives of a step of one neuron: entry [i, j] is that of (I, V, S)[t+1][i] by (I, V, S)[t][j]. SPEC E1-E3, E5.

    The neuron drives itself, through a synapse of weight r: its drive is r S[t] + (input). S[t+1] has the surrogate derivative
    1 / (slope |V[t+1] - theta| + 1)^2, V_next being V[t+1]; the reset carries no gradient. All arguments are numbers. Returns (3, 3).
    """
    sigma = 1 / (slope * abs(V_next - theta) + 1) ** 2
    current = np.array([alpha, 0, r])                          # I[t+1] by I[t], V[t], S[t]
    membrane = current + np.array([0, beta, 0])                # V[t+1] takes I[t+1]
    return np.array([current, membrane, sigma * membrane])     # (3, 3)


def adjoint_step(gV, sigma, lam_S, lam_V_next, lam_I_next, R, alpha, beta):
    """One step of the adjoint recursion, from t + 1 to t: (lamV[t], lamI[t]). SPEC E7-E9.

    gV (B, N): direct derivative of the loss by V[t]; sigma (B, N): sigma'(V[t]); lam_S (B, N): adjoint of S[t] without the layer's own
    recurrence; lam_V_next, lam_I_next (B, N): lamV[t+1], lamI[t+1]; R (N, N), from row to column, or None; alpha, beta scalar or (N,).
    Returns new arrays (B, N), (B, N).
    """
    if R is not None:
        lam_S = lam_S + lam_I_next @ R.T                       # (B, N)
    lam_V = gV + sigma * lam_S + beta * lam_V_next             # (B, N)
    return lam_V, lam_V + alpha * lam_I_next


def straight_through_step(W, target, rate, scale):
    """One step of gradient descent with weights that the chip rounds: the new floats W. SPEC C1.

    The chip holds w = round(scale W) / scale, and the loss is 1/2 sum (w - target)^2. The derivative of w by W is taken to be 1 (straight
    through); the floats W are the master copy and are never rounded themselves. W, target (M, N); rate, scale numbers. Returns (M, N).
    """
    chip = np.rint(scale * W) / scale                          # (M, N)
    return W - rate * (chip - target)


def buggy_lines():
    """The number of the wrong line in each listing at the head of this file, as {"A": line, "B": line, ..}. Returns a dict."""
    return {"A": 10, "B": 10, "C": 3, "D": 3}


def step_property(step):
    """Whether a function `step` has the properties that one step of a spiking layer must have: True or False. SPEC E1-E3.

    step(I, V, S, drive, alpha, beta, theta) -> (I, V, S), arrays (B, N); alpha, beta, theta numbers. It may be the right one, perhaps written
    otherwise (so do not ask for the last digit), or a wrong one. Use only what must hold: no copy of the step itself.
    """
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    # a current decays by alpha, and reaches the membrane at once
    I, V, _ = step(one, zero, zero, zero, 0.5, 0.25, 4.0)
    decays = np.isclose(I, 0.5) & np.isclose(V, 0.5)
    # a membrane alone decays by beta, and gives no current
    I, V, _ = step(zero, one, zero, zero, 0.5, 0.25, 4.0)
    leaks = np.isclose(I, 0) & np.isclose(V, 0.25)
    # an input comes in whole, at once
    I, V, _ = step(zero, zero, zero, one, 0.5, 0.25, 4.0)
    arrives = np.isclose(I, 1) & np.isclose(V, 1)
    # a spike costs theta
    _, V, _ = step(zero, zero, one, zero, 0.5, 0.25, 4.0)
    resets = np.isclose(V, -4)
    # it takes more than the threshold to spike
    spikes = [step(zero, zero, zero, level * one, 0.5, 0.25, 1.0)[2].item() for level in (0.5, 1.0, 1.5)] == [0, 0, 1]
    return bool(decays & leaks & arrives & resets) and spikes
