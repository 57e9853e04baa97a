"""How far the emulated chip is from exact continuous time: its grid against the event-driven oracle.

    python -m refsnn.verify.convergence          # prints the error of spike times and membranes for M = 2 .. 64

The chip looks at the threshold on a grid of h = dt / M, so a first spike is late by less than h. Membranes differ where a sample falls
between a crossing and its detection; their root mean square error falls about with the root of h.
"""

from dataclasses import replace

import numpy as np

from refsnn.chip import Chip, Variation
from refsnn.chip.dynamics import Grid, arriving_input, charge, walk
from refsnn.chip.settings import apply_settings
from refsnn.errors import RangeError
from refsnn.events import Events
from refsnn.spec.network import Network
from refsnn.verify.exact import Neurons, simulate


def chip_run(chip, network, x):
    """The first layer of a chip without its noise: (times, units, membranes) a sample, times in seconds sorted, membranes (T, N) at k dt."""
    layer = network.layers[0]
    circuits = chip.circuits(layer, apply_settings(chip.pattern[0], chip.settings[0], layer.neuron.threshold))
    grid = Grid(len(x), chip.substeps, layer.neuron.dt)
    shape = (x.shape[1], layer.W.shape[1])
    samples, spikes = walk(circuits, grid, shape, drive=arriving_input(Events.of(x), charge(circuits.weights, circuits, grid.h)))
    sample, unit = np.divmod(spikes.index, shape[1])                               # (E,)
    # a crossing within grid step g shows at its end
    return [((spikes.step[sample == b] + 1) * grid.h, unit[sample == b], samples[:, b]) for b in range(shape[0])]


def exact_run(chip, network, x):
    """The same in exact continuous time, as chip_run gives it. Needs scipy."""
    layer = network.layers[0]
    circuits = chip.circuits(layer, apply_settings(chip.pattern[0], chip.settings[0], layer.neuron.threshold))
    neurons = Neurons(circuits.tau_mem, circuits.tau_exc, circuits.tau_inh, np.minimum(circuits.threshold, 1e9), circuits.leak, circuits.reset,
                      circuits.refractory)
    recurrent = None if circuits.recurrent is None else circuits.recurrent.sum(axis=0)
    dt, runs = layer.neuron.dt, []
    for b in range(x.shape[1]):
        step, unit = np.nonzero(x[:, b])
        result = simulate(neurons, circuits.weights.sum(axis=0), (step * dt, unit), len(x) * dt, recurrent, np.arange(len(x)) * dt)
        runs.append((result.times, result.units, result.samples))
    return runs


def first_spikes(run, N):
    """The time of each neuron's first spike in a run, inf where it has none: (N,)."""
    times, units, _ = run
    first = np.full(N, np.inf)
    np.minimum.at(first, units, times)
    return first


def errors(chip, network, x):
    """How the chip differs from exact time, over all samples of x (T, B, M), for a chip of one feed-forward layer and its
    readout.

    Returns a dict: late (E,), by how many seconds each neuron's first spike is late; spikes, the counts (chip, exact);
    membrane, the root mean square difference of the membranes in theta.
    """
    if chip.sample_offset or any(pattern.sample_time.any() for pattern in chip.pattern):
        raise RangeError("the exact run is sampled at k dt: the chip must be, too (sample_offset and variation.sample_time 0)")
    N = network.layers[0].W.shape[1]
    late, counts, squares = [], np.zeros(2, int), []
    for own, exact in zip(chip_run(chip, network, x), exact_run(chip, network, x)):
        first_own, first_exact = first_spikes(own, N), first_spikes(exact, N)
        both = np.isfinite(first_own) & np.isfinite(first_exact)
        late.append(first_own[both] - first_exact[both])
        counts += len(own[0]), len(exact[0])
        squares.append(np.mean((own[2] - exact[2]) ** 2))
    return {"late": np.concatenate(late), "spikes": tuple(counts.tolist()), "membrane": float(np.sqrt(np.mean(squares)))}


def example(substeps, seed=0):
    """A chip with a calibrated pattern, a network that spikes often, and input: (chip, network, x)."""
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, (40, 30, 4))
    network = network.with_parameters([rng.normal(0.05, 0.2, (40, 30)).clip(-0.26, 0.26), network.layers[1].W])
    x = (rng.random((20, 20, 40)) < 0.1).astype(float)
    return replace(Chip.sample(rng, network, replace(Variation.calibrated(), sample_time=0.0)), substeps=substeps), network, x


def main():
    """Print the table."""
    print(" M   mean lateness / h   largest / h   spikes chip, exact   rms membrane error / theta")
    for substeps in (2, 4, 8, 16, 32, 64):
        chip, network, x = example(substeps)
        found, h = errors(chip, network, x), network.layers[0].neuron.dt / substeps
        print(f"{substeps:2}   {found['late'].mean() / h:17.3f}   {found['late'].max() / h:11.3f}   {found['spikes'][0]:10}, {found['spikes'][1]:6}"
              f"   {found['membrane']:.4f}")


if __name__ == "__main__":
    main()
