"""The step, the run and the backward pass with every switch of conventions.py in them.

At the defaults they equal refsnn.spec to the bit, which is the first thing to prove of them; refsnn.spec is the text to read for the paper's
model, and this is the text to read for somebody else's. The general step, from the state at t - 1 to the state at t, is

    I[t] = alpha I[t-1] + c (S_below[t-d] W + S[t-r] R)
    V[t] = beta V[t-1] + g I[t], less the reset of S[t-1]
    S[t] = 1 if V[t] > theta else 0

    symbol    code         unit     shape     meaning
    alpha     alpha        1        (), (N,)  what is left of the current after a step
    beta      beta         1        (), (N,)  what is left of the membrane after a step
    c, g      c, g         1        (), (N,)  scale of spikes on their way into I, and of I on its way into V; 1
    d, r      d, r         steps    ()        delay of the input, delay of the recurrence; 1
    W, R, I, V, S, theta                      as in refsnn.spec.neuron
    gV, gS, lam_S, lam_V, lam_I, sigma, dW, dR   as in refsnn.spec.bptt
"""

from dataclasses import replace

import numpy as np

from refsnn.spec.bptt import LayerGradient
from refsnn.spec.loss import Objective, cross_entropy, objective_and_derivatives, readout_amplitude, scores, scores_adjoint
from refsnn.spec.surrogate import crossing_membrane
from refsnn.spec.trace import Trace
from refsnn.verify.conventions import Conventions


def decays(neuron, conventions, dtype=np.float64):
    """(alpha, beta): what is left of current and membrane after a step; scalar or (N,) in `dtype`. SPEC E1, E2."""
    if conventions.integrator == "exponential":
        return neuron.constants(dtype)[:2]
    return tuple(np.asarray(1 - neuron.dt / np.asarray(tau, float), dtype) for tau in (neuron.tau_syn, neuron.tau_mem))


def input_scales(neuron, conventions, dtype=np.float64):
    """(c, g): the scale of spikes into the current, and of the current into the membrane; scalar or (N,) in `dtype`."""
    into_membrane = {"one": 1.0, "one_minus_beta": 1 - decays(neuron, conventions)[1]}.get(conventions.input_scale, neuron.dt / neuron.tau_mem)
    into_current = neuron.dt / neuron.tau_syn if conventions.input_scale == "dt_over_both_taus" else 1.0
    return np.asarray(into_current, dtype), np.asarray(into_membrane, dtype)


def fires(V, theta, tie="silent"):
    """S: 1 where V > theta, and what `tie` says where V = theta; in the dtype of V. SPEC E3.

    >>> [float(fires(np.array(1.0), 1.0, tie)) for tie in ("silent", "spike", "half")]
    [0.0, 1.0, 0.5]
    """
    at_threshold = {"silent": 0.0, "spike": 1.0, "half": 0.5}[tie]
    return np.where(V == theta, at_threshold, V > theta).astype(V.dtype)


def thrown_back(V, S, theta, reset):
    """The membrane V after the reset of the spikes S; all (B, N)."""
    if reset == "subtract":
        return V - theta * S
    return V * (1 - S) if reset == "to_value" else V


def step(I, V, S, drive, neuron, conventions, spiking=True):
    """One step of a layer, from the state at t to the state at t + 1, V as it is recorded. SPEC E1-E4, section 10.

    I, V, S, drive (B, N), drive being S_below W + S R; S is 0 for a readout, which neither spikes nor resets. Returns new arrays (I, V, S).
    """
    dtype, reset = V.dtype, conventions.reset
    alpha, beta = decays(neuron, conventions, dtype)
    c, g = input_scales(neuron, conventions, dtype)
    theta = neuron.constants(dtype)[2]
    # decay, integrate
    I, old = alpha * I + c * drive, I                                             # (B, N)
    # reset for the spike of t, where it has not been seen yet and belongs to that step
    if conventions.reset_time == "same_step" and conventions.recorded_membrane == "before_reset":
        V = thrown_back(V, S, theta, reset)                                       # (B, N)
    # decay, integrate
    V = beta * V + g * (old if conventions.current == "old" else I)               # (B, N)
    # reset for the spike of t, where it comes with the next step
    if conventions.reset_time == "next_step":
        V = thrown_back(V, S, theta, reset)                                       # (B, N)
    # threshold
    S = fires(V, theta, conventions.tie) if spiking else np.zeros_like(V)         # (B, N)
    # record
    if conventions.recorded_membrane == "after_reset":
        V = thrown_back(V, S, theta, reset)                                       # (B, N)
    return I, V, S


