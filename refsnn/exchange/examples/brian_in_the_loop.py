"""Training in the loop with a Brian2 simulation as the hardware. Needs Brian2.

    python -m refsnn.exchange.examples.brian_in_the_loop

The simulation is what a chip is to this library: somebody else's neurons. They run in continuous time on a grid of dt/4, each with time constants
and a threshold of its own, spike at any grid point, reset hard, and are refractory for 2 us. What is known of a run is its recording, one .npz as
refsnn.exchange.recordings lays it out: a list of spikes (time, unit, sample), and membranes sampled at k dt. load_trace makes the trace of it, and
loss_and_gradient the gradient, by the ideal model, which knows nothing of Brian2 nor of the mismatch.

The task: three classes, each with its own order in which ten inputs spike, jittered.

A step k of Brian2's takes the membranes from k h to (k + 1) h, then looks at the thresholds, then delivers the events of k h. So all its events
come one grid step late, inputs, spikes and samples alike: a sample taken in step k, before the thresholds, belongs to k h.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from refsnn import Layer, Network, NeuronParameters, Objective, Surrogate, loss_and_gradient
from refsnn.chip.dynamics import transfer
from refsnn.errors import RefsnnError
from refsnn.exchange.recordings import list_events, load_trace
from refsnn.spec import adam_start, parameters, scores
from refsnn.spec.optim import update

STEPS, INPUTS, CLASSES, SUBSTEPS = 20, 10, 3, 4
EQUATIONS = """dV/dt = -V/tau_mem + I : 1 (unless refractory)
               dI/dt = -I/tau_syn : Hz
               tau_mem : second
               tau_syn : second
               theta : 1"""


class Hardware:
    """A network of fixed sizes and a fixed batch in Brian2; every neuron draws its parameters once, the same in all samples."""

    def __init__(self, network, batch, rng):
        self.dt, self.batch, self.brian = network.layers[0].neuron.dt, batch, package()
        brian = self.brian
        brian.prefs.codegen.target = "numpy"
        brian.start_scope()
        brian.defaultclock.dt = self.dt / SUBSTEPS * brian.second
        self.source = brian.SpikeGeneratorGroup(batch * network.layers[0].W.shape[0], [], [] * brian.second)
        self.groups, self.synapses, below = [], [], self.source
        for layer in network.layers:
            self.groups.append(neurons(brian, layer, batch, rng))
            self.synapses.append(connections(brian, below, self.groups[-1], layer.W.shape))
            below = self.groups[-1]
        self.samples = [brian.StateMonitor(group, "V", record=True, dt=self.dt * brian.second, when="after_groups") for group in self.groups]
        self.spikes = [brian.SpikeMonitor(group) for group in self.groups[:-1]]
        self.all = brian.Network(self.source, self.groups, self.synapses, self.samples, self.spikes)
        self.all.store()

    def record(self, network, x, path):
        """Run the input x (T, B, M) through the weights of a network; the recording goes to a file."""
        self.all.restore()
        brian = self.brian
        times, units, samples = list_events(x, self.dt)
        self.source.set_spikes(samples * x.shape[2] + units, times * brian.second)
        for synapses, layer in zip(self.synapses, network.layers):
            kappa = 1 / transfer(self.dt, layer.neuron.tau_mem, layer.neuron.tau_syn)            # a weight of 1 is V = 1 after dt
            M, N = layer.W.shape
            synapses.w = kappa * layer.W[np.asarray(synapses.i) % M, np.asarray(synapses.j) % N] * brian.Hz
        self.all.run(len(x) * self.dt * brian.second)
        arrays = {"dt": np.array(self.dt)}
        for l, monitor in enumerate(self.samples):
            V = np.asarray(monitor.V)                                                             # (B N, T)
            arrays[f"V{l}"] = V.T.reshape(len(x), self.batch, -1)                                 # (T, B, N)
        for l, monitor in enumerate(self.spikes):
            N = network.layers[l].W.shape[1]
            arrays |= {f"times{l}": np.asarray(monitor.t / brian.second), f"units{l}": np.asarray(monitor.i) % N,
                       f"samples{l}": np.asarray(monitor.i) // N}
        np.savez(path, **arrays)


def neurons(brian, layer, batch, rng):
    """A layer, once for every sample: index sample N + neuron. Time constants spread by 10 %, thresholds by 5 %; a readout never spikes."""
    N, neuron = layer.W.shape[1], layer.neuron
    group = brian.NeuronGroup(batch * N, EQUATIONS, threshold="V > theta", reset="V = 0", refractory=2 * brian.us, method="exact")
    for name, value, spread in (("tau_mem", neuron.tau_mem, 0.1), ("tau_syn", neuron.tau_syn, 0.1), ("theta", neuron.threshold, 0.05)):
        unit = 1 if name == "theta" else brian.second
        setattr(group, name, np.tile(value * (1 + spread * rng.standard_normal(N)), batch) * unit)
    if not layer.spiking:
        group.theta = np.inf
    return group


def connections(brian, below, above, shape):
    """Every unit of a sample below to every neuron of that sample above."""
    synapses = brian.Synapses(below, above, "w : Hz", on_pre="I_post += w")
    synapses.connect(condition=f"i // {shape[0]} == j // {shape[1]}")
    return synapses


def patterns(rng, batch):
    """(x (T, B, M), labels (B,)): each class has its own time for every input, from 0 to 7; a sample jitters it by up to 1."""
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(INPUTS) * 8 // INPUTS, (CLASSES, 1)), axis=1)         # (K, M)
    labels = rng.integers(0, CLASSES, batch)
    times = (orders[labels] + rng.integers(-1, 2, (batch, INPUTS))).clip(0)                       # (B, M)
    return (times == np.arange(STEPS)[:, None, None]).astype(float), labels


def train(steps=60, batch=60, hidden=24, seed=0, rate=0.02):
    """Train in the loop: a list with the accuracy of every batch before its update; and the network."""
    rng = np.random.default_rng(seed)
    neuron = NeuronParameters()
    W, W_out = rng.normal(0.05, 0.15, (INPUTS, hidden)), rng.normal(0, 0.1, (hidden, CLASSES))
    network = Network((Layer(W, None, neuron), Layer(W_out, None, neuron, spiking=False)))
    hardware, state, accuracies = Hardware(network, batch, rng), adam_start(parameters(network.layers)), []
    objective, surrogate = Objective(readout_scale=3.0, weight=0.0), Surrogate(20.0, spike_aware=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.npz"
        for _ in range(steps):
            x, labels = patterns(rng, batch)
            hardware.record(network, x, path)
            trace = load_trace(path)
            accuracies.append(float(np.mean(scores(trace[-1].membrane, objective).argmax(axis=1) == labels)))
            _, gradient, _ = loss_and_gradient(network, x, labels, trace, objective, surrogate)
            network, state = update(network, gradient, state, rate)
    return accuracies, network


def package():
    """The package brian2. Raises RefsnnError where it is missing."""
    try:
        import brian2
    except ImportError:
        raise RefsnnError("this example needs Brian2: pip install brian2") from None
    return brian2


def main():
    """Train, and print the accuracy over the steps."""
    try:
        accuracies, _ = train()
    except RefsnnError as error:
        print(error, file=sys.stderr)
        return 2
    for first in range(0, len(accuracies), 10):
        print(f"steps {first:3} to {first + 9:3}   accuracy {100 * np.mean(accuracies[first:first + 10]):.1f} %", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
