"""How a host calibrates a chip that it cannot look into: from recordings alone (C2, C5, C7).

What lives here: measurements of one layer of neurons on the bench, and the search for the 10-bit codes at which each is what the ideal model
has. Nothing here reads a chip's fixed pattern.

    measured          how
    converter         two conversions of known reference voltages: slope and offset
    resting_level     the membrane without input
    firing_share      share of trials in which a neuron fires without input, its leak being where the threshold should be
    held_level        the membrane in a long refractory time: the reset potential
    relaxation_time   tau_m: the exponential way back from a low reset to rest
    response          the mean membrane after single spikes of the inputs in turn: its mean time is tau_m + tau_s, its height the synaptic gain

Membranes are counted from code 80, in theta by the nominal code of the converters.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.chip.readout import LEAK_CODE
from refsnn.chip.settings import CODES, LARGEST, VOLTAGE_STEP, Settings
from refsnn.chip.substrate import Chip
from refsnn.chip.synapses import LEVELS, SPIKING_SCALE
from refsnn.errors import RangeError, check_type
from refsnn.spec.network import Layer, Network
from refsnn.spec.neuron import NeuronParameters, run_readout

TOGETHER = 4         # inputs that spike at the same time in a measured response
HEIGHT = 0.88        # of the response, in theta, if their weights can be that large
TRIALS = 64          # runs of one measurement, at least
# what the measurements are made for: the converter reaches from -1.1 to 2.5 theta and samples once a dt
DOMAIN = {"tau_mem / dt": (2, 6), "tau_syn / dt": (2, 9), "threshold": (0.5, 2), "1 / converter_lsb": (50, 90), "weight_levels": (15, 4095)}


def calibrate(chip: Chip, network: Network, rng: "np.random.Generator") -> Chip:
    """The same chip at the settings that bring all its neurons to the parameters of `network`, found from recordings alone. SPEC C2, C7.

    rng: a numpy Generator, for the noise of the recordings. Then membranes and weights are scaled as measured: recorded thresholds are at 1
    on average, and a unit of weight has the ideal model's effect. Neurons that do not respond keep nominal settings. Takes about ten
    seconds for 256 neurons. Raises DtypeError, ShapeError, and RangeError outside DOMAIN or where nothing responds.
    """
    for name, value, kind in (("chip", chip, Chip), ("network", network, Network), ("rng", rng, np.random.Generator)):
        check_type(name, value, kind)
    chip.check_network(network)
    on_bench = replace(chip, sample_offset=0.0, spike_shift=0.0)
    benches = [Bench(on_bench, index, layer.W.shape, layer.neuron, rng) for index, layer in enumerate(network.layers)]
    for bench in benches:
        check_domain(bench)
    return replace(chip, settings=tuple(calibrate_layer(bench) for bench in benches))


@dataclass(frozen=True, eq=False)
class Bench:
    """Layer `index` of a chip on the bench: its inputs and neurons (M, N), what they should be, and the source of its noise."""

    chip: Chip
    index: int
    shape: tuple
    neuron: NeuronParameters
    rng: "np.random.Generator"  # in quotes: numpy.random is not loaded by importing this

    @property
    def lsb(self):
        """One code of the converters in theta."""
        return self.chip.variation.converter_lsb

    def at(self, settings, **changes):
        """The chip with this layer at some Settings."""
        every = list(self.chip.settings)
        every[self.index] = settings
        return replace(self.chip, settings=tuple(every), **changes)

    def record(self, settings, x, lsb=0, **changes):
        """Run the layer at some Settings: membranes (T, B, N) in theta above code 80, and spikes (T, B, N).

        x (T, B, M); lsb: the weight of every synapse, in LSB. changes: of the chip, such as refractory.
        """
        layer = Layer(np.full(self.shape, lsb / settings.weight_scale, np.float32), neuron=self.neuron)
        recording = self.at(settings, **changes).record(self.index, layer, x.astype(np.float32), self.rng)
        return (recording.codes - np.float32(LEAK_CODE)) * self.lsb * settings.membrane_scale, recording.spikes

    def silence(self, steps, trials=TRIALS):
        """No input: x (T, B, M)."""
        return np.zeros((steps, trials, self.shape[0]), np.float32)


def check_domain(bench):
    """Raise RangeError where the measurements would not be good."""
    neuron, variation = bench.neuron, bench.chip.variation
    found = (neuron.tau_mem / neuron.dt, neuron.tau_syn / neuron.dt, neuron.threshold,
             1 / variation.converter_lsb if variation.converter_lsb else np.inf, variation.weight_levels)
    for (name, (low, high)), value in zip(DOMAIN.items(), found):
        if np.min(value) < low or np.max(value) > high:
            raise RangeError(f"calibration is made for {name} from {low} to {high}; layer {bench.index} has {np.min(value):g} to {np.max(value):g}")


def calibrate_layer(bench):
    """The Settings of one layer, each found with those before it in place."""
    neuron, N, settings = bench.neuron, bench.shape[1], converter(bench)
    nominal, silent = settings, {"threshold": np.full(N, LARGEST)}                         # no neuron reaches this threshold

    def find(name, measure, target, rising=True, **others):
        """Codes for `name`, the other settings being as found so far, but for `others`."""
        return bisect(lambda codes: measure(bench, replace(settings, **others, **{name: codes})), N, target, rising)

    at_threshold = find("leak", resting_level, neuron.threshold, **silent)
    settings = replace(settings, leak=find("leak", resting_level, 0.0, **silent))
    settings = replace(settings, threshold=find("threshold", firing_share, 0.5, rising=False, leak=at_threshold))
    low = find("reset", held_level, -0.9)
    settings = replace(settings, reset=find("reset", held_level, 0.0))
    settings = replace(settings, tau_mem=find("tau_mem", relaxation_time, neuron.tau_mem, rising=False, reset=low))
    for kind, sign in (("exc", 1), ("inh", -1)):
        wanted = ideal_response(bench, sign)
        for name, feature, rising in ((f"tau_{kind}", mean_time, False), (f"gain_{kind}", height, True)):
            codes = find(name, lambda bench, trial: feature(response(bench, trial, sign), wanted), feature(wanted, wanted), rising, **silent)
            settings = replace(settings, **{name: codes})
    return scaled(bench, settings, nominal)


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
    nominal = Settings.nominal(bench.shape[1])
    chip = bench.at(nominal)                 # whatever trim is set now would be measured with the offset
    low, high = (np.mean([chip.reference(bench.index, level, bench.rng) for _ in range(TRIALS)], axis=0) for level in (0.0, 1.0))
    return replace(nominal, converter_trim=np.rint(low - LEAK_CODE).astype(int), membrane_scale=1 / (bench.lsb * (high - low)))


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
    membranes, _ = bench.record(far_above, bench.silence(7), refractory=100 * bench.neuron.dt)        # held to the end with a tenth of it, too
    return membranes[2:].mean(axis=(0, 1))


def relaxation_time(bench, settings):
    """tau_m in seconds: (N,), nan for a neuron that does not fire; the settings must have a reset far below the leak.

    Strong input makes every neuron fire, at half its threshold; it is held until all currents are gone, and then relaxes from its reset to
    rest. What is left of the way falls as exp(-t/tau_m): the slope of its logarithm, where it is between 75 % and 15 %.
    """
    neuron = bench.neuron
    half = np.rint(np.broadcast_to(neuron.threshold, bench.shape[1]) / 2 / VOLTAGE_STEP).astype(int)
    fires_early = replace(settings, threshold=np.maximum(settings.threshold - half, 0))
    hold = 17 * max(np.max(neuron.tau_syn), 3.5 * neuron.dt)
    x = bench.silence(int(np.ceil((1.8 * hold + 8 * np.max(neuron.tau_mem)) / neuron.dt)))
    inputs = min(8, bench.shape[0])
    x[:8 // inputs, :, :inputs] = 1
    membranes, _ = bench.record(fires_early, x, lsb=weight_of_one(bench, np.inf), refractory=hold)
    rest, mean = resting_level(bench, settings), membranes.mean(axis=1)                    # (N,), (T, N)
    with np.errstate(invalid="ignore", divide="ignore"):                                   # of a neuron that does not move
        left = (rest - mean) / (rest - mean[2:].min(axis=0))                               # (T, N)
    used = (left < 0.75) & (left > 0.15) & (np.arange(len(left))[:, None] > mean.argmin(axis=0))
    weight = np.where(used, left, 0) ** 2                                                  # the error of ln(left) goes as 1 / left
    return -1 / slope(neuron.dt * np.arange(len(left))[:, None], np.log(np.where(used, left, 1)), weight)


def slope(t, y, weight):
    """Slope of the weighted line through y (T, N) over t (T, 1), for each of N; nan without points."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=0)
        t = t - (weight * t).sum(axis=0) / total
        return (weight * t * y).sum(axis=0) / (weight * t * t).sum(axis=0)