def delays(conventions):
    """(d, r): steps from a spike to the current of the layer above, and to that of its own layer."""
    return {"one": 1, "none": 0}[conventions.input_delay], {"one": 1, "two": 2}[conventions.recurrence_delay]


def run(layer, x, conventions):
    """A layer over all time steps: spikes x (T, B, M) -> Trace. SPEC E1-E4, section 10.

    Before the first step everything is at rest. With an input delay of one step nothing has arrived at t = 0, and the state stays so.
    """
    (T, B, _), (d, r), dtype = x.shape, delays(conventions), layer.W.dtype
    membrane = np.zeros((T, B, layer.W.shape[1]), dtype)                          # (T, B, N)
    spikes = np.zeros_like(membrane)                                              # (T, B, N)
    I = V = S = np.zeros_like(membrane[0])                                        # (B, N)
    for t in range(d, T):
        drive = x[t - d] @ layer.W                                                # (B, N)
        if layer.R is not None and t >= r:
            drive = drive + spikes[t - r] @ oriented(layer.R, conventions)        # (B, N)
        I, V, S = step(I, V, S, drive, layer.neuron, conventions, layer.spiking)
        membrane[t], spikes[t] = V, S
    return Trace(membrane, spikes if layer.spiking else None)


def oriented(R, conventions):
    """R as [from, to]."""
    return R.T if conventions.recurrent_weights == "to_from" else R


def time_first(array, conventions):
    """(T, B, N) as it is; or, where it is taken for (B, T, N), with the two axes changed, there as well as back. None stays None."""
    if array is None or conventions.axes == "time_first":
        return array
    return np.ascontiguousarray(array.swapaxes(0, 1))


def forward(layers, x, conventions, noise=None):
    """A network: x (T, B, M) -> a tuple with one Trace a layer; noise None or (T, B, K), added to the readout's membrane. SPEC E1-E4."""
    trace, S = [], time_first(x, conventions)
    for layer in layers:
        recorded = run(layer, S, conventions)
        trace.append(Trace(time_first(recorded.membrane, conventions), time_first(recorded.spikes, conventions)))
        S = recorded.spikes
    if noise is not None:
        trace[-1] = Trace(trace[-1].membrane + noise)
    return tuple(trace)


PEAKS = {
    "superspike": lambda u: 1 / (u + 1) ** 2,
    "sigmoid": lambda u: 4 * np.exp(-u) / (1 + np.exp(-u)) ** 2,
    "triangle": lambda u: np.maximum(0, 1 - u),
    "arctan": lambda u: 1 / (1 + u**2),
    "rectangle": lambda u: (u < 0.5).astype(u.dtype),
}


def surrogate_derivative(V, S, theta, surrogate, conventions):
    """sigma' at every sample of a trace: V, S (T, B, N), surrogate a Surrogate; returns (T, B, N). SPEC E5, section 10."""
    distance = np.abs((crossing_membrane(V, S, theta) if surrogate.spike_aware else V) - theta)            # (T, B, N)
    peak, slope = PEAKS[conventions.surrogate], surrogate.slope
    if conventions.surrogate_slope == "inside":
        return peak(slope * distance)
    return slope * peak(distance if conventions.surrogate_slope == "outside" else slope * distance)


