"""A network in parts on one chip: cutting a layer changes nothing, the trace is all that passes, and every part uses the same circuits."""

from dataclasses import replace

import numpy as np
import pytest

from refsnn import Chip, DtypeError, Layer, Network, NeuronParameters, ShapeError, Variation, encode, forward, loss_and_gradient
from refsnn.chip import PartedChip
from refsnn.chip.cost import runs_of
from refsnn.chip.partition import cut, part_of
from refsnn.chip.settings import Settings
from refsnn.chip.variation import draw_layer, draw_pattern
from refsnn.datasets import load

# imperfections of fixed pattern only: what is drawn anew every run would differ between two ways to run
FIXED = replace(Variation.calibrated(), membrane_noise=0.0, read_noise=0.0, batch_threshold=0.0, spike_jitter=0.0, lost_events=0.0)


def lively(sizes, seed=0, recurrent=False):
    """A network whose hidden layers spike."""
    network = Network.initialise(np.random.default_rng(seed), sizes, recurrent)
    gains = [5] * (len(sizes) - 2) + [1]
    return Network([replace(layer, W=gain * layer.W) for gain, layer in zip(gains, network.layers)])


@pytest.fixture(scope="module")
def x():
    return encode(load().test_images[:6])


def large_chip(parted, network):
    """One chip as large as the network, of the circuits that the parts use."""
    def joined(parts):
        patterns = [chip.pattern[0] for _, chip in parts]
        arrays = {name: [getattr(pattern, name) for pattern in patterns] for name in vars(patterns[0])}
        return replace(patterns[0], **{name: None if values[0] is None else np.concatenate(values, axis=-1) for name, values in arrays.items()})

    settings = tuple(Settings.nominal(layer.W.shape[1]) for layer in network.layers)
    return Chip(tuple(joined(parts) for parts in parted.parts), parted.variation, settings, 4)


@pytest.mark.parametrize("alike", [True, False])
def test_a_layer_in_parts_makes_the_trace_that_one_large_chip_would(x, alike):
    network = lively((256, 600, 10))
    if not alike:
        rng = np.random.default_rng(3)
        own = NeuronParameters(rng.uniform(4e-6, 8e-6, 600), rng.uniform(4e-6, 8e-6, 600), rng.uniform(0.8, 1.2, 600))
        network = Network((replace(network.layers[0], neuron=own), network.layers[1]))
    parted = PartedChip.sample(np.random.default_rng(1), network, FIXED, 4)
    (hidden, readout), (large, _) = (chip.forward(network, x, np.random.default_rng(2)) for chip in (parted, large_chip(parted, network)))
    assert len(parted.parts[0]) == 3 and hidden.spikes.sum() > 100 and readout.spikes is None
    np.testing.assert_array_equal(hidden.spikes, large.spikes)
    # a matrix product of other shape sums in another order, and the converters round: at most a code, and seldom
    assert np.abs(hidden.membrane - large.membrane).max() < 1.01 * FIXED.converter_lsb and (hidden.membrane == large.membrane).mean() > 0.9999


def test_what_passes_to_the_next_layer_is_the_recorded_trace(x):
    network = lively((256, 300, 300, 10))
    parted = PartedChip.sample(np.random.default_rng(1), network, replace(FIXED, lost_events=0.3), 4)
    trace = parted.forward(network, x, np.random.default_rng(2))
    for index in (1, 2):      # the next layer, alone, driven by what was recorded below: losses were drawn before
        layer, below = network.layers[index], trace[index - 1].spikes
        recorded = [chip.record(0, part_of(layer, neurons), below, np.random.default_rng(3)) for neurons, chip in parted.parts[index]]
        again = [recording.trace(FIXED.converter_lsb, np.ones(1)) for recording in recorded]
        np.testing.assert_allclose(np.concatenate([part.membrane for part in again], axis=2), trace[index].membrane, rtol=0, atol=1e-12)


def test_a_perfect_chip_in_parts_is_the_ideal_model_while_nothing_spikes(x):
    network = Network.initialise(np.random.default_rng(0), (256, 400, 10))
    trace = PartedChip.sample(np.random.default_rng(1), network, Variation.ideal()).forward(network, x, np.random.default_rng(2))
    for measured, ideal in zip(trace, forward(network, x)):
        assert ideal.spikes is None or not ideal.spikes.any()
        np.testing.assert_allclose(measured.membrane, ideal.membrane, rtol=0, atol=1e-12)


def test_every_part_uses_the_same_circuits():
    parted = PartedChip.sample(np.random.default_rng(1), lively((256, 300, 10)), FIXED)
    (_, first), (_, second) = parted.parts[0]
    readout = parted.parts[1][0][1]
    np.testing.assert_array_equal(first.pattern[0].tau_mem[:44], second.pattern[0].tau_mem)
    # the readout's neurons have 300 inputs, so two circuits each: the second one's rows take the inputs from 256 on
    np.testing.assert_array_equal(first.pattern[0].tau_mem[:20:2], readout.pattern[0].tau_mem)
    np.testing.assert_array_equal(first.pattern[0].synapse_exc[:, :20:2], readout.pattern[0].synapse_exc[:256])
    np.testing.assert_array_equal(first.pattern[0].synapse_exc[:44, 1:20:2], readout.pattern[0].synapse_exc[256:])


