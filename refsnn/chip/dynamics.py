"""The analog membrane between the samples: continuous time on a grid dt / M, threshold, hard reset, refractory time (C3, C4).

    symbol    code        unit     shape     meaning
    tau_m     tau_mem     s        (N,)      the neuron's own membrane time constant
    tau_s     tau_exc, tau_inh  s  (N,)      its synaptic time constants, excitatory and inhibitory
    V_leak    leak        theta    (N,)      resting potential
    h         h           s        scalar    grid step dt / M
    M         substeps    1        scalar    grid steps in a time step, 8
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

Where input comes on the time steps only (the first layer of a chip), most neurons are far from their thresholds: they take each
dt in one exact step, and only those that may cross, or are in their refractory time, walk the grid.
"""

from dataclasses import dataclass, fields

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

    threshold inf: a readout, or a dead neuron, which never spikes. sample_time: how late the membrane is sampled. weights (2,
    M, N) and recurrent (2, N, N) or None: current that a spike adds, theta/s, the excitatory part first.
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
    """The exact transition over one step, (N,) each. SPEC C3.

    Currents decay by a_exc and a_inh; U decays by b and gains c_exc I_exc + c_inh I_inh.
    """

    a_exc: np.ndarray
    a_inh: np.ndarray
    b: np.ndarray
    c_exc: np.ndarray
    c_inh: np.ndarray

    @classmethod
    def over(cls, seconds, circuits, unit, dtype):
        """The step over some seconds; unit: the step over which currents are counted, so c = transfer(seconds) / transfer(unit)."""
        c_exc, c_inh = (transfer(seconds, circuits.tau_mem, tau) / transfer(unit, circuits.tau_mem, tau)
                        for tau in (circuits.tau_exc, circuits.tau_inh))
        decays = (np.exp(-seconds / tau) for tau in (circuits.tau_exc, circuits.tau_inh, circuits.tau_mem))
        return cls(*(array.astype(dtype) for array in (*decays, c_exc, c_inh)))

    def take(self, U, I_exc, I_inh):
        """Take the step, in place; (B, N) each, or (n,) for a step of n neurons."""
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
    def on(cls, grid, circuits, dtype):
        """The firing of these circuits on a grid."""
        levels = ((level - circuits.leak).astype(dtype) for level in (circuits.threshold, circuits.reset))
        return cls(*levels, np.maximum(np.rint(circuits.refractory / grid.h).astype(int), 1))


def run_circuits(circuits, grid, shape, drive=None, events_below=None, kicks=None):
    """Run one layer over the grid. SPEC C3, C4, C5, C8.

    shape: (B, N). Its input is either drive, charge on the time steps, two arrays (T, B, N), excitatory and inhibitory; or events_below, the
    events of the layer below, which arrive through circuits.weights. kicks: None or (T, B, N), the membrane noise, added at the end of
    every time step. Returns samples (T, B, N), the membrane at k dt + sample_time (what arrives or spikes within sample_time is not
    seen), and events: for every grid step g the flat indices into (B, N) of the neurons that crossed their thresholds in (g h, (g+1) h].
    """
    dtype = circuits.weights.dtype
    U, I_exc, I_inh = (np.zeros(shape, dtype) for _ in range(3))                           # (B, N)
    release = np.zeros(shape, int)                       # (B, N) grid point at which a neuron's refractory time ends
    samples, events = np.empty((grid.steps, *shape), dtype), []                            # (T, B, N)
    firing = Firing.on(grid, circuits, dtype)
    stride, leap, late = (Step.over(seconds, circuits, grid.h, dtype) for seconds in (grid.h, grid.dt, circuits.sample_time))
    highest, least = bound_of_rise(circuits, grid, dtype)
    # where spikes come between the time steps: the layer's sources, each with its charges
    sources = [(events_below, circuits.weights)] if drive is None else []
    sources += [] if circuits.recurrent is None else [(events, circuits.recurrent)]
    sources = [(spikes, charge(weights, circuits, grid.h)) for spikes, weights in sources]
    for k in range(grid.steps):
        # record
        samples[k] = late.b * U + late.c_exc * I_exc + late.c_inh * I_inh
        # input
        if drive is not None:
            I_exc += drive[0][k]
            I_inh += drive[1][k]
        # decay, integrate: those that may cross walk the grid, the others leap
        if sources:
            walking = np.arange(U.size)
        else:
            # the margin covers that leaping and walking round differently
            bound = np.maximum(U, 0) + highest * np.maximum(I_exc + least * I_inh, 0)      # (B, N)
            walking = np.flatnonzero((bound > firing.threshold - 1e-4) | (release > k * grid.substeps))
        state = [array.ravel()[walking] for array in (U, I_exc, I_inh, release)]           # (n,) each
        own_stride, own_firing = (select(parameters, walking % shape[1]) for parameters in (stride, firing))
        leap.take(U, I_exc, I_inh)
        for g in range(k * grid.substeps, (k + 1) * grid.substeps):
            events.append(walk(g, walking, state, own_stride, own_firing, sources, shape[0]))
        for array, walked in zip((U, I_exc, I_inh, release), state):
            array.ravel()[walking] = walked
        # noise
        if kicks is not None:
            U += np.where(release > (k + 1) * grid.substeps, 0, kicks[k])
    samples += circuits.leak.astype(dtype)
    return samples, events


