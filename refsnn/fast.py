"""The fast twin of refsnn.spec: forward and loss_and_gradient with the same names, arguments and results, and events for spikes.

What makes it fast, in the order of what it gains:

- input and hidden spikes are few, so products with them are sparse (refsnn.events);
- arrays that are large enough to be mapped anew by the operating system are used again (refsnn.events);
- only neurons whose membrane, were there no reset, crosses the threshold are looked at for spikes;
- a filter's step, y <- y + a x, is one pass over the arrays with axpy of BLAS, where numpy needs two.

Everything else is one pass of numpy over (B, N) at a time, in place. One thread: the passes are too short to be shared, see the
README. Recurrent layers take spec's own loops. Equal to spec under test, but for the order of sums: a membrane within rounding of
its threshold may spike in one and not in the other.
"""

import numpy as np

from refsnn.errors import RangeError, check_labels, check_type
from refsnn.events import Events, buffers, input_events
from refsnn.spec.bptt import LayerGradient, spike_adjoint, spiking_adjoint
from refsnn.spec.loss import Objective, burst, cross_entropy, rate_bound, readout_amplitude, scores, scores_adjoint, weight_decay
from refsnn.spec.neuron import lif_step
from refsnn.spec.surrogate import Surrogate
from refsnn.spec.trace import Trace, check_trace

AXPY_LENGTH = 9000    # OpenBLAS shares longer ones among its threads, and waking them costs more than the sum
GEMM_SIZE = 200_000   # multiplications of one matrix product: it shares larger ones as well, and then rounds as the number of threads will have it


def forward(network, x, noise=None):
    """spec.forward: x (T, B, M), dense or as Events -> a tuple with one Trace a layer."""
    events = input_events(network, x, noise)
    return run(network, events, noise)[0]


def loss_and_gradient(network, x, labels, trace=None, objective=Objective(), surrogate=Surrogate(), noise=None):
    """spec.loss_and_gradient: (loss, gradient, trace); x (T, B, M), dense or as Events."""
    check_type("objective", objective, Objective)
    check_type("surrogate", surrogate, Surrogate)
    events = input_events(network, x, noise)
    check_labels(labels, events.shape[1], network.layers[-1].W.shape[1])
    if trace is None:
        trace, spikes = run(network, events, noise)
    else:
        if noise is not None:
            raise RangeError("noise belongs to the free run of the ideal model; a recorded trace brings its own")
        spikes = recorded_events(network, events, trace)
    loss, gradient = gradient_of_trace(network.layers, [events, *spikes], labels, trace, objective, surrogate)
    return loss, gradient, trace


def recorded_events(network, events, trace):
    """The Events of every spiking layer of a recorded trace, checked as check_trace does."""
    check_trace(trace, network.layers, np.broadcast_to(events.values.dtype.type(0), events.shape))
    # a zero with a sign, of which Events.of makes nothing, is a zero
    return [Events.of(recorded.spikes) or Events.of(np.abs(recorded.spikes)) for recorded in trace[:-1]]


def run(network, events, noise=None):
    """The ideal model, free: (one Trace a layer, the Events of every spiking layer). SPEC E1-E4."""
    trace, spikes = [], []
    for layer in network.layers[:-1]:
        recorded, events = (run_spiking if layer.R is None else run_recurrent)(events, layer)
        trace.append(recorded)
        spikes.append(events)
    readout = run_readout(events, network.layers[-1])
    if noise is not None:
        readout = readout + noise
    return (*trace, Trace(readout)), spikes


def integrate(V, alpha, beta):
    """From the drive in V[1:] (T-1, B, N) to the membrane without reset, in place: two filters of first order. SPEC E1, E2."""
    V[0] = 0
    filter_in_place(V[1:], (alpha, beta))


def integrate_back(g, alpha, beta):
    """The adjoint of integrate: from g (T, B, N), what enters each lamV[t], to lamI, in place; entry 0 becomes 0. SPEC E8, E9."""
    filter_in_place(g[:0:-1], (beta, alpha))
    g[0] = 0


