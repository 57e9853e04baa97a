"""The same as dynamics.walk in a fraction of the time, for the two kinds of layer that need not walk (C3, C4).

`leap`: input on the time steps only, no recurrence (the first layer of a chip). Were there no spikes, the membrane would be linear in all that
comes in, and every neuron could take each dt in one exact step. A spike changes nothing but the membrane, so what it leaves is one decaying
exponential on top of that line: with Z(m) the membrane without any spike, and a refractory time that ends at grid point r,

    U(m) = Z(m) + (reset - Z(r)) exp(-(m - r) h / tau_m)          m >= r, up to the next spike

So first all neurons are run without spikes, dt by dt; those that a bound lets come near their thresholds get Z on all grid points, and then, all
at once, their first spike, their second, and so on.

`read`: no threshold (the readout). An event that arrives at grid point j of a time step is worth c(M - j) of membrane and a(M - j)
of current at its end, so the readout takes whole time steps too.

Both agree with walk to rounding, under test; nothing here is needed to understand the chip.

    symbol    code        unit     shape     meaning
    Z         U, line     theta    (T,B,N), (G,c)  membrane without any spike: on the time steps, on the grid points 1 .. G = T M
    -         active      -        (c,)      flat indices into (B, N) of the neurons that are looked at on the grid
    r         release     -        (n,)      grid point at which a refractory time ends
"""

import numpy as np

from refsnn.chip.dynamics import Firing, Spikes, Step, charge, late_sampling
from refsnn.events import buffers, parts

MARGIN = 1e-4    # theta; leaping and walking round differently, so what comes that near to a threshold is looked at


def leap(circuits, grid, shape, drive, kicks=None):
    """walk for a layer driven on the time steps only, without recurrence: same arguments and results. Changes drive."""
    (B, N), dtype = shape, circuits.weights.dtype
    samples, steps, indices = buffers.take((grid.steps, *shape), dtype), [], []            # (T, B, N)
    for part in parts(B, N, dtype):
        state = (samples[:, part], *(currents[:, part] for currents in drive))             # U, I_exc, I_inh, (T, b, N) each
        run_line(*state, circuits, grid, None if kicks is None else kicks[:, part])
        active = np.flatnonzero(near_threshold(*state, circuits, grid))                    # (c,)
        line = line_on_grid(*(flat(array).take(active, axis=1) for array in state), active % N, circuits, grid)   # (G, c)
        sample_late(*state, circuits, grid)
        sampled = flat(samples[:, part]).take(active, axis=1)                                        # (T, c)
        step, position = fire(line, sampled, active % N, circuits, grid)
        flat(samples[:, part])[:, active] = sampled
        steps.append(step)
        indices.append(active[position] + part.start * N)
    samples[0] = 0
    samples += circuits.leak.astype(dtype)
    step, index = np.concatenate(steps), np.concatenate(indices)
    order = np.lexsort((index, step))
    return samples, Spikes(step[order], index[order])


def flat(array):
    """(T, b, N) as (T, b N), a view."""
    return array.reshape(len(array), -1)


def full(vector, like):
    """A vector (N,) as (b, N) in memory, one copy a sample: numpy works through that twice as fast as through a vector for every row."""
    return np.array(np.broadcast_to(vector, like.shape), order="C")


def run_line(U, I_exc, I_inh, circuits, grid, kicks):
    """Fill U with the membranes without any spike at k dt, and turn the charge that arrives at k dt, I, into the currents from then on. SPEC C3."""
    whole, part = Step.over(grid.dt, circuits, grid.h), np.empty_like(U[0])
    a_exc, a_inh, b, c_exc, c_inh = (full(each, part) for each in (whole.a_exc, whole.a_inh, whole.b, whole.c_exc, whole.c_inh))
    U[0] = 0
    for k in range(1, grid.steps):
        # input
        I_exc[k] += np.multiply(I_exc[k - 1], a_exc, out=part)
        I_inh[k] += np.multiply(I_inh[k - 1], a_inh, out=part)
        # decay, integrate, noise
        np.multiply(U[k - 1], b, out=U[k])
        U[k] += np.multiply(I_exc[k - 1], c_exc, out=part)
        U[k] += np.multiply(I_inh[k - 1], c_inh, out=part)
        if kicks is not None:
            U[k] += kicks[k - 1]


