"""How a chip differs from the ideal model: the strength of every imperfection, and one draw of the fixed pattern (C7, C8).

0 always means "absent". A fixed pattern is drawn once a chip and stays; a noise is drawn anew every time. "Source" tells a
published number [P] (Cramer, Billaudelle et al. 2022, or the calibration reports of the same group) from our assumption [A].

    code              unit      uncalibrated  calibrated  source  meaning: fixed pattern, std from neuron to neuron
    tau_mem           relative  0.25          0.05        A       membrane time constant
    tau_syn           relative  0.20          0.05        A       synaptic time constants, excitatory and inhibitory apart
    threshold         relative  0.12          0.031       A, P    threshold
    threshold_shift   relative  0             0.05        P       mean of all thresholds, above nominal
    leak              theta     0.10          0.03        A       resting potential
    reset             theta     0.10          0.02        A       potential after a spike
    gain              relative  0.15          0.05        A       synaptic gain, excitatory and inhibitory apart
    refractory        relative  0.20          0.05        A       refractory time
    synapse           relative  0.08          0.08        A       strength of a single synapse, excitatory and inhibitory row apart
    converter_gain    relative  0.05          0.01        A       slope of a neuron's membrane converter
    converter_offset  LSB       20            3           P       its offset (taken off with the first sample, but for saturation)
    sample_time       dt        0.05          0.05        A       the converter samples late by up to this, uniform
    dead_neurons      share     0.01          0           A       neurons that never spike and whose membrane rests
    dead_synapses     share     0.001         0.001       A       synapses that transmit nothing

    code              unit      value                     source  meaning: noise
    membrane_noise    theta     0.01                      A       std of a resting membrane
    read_noise        LSB       1.2                       P       std of one conversion (published range 1.0 - 2.5)
    batch_threshold   relative  0.015                     P       std of a neuron's threshold from run to run
    spike_jitter      s         20e-9                     A       std of a recorded spike time (time base of the events: 8 ns)
    lost_events       share     0.001                     A       spikes that the chip makes but that never reach the host
    drift             relative  0                         A       std of all analog parameters after Chip.drifted

    code              unit      value                     source  meaning: digital
    weight_levels     1         63                        P       largest weight: 6 bits and a sign; 0: not digitised
    converter_lsb     theta     1/70                      P       step of the 8-bit membrane converter; 0: not digitised
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from refsnn.errors import DtypeError, RangeError, ShapeError, check_array, check_count, check_float_array, check_number, describe

LARGEST = 1e3          # of any strength, in its unit: what is above means nothing, and would overflow
SMALLEST_STEP = 1e-6       # of a converter that is not left out
EXTREME = 1e6          # a factor on a nominal parameter lies between one over it and it
SIGNED = (-EXTREME, EXTREME)
LIMITS = {"leak": SIGNED, "reset": SIGNED, "converter_offset": SIGNED, "sample_time": (0, 1), "refractory": (0, EXTREME),
          "alive": (False, True)}       # of the arrays of a FixedPattern
SMALLEST_FACTOR = 0.1  # assumption: no circuit has less than a tenth of its nominal parameter; bites only at large spreads


@dataclass(frozen=True)
class Variation:
    """The strength of each imperfection, see the table at the head of this file; 0 is absent. SPEC C1, C5, C7, C8.

    Raises DtypeError, RangeError.
    """

    tau_mem: float = 0.0
    tau_syn: float = 0.0
    threshold: float = 0.0
    threshold_shift: float = 0.0
    leak: float = 0.0
    reset: float = 0.0
    gain: float = 0.0
    refractory: float = 0.0
    synapse: float = 0.0
    converter_gain: float = 0.0
    converter_offset: float = 0.0
    sample_time: float = 0.0
    dead_neurons: float = 0.0
    dead_synapses: float = 0.0
    membrane_noise: float = 0.0
    read_noise: float = 0.0
    batch_threshold: float = 0.0
    spike_jitter: float = 0.0
    lost_events: float = 0.0
    drift: float = 0.0
    weight_levels: int = 63
    converter_lsb: float = 1 / 70

    def __post_init__(self):
        object.__setattr__(self, "weight_levels", check_count("weight_levels", self.weight_levels, low=0))
        for field in fields(self):
            share = field.name in ("dead_neurons", "dead_synapses", "lost_events", "sample_time")
            if field.name != "weight_levels":
                object.__setattr__(self, field.name, check_number(field.name, getattr(self, field.name), low=0, high=1 if share else LARGEST))
        if 0 < self.converter_lsb < SMALLEST_STEP:
            raise RangeError(f"converter_lsb is {self.converter_lsb}; it must be 0, for no converter, or at least {SMALLEST_STEP} of the threshold")

    @classmethod
    def ideal(cls) -> "Variation":
        """No imperfection at all, not even digital weights and converters."""
        return cls(weight_levels=0, converter_lsb=0.0)

    @classmethod
    def calibrated(cls) -> "Variation":
        """A calibrated chip: the column `calibrated` of the table, with every noise."""
        return cls(tau_mem=0.05, tau_syn=0.05, threshold=0.031, threshold_shift=0.05, leak=0.03, reset=0.02, gain=0.05, refractory=0.05,
                   synapse=0.08, converter_gain=0.01, converter_offset=3.0, sample_time=0.05, dead_synapses=0.001, membrane_noise=0.01,
                   read_noise=1.2, batch_threshold=0.015, spike_jitter=20e-9, lost_events=0.001)

    @classmethod
    def uncalibrated(cls) -> "Variation":
        """A chip before calibration: the column `uncalibrated` of the table, with every noise."""
        return replace(cls.calibrated(), tau_mem=0.25, tau_syn=0.20, threshold=0.12, threshold_shift=0.0, leak=0.10, reset=0.10, gain=0.15,
                       refractory=0.20, converter_gain=0.05, converter_offset=20.0, dead_neurons=0.01)

    @classmethod
    def decalibrated(cls, sigma: float) -> "Variation":
        """The paper's decalibration: tau_mem, tau_syn and theta - V_leak with relative std `sigma`, 0 .. 0.5; the rest calibrated."""
        sigma = check_number("sigma", sigma, low=0)
        return replace(cls.calibrated(), tau_mem=sigma, tau_syn=sigma, threshold=sigma)

    @classmethod
    def named(cls, text: str) -> "Variation":
        """A Variation from text: ideal, calibrated, uncalibrated or decalibrated=SIGMA, and after commas single fields to change.

        Raises RangeError.

        >>> Variation.named("ideal,threshold=0.03") == replace(Variation.ideal(), threshold=0.03)
        True
        """
        text = text if isinstance(text, str) else describe(text)
        base, *changes = text.split(",")
        name, _, sigma = base.partition("=")
        try:
            if name not in ("ideal", "calibrated", "uncalibrated", "decalibrated") or (name == "decalibrated") != bool(sigma):
                raise ValueError("a variation begins with ideal, calibrated, uncalibrated or decalibrated=SIGMA")
            variation = cls.decalibrated(float(sigma)) if sigma else getattr(cls, name)()
            kinds: dict = {field.name: type(field.default) for field in fields(cls)}
            pairs = [change.strip().partition("=") for change in changes]
            for name, equals, _ in pairs:
                if name not in kinds or not equals or [pair[0] for pair in pairs].count(name) > 1:
                    raise ValueError(f"a change is NAME=VALUE, once for each, not {name + equals!r}; the names are {', '.join(kinds)}")
            values = {name: value for name, _, value in pairs}
            return replace(variation, **{name: kinds[name](value) for name, value in values.items()})
        except ValueError as error:
            raise RangeError(f"variation {text!r}: {error}") from None


