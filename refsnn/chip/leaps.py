"""The same as dynamics.walk in a fraction of the time, for the two kinds of layer that need not walk (C3, C4).

`leap`: input on the time steps only, no recurrence (the first layer of a chip). Were there no spikes, the membrane would be linear in all that
comes in, and every neuron could take each dt in one exact step. A spike changes nothing but the membrane, so what it leaves is one decaying
exponential on top of that line: with Z(m) the membrane without any spike, and a refractory time that ends at grid point r,

    U(m) = Z(m) + (reset - Z(r)) exp(-(m - r) h / tau_m)          m >= r, up to the next spike

and U(m) > theta exactly where Y(m) > Y(r) + (theta - reset) exp(r h / tau_m), with Y(m) = (Z(m) - theta) exp(m h / tau_m): seen as Y, a reset is a step
of the threshold. So first all neurons are run without spikes, dt by dt; those that a bound lets come near their thresholds get Y on all grid
points, and then, all at once, their first spike, their second, and so on.

`read`: no threshold (the readout). An event that arrives at grid point j of a time step is worth c(M - j) of membrane and a(M - j)
of current at its end, so the readout takes whole time steps too.

Both agree with walk to rounding, under test; nothing here is needed to understand the chip.

    symbol    code        unit     shape     meaning
    Z         U           theta    (T,B,N)   membrane without any spike, on the time steps
    Y         line, path  theta    (c,G)     the same above the threshold, grown by exp(m h / tau_m), on the grid points 1 .. G = T M
    -         level       theta    (n,)      what Y must exceed after a reset
    -         active      -        (c,)      flat indices into (B, N) of the neurons that are looked at on the grid
    r         release     -        (n,)      grid point at which a refractory time ends
"""

import math

import numpy as np

from refsnn.chip.dynamics import Firing, Spikes, Step, charge, late_sampling
from refsnn.events import Events, parts

MARGIN = 1e-4    # theta; leaping and walking round differently, so what comes that near to a threshold is looked at


def leap(circuits, grid, x, kicks=None):
    """walk for a layer driven on the time steps only, by Events x (T, B, M), without recurrence: same results."""
    (_, B, _), N, dtype = x.shape, len(circuits.leak), circuits.weights.dtype
    charges, samples = charge(circuits.weights, circuits, grid.h), np.empty((grid.steps, B, N), dtype)     # (2, M, N), (T, B, N)
    steps, indices = [], []
    for part in parts(B, N, dtype):
        def arrive(k, *currents, part=part):
            """Add the charge of the spikes of time step k to the currents."""
            for row, I in zip(charges, currents):
                x.add_product(x.rows(k, part), row, I)

        state = np.empty((3, grid.steps, part.stop - part.start, N), dtype)                # (3, T, b, N)
        run_line(state, arrive, None if kicks is None else kicks[:, part], circuits, grid)
        sample_late(*state, circuits, grid, out=samples[:, part])
        active = np.flatnonzero(near_threshold(*state, circuits, grid))                    # (c,)
        path = line_on_grid(*(flat(array).take(active, axis=1) for array in state), active % N, circuits, grid)      # (c, G)
        sampled = np.ascontiguousarray(flat(samples[:, part]).take(active, axis=1).T)      # (c, T)
        step, position = fire(path, sampled, active % N, circuits, grid)
        flat(samples[:, part])[:, active] = sampled.T
        steps.append(step)
        indices.append(active[position] + part.start * N)
    samples[0] = 0
    samples += circuits.leak.astype(dtype)
    return samples, Spikes(*np.divmod(np.sort(np.concatenate(steps) * (B * N) + np.concatenate(indices)), B * N))


def flat(array):
    """(T, b, N) as (T, b N), a view."""
    return array.reshape(len(array), -1)


def full(vector, like):
    """A vector (N,) as (b, N) in memory, one copy a sample: numpy works through that twice as fast as through a vector for every row."""
    return np.array(np.broadcast_to(vector, like.shape), order="C")


def run_line(state, arrive, kicks, circuits, grid):
    """Fill state (3, T, b, N): membranes without any spike and currents, I_exc and I_inh, at k dt, after what arrives then. SPEC C3.

    arrive(k, I_exc, I_inh) adds that to the currents. kicks: None or (T, b, N), the membrane noise.
    """
    whole, part = Step.over(grid.dt, circuits, grid.h), np.empty_like(state[0, 0])
    a_exc, a_inh, b, c_exc, c_inh = (full(each, part) for each in (whole.a_exc, whole.a_inh, whole.b, whole.c_exc, whole.c_inh))
    state[:, 0] = 0
    arrive(0, *state[1:, 0])
    for k in range(1, grid.steps):
        (U_before, I_exc_before, I_inh_before), (U, I_exc, I_inh) = state[:, k - 1], state[:, k]
        # decay, integrate, noise
        np.multiply(U_before, b, out=U)
        U += np.multiply(I_exc_before, c_exc, out=part)
        U += np.multiply(I_inh_before, c_inh, out=part)
        if kicks is not None:
            U += kicks[k - 1]
        np.multiply(I_exc_before, a_exc, out=I_exc)
        np.multiply(I_inh_before, a_inh, out=I_inh)
        # input
        arrive(k, I_exc, I_inh)