def near_threshold(U, I_exc, I_inh, circuits, grid):
    """Which neurons come near their thresholds in any time step, as far as a bound tells: (b, N), boolean.

    m grid steps after k dt U is b U + c_exc I_exc + c_inh I_inh. As I_inh <= 0, that is at most max(0, U) + c_exc (I_exc + least I_inh)
    with the least c_inh / c_exc of all m, and at most max(0, U) + highest max(0, I_exc + least I_inh). Resets are not asked about: a neuron that was
    never near its threshold has had none.
    """
    steps, bound, positive = on_grid(circuits, grid), np.empty_like(U[0]), np.empty_like(U[0])
    highest, least = full(steps.c_exc.max(axis=0), bound), full((steps.c_inh / steps.c_exc).min(axis=0), bound)
    largest = np.full_like(bound, -np.inf)                                                 # (b, N) of all time steps
    for k in range(grid.steps):
        np.multiply(I_inh[k], least, out=bound)
        bound += I_exc[k]
        np.maximum(bound, 0, out=bound)
        bound *= highest
        bound += np.maximum(U[k], 0, out=positive)
        np.maximum(largest, bound, out=largest)
    return largest > Firing.on(grid, circuits).threshold - U.dtype.type(MARGIN)


def on_grid(circuits, grid):
    """The Steps from k dt to the grid points 1 .. M after it: fields (M, N)."""
    return Step.over(np.arange(1, grid.substeps + 1)[:, None] * grid.h, circuits, grid.h)


def line_on_grid(U, I_exc, I_inh, unit, circuits, grid):
    """The membranes of neurons `unit` (c,) without any spike at all grid points, from what they are at k dt, (T, c) each: (G, c). SPEC C3.

    At k dt itself it is the membrane before the noise of that instant.
    """
    steps = on_grid(circuits, grid)
    b, c_exc, c_inh = (table.take(unit, axis=1) for table in (steps.b, steps.c_exc, steps.c_inh))          # (M, c)
    line, part = np.empty((grid.steps, *b.shape), b.dtype), np.empty_like(b)               # (T, M, c), (M, c)
    for k in range(grid.steps):
        np.multiply(b, U[k], out=line[k])
        line[k] += np.multiply(c_exc, I_exc[k], out=part)
        line[k] += np.multiply(c_inh, I_inh[k], out=part)
    return line.reshape(grid.steps * grid.substeps, len(unit))


def sample_late(U, I_exc, I_inh, circuits, grid):
    """Turn membranes at k dt into those at k dt + sample_time, in place. SPEC C5."""
    late, part = Step.over(circuits.sample_time, circuits, grid.h), np.empty_like(U[0])
    b, c_exc, c_inh = (full(each, part) for each in (late.b, late.c_exc, late.c_inh))
    for k in range(grid.steps):
        U[k] *= b
        U[k] += np.multiply(I_exc[k], c_exc, out=part)
        U[k] += np.multiply(I_inh[k], c_inh, out=part)


