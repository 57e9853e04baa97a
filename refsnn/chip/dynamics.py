"""The analog membrane between the samples: continuous time on a grid dt / M, threshold, hard reset, refractory time (C3, C4).

    symbol    code        unit     shape     meaning
    tau_m     tau_mem     s        (N,)      the neuron's own membrane time constant
    tau_s     tau_exc, tau_inh  s  (N,)      its synaptic time constants, excitatory and inhibitory
    V_leak    leak        theta    (N,)      resting potential
    h         h           s        scalar    grid step dt / M
    M         substeps    1        scalar    grid steps in a time step, 8
    g         g           1        scalar    grid step, from the grid point g h to (g+1) h; the time step k = g // M
    a, b      a_exc, a_inh, b  1   (N,)      decay of currents and membrane over a step
    c         transfer    s        (N,)      membrane gained in a step from a unit of current
    kappa     kappa       1/s      (N,)      current that a spike through weight 1 adds
    I         I_exc, I_inh  theta  (B,N)     currents, as the membrane that they add in one grid step: c(h) times theta/s
    U         U           theta    (B,N)     membrane above its resting potential, V - V_leak

Between events     tau_s dI/dt = -I  (either kind)        tau_m dV/dt = -(V - V_leak) + tau_m (I_exc + I_inh)

a linear system, so a grid step is exact:     I <- a I,     U <- b U + c I,     c = integral_0^h exp(-(h-s)/tau_m) exp(-s/tau_s) ds

A spike that arrives adds kappa w to I with kappa = 1 / c(dt) at nominal time constants. Then V = w one dt later, as in the
ideal model, and a chip without imperfections agrees with E1, E2 at every k dt while nothing spikes. The threshold is looked at
on the grid: a first spike is late by less than h (refsnn.verify.convergence).

`walk` takes every neuron over every grid step: the whole of C3 and C4, for any layer. leaps.py has the same for the layers that can do with less.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


def transfer(h, tau_mem, tau_syn):
    """c: the membrane that a unit of current leaves after the time h, in seconds. SPEC C3.

    (exp(-h/tau_m) - exp(-h/tau_s)) / (1/tau_s - 1/tau_m), written as h exp(-h/tau_slow) (1 - exp(-d)) / d with d = |h/tau_m -
    h/tau_s|: the plain quotient is 0/0 at tau_m = tau_s, and a guard that returns 0 there disconnects the synapse. The slower
    time constant is taken out so that nothing overflows when one of them is tiny.

    >>> float(transfer(1.0, 1.0, 1.0) * np.e)           # h exp(-h/tau)
    1.0
    """
    rate_mem, rate_syn = h / np.asarray(tau_mem, float), h / np.asarray(tau_syn, float)
    d = np.abs(rate_mem - rate_syn)
    ratio = np.where(d > 0, -np.expm1(-d) / np.where(d > 0, d, 1), 1.0)
    return h * np.exp(-np.minimum(rate_mem, rate_syn)) * ratio


@dataclass(frozen=True, eq=False)
class Circuits:
    """The analog neurons of one layer and their synapses: their own parameters, in seconds and theta; (N,) but where it says
    otherwise.

    threshold inf: a readout, or a dead neuron, which never spikes. sample_time: how late the membrane is sampled, below dt.
    weights (2, M, N) and recurrent (2, N, N) or None: current that a spike adds, theta/s, the excitatory part first.
    """

    tau_mem: np.ndarray
    tau_exc: np.ndarray
    tau_inh: np.ndarray
    leak: np.ndarray
    threshold: np.ndarray
    reset: np.ndarray
    refractory: np.ndarray
    sample_time: np.ndarray
    weights: np.ndarray
    recurrent: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of a simulation: T time steps of `dt` seconds, M grid steps each."""

    steps: int
    substeps: int
    dt: float

    @property
    def h(self):
        """One grid step in seconds."""
        return self.dt / self.substeps


