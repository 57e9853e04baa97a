"""The chip as a whole: it takes an ideal network and input spikes, and returns the trace that its analog neurons made (C1-C8)."""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.chip.cost import check_capacity
from refsnn.chip.dynamics import Circuits, Grid, arriving_input, charge, membrane_kicks, transfer, walk
from refsnn.chip.leaps import can_leap, leap, read
from refsnn.chip.noise import check_noise, draw_noise
from refsnn.chip.readout import Recording, bin_spikes, convert
from refsnn.chip.settings import Settings, apply_settings
from refsnn.chip.synapses import SPIKING_SCALE, load_weights, split_rows
from refsnn.chip.variation import FixedPattern, Variation, draw_pattern, drift_pattern
from refsnn.errors import DtypeError, RangeError, ShapeError, check_count, check_number, check_type, describe
from refsnn.events import input_events
from refsnn.spec.network import Layer, Network
from refsnn.spec.neuron import NeuronParameters
from refsnn.spec.trace import Trace


@dataclass(frozen=True, eq=False)
class Chip:
    """One emulated chip: its fixed pattern, its settings, its noise, and the grid on which it is simulated. SPEC C1-C8.

    pattern: one FixedPattern a layer; settings: one Settings a layer. substeps: M, grid steps in a dt. refractory in seconds, nominal.
    sample_offset: all membranes are sampled so much after k dt, in dt; spike_shift: every recorded spike time is moved so much, in dt.
    Made by Chip.sample. Raises DtypeError, RangeError, ShapeError.
    """

    pattern: tuple
    variation: Variation
    settings: tuple
    substeps: int = 8
    refractory: float = 2e-6
    sample_offset: float = 0.0
    spike_shift: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "substeps", check_count("substeps", self.substeps, high=10_000))
        check_type("variation", self.variation, Variation)
        for name, low, high in (("refractory", 0, 1e300), ("sample_offset", 0, 1), ("spike_shift", -1, 1)):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low, high))
        if self.sample_offset + self.variation.sample_time > 1:
            raise RangeError(f"sample_offset {self.sample_offset} and variation.sample_time {self.variation.sample_time} are more than a dt together")
        for name, entries, kind in (("pattern", self.pattern, FixedPattern), ("settings", self.settings, Settings)):
            if not isinstance(entries, (list, tuple)) or not entries or not all(isinstance(entry, kind) for entry in entries):
                raise DtypeError(f"{name} is {describe(entries)}; it must be a tuple with one {kind.__name__} a layer")
        for index, pattern in enumerate(self.pattern):
            pattern.check(f"pattern[{index}]")
        sizes = [[len(entry.leak) for entry in entries] for entries in (self.settings, self.pattern)]
        if sizes[0] != sizes[1]:
            raise ShapeError(f"the settings are for layers of {sizes[0]} neurons but the chip has {sizes[1]}")

    @classmethod
    def sample(cls, rng: "np.random.Generator", network: Network, variation: Variation = Variation.calibrated(), substeps: int = 8,
               refractory: float = 2e-6, sample_offset: float = 0.0, spike_shift: float = 0.0) -> "Chip":
        """Draw a chip for `network`, with all settings nominal; rng: a numpy Generator.

        Raises DtypeError, RangeError, and ShapeError where the network is too large for one chip.
        """
        check_type("rng", rng, np.random.Generator)
        check_type("network", network, Network)
        check_type("variation", variation, Variation)
        check_capacity(network)
        settings = tuple(Settings.nominal(layer.W.shape[1]) for layer in network.layers)
        return cls(draw_pattern(rng, network, variation), variation, settings, substeps, refractory, sample_offset, spike_shift)

    def drifted(self, rng):
        """The same chip some time later: its analog parameters have moved by variation.drift. SPEC C8."""
        check_type("rng", rng, np.random.Generator)
        return replace(self, pattern=tuple(drift_pattern(rng, pattern, self.variation.drift) for pattern in self.pattern))

    def forward(self, network: Network, x, rng) -> tuple[Trace, ...]:
        """Run the chip: x (T, B, M), dense or Events -> a tuple with one Trace a layer, as forward of the ideal model returns. SPEC C1-C8.

        rng: a numpy Generator for the noise, or the noise itself: one Noise a layer (then variation must have neither
        spike_jitter nor lost_events, whose draws belong to single spikes). Computes in the dtype of the weights. Raises
        ShapeError, DtypeError, RangeError.
        """
        x = input_events(network, x)
        self.check_network(network)
        trace, spikes = [], None
        for index, (layer, noise) in enumerate(zip(network.layers, self.noise(network, x, rng))):
            recording, spikes = self.run(index, layer, x, spikes, noise, rng)
            trace.append(recording.trace(self.variation.converter_lsb, self.settings[index].membrane_scale))
        return tuple(trace)

    def record(self, index, layer, x, rng):
        """Run one layer alone, driven by x (T, B, M) through its own synapses: the raw Recording, as a calibration needs it. SPEC C5, C6.

        layer: a Layer of the size for which layer `index` of this chip was drawn, without recurrence. x: 0.0 or 1.0 in the dtype of its weights.
        rng: a numpy Generator. Raises ShapeError, DtypeError, RangeError.
        """
        check_type("layer", layer, Layer)
        check_type("rng", rng, np.random.Generator)
        drawn = self.pattern[check_count("index", index, low=0, high=len(self.pattern) - 1)].synapse_exc.shape
        if layer.W.shape != drawn or layer.R is not None:
            raise ShapeError(f"layer {index} of this chip was drawn for W of shape {drawn}, to be recorded without R; got {layer.W.shape}"
                             + ("" if layer.R is None else " with R"))
        readout = Layer(np.zeros((drawn[1], 1), layer.W.dtype), None, NeuronParameters(dt=layer.neuron.dt), spiking=False)
        x = input_events(Network((replace(layer, spiking=True), readout)), x)
        noise, = draw_noise(rng, [(*x.shape[:2], layer.W.shape[1])], layer.W.dtype, self.variation)
        return self.run(index, layer, x, None, noise, rng)[0]

    def reference(self, index, level, rng):
        """One conversion by every converter of layer `index` of the same reference voltage, `level` in theta: codes (N,). SPEC C5.

        rng: a numpy Generator. Raises DtypeError, RangeError.
        """
        check_type("rng", rng, np.random.Generator)
        level, index = check_number("level", level, -1e6, 1e6), check_count("index", index, low=0, high=len(self.pattern) - 1)
        pattern = apply_settings(self.pattern[index], self.settings[index], 1.0)
        noise = self.variation.read_noise * rng.standard_normal(len(pattern.leak))
        return convert(np.full(len(pattern.leak), level), self.variation.converter_lsb, pattern.converter_gain, pattern.converter_offset, noise)

    def run(self, index, layer, x, below, noise, rng):
        """Run layer `index`, driven by Events x (T, B, M) or, but for the first layer, by `below`, the Spikes of the layer below: (Recording, Spikes)."""
        grid = Grid(x.shape[0], self.substeps, layer.neuron.dt)
        pattern = apply_settings(self.pattern[index], self.settings[index], layer.neuron.threshold)
        circuits = self.circuits(layer, pattern, self.settings[index].weight_scale, noise.threshold)
        kicks = None if noise.membrane is None else membrane_kicks(noise.membrane, circuits, grid, self.variation.membrane_noise)
        shape, spikes = (x.shape[1], layer.W.shape[1]), None
        # one of three forms of the same, see refsnn.chip.leaps
        if below is None and layer.R is None and can_leap(circuits, grid):
            samples, spikes = leap(circuits, grid, x, kicks)
        elif not layer.spiking:
            samples = read(circuits, grid, shape, below, kicks)
        else:
            drive = None if below is not None else arriving_input(x, charge(circuits.weights, circuits, grid.h))
            samples, spikes = walk(circuits, grid, shape, drive, below, kicks)
        read_noise = None
        if noise.read is not None:
            read_noise = np.multiply(noise.read, samples.dtype.type(self.variation.read_noise), out=np.empty(samples.shape, samples.dtype))
        codes = convert(samples, self.variation.converter_lsb, pattern.converter_gain, pattern.converter_offset, read_noise)
        if layer.spiking:
            bins = bin_spikes(spikes, grid, samples.shape, samples.dtype, self.spike_shift, self.variation.spike_jitter,
                              self.variation.lost_events, rng)
        return Recording(codes, bins if layer.spiking else None), spikes

    def circuits(self, layer, pattern, weight_scale=SPIKING_SCALE, threshold_noise=None):
        """The layer's analog neurons: nominal parameters, the network's weights, and this chip's pattern at its settings. SPEC C1, C3, C7, C8."""
        neuron, levels, correction = layer.neuron, self.variation.weight_levels, weight_scale / SPIKING_SCALE
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            kappa = 1 / transfer(neuron.dt, neuron.tau_mem, neuron.tau_syn)                                # () or (N,)
            gains = (kappa * np.stack([pattern.gain_exc, pattern.gain_inh]))[:, None].astype(layer.W.dtype)     # (2, 1, N)
        if not np.isfinite(gains).all():
            raise RangeError(f"a time constant is too small for dt = {neuron.dt} s: no charge of a spike, in {layer.W.dtype}, gives its membrane")
        gains = gains * pattern.alive.astype(layer.W.dtype)                  # nothing reaches the membrane of a dead neuron
        rows = split_rows(load_weights(correction * layer.W, layer.spiking, levels), pattern.synapse_exc, pattern.synapse_inh)
        recurrent = None
        if layer.R is not None:
            recurrent = gains * split_rows(load_weights(correction * layer.R, True, levels), pattern.recurrent_exc, pattern.recurrent_inh)
        threshold = neuron.threshold * pattern.threshold
        if threshold_noise is not None:
            threshold = threshold * (1 + self.variation.batch_threshold * threshold_noise)
        return Circuits(tau_mem=neuron.tau_mem * pattern.tau_mem,
                        tau_exc=neuron.tau_syn * pattern.tau_exc,
                        tau_inh=neuron.tau_syn * pattern.tau_inh,
                        leak=pattern.leak,
                        threshold=np.where(pattern.alive & layer.spiking, threshold, np.inf),
                        reset=pattern.reset,
                        refractory=self.refractory * pattern.refractory,
                        sample_time=(pattern.sample_time + self.sample_offset) * neuron.dt,
                        weights=rows * gains,
                        recurrent=recurrent)

    def noise(self, network, x, rng):
        """One Noise a layer, drawn from rng; or rng itself where it already is that. SPEC C5, C8."""
        dtype = network.layers[0].W.dtype
        shapes = [(*x.shape[:2], layer.W.shape[1]) for layer in network.layers]
        if isinstance(rng, np.random.Generator):
            return draw_noise(rng, shapes, dtype, self.variation)
        check_noise(rng, shapes, dtype, self.variation)
        return list(rng)

    def check_network(self, network):
        """Raise ShapeError unless the chip has been drawn for the network's layers."""
        drawn = [(pattern.synapse_exc.shape, pattern.recurrent_exc is not None) for pattern in self.pattern]
        wanted = [(layer.W.shape, layer.R is not None) for layer in network.layers]
        if drawn != wanted:
            raise ShapeError(f"this chip was drawn for layers of {[s for s, _ in drawn]} but the network has {[s for s, _ in wanted]}"
                             + ("" if [s for s, _ in drawn] != [s for s, _ in wanted] else " with other recurrence"))