def fire(line, sampled, unit, circuits, grid):
    """Find all spikes of neurons `unit` (c,) from line (G, c), and put their resets into sampled (T, c). SPEC C4.

    Returns the spikes' grid steps (E,) and their positions among the c neurons (E,).
    """
    firing, (whole, _) = Firing.on(grid, circuits), late_sampling(circuits, grid)
    end, dtype = len(line) + 1, line.dtype
    first = first_true(line > firing.threshold[unit]) + 1                                  # (c,) grid point of the first spike, or `end`
    own, steps, positions = np.arange(len(unit)), [], []                                   # own (n,): who is looked at
    while True:
        spiked = np.flatnonzero(first < end)
        own, first = own[spiked], first[spiked]
        steps.append(first - 1)
        positions.append(own)
        if not len(own):
            return np.concatenate(steps), np.concatenate(positions)
        neuron = unit[own]                                                                 # (n,)
        # reset, held in the refractory time
        reset, release = firing.reset[neuron], first + firing.hold[neuron]                 # (n,)
        taken = reset - line[np.minimum(release, end - 1) - 1, own]                        # (n,) reset - Z(r)
        # threshold
        lag = np.arange(max(end - release.min(), 0))[:, None]                              # (g, 1)
        place = (release - 1 + lag) * len(unit) + own                                      # (g, n) beyond the end it is anything: no spike counts there
        path = np.exp((-grid.h / circuits.tau_mem[neuron]).astype(dtype) * lag.astype(dtype))
        path *= taken
        path += line.reshape(-1).take(place, mode="clip")
        following = np.minimum(release + first_true(path > firing.threshold[neuron]), end)
        # record: samples that fall into the refractory time, and those between it and the next spike
        due = np.arange(grid.steps)[:, None] * grid.substeps + whole[neuron]               # (T, n) the grid step of every sample
        since = np.arange(grid.steps)[:, None] * grid.dt + (circuits.sample_time[neuron] - release * grid.h)         # (T, n) seconds
        added = taken * np.exp(np.minimum(-since / circuits.tau_mem[neuron], 0)).astype(dtype)
        seen = sampled[:, own]                                                             # (T, n)
        seen += np.where((due >= release) & (due < following), added, 0)
        sampled[:, own] = np.where((due >= first) & (due < release), reset, seen)
        first = following


def first_true(array):
    """The first row of array (g, n), boolean, in which a column is True, and g where none is: (n,)."""
    if not len(array):
        return np.zeros(array.shape[1], int)
    first = array.argmax(axis=0)
    return np.where(array[first, np.arange(array.shape[1])], first, len(array))


def read(circuits, grid, shape, below, kicks=None):
    """walk for a layer without threshold, driven by the Spikes of the layer below: returns its samples (T, B, N)."""
    dtype, M, (B, N) = circuits.weights.dtype, grid.substeps, shape
    k, j = np.divmod(below.step + 1, M)                               # (E,) an event of grid step g arrives at (g + 1) h
    sample, unit = np.divmod(below.index, circuits.weights.shape[1])  # (E,)
    arriving = charge(circuits.weights, circuits, grid.h)[:, unit]    # (2, E, N)
    points = np.arange(M)[:, None]
    rest = Step.over((M - points) * grid.h, circuits, grid.h)                              # (M, N) from the event to the end of its dt
    seen = Step.over(np.maximum(circuits.sample_time - points * grid.h, 0), circuits, grid.h)          # to the sample; c = 0 if that is before
    parts = np.stack([seen.c_exc[j] * arriving[0] + seen.c_inh[j] * arriving[1], rest.c_exc[j] * arriving[0] + rest.c_inh[j] * arriving[1],
                      rest.a_exc[j] * arriving[0], rest.a_inh[j] * arriving[1]], axis=1)           # (E, 4, N) of sample, U, I_exc, I_inh
    # summed over the events of one time step and sample
    place = k * B + sample                                                                 # (E,)
    order = np.argsort(place, kind="stable")
    first = np.flatnonzero(np.diff(place[order], prepend=-1))
    jumps = np.zeros(((grid.steps + 1) * B, 4, N), dtype)
    jumps[place[order[first]]] = np.add.reduceat(parts[order], first, axis=0) if len(first) else 0
    jumps = jumps.reshape(grid.steps + 1, B, 4, N)
    whole, late = Step.over(grid.dt, circuits, grid.h), Step.over(circuits.sample_time, circuits, grid.h)
    U, I_exc, I_inh = (np.zeros(shape, dtype) for _ in range(3))                           # (B, N)
    samples = np.empty((grid.steps, *shape), dtype)                                        # (T, B, N)
    for k in range(grid.steps):
        samples[k] = late.membrane(U, I_exc, I_inh) + jumps[k, :, 0]
        whole.take(U, I_exc, I_inh)
        for state, jump in zip((U, I_exc, I_inh), (1, 2, 3)):
            state += jumps[k, :, jump]
        if kicks is not None:
            U += kicks[k]
    samples[0] = 0
    return samples + circuits.leak.astype(dtype)
