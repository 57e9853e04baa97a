"""The chip as a whole: what each imperfection does to a recording, and what a chip cannot be."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given

from refsnn import Chip, DtypeError, Layer, Network, NeuronParameters, RangeError, ShapeError, Variation, forward, loss_and_gradient
from refsnn.chip import PartedChip
from refsnn.chip.noise import Noise
from refsnn.spec import parameters
from refsnn.verify.strategies import generators, networks


def busy(seed=0, sizes=(20, 30, 4), dtype=np.float64, recurrent=False):
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, sizes, dtype=dtype, recurrent=recurrent)
    network = network.with_parameters([array * 20 for layer in network.layers for array in (layer.W, layer.R) if array is not None])
    return network, (rng.random((20, 6, sizes[0])) < 0.2).astype(dtype), rng


def test_read_noise_is_as_strong_as_configured():
    network, x, rng = busy(sizes=(20, 60, 40))
    quiet = network.with_parameters([array * 0 for array in (network.layers[0].W, network.layers[1].W)])
    variation = replace(Variation.ideal(), read_noise=1.2, converter_lsb=1 / 70)
    hidden, _ = Chip.sample(rng, quiet, variation).forward(quiet, x, rng)
    codes = hidden.membrane[1:] * 70                                  # difference of two conversions, each noise and rounding
    n = codes.size
    expected = np.sqrt(2 * (1.2**2 + 1 / 12))
    assert abs(codes.std() / expected - 1) < 5 * np.sqrt(2 / n) * 4   # 19 samples share their first: variance of the estimate below 16 / n


STRENGTHS = {"weight_levels": 63, "dead_neurons": 0.5, "converter_lsb": 1 / 70, "read_noise": 1.2, "converter_offset": 20.0,
             "spike_jitter": 1e-6, "sample_time": 0.5}
ONLY_WITH_CODES = {"read_noise", "converter_gain", "converter_offset"}


@pytest.mark.parametrize("field", [field.name for field in fields(Variation) if field.name != "drift"])
def test_every_imperfection_alone_changes_the_trace(field):
    network, x, _ = busy()
    base = {"converter_lsb": 1 / 70} if field in ONLY_WITH_CODES else {}

    def run(**changes):
        chip = Chip.sample(np.random.default_rng(1), network, replace(Variation.ideal(), **base, **changes))
        return [array for layer in chip.forward(network, x, np.random.default_rng(2)) for array in (layer.membrane, layer.spikes)
                if array is not None]

    strength = STRENGTHS.get(field, 0.1)
    assert max(np.abs(a - b).max() for a, b in zip(run(**{field: strength}), run())) > 1e-3


@given(networks(max_spiking_layers=3), generators())
def test_a_chip_returns_a_trace_that_the_gradient_takes(network, rng):
    x = (rng.random((7, 3, network.layers[0].W.shape[0])) < 0.3).astype(network.layers[0].W.dtype)
    trace = Chip.sample(rng, network, substeps=3).forward(network, x, rng)
    loss, gradient, same = loss_and_gradient(network, x, rng.integers(0, network.layers[-1].W.shape[1], 3), trace)
    assert same is trace and np.isfinite(loss) and all(layer.membrane.dtype == x.dtype for layer in trace)


def test_a_chip_is_the_same_every_time_and_its_noise_can_be_given():
    network, x, _ = busy(recurrent=True)
    chip = Chip.sample(np.random.default_rng(1), network, replace(Variation.calibrated(), spike_jitter=0.0, lost_events=0.0))
    one, other = (chip.forward(network, x, np.random.default_rng(2)) for _ in range(2))
    noise = chip.noise(network, x, np.random.default_rng(2))
    third = chip.forward(network, x, noise)
    for a, b, c in zip(one, other, third):
        np.testing.assert_array_equal(a.membrane, b.membrane)
        np.testing.assert_array_equal(a.membrane, c.membrane)


def test_samples_of_a_batch_do_not_touch_each_other_on_the_chip():
    network, x, rng = busy(recurrent=True)
    silent = {"read_noise": 0.0, "membrane_noise": 0.0, "batch_threshold": 0.0, "spike_jitter": 0.0, "lost_events": 0.0}
    chip = Chip.sample(rng, network, replace(Variation.calibrated(), **silent))
    for together, alone in zip(chip.forward(network, x, rng), chip.forward(network, x[:, 2:4], rng)):
        np.testing.assert_allclose(together.membrane[:, 2:4], alone.membrane, atol=1e-9)      # BLAS may order sums by batch size


def test_an_ideal_chip_and_the_ideal_model_spike_about_as_often():
    network, x, rng = busy(sizes=(40, 200, 4))
    analog = Chip.sample(rng, network, Variation.ideal()).forward(network, x, rng)[0].spikes.sum()
    ideal = forward(network, x)[0].spikes.sum()
    assert 0.5 < analog / ideal < 1.2                                 # the chip resets hard and has a refractory time


def test_the_noise_of_a_calibrated_chip_is_the_published_one():
    calibrated = Variation.calibrated()
    assert calibrated.read_noise == 1.2 and calibrated.batch_threshold == 0.015 and calibrated.threshold == 0.031
    assert calibrated.threshold_shift == 0.05 and calibrated.weight_levels == 63 and calibrated.converter_lsb == 1 / 70


def test_thresholds_move_from_run_to_run_by_the_configured_amount():
    network, x, rng = busy(sizes=(20, 240, 4))
    chip = Chip.sample(rng, network, replace(Variation.ideal(), batch_threshold=0.015))
    noise = chip.noise(network, x, rng)[0].threshold
    threshold = chip.circuits(network.layers[0], chip.pattern[0], threshold_noise=noise).threshold
    np.testing.assert_allclose(threshold, 1 + 0.015 * noise)
    assert abs(threshold.std() / 0.015 - 1) < 5 / np.sqrt(2 * 240)


def fast_neurons(network):
    """The network with time constants of a nanosecond."""
    return Network(tuple(replace(layer, neuron=NeuronParameters(1e-9, 1e-9)) for layer in network.layers))


def still(network, rng):
    """A chip whose noise can be given."""
    return Chip.sample(rng, network, replace(Variation.calibrated(), spike_jitter=0.0, lost_events=0.0))


@pytest.mark.parametrize(("sample", "chip_of"), [(Chip.sample, lambda chip: chip), (PartedChip.sample, lambda chip: chip.parts[0][0][1])])
def test_a_chip_of_which_nothing_is_said_is_calibrated_with_8_grid_steps_and_a_refractory_time_of_2_us(sample, chip_of):
    chip = chip_of(sample(np.random.default_rng(0), busy()[0]))
    assert chip.variation == Variation.calibrated()
    for chip in (chip, Chip(chip.pattern, chip.variation, chip.settings)):
        assert (chip.substeps, chip.refractory, chip.sample_offset, chip.spike_shift) == (8, 2e-6, 0.0, 0.0)


def test_a_sample_may_come_a_whole_time_step_late_and_a_spike_move_by_one():
    network, x, rng = busy()
    half = replace(Variation.ideal(), sample_time=0.5)
    for variation, timing in ((Variation.ideal(), {"sample_offset": 1, "spike_shift": 1}), (half, {"sample_offset": 0.5, "spike_shift": -1})):
        chip = Chip.sample(rng, network, variation, **timing)
        assert all(np.isfinite(layer.membrane).all() for layer in chip.forward(network, x, rng))


def test_a_neuron_whose_leak_lies_above_its_threshold_fires_without_input():
    network, x, rng = busy()
    chip = Chip.sample(rng, network, Variation.ideal(), substeps=64)
    leak = np.zeros(30)
    leak[3] = 2.0                                        # period: refractory 2 us + tau_mem ln 2 = 6.16 us
    chip = replace(chip, pattern=(replace(chip.pattern[0], leak=leak), chip.pattern[1]))
    hidden, _ = chip.forward(network, x * 0, rng)
    bins = np.flatnonzero(hidden.spikes[:, 0, 3])
    # it starts at rest, above threshold: the first spike comes at once, and 34 us hold 5 more periods
    np.testing.assert_array_equal(bins, np.floor((2e-6 + 6e-6 * np.log(2)) * np.arange(6) / 1.7e-6 + 0.01 * np.arange(6)))
    assert hidden.spikes.sum() == 6 * 6 and np.isfinite(hidden.membrane).all()


def test_a_reset_above_the_threshold_fires_once_a_refractory_time_and_nothing_breaks():
    network, x, rng = busy()
    chip = Chip.sample(rng, network, Variation.ideal())
    chip = replace(chip, pattern=(replace(chip.pattern[0], reset=np.full(30, 1.5)), chip.pattern[1]))
    hidden, _ = chip.forward(network, x, rng)
    assert np.isfinite(hidden.membrane).all() and hidden.spikes.max() == 1 and hidden.spikes.mean() > 0.3


def test_dead_neurons_are_silent_and_at_rest():
    network, x, rng = busy()
    chip = Chip.sample(rng, network, replace(Variation.ideal(), dead_neurons=0.5))
    hidden, _ = chip.forward(network, x, rng)
    dead = ~chip.pattern[0].alive
    assert 5 < dead.sum() < 25 and not hidden.spikes[:, :, dead].any() and not hidden.membrane[:, :, dead].any()


def test_recurrence_does_not_reach_dead_neurons_either():
    rng = np.random.default_rng(0)
    network = Network.initialise(rng, (8, 30, 3), recurrent=True)
    (W, R, readout) = parameters(network.layers)
    network = network.with_parameters([np.full_like(W, 0.5), np.full_like(R, 0.2), readout])
    chip = Chip.sample(rng, network, replace(Variation.ideal(), dead_neurons=0.4))
    x = np.zeros((20, 4, 8))
    x[1:6] = 1
    hidden, _ = chip.forward(network, x, rng)
    dead = ~chip.pattern[0].alive
    assert 3 < dead.sum() < 25 and hidden.spikes[:, :, ~dead].any() and not hidden.spikes[:, :, dead].any() and not hidden.membrane[:, :, dead].any()


def test_every_parameter_of_a_neuron_drifts_by_draws_of_its_own_with_their_sign():
    network, x, rng = busy(sizes=(5, 240, 4))
    chip = Chip.sample(rng, network, replace(Variation.ideal(), drift=0.02))
    moved, draws = chip.drifted(np.random.default_rng(5)).pattern[0], np.random.default_rng(5)
    for name in ("tau_mem", "tau_exc", "tau_inh", "threshold", "gain_exc", "gain_inh", "refractory", "leak", "reset"):
        before, z = getattr(chip.pattern[0], name), 0.02 * draws.standard_normal(240)
        np.testing.assert_allclose(getattr(moved, name), before + z if name in ("leak", "reset") else before * (1 + z), rtol=1e-12, atol=1e-15)


def test_membrane_noise_gives_a_resting_membrane_the_configured_spread():
    network, x, rng = busy(sizes=(20, 240, 4))
    chip = Chip.sample(rng, network, replace(Variation.ideal(), membrane_noise=0.05))
    x = np.zeros((60, 50, 20))
    hidden, _ = chip.forward(network, x, rng)
    late = hidden.membrane[-1]                            # 12000 independent membranes, long after their start at rest
    assert abs(late.std() / 0.05 - 1) < 5 / np.sqrt(2 * late.size)


def test_lost_events_and_jitter_are_as_strong_as_configured():
    network, x, _ = busy(sizes=(40, 200, 4))

    def spikes(**changes):
        chip = Chip.sample(np.random.default_rng(1), network, replace(Variation.ideal(), **changes))
        return chip.forward(network, x, np.random.default_rng(2))[0].spikes

    whole, n = spikes(), spikes().sum()
    kept = spikes(lost_events=0.2)
    assert n > 2000 and abs(kept.sum() / n - 0.8) < 5 * np.sqrt(0.16 / n) and (kept <= whole).all()
    for jitter in (20e-9, 0.2e-6):
        moved = spikes(spike_jitter=jitter)
        # a spike at a uniform place in its bin leaves it with the probability 2 sigma / (sqrt(2 pi) dt), and bins hold one spike each
        share = 1 - (whole * moved).sum() / n
        expected = 2 * jitter / (np.sqrt(2 * np.pi) * 1.7e-6)
        assert abs(share - expected) < 5 * np.sqrt(expected / n) + 0.1 * expected    # the grid of M = 8 leaves spikes not quite uniform


@pytest.mark.parametrize("substeps", [2, 8])
def test_a_converter_that_samples_late_sees_the_membrane_of_that_instant(substeps):
    network = Network((Layer(np.array([[0.1]])), Layer(np.ones((1, 1)), spiking=False)))
    x = np.zeros((20, 1, 1))
    x[0] = 1
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal(), substeps)
    late = replace(chip, pattern=tuple(replace(p, sample_time=np.array([0.25])) for p in chip.pattern))
    hidden, _ = late.forward(network, x, np.random.default_rng(0))
    t = (np.arange(1, 20) + 0.25) * 1.7e-6                # V(t) = w t / (alpha dt) exp(-t / tau); the sample at t = 0 comes before the input
    expected = 0.1 * t / (np.exp(-1.7 / 6) * 1.7e-6) * np.exp(-t / 6e-6)
    np.testing.assert_allclose(hidden.membrane[1:, 0, 0], expected, rtol=1e-12)


def test_drift_moves_the_pattern_by_the_configured_amount():
    network, _, rng = busy(sizes=(20, 240, 4))
    chip = Chip.sample(rng, network, replace(Variation.ideal(), drift=0.02))
    moved = chip.drifted(rng).pattern[0]
    assert abs(moved.threshold.std() / 0.02 - 1) < 5 / np.sqrt(2 * 240) and abs(moved.leak.std() / 0.02 - 1) < 5 / np.sqrt(2 * 240)
    assert moved.synapse_exc is chip.pattern[0].synapse_exc
    again, draws = chip.drifted(np.random.default_rng(5)).pattern[0], np.random.default_rng(5).standard_normal(240)
    np.testing.assert_allclose(again.tau_mem, chip.pattern[0].tau_mem * (1 + 0.02 * draws))


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_a_spike_shift_moves_every_recorded_spike_by_one_bin(shift):
    network, x, rng = busy()
    chip = Chip.sample(rng, network, Variation.ideal())
    S = chip.forward(network, x, rng)[0].spikes
    moved = replace(chip, spike_shift=shift).forward(network, x, rng)[0].spikes
    if shift > 0:
        np.testing.assert_array_equal(moved, np.concatenate([0 * S[:1], S[:-1]]))
    else:                                                             # what would come before the start is recorded in bin 0
        np.testing.assert_array_equal(moved, np.concatenate([np.maximum(S[:1], S[1:2]), S[2:], 0 * S[:1]]))
    assert S.sum() > 100


@pytest.mark.parametrize("substeps", [2, 8])
def test_a_sample_offset_shows_the_membranes_of_a_later_instant(substeps):
    network = Network((Layer(np.array([[0.1]])), Layer(np.ones((1, 1)), spiking=False)))
    x = np.zeros((20, 1, 1))
    x[0] = 1
    chip = Chip.sample(np.random.default_rng(0), network, Variation.ideal(), substeps, sample_offset=0.8)
    hidden, _ = chip.forward(network, x, np.random.default_rng(0))
    t = (np.arange(1, 20) + 0.8) * 1.7e-6
    np.testing.assert_allclose(hidden.membrane[1:, 0, 0], 0.1 * t / (np.exp(-1.7 / 6) * 1.7e-6) * np.exp(-t / 6e-6), rtol=1e-12)


def test_a_recurrent_chip_has_synapses_and_scales_of_its_own():
    network, x, rng = busy(recurrent=True)
    chip = Chip.sample(rng, network, Variation.ideal())
    S = chip.forward(network, x, rng)[0].spikes
    pattern = chip.pattern[0]
    for name in ("recurrent_exc", "recurrent_inh"):
        weaker = replace(chip, pattern=(replace(pattern, **{name: getattr(pattern, name) * 0}), chip.pattern[1]))
        assert np.abs(weaker.forward(network, x, rng)[0].spikes - S).sum() > 5, name
    scaled = replace(chip, settings=(replace(chip.settings[0], weight_scale=480.0), chip.settings[1]))
    twice = network.with_parameters([array * (2 if index < 2 else 1) for index, array in enumerate(parameters(network.layers))])
    np.testing.assert_array_equal(scaled.forward(network, x, rng)[0].spikes, chip.forward(twice, x, rng)[0].spikes)


def test_recurrent_weights_have_the_step_of_a_spiking_layer():
    network = Network((Layer(np.ones((2, 1)), np.full((1, 1), 0.013)), Layer(np.ones((1, 1)), spiking=False)))
    analog, digital = (Chip.sample(np.random.default_rng(0), network, replace(Variation.ideal(), weight_levels=levels)) for levels in (0, 63))
    exact, rounded = (chip.circuits(network.layers[0], chip.pattern[0]).recurrent[0, 0, 0] for chip in (analog, digital))
    assert rounded / exact == pytest.approx(3 / 240 / 0.013)                            # 3.12 LSB of 1/240


@pytest.mark.parametrize("name", ["tau_mem", "tau_exc", "tau_inh", "threshold", "leak", "reset", "gain_exc", "gain_inh", "refractory"])
def test_every_analog_parameter_drifts(name):
    network, _, rng = busy(sizes=(20, 240, 4))
    chip = Chip.sample(rng, network, replace(Variation.ideal(), drift=0.02))
    change = getattr(chip.drifted(rng).pattern[0], name) - getattr(chip.pattern[0], name)
    assert abs(change.std() / 0.02 - 1) < 5 / np.sqrt(2 * 240)


def test_events_are_lost_in_every_layer_and_thresholds_move_with_membrane_noise_on():
    network, x, _ = busy(sizes=(20, 60, 60, 4))

    def spikes(**changes):
        chip = Chip.sample(np.random.default_rng(1), network, replace(Variation.ideal(), **changes))
        return [trace.spikes for trace in chip.forward(network, x, np.random.default_rng(2))[:-1]]

    for whole, kept in zip(spikes(), spikes(lost_events=0.3)):
        assert 0.55 < kept.sum() / whole.sum() < 0.85
    assert all((a != b).any() for a, b in zip(spikes(membrane_noise=0.01), spikes(membrane_noise=0.01, batch_threshold=0.3)))


def test_a_refractory_time_beyond_all_measure_holds_to_the_end():
    network, x, rng = busy()
    spikes = [Chip.sample(np.random.default_rng(0), network, Variation.ideal(), refractory=seconds).forward(network, x, rng)[0].spikes
              for seconds in (1.0, 1e15)]
    np.testing.assert_array_equal(*spikes)
    assert spikes[0].sum(axis=0).max() == 1


@pytest.mark.parametrize(("text", "message"), [("ideal,", "NAME=VALUE"), ("ideal,tau_mem", "NAME=VALUE"), ("ideal,leak=1,leak=2", "once"),
                                               ("perfect", "begins with"), ("decalibrated", "begins with"), ("ideal=0.3", "begins with"),
                                               ("ideal,tau_mem=x", "float"), ("decalibrated=-1", "sigma"), ("ideal,leak=1e9", "leak"), (5, "begins")])
def test_a_variation_in_odd_words_is_refused(text, message):
    with pytest.raises(RangeError, match=message):
        Variation.named(text)


def test_a_variation_has_a_name():
    assert Variation.named("decalibrated=0.3, leak=0.5") == replace(Variation.decalibrated(0.3), leak=0.5)
    assert Variation.named("ideal,weight_levels=63").weight_levels == 63


def test_excitatory_and_inhibitory_synapses_are_different_circuits():
    network, x, rng = busy(sizes=(20, 30, 4))
    chip = Chip.sample(rng, network, Variation.ideal())
    louder = replace(chip.pattern[0], gain_exc=2 * np.ones(30))
    quiet = network.with_parameters([-np.abs(network.layers[0].W), network.layers[1].W])      # inhibition only
    same = replace(chip, pattern=(louder, chip.pattern[1])).forward(quiet, x, rng)[0].membrane
    np.testing.assert_array_equal(same, chip.forward(quiet, x, rng)[0].membrane)
    slower = replace(chip.pattern[0], tau_inh=3 * np.ones(30))
    other = replace(chip, pattern=(slower, chip.pattern[1])).forward(quiet, x, rng)[0].membrane
    assert np.abs(other - same).max() > 0.1


@pytest.mark.parametrize(("act", "error", "message"), [
    (lambda n, x, r: Chip.sample(None, n), DtypeError, "rng is"),
    (lambda n, x, r: Chip.sample(r, None), DtypeError, "network is"),
    (lambda n, x, r: Chip.sample(r, n).drifted(7), DtypeError, "rng is"),
    (lambda n, x, r: Chip.sample(r, n).forward(*busy(recurrent=True)), ShapeError, "with other recurrence$"),
    (lambda n, x, r: Chip.sample(r, n, "calibrated"), DtypeError, "Variation"),
    (lambda n, x, r: Chip.sample(r, n, substeps=0), RangeError, "substeps"),
    (lambda n, x, r: Chip.sample(r, n, refractory=-1.0), RangeError, "refractory"),
    (lambda n, x, r: Chip.sample(r, n, Variation.ideal(), sample_offset=1.1), RangeError, "sample_offset is 1.1"),
    (lambda n, x, r: Chip.sample(r, n, Variation.ideal(), sample_offset=-0.1), RangeError, "sample_offset is -0.1"),
    (lambda n, x, r: Chip.sample(r, n, spike_shift=1.1), RangeError, "spike_shift is 1.1"),
    (lambda n, x, r: Chip.sample(r, n, spike_shift=-1.1), RangeError, "spike_shift is -1.1"),
    (lambda n, x, r: Variation(tau_mem=-0.1), RangeError, "tau_mem"),
    (lambda n, x, r: Variation(read_noise=np.nan), RangeError, "read_noise"),
    (lambda n, x, r: Variation(weight_levels=6.5), DtypeError, "weight_levels"),
    (lambda n, x, r: Variation.decalibrated(-1), RangeError, "sigma"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x[..., :3], r), ShapeError, "3 inputs"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x * np.nan, r), RangeError, "NaN"),
    (lambda n, x, r: Chip.sample(r, n).forward(busy(sizes=(20, 9, 4))[0], x, r), ShapeError, r"\(20, 30\).*\(20, 9\), \(9, 4\)\]$"),
    (lambda n, x, r: still(n, r).forward(n, x, [Noise(), Noise(read=np.zeros((20, 6, 5)))]), ShapeError, r"noise\[1\].read"),
    (lambda n, x, r: still(n, r).forward(n, x, [Noise(threshold=np.zeros(30, np.float32)), Noise()]), DtypeError, r"noise\[0\].threshold"),
    (lambda n, x, r: still(n, r).forward(n, x, [Noise()]), ShapeError, "1 noises"),
    (lambda n, x, r: still(n, r).forward(n, x, [Noise(threshold=np.full(30, np.nan)), Noise()]), RangeError, r"noise\[0\].threshold"),
    (lambda n, x, r: still(n, r).forward(n, x, [Noise(read=[[[0.0]]]), Noise()]), DtypeError, r"noise\[0\].read"),
    (lambda n, x, r: Chip.sample(r, n, replace(Variation.ideal(), spike_jitter=1e-9)).forward(n, x, [Noise(), Noise()]), RangeError, "spike_jitter"),
    (lambda n, x, r: Chip.sample(r, n, replace(Variation.ideal(), lost_events=0.1)).forward(n, x, [Noise(), Noise()]), RangeError, "lost_events"),
    (lambda n, x, r: Chip.sample(r, busy(sizes=(20, 253, 4))[0]), ShapeError, "257 neurons"),
    (lambda n, x, r: Chip.sample(r, busy(sizes=(257, 30, 4))[0]), ShapeError, "257 signed inputs.*take 2 runs"),
    (lambda n, x, r: Chip.sample(r, busy(sizes=(71, 186, 20), recurrent=True)[0]), ShapeError, "257 signed inputs"),
    (lambda n, x, r: Variation(dead_neurons=1.5), RangeError, "dead_neurons"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x, 7), DtypeError, "Generator"),
    (lambda n, x, r: Chip.sample(r, fast_neurons(n)).forward(fast_neurons(n), x, r), RangeError, "too small for dt"),
    (lambda n, x, r: Variation(membrane_noise=1e300), RangeError, "membrane_noise"),
])
def test_bad_input_is_named(act, error, message):
    network, x, rng = busy()
    with pytest.raises(error, match=message):
        act(network, x, rng)


def test_grids_and_converters_that_are_too_fine_are_refused():
    network = Network.initialise(np.random.default_rng(0), (4, 3, 2))
    with pytest.raises(RangeError, match="substeps"):
        Chip.sample(np.random.default_rng(0), network, substeps=10_001)
    for step in (1e-320, 9e-7):
        with pytest.raises(RangeError, match="converter_lsb"):
            Variation(converter_lsb=step)
    assert Variation(converter_lsb=1e-6).converter_lsb == 1e-6 and Variation(converter_lsb=0.0).converter_lsb == 0


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"tau_mem": np.full(5, np.nan)}, RangeError, "tau_mem reaches"), ({"tau_exc": np.zeros(5)}, RangeError, "tau_exc reaches from 0"),
    ({"gain_inh": np.full(5, 2e6)}, RangeError, "gain_inh"), ({"threshold": np.full(5, 0.9e-6)}, RangeError, "threshold"),
    ({"leak": np.full(5, np.nan)}, RangeError, "leak holds"), ({"leak": np.full(5, 2e6)}, RangeError, "leak"), ({"reset": np.full(5, -2e6)}, RangeError, "reset"),
    ({"converter_offset": np.full(5, 2e6)}, RangeError, "converter_offset"), ({"sample_time": np.full(5, 1.1)}, RangeError, "sample_time"),
    ({"sample_time": np.full(5, -0.1)}, RangeError, "sample_time"), ({"synapse_exc": np.full((16, 5), -0.1)}, RangeError, "synapse_exc"),
    ({"recurrent_inh": np.full((5, 5), 2e6)}, RangeError, "recurrent_inh"), ({"refractory": np.ones(4)}, ShapeError, "refractory"),
    ({"synapse_exc": np.ones((5, 16))}, ShapeError, "synapse_exc"), ({"synapse_exc": np.ones((15, 5))}, ShapeError, "different shapes"),
    ({"recurrent_exc": np.ones((4, 5))}, ShapeError, "recurrent_exc"), ({"recurrent_exc": None}, ShapeError, "different shapes"),
    ({"recurrent_inh": None}, ShapeError, "different shapes"), ({"synapse_inh": None}, DtypeError, "synapse_inh"), ({"leak": None}, DtypeError, "leak"),
    ({"reset": np.ones(5, np.longdouble)}, DtypeError, "reset"), ({"alive": np.ones(5)}, DtypeError, "alive"), ({"reset": np.ones(5, bool)}, DtypeError, "reset"),
])
def test_a_pattern_that_no_circuits_have_is_refused(changes, error, message):
    chip = Chip.sample(np.random.default_rng(0), Network.initialise(np.random.default_rng(0), (16, 5, 2), recurrent=True))
    with pytest.raises(error, match=rf"pattern\[0\].*{message}" if "different" not in message else message):
        replace(chip, pattern=(replace(chip.pattern[0], **changes), chip.pattern[1]))


def test_the_borders_of_what_circuits_have():
    chip = Chip.sample(np.random.default_rng(0), Network.initialise(np.random.default_rng(0), (16, 5, 2)), Variation.ideal())
    for changes in ({"tau_mem": 1e6}, {"tau_mem": 1e-6}, {"leak": 1e6}, {"leak": -1e6}, {"reset": 1e6}, {"converter_offset": -1e6}, {"sample_time": 0.0}, {"sample_time": 1.0},
                    {"refractory": 0.0}):
        replace(chip, pattern=(replace(chip.pattern[0], **{name: np.full(5, value) for name, value in changes.items()}), chip.pattern[1]))
    replace(chip, pattern=(replace(chip.pattern[0], synapse_exc=np.zeros((16, 5)), synapse_inh=np.full((16, 5), 1e6), alive=np.zeros(5, bool)), chip.pattern[1]))
    with pytest.raises(DtypeError, match="pattern is"):
        replace(chip, pattern=(), settings=())
    for name, largest in (("refractory", 1e300), ("sample_offset", 1), ("spike_shift", 1), ("substeps", 10_000)):
        assert getattr(replace(chip, **{name: largest}), name) == largest
        with pytest.raises(RangeError, match=name):
            replace(chip, **{name: largest + 1 if largest < 1e300 else 1.1e300})
    assert type(replace(chip, substeps=np.int8(100)).substeps) is int and type(replace(chip, refractory=np.float32(1)).refractory) is float


def test_a_reference_and_noise_have_sizes():
    network = Network.initialise(np.random.default_rng(0), (16, 5, 2))
    chip, x = Chip.sample(np.random.default_rng(0), network, Variation.ideal()), np.zeros((4, 1, 16))
    for level in (1e6, -1e6):
        chip.reference(0, level, np.random.default_rng(0))
        with pytest.raises(RangeError, match="level"):
            chip.reference(0, 1.1 * level, np.random.default_rng(0))
    chip.forward(network, x, [Noise(threshold=np.full(5, -1e6)), Noise()])
    with pytest.raises(RangeError, match="reaches 1.1e[+]06; standard normal numbers do not"):
        chip.forward(network, x, [Noise(threshold=np.full(5, -1.1e6)), Noise()])