def bound_of_rise(circuits, grid, dtype):
    """What bounds the rise of U within a time step: (highest, least), (N,) each, so that it is at most highest max(0, I_exc +
    least I_inh).

    After m grid steps the currents have added c_exc I_exc + c_inh I_inh; as I_inh <= 0, that is at most c_exc (I_exc + least
    I_inh) with the least c_inh / c_exc of all m.
    """
    m = np.arange(1, grid.substeps + 1)[:, None]
    c_exc, c_inh = (transfer(m * grid.h, circuits.tau_mem, tau) / transfer(grid.h, circuits.tau_mem, tau)
                    for tau in (circuits.tau_exc, circuits.tau_inh))                       # (M, N)
    return c_exc.max(axis=0).astype(dtype), (c_inh / c_exc).min(axis=0).astype(dtype)


def select(parameters, unit):
    """The same dataclass for some of the neurons: every array (N,) at the indices unit (n,)."""
    return type(parameters)(*(getattr(parameters, field.name)[unit] for field in fields(parameters)))


def walk(g, walking, state, stride, firing, sources, B):
    """Take n neurons over grid step g, in place; returns the flat indices into (B, N) of those that crossed their thresholds. SPEC C4.

    walking (n,): their flat indices. state: their U, I_exc, I_inh, release, (n,) each; stride and firing: their own. sources: pairs of
    events and charges (2, M, N); what spiked in the grid step before arrives now, at g h; where there are any, all neurons walk.
    """
    U, I_exc, I_inh, release = state
    # input
    for events, charges in sources:
        if g > 0 and len(events[g - 1]):
            arriving = charges_of(events[g - 1], charges, B)                               # (2, B, N)
            I_exc += arriving[0].ravel()
            I_inh += arriving[1].ravel()
    # decay, integrate, held in the refractory time
    stride.take(U, I_exc, I_inh)
    np.copyto(U, firing.reset, where=release > g)
    # threshold
    spiked = np.flatnonzero((U > firing.threshold) & (release <= g + 1))
    # reset
    U[spiked] = firing.reset[spiked]
    release[spiked] = g + 1 + firing.hold[spiked]
    return walking[spiked]


def arriving_input(x, weights):
    """Charge of spikes that come on the time steps: x (T, B, M), weights (2, M, N) as charge gives them -> two arrays (T, B, N)."""
    T, B, M = x.shape
    # one product over all time steps: a matrix product a step would have the threads of BLAS wait for each other T times
    return tuple((x.reshape(T * B, M) @ rows).reshape(T, B, -1) for rows in weights)


def charges_of(spiked, charges, B):
    """Charge of the spikes of one grid step: spiked, sorted flat indices into (B, M), through charges (2, M, N) -> (2, B, N)."""
    _, M, N = charges.shape
    arriving = np.zeros((2, B, N), charges.dtype)                                          # (2, B, N)
    sample = spiked // M                                                                   # (E,) sorted
    first = np.flatnonzero(np.diff(sample, prepend=-1))                                    # where the spikes of another sample begin
    arriving[:, sample[first]] = np.add.reduceat(charges[:, spiked % M], first, axis=1)
    return arriving


def charge(weights, circuits, h):
    """Weights (2, M, N) in theta/s as the membrane that they add in the first grid step: the unit in which run_circuits keeps currents."""
    c = np.stack([transfer(h, circuits.tau_mem, tau) for tau in (circuits.tau_exc, circuits.tau_inh)])     # (2, N)
    return weights * c[:, None].astype(weights.dtype)


def membrane_kicks(normal, circuits, grid, noise):
    """Standard normal draws (T, B, N) as membrane noise: with one kick a time step a resting membrane has the std `noise` in
    theta. SPEC C8.

    Between two kicks the membrane forgets exp(-dt/tau_m); the kicks must make up for that: noise sqrt(1 - exp(-2 dt/tau_m)).
    """
    strength = noise * np.sqrt(-np.expm1(-2 * grid.dt / circuits.tau_mem))                 # (N,)
    return normal * strength.astype(normal.dtype)
