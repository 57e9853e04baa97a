"""The fast forms of a layer's run give what walking the grid gives: membranes, spikes and their grid steps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Chip, Layer, Network, NeuronParameters, Variation
from refsnn.chip import leaps
from refsnn.chip.dynamics import Firing, Grid, arriving_input, charge, membrane_kicks, walk
from refsnn.chip.leaps import can_leap, leap, near_threshold, on_grid, read
from refsnn.chip.settings import apply_settings
from refsnn.chip.variation import draw_layer
from refsnn.events import Events
from refsnn.verify.strategies import generators


def wild_chip(rng, network, substeps, refractory, offset):
    """A chip on which everything that can happen to a neuron happens often: leaks and resets above the threshold, all time constants."""
    chip = Chip.sample(rng, network, replace(Variation.decalibrated(0.5), refractory=0.5, sample_time=0.1, weight_levels=0), substeps, refractory,
                       sample_offset=offset)
    patterns = [replace(p, leak=rng.choice([0, 0, 0.5, 1.5, -1], len(p.leak)) + p.leak, reset=rng.choice([0, -1, 0.5, 2.0], len(p.reset)) + p.reset)
                for p in chip.pattern]
    return replace(chip, pattern=tuple(patterns))


@given(generators(), st.integers(1, 9), st.sampled_from([0.0, 1e-7, 1e-6, 2e-6, 9e-6]), st.sampled_from([0.0, 0.0, 0.3, 0.9]), st.booleans())
def test_leaping_is_walking(rng, substeps, refractory, offset, noisy):
    neuron = NeuronParameters()
    network = Network((Layer(rng.normal(0.1, 0.3, (8, 12))), Layer(rng.normal(0, 1, (12, 5)), spiking=False)))
    chip = wild_chip(rng, network, substeps, refractory, offset)
    x = (rng.random((14, 3, 8)) < 0.3).astype(float)
    grid = Grid(14, substeps, neuron.dt)
    hidden, readout = (chip.circuits(layer, apply_settings(pattern, setting, 1.0))
                       for layer, pattern, setting in zip(network.layers, chip.pattern, chip.settings))
    drive = arriving_input(Events.of(x), charge(hidden.weights, hidden, grid.h))
    kicks, more = (membrane_kicks(rng.normal(size=(14, 3, len(c.leak))), c, grid, 0.05) if noisy else None for c in (hidden, readout))
    slow, spikes = walk(hidden, grid, (3, 12), drive, kicks=kicks)
    fast, same = leap(hidden, grid, Events.of(x), kicks)
    scale = np.abs(slow).max() + 1
    np.testing.assert_array_equal(spikes.step, same.step)
    np.testing.assert_array_equal(spikes.index, same.index)
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12 * scale)
    slow, none = walk(readout, grid, (3, 5), below=spikes, kicks=more)
    fast = read(readout, grid, (3, 5), spikes, more)
    assert not len(none.step)
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12 * (np.abs(slow).max() + 1))


def test_a_neuron_that_rests_on_its_threshold_is_silent():
    grid, silence = Grid(14, 4, 1.7e-6), Events.of(np.zeros((14, 3, 8)))
    network = Network((Layer(np.ones((8, 12))), Layer(np.ones((12, 5)), spiking=False)))
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal())
    circuits = replace(chip.circuits(network.layers[0], chip.pattern[0]), leak=np.ones(12))
    for samples, spikes in (leap(circuits, grid, silence), walk(circuits, grid, (3, 12), np.zeros((2, 14, 3, 12)))):
        assert (samples == 1).all() and not len(spikes.step)


def test_leaping_in_parts_of_a_batch_has_the_same_bits(monkeypatch):
    rng, grid = np.random.default_rng(0), Grid(14, 4, 1.7e-6)
    network = Network((Layer(rng.normal(0.2, 0.3, (8, 12))), Layer(rng.normal(0, 1, (12, 5)), spiking=False)))
    chip = wild_chip(rng, network, 4, 2e-6, 0.3)
    x = Events.of((rng.random((14, 7, 8)) < 0.3).astype(float))
    circuits = chip.circuits(network.layers[0], chip.pattern[0])
    kicks = membrane_kicks(rng.normal(size=(14, 7, 12)), circuits, grid, 0.05)
    whole, spikes = leap(circuits, grid, x, kicks)
    monkeypatch.setattr(leaps, "parts", lambda B, N, dtype: [slice(0, 2), slice(2, 5), slice(5, 7)])
    parted, same = leap(circuits, grid, x, kicks)
    assert len(spikes.step) > 50
    for one, other in ((whole, parted), (spikes.step, same.step), (spikes.index, same.index)):
        np.testing.assert_array_equal(one, other)


@given(generators(), st.integers(1, 9))
def test_a_neuron_that_reaches_its_threshold_on_the_grid_is_looked_at(rng, substeps):
    T, b, N = 6, 4, 10
    network, grid = Network((Layer(np.ones((1, N))), Layer(np.ones((N, 1)), spiking=False))), Grid(T, substeps, 1.7e-6)
    chip = wild_chip(rng, network, substeps, 2e-6, 0.0)
    circuits = chip.circuits(network.layers[0], chip.pattern[0])
    circuits = replace(circuits, **{name: rng.uniform(1e-6, 2e-5, N) for name in ("tau_mem", "tau_exc", "tau_inh")})
    U, I_exc, I_inh = rng.normal(0, 0.5, (T, b, N)), rng.exponential(0.3, (T, b, N)), -rng.exponential(0.3, (T, b, N))
    steps = on_grid(circuits, grid)
    membranes = steps.b * U[:, :, None] + steps.c_exc * I_exc[:, :, None] + steps.c_inh * I_inh[:, :, None]     # (T, b, M, N)
    reached = (membranes > Firing.on(grid, circuits).threshold).any(axis=(0, 2))
    assert reached.any() and not (reached & ~near_threshold(U, I_exc, I_inh, circuits, grid)).any()


@pytest.mark.parametrize(("below", "looked_at"), [(0.5e-4, True), (1e-4, False), (1.5e-4, False)])
def test_a_resting_neuron_is_looked_at_within_the_margin_of_its_threshold(below, looked_at):
    network, grid = Network((Layer(np.ones((1, 1))), Layer(np.ones((1, 1)), spiking=False))), Grid(2, 4, 1.7e-6)
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal())
    U, I = np.full((2, 1, 1), 1 - below), np.zeros((2, 1, 1))
    assert near_threshold(U, I, I, chip.circuits(network.layers[0], chip.pattern[0]), grid) == looked_at


def test_a_run_may_be_leapt_until_what_grows_in_it_is_no_number_of_the_dtype():
    network = Network((Layer(np.ones((1, 1), np.float32)), Layer(np.ones((1, 1), np.float32), spiking=False)))
    circuits = Chip.sample(np.random.default_rng(0), network, Variation.ideal()).circuits(network.layers[0], draw_layer(
        np.random.default_rng(0), network.layers[0], Variation.ideal()))
    longest = 0.9 * math.log(np.finfo(np.float32).max) * float(circuits.tau_mem.min())
    assert [can_leap(circuits, Grid(2, 8, dt)) for dt in (longest / 2, np.nextafter(longest / 2, 0))] == [False, True]


def test_a_run_too_long_to_leap_in_float32_is_walked():
    rng, neuron = np.random.default_rng(0), NeuronParameters(tau_mem=1e-6, dt=1.7e-6)
    W = rng.normal(0.3, 0.3, (8, 12))
    x, traces = (rng.random((60, 3, 8)) < 0.3).astype(float), []
    for dtype, can in ((np.float32, False), (np.float64, True)):
        network = Network((Layer(W.astype(dtype), neuron=neuron), Layer(np.ones((12, 2), dtype), spiking=False)))
        chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal())
        circuits = chip.circuits(network.layers[0], apply_settings(chip.pattern[0], chip.settings[0], 1.0))
        assert can_leap(circuits, Grid(60, 8, neuron.dt)) == can
        traces.append(chip.forward(network, x.astype(dtype), np.random.default_rng(0))[0])
    walked, leapt = traces
    assert leapt.spikes.sum() > 100
    np.testing.assert_array_equal(walked.spikes, leapt.spikes)
    np.testing.assert_allclose(walked.membrane, leapt.membrane, atol=1e-5)           # sums of some tens of float32
