"""The same as dynamics.walk in a fraction of the time, for the two kinds of layer that need not walk (C3, C4).

`leap`: input on the time steps only, no recurrence (the first layer of a chip). Between spikes the membrane is linear, so every neuron takes
each dt in one exact step. Only those that may cross their thresholds on the way, or are in their refractory time, are looked at on
the grid, all of its points at once: from a starting point m0 of the time step, in grid steps, and while nothing crosses,

    U(m) = b(m - m0) U(m0) + c_exc(m - m0) I_exc(m0) + c_inh(m - m0) I_inh(m0)          m = m0 .. M

The first m with U(m) > threshold is the spike; after the refractory time the next stretch starts, from the reset.

`read`: no threshold (the readout). An event that arrives at grid point j of a time step is worth c(M - j) of membrane and a(M - j)
of current at its end, so the readout takes whole time steps too.

Both agree with walk to rounding, under test; nothing here is needed to understand the chip.
"""

from dataclasses import dataclass

import numpy as np

from refsnn.chip.dynamics import Firing, Spikes, Step, charge, late_sampling
from refsnn.events import buffers

MARGIN = 1e-4    # theta; leaping and walking round differently, so what comes that near to a threshold is looked at


def leap(circuits, grid, shape, drive, kicks=None):
    """walk for a layer driven on the time steps only, without recurrence: same arguments and results."""
    dtype, M, N = circuits.weights.dtype, grid.substeps, shape[1]
    U, I_exc, I_inh, part = (np.zeros(shape, dtype) for _ in range(4))                     # (B, N)
    held, release = np.zeros(0, int), np.zeros(shape[0] * N, int)      # neurons in their refractory time; grid point at which it ends
    samples, spikes = buffers.take((grid.steps, *shape), dtype), []                        # (T, B, N)
    whole, late = Step.over(grid.dt, circuits, grid.h), Step.over(circuits.sample_time, circuits, grid.h)
    stretches = Stretches(circuits, grid)
    for k in range(grid.steps):
        # input
        I_exc += drive[0][k]
        I_inh += drive[1][k]
        # record
        np.multiply(U, late.b, out=samples[k])
        samples[k] += np.multiply(I_exc, late.c_exc, out=part)
        samples[k] += np.multiply(I_inh, late.c_inh, out=part)
        # who may cross, or is held
        near = stretches.near(U, I_exc, I_inh)                                             # (B, N)
        near.reshape(-1)[held] = True
        near = np.flatnonzero(near)                                                        # (n,)
        state = [array.reshape(-1)[near] for array in (U, I_exc, I_inh)]
        # decay, integrate, noise
        U *= whole.b
        U += np.multiply(I_exc, whole.c_exc, out=part)
        U += np.multiply(I_inh, whole.c_inh, out=part)
        I_exc *= whole.a_exc
        I_inh *= whole.a_inh
        if kicks is not None:
            U += kicks[k]
        # threshold, reset
        own = stretches.run(near % N, state, np.maximum(release[near] - k * M, 0), samples[k].reshape(-1)[near])
        samples[k].reshape(-1)[near] = own.sample
        U.reshape(-1)[near] = own.U if kicks is None else own.U + kicks[k].reshape(-1)[near]
        release[near] = k * M + own.begin
        held = near[own.begin > M]
        spikes += [(k * M + step, near[which]) for step, which in own.spikes]
    samples[0] = 0
    samples += circuits.leak.astype(dtype)
    step, index = (np.concatenate([pair[i] for pair in spikes] or [np.zeros(0, int)]) for i in (0, 1))
    order = np.lexsort((index, step))
    return samples, Spikes(step[order], index[order])


