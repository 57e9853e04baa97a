"""How a host calibrates a chip that it cannot look into: from recordings alone (C2, C5, C7).

What lives here: measurements of one layer of neurons on the bench, and the search for the 10-bit codes at which each is what the ideal model
has. Nothing here reads a chip's fixed pattern.

    measured          how
    converter         two conversions of known reference voltages: slope and offset
    resting_level     the membrane without input
    firing_share      share of trials in which a neuron fires without input, its leak being where the threshold should be
    held_level        the membrane in a long refractory time: the reset potential
    relaxation_time   tau_m: the exponential way back from a low reset to rest
    response          the mean membrane after single spikes of all inputs in turn: its mean time is tau_m + tau_s, its height the synaptic gain

Membranes are counted in units of 70 converter codes, which is where the host wants the threshold, from code 80.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.chip.readout import LEAK_CODE
from refsnn.chip.settings import LARGEST, Settings
from refsnn.chip.substrate import Chip
from refsnn.chip.synapses import SPIKING_SCALE
from refsnn.errors import RangeError, check_type
from refsnn.spec.network import Layer, Network
from refsnn.spec.neuron import NeuronParameters, run_readout

THETA_CODES = 70     # codes from leak to threshold
TOGETHER = 4         # inputs that spike at the same time in a measured response
RESPONSE_LSB = 124   # their weights in LSB, all together: a response of 0.88 theta at most
TRIALS = 64          # runs of one measurement, at least


def calibrate(chip, network, rng):
    """The same chip at the settings that bring all its neurons to the parameters of `network`, found from recordings alone. SPEC C2, C7.

    rng: a numpy Generator, for the noise of the recordings. Then membranes and weights are scaled as measured: recorded thresholds are at 1
    on average, and a unit of weight has the ideal model's effect. Takes about ten seconds for 256 neurons. Raises DtypeError,
    RangeError, ShapeError.
    """
    for name, value, kind in (("chip", chip, Chip), ("network", network, Network), ("rng", rng, np.random.Generator)):
        check_type(name, value, kind)
    chip.check_network(network)
    if chip.variation.converter_lsb == 0 or chip.variation.weight_levels == 0:
        raise RangeError("calibration needs converters and weights of the chip's kind: converter_lsb and weight_levels must not be 0")
    benches = [Bench(chip, index, layer.W.shape, layer.neuron, rng) for index, layer in enumerate(network.layers)]
    return replace(chip, settings=tuple(calibrate_layer(bench) for bench in benches))


@dataclass(frozen=True, eq=False)
class Bench:
    """Layer `index` of a chip on the bench: its inputs and neurons (M, N), what they should be, and the source of its noise."""

    chip: Chip
    index: int
    shape: tuple
    neuron: NeuronParameters
    rng: "np.random.Generator"  # in quotes: numpy.random is not loaded by importing this

    def record(self, settings, x, lsb=0, refractory=None):
        """Run the layer at some Settings: membranes (T, B, N), in units of 70 codes from code 80, and spikes (T, B, N).

        x (T, B, M); lsb: the weight of every synapse, in LSB. refractory: None, or another refractory time for all neurons, in seconds.
        """
        every = list(self.chip.settings)
        every[self.index] = settings
        chip = replace(self.chip, settings=tuple(every), refractory=self.chip.refractory if refractory is None else refractory)
        layer = Layer(np.full(self.shape, lsb / settings.weight_scale, np.float32), neuron=self.neuron)
        recording = chip.record(self.index, layer, x.astype(np.float32), self.rng)
        return (recording.codes - np.float32(LEAK_CODE)) / THETA_CODES * settings.membrane_scale, recording.spikes

    def silence(self, steps, trials=TRIALS):
        """No input: x (T, B, M)."""
        return np.zeros((steps, trials, self.shape[0]), np.float32)


def calibrate_layer(bench):
    """The Settings of one layer, each found with those before it in place."""
    neuron, settings = bench.neuron, converter(bench)
    silent = {"threshold": np.full(bench.shape[1], LARGEST)}                               # no neuron reaches this threshold

    def find(name, measure, target, rising=True, **others):
        """Codes for `name`, the other settings being as found so far, but for `others`."""
        return bisect(lambda codes: measure(bench, replace(settings, **others, **{name: codes})), bench.shape[1], target, rising)

    at_threshold = find("leak", resting_level, neuron.threshold, **silent)
    settings = replace(settings, leak=find("leak", resting_level, 0.0, **silent))
    settings = replace(settings, threshold=find("threshold", firing_share, 0.5, rising=False, leak=at_threshold))
    low = find("reset", held_level, -0.9)
    settings = replace(settings, reset=find("reset", held_level, 0.0))
    settings = replace(settings, tau_mem=find("tau_mem", relaxation_time, neuron.tau_mem, rising=False, reset=low))
    for kind, lsb in (("exc", RESPONSE_LSB), ("inh", -RESPONSE_LSB)):
        wanted = ideal_response(bench, lsb)
        for name, feature, rising in ((f"tau_{kind}", mean_time, False), (f"gain_{kind}", height, True)):
            codes = find(name, lambda bench, trial: feature(response(bench, trial, lsb)), feature(wanted), rising, **silent)
            settings = replace(settings, **{name: codes})
    return scaled(bench, settings)


def bisect(measure, N, target, rising):
    """The 10-bit codes (N,) at which measure(codes) reaches target, all neurons at once; rising: whether it grows with the code.

    >>> bisect(lambda codes: codes / 100, 2, np.array([1.0, 5.005]), True).tolist()
    [99, 500]
    """
    codes = np.zeros(N, int)
    for bit in 2 ** np.arange(9, -1, -1):
        above = measure(codes + bit) >= target
        codes += np.where(above == rising, 0, bit)
    return codes


def converter(bench):
    """Nominal Settings, but for the converters: offsets trimmed off, slopes in membrane_scale. SPEC C5."""
    low, high = (np.mean([bench.chip.reference(bench.index, level, bench.rng) for _ in range(TRIALS)], axis=0) for level in (0.0, 1.0))
    trim = np.rint(low - LEAK_CODE).astype(int)
    return replace(Settings.nominal(bench.shape[1]), converter_trim=trim, membrane_scale=THETA_CODES / (high - low))


def resting_level(bench, settings):
    """The membrane without input, in theta: (N,)."""
    membranes, _ = bench.record(settings, bench.silence(30))
    return membranes.mean(axis=(0, 1))


def firing_share(bench, settings):
    """Share of trials in which each neuron fires without input: (N,). Thresholds move from run to run, so there are several runs."""
    runs = [bench.record(settings, bench.silence(20, 16))[1].any(axis=0).mean(axis=0) for _ in range(6)]
    return np.mean(runs, axis=0)


def held_level(bench, settings):
    """The reset potential in theta: (N,). The leak is far above the threshold, so that every neuron fires at once and is then held."""
    far_above = replace(settings, leak=np.full(bench.shape[1], LARGEST))
    membranes, _ = bench.record(far_above, bench.silence(7), refractory=80e-6)
    return membranes[2:].mean(axis=(0, 1))


def relaxation_time(bench, settings):
    """tau_m in seconds: (N,); the settings must have a reset far below the leak.

    Strong input makes every neuron fire; it is held until all currents are gone, and then relaxes from its reset to rest. What is
    left of the way falls as exp(-t/tau_m): the slope of its logarithm, where it is between 75 % and 15 %.
    """
    fires_early = replace(settings, threshold=settings.threshold - np.minimum(settings.threshold, 100))
    x = bench.silence(120)
    x[0, :, :8] = 1
    membranes, _ = bench.record(fires_early, x, lsb=63, refractory=100e-6)
    rest, mean = resting_level(bench, settings), membranes.mean(axis=1)                    # (N,), (T, N)
    left = (rest - mean) / (rest - mean[2:].min(axis=0))                                   # (T, N)
    lowest = mean.argmin(axis=0)
    used = (left < 0.75) & (left > 0.15) & (np.arange(len(left))[:, None] > lowest)
    weight = np.where(used, left, 0) ** 2                                                  # the error of ln(left) goes as 1 / left
    return -1 / slope(bench.neuron.dt * np.arange(len(left))[:, None], np.log(np.where(used, left, 1)), weight)


def slope(t, y, weight):
    """Slope of the weighted line through y (T, N) over t (T, 1), for each of N; nan without points."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=0)
        t = t - (weight * t).sum(axis=0) / total
        return (weight * t * y).sum(axis=0) / (weight * t * t).sum(axis=0)