def together(bench):
    """How many inputs spike at the same time in a measured response."""
    return min(TOGETHER, bench.shape[0])


def weight_of_one(bench, lsb):
    """The weight in LSB of each of the inputs that spike together, for `lsb` of all of them: what the chip can hold of it."""
    levels = bench.chip.variation.weight_levels or LEVELS
    return int(np.clip(lsb / together(bench), -levels, levels))


def response_lsb(bench, sign):
    """The weight in LSB of each input in a measured response, so that the ideal model's has the size HEIGHT."""
    x = np.ones((response_steps(bench), 1, 1))
    x[1:] = 0
    tallest = run_readout(x, np.ones((1, bench.shape[1])), bench.neuron).membrane.max()
    return weight_of_one(bench, sign * HEIGHT * SPIKING_SCALE / tallest)


def response_steps(bench):
    """Time steps after which a response of twice the nominal time constants has gone."""
    return int(np.ceil(6 * np.max(bench.neuron.tau_mem / bench.neuron.dt + bench.neuron.tau_syn / bench.neuron.dt)))


def response(bench, settings, sign):
    """The mean membrane of every neuron after single spikes, less its rest: (T, N).

    The inputs spike in turn, TOGETHER of them at t = 0 in every trial; the last M % TOGETHER are left out.
    """
    size = together(bench)
    groups = np.arange(bench.shape[0] // size * size).reshape(-1, size)                    # (groups, TOGETHER)
    groups = np.concatenate([groups] * -(-TRIALS // len(groups)))
    x = bench.silence(response_steps(bench), len(groups))
    x[0, np.arange(len(groups))[:, None], groups] = 1
    membranes, _ = bench.record(settings, x, response_lsb(bench, sign))
    return membranes.mean(axis=1) - resting_level(bench, settings)


def ideal_response(bench, sign):
    """The same for the ideal model: (T, N). SPEC E1, E2."""
    x = np.zeros((response_steps(bench), 1, together(bench)))
    x[0] = 1
    return run_readout(x, np.full((x.shape[2], bench.shape[1]), response_lsb(bench, sign) / SPIKING_SCALE), bench.neuron).membrane[:, 0]


def mean_time(response, ideal):
    """The mean time of a response (T, N) in time steps, tau_m + tau_s but for the sampling: (N,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.arange(len(response)) @ response / response.sum(axis=0)


def height(response, ideal):
    """The size of a response (T, N), mean where the ideal one is above 90 % of its maximum, and positive as that is: (N,)."""
    top = np.abs(ideal) > 0.9 * np.abs(ideal).max(axis=0)                                  # (T, N)
    return (response * np.sign(ideal) * top).sum(axis=0) / top.sum(axis=0)


def scaled(bench, settings, nominal):
    """The settings with the scales of membranes and weights, as measured over all neurons that work; `nominal` for those that do not. SPEC C1, C5."""
    N, wanted = bench.shape[1], ideal_response(bench, 1)
    threshold = measured_threshold(bench, settings) / bench.neuron.threshold
    gain = height(response(bench, replace(settings, threshold=np.full(N, LARGEST)), 1), wanted) / height(wanted, wanted)
    works = (gain > 0.1) & (threshold < 1.5)
    if not works.any():
        raise RangeError(f"no neuron of layer {bench.index} responds and fires: there is nothing to calibrate")
    codes = {name: np.where(works, getattr(settings, name), getattr(nominal, name)) for name in CODES}
    theta = threshold[works].mean()
    return replace(settings, **codes, membrane_scale=settings.membrane_scale / theta, weight_scale=SPIKING_SCALE * theta / gain[works].mean())


def measured_threshold(bench, settings):
    """The threshold of every neuron above its rest, in theta: (N,): the leak at which it fires in half of the trials."""
    N = bench.shape[1]
    codes = bisect(lambda codes: firing_share(bench, replace(settings, leak=codes)), N, 0.5, rising=True)
    silent = replace(settings, threshold=np.full(N, LARGEST))
    return resting_level(bench, replace(silent, leak=codes)) - resting_level(bench, silent)