@dataclass(frozen=True, eq=False)
class FixedPattern:
    """One draw for one layer of M inputs and N neurons: factors on the nominal parameters, float64; leak and reset in theta.

    (N,): tau_mem, tau_exc, tau_inh, threshold, leak, reset, gain_exc, gain_inh, refractory, converter_gain, converter_offset
    (LSB), sample_time (dt), alive (bool). synapse_exc, synapse_inh (M, N), and recurrent_exc, recurrent_inh (N, N) or None:
    strength of every single synapse, 0 if dead.
    """

    tau_mem: np.ndarray
    tau_exc: np.ndarray
    tau_inh: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    reset: np.ndarray
    gain_exc: np.ndarray
    gain_inh: np.ndarray
    refractory: np.ndarray
    converter_gain: np.ndarray
    converter_offset: np.ndarray
    sample_time: np.ndarray
    alive: np.ndarray
    synapse_exc: np.ndarray
    synapse_inh: np.ndarray
    recurrent_exc: np.ndarray | None
    recurrent_inh: np.ndarray | None

    def check(self, name):
        """Raise unless the arrays are what circuits can have; not done by every one that settings make of it."""
        check_float_array(f"{name}.leak", self.leak, 1)
        N = len(self.leak)
        for field in fields(self):
            array, of = getattr(self, field.name), f"{name}.{field.name}"
            if array is None and field.name in ("recurrent_exc", "recurrent_inh"):
                continue
            is_matrix = field.name.startswith(("synapse", "recurrent"))
            check_array(of, array, 2 if is_matrix else 1)
            if array.dtype != (bool if field.name == "alive" else np.float64):
                raise DtypeError(f"{of} has dtype {array.dtype}; of a pattern alive is bool, all else float64")
            if array.shape[-1] != N or field.name.startswith("recurrent") and len(array) != N:
                raise ShapeError(f"{of} has shape {array.shape} but there are {N} neurons")
            low, high = (0, EXTREME) if is_matrix else LIMITS.get(field.name, (1 / EXTREME, EXTREME))
            if not (array.min() >= low and array.max() <= high):
                raise RangeError(f"{of} reaches from {array.min():g} to {array.max():g}; it must lie in {low:g}..{high:g}")
        if self.synapse_exc.shape != self.synapse_inh.shape or (self.recurrent_exc is None) != (self.recurrent_inh is None):
            raise ShapeError(f"{name} has excitatory and inhibitory synapses of different shapes")


