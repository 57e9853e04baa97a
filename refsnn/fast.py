"""The fast twin of refsnn.spec: forward and loss_and_gradient with the same names, arguments and results, and events for spikes.

The loops over time are those of the specification. What makes them fast, in the order of what it gains:

- input and hidden spikes are few, so products with them are sparse (refsnn.events);
- a batch is run in parts whose (b, N) arrays stay in a core's cache over all time steps, each step in place;
- the backward loop adds each time step to dW while its lamI is at hand, and keeps no adjoint of the lowest layer;
- arrays that are large enough to be mapped anew by the operating system are used again (refsnn.events).

One thread but for classify: the passes over (b, N) take some microseconds each, too short to be shared; see the README. Equal to spec under test, but for the
order of sums: a membrane within rounding of its threshold may spike in one and not in the other.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from refsnn.errors import RangeError, check_count, check_labels, check_type
from refsnn.events import Events, input_events, parts
from refsnn.spec.bptt import LayerGradient
from refsnn.spec.loss import Objective, burst, cross_entropy, rate_bound, readout_amplitude, scores, scores_adjoint, weight_decay
from refsnn.spec.surrogate import Surrogate
from refsnn.spec.trace import Trace, check_trace

INFERENCE_SLICE = 2**22    # bytes of one (b, N) array where threads share a batch: each pass then takes long enough for the others to work meanwhile
GEMM_SIZE = 2**18          # multiplications of one matrix product: OpenBLAS shares larger ones among its threads, and then rounds as their number will have it


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
        recorded, events = run_spiking(events, layer)
        trace.append(recorded)
        spikes.append(events)
    readout = run_readout(events, network.layers[-1])
    if noise is not None:
        readout = readout + noise
    return (*trace, Trace(readout)), spikes


def run_spiking(events, layer):
    """spec.neuron.run_spiking: (Trace, Events). SPEC E1-E3."""
    V, own = spike(events, layer, kept=events.shape[0])
    S = np.zeros(V.shape, V.dtype)                                       # (T, B, N)
    S.reshape(-1)[own.indices] = 1
    return Trace(V, S), own


def spike(events, layer, kept):
    """The membranes (kept, B, N) of a spiking layer, kept being T for all time steps or 1 for the last alone; and its own Events. SPEC E1-E3."""
    (T, B, _), N, dtype = events.shape, layer.W.shape[1], layer.W.dtype
    alpha, beta, theta = layer.neuron.constants(dtype)
    W, R = (None if array is None else np.ascontiguousarray(array) for array in (layer.W, layer.R))
    thetas, V, found = np.broadcast_to(theta, N), np.empty((kept, B, N), dtype), [[] for _ in range(T)]
    for samples in parts(B, N, dtype) if kept > 1 else [slice(0, B)]:
        rows = V[:, samples]                                             # (kept, b, N)
        rows[0] = 0
        I = np.zeros_like(rows[0])                                       # (b, N)
        above, spiked = np.empty(I.shape, bool), np.zeros(0, int)        # (b, N); (s,) flat indices into (b, N)
        for t in range(T - 1):
            before, V_next = rows[t % kept], rows[(t + 1) % kept]
            # decay, integrate
            I *= alpha
            events.add_product(events.rows(t, samples), W, I)
            if R is not None:
                Events.listed(spiked, (1, *I.shape), dtype).add_product(slice(0, len(I)), R, I)
            # decay, integrate, reset for the spike of t
            np.multiply(before, beta, out=V_next)
            V_next += I
            if len(spiked):
                V_next.reshape(-1)[spiked] -= thetas[spiked % N]
            # threshold
            spiked = np.flatnonzero(np.greater(V_next, theta, out=above))
            # record
            found[t + 1].append(spiked + ((t + 1) * B + samples.start) * N)
    return V, Events.listed(np.concatenate([spiked for step in found for spiked in step]), (T, B, N), dtype)


def run_readout(events, layer):
    """spec.neuron.run_readout: membranes (T, B, K). SPEC E4."""
    (T, B, _), K, dtype = events.shape, layer.W.shape[1], layer.W.dtype
    alpha, beta, _ = layer.neuron.constants(dtype)
    V, I = np.zeros((T, B, K), dtype), np.zeros((B, K), dtype)
    events.add_product(slice(0, (T - 1) * B), np.ascontiguousarray(layer.W), V[1:].reshape(-1, K))           # the drive of each step
    for before, V_next in zip(V, V[1:]):
        # decay, integrate
        I *= alpha
        I += V_next
        # decay, integrate
        np.multiply(before, beta, out=V_next)
        V_next += I
    return V


def gradient_of_trace(layers, spikes, labels, trace, objective, surrogate):
    """Loss and gradient on a checked trace; spikes: the Events of x and of every spiking layer. SPEC E5-E16."""
    V = trace[-1].membrane                                               # (T, B, K)
    m = scores(V, objective)                                             # (B, K)
    loss, dm = cross_entropy(m, labels)
    amplitude, dm_amplitude = readout_amplitude(m, objective.readout)
    loss += amplitude
    lam_I = readout_adjoint(layers[-1], scores_adjoint(V, dm + dm_amplitude, objective))             # (T, B, K)
    dW = np.zeros_like(layers[-1].W, order="C")
    spikes[-1].add_outer(slice(0, len(lam_I[1:]) * len(labels)), lam_I[1:].reshape(-1, V.shape[2]), dW)
    gradient = [LayerGradient(dW)]
    for index in reversed(range(len(layers) - 1)):
        layer, own = layers[index], spikes[index + 1]
        count = own.per_sample()[None]                                   # (1, B, N): the regularisers see spikes per sample only
        burst_value, burst_dS = burst(count, objective.burst)
        rate_value, rate_dS = rate_bound(count, objective.rate, objective.rate_limit)
        decay_value, decay_dW = weight_decay(layer.W, objective.weight)
        loss += burst_value + rate_value + decay_value
        kept = np.empty(trace[index].membrane.shape, V.dtype) if index else None      # (T, B, N) lamI, for the layer below
        entry = LayerGradient(np.ascontiguousarray(decay_dW), None if layer.R is None else np.zeros_like(layer.R, order="C"))
        add_spiking_gradient(entry, layer, trace[index], spikes[index], own, burst_dS + rate_dS, lam_I, layers[index + 1].W, surrogate, kept)
        gradient.append(entry)
        lam_I = kept
    return float(loss), tuple(reversed(gradient))


def readout_adjoint(layer, gV):
    """lamI (T, B, K) of the readout from gV (T, B, K); entry 0 is of no use. SPEC E8, E9."""
    alpha, beta, _ = layer.neuron.constants(gV.dtype)
    lam_I = np.array(gV, order="C")                                      # (T, B, K)
    lam_V, lam_I_next = np.zeros_like(lam_I[0]), np.zeros_like(lam_I[0])  # (B, K)
    for t in range(len(gV) - 1, 0, -1):
        # membrane
        lam_V *= beta
        lam_V += gV[t]
        # current
        np.multiply(lam_I_next, alpha, out=lam_I[t])
        lam_I[t] += lam_V
        lam_I_next = lam_I[t]
    return lam_I


def add_spiking_gradient(gradient, layer, trace, below, own, gS, lam_above, W_above, surrogate, kept):
    """Add a spiking layer's gradient to `gradient`, a LayerGradient. SPEC E7-E10.

    below, own: the Events that the layer received and made. gS (B, N), alike for all t. lam_above (T, B, K), lamI of the layer above, and
    its weights W_above (N, K). kept: (T, B, N), filled with lamI but for entry 0, or None.
    """
    V, W_back = trace.membrane, np.ascontiguousarray(W_above.T)          # (T, B, N), (K, N)
    R_back = None if layer.R is None else np.ascontiguousarray(layer.R.T)
    alpha, beta, theta = layer.neuron.constants(V.dtype)
    slope = V.dtype.type(surrogate.slope)
    for samples in parts(*V.shape[1:], V.dtype):
        rows, lam_next, gS_here = V[:, samples], lam_above[:, samples], gS[samples]      # (T, b, N), (T, b, K), (b, N)
        lam_V, lam_I = np.zeros_like(rows[0]), np.zeros_like(rows[0])    # (b, N)
        lam_S, height = np.empty_like(lam_V), np.empty_like(lam_V)       # (b, N)
        for t in range(len(V) - 1, 0, -1):
            # threshold
            if t == len(V) - 1:
                lam_S[:] = gS_here
            else:
                product(lam_next[t + 1], W_back, lam_S)
                lam_S += gS_here
            if R_back is not None:
                lam_S += product(lam_I, R_back, np.empty_like(lam_S))
            # membrane: sigma' = 1 / (slope |V - theta| + 1)^2, and 1 where the rule is spike-aware and a spike was recorded
            np.subtract(rows[t], theta, out=height)
            np.abs(height, out=height)
            height *= slope
            if surrogate.spike_aware:
                height.reshape(-1)[own.at(own.rows(t, samples))] = 0
            height += 1
            height *= height
            lam_S /= height
            lam_V *= beta
            lam_V += lam_S
            # current
            lam_I *= alpha
            lam_I += lam_V
            # record
            below.add_outer(below.rows(t - 1, samples), lam_I, gradient.W)
            if R_back is not None:
                own.add_outer(own.rows(t - 1, samples), lam_I, gradient.R)
            if kept is not None:
                kept[t, samples] = lam_I


def product(left, right, out):
    """left (b, K) right (K, N) into out (b, N), a few rows at a time, see GEMM_SIZE."""
    rows = max(1, GEMM_SIZE // right.size)
    for first in range(0, len(left), rows):
        np.matmul(left[first:first + rows], right, out=out[first:first + rows])
    return out


def classify(network, x, threads=None):
    """The decisions of the free ideal model, argmax of the scores by maximum over time: x (T, B, M), dense or as Events -> (B,). SPEC E11.

    Keeps no trace. The batch is cut into parts large enough to be worth a thread; threads: how many of them, None for one a processor. The results
    do not depend on it. Raises what forward raises.
    """
    events = input_events(network, x)
    threads = (os.cpu_count() or 1) if threads is None else check_count("threads", threads, high=1024)
    widest = max(layer.W.shape[1] for layer in network.layers)
    shares = parts(events.shape[1], widest, network.layers[0].W.dtype, bytes=INFERENCE_SLICE)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(lambda samples: decide(network, events.of_samples(samples)), shares)))


def decide(network, events):
    """classify for one part of the batch."""
    for layer in network.layers[:-1]:
        events = spike(events, layer, kept=1)[1]
    return run_readout(events, network.layers[-1]).max(axis=0).argmax(axis=1)
