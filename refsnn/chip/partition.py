"""A network larger than one chip, on one chip: its parts run one after another, and the trace passes between them (C1).

    part      some neurons of one layer, as many as the chip holds: one run of the chip
    joined    circuits of ceil(I / 256) neurons serve as one neuron with I inputs

Layer by layer, from the input up: every part of a layer receives the same spikes, those that the host recorded of the layer below, time step by time
step; and all parts use the same circuits again, so every fixed imperfection is met again too. A recorded spike of bin k arrives at k dt, as an input
spike of time step k does, where within one chip it would have arrived at its own time; only there do parts differ from one large chip. Neurons of
one layer that is not recurrent know nothing of each other, so cutting such a layer changes nothing.

That joined circuits behave as the first of them, with the synapses of all, is an assumption.

Source: Cramer, Billaudelle et al., PNAS 119(4) e2109194119 (2022), for the chip's size and the joining of circuits; running in parts is ours.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from refsnn.chip.cost import INPUTS, NEURONS, inputs_of, runs_of
from refsnn.chip.noise import draw_noise
from refsnn.chip.settings import Settings
from refsnn.chip.substrate import Chip
from refsnn.chip.variation import FixedPattern, Variation, draw_layer
from refsnn.errors import DtypeError, ShapeError, check_type, describe
from refsnn.events import Events, input_events
from refsnn.spec.network import Layer, Network
from refsnn.spec.neuron import NeuronParameters
from refsnn.spec.trace import Trace

ROWS = ("synapse_exc", "synapse_inh")        # (M, N) of a FixedPattern; all its other arrays are (N,)


@dataclass(frozen=True, eq=False)
class PartedChip:
    """One emulated chip that runs a network in parts. SPEC C1.

    parts: for every layer a tuple of pairs (slice of its neurons, Chip of one layer: the circuits that run them). Made by PartedChip.sample. Raises DtypeError, ShapeError.
    """

    parts: tuple
    variation: Variation

    def __post_init__(self):
        check_type("variation", self.variation, Variation)
        of_layers = self.parts if isinstance(self.parts, (list, tuple)) else (None,)
        if not of_layers or not all(isinstance(layer, (list, tuple)) and layer and all(map(is_part, layer)) for layer in of_layers):
            raise DtypeError(f"parts is {describe(self.parts)}; it must be, for every layer, a tuple of pairs (slice, Chip)")
        for index, layer in enumerate(self.parts):
            ends = np.cumsum([0, *(len(chip.pattern[0].leak) for _, chip in layer)]).tolist()
            if [neurons for neurons, _ in layer] != [slice(*pair) for pair in zip(ends, ends[1:])]:
                raise ShapeError(f"parts[{index}] has {[neurons for neurons, _ in layer]}; the chips hold the neurons up to {ends[1:]}, one after the other")

    @classmethod
    def sample(cls, rng: "np.random.Generator", network: Network, variation: Variation = Variation.calibrated(), substeps: int = 8,
               refractory: float = 2e-6, sample_offset: float = 0.0, spike_shift: float = 0.0) -> "PartedChip":
        """Draw the chip, with all settings nominal, and assign its circuits to the parts of `network`; arguments as of Chip.sample.

        Raises DtypeError, RangeError; ShapeError for what cannot run in parts either, see refsnn.chip.cost.runs_of.
        """
        check_type("rng", rng, np.random.Generator)
        check_type("network", network, Network)
        check_type("variation", variation, Variation)
        runs_of(network)                     # raises what cannot run in parts
        whole = draw_layer(rng, Layer(np.zeros((INPUTS, NEURONS))), variation)

        def chip(layer, neurons):
            """The circuits that run these neurons of a layer, from the first of the chip on."""
            pattern = circuits_for(whole, layer, neurons.stop - neurons.start)
            return Chip((pattern,), variation, (Settings.nominal(len(pattern.leak)),), substeps, refractory, sample_offset, spike_shift)

        parts = tuple(tuple((neurons, chip(layer, neurons)) for neurons in cut(layer)) for layer in network.layers)
        return cls(parts, variation)

    def forward(self, network: Network, x, rng: "np.random.Generator") -> tuple[Trace, ...]:
        """Run the network in its parts: x (T, B, M), dense or Events -> a tuple with one Trace a layer, as Chip.forward. SPEC C1-C8.

        rng: a numpy Generator. Raises ShapeError, DtypeError, RangeError.
        """
        check_type("rng", rng, np.random.Generator)
        events = input_events(network, x)
        self.check_network(network)
        trace = []
        for layer, parts in zip(network.layers, self.parts):
            trace.append(together([run(chip, part_of(layer, neurons), events, rng) for neurons, chip in parts]))
            if layer.spiking:
                events = Events.of(trace[-1].spikes)         # all that the next layer gets is what was recorded
        return tuple(trace)

    def check_network(self, network):
        """Raise ShapeError unless the chip's parts are those of the network."""
        drawn = [(sum(len(chip.pattern[0].leak) for _, chip in parts), parts[0][1].pattern[0].recurrent_exc is not None) for parts in self.parts]
        wanted = [(layer.W.shape[1], layer.R is not None) for layer in network.layers]
        inputs = self.parts[0][0][1].pattern[0].synapse_exc.shape[0]
        if drawn != wanted or inputs != network.layers[0].W.shape[0]:
            raise ShapeError(f"this chip was cut in parts for {inputs} inputs and layers (neurons, recurrent) {drawn}; the network has "
                             f"{network.layers[0].W.shape[0]} and {wanted}")


