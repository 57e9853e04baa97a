"""The fast twin of refsnn.spec: forward and loss_and_gradient with the same names, arguments and results, and events for spikes.

The loops over time are those of the specification. What makes them fast, in the order of what they gain:

- input and hidden spikes are few, so products with them are sparse (refsnn.events);
- a batch is run in parts whose (b, N) arrays stay in a core's cache over all time steps, each step in place;
- the backward loop adds each time step to dW while its lamI is at hand, and keeps no adjoint of the lowest layer;
- once nothing comes in and nobody spikes, the rest of a run is one matrix product forward, and backward a sum for the few of the lowest layer that have any
  share (of layers without recurrence whose neurons have the same decays);
- arrays that are large enough to be mapped anew by the operating system are used again (refsnn.events).

One thread but for classify: the passes over (b, N) take some microseconds each, too short to be shared; see the README. Equal to spec under test, but for the
order of sums: a membrane within rounding of its threshold may spike in one and not in the other, and of two maxima that are equal to rounding either
may be taken.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from refsnn.errors import RangeError, check_count, check_labels, check_result, check_type
from refsnn.events import Events, input_events, parts
from refsnn.spec.bptt import LayerGradient
from refsnn.spec.loss import Objective, burst, cross_entropy, rate_bound, readout_amplitude, scores, scores_adjoint, weight_decay
from refsnn.spec.network import Network, parameters
from refsnn.spec.surrogate import Surrogate
from refsnn.spec.trace import Trace, check_trace

INFERENCE_SLICE = 2**22    # bytes of one (b, N) array where threads share a batch: each pass then takes long enough for the others to work meanwhile
STEPS_AT_ONCE = 4          # time steps of a part whose surrogate derivatives are computed together: fewer calls, still in the cache
LONGEST_RESPONSE = 100     # time steps of a readout's response as a matrix
SHORTEST_REST = 8          # time steps at the end of a run, without input and spikes (forward: the first is run), that are worth being treated as one,
FEW = 1 / 4                # and the share of a part's neurons that may be heard or regularised in them for an adjoint of their own
GEMM_SIZE = 2**18          # multiplications of one matrix product: OpenBLAS shares larger ones among its threads, and then rounds as their number will have it


def forward(network: Network, x: np.ndarray | Events, noise: np.ndarray | None = None) -> tuple[Trace, ...]:
    """spec.forward: x (T, B, M), dense or as Events -> a tuple with one Trace a layer; see FreeTrace."""
    return traces(*run(network, input_events(network, x, noise), noise))


def loss_and_gradient(network: Network, x: np.ndarray | Events, labels: np.ndarray, trace: tuple[Trace, ...] | None = None,
                      objective: Objective = Objective(), surrogate: Surrogate = Surrogate(),
                      noise: np.ndarray | None = None) -> tuple[float, tuple[LayerGradient, ...], tuple[Trace, ...]]:
    """spec.loss_and_gradient: (loss, gradient, trace); x (T, B, M), dense or as Events."""
    check_type("objective", objective, Objective)
    check_type("surrogate", surrogate, Surrogate)
    if trace is not None and noise is not None:
        raise RangeError("noise belongs to the free run of the ideal model; a recorded trace brings its own")
    events = input_events(network, x, noise)
    spikes = [] if trace is None else recorded_events(network, events, trace)
    check_labels(labels, events.shape[1], network.layers[-1].W.shape[1])
    if trace is None:
        membranes, spikes = run(network, events, noise)
        trace = traces(membranes, spikes)
    else:
        membranes = [recorded.membrane for recorded in trace]
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradient = gradient_of_run(network.layers, [events, *spikes], labels, membranes, objective, surrogate)
    check_result(loss, parameters(gradient))
    return loss, gradient, trace


def recorded_events(network, events, trace):
    """The Events of every spiking layer of a recorded trace, checked as check_trace does."""
    check_trace(trace, network.layers, np.broadcast_to(events.values.dtype.type(0), events.shape))
    # a zero with a sign, of which Events.of makes nothing, is a zero
    return [Events.of(recorded.spikes) or Events.of(np.abs(recorded.spikes)) for recorded in trace[:-1]]


def run(network, events, noise=None):
    """The ideal model, free: ([the membranes of every layer], [the Events of every spiking layer]). SPEC E1-E4."""
    membranes, spikes = [], []
    for layer in network.layers[:-1]:
        V, events = run_spiking(events, layer)
        membranes.append(V)
        spikes.append(events)
    readout = run_readout(events, network.layers[-1])
    if noise is not None:
        readout = readout + noise
    return [*membranes, readout], spikes


@dataclass(frozen=True, eq=False)
class FreeTrace(Trace):
    """The Trace of a spiking layer that ran freely: `spikes` (T, B, N) is made when it is first looked at.

    `events`: what it is made of, and what the run itself goes on with; writing to `spikes` does not change it.
    """

    @classmethod
    def of(cls, membrane, events):
        """Of membranes (T, B, N) and Events of that shape."""
        trace = cls.__new__(cls)
        vars(trace).update(membrane=membrane, events=events)
        return trace

    @cached_property  # type: ignore[misc]                               # in the place of the field: what is kept there is found first
    def spikes(self):
        """(T, B, N), 0.0 or 1.0."""
        T, B, _ = self.events.shape
        return self.events.dense_rows(slice(0, T * B)).reshape(self.events.shape)


def traces(membranes, spikes):
    """What `run` returns as a tuple with one Trace a layer."""
    return (*map(FreeTrace.of, membranes, spikes), Trace(membranes[-1]))


def run_spiking(events, layer):
    """spec.neuron.run_spiking from Events to (membranes (T, B, N), Events). SPEC E1-E3."""
    (T, B, _), N, dtype = events.shape, layer.W.shape[1], layer.W.dtype
    V, shares = np.empty((T, B, N), dtype), parts(B, N, dtype)
    found = [spike_part(events, samples, layer, V[:, samples]) for samples in shares]
    starts = [(t * B + samples.start) * N for t in range(T) for samples in shares]
    indices = gathered([spiked for step in zip(*found) for spiked in step], starts)
    del found                                                            # of a busy network as large as V
    return V, Events.listed(indices, (T, B, N), dtype)


def gathered(pieces, starts):
    """Pieces of flat indices in one array, each moved by its start."""
    indices = np.concatenate(pieces)
    indices += np.repeat(starts, [len(piece) for piece in pieces])
    return indices


def spike_part(events, samples, layer, V):
    """Run some samples, a slice of the batch: for every time step the flat indices into (b, N) at which neurons spike.

    V: (T, b, N), filled with the membranes; or (1, b, N), in which only the latest are left.
    """
    T, (kept, b, N), dtype = events.shape[0], V.shape, V.dtype
    alpha, beta, theta = layer.neuron.constants(dtype)
    W, R = (None if array is None else np.ascontiguousarray(array) for array in (layer.W, layer.R))
    I, above = np.zeros((b, N), dtype), np.empty((b, N), bool)
    above_flat = above.reshape(-1)
    # time steps at which it is asked whether anybody will spike again
    looks = range(0) if R is not None or alpha.ndim or beta.ndim else range(events.end() + 3, T - SHORTEST_REST, 4)
    found, spiked = [np.zeros(0, int) for _ in range(T)], np.zeros(0, int)
    V[0] = 0
    for t in range(T - 1):
        before, V_next = V[t % kept], V[(t + 1) % kept]                  # (b, N)
        # decay, integrate
        I *= alpha
        events.add_product(events.rows(t, samples), W, I)
        if R is not None:
            Events.listed(spiked, (1, b, N), dtype).add_product(slice(0, b), R, I)
        # decay, integrate, reset for the spike of t
        np.multiply(before, beta, out=V_next)
        V_next += I
        if len(spiked):
            V_next.ravel()[spiked] -= theta[spiked % N] if theta.ndim else theta
        # threshold
        np.greater(V_next, theta, out=above)
        found[t + 1] = spiked = above_flat.nonzero()[0]
        if t in looks and stays_below(V_next, I, alpha, beta, theta):
            if kept == T:                                                # all of them are asked for
                fade(V[t + 1:], I, alpha, beta)
            break
    return found


def stays_below(V, I, alpha, beta, theta):
    """Whether no neuron is above its threshold, or can reach it any more if nothing comes in and no reset is due; V, I (b, N), alpha, beta ().

    k steps later the membrane is beta^k V + alpha h[k] I, see `fading`, at most max(0, V) + k m^k max(0, I) with m the larger of alpha and beta; and
    k m^k is at most -1 / (e ln m). A decay that has been rounded to 1 has no such bound.
    """
    slowest = max(alpha, beta)
    if slowest >= 1:
        return False
    with np.errstate(divide="ignore"):                                   # of what does not stay a single step
        highest = np.maximum(I, 0) * (-1 / (np.e * np.log(slowest)))
    highest += np.maximum(V, 0)
    return (highest < 0.999 * theta).all()


def fade(rows, I, alpha, beta):
    """Fill membranes (n + 1, b, N) but for the first, which is there, when nothing comes in and nothing spikes; I (b, N) as of the first. SPEC E1, E2."""
    n = len(rows) - 1
    one_step_later = np.stack([beta * rows[0], alpha * I]).reshape(2, -1)
    product(fading(n, alpha, beta).T, one_step_later, rows[1:].reshape(n, -1))


def fading(n, alpha, beta):
    """What is left of a membrane of 1 after j = 0, 1, .. n - 1 steps, beta^j, and the membranes h[j + 1] that a drive of 1 leads to: (2, n).

    h[j + 1] = sum over k = 0 .. j of alpha^k beta^(j - k), see `impulse`.
    """
    return np.stack([beta ** np.arange(n), impulse(n, float(alpha), float(beta))]).astype(alpha.dtype)


def run_readout(events, layer):
    """spec.neuron.run_readout: membranes (T, B, K). SPEC E4."""
    (T, B, _), K, dtype = events.shape, layer.W.shape[1], layer.W.dtype
    drive = np.zeros((T, B, K), dtype)
    events.add_product(slice(0, T * B), np.ascontiguousarray(layer.W), drive.reshape(-1, K))
    return respond(drive, *layer.neuron.constants(dtype)[:2])


def respond(drive, alpha, beta, back=False):
    """The membranes (T, B, K) that a drive (T, B, K) leads to without threshold, V[t] from drive[s < t]. SPEC E1, E2.

    back: its transpose, from gV to what lamI is one time step later: the sum over t > s of response(t - s) gV[t] at s. SPEC E8, E9.
    """
    T = len(drive)
    if alpha.ndim or beta.ndim or T > LONGEST_RESPONSE:
        out, I, V = np.empty_like(drive), np.zeros_like(drive[0]), np.zeros_like(drive[0])
        for t in range(T - 1, -1, -1) if back else range(T):
            # record what has come in before; decay, integrate
            out[t] = V
            I = alpha * I + drive[t]
            V = beta * V + I
        return out
    matrix = response(T, float(alpha), float(beta)).astype(drive.dtype)
    return product(matrix.T if back else matrix, drive.reshape(T, -1), np.empty_like(drive).reshape(T, -1)).reshape(drive.shape)


@lru_cache(maxsize=16)
def response(T, alpha, beta):
    """The membranes of a neuron to which a drive of 1 came at s: (T, T), entry [t, s], 0 for t <= s."""
    matrix = np.zeros((T, T))
    for n, V in enumerate(impulse(T - 1, alpha, beta), 1):
        matrix[np.arange(n, T), np.arange(T - n)] = V
    return matrix


def impulse(n, alpha, beta):
    """The membrane of a neuron 1, 2, .. n time steps after a drive of 1: (n,)."""
    membranes, I, V = np.zeros(n), 1.0, 0.0
    for k in range(n):
        V = beta * V + I
        membranes[k] = V
        I = alpha * I
    return membranes


def gradient_of_run(layers, spikes, labels, membranes, objective, surrogate):
    """Loss and gradient of a run that has been checked. SPEC E5-E16.

    membranes (T, B, .) of every layer, spikes: the Events of x and of every spiking layer.
    """
    V = membranes[-1]                                                    # (T, B, K)
    m = scores(V, objective)                                             # (B, K)
    loss, dm = cross_entropy(m, labels)
    amplitude, dm_amplitude = readout_amplitude(m, objective.readout)
    loss += amplitude
    gV = np.ascontiguousarray(scores_adjoint(V, dm + dm_amplitude, objective))                       # (T, B, K)
    lam_I_next = respond(gV, *layers[-1].neuron.constants(V.dtype)[:2], back=True)                  # (T, B, K) lamI[t+1] at t
    dW = np.zeros_like(layers[-1].W, order="C")
    spikes[-1].add_outer(slice(0, len(V) * len(labels)), lam_I_next.reshape(-1, V.shape[2]), dW)
    gradient = [LayerGradient(dW)]
    for index in reversed(range(len(layers) - 1)):
        layer, own = layers[index], spikes[index + 1]
        count = own.per_sample()[None]                                   # (1, B, N): the regularisers see spikes per sample only
        burst_value, burst_dS = burst(count, objective.burst)
        rate_value, rate_dS = rate_bound(count, objective.rate, objective.rate_limit)
        decay_value, decay_dW = weight_decay(layer.W, objective.weight)
        loss += burst_value + rate_value + decay_value
        kept = np.zeros(membranes[index].shape, V.dtype) if index else None          # (T, B, N) lamI[t+1] at t, for the layer below
        entry = LayerGradient(np.ascontiguousarray(decay_dW), None if layer.R is None else np.zeros_like(layer.R, order="C"))
        add_spiking_gradient(entry, layer, membranes[index], spikes[index], own, burst_dS + rate_dS, lam_I_next, layers[index + 1].W, surrogate, kept)
        gradient.append(entry)
        lam_I_next = kept
    return float(loss), tuple(reversed(gradient))


def add_spiking_gradient(gradient, layer, V, below, own, gS, from_above, W_above, surrogate, kept):
    """Add a spiking layer's gradient to `gradient`, a LayerGradient. SPEC E7-E10.

    V (T, B, N); below, own: the Events that the layer received and made. gS (B, N), alike for all t. from_above (T, B, K), lamI[t+1] of the layer
    above at t, and its weights W_above (N, K). kept: zeros (T, B, N), filled with lamI[t+1] at t, or None.

    What does not depend on the time step before is done for some of them at once. sigma' = 1 / (slope |V - theta| + 1)^2 is computed as
    (1 / slope^2) / (|V - theta| + 1 / slope)^2, with the first factor in W_back, R_back and gS.
    """
    alpha, beta, theta = layer.neuron.constants(V.dtype)
    offset, factor = V.dtype.type(1 / surrogate.slope), V.dtype.type(1 / surrogate.slope**2)
    W_back, R_back = np.ascontiguousarray(W_above.T) * factor, None if layer.R is None else np.ascontiguousarray(layer.R.T) * factor
    gS, at_once = gS * factor, 1 if R_back is not None else STEPS_AT_ONCE
    # the first of the last time steps: nothing came in one step before any of them, nobody spikes in them
    rest, weights = max(below.end() + 1, own.end()), None                # weights (2, n): what each of them is worth in lamV and lamI, see rest_adjoint
    n = len(V) - rest
    if n >= SHORTEST_REST and R_back is None and kept is None and not (alpha.ndim or beta.ndim):
        weights = fading(n, alpha, beta)
    for samples in parts(*V.shape[1:], V.dtype):
        end = rest
        lam = None if weights is None else rest_adjoint(V[rest:, samples], gS[samples], from_above[rest:, samples], W_back, weights, theta, offset)
        if lam is None:
            end, lam = len(V), np.zeros((2, *V[0, samples].shape), V.dtype)
        lam_V, lam_I = lam                                                                 # (b, N) each
        lam_S, distances = (np.empty((at_once, *lam_V.shape), V.dtype) for _ in range(2))  # (n, b, N)
        for first in range(1, end, at_once)[::-1]:
            times = range(first, min(first + at_once, end))
            lam_S_here = lam_S[:len(times)]
            # threshold
            product(from_above[times.start:times.stop, samples], W_back, lam_S_here)
            lam_S_here += gS[samples]
            if R_back is not None:
                lam_S_here[0] += product(lam_I, R_back, np.empty_like(lam_I))
            # membrane: sigma' lamS; sigma' is 1 where the rule is spike-aware and a spike was recorded
            distances_here = squared_distance(V[times.start:times.stop, samples], theta, offset, distances[:len(times)])
            if surrogate.spike_aware:
                for t, out in zip(times, distances_here):
                    out.ravel()[own.at(own.rows(t, samples))] = offset * offset
            lam_S_here /= distances_here
            for t, own_share in zip(times[::-1], lam_S_here[::-1]):
                # membrane
                lam_V *= beta
                lam_V += own_share
                # current
                lam_I *= alpha
                lam_I += lam_V
                # record
                below.add_outer(below.rows(t - 1, samples), lam_I, gradient.W)
                if R_back is not None:
                    own.add_outer(own.rows(t - 1, samples), lam_I, gradient.R)
                if kept is not None:
                    kept[t - 1, samples] = lam_I


def squared_distance(V, theta, offset, out):
    """(|V - theta| + offset)^2 into out: 1 / (slope^2 sigma')."""
    np.subtract(V, theta, out=out)
    np.abs(out, out=out)
    out += offset
    out *= out
    return out


def rest_adjoint(V, gS, from_above, W_back, weights, theta, offset):
    """lamV and lamI, (2, b, N), at the first of the last n time steps: nothing came in one step before any of them, nobody spikes in them. SPEC E7-E9.

    V (n, b, N), from_above (n, b, K); gS (b, N) and W_back (K, N), both times 1 / slope^2; theta () or (N,); offset: 1 / slope. As nobody spikes, sigma' is
    that of V for every surrogate. Of the lowest layer, without recurrence, no more is asked of these steps, whose lamI meets no input, than the recursion
    unrolled (j = 0 is the first of them):

        lamV = sum over j = 0 .. n-1 of beta^j share[j]          lamI = sum over j = 0 .. n-1 of h[j+1] share[j]          share = sigma' lamS

    weights (2, n) holds beta^j and h[j+1], see `fading`. lamS is 0 but for neurons that are regularised (gS) and for samples of which any from_above is
    not 0; each of the two is summed for itself. None where these neurons are not FEW.
    """
    (n, b, N), dtype = V.shape, V.dtype
    heard, regularised = np.flatnonzero(from_above.any(axis=0).any(axis=1)), np.flatnonzero(gS != 0)
    if len(heard) * N + len(regularised) > b * N * FEW:
        return None
    lam, thetas = np.zeros((2, b, N), dtype), np.broadcast_to(theta, N)

    def summed(lam_S, V, theta):
        """The two sums over time for p neurons; lam_S (n, p) or (p,), V (n, p), theta (p,)."""
        share = lam_S / squared_distance(V, theta, offset, np.empty_like(V))
        return product(weights, share, np.empty((2, V.shape[1]), dtype))

    if len(heard):
        rows = from_above[:, heard].reshape(n * len(heard), -1)
        lam_S = product(rows, W_back, np.empty((len(rows), N), dtype))
        lam[:, heard] = summed(lam_S.reshape(n, -1), V[:, heard].reshape(n, -1), np.tile(thetas, len(heard))).reshape(2, -1, N)
    if len(regularised):
        lam.reshape(2, -1)[:, regularised] += summed(gS.ravel()[regularised], V.reshape(n, -1).take(regularised, axis=1), thetas[regularised % N])
    return lam


def product(left, right, out):
    """left (n, k) right (k, m) into out (n, m), in blocks that OpenBLAS does not share among threads, see GEMM_SIZE.

    Or several of them at once: left (p, n, k), out (p, n, m).
    """
    if left.shape[-2] * right.size <= GEMM_SIZE and min(out.shape[-2:]) > 1:
        return np.matmul(left, right, out=out)
    if left.ndim == 3:
        for own, part in zip(left, out):
            product(own, right, part)
        return out
    if len(left) == 1:
        out[:] = product(np.repeat(left, 2, axis=0), right, np.empty((2, out.shape[1]), out.dtype))[:1]
        return out
    if len(left) > out.shape[1]:
        height = blocks(len(left), GEMM_SIZE // right.size)
        width = blocks(out.shape[1], GEMM_SIZE // (height[0].stop * len(right)))
    else:
        width = blocks(out.shape[1], GEMM_SIZE // left.size)
        height = blocks(len(left), GEMM_SIZE // (width[0].stop * len(right)))
    for rows in height:
        for columns in width:
            np.matmul(left[rows], right[:, columns], out=out[rows, columns])
    return out


def blocks(n, size):
    """Slices of `size`, but at least two, that cover n; the last overlaps the one before where it would else be one alone: a product of a matrix with a
    single row or column is another routine of OpenBLAS, which shares far smaller ones."""
    size = max(2, size)
    return [slice(max(0, min(first, n - 2)), min(first + size, n)) for first in range(0, n, size)]


def classify(network: Network, x: np.ndarray | Events, threads: int | None = None) -> np.ndarray:
    """The decisions of the free ideal model, argmax of the scores by maximum over time: x (T, B, M), dense or as Events -> (B,). SPEC E11.

    Keeps no trace. The batch is cut into parts large enough to be worth a thread; threads: how many of them, None for one a processor. The results
    do not depend on it. Raises what forward raises.
    """
    events = input_events(network, x)
    threads = (os.cpu_count() or 1) if threads is None else check_count("threads", threads, high=1024)
    widest = max(layer.W.shape[1] for layer in network.layers)
    shares = parts(events.shape[1], widest, network.layers[0].W.dtype, INFERENCE_SLICE, threads)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(partial(decide, network, events), shares)))


def decide(network, events, samples):
    """classify for some samples, a slice of the batch."""
    b, dtype = samples.stop - samples.start, network.layers[0].W.dtype
    for layer in network.layers[:-1]:
        N = layer.W.shape[1]
        found = spike_part(events, samples, layer, np.empty((1, b, N), dtype))
        events = Events.listed(gathered(found, range(0, len(found) * b * N, b * N)), (len(found), b, N), dtype)
        samples = slice(0, b)
    return run_readout(events, network.layers[-1]).max(axis=0).argmax(axis=1)
