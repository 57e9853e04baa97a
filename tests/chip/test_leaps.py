"""The fast forms of a layer's run give what walking the grid gives: membranes, spikes and their grid steps."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Chip, Layer, Network, NeuronParameters, Variation
from refsnn.chip.dynamics import Grid, arriving_input, charge, membrane_kicks, walk
from refsnn.chip.leaps import leap, read
from refsnn.chip.settings import apply_settings
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
