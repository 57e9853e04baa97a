"""The chip as a whole: it takes an ideal network and input spikes, and returns the trace that its analog neurons made (C1-C7)."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from refsnn.chip.dynamics import Circuits, arriving_events, arriving_input, run_circuits, transfer
from refsnn.chip.readout import bin_spikes, convert
from refsnn.chip.synapses import load_weights
from refsnn.chip.variation import Variation, draw_pattern
from refsnn.errors import DtypeError, ShapeError, check_count, check_float_array, check_number, check_same_dtype, describe
from refsnn.spec.network import check_input
from refsnn.spec.trace import Trace


@dataclass(frozen=True, eq=False)
class Chip:
    """One emulated chip: its fixed pattern, how it digitises, and the grid on which it is simulated. SPEC C1-C7.

    pattern: one FixedPattern a layer. substeps: M, grid steps in a dt. refractory in seconds, rounded to the grid. Made by Chip.sample.
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
        """Draw a chip with neurons for `network`; rng: a numpy Generator. Raises DtypeError, RangeError."""
        if not isinstance(variation, Variation):
            raise DtypeError(f"variation is {describe(variation)}; it must be a Variation")
        return cls(draw_pattern(rng, network, variation), variation, substeps, refractory)

    def forward(self, network, x, rng):
        """Run the chip: x (T, B, M) -> a tuple with one Trace a layer, as forward of the ideal model returns. SPEC C1-C6.

        rng: a numpy Generator for the read noise, or the noise itself: one array (T, B, N) a layer, in LSB. Computes in the dtype of the weights.
        Raises ShapeError, DtypeError, RangeError.
        """
        check_input(network, x)
        self.check_network(network)
        trace, arriving = [], None
        for layer, pattern, noise in zip(network.layers, self.pattern, self.read_noise(network, x, rng)):
            W, R = self.weights(layer)
            T, B, N = len(x), x.shape[1], W.shape[1]
            if arriving is None:
                drive = x @ W                                                        # (T, B, N)
                arriving = partial(arriving_input, drive, substeps=self.substeps)
            else:
                arriving = partial(arriving_events, events, weights=W, B=B)
            circuits = self.circuits(layer, pattern)
            samples, events = run_circuits(circuits, arriving, T, self.substeps, layer.neuron.dt, (B, N), W.dtype, R)
            spikes = bin_spikes(events, self.substeps, samples.shape, W.dtype) if layer.spiking else None
            trace.append(Trace(convert(samples, noise, self.variation.converter_lsb), spikes))
        return tuple(trace)

    def weights(self, layer):
        """W and R of a layer as the chip holds them: digitised, in the model's unit. SPEC C1."""
        levels = self.variation.weight_levels
        return (load_weights(layer.W, layer.spiking, levels), None if layer.R is None else load_weights(layer.R, True, levels))

    def circuits(self, layer, pattern):
        """The layer's analog neurons: nominal parameters times this chip's factors. SPEC C3, C7."""
        neuron = layer.neuron
        return Circuits(tau_mem=neuron.tau_mem * pattern.tau_mem,
                        tau_syn=neuron.tau_syn * pattern.tau_syn,
                        kappa=pattern.gain / transfer(neuron.dt, neuron.tau_mem, neuron.tau_syn),
                        threshold=neuron.threshold * pattern.threshold if layer.spiking else np.full_like(pattern.threshold, np.inf),
                        refractory=self.refractory)

    def read_noise(self, network, x, rng):
        """One noise array (T, B, N) a layer in LSB, drawn from rng, or None; or rng itself where it already is those arrays. SPEC C5."""
        shapes = [(*x.shape[:2], layer.W.shape[1]) for layer in network.layers]
        dtype = network.layers[0].W.dtype
        if isinstance(rng, np.random.Generator):
            if self.variation.read_noise == 0:
                return [None] * len(shapes)
            return [dtype.type(self.variation.read_noise) * rng.standard_normal(shape, dtype) for shape in shapes]
        if not isinstance(rng, (list, tuple)):
            raise DtypeError(f"rng is {describe(rng)}; it must be a numpy Generator, or a list with one noise array a layer")
        for index, noise in enumerate(rng):
            check_float_array(f"noise[{index}]", noise, 3)
            check_same_dtype(f"noise[{index}]", noise, dtype)
        if [noise.shape for noise in rng] != shapes:
            raise ShapeError(f"the noise arrays have shapes {[noise.shape for noise in rng]}; they must be {shapes}")
        return list(rng)

    def check_network(self, network):
        """Raise ShapeError unless the chip has been drawn for as many layers and neurons as the network has."""
        drawn, wanted = [len(p.gain) for p in self.pattern], [layer.W.shape[1] for layer in network.layers]
        if drawn != wanted:
            raise ShapeError(f"this chip was drawn for layers of {drawn} neurons but the network has {wanted}")
