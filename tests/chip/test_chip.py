"""The chip as a whole: weights, converters, the fixed pattern, its errors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Chip, DtypeError, Network, RangeError, ShapeError, Variation, forward, loss_and_gradient
from refsnn.chip.cost import INFERENCE, INFERENCE_2020, TRAINING
from refsnn.chip.readout import convert
from refsnn.chip.synapses import load_weights, weight_scale
from refsnn.verify.strategies import generators, networks


def busy(seed=0, sizes=(20, 30, 4), dtype=np.float64, recurrent=False):
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, sizes, dtype=dtype, recurrent=recurrent)
    network = network.with_parameters([array * 20 for layer in network.layers for array in (layer.W, layer.R) if array is not None])
    return network, (rng.random((20, 6, sizes[0])) < 0.2).astype(dtype), rng


@given(generators(), st.booleans())
def test_weights_on_the_chip_are_integers_of_six_bits_and_a_sign(rng, spiking):
    W = rng.normal(0, rng.choice([0.01, 0.1, 1.0]), (7, 5))
    codes = load_weights(W, spiking, 63) * weight_scale(W, spiking, 63)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() <= 63 + 1e-9
    if not spiking and np.abs(W).max() > 63 / 250:
        assert np.isclose(np.abs(codes).max(), 63)               # the readout uses the whole range
    assert np.abs(load_weights(W, spiking, 63) - W.clip(-63 / 240, 63 / 240) if spiking else 0).max() <= 0.5 / 240 + 1e-12


def test_the_readout_scale_is_at_most_250():
    assert weight_scale(np.array([[0.1]]), False, 63) == 250
    assert weight_scale(np.array([[-0.63]]), False, 63) == pytest.approx(100)
    assert weight_scale(np.zeros((1, 1)), False, 63) == 250
    assert weight_scale(np.array([[9.0]]), True, 63) == 240


def test_the_converter_saturates_rounds_and_takes_off_the_first_sample():
    lsb = 1 / 70
    V = np.array([0.0, 0.5, 1.0, 1.006, 5.0, -5.0]).reshape(6, 1, 1)
    codes = convert(V, None, lsb).ravel() * 70
    np.testing.assert_allclose(codes, [0, 35, 70, 70, 175, -80])
    shifted = convert(V, np.full(V.shape, 3.0), lsb).ravel() * 70    # an offset common to all samples goes away, but for saturation
    np.testing.assert_allclose(shifted, [0, 35, 70, 70, 172, -83])


def test_read_noise_is_as_strong_as_configured():
    network, x, rng = busy(sizes=(20, 60, 40))
    quiet = network.with_parameters([array * 0 for array in (network.layers[0].W, network.layers[1].W)])
    variation = replace(Variation.ideal(), read_noise=1.2, converter_lsb=1 / 70)
    hidden, _ = Chip.sample(rng, quiet, variation).forward(quiet, x, rng)
    codes = hidden.membrane[1:] * 70                                  # difference of two conversions, each noise and rounding
    n = codes.size
    expected = np.sqrt(2 * (1.2**2 + 1 / 12))
    assert abs(codes.std() / expected - 1) < 5 * np.sqrt(2 / n) * 4   # 19 samples share their first: variance of the estimate below 16 / n


def test_the_spreads_are_as_wide_as_configured():
    network = Network.initialise(np.random.default_rng(0), (2, 20000, 2))
    variation = Variation(tau_mem=0.02, tau_syn=0.04, threshold=0.06, gain=0.08)
    pattern = Chip.sample(np.random.default_rng(1), network, variation).pattern[0]
    for name in ("tau_mem", "tau_syn", "threshold", "gain"):
        sigma, factor = getattr(variation, name), getattr(pattern, name)
        assert abs(factor.mean() - 1) < 5 * sigma / np.sqrt(20000)    # five standard errors: a false alarm in 10^6
        assert abs(factor.std() / sigma - 1) < 5 / np.sqrt(2 * 20000)


def test_no_parameter_falls_below_a_tenth_however_wide_the_spread():
    network = Network.initialise(np.random.default_rng(0), (2, 5000, 2))
    pattern = Chip.sample(np.random.default_rng(1), network, Variation.decalibrated(0.5)).pattern[0]
    assert pattern.tau_mem.min() == 0.1 and pattern.threshold.min() == 0.1


@pytest.mark.parametrize("field", ["tau_mem", "tau_syn", "threshold", "gain", "read_noise", "weight_levels", "converter_lsb"])
def test_every_imperfection_alone_changes_the_trace(field):
    network, x, rng = busy()
    value = {"weight_levels": 63, "converter_lsb": 1 / 70, "read_noise": 1.2}.get(field, 0.1)
    changes = {field: value} if field != "read_noise" else {"read_noise": 1.2, "converter_lsb": 1 / 70}
    base = {} if field != "read_noise" else {"converter_lsb": 1 / 70}
    def run(variation):
        return Chip.sample(np.random.default_rng(1), network, variation).forward(network, x, np.random.default_rng(2))[1].membrane
    assert np.abs(run(replace(Variation.ideal(), **changes)) - run(replace(Variation.ideal(), **base))).max() > 1e-3


@given(networks(max_spiking_layers=3), generators())
def test_a_chip_returns_a_trace_that_the_gradient_takes(network, rng):
    x = (rng.random((7, 3, network.layers[0].W.shape[0])) < 0.3).astype(network.layers[0].W.dtype)
    trace = Chip.sample(rng, network, substeps=3).forward(network, x, rng)
    loss, gradient, same = loss_and_gradient(network, x, rng.integers(0, network.layers[-1].W.shape[1], 3), trace)
    assert same is trace and np.isfinite(loss) and all(layer.membrane.dtype == x.dtype for layer in trace)


def test_a_chip_is_the_same_every_time_and_its_noise_can_be_given():
    network, x, _ = busy(recurrent=True)
    chip = Chip.sample(np.random.default_rng(1), network)
    one, other = (chip.forward(network, x, np.random.default_rng(2)) for _ in range(2))
    noise = chip.read_noise(network, x, np.random.default_rng(2))
    third = chip.forward(network, x, noise)
    for a, b, c in zip(one, other, third):
        np.testing.assert_array_equal(a.membrane, b.membrane)
        np.testing.assert_array_equal(a.membrane, c.membrane)


def test_samples_of_a_batch_do_not_touch_each_other_on_the_chip():
    network, x, rng = busy(recurrent=True)
    chip = Chip.sample(rng, network, replace(Variation.calibrated(), read_noise=0.0))
    for together, alone in zip(chip.forward(network, x, rng), chip.forward(network, x[:, 2:4], rng)):
        np.testing.assert_allclose(together.membrane[:, 2:4], alone.membrane, atol=1 / 70 + 1e-9)   # BLAS may order sums by batch size
        np.testing.assert_allclose(together.membrane[:, 2:4], alone.membrane, atol=1e-9)


def test_an_ideal_chip_and_the_ideal_model_spike_about_as_often():
    network, x, rng = busy(sizes=(40, 200, 4))
    analog = Chip.sample(rng, network, Variation.ideal()).forward(network, x, rng)[0].spikes.sum()
    ideal = forward(network, x)[0].spikes.sum()
    assert 0.5 < analog / ideal < 1.2                                 # the chip resets hard and has a refractory time


def test_the_papers_operating_points():
    assert round(INFERENCE.images_per_second, -2) == 84700 and round(INFERENCE.joules_per_image * 1e6, 1) == 2.4
    assert round(INFERENCE_2020.images_per_second) == 70000 and round(INFERENCE_2020.joules_per_image * 1e6, 1) == 4.3
    assert TRAINING.seconds_per_image == 200e-6


@pytest.mark.parametrize(("act", "error", "message"), [
    (lambda n, x, r: Chip.sample(r, n, "calibrated"), DtypeError, "Variation"),
    (lambda n, x, r: Chip.sample(r, n, substeps=0), RangeError, "substeps"),
    (lambda n, x, r: Chip.sample(r, n, refractory=-1.0), RangeError, "refractory"),
    (lambda n, x, r: Variation(tau_mem=-0.1), RangeError, "tau_mem"),
    (lambda n, x, r: Variation(read_noise=np.nan), RangeError, "read_noise"),
    (lambda n, x, r: Variation(weight_levels=6.5), DtypeError, "weight_levels"),
    (lambda n, x, r: Variation.decalibrated(-1), RangeError, "sigma"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x[..., :3], r), ShapeError, "3 inputs"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x * np.nan, r), RangeError, "NaN"),
    (lambda n, x, r: Chip.sample(r, n).forward(busy(sizes=(20, 9, 4))[0], x, r), ShapeError, r"\[30, 4\].*\[9, 4\]"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x, [np.zeros((20, 6, 30)), np.zeros((20, 6, 5))]), ShapeError, "noise arrays"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x, [np.zeros(3), np.zeros(3)]), ShapeError, r"noise\[0\]"),
    (lambda n, x, r: Chip.sample(r, n).forward(n, x, 7), DtypeError, "Generator"),
])
def test_bad_input_is_named(act, error, message):
    network, x, rng = busy()
    with pytest.raises(error, match=message):
        act(network, x, rng)