def membrane_derivatives(V, S, neuron, conventions):
    """How V[t+1] depends on the step before it: (by V[t], by the current that enters, by the spike in the reset). SPEC E2, section 10.

    V, S (.., N), the values at t; returns three arrays that broadcast with them; the last is 0 where the reset carries no gradient.
    """
    beta, g, theta = decays(neuron, conventions, V.dtype)[1], input_scales(neuron, conventions, V.dtype)[1], neuron.constants(V.dtype)[2]
    late, flow = conventions.reset_time == "next_step", conventions.reset_gradient == "flow"
    if conventions.reset == "subtract":
        return beta, g, flow * -(theta if late else beta * theta)
    if conventions.reset == "to_value":
        return beta * (1 - S), g * (1 - S) if late else g, flow * -(beta * V)
    return beta, g, np.zeros_like(theta)


def layer_adjoint(layer, trace, gV, lam_S, surrogate, conventions, end=None):
    """(lamI (T, B, N), lamV (B, N) at the first step) of a layer on a given trace. SPEC E7-E9, section 10.

    gV (T, B, N); lam_S (T, B, N), the adjoint of the spikes without the layer's own recurrence, None for a readout. end: None, or the
    (lamV, lamI) that follow after the last step, (B, N) each. Where nothing has arrived at t = 0, lamI[0] stays 0.
    """
    T, (d, r), dtype = len(gV), delays(conventions), gV.dtype
    alpha, (c, _), theta = decays(layer.neuron, conventions, dtype)[0], input_scales(layer.neuron, conventions, dtype), layer.neuron.threshold
    # entry t: of V[t], by the step before it, which for t = 0 is rest; entry T is only met by what follows after the end
    before = [np.concatenate([np.zeros_like(gV[:1]), array]) for array in (trace.membrane, np.zeros_like(gV) if lam_S is None else trace.spikes)]
    conventions = conventions if layer.spiking else replace(conventions, reset="none")
    by_V, by_current, by_spike = (np.broadcast_to(array, before[0].shape) for array in membrane_derivatives(*before, layer.neuron, conventions))
    if layer.spiking:
        sigma = surrogate_derivative(trace.membrane, trace.spikes, np.asarray(theta, dtype), surrogate, conventions)       # (T, B, N)
    # laid out in memory as the specification's, so that its products have the same bits
    lam_I = np.zeros_like(trace.membrane if layer.spiking else gV)                # (T, B, N)
    lam_V, beyond = (np.zeros_like(gV[0]), np.zeros_like(gV[0])) if end is None else end                                 # (B, N) each
    later = [beyond] * r                                                          # lamI of t+1 .. t+r
    for t in range(T - 1, d - 1, -1):
        # membrane
        lam_V_next, lam_V = lam_V, gV[t]                                          # (B, N)
        # threshold
        if layer.spiking:
            lam_S_t = lam_S[t]                                                    # (B, N)
            if layer.R is not None:
                lam_S_t = lam_S_t + (c * later[-1]) @ oriented(layer.R, conventions).T
            if conventions.reset_gradient == "flow":
                lam_S_t = lam_S_t + by_spike[t + 1] * lam_V_next
            lam_V = lam_V + sigma[t] * lam_S_t                                    # (B, N)
        # membrane
        lam_V = lam_V + by_V[t + 1] * lam_V_next                                  # (B, N)
        # current
        fed = by_current[t] * lam_V if conventions.current == "new" else by_current[t + 1] * lam_V_next
        later = [fed + alpha * later[0], *later[:-1]]                             # (B, N) each
        # record
        lam_I[t] = later[0]
    return lam_I, lam_V


def backward(layers, x, trace, gV, gS, surrogate, conventions):
    """The gradient of a loss whose direct derivatives by the recorded trace are gV and gS. SPEC E7-E10, section 10.

    Arguments and result as of refsnn.spec.bptt.backward, but for `conventions`.
    """
    x = time_first(x, conventions)
    trace = [Trace(time_first(recorded.membrane, conventions), time_first(recorded.spikes, conventions)) for recorded in trace]
    gV, gS = ([time_first(array, conventions) for array in arrays] for arrays in (gV, gS))
    (d, r), T = delays(conventions), len(x)
    below = (x, *(recorded.spikes for recorded in trace[:-1]))                    # what each layer receives, (T, B, M) each
    gradient, from_above = [], None
    for layer, S_below, recorded, gV_l, gS_l in reversed(list(zip(layers, below, trace, gV, gS))):
        lam_S = gS_l + from_above if layer.spiking else None                      # (T, B, N)
        lam_I, _ = layer_adjoint(layer, recorded, gV_l, lam_S, surrogate, conventions)
        lam_I = input_scales(layer.neuron, conventions, lam_I.dtype)[0] * lam_I   # (T, B, N) adjoint of what arrives
        dR = None if layer.R is None else oriented(product(recorded.spikes, lam_I, r), conventions)
        gradient.append(LayerGradient(product(S_below, lam_I, d), dR))
        from_above = np.zeros((*lam_I.shape[:2], layer.W.shape[0]), lam_I.dtype)  # (T, B, M)
        from_above[:T - d] = lam_I[d:] @ layer.W.T
    return tuple(reversed(gradient))


