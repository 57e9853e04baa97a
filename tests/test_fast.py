"""The fast twin equals the specification: on random networks, free and on given traces, dense input and events."""

import copy
import os
import pickle
import platform
import resource
import subprocess
import sys
import tracemalloc
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsnn
from refsnn import DtypeError, Layer, Network, NeuronParameters, Objective, RangeError, ShapeError, Surrogate, fast
from refsnn.errors import check_result
from refsnn.events import Events, parts, sparse_routines
from refsnn.verify.strategies import generators, networks

OBJECTIVES = [Objective(), Objective(reduce="sum"), Objective(readout=0.1, rate=0.01, rate_limit=3.0, burst=0.3, weight=1.0)]
SURROGATES = [Surrogate(), Surrogate(20.0, True), Surrogate(0.5), Surrogate(1e6, True)]


def example(network, rng, T, B):
    """Input that makes the network spike often, for the whole run or a part of it, and labels."""
    dtype = network.layers[0].W.dtype
    x = (rng.random((T, B, network.layers[0].W.shape[0])) < 0.3).astype(dtype)
    x[rng.integers(1, 2 * T):] = 0
    return x, rng.integers(0, network.layers[-1].W.shape[1], B)


def margin(network, trace):
    """How near any membrane comes to its threshold: sums in another order may decide a tie otherwise."""
    return min(np.abs(recorded.membrane - layer.neuron.threshold).min() for layer, recorded in zip(network.layers[:-1], trace))


def assert_close(got, expected, bound):
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1e-300, np.abs(expected).max()))


@given(networks(max_spiking_layers=3), generators(), st.integers(2, 12) | st.integers(13, 130), st.integers(1, 5), st.sampled_from(OBJECTIVES),
       st.sampled_from(SURROGATES))
def test_the_twin_equals_the_specification(network, rng, T, B, objective, surrogate):
    x, labels = example(network, rng, T, B)
    bound = 1e-12 if x.dtype == np.float64 else 2e-5
    trace = refsnn.forward(network, x)
    # on a given trace, any trace
    loss, gradient, _ = refsnn.loss_and_gradient(network, x, labels, trace, objective, surrogate)
    for given_x in (x, Events.of(x)):
        fast_loss, fast_gradient, same = fast.loss_and_gradient(network, given_x, labels, trace, objective, surrogate)
        assert same is trace and fast_loss == pytest.approx(loss, rel=bound, abs=bound)
        for got, expected in zip(fast_gradient, gradient):
            assert_close(got.W, expected.W, bound)
            assert (got.R is None) == (expected.R is None)
            if got.R is not None:
                assert_close(got.R, expected.R, bound)
    # free, where no membrane is within rounding of its threshold
    if margin(network, trace) > 1e3 * np.finfo(x.dtype).eps * max(1, np.abs(trace[0].membrane).max()):
        loss, gradient, free = fast.loss_and_gradient(network, x, labels, objective=objective, surrogate=surrogate)
        for got, expected in zip(free, trace):
            assert_close(got.membrane, expected.membrane, bound)
            if expected.spikes is not None:
                np.testing.assert_array_equal(got.spikes, expected.spikes)
        np.testing.assert_array_equal(fast.classify(network, x), np.stack([v.max(axis=0) for v in [free[-1].membrane]])[0].argmax(axis=1))


def busy(seed=0, sizes=(30, 40, 5), B=20, dtype=np.float64):
    """A network of the paper's kind that spikes, with input and labels."""
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, sizes, dtype=dtype)
    network = network.with_parameters([rng.normal(0.05, 0.2, layer.W.shape).astype(dtype) for layer in network.layers])
    return network, *example(network, rng, 20, B)


def test_a_batch_that_takes_several_parts():
    network, x, labels = busy(sizes=(30, 90, 60, 5), B=301)
    recurrent = np.random.default_rng(1).normal(0, 0.05, (60, 60))
    network = Network((network.layers[0], Layer(network.layers[1].W, recurrent), network.layers[2]))
    assert [len(parts(301, N, x.dtype)) for N in (90, 60)] == [2, 2]
    loss, gradient, trace = refsnn.loss_and_gradient(network, x, labels)
    assert all((recorded.spikes.sum(axis=(0, 2)) > 0).mean() > 0.5 for recorded in trace[:-1])            # in both parts
    fast_loss, fast_gradient, same = fast.loss_and_gradient(network, x, labels)
    assert fast_loss == pytest.approx(loss, rel=1e-12)
    for got, expected in zip(same, trace):
        assert_close(got.membrane, expected.membrane, 1e-12)
    for got, expected in zip(same[:-1], trace):
        np.testing.assert_array_equal(got.spikes, expected.spikes)
    for got, expected in zip(fast_gradient, gradient):
        assert_close(got.W, expected.W, 1e-12)
    assert_close(fast_gradient[1].R, gradient[1].R, 1e-12)
    np.testing.assert_array_equal(fast.classify(network, x), trace[-1].membrane.max(axis=0).argmax(axis=1))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what events.py tells the allocator is for that of glibc")