def draw_pattern(rng, network, variation):
    """Draw one chip: a tuple with one FixedPattern a layer. SPEC C7.

    Normal factors of mean 1 (thresholds: 1 + threshold_shift), not below SMALLEST_FACTOR. Every array is drawn whether or not
    it is used, so that one imperfection never changes the draw of another.
    """
    return tuple(draw_layer(rng, layer, variation) for layer in network.layers)


def draw_layer(rng, layer, variation):
    """Draw the FixedPattern of one layer."""
    M, N = layer.W.shape

    def factor(sigma, shape=N, mean=1.0):
        return np.maximum(mean + sigma * rng.standard_normal(shape), SMALLEST_FACTOR)

    def synapses(shape):
        return factor(variation.synapse, shape) * (rng.random(shape) >= variation.dead_synapses)

    return FixedPattern(
        tau_mem=factor(variation.tau_mem),
        tau_exc=factor(variation.tau_syn),
        tau_inh=factor(variation.tau_syn),
        threshold=factor(variation.threshold, mean=1 + variation.threshold_shift),
        leak=variation.leak * rng.standard_normal(N),
        reset=variation.reset * rng.standard_normal(N),
        gain_exc=factor(variation.gain),
        gain_inh=factor(variation.gain),
        refractory=factor(variation.refractory),
        converter_gain=factor(variation.converter_gain),
        converter_offset=variation.converter_offset * rng.standard_normal(N),
        sample_time=variation.sample_time * rng.random(N),
        alive=rng.random(N) >= variation.dead_neurons,
        synapse_exc=synapses((M, N)),
        synapse_inh=synapses((M, N)),
        recurrent_exc=None if layer.R is None else synapses((N, N)),
        recurrent_inh=None if layer.R is None else synapses((N, N)),
    )


def drift_pattern(rng, pattern, sigma):
    """The pattern of one layer some time later: every analog parameter of a neuron moves by `sigma`, relative. SPEC C8.

    leak and reset move by `sigma` in theta.
    """
    moving = ("tau_mem", "tau_exc", "tau_inh", "threshold", "gain_exc", "gain_inh", "refractory")
    N = len(pattern.leak)
    moved = {name: np.clip(getattr(pattern, name) * (1 + sigma * rng.standard_normal(N)), SMALLEST_FACTOR, EXTREME) for name in moving}
    for name in ("leak", "reset"):
        moved[name] = np.clip(getattr(pattern, name) + sigma * rng.standard_normal(N), *SIGNED)
    return replace(pattern, **moved)
