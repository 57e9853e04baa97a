"""E1-E4: numbers done by hand, closed forms, and the conventions that other simulators choose differently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import DtypeError, Layer, Network, NeuronParameters, RangeError, ShapeError, forward
from refsnn.spec.neuron import lif_step, run_readout, run_spiking
from refsnn.verify.strategies import generators, networks, spike_trains

HALF = NeuronParameters(tau_mem=1 / np.log(2), tau_syn=1 / np.log(2), dt=1.0)      # alpha = beta = 1/2


def one_spike(T, at=0):
    x = np.zeros((T, 1, 1))
    x[at] = 1
    return x


@pytest.mark.parametrize(("tau_mem", "tau_syn"), [(6e-6, 6e-6), (9e-6, 3e-6)])
def test_one_spike_gives_the_closed_form_of_the_post_synaptic_potential(tau_mem, tau_syn):
    neuron = NeuronParameters(tau_mem, tau_syn)
    n = np.arange(30)
    a, b = neuron.alpha, neuron.beta
    expected = n * a ** (n - 1.0) if a == b else (b**n - a**n) / (b - a)
    V = run_readout(one_spike(30), np.array([[0.3]]), neuron).membrane[:, 0, 0]
    np.testing.assert_allclose(V, 0.3 * expected, rtol=0, atol=1e-15)


def test_the_potential_peaks_at_the_fourth_step():
    V = run_readout(one_spike(20), np.ones((1, 1)), NeuronParameters()).membrane.ravel()
    assert V.argmax() == 4 and V[:5].round(3).tolist() == [0, 1, 1.507, 1.702, 1.710]


def test_a_spike_by_hand_is_reset_one_step_late_by_theta():
    # alpha = beta = 1/2, w = 2: I = 2, 1, .5   V = 2, (1 + 1 - 1) = 1, (.5 + .5) = 1: above theta, then two ties that do not
    # spike
    trace = run_spiking(one_spike(4), np.array([[2.0]]), None, HALF)
    assert trace.membrane.ravel().tolist() == [0, 2, 1, 1]
    assert trace.spikes.ravel().tolist() == [0, 1, 0, 0]


def test_a_membrane_on_its_threshold_is_silent():
    theta = np.array([1.0, 0.7, 3e-5])
    for V, spikes in ((theta, 0), (np.nextafter(theta, 9), 1), (np.nextafter(theta, -9), 0)):
        assert (lif_step(V, np.zeros(3), np.zeros(3), np.zeros(3), 1.0, 0.0, theta)[2] == spikes).all()          # V[t+1] = I[t+1] = V


def test_a_recurrent_spike_arrives_one_step_later():
    # unit 0 spikes at t = 1 and drives unit 1 with weight 3: I1[2] = 3, V1[2] = 3
    trace = run_spiking(one_spike(4), np.array([[2.0, 0.0]]), np.array([[0.0, 3.0], [0.0, 0.0]]), HALF)
    assert trace.membrane[:, 0, 1].tolist() == [0, 0, 3, 2.0]
    assert trace.spikes[:, 0, 1].tolist() == [0, 0, 1, 1]


def test_nothing_happens_at_the_first_step():
    trace = run_spiking(np.ones((3, 2, 2)), np.full((2, 3), 9.0), None, HALF)
    assert not trace.membrane[0].any() and not trace.spikes[0].any()


@given(networks(dtype=np.float64), generators())
def test_a_run_is_causal_and_samples_do_not_touch_each_other(network, rng):
    x = (rng.random((9, 4, network.layers[0].W.shape[0])) < 0.3).astype(float)
    whole = forward(network, x)
    for shorter, longer in zip(forward(network, x[:5, 1:3]), whole):
        # sums of a few terms: BLAS may order them by batch size, so equal to rounding, and spikes exactly
        np.testing.assert_allclose(shorter.membrane, longer.membrane[:5, 1:3], rtol=0, atol=1e-12)


@given(networks(dtype=np.float64), generators(), st.integers(1, 4))
def test_a_later_input_gives_the_same_run_later(network, rng, shift):
    x = (rng.random((8, 2, network.layers[0].W.shape[0])) < 0.3).astype(float)
    late = np.concatenate([np.zeros((shift, *x.shape[1:])), x])
    for early_layer, late_layer in zip(forward(network, x), forward(network, late)):
        np.testing.assert_array_equal(early_layer.membrane, late_layer.membrane[shift:])


@given(st.data(), generators())
def test_the_run_is_linear_below_threshold(data, rng):
    x = data.draw(spike_trains(3, rng))
    W = rng.normal(size=(3, 4))
    silent = NeuronParameters(tau_mem=rng.uniform(2e-6, 20e-6, 4), threshold=1e9)
    V = run_spiking(x, W, None, silent).membrane
    np.testing.assert_allclose(run_spiking(x, -2 * W, None, silent).membrane, -2 * V, rtol=0, atol=1e-12)


@given(networks(dtype=np.float32), generators())
def test_a_float32_network_stays_float32(network, rng):
    x = (rng.random((6, 2, network.layers[0].W.shape[0])) < 0.5).astype(np.float32)
    assert {array.dtype for layer in forward(network, x) for array in (layer.membrane, layer.spikes) if array is not None} == {np.dtype("f4")}


@pytest.mark.parametrize("name", ["tau_mem", "tau_syn", "threshold", "dt"])
@pytest.mark.parametrize(("value", "error"), [(0.0, RangeError), (-1e-6, RangeError), (np.nan, RangeError), (np.inf, RangeError),
                                              ("6us", DtypeError), (True, DtypeError), (None, DtypeError)])
def test_parameters_that_mean_nothing_are_refused(name, value, error):
    with pytest.raises(error, match=name):
        NeuronParameters(**{name: value})


def test_per_neuron_parameters_are_checked():
    with pytest.raises(RangeError, match=r"tau_mem\[1\]"):
        NeuronParameters(tau_mem=np.array([1e-6, -1e-6]))
    with pytest.raises(RangeError, match=r"threshold\[0\] is 0"):
        NeuronParameters(threshold=np.array([0.0, 1.0]))
    with pytest.raises(ShapeError, match="layer has 3 neurons"):
        Layer(np.zeros((2, 3)), neuron=NeuronParameters(threshold=np.ones(2)))
    with pytest.raises(DtypeError, match="int64"):
        NeuronParameters(threshold=np.ones(2, np.int64))


def test_noise_is_added_to_the_readout_only():
    network = Network.initialise(np.random.default_rng(0), (3, 4, 2))
    x, noise = np.zeros((5, 1, 3)), np.random.default_rng(1).normal(size=(5, 1, 2))
    hidden, readout = forward(network, x, noise)
    np.testing.assert_array_equal(readout.membrane, noise)
    assert not hidden.membrane.any()


@pytest.mark.parametrize("name", ["tau_mem", "tau_syn", "threshold", "dt"])
@pytest.mark.parametrize(("allowed", "refused"), [(1e-300, 0.9e-300), (1e300, 1.1e300)])
def test_parameters_are_numbers_that_can_be_multiplied(name, allowed, refused):
    assert NeuronParameters(**{name: np.ones(2, np.float32)} if name != "dt" else {}).dt == 1.7e-6
    for build in (float, lambda value: np.array([1.0, value])) if name != "dt" else (float,):
        assert np.array_equal(getattr(NeuronParameters(**{name: build(allowed)}), name), build(allowed))
        with pytest.raises(RangeError, match=name):
            NeuronParameters(**{name: build(refused)})
