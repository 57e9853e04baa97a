"""C3, C4: the chip without imperfections is the ideal model while nothing spikes; and what happens when it does."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from refsnn import Chip, Layer, Network, NeuronParameters, Variation, forward
from refsnn.chip.dynamics import Firing, Grid, arriving_input, charge, late_sampling, transfer, walk
from refsnn.chip.leaps import leap
from refsnn.events import Events
from refsnn.verify.strategies import generators, networks


def transfer_of_60_digits(h, tau_mem, tau_syn):
    """(exp(-h/tau_m) - exp(-h/tau_s)) / (1/tau_s - 1/tau_m) in decimal arithmetic, where the cancellation costs nothing that shows."""
    with localcontext() as context:
        context.prec = 60
        h, tau_mem, tau_syn = Decimal(h), Decimal(tau_mem), Decimal(tau_syn)
        if tau_mem == tau_syn:
            return float(h * (-h / tau_mem).exp())
        return float(((-h / tau_mem).exp() - (-h / tau_syn).exp()) / (1 / tau_syn - 1 / tau_mem))


@given(st.floats(-8, -4), st.floats(-8, -4), st.floats(1e-8, 2e-6), st.booleans())
def test_the_transfer_of_a_grid_step_is_right_to_rounding(log_mem, log_syn, h, equal):
    tau_mem = 10**log_mem
    tau_syn = tau_mem if equal else 10**log_syn
    # exp(-h/tau) of a rounded argument: its relative error grows with h/tau, up to 200 here
    assert transfer(h, tau_mem, tau_syn) == pytest.approx(transfer_of_60_digits(h, tau_mem, tau_syn), rel=1e-13, abs=1e-300)


@pytest.mark.parametrize(("tau_mem", "tau_syn"), [(6e-6, 6e-6), (9e-6, 3e-6), (2e-6, 7e-6)])
def test_a_grid_step_is_the_matrix_exponential_of_the_two_equations(tau_mem, tau_syn):
    exact = expm(2e-7 * np.array([[-1 / tau_syn, 0], [1, -1 / tau_mem]]))
    assert transfer(2e-7, tau_mem, tau_syn) == pytest.approx(exact[1, 0], rel=1e-12)


@given(st.floats(1e-16, 1e-2))
def test_the_transfer_is_smooth_through_equal_time_constants(difference):
    tau, h = 6e-6, 2e-7
    middle = transfer(h, tau, tau)
    near = transfer(h, tau * (1 + difference), tau)
    slope = middle * h / (2 * tau)                      # d c / d ln tau_mem at tau_mem = tau_syn
    assert near == pytest.approx(middle + slope * difference, rel=1e-15 + difference**2)


def test_a_transfer_with_a_vanishing_time_constant_does_not_overflow():
    assert np.isfinite(transfer(1e-6, 1e-12, 6e-6)) and np.isfinite(transfer(1e-6, 6e-6, 1e-12)) and transfer(1e-6, 1e-12, 6e-6) > 0


@given(networks(dtype=np.float64), generators(), st.integers(1, 9))
def test_an_ideal_chip_equals_the_ideal_model_at_every_grid_point_while_nothing_spikes(network, rng, substeps):
    # a high threshold keeps every layer silent, so drive the readout with the input as well: one network for each layer's
    # parameters
    for layer in network.layers:
        silent = NeuronParameters(layer.neuron.tau_mem, layer.neuron.tau_syn, 1e6)
        single = Network((Layer(layer.W, layer.R, silent), Layer(np.zeros((layer.W.shape[1], 1)), spiking=False)))
        x = (rng.random((12, 3, layer.W.shape[0])) < 0.4).astype(float)
        chip = Chip.sample(rng, single, Variation.ideal(), substeps)
        analog, ideal = chip.forward(single, x, rng)[0].membrane, forward(single, x)[0].membrane
        assert np.abs(analog - ideal).max() <= 1e-12 * max(1, np.abs(ideal).max())


@given(networks(dtype=np.float64, max_spiking_layers=1), generators())
def test_an_ideal_readout_equals_the_ideal_model_at_every_grid_point(network, rng):
    # spikes in the hidden layer fall between grid points; a pass-through of the input is a hidden layer that a chip cannot
    # have, so compare
    # the readout's response as a spiking layer that never reaches its threshold
    readout = network.layers[-1]
    silent = NeuronParameters(readout.neuron.tau_mem, readout.neuron.tau_syn, 1e6)
    single = Network((Layer(readout.W, None, silent), Layer(np.zeros((readout.W.shape[1], 1)), spiking=False)))
    x = (rng.random((12, 3, readout.W.shape[0])) < 0.4).astype(float)
    analog = Chip.sample(rng, single, Variation.ideal()).forward(single, x, rng)[0].membrane
    np.testing.assert_allclose(analog, forward(single, x)[0].membrane, rtol=0, atol=1e-12 * max(1, np.abs(readout.W).sum() * 12))


def one_neuron(weight, T=20, threshold=1.0, substeps=64, recurrent=None, refractory=2e-6):
    """A neuron that gets one spike at t = 0, and a readout with weight 1: (hidden trace, readout trace) without imperfections."""
    network = Network((Layer(np.array([[float(weight)]]), recurrent, NeuronParameters(threshold=threshold)),
                       Layer(np.ones((1, 1)), spiking=False)))
    x = np.zeros((T, 1, 1))
    x[0] = 1
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal(), substeps, refractory)
    return chip.forward(network, x, np.random.default_rng(0))


def test_the_membrane_is_reset_hard_and_held_for_the_refractory_time():
    # V(t) = 1.2 t / (alpha dt) e^(-t/tau) crosses 1 at 1.3 us, in bin 0; the sample of bin 0 lies before, those at 1.7 and 3.4
    # us after it
    held, _ = one_neuron(1.2, refractory=2.2e-6)
    assert held.spikes[:, 0, 0].argmax() == 0 and held.spikes[0, 0, 0] == 1
    assert held.membrane[:3, 0, 0].tolist() == [0, 0, 0]
    early, _ = one_neuron(1.2, refractory=1.9e-6)
    assert early.membrane[1, 0, 0] == 0 and early.membrane[2, 0, 0] > 0      # the current goes on after the reset


def test_a_spike_reaches_the_readout_at_the_instant_it_happens():
    _, readout = one_neuron(2.0, substeps=512, refractory=1e-3)
    # crossing time t* of V(t) = 2 t e^(-t/tau) / (alpha dt); the readout then follows (t - t*) e^(-(t-t*)/tau) / (alpha dt)
    tau, dt = 6e-6, 1.7e-6
    scale = 1 / (np.exp(-dt / tau) * dt)
    fine = np.linspace(0, dt, 1_000_001)
    crossing = fine[np.argmax(2 * scale * fine * np.exp(-fine / tau) > 1)]
    late = np.maximum(np.arange(20) * dt - crossing, 0)
    expected = scale * late * np.exp(-late / tau)
    np.testing.assert_allclose(readout.membrane[:, 0, 0], expected, atol=2 * scale * dt / 512)  # the spike is late by less than dt / 512


def test_spike_times_converge_with_the_grid():
    times = []
    for substeps in (8, 64, 2048):
        _, readout = one_neuron(1.3, substeps=substeps, refractory=1e-3)
        times.append(readout.membrane[:, 0, 0])
    assert np.abs(times[1] - times[2]).max() < 2 * 1.3 / 64          # late by less than dt / M, at a slope of about 1 / dt
    assert np.abs(times[1] - times[2]).max() < np.abs(times[0] - times[2]).max() / 2


@pytest.mark.parametrize("substeps", [1, 2, 8])
def test_a_recurrent_spike_arrives_when_one_from_the_layer_below_does(substeps):
    first, second = Layer(np.array([[3.0, 0.0]]), np.array([[0.0, 0.9], [0.0, 0.0]])), Layer(np.array([[0.9], [0.0]]))
    network = Network((first, second, Layer(np.ones((1, 1)), spiking=False)))
    x = np.zeros((20, 1, 1))
    x[[2, 7]] = 1
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal(), substeps)
    hidden, above, _ = chip.forward(network, x, np.random.default_rng(0))
    assert hidden.spikes[:, 0, 0].sum() > 2 and hidden.spikes[:, 0, 1].any()
    np.testing.assert_allclose(hidden.membrane[:, 0, 1], above.membrane[:, 0, 0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(hidden.spikes[:, 0, 1], above.spikes[:, 0, 0])


def test_a_strong_recurrent_neuron_fires_once_a_refractory_time():
    hidden, _ = one_neuron(3.0, T=40, recurrent=np.array([[20.0]]))
    bins = np.flatnonzero(hidden.spikes[:, 0, 0])
    assert len(bins) >= 30 and hidden.spikes.max() == 1        # 40 dt = 68 us hold at most 34 refractory times of 2 us


def test_a_refractory_time_is_whole_grid_steps_one_at_least_and_ends_with_the_run():
    network = Network((Layer(np.ones((1, 5))), Layer(np.ones((5, 1)), spiking=False)))
    chip, grid = Chip.sample(np.random.default_rng(0), network, Variation.ideal()), Grid(10, 4, 1.7e-6)
    circuits = replace(chip.circuits(network.layers[0], chip.pattern[0]), refractory=np.array([0, 0.6, 2.4, 2.6, 1e30]) * grid.h)
    assert Firing.on(grid, circuits).hold.tolist() == [1, 1, 2, 3, 40]


@pytest.mark.parametrize(("reset", "steps"), [(1.0, [0]), (1.5, list(range(0, 40, 3)))])
def test_a_neuron_held_on_its_threshold_is_silent_and_held_above_it_fires_as_soon_as_it_may(reset, steps):
    network = Network((Layer(np.ones((1, 1))), Layer(np.ones((1, 1)), spiking=False)))
    chip, grid = Chip.sample(np.random.default_rng(0), network, Variation.ideal()), Grid(10, 4, 1.7e-6)
    # the current is gone within a grid step, and has put the membrane at 5
    circuits = replace(chip.circuits(network.layers[0], chip.pattern[0]), reset=np.array([reset]), refractory=np.array([3 * grid.h]),
                       tau_exc=np.array([1e-9]))
    circuits = replace(circuits, weights=np.array([5 / transfer(grid.h, 6e-6, 1e-9), 0.0]).reshape(2, 1, 1))
    x = np.zeros((10, 1, 1))
    x[0] = 1
    drive = arriving_input(Events.of(x), charge(circuits.weights, circuits, grid.h))
    for _, spikes in (walk(circuits, grid, (1, 1), drive), leap(circuits, grid, Events.of(x))):
        assert spikes.step.tolist() == steps


def test_a_sample_is_taken_within_a_grid_step_of_its_own_time_step():
    network = Network((Layer(np.ones((1, 3))), Layer(np.ones((3, 1)), spiking=False)))
    chip, grid = Chip.sample(np.random.default_rng(0), network, Variation.ideal()), Grid(10, 4, 1.7e-6)
    circuits = replace(chip.circuits(network.layers[0], chip.pattern[0]), sample_time=np.array([0, 0.3, 1]) * grid.dt)
    whole, rest = late_sampling(circuits, grid)
    assert whole.tolist() == [0, 1, 3]
    np.testing.assert_allclose(rest.b, np.exp(-np.array([0, 0.2, 1]) * grid.h / 6e-6))


def test_the_sample_of_a_bin_with_a_spike_is_the_last_before_it():
    rng = np.random.default_rng(3)
    network = Network.initialise(rng, (30, 40, 5))
    network = network.with_parameters([network.layers[0].W * 40, network.layers[1].W])
    x = (rng.random((20, 10, 30)) < 0.2).astype(float)
    hidden, _ = Chip.sample(rng, network, Variation.ideal()).forward(network, x, rng)
    assert hidden.spikes.sum() > 100 and hidden.membrane.max() <= 1        # no sample ever shows a membrane above its threshold