@dataclass(frozen=True, eq=False)
class Step:
    """The exact transition over some time, (N,) each, or (n, N) for n times. SPEC C3.

    Currents decay by a_exc and a_inh; U decays by b and gains c_exc I_exc + c_inh I_inh.
    """

    a_exc: np.ndarray
    a_inh: np.ndarray
    b: np.ndarray
    c_exc: np.ndarray
    c_inh: np.ndarray

    @classmethod
    def over(cls, seconds, circuits, h, unit=slice(None)):
        """The step over `seconds`, () or (n, 1) or (N,), of the neurons `unit`; c counts currents as run over h: transfer(seconds) / transfer(h)."""
        taus = [array[unit] for array in (circuits.tau_mem, circuits.tau_exc, circuits.tau_inh)]
        seconds = np.asarray(seconds, float)
        return cls.remembered(seconds.tobytes(), seconds.shape, tuple(tau.tobytes() for tau in taus), h, circuits.weights.dtype)

    @classmethod
    @lru_cache(maxsize=64)
    def remembered(cls, seconds, shape, taus, h, dtype):
        """The step from the bytes of its float64 arguments: a chip's are the same in every run, and take a millisecond to compute."""
        seconds = np.frombuffer(seconds).reshape(shape)
        tau_mem, *taus = (np.frombuffer(tau) for tau in taus)
        transfers = (transfer(seconds, tau_mem, tau) / transfer(h, tau_mem, tau) for tau in taus)
        decays = (np.exp(-seconds / tau) for tau in (*taus, tau_mem))
        return cls(*(array.astype(dtype) for array in (*decays, *transfers)))

    def membrane(self, U, I_exc, I_inh):
        """U after the step; (B, N) each."""
        return self.b * U + self.c_exc * I_exc + self.c_inh * I_inh

    def take(self, U, I_exc, I_inh):
        """Take the step, in place; (B, N) each."""
        U *= self.b
        U += self.c_exc * I_exc
        U += self.c_inh * I_inh
        I_exc *= self.a_exc
        I_inh *= self.a_inh


@dataclass(frozen=True, eq=False)
class Firing:
    """How the neurons fire, (N,) each. SPEC C4.

    threshold and reset above rest, in theta; hold, the refractory time, in whole grid steps.
    """

    threshold: np.ndarray
    reset: np.ndarray
    hold: np.ndarray

    @classmethod
    def on(cls, grid, circuits):
        """The firing of these circuits on a grid."""
        levels = ((level - circuits.leak).astype(circuits.weights.dtype) for level in (circuits.threshold, circuits.reset))
        with np.errstate(over="ignore"):
            whole = np.rint(np.minimum(circuits.refractory / grid.h, grid.steps * grid.substeps))      # the end is the end, and an int holds it
        return cls(*levels, np.maximum(whole.astype(int), 1))


@dataclass(frozen=True, eq=False)
class Spikes:
    """The spikes of a layer: grid step (E,), ascending, and flat index into (B, N) (E,), ascending within a grid step.

    A spike of grid step g was seen at its end, (g+1) h.
    """

    step: np.ndarray
    index: np.ndarray

    def of_step(self, g):
        """The flat indices of the neurons that spiked in grid step g."""
        return self.index[np.searchsorted(self.step, g):np.searchsorted(self.step, g, side="right")]