def single_spikes(bench):
    """Input in which all inputs spike in turn, TOGETHER of them at t = 0 in every trial: x (T, B, M)."""
    M = bench.shape[0]
    groups = np.arange(M - M % min(TOGETHER, M)).reshape(-1, min(TOGETHER, M))             # (groups, TOGETHER)
    groups = np.concatenate([groups] * -(-TRIALS // len(groups)))
    x = bench.silence(40, len(groups))
    x[0, np.arange(len(groups))[:, None], groups] = 1
    return x


def weight_of_one(bench, lsb):
    """The weight in LSB of each of the inputs that spike together."""
    return int(np.clip(lsb // min(TOGETHER, bench.shape[0]), -63, 63))


def response(bench, settings, lsb):
    """The mean membrane of every neuron after single spikes, less its rest: (T, N)."""
    membranes, _ = bench.record(settings, single_spikes(bench), weight_of_one(bench, lsb))
    return membranes.mean(axis=1) - resting_level(bench, settings)


def ideal_response(bench, lsb):
    """The same for the ideal model: (T, N). SPEC E1, E2."""
    x = np.zeros((40, 1, min(TOGETHER, bench.shape[0])))
    x[0] = 1
    return run_readout(x, np.full((x.shape[2], bench.shape[1]), weight_of_one(bench, lsb) / SPIKING_SCALE), bench.neuron).membrane[:, 0]


def mean_time(response):
    """The mean time of a response (T, N) in time steps, tau_m + tau_s but for the sampling: (N,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.arange(len(response)) @ response / response.sum(axis=0)


def height(response):
    """The size of a response (T, N) around its maximum: (N,)."""
    return np.abs(response[3:6].mean(axis=0))


def scaled(bench, settings):
    """The settings with the scales of membranes and weights, as measured over all neurons that work. SPEC C1, C5."""
    threshold = measured_threshold(bench, settings)
    silent = replace(settings, threshold=np.full(bench.shape[1], LARGEST))
    gain = height(response(bench, silent, RESPONSE_LSB)) / height(ideal_response(bench, RESPONSE_LSB))
    works = (gain > 0.1) & (threshold < 2)
    theta = threshold[works].mean() / np.mean(bench.neuron.threshold)
    return replace(settings, membrane_scale=settings.membrane_scale / theta, weight_scale=SPIKING_SCALE * theta / gain[works].mean())


def measured_threshold(bench, settings):
    """The threshold of every neuron above its rest, in theta: (N,): the leak at which it fires in half of the trials."""
    N = bench.shape[1]
    codes = bisect(lambda codes: firing_share(bench, replace(settings, leak=codes)), N, 0.5, rising=True)
    silent = replace(settings, threshold=np.full(N, LARGEST))
    return resting_level(bench, replace(silent, leak=codes)) - resting_level(bench, silent)