class Stretches:
    """Neurons looked at on the M grid points of one time step, stretch by stretch."""

    def __init__(self, circuits, grid):
        self.circuits, self.grid = circuits, grid
        self.firing = Firing.on(grid, circuits)
        self.steps = Step.over(np.arange(grid.substeps + 1)[:, None] * grid.h, circuits, grid.h)   # fields (M+1, N)
        self.sampled, _ = late_sampling(circuits, grid)                                    # (N,)
        c_exc, c_inh = self.steps.c_exc[1:], self.steps.c_inh[1:]                          # (M, N)
        self.highest, self.least = c_exc.max(axis=0), (c_inh / c_exc).min(axis=0)          # (N,)

    def near(self, U, I_exc, I_inh):
        """Which neurons may cross within the time step that begins so: a bound of their membranes comes near the threshold. (B, N), boolean.

        After m grid steps U is b U + c_exc I_exc + c_inh I_inh. As I_inh <= 0, that is at most max(0, U) + c_exc (I_exc + least I_inh)
        with the least c_inh / c_exc of all m, and at most max(0, U) + highest max(0, I_exc + least I_inh).
        """
        bound = self.least * I_inh                                                         # (B, N)
        bound += I_exc
        np.maximum(bound, 0, out=bound)
        bound *= self.highest
        bound += np.maximum(U, 0)
        return bound > self.firing.threshold - U.dtype.type(MARGIN)

    def run(self, unit, state, begin, sample):
        """Run neurons `unit` (n,) from U, I_exc, I_inh = state; begin (n,): the grid point at which each is free, 0 unless held.

        sample (n,): what a free neuron's sample is. Returns a Stretch.
        """
        M, firing, (U, I_exc, I_inh) = self.grid.substeps, self.firing, state
        sampled, reset = self.sampled[unit], firing.reset[unit]
        start, end, begin = np.where(begin > 0, reset, U), reset.copy(), begin.copy()      # (n,) start: U at the beginning of the stretch
        own = Stretch(end, begin, np.where(begin > sampled, reset, sample), [])
        # those that are free all the time first, then those that a refractory time releases on the way
        free, waiting = np.flatnonzero(begin == 0), np.flatnonzero((begin > 0) & (begin <= M))
        while len(free) or len(waiting):
            path, at_begin = self.path(begin[free], unit[free], start[free], I_exc[free], I_inh[free])
            end[free] = path[-1]
            late = np.flatnonzero((begin[free] > 0) & (begin[free] <= sampled[free]))      # sampled in a stretch that began late
            if len(late):
                seconds = self.circuits.sample_time[unit[free[late]]] - begin[free[late]] * self.grid.h
                step = Step.over(seconds, self.circuits, self.grid.h, unit[free[late]])
                own.sample[free[late]] = step.membrane(start[free[late]], *(I[late] for I in at_begin))
            # threshold, reset
            crossing = path > firing.threshold[unit[free]]                                 # (M, n)
            crossed = np.flatnonzero(crossing.any(axis=0))
            first, free = crossing[:, crossed].argmax(axis=0) + 1, free[crossed]           # (c,) grid point of the spike
            own.spikes.append((first - 1, free))
            start[free] = end[free] = reset[free]
            begin[free] = first + firing.hold[unit[free]]
            missed = free[(first <= sampled[free]) & (sampled[free] < begin[free])]
            own.sample[missed] = reset[missed]
            free, waiting = np.concatenate([waiting, free[begin[free] <= M]]), waiting[:0]
        return own

    def path(self, begin, unit, U, I_exc, I_inh):
        """Membranes of free neurons `unit` (n,) at the grid points 1 .. M, from U at grid point `begin`; -inf before that. I: at grid point 0.

        Returns ((M, n), the currents at `begin`).
        """
        steps = self.steps
        if not begin.any():
            b, c_exc, c_inh = (table[1:].take(unit, axis=1) for table in (steps.b, steps.c_exc, steps.c_inh))      # (M, n)
            return b * U + c_exc * I_exc + c_inh * I_inh, (I_exc, I_inh)
        lag = np.arange(1, self.grid.substeps + 1)[:, None] - begin                        # (M, n)
        since, at = (lag.clip(min=0), unit), (begin, unit)
        I_exc, I_inh = steps.a_exc[at] * I_exc, steps.a_inh[at] * I_inh
        path = steps.b[since] * U + steps.c_exc[since] * I_exc + steps.c_inh[since] * I_inh
        path[lag < 0] = -np.inf
        return path, (I_exc, I_inh)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Where neurons are at the end of a time step.

    U (n,); begin (n,), the grid point of this time step at which each was or will be free; sample (n,); spikes, pairs of grid steps
    and of positions among the n neurons.
    """

    U: np.ndarray
    begin: np.ndarray
    sample: np.ndarray
    spikes: list


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