def is_part(pair):
    """Whether something is a pair (slice, Chip)."""
    return isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], slice) and isinstance(pair[1], Chip)


def joined_of(layer):
    """The circuits that a neuron of a layer takes: ceil(I / 256)."""
    return -(-inputs_of(layer) // INPUTS)


def cut(layer):
    """The neurons of a layer as slices, each as many as one run of the chip holds. SPEC C1.

    >>> cut(Layer(np.zeros((256, 492))))
    [slice(0, 256, None), slice(256, 492, None)]
    """
    N, held = layer.W.shape[1], NEURONS // joined_of(layer)
    return [slice(first, min(first + held, N)) for first in range(0, N, held)]


def part_of(layer, neurons):
    """The layer of some neurons of a layer, a slice; a recurrent layer is never cut."""
    own = {name: getattr(layer.neuron, name) for name in ("tau_mem", "tau_syn", "threshold")}
    neuron = NeuronParameters(**{name: value[neurons] if np.ndim(value) else value for name, value in own.items()}, dt=layer.neuron.dt)
    return replace(layer, W=np.ascontiguousarray(layer.W[:, neurons]), neuron=neuron)


def circuits_for(whole, layer, n):
    """The FixedPattern of n neurons of a layer: from `whole`, that of all circuits of the chip, neuron i takes numbers i j .. i j + j - 1,
    j = joined_of(layer). Its inputs, first those from below and then those from its own layer, take the rows of these in turn."""
    joined, (M, I) = joined_of(layer), (layer.W.shape[0], inputs_of(layer))
    first = np.arange(n) * joined                                                # (n,)
    rows = np.arange(I)[:, None]                                                 # (I, 1)
    synapses = {name: getattr(whole, name)[rows % INPUTS, first + rows // INPUTS] for name in ROWS}      # (I, n)
    recurrent = [None, None] if layer.R is None else [synapses[name][M:] for name in ROWS]
    rows_of = {name: synapses[name][:M] for name in ROWS} | dict(zip(("recurrent_exc", "recurrent_inh"), recurrent))
    own = {field.name: getattr(whole, field.name)[first] for field in fields(FixedPattern) if field.name not in rows_of}
    return FixedPattern(**own, **rows_of)


def run(chip, layer, events, rng):
    """One run of the chip: the Trace of one part, driven by Events."""
    noise, = draw_noise(rng, [(*events.shape[:2], layer.W.shape[1])], layer.W.dtype, chip.variation)
    recording, _ = chip.run(0, layer, events, None, noise, rng)
    return recording.trace(chip.variation.converter_lsb, chip.settings[0].membrane_scale)


def together(traces):
    """The Trace of a layer from those of its parts."""
    if len(traces) == 1:
        return traces[0]
    spikes = None if traces[0].spikes is None else np.concatenate([trace.spikes for trace in traces], axis=2)
    return Trace(np.concatenate([trace.membrane for trace in traces], axis=2), spikes)