def test_a_recurrent_layer_takes_the_rows_behind_those_of_its_input():
    whole = draw_layer(np.random.default_rng(1), Layer(np.zeros((256, 256))), FIXED)
    own = PartedChip.sample(np.random.default_rng(1), lively((30, 40, 4), recurrent=True), FIXED).parts[0][0][1].pattern[0]
    for kind in ("exc", "inh"):
        np.testing.assert_array_equal(getattr(own, f"synapse_{kind}"), getattr(whole, f"synapse_{kind}")[:30, :40])
        np.testing.assert_array_equal(getattr(own, f"recurrent_{kind}"), getattr(whole, f"synapse_{kind}")[30:70, :40])


def test_every_part_has_noise_of_its_own():
    silence, rng = np.zeros((20, 5, 256)), np.random.default_rng(2)
    parted = PartedChip.sample(np.random.default_rng(1), lively((256, 500, 10)), replace(Variation.ideal(), converter_lsb=1 / 70, read_noise=3.0))
    runs = [parted.forward(lively((256, 500, 10)), silence, rng)[0].membrane for _ in range(2)]
    parts = [run[1:, :, first:first + 200].ravel() for run in runs for first in (0, 256)]
    # 19,000 values each, but alike in the first sample of 1,000 from which they count: five standard errors of a correlation
    assert np.abs(np.corrcoef(parts) - np.eye(4)).max() < 5 / np.sqrt(1000)


def test_a_network_that_fits_meets_chips_of_the_same_statistics(x):
    network = lively((256, 246, 10))
    whole = Chip(draw_pattern(np.random.default_rng(1), network, FIXED), FIXED, tuple(Settings.nominal(n) for n in (246, 10)), 4)
    parted = PartedChip.sample(np.random.default_rng(1), network, FIXED, 4)
    counts = [chip.forward(network, x, np.random.default_rng(2))[0].spikes.sum() for chip in (whole, parted)]
    assert counts[0] == pytest.approx(counts[1], rel=0.2)     # two draws of 246 neurons with spreads of 5 %


def test_a_recurrent_layer_that_fits_runs_whole():
    network = lively((30, 40, 4), recurrent=True)
    x = (np.random.default_rng(0).random((20, 3, 30)) < 0.2).astype(float)
    parted = PartedChip.sample(np.random.default_rng(1), network, FIXED, 4)
    trace = parted.forward(network, x, np.random.default_rng(2))
    large = large_chip(parted, network).forward(network, x, np.random.default_rng(2))
    np.testing.assert_array_equal(trace[0].spikes, large[0].spikes)


@pytest.mark.parametrize("sizes", [(256, 246, 10), (256, 600, 10), (256, 300, 300, 10), (784, 100, 10), (2000, 40, 33, 4)])
def test_there_are_as_many_parts_as_the_cost_counts(sizes):
    network = Network.initialise(np.random.default_rng(0), sizes, dtype=np.float32)
    parts = PartedChip.sample(np.random.default_rng(1), network).parts
    assert sum(map(len, parts)) == runs_of(network, parts=True)
    for layer, slices in zip(network.layers, parts):
        assert [neurons for neurons, _ in slices] == cut(layer)
        assert np.concatenate([np.arange(layer.W.shape[1])[neurons] for neurons, _ in slices]).tolist() == list(range(layer.W.shape[1]))


def test_the_gradient_takes_the_trace_of_the_parts(x):
    network = lively((256, 300, 10))
    trace = PartedChip.sample(np.random.default_rng(1), network).forward(network, x, np.random.default_rng(2))
    _, gradient, _ = loss_and_gradient(network, x, load().test_labels[:6], trace)
    assert [g.W.shape for g in gradient] == [(256, 300), (300, 10)] and all(np.abs(g.W).max() > 0 for g in gradient)


def test_what_cannot_be_cut_and_what_it_was_not_cut_for_are_refused(x):
    rng = np.random.default_rng(0)
    with pytest.raises(ShapeError, match="cannot be cut"):
        PartedChip.sample(rng, Network.initialise(rng, (70, 300, 10), recurrent=True))
    parted = PartedChip.sample(rng, lively((256, 300, 10)))
    with pytest.raises(ShapeError, match="301"):
        parted.forward(lively((256, 301, 10)), x, rng)
    with pytest.raises(ShapeError, match="200"):
        parted.forward(lively((200, 300, 10)), x[:, :, :200], rng)


def test_bad_input_is_named(x):
    rng, network = np.random.default_rng(0), lively((256, 300, 10))
    for arguments, message in (((None, network), "rng"), ((rng, None), "network"), ((rng, network, "calibrated"), "variation")):
        with pytest.raises(DtypeError, match=f"{message} is"):
            PartedChip.sample(*arguments)
    parted = PartedChip.sample(rng, network)
    with pytest.raises(DtypeError, match="rng is"):
        parted.forward(network, x, 7)
    (part, *_), *_ = parted.parts
    for parts in ((), None, (None,), ((),), ((part, 1),), ((part[:1],),), ((part[::-1],),), ((part,), ((0, part[1]),))):
        with pytest.raises(DtypeError, match="parts is"):
            PartedChip(parts, parted.variation)
    with pytest.raises(DtypeError, match="variation is"):
        PartedChip(parted.parts, "calibrated")
    (one, other), top = parted.parts
    for wrong in ((other, one), (one,) * 2, ((slice(0, 255), one[1]), other), ((slice(0, 256, 2), one[1]), other), ((slice("a", "b"), one[1]), other)):
        with pytest.raises(ShapeError, match=r"parts\[0\]"):
            PartedChip((wrong, top), parted.variation)
