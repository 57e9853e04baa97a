"""The chip as a whole: it takes an ideal network and input spikes, and returns the trace that its analog neurons made (C1-C8)."""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.chip.dynamics import Circuits, Grid, arriving_input, charge, membrane_kicks, run_circuits, transfer
from refsnn.chip.noise import check_noise, draw_noise
from refsnn.chip.readout import bin_spikes, convert
from refsnn.chip.synapses import load_weights, split_rows
from refsnn.chip.variation import Variation, draw_pattern, drift_pattern
from refsnn.errors import ShapeError, check_count, check_number, check_type
from refsnn.spec.network import Network, check_input
from refsnn.spec.trace import Trace

NEURONS = 256   # logical neurons, two circuits each
INPUTS = 256    # signed inputs, two rows each


@dataclass(frozen=True, eq=False)
class Chip:
    """One emulated chip: its fixed pattern, its noise, and the grid on which it is simulated. SPEC C1-C8.

    pattern: one FixedPattern a layer. substeps: M, grid steps in a dt. refractory in seconds, nominal. Made by Chip.sample.
    """

    pattern: tuple
    variation: Variation
    substeps: int = 8
    refractory: float = 2e-6

    def __post_init__(self):
        check_count("substeps", self.substeps)
        check_number("refractory", self.refractory, low=0)

    @classmethod
    def sample(cls, rng, network, variation=Variation.calibrated(), substeps=8, refractory=2e-6):
        """Draw a chip for `network`; rng: a numpy Generator.

        Raises DtypeError, RangeError, and ShapeError where the network is too large for one chip.
        """
        check_type("rng", rng, np.random.Generator)
        check_type("network", network, Network)
        check_type("variation", variation, Variation)
        check_capacity(network)
        return cls(draw_pattern(rng, network, variation), variation, substeps, refractory)

    def drifted(self, rng):
        """The same chip some time later: its analog parameters have moved by variation.drift. SPEC C8."""
        check_type("rng", rng, np.random.Generator)
        return replace(self, pattern=tuple(drift_pattern(rng, pattern, self.variation.drift) for pattern in self.pattern))

    def forward(self, network, x, rng):
        """Run the chip: x (T, B, M) -> a tuple with one Trace a layer, as forward of the ideal model returns. SPEC C1-C8.

        rng: a numpy Generator for the noise, or the noise itself: one Noise a layer (then variation must have neither
        spike_jitter nor lost_events, whose draws belong to single spikes). Computes in the dtype of the weights. Raises
        ShapeError, DtypeError, RangeError.
        """
        check_input(network, x)
        self.check_network(network)
        grid = Grid(len(x), self.substeps, network.layers[0].neuron.dt)
        trace, events = [], None
        for layer, pattern, noise in zip(network.layers, self.pattern, self.noise(network, x, rng)):
            circuits = self.circuits(layer, pattern, noise.threshold)
            kicks = None if noise.membrane is None else membrane_kicks(noise.membrane, circuits, grid, self.variation.membrane_noise)
            drive = arriving_input(x, charge(circuits.weights, circuits, grid.h)) if events is None else None
            samples, events = run_circuits(circuits, grid, (x.shape[1], layer.W.shape[1]), drive, events, kicks)
            trace.append(self.record(layer, pattern, samples, events, grid, noise, rng))
        return tuple(trace)

    def record(self, layer, pattern, samples, events, grid, noise, rng):
        """What the host gets of one layer: the Trace. SPEC C5, C6, C8."""
        read = None if noise.read is None else noise.read * samples.dtype.type(self.variation.read_noise)
        membrane = convert(samples, self.variation.converter_lsb, pattern.converter_gain, pattern.converter_offset, read)
        if not layer.spiking:
            return Trace(membrane)
        spikes = bin_spikes(events, grid, samples.shape, samples.dtype, self.variation.spike_jitter, self.variation.lost_events, rng)
        return Trace(membrane, spikes)

    def circuits(self, layer, pattern, threshold_noise=None):
        """The layer's analog neurons: nominal parameters, the network's weights, and this chip's pattern. SPEC C1, C3, C7, C8."""
        neuron, levels = layer.neuron, self.variation.weight_levels
        kappa = 1 / transfer(neuron.dt, neuron.tau_mem, neuron.tau_syn)
        gains = (kappa * np.stack([pattern.gain_exc, pattern.gain_inh]))[:, None].astype(layer.W.dtype)     # (2, 1, N)
        rows = split_rows(load_weights(layer.W, layer.spiking, levels), pattern.synapse_exc, pattern.synapse_inh)
        recurrent = None
        if layer.R is not None:
            recurrent = gains * split_rows(load_weights(layer.R, True, levels), pattern.recurrent_exc, pattern.recurrent_inh)
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
                        sample_time=pattern.sample_time * neuron.dt,
                        weights=gains * rows * pattern.alive.astype(layer.W.dtype),
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


def check_capacity(network):
    """Raise ShapeError where a network needs more than one chip has: 256 neurons in all, and 256 signed inputs a neuron. SPEC C1.

    A recurrent neuron's inputs are those from below and those from its own layer.
    """
    neurons = sum(layer.W.shape[1] for layer in network.layers)
    inputs = max(layer.W.shape[0] + (0 if layer.R is None else layer.R.shape[0]) for layer in network.layers)
    if neurons > NEURONS or inputs > INPUTS:
        runs = -(-neurons // NEURONS) * -(-inputs // INPUTS)
        raise ShapeError(f"the network has {neurons} neurons with up to {inputs} signed inputs each; one chip has {NEURONS} neurons "
                         f"with {INPUTS} inputs each (256-246-10 fits): it would take at least {runs} runs of its parts")