def near_threshold(U, I_exc, I_inh, circuits, grid):
    """Which neurons come near their thresholds in any time step, as far as a bound tells: (T, b, N) each -> (b, N), boolean.

    m grid steps after k dt the membrane is b U + c_exc I_exc + c_inh I_inh. As I_inh <= 0, that is at most max(0, U) + c_exc (I_exc + least I_inh) with
    the least c_inh / c_exc of all m, and at most max(0, U) + highest max(0, I_exc + least I_inh). Resets are not asked about: a neuron that was never
    near its threshold has had none.
    """
    steps = on_grid(circuits, grid)
    least, highest = (full(each, U[0]) for each in ((steps.c_inh / steps.c_exc).min(axis=0), steps.c_exc.max(axis=0)))
    bound = I_inh * least                                                                  # (T, b, N)
    bound += I_exc
    np.maximum(bound, 0, out=bound)
    bound *= highest
    bound += np.maximum(U, 0)
    return bound.max(axis=0) > Firing.on(grid, circuits).threshold - U.dtype.type(MARGIN)


def sample_late(U, I_exc, I_inh, circuits, grid, out):
    """Membranes at k dt + sample_time from what they are at k dt, into out; (T, b, N) each. SPEC C5."""
    late = Step.over(circuits.sample_time, circuits, grid.h)
    b, c_exc, c_inh = (full(each, U[0]) for each in (late.b, late.c_exc, late.c_inh))
    np.multiply(U, b, out=out)
    out += I_exc * c_exc
    out += I_inh * c_inh


def on_grid(circuits, grid):
    """The Steps from k dt to the grid points 1 .. M after it: fields (M, N)."""
    return Step.over(np.arange(1, grid.substeps + 1)[:, None] * grid.h, circuits, grid.h)


def grown(grid, circuits, k):
    """exp((k dt - middle) / tau_m) for time steps k (n,): (N, n); it counts from the middle of the run, so that it stays a number twice as long."""
    return np.exp((k - grid.steps / 2) * (grid.dt / circuits.tau_mem[:, None])).astype(circuits.weights.dtype)


def can_leap(circuits, grid):
    """Whether `grown`, and products of two of it, are numbers of the dtype: so for runs of up to 79 of the shortest tau_m in float32, 638 in float64."""
    return grid.steps * grid.dt < 0.9 * math.log(np.finfo(circuits.weights.dtype).max) * float(circuits.tau_mem.min())


def line_on_grid(U, I_exc, I_inh, unit, circuits, grid):
    """Y of neurons `unit` (c,) at all grid points, from what they are at k dt, (T, c) each: (c, G). SPEC C3.

    At k dt itself it is that of the membrane before the noise of that instant. There are G numbers more behind the array, for `fire`.
    """
    steps, T, dtype = on_grid(circuits, grid), grid.steps, U.dtype
    threshold = Firing.on(grid, circuits).threshold[unit, None]                            # (c, 1)
    growth = grown(grid, circuits, np.arange(T)).take(unit, axis=0)                        # (c, T)
    state = np.empty((len(unit), T, 4), dtype)
    for column, array in enumerate((U.T, I_exc.T, I_inh.T, -threshold)):
        np.multiply(array, growth, out=state[..., column])
    tables = [table / steps.b for table in (steps.b, steps.c_exc, steps.c_inh, 1)]         # (M, N) each
    path = np.empty((len(unit) + 1, T, grid.substeps), dtype)
    path[-1] = 0
    np.matmul(state, np.stack([table.T for table in tables], axis=1).take(unit, axis=0), out=path[:-1])    # (c, T, 4) (c, 4, M)
    return path.reshape(len(path), -1)[:-1]