def test_arrays_that_were_dropped_are_used_again():
    network, x, labels = busy(B=300)
    for _ in range(3):
        fast.loss_and_gradient(network, x, labels)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        fast.loss_and_gradient(network, x, labels)
    # each call has some ten arrays of 470 pages of 4 KB; mapped anew, these would be thousands of faults a call
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000


def test_it_works_without_scipy(monkeypatch, request):
    network, x, labels = busy()
    loss, gradient, _ = fast.loss_and_gradient(network, x, labels)
    for name in ("scipy.sparse._sparsetools", "scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, None)          # importing it now fails
    sparse_routines.cache_clear()
    request.addfinalizer(sparse_routines.cache_clear)
    assert sparse_routines() is None
    other_loss, other, _ = fast.loss_and_gradient(network, x, labels)
    assert other_loss == pytest.approx(loss, rel=1e-12)
    for got, expected in zip(other, gradient):
        assert_close(got.W, expected.W, 1e-12)


def test_a_threshold_of_its_own_for_every_neuron():
    rng = np.random.default_rng(3)
    neuron = NeuronParameters(rng.uniform(3e-6, 9e-6, 40), rng.uniform(3e-6, 9e-6, 40), rng.uniform(0.5, 2, 40))
    network = Network((Layer(rng.normal(0.05, 0.2, (30, 40)), neuron=neuron), Layer(rng.normal(0, 1, (40, 5)), spiking=False)))
    x, labels = example(network, rng, 20, 7)
    for got, expected in zip(fast.forward(network, x), refsnn.forward(network, x)):
        assert_close(got.membrane, expected.membrane, 1e-12)


@pytest.mark.parametrize(("n", "size", "edges"), [(7, 3, [(0, 3), (3, 6), (5, 7)]), (6, 3, [(0, 3), (3, 6)]), (7, 1, [(0, 2), (2, 4), (4, 6), (5, 7)]),
                                                  (2, 9, [(0, 2)]), (1, 9, [(0, 1)])])
def test_blocks_cover_all_rows_and_none_is_alone(n, size, edges):
    assert [(rows.start, rows.stop) for rows in fast.blocks(n, size)] == edges


@pytest.mark.parametrize(("n", "m", "whole"), [(64, 2, True), (2, 64, True), (65, 2, False)])
def test_a_product_that_openblas_does_in_one_thread_is_done_in_one_piece(n, m, whole, monkeypatch):
    pieces, left, right = [], np.ones((n, 4)), np.ones((4, m))
    monkeypatch.setattr(fast, "GEMM_SIZE", 512)                              # 64 * 4 * 2
    monkeypatch.setattr(fast, "blocks", lambda n, size: pieces.append(n) or [slice(0, n)])
    assert (fast.product(left, right, np.empty((n, m))) == 4).all() and (not pieces) == whole


@given(generators(), st.integers(1, 4))
def test_who_stays_below_the_threshold_never_reaches_it(rng, N):
    V, I, theta = rng.uniform(-1, 1, (3, N)), rng.normal(0, 0.2, (3, N)), rng.uniform(0.3, 3, N)
    alpha, beta = rng.uniform(0, 0.99, 2)
    V *= 0.9999 * theta
    if fast.stays_below(V, I, alpha, beta, theta):
        for _ in range(300):
            I = alpha * I
            V = beta * V + I
            assert (V < theta).all()


@pytest.mark.parametrize(("V", "I", "stays"), [(0.0, 0.0, True), (0.998, 0.0, True), (0.9995, 0.0, False), (-1.0, -1.0, True), (0.0, 0.5, True), (0.0, 2.0, False),
                                               (0.999, 0.0, False), (0.6, -1.0, True), (0.0, 1.8, True), (1.5, 0.0, False)])
def test_who_is_far_below_the_threshold_stays_there(V, I, stays):
    for theta in (1.0, 2.0):
        assert fast.stays_below(theta * np.full((1, 2), V), theta * np.full((1, 2), I), np.array(0.5), np.array(0.5), np.array(theta)) == stays


def ended(monkeypatch, weight, R=None, T=40, neuron=NeuronParameters()):
    """The time steps that a run leaves to fade, in which the last of two inputs comes at t = 2 and to one sample of two only."""
    left, fade = [], fast.fade
    monkeypatch.setattr(fast, "fade", lambda rows, *given: left.append(len(rows)) or fade(rows, *given))
    layer = Layer(np.full((1, 2), weight), R, neuron)
    x = np.zeros((T, 2, 1))
    x[0] = x[2, 0] = 1
    expected = refsnn.forward(Network((layer, Layer(np.ones((2, 1)), spiking=False))), x)[0]
    V, own = fast.run_spiking(Events.of(x), layer)
    np.testing.assert_array_equal(own.indices, np.flatnonzero(expected.spikes))
    assert_close(V, expected.membrane, 1e-12)
    return left


@pytest.mark.parametrize(("weight", "R", "left"), [(0.05, None, [40 - 7]), (0.8, None, [40 - 11]), (1.0, None, [40 - 15]), (0.05, np.zeros((2, 2)), [])])
def test_a_run_ends_when_nothing_comes_in_and_nobody_can_spike_any_more(weight, R, left, monkeypatch):
    # nothing comes in from t = 3 on: asked at t = 6, 10, 14, .. about the membranes of t + 1; where there is R, one spike may lead to others
    assert ended(monkeypatch, weight, R) == left


@pytest.mark.parametrize(("T", "left"), [(14, []), (15, [15 - 7]), (16, [16 - 7])])
def test_the_end_of_a_run_is_worth_asking_for_if_it_has_eight_time_steps(T, left, monkeypatch):
    assert ended(monkeypatch, 0.05, T=T) == left


@pytest.mark.parametrize("name", ["tau_mem", "tau_syn"])
def test_neurons_with_decays_of_their_own_run_to_the_end(name, monkeypatch):
    assert ended(monkeypatch, 0.05, neuron=NeuronParameters(**{name: np.array([4e-6, 9e-6])})) == []


def test_neurons_with_thresholds_of_their_own_fade(monkeypatch):
    assert ended(monkeypatch, 0.05, neuron=NeuronParameters(threshold=np.array([1.0, 2.0]))) == [40 - 7]


def test_the_spikes_of_a_free_run_become_an_array_when_they_are_looked_at():
    rng = np.random.default_rng(0)
    network = Network((Layer(rng.normal(0.2, 0.3, (30, 8)).astype(np.float32)), Layer(rng.normal(0, 1, (8, 3)).astype(np.float32), spiking=False)))
    x, labels = example(network, rng, 20, 5)
    recorded, expected = fast.forward(network, x)[0], refsnn.forward(network, x)[0]
    assert isinstance(recorded, refsnn.Trace) and "spikes" not in vars(recorded) and expected.spikes.any()
    for other in (pickle.loads(pickle.dumps(recorded)), copy.deepcopy(recorded), replace(recorded, membrane=expected.membrane), recorded):
        np.testing.assert_array_equal(other.spikes, expected.spikes, strict=True)
        assert other.spikes is other.spikes
    for name in ("spikes", "events", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(recorded, name, expected.spikes)
    # what is done to them is a recording, as another one is
    recorded.spikes[:] = 0
    trace = (recorded, fast.forward(network, x)[1])
    for got, wanted in zip(fast.loss_and_gradient(network, x, labels, trace)[1], refsnn.loss_and_gradient(network, x, labels, trace)[1]):
        assert_close(got.W, wanted.W, 1e-5)


@pytest.mark.skipif(sparse_routines() is None, reason="without scipy products are dense, and so are their inputs")
@pytest.mark.parametrize(("strength", "busy", "arrays"), [(0.02, 0.1, 2.6), (0.045, 0.35, 4)])
def test_a_loss_and_gradient_takes_at_most_four_arrays_of_memory_up_to_a_spike_in_every_third_step(strength, busy, arrays):
    rng, shape = np.random.default_rng(0), (20, 100, 246)
    network = Network((Layer(np.abs(rng.normal(0, strength, (256, 246))).astype(np.float32)),
                       Layer(rng.normal(0, 0.05, (246, 10)).astype(np.float32), spiking=False)))
    events, labels = Events.of((rng.random((20, 100, 256)) < 0.02).astype(np.float32)), rng.integers(0, 10, 100)
    assert fast.forward(network, events)[0].spikes.mean() > busy
    tracemalloc.start()
    try:
        fast.loss_and_gradient(network, events, labels)
        assert tracemalloc.get_traced_memory()[1] < arrays * 4 * np.prod(shape)
    finally:
        tracemalloc.stop()


def resting(T, dtype=np.float64, theta=1.0, B=20, tau_syn=6e-6, tau_out=40e-6, driving=1):
    """A network, input and labels of which little happens after t = 6: `driving` samples drive slow readouts, one makes neurons spike that these do not
    hear."""
    rng = np.random.default_rng(0)
    W, W_out = np.zeros((6, 30)), np.zeros((30, 4))
    W[:, :3], W[:2, 3:5], W_out[:3] = 0.02, 0.4, rng.uniform(1, 2, (3, 4))
    W[2:4, :3] = 0.4
    W += rng.normal(0, 0.01, W.shape)
    slow = NeuronParameters(tau_mem=tau_out, tau_syn=tau_out)
    network = Network((Layer(W.astype(dtype), neuron=NeuronParameters(tau_syn=tau_syn, threshold=theta)), Layer(W_out.astype(dtype), neuron=slow, spiking=False)))
    x = (rng.random((T, B, 6)) < 0.2).astype(dtype)
    x[:, :, :4] = x[4:] = 0
    x[1:3, :driving, 2:4] = x[1:3, driving, :2] = x[3, 2, 5] = 1
    return network, x, rng.integers(0, 4, B)


def rests(monkeypatch, network, x, labels, trace=None, objective=Objective(burst=0.3), surrogate=Surrogate()):
    """How many time steps each part of the batch was found to rest for, None where it was not; the gradient being that of the specification."""
    found, rest_adjoint = [], fast.rest_adjoint

    def looked_at(V, *given):
        lam = rest_adjoint(V, *given)
        found.append(None if lam is None else len(V))
        return lam

    monkeypatch.setattr(fast, "rest_adjoint", looked_at)
    bound = 1e-12 if x.dtype == np.float64 else 1e-5
    loss, gradient, expected_trace = refsnn.loss_and_gradient(network, x, labels, trace, objective, surrogate)
    assert expected_trace[0].spikes.any()
    fast_loss, fast_gradient, _ = fast.loss_and_gradient(network, x, labels, trace, objective, surrogate)
    assert fast_loss == pytest.approx(loss, rel=bound)
    for got, expected in zip(fast_gradient, gradient):
        assert_close(got.W, expected.W, bound)
    return found


@pytest.mark.parametrize(("T", "found"), [(14, []), (15, [8]), (30, [23]), (130, [123])])
@pytest.mark.parametrize("surrogate", [Surrogate(), Surrogate(2.0, True)])
def test_the_last_time_steps_in_which_nothing_happens_are_summed_up(T, found, surrogate, monkeypatch):
    network, x, labels = resting(T)
    trace = refsnn.forward(network, x)
    assert np.flatnonzero(trace[0].spikes.sum(axis=(1, 2)))[-1] == 6 and (np.flatnonzero(trace[0].spikes.sum(axis=(0, 2))) == [0, 1]).all()
    assert trace[-1].membrane.argmax(axis=0).max() == T - 1 if T < 30 else trace[-1].membrane.argmax(axis=0).max() > 20
    assert rests(monkeypatch, network, x, labels, surrogate=surrogate) == found


@pytest.mark.parametrize("objective", [Objective(burst=0.3), Objective(burst=0.0), Objective(burst=0.3, readout_scale=0.0)])
def test_who_is_heard_and_who_is_regularised_are_summed_up_each_for_themselves(objective, monkeypatch):
    assert rests(monkeypatch, *resting(40), objective=objective) == [33]


@pytest.mark.parametrize(("changes", "found"), [
    ({"dtype": np.float32}, [33]), ({"tau_syn": 9e-6}, [29]), ({"tau_syn": 4e-6, "dtype": np.float32}, [35]), ({"B": 4}, [None]), ({"B": 5}, [30]),
    ({"driving": 2, "theta": np.linspace(0.9, 1.1, 30)}, [31])])
def test_other_networks_rest_too_and_parts_in_which_many_are_heard_are_run(changes, found, monkeypatch):
    assert rests(monkeypatch, *resting(40, **changes)) == found


def test_a_quarter_of_the_neurons_are_few(monkeypatch):
    assert rests(monkeypatch, *resting(40, B=4), objective=Objective(burst=0.0)) == [31]       # those of one sample


def test_a_readout_that_forgets_at_once_is_heard_from_one_time_step_only(monkeypatch):
    network, x, labels = resting(40, tau_out=1e-9)
    trace = refsnn.forward(network, x)
    trace[-1].membrane[30, 3] = 2.0                                      # as a recording may have it
    assert rests(monkeypatch, network, x, labels, trace) == [33]


def test_each_part_of_a_batch_rests_for_itself(monkeypatch):
    monkeypatch.setattr(fast, "parts", lambda B, N, dtype: [slice(0, 3), slice(3, 10), slice(10, B)])
    assert rests(monkeypatch, *resting(40)) == [None, 33, 33]


def test_who_is_recorded_to_spike_late_does_not_rest_before(monkeypatch):
    network, x, labels = resting(40)
    trace = refsnn.forward(network, x)
    trace[0].spikes[20, 7, 9] = 1
    for surrogate in (Surrogate(), Surrogate(2.0, True)):
        assert rests(monkeypatch, network, x, labels, trace, surrogate=surrogate) == [19]


def test_what_comes_in_late_ends_the_rest(monkeypatch):
    network, x, labels = resting(40)
    x[25, 3, 5] = 1
    assert rests(monkeypatch, network, x, labels) == [40 - 27]


def test_an_upper_layer_or_one_with_recurrence_or_with_decays_of_its_own_is_run_to_the_end(monkeypatch):
    network, x, labels = resting(40)
    hidden, readout = network.layers
    recurrent = Layer(hidden.W, np.full((30, 30), 0.01), hidden.neuron)
    various = [replace(hidden, neuron=NeuronParameters(**{name: np.linspace(5e-6, 6e-6, 30)})) for name in ("tau_mem", "tau_syn")]
    for layer in (recurrent, *various):
        assert rests(monkeypatch, Network((layer, readout)), x, labels) == []
    upper = Layer(np.eye(30) * 3, neuron=hidden.neuron)
    assert len(rests(monkeypatch, Network((hidden, upper, readout)), x, labels)) == 1


@pytest.mark.parametrize(("n", "k", "m", "pieces"), [(4, 8, 8, [(4, 8, 8)]), (64, 64, 64, [(64, 64, 64)]), (2, 8, 2, [(2, 8, 2)]), (1, 8, 8, [(2, 8, 8)]),
                                                     (64, 64, 128, [(64, 64, 64)] * 2), (128, 64, 64, [(64, 64, 64)] * 2), (128, 64, 128, [(128, 64, 32)] * 4),
                                                     (4, 2**17, 2, [(2, 2**17, 2)] * 2), (2, 2**17, 4, [(2, 2**17, 2)] * 2)])
def test_no_product_has_more_multiplications_than_openblas_does_in_one_thread(n, k, m, pieces, monkeypatch):
    done, matmul = [], np.matmul
    monkeypatch.setattr(np, "matmul", lambda left, right, out: done.append((*left.shape, right.shape[1])) or matmul(left, right, out=out))
    left, right = np.arange(n * k).reshape(n, k) % 7 - 3.0, np.arange(k * m).reshape(k, m) % 5 - 2.0
    np.testing.assert_array_equal(fast.product(left, right, np.empty((n, m))), left @ right)
    assert done == pieces
    # of several, each is cut alike; where none is cut, they are one call
    done.clear()
    several = np.stack([left, 2 * left, -left])
    np.testing.assert_array_equal(fast.product(several, right, np.empty((3, n, m))), several @ right)
    assert done == (pieces * 3 if len(pieces) > 1 or n == 1 else [(3, *pieces[0][:2], m)])


def test_nor_have_the_products_of_a_rest(monkeypatch):
    rng, (n, b, N, K), done, matmul = np.random.default_rng(0), (60, 16, 2000, 10), [], np.matmul
    V, W_back, weights, theta = rng.normal(size=(n, b, N)), rng.normal(size=(K, N)), rng.normal(size=(2, n)), np.linspace(1, 2, N)
    from_above, gS = np.zeros((n, b, K)), np.zeros((b, N))
    from_above[:, 3:5], gS[4:6, ::4] = rng.normal(size=(n, 2, K)), rng.normal(size=(2, N // 4))
    expected = np.tensordot(weights, (from_above @ W_back + gS) / (np.abs(V - theta) + 0.02)**2, 1)
    monkeypatch.setattr(np, "matmul", lambda left, right, out: done.append(len(left) * right.size) or matmul(left, right, out=out))
    assert_close(fast.rest_adjoint(V, gS, from_above, W_back, weights, theta, 0.02), expected, 1e-12)
    assert len(done) > 3 and max(done) <= fast.GEMM_SIZE


@pytest.mark.parametrize(("T", "matrices"), [(100, 1), (101, 0)])
def test_a_response_is_a_matrix_up_to_a_hundred_time_steps(T, matrices, monkeypatch):
    made, response = [], fast.response
    monkeypatch.setattr(fast, "response", lambda *given: made.append(given) or response(*given))
    fast.respond(np.ones((T, 2, 3)), np.array(0.5), np.array(0.25))
    assert len(made) == matrices


@pytest.mark.parametrize(("processors", "threads"), [(3, 3), (None, 1)])
def test_decisions_take_a_thread_a_processor_and_parts_of_four_megabytes_of_which_one_row_is_kept(processors, threads, monkeypatch):
    asked, shares, pool, spike_part = [], [], fast.ThreadPoolExecutor, fast.spike_part
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    monkeypatch.setattr(fast, "ThreadPoolExecutor", lambda count: asked.append(count) or pool(count))
    monkeypatch.setattr(fast, "spike_part", lambda events, samples, layer, V: shares.append((samples.start, V.shape)) or spike_part(events, samples, layer, V))
    network = Network((Layer(np.zeros((1, 2**10), np.float32)), Layer(np.zeros((2**10, 1), np.float32), spiking=False)))
    fast.classify(network, np.zeros((2, 3 * 2**10, 1), np.float32))
    assert asked == [threads] and sorted(shares) == [(first, (1, 2**10, 2**10)) for first in (0, 2**10, 2**11)]


@pytest.mark.parametrize("tau", [{"tau_mem": 100.0}, {"tau_syn": 100.0}])
def test_decays_that_round_to_one(tau):
    # 0.06 + 0.06 t: the threshold is reached long after the only input, at a rate of the current that does not fade
    network = Network((Layer(np.full((1, 3), 0.06, np.float32), neuron=NeuronParameters(**tau)), Layer(np.ones((3, 2), np.float32), spiking=False)))
    x = np.zeros((150, 2, 1), np.float32)
    x[:5] = 1
    expected = refsnn.forward(network, x)[0].spikes
    assert expected[20:].any() == ("tau_syn" in tau)
    np.testing.assert_array_equal(fast.forward(network, x)[0].spikes, expected)


@pytest.mark.parametrize("sizes, B, dtype, T", [((20, 700, 900, 10), 5, "float64", 20), ((20, 1000, 1000, 10), 1, "float32", 20),
                                                ((20, 30, 11), 333, "float64", 20), ((20, 301, 10), 33, "float64", 90)])
def test_the_number_of_blas_threads_changes_no_bit(sizes, B, dtype, T):
    program = f"""
import hashlib, numpy as np, refsnn
from refsnn import fast
rng = np.random.default_rng(0)
network = refsnn.Network.initialise(rng, {sizes}, dtype=np.{dtype})
network = network.with_parameters([rng.normal(0.05, 0.2, layer.W.shape).astype(np.{dtype}) for layer in network.layers])
x = (rng.random(({T}, {B}, 20)) < 0.3).astype(np.{dtype})
x[20:] = 0
_, gradient, trace = fast.loss_and_gradient(network, x, rng.integers(0, {sizes[-1]}, {B}))
print(hashlib.sha256(b"".join(array.tobytes() for array in (*[entry.W for entry in gradient], *[recorded.membrane for recorded in trace]))).hexdigest())
"""
    found = {subprocess.run([sys.executable, "-c", program], env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}, capture_output=True, check=True,
                            cwd=Path(refsnn.__file__).parents[1], text=True).stdout for threads in (1, 2, 4)}
    assert len(found) == 1


def test_a_negative_zero_is_no_spike():
    network, x, labels = busy()
    negative = np.where(x == 0, -0.0, x)
    assert fast.loss_and_gradient(network, negative, labels)[0] == fast.loss_and_gradient(network, x, labels)[0]


@pytest.mark.parametrize("threads", [1, 2, 4, None])
def test_decisions_do_not_depend_on_threads(threads, monkeypatch):
    network, x, _ = busy(B=200)
    monkeypatch.setattr(fast, "INFERENCE_SLICE", 20 * 40 * x.itemsize)     # ten parts
    np.testing.assert_array_equal(fast.classify(network, x, threads), refsnn.forward(network, x)[-1].membrane.max(axis=0).argmax(axis=1))
    for refused in (0, 1025):
        with pytest.raises(RangeError, match="threads"):
            fast.classify(network, x, refused)


@given(generators(), st.integers(1, 4), st.integers(2, 6), st.integers(1, 9))
def test_events_are_the_spikes(rng, B, T, M):
    x = (rng.random((T, B, M)) < 0.4).astype(np.float32)
    events = Events.of(x)
    np.testing.assert_array_equal(events.dense_rows(slice(0, len(x) * x.shape[1])).reshape(x.shape), x)
    np.testing.assert_array_equal(events.per_sample(), x.sum(axis=0))
    W, lam = rng.normal(size=(M, 3)).astype(np.float32), rng.normal(size=(T, B, 3)).astype(np.float32)
    for samples in (slice(0, B), slice(B // 2, B)):
        for t in range(T):
            out = np.ones((samples.stop - samples.start, 3), np.float32)
            rows = events.rows(t, samples)
            events.add_product(rows, W, out)
            np.testing.assert_allclose(out, 1 + x[t, samples] @ W, atol=1e-5)
            outer = np.ones((M, 3), np.float32)
            events.add_outer(rows, lam[t, samples], outer)
            np.testing.assert_allclose(outer, 1 + x[t, samples].T @ lam[t, samples], atol=1e-5)
            np.testing.assert_array_equal(events.dense_rows(rows), x[t, samples])


@pytest.mark.parametrize(("change", "error"), [
    (lambda x: x[..., :3], ShapeError), (lambda x: x * np.nan, RangeError), (lambda x: x * 2, RangeError), (lambda x: x.astype(np.float32), DtypeError),
    (lambda x: x.astype(int), DtypeError), (lambda x: x[0], ShapeError), (lambda x: x[:1], ShapeError), (lambda x: x[:, :0], ShapeError), (lambda x: x.tolist(), DtypeError),
    (lambda x: None, DtypeError), (lambda x: Events.of(x.astype(np.float32)), DtypeError), (lambda x: Events.of(x[:, :, :4]), ShapeError),
])
def test_bad_input_is_refused_as_by_the_specification(change, error):
    network, x, labels = busy()
    with pytest.raises(error):
        fast.forward(network, change(x))
    with pytest.raises(error):
        fast.loss_and_gradient(network, change(x), labels)


@pytest.mark.parametrize(("loss", "arrays"), [(np.inf, [np.ones(2)]), (np.nan, [np.ones(2)]), (1.0, [np.ones(2), np.array([0.0, np.nan])]),
                                              (1.0, [np.array([np.inf, -np.inf])])])
def test_a_result_that_is_no_number_is_refused(loss, arrays):
    with pytest.raises(RangeError, match="too large"):
        check_result(loss, arrays)
    check_result(1.0, [np.full(2, 3e38, np.float32), np.full(2, 1e308)])


def test_bad_traces_labels_and_options_are_refused():
    network, x, labels = busy()
    trace = refsnn.forward(network, x)
    for arguments, error in [((network, x, labels + 9), RangeError), ((network, x, labels[:3]), ShapeError), ((network, x, labels, trace[:1]), ShapeError),
                             ((network, x, labels, trace, "objective"), DtypeError), ((network, x, labels, trace, Objective(), 50.0), DtypeError),
                             (("network", x, labels), DtypeError), ((network, x, labels, 5), DtypeError), ((network, x, labels, trace[0]), DtypeError),
                             ((network, x, labels, (trace[0].membrane, trace[1].membrane)), DtypeError),
                             ((network, x, labels, (refsnn.Trace(trace[0].membrane, trace[0].spikes * 0.5), trace[1])), RangeError)]:
        with pytest.raises(error):
            fast.loss_and_gradient(*arguments)
    with pytest.raises(RangeError, match="noise"):
        fast.loss_and_gradient(network, x, labels, trace, noise=np.zeros((20, 20, 5)))
    with pytest.raises(RangeError, match="noise belongs"):
        fast.loss_and_gradient(network, x, labels, trace, noise="noise")
    with pytest.raises(ShapeError, match="trace"):
        fast.loss_and_gradient(network, x, labels[:3], trace[:1])
    noise = np.random.default_rng(0).normal(size=(20, 20, 5))
    assert_close(fast.forward(network, x, noise)[-1].membrane, refsnn.forward(network, x, noise)[-1].membrane, 1e-12)


def test_a_negative_zero_in_a_recorded_trace_is_no_spike():
    network, x, labels = busy()
    trace = refsnn.forward(network, x)
    negative = (refsnn.Trace(trace[0].membrane, np.where(trace[0].spikes == 0, -0.0, trace[0].spikes)), trace[1])
    assert fast.loss_and_gradient(network, x, labels, negative)[0] == fast.loss_and_gradient(network, x, labels, trace)[0]


@pytest.mark.parametrize("tau", [{"tau_mem": 1 / 200}, {"tau_syn": 1 / 200}, {"tau_mem": 1 / 200, "tau_syn": 1 / 200}])
def test_decays_that_leave_nothing(tau):
    network = Network((Layer(np.full((1, 3), 0.5, np.float32), neuron=NeuronParameters(**{"tau_mem": 2.0, "tau_syn": 2.0, "dt": 1.0} | tau)),
                       Layer(np.ones((3, 2), np.float32), neuron=NeuronParameters(dt=1.0), spiking=False)))
    x = np.zeros((20, 2, 1), np.float32)
    x[0] = 1
    for own, expected in zip(fast.forward(network, x), refsnn.forward(network, x)):
        np.testing.assert_allclose(own.membrane, expected.membrane, rtol=1e-6)


@pytest.mark.parametrize("change", [
    {"shape": None}, {"shape": (20, 3)}, {"shape": (20, 3, 0)}, {"shape": (20.0, 3, 16)}, {"shape": (20, 3, 15)}, {"shape": (10, 6, 16)},
    {"shape": (19, 3, 16)}, {"indices": None}, {"indices": np.zeros(3)}, {"pointers": np.zeros(61, int)}, {"pointers": None}, {"columns": None}, {"values": None},
    {"columns": np.zeros((2, 2), np.int32)}, {"columns": lambda columns: columns + 1}, {"columns": lambda columns: columns - 1},
    {"columns": lambda columns: columns[:-1]}, {"columns": lambda columns: columns.astype(int)}, {"values": lambda values: 7 * values},
    {"values": lambda values: values[:-1]}, {"indices": lambda indices: indices[:-1]}, {"indices": lambda indices: indices + 1},
    {"indices": lambda indices: indices - indices[0] - 1}, {"indices": lambda indices: indices[None]}, {"indices": lambda indices: indices.astype(float)},
    {"pointers": lambda pointers: pointers + 1}, {"pointers": lambda pointers: pointers[:-1]}, {"pointers": lambda pointers: pointers.astype(int)},
    {"pointers": lambda pointers: np.concatenate([pointers[:1], pointers[-2:0:-1], pointers[-1:]])},
], ids=str)
def test_lists_of_events_that_do_not_belong_together_are_refused(change):
    network, x, labels = busy(B=3)
    events = Events.of(x)
    assert len(events.indices) > 5
    fast.loss_and_gradient(network, events, labels)
    changed = {name: value(getattr(events, name)) if callable(value) else value for name, value in change.items()}
    with pytest.raises(ShapeError, match="do not belong together"):
        fast.loss_and_gradient(network, replace(events, **changed), labels)


def test_events_are_made_of_floats_with_three_axes():
    for wrong, error in ((None, DtypeError), (np.zeros((2, 2)), ShapeError), (np.zeros((2, 2, 2), np.longdouble), DtypeError), (np.zeros((2, 2, 2), int), DtypeError)):
        with pytest.raises(error, match="x"):
            Events.of(wrong)


def test_events_that_have_been_found_sound_stay_so():
    network, x, labels = busy(B=3)
    events = Events.of(x)
    mine = events.columns
    expected = fast.loss_and_gradient(network, events, labels)[0]
    mine[:] = 10**6                                                      # what was looked at is a copy
    assert fast.loss_and_gradient(network, events, labels)[0] == expected
    for name in ("indices", "pointers", "columns", "values"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(events, name)[:] = 0


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda events: pickle.loads(pickle.dumps(events))])
def test_a_copy_of_sound_events_is_looked_at_anew(copied):
    network, x, labels = busy(B=3)
    events = Events.of(x)
    assert events.sound
    other = copied(events)
    assert "sound" in vars(events) and "sound" not in vars(other)
    object.__setattr__(other, "columns", other.columns + 10**6)
    with pytest.raises(ShapeError, match="do not belong together"):
        fast.loss_and_gradient(network, other, labels)


def test_indices_of_a_small_dtype_are_indices():
    for dtype in (np.int8, np.uint8, np.uint64):
        events = Events.listed(np.array([1, 2, 100], dtype), (4, 3, 500), np.float64)
        assert events.sound and events.columns.tolist() == [1, 2, 100]


def test_masked_indices_are_refused():
    with pytest.raises(DtypeError, match="indices"):
        Events.listed(np.ma.masked_equal(np.array([1, 2]), 1), (4, 3, 5), np.float64)


def test_as_many_rows_are_listed_as_may_be_encoded(monkeypatch):
    monkeypatch.setattr("refsnn.events.LARGEST_INPUT", 12)
    assert Events.listed(np.array([3]), (4, 3, 5), np.float64).shape == (4, 3, 5)
    with pytest.raises(RangeError, match="13 steps of 1 samples are more than 12 rows"):
        Events.listed(np.array([3]), (13, 1, 5), np.float64)


@pytest.mark.parametrize("width", [3, 2, 6])
def test_an_input_as_wide_as_another_layer_is_refused(width):
    network = Network.initialise(np.random.default_rng(0), (5, 3, 2))
    for x in (np.ones((3, 1, width)), Events.of(np.ones((3, 1, width)))):
        with pytest.raises(ShapeError, match="x"):
            fast.forward(network, x)


@pytest.mark.parametrize(("indices", "end"), [([], 0), ([0], 1), ([5], 1), ([0, 6], 2), ([29], 5)])
def test_events_end_after_the_last(indices, end):
    assert Events.listed(np.array(indices, int), (5, 2, 3), np.float64).end() == end


def test_listed_events_ascend_and_take_any_integers():
    network, x, labels = busy(B=3)
    events = Events.of(x)
    expected = fast.loss_and_gradient(network, events, labels)[0]
    for indices, shape in ((events.indices.astype(np.uint64), events.shape), (events.indices.astype(np.int32), list(events.shape)),
                           (events.indices, tuple(np.int64(n) for n in events.shape))):
        assert fast.loss_and_gradient(network, Events.listed(indices, shape, x.dtype), labels)[0] == expected
    swapped = np.concatenate([events.indices[:-2], events.indices[:-3:-1]])
    for wrong in (events.indices[::-1], np.repeat(events.indices, 2), swapped):
        with pytest.raises(ShapeError, match="of ascending indices"):
            fast.loss_and_gradient(network, Events.listed(wrong, events.shape, x.dtype), labels)
    size = x.size
    for indices, shape, error in ((np.array([0, size]), x.shape, RangeError), (np.array([-1, 0]), x.shape, RangeError), ([0], x.shape, DtypeError),
                                  (np.zeros(1), x.shape, DtypeError), (np.zeros((1, 1), int), x.shape, DtypeError), (np.array([0]), x.shape[:2], ShapeError),
                                  (np.array([0]), None, ShapeError), (np.array([0]), (2, 2, 0), RangeError), (np.array([0]), (2**20, 2**11, 1), RangeError)):
        with pytest.raises(error):
            Events.listed(indices, shape, x.dtype)
    for dtype in ("nonsense", object(), int, np.longdouble):
        with pytest.raises(DtypeError, match="dtype"):
            Events.listed(events.indices, x.shape, dtype)
    assert Events.listed(np.array([0, size - 1]), x.shape, x.dtype).sound and Events.listed(np.zeros(0, int), x.shape, x.dtype).sound