def filter_in_place(rows, decays):
    """rows[i] += decay rows[i-1] for i = 1, 2, .., for one decay and then the other; rows (n, B, N), decays () or (N,).

    The last two axes of rows must lie together in memory, so that they can be seen as one.
    """
    try:
        from scipy.linalg.blas import daxpy, saxpy
    except ImportError:
        saxpy = None
    if saxpy is None or any(decay.ndim for decay in decays):
        for decay in decays:
            for i in range(1, len(rows)):
                rows[i] += decay * rows[i - 1]
        return
    # axpy adds a multiple of one array to another in a single pass, where numpy needs two
    add, columns = saxpy if rows.dtype == np.float32 else daxpy, rows.reshape(len(rows), -1)
    for part in np.array_split(columns, -(-columns.shape[1] // AXPY_LENGTH), axis=1):
        for decay in map(float, decays):
            for i in range(1, len(part)):
                add(part[i - 1], part[i], a=decay)


def run_spiking(events, layer):
    """spec.neuron.run_spiking without recurrence: (Trace, Events). SPEC E1-E3."""
    V, indices = spike(events, layer)
    S = buffers.take(V.shape, V.dtype)                                   # (T, B, N)
    S[:] = 0
    S.reshape(-1)[indices] = 1
    return Trace(V, S), Events.at(indices, V.shape, V.dtype)


def spike(events, layer):
    """The membranes (T, B, N) of a layer without recurrence, and the flat indices (E,) into them at which it spikes. SPEC E1-E3.

    A reset lowers all that follows, so a neuron that stays below its threshold without reset never spikes.
    """
    T, B, N = *events.shape[:2], layer.W.shape[1]
    alpha, beta, theta = layer.neuron.constants(layer.W.dtype)
    V = buffers.take((T, B, N), layer.W.dtype)
    events.times(layer.W, V[1:])
    integrate(V, alpha, beta)
    flat = V.reshape(T, B * N)
    crossing = np.flatnonzero(V.max(axis=0) > theta)                     # (c,)
    path = flat[:, crossing]                                             # (T, c)
    beta, theta = (np.broadcast_to(value, N)[crossing % N] for value in (beta, theta))
    lowered, found = np.zeros_like(theta), []                            # (c,) what the resets so far have taken from V
    for t in range(1, T):
        path[t] -= lowered
        spiked = path[t] > theta
        found.append(t * B * N + crossing[spiked])
        lowered = beta * lowered + theta * spiked
    flat[:, crossing] = path
    return V, np.concatenate(found)


def run_recurrent(events, layer):
    """spec.neuron.run_spiking with recurrence: (Trace, Events). SPEC E1-E3."""
    shape, dtype = (*events.shape[:2], layer.W.shape[1]), layer.W.dtype
    V, S, drive = (buffers.take(shape, dtype) for _ in range(3))         # (T, B, N)
    V[0], S[0], I = 0, 0, np.zeros(shape[1:], dtype)
    events.times(layer.W, drive[1:])
    for t in range(len(V) - 1):
        I, V[t + 1], S[t + 1] = lif_step(I, V[t], S[t], drive[t + 1] + S[t] @ layer.R, *layer.neuron.constants(dtype))
    return Trace(V, S), Events.of(S)


def run_readout(events, layer):
    """spec.neuron.run_readout: membranes (T, B, K). SPEC E4."""
    V = np.empty((*events.shape[:2], layer.W.shape[1]), layer.W.dtype)   # (T, B, K)
    events.times(layer.W, V[1:])
    alpha, beta, _ = layer.neuron.constants(layer.W.dtype)
    integrate(V, alpha, beta)
    return V


def gradient_of_trace(layers, spikes, labels, trace, objective, surrogate):
    """Loss and gradient on a checked trace; spikes: the Events of x and of every spiking layer. SPEC E5-E16."""
    V = trace[-1].membrane                                               # (T, B, K)
    m = scores(V, objective)                                             # (B, K)
    loss, dm = cross_entropy(m, labels)
    amplitude, dm_amplitude = readout_amplitude(m, objective.readout)
    loss += amplitude
    lam = np.array(scores_adjoint(V, dm + dm_amplitude, objective), order="C")                # (T, B, K), its own and writable
    alpha, beta, _ = layers[-1].neuron.constants(V.dtype)
    integrate_back(lam, alpha, beta)
    gradient = [LayerGradient(spikes[-1].gradient(lam))]
    for index in reversed(range(len(layers) - 1)):
        layer, recorded = layers[index], trace[index]
        count = spikes[index + 1].per_sample()[None]                     # (1, B, N): the regularisers see spikes per sample only
        burst_value, burst_dS = burst(count, objective.burst)
        rate_value, rate_dS = rate_bound(count, objective.rate, objective.rate_limit)
        decay_value, decay_dW = weight_decay(layer.W, objective.weight)
        loss += burst_value + rate_value + decay_value
        gS, dR = burst_dS + rate_dS, None                                # (B, N)
        if layer.R is None:
            lam = adjoint(layer, recorded, gS, lam, layers[index + 1].W, surrogate)
        else:
            lam = spiking_adjoint(layer, recorded, np.zeros_like(recorded.membrane), spike_adjoint(lam, layers[index + 1].W) + gS, surrogate)
            dR = spikes[index + 1].gradient(lam)
        gradient.append(LayerGradient(spikes[index].gradient(lam) + decay_dW, dR))
    return float(loss), tuple(reversed(gradient))


def adjoint(layer, trace, gS, lam_above, W_above, surrogate):
    """lamI (T, B, N) of a spiking layer without recurrence: gS (B, N), alike for all t; lam_above (T, B, K), lamI of the layer above. SPEC E7-E9."""
    V, S = trace.membrane, trace.spikes
    alpha, beta, theta = layer.neuron.constants(V.dtype)
    slope, W_back = V.dtype.type(surrogate.slope), np.ascontiguousarray(W_above.T)
    lam = buffers.take(V.shape, V.dtype)                                 # (T, B, N)
    lam[-1] = 0
    rows = max(1, GEMM_SIZE // W_back.size)
    for first in range(0, lam.shape[1], rows):
        part = slice(first, first + rows)
        np.matmul(lam_above[1:, part], W_back, out=lam[:-1, part])
    height = buffers.take(V.shape[1:], V.dtype)                          # (B, N) 1 / sigma'
    for t in range(len(V) - 1, 0, -1):
        # sigma' = 1 / (slope |V - theta| + 1)^2, and 1 where the rule is spike-aware and a spike was recorded
        np.subtract(V[t], theta, out=height)
        np.abs(height, out=height)
        height *= slope
        if surrogate.spike_aware:
            np.copyto(height, 0, where=S[t] != 0)
        height += 1
        height *= height
        lam[t] += gS
        lam[t] /= height
    integrate_back(lam, alpha, beta)
    return lam


def classify(network, x):
    """The decisions of the free ideal model, argmax of the scores by maximum over time: x (T, B, M), dense or as Events -> (B,). SPEC E11.

    Keeps no trace.
    """
    events = input_events(network, x)
    for layer in network.layers[:-1]:
        if layer.R is None:
            V, indices = spike(events, layer)
            events = Events.at(indices, V.shape, V.dtype)
        else:
            events = run_recurrent(events, layer)[1]
    return run_readout(events, network.layers[-1]).max(axis=0).argmax(axis=1)