def fire(line, sampled, unit, circuits, grid):
    """Find all spikes of neurons `unit` (c,) from line (c, G), which is Y, and put their resets into sampled (c, T). SPEC C4.

    Returns the spikes' grid steps (E,) and their positions among the c neurons (E,).
    """
    firing, (whole, _), G, dtype = Firing.on(grid, circuits), late_sampling(circuits, grid), line.shape[1], line.dtype
    k = np.arange(grid.steps)
    gap, rate = (firing.threshold - firing.reset).astype(float), grid.h / circuits.tau_mem  # (N,) each
    fading = 1 / grown(grid, circuits, k + (circuits.sample_time / grid.dt)[:, None])      # (N, T) of a reset, at the samples
    due_step = (k * grid.substeps + whole[:, None]).astype(np.int32)                       # (N, T) grid step of the samples
    # G grid points from any place on; those beyond the end are the next neuron's, and what is found there is beyond the end
    from_place = np.lib.stride_tricks.as_strided(line, (line.size + 1, G), 2 * line.strides[1:])
    first = first_true(line > 0) + 1                                                       # (c,) grid point of the first spike, beyond G if none
    own, steps, positions = np.arange(len(unit)), [], []                                   # own (n,): who is looked at
    while True:
        spiked = np.flatnonzero(first <= G)
        own, first = own[spiked], first[spiked]
        steps.append(first - 1)
        positions.append(own)
        if not len(own):
            return np.concatenate(steps), np.concatenate(positions)
        neuron = unit[own]                                                                 # (n,)
        # reset, held in the refractory time
        release = np.minimum(first + firing.hold[neuron], G + 1)                           # (n,)
        path = from_place[own * G + release - 1]                                           # (n, G) from the release on
        lift = gap[neuron] * np.exp((release - G / 2) * rate[neuron])                      # (n,)
        level = np.where(release <= G, path[:, 0] + lift.astype(dtype), dtype.type(0))     # (n,)
        # threshold
        following = release + first_true(path > level[:, None])
        # record: samples that fall into the refractory time, and those between it and the next spike
        due, added, seen = due_step.take(neuron, axis=0), fading.take(neuron, axis=0), sampled.take(own, axis=0)                     # (n, T)
        begin, end, until = (array.astype(np.int32)[:, None] for array in (first, release, following))                               # (n, 1)
        added *= -level[:, None]
        added *= (due >= end) & (due < until)
        seen += added
        sampled[own] = np.where((due >= begin) & (due < end), firing.reset[neuron, None], seen)
        first = following


def first_true(array):
    """The first column of array (n, g), boolean, in which a row is True, and g where none is: (n,)."""
    first = array.argmax(axis=1)
    return np.where(array[np.arange(len(array)), first], first, array.shape[1])


def read(circuits, grid, shape, below, kicks=None):
    """walk for a layer without threshold, driven by the Spikes of the layer below: returns its samples (T, B, N)."""
    dtype, M, (B, N) = circuits.weights.dtype, grid.substeps, shape
    units = circuits.weights.shape[1]
    k, j = np.divmod(below.step + 1, M)                               # (E,) an event of grid step g arrives at (g + 1) h
    sample, unit = np.divmod(below.index, units)                      # (E,)
    # an event of unit u at grid point j of a time step: input number u M + j of that time step and sample
    arrivals = Events.listed(np.sort(((k * B + sample) * units + unit) * M + j), (grid.steps + 1, B, units * M), dtype)
    jumps = np.zeros(((grid.steps + 1) * B, 4 * N), dtype)            # of sample, membrane, currents
    arrivals.add_product(slice(0, len(jumps)), arrival_table(circuits, grid), jumps)
    seen, membrane, I_exc, I_inh = np.moveaxis(jumps.reshape(grid.steps + 1, B, 4, N), 2, 0)               # (T+1, B, N) each

    def arrive(k, *currents):
        """Add what has arrived within the time step before: it counts from its end on."""
        for I, arrived in zip(currents, (I_exc, I_inh)):
            I += arrived[k - 1] if k else 0

    samples, state = np.empty((grid.steps, B, N), dtype), np.empty((3, grid.steps, B, N), dtype)
    run_line(state, arrive, membrane if kicks is None else membrane[:-1] + kicks, circuits, grid)
    sample_late(*state, circuits, grid, out=samples)
    samples += seen[:-1]
    samples[0] = 0
    return samples + circuits.leak.astype(dtype)


def arrival_table(circuits, grid):
    """What a spike of each unit below, arriving at grid point j of a time step, adds to its sample, and to U, I_exc, I_inh at its end: (M_below M, 4 N)."""
    points = np.arange(grid.substeps)[:, None]
    rest = Step.over((grid.substeps - points) * grid.h, circuits, grid.h)                  # (M, N) from the event to the end of its dt
    late = Step.over(np.maximum(circuits.sample_time - points * grid.h, 0), circuits, grid.h)              # to the sample; c = 0 if that is before
    exc, inh = charge(circuits.weights, circuits, grid.h)[:, :, None]                      # (units, 1, N) each
    table = np.stack([late.c_exc * exc + late.c_inh * inh, rest.c_exc * exc + rest.c_inh * inh, rest.a_exc * exc, rest.a_inh * inh], axis=2)
    return table.reshape(-1, 4 * table.shape[3])                                           # from (units, M, 4, N)