def product(S, lam_I, delay):
    """The sum over t and the batch of S[t]^T lamI[t + delay]: (M, N). SPEC E10."""
    T, M, N = len(S), S.shape[2], lam_I.shape[2]
    return S[:max(T - delay, 0)].reshape(-1, M).T @ lam_I[delay:].reshape(-1, N)


def maximum_adjoint(V, dm, objective, conventions):
    """gV of the readout from dL/dm: V (T, B, K), dm (B, K) -> (T, B, K). SPEC E11, E12, section 10.

    >>> V = np.ones((2, 1, 1))
    >>> [maximum_adjoint(V, V[0], Objective(1.0), Conventions(time_maximum=who)).ravel().tolist() for who in ("first", "last", "shared")]
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    """
    if objective.reduce == "sum" or conventions.time_maximum == "first":
        return scores_adjoint(V, dm, objective)
    if conventions.time_maximum == "last":
        return scores_adjoint(V[::-1], dm, objective)[::-1]
    largest = (V == V.max(axis=0)).astype(V.dtype)                                # (T, B, K)
    return largest / largest.sum(axis=0) * (objective.readout_scale * dm)


def entropy(m, labels, conventions):
    """The cross-entropy and its derivative by m, as refsnn.spec.loss.cross_entropy gives them: a mean over the batch, or the sum. SPEC E11."""
    loss, dm = cross_entropy(m, labels)
    terms = len(m) if conventions.batch_loss == "sum" else 1
    return terms * loss, terms * dm


def loss_and_gradient(layers, x, labels, trace, objective, surrogate, conventions, noise=None):
    """Loss and surrogate gradient, on a trace or, where that is None, on a free run: (loss, gradient, trace). SPEC E5-E16, section 10.

    Arguments and results as of refsnn.spec.network.loss_and_gradient. A free run is differentiated at the membranes that were compared
    with the threshold, however they are recorded. Axes are (T, B, N): labels tell the batch.
    """
    recorded = forward(layers, x, conventions, noise) if trace is None else trace
    if trace is None:
        trace = forward(layers, x, replace(conventions, recorded_membrane="before_reset"), noise)
    loss, gV, gS, decay = objective_and_derivatives(layers, trace, labels, objective)
    V = trace[-1].membrane                                                        # (T, B, K)
    m = scores(V, objective)                                                      # (B, K)
    value, dm = entropy(m, labels, conventions)
    loss = loss + (value - cross_entropy(m, labels)[0])
    gV = (*gV[:-1], maximum_adjoint(V, dm + readout_amplitude(m, objective.readout)[1], objective, conventions))
    gradient = backward(layers, x, trace, gV, gS, surrogate, conventions)
    gradient = tuple(g if dW is None else LayerGradient(g.W + dW, g.R) for g, dW in zip(gradient, decay))
    return float(loss), gradient, recorded


def rounded(values, conventions):
    """Weights in LSB, float, to whole LSB, float. SPEC C1, section 10.

    >>> [rounded(np.array([0.5, -1.7]), Conventions(weight_rounding=how)).tolist() for how in ("even", "away", "zero")]
    [[0.0, -2.0], [1.0, -2.0], [0.0, -1.0]]
    """
    if conventions.weight_rounding == "even":
        return np.rint(values)
    return np.trunc(values if conventions.weight_rounding == "zero" else values + np.copysign(0.5, values))
