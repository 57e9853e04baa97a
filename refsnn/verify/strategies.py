"""Hypothesis strategies for networks, input spikes, labels and traces, to write properties of one's own with.

    @given(refsnn.verify.strategies.problems())
    def test_mine(problem): ...

Importing this module needs Hypothesis (the test extra). Hypothesis draws the structure (depth, sizes, dtype, recurrence, the
kind of values); the many numbers come from a numpy Generator whose seed Hypothesis draws, which is faster, and shrinks to a
smaller structure.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from refsnn.spec.network import Layer, Network, forward
from refsnn.spec.neuron import NeuronParameters
from refsnn.spec.trace import Trace

TRACE_KINDS = ("free", "model", "arbitrary", "quantised")


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, an input x (T, B, M), labels (B,), and a trace: None for a free run, or one that was injected."""

    network: Network
    x: np.ndarray
    labels: np.ndarray
    trace: tuple | None


def generators():
    """numpy Generators with seeds that shrink towards 0."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def dtypes():
    """float64 or float32."""
    return st.sampled_from([np.float64, np.float32])


@st.composite
def neuron_parameters(draw, N, rng):
    """NeuronParameters for N neurons: scalar or one value a neuron, time constants from 1.2 to 35 steps, equal ones included."""
    def values(low, high):
        value = np.exp(rng.uniform(np.log(low), np.log(high), N))
        return value if draw(st.booleans()) else float(value[0])

    tau_mem = values(2e-6, 60e-6)
    tau_syn = tau_mem if draw(st.booleans()) else values(2e-6, 60e-6)
    return NeuronParameters(tau_mem, tau_syn, values(0.5, 2.0))


@st.composite
def networks(draw, rng=None, max_spiking_layers=3, max_neurons=6, dtype=None):
    """Networks of 1 to 3 spiking layers and a readout, recurrent or not, with weights large enough to make spikes."""
    rng = draw(generators()) if rng is None else rng
    dtype = draw(dtypes()) if dtype is None else dtype
    sizes = draw(st.lists(st.integers(1, max_neurons), min_size=3, max_size=max_spiking_layers + 2))
    layers = []
    for index, (M, N) in enumerate(zip(sizes, sizes[1:])):
        spiking = index < len(sizes) - 2
        W = rng.normal(0.2, 1.0 / np.sqrt(M), (M, N)).astype(dtype)
        R = rng.normal(0, 0.5 / np.sqrt(N), (N, N)).astype(dtype) if spiking and draw(st.booleans()) else None
        layers.append(Layer(W, R, draw(neuron_parameters(N, rng)), spiking))
    return Network(tuple(layers))


@st.composite
def spike_trains(draw, M, rng=None, dtype=np.float64, max_steps=40, max_batch=8):
    """Input spikes x (T, B, M) of any density, silent and full ones included; T from 2, B from 1."""
    rng = draw(generators()) if rng is None else rng
    T, B = draw(st.integers(2, max_steps)), draw(st.integers(1, max_batch))
    density = draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    return (rng.random((T, B, M)) < density).astype(dtype)


def traces(network, x, rng, kind):
    """A trace for `network` and x: "free" is None, "model" is its own run, "arbitrary" holds values that no model would give
    (spikes in bin 0,
    membranes far off), "quantised" has ties everywhere, as an 8-bit converter makes them."""
    if kind == "free":
        return None
    if kind == "model":
        return forward(network, x)
    trace = []
    for layer in network.layers:
        shape, dtype = (*x.shape[:2], layer.W.shape[1]), layer.W.dtype
        V = rng.normal(0, 2, shape) if kind == "arbitrary" else np.rint(rng.normal(0.5, 0.5, shape) * 4) / 4
        S = (rng.random(shape) < 0.2).astype(dtype) if layer.spiking else None
        trace.append(Trace(V.astype(dtype), S))
    return tuple(trace)


@st.composite
def problems(draw, kinds=TRACE_KINDS, dtype=None, max_steps=40):
    """A Problem: everything that loss_and_gradient takes. kinds: which traces may come, see traces."""
    rng = draw(generators())
    network = draw(networks(rng, dtype=dtype))
    W = network.layers[0].W
    x = draw(spike_trains(W.shape[0], rng, W.dtype, max_steps))
    labels = rng.integers(0, network.layers[-1].W.shape[1], x.shape[1])
    return Problem(network, x, labels, traces(network, x, rng, draw(st.sampled_from(kinds))))