def walk(circuits, grid, shape, drive=None, below=None, kicks=None):
    """Run one layer over the grid, every neuron over every grid step. SPEC C3, C4, C5, C8.

    shape: (B, N). Its input is drive, charge on the time steps, two arrays (T, B, N), excitatory and inhibitory; or below, the Spikes of
    the layer below, which arrive through circuits.weights. kicks: None or (T, B, N), the membrane noise, added at the end of every time step.
    Returns samples (T, B, N), the membrane at k dt + sample_time, but at rest for k = 0: the first sample is taken before the first
    input, as what the host counts from; and the layer's own Spikes.
    """
    dtype, M, N = circuits.weights.dtype, grid.substeps, shape[1]
    U, I_exc, I_inh = (np.zeros(shape, dtype) for _ in range(3))                           # (B, N)
    release = np.zeros(shape, int)                       # (B, N) grid point at which a neuron's refractory time ends
    samples, own = np.empty((grid.steps, *shape), dtype), []                               # (T, B, N); a list with one (E,) a grid step
    stride, firing = Step.over(grid.h, circuits, grid.h), Firing.on(grid, circuits)
    whole, late = late_sampling(circuits, grid)
    charges = charge(circuits.weights, circuits, grid.h)
    recurrent = None if circuits.recurrent is None else charge(circuits.recurrent, circuits, grid.h)
    for g in range(grid.steps * M):
        k, m = divmod(g, M)
        # input: a spike of the grid step before arrives now, at g h
        arriving = [drive[:, k]] if drive is not None and m == 0 else []                   # (2, B, N) each
        arriving += [charges_of(below.of_step(g - 1), charges, shape[0])] if below is not None else []
        arriving += [charges_of(own[-1], recurrent, shape[0])] if recurrent is not None and own else []
        for exc, inh in arriving:
            I_exc += exc
            I_inh += inh
        # record those whose sampling time lies in this grid step
        due = np.flatnonzero(whole == m)
        if len(due):
            samples[k][:, due] = np.where(release > g, firing.reset, late.membrane(U, I_exc, I_inh))[:, due]
        # decay, integrate, held in the refractory time
        stride.take(U, I_exc, I_inh)
        np.copyto(U, firing.reset, where=release > g)
        # threshold
        spiked = np.flatnonzero((U > firing.threshold) & (release <= g + 1))
        # reset, from the next grid step on
        release.ravel()[spiked] = g + 1 + firing.hold[spiked % N]
        own.append(spiked)
        # noise
        if kicks is not None and m == M - 1:
            U += kicks[k]            # of a held membrane nothing is seen before it is held again
    samples[0] = 0
    samples += circuits.leak.astype(dtype)
    return samples, Spikes(np.repeat(np.arange(len(own)), [len(spiked) for spiked in own]), np.concatenate(own))


def late_sampling(circuits, grid):
    """When a time step's sample is taken: (whole grid steps after k dt, (N,); the Step over the rest, less than h). SPEC C5."""
    whole = np.minimum((circuits.sample_time / grid.h).astype(int), grid.substeps - 1)     # (N,) rounding may reach M
    return whole, Step.over(circuits.sample_time - whole * grid.h, circuits, grid.h)


def arriving_input(events, weights):
    """Charge of spikes that come on the time steps: Events (T, B, M), weights (2, M, N) as charge gives them -> (2, T, B, N)."""
    (T, B, _), N = events.shape, weights.shape[2]
    drive = np.empty((2, T, B, N), weights.dtype)
    drive[:] = 0
    for row, out in zip(weights, drive):
        events.add_product(slice(0, T * B), row, out.reshape(-1, N))
    return drive


def charges_of(spiked, charges, B):
    """Charge of the spikes of one grid step: spiked, sorted flat indices into (B, M), through charges (2, M, N) -> (2, B, N)."""
    _, M, N = charges.shape
    arriving = np.zeros((2, B, N), charges.dtype)                                          # (2, B, N)
    if not len(spiked):
        return arriving
    sample = spiked // M                                                                   # (E,) sorted
    first = np.flatnonzero(np.diff(sample, prepend=-1))                                    # where the spikes of another sample begin
    arriving[:, sample[first]] = np.add.reduceat(charges[:, spiked % M], first, axis=1)
    return arriving


def charge(weights, circuits, h):
    """Weights (2, M, N) in theta/s as the membrane that they add in the first grid step: the unit in which currents are kept."""
    c = np.stack([transfer(h, circuits.tau_mem, tau) for tau in (circuits.tau_exc, circuits.tau_inh)])     # (2, N)
    return weights * c[:, None].astype(weights.dtype)


def membrane_kicks(normal, circuits, grid, noise):
    """Standard normal draws (T, B, N) as membrane noise: with one kick a time step a resting membrane has the std `noise` in
    theta. SPEC C8.

    Between two kicks the membrane forgets exp(-dt/tau_m); the kicks must make up for that: noise sqrt(1 - exp(-2 dt/tau_m)). A membrane that is
    sampled late is sampled that much after the kick, and shows a little less of it: 13 % half a time step late.
    """
    strength = noise * np.sqrt(-np.expm1(-2 * grid.dt / circuits.tau_mem))                 # (N,)
    return np.multiply(normal, strength.astype(normal.dtype), out=np.empty(normal.shape, normal.dtype))
