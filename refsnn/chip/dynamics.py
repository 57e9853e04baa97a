"""The analog membrane between the samples: continuous time on a grid dt / M, threshold, hard reset, refractory time (C3, C4).

    symbol    code        unit     shape     meaning
    tau_m     tau_mem     s        (N,)      the neuron's own membrane time constant
    tau_s     tau_syn     s        (N,)      its synaptic time constant
    h         h           s        scalar    grid step dt / M
    M         substeps    1        scalar    grid steps in a time step, 8
    a, b      a, b        1        (N,)      decay of current and membrane over h
    c         c           s        (N,)      membrane gained in h from a unit of current
    kappa     kappa       1/s      (N,)      current a spike through weight 1 adds
    I, V      I, V        theta/s, theta  (B,N)  current and membrane

Between events     tau_s dI/dt = -I        tau_m dV/dt = -V + tau_m I

a linear system, so a grid step is exact:     I <- a I,     V <- b V + c I,     c = integral_0^h exp(-(h-s)/tau_m) exp(-s/tau_s) ds

A spike that arrives adds kappa w to I with kappa = 1 / c(dt) at nominal time constants. Then V = w one dt later, as in the ideal model, and a chip without
imperfections agrees with E1, E2 at every k dt while nothing spikes. The threshold is looked at on the grid: a spike is late by less than h.
"""

from dataclasses import dataclass

import numpy as np


NOBODY = np.empty(0, int)


def transfer(h, tau_mem, tau_syn):
    """c: the membrane that a unit of current leaves after the time h, in seconds. SPEC C3.

    (exp(-h/tau_m) - exp(-h/tau_s)) / (1/tau_s - 1/tau_m), written as h exp(-h/tau_slow) (1 - exp(-d)) / d with
    d = |h/tau_m - h/tau_s|: the plain quotient is 0/0 at tau_m = tau_s, and a guard that returns 0 there disconnects the synapse. The slower
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
    """The analog neurons of one layer: their own parameters, (N,) each, in seconds and theta.

    threshold inf: a readout, which never spikes. kappa (N,) is nominal, times the neuron's synaptic gain.
    """

    tau_mem: np.ndarray
    tau_syn: np.ndarray
    kappa: np.ndarray
    threshold: np.ndarray
    refractory: float


def arriving_input(drive, g, substeps):
    """Input of grid step g when spikes come on the time steps: drive (T, B, N) at g = k M, None in between."""
    return drive[g // substeps] if g % substeps == 0 else None


def arriving_events(events, g, weights, B):
    """Input of grid step g from spikes on the grid: events[g] as run_circuits returns them; (B, N), or None where nobody spiked."""
    if len(events[g]) == 0:
        return None
    batch, unit = np.divmod(events[g], len(weights))
    arriving = np.zeros((B, weights.shape[1]), weights.dtype)      # (B, N)
    np.add.at(arriving, batch, weights[unit])
    return arriving


def run_circuits(circuits, arriving, steps, substeps, dt, shape, dtype, R=None):
    """Run one layer for `steps` time steps of `substeps` grid steps each. SPEC C3, C4.

    arriving(g): weighted input (B, N) of grid step g, or None. shape: (B, N). R (N, N) or None: recurrent weights, without delay.
    Returns samples (T, B, N), the membrane at k dt before the reset of a spike at that very instant, and events: for every grid step the flat
    indices into (B, N) of the neurons that spiked.
    """
    h = dt / substeps
    # the current is kept in units of the membrane it adds in one grid step, c I, which saves a product in the innermost loop of training
    a, b = (np.exp(-h / tau).astype(dtype) for tau in (circuits.tau_syn, circuits.tau_mem))                         # (N,)
    gain = (circuits.kappa * transfer(h, circuits.tau_mem, circuits.tau_syn)).astype(dtype)                          # (N,)
    threshold = circuits.threshold.astype(dtype)                                           # (N,)
    hold = max(1, round(circuits.refractory / h))        # grid steps for which a reset membrane is held
    samples = np.empty((steps, *shape), dtype)                                             # (T, B, N)
    I, V = np.zeros(shape, dtype), np.zeros(shape, dtype)                                  # (B, N)
    above = np.empty(shape, bool)                                                          # (B, N)
    events, held = [], []                                # held: (grid step of release, indices) of neurons in their refractory time
    for g in range(steps * substeps):
        # record
        if g % substeps == 0:
            samples[g // substeps] = V
        # threshold
        np.greater(V, threshold, out=above)
        spiked = np.flatnonzero(above) if above.any() else NOBODY
        events.append(spiked)
        # input
        for drive in (arriving(g), None if R is None else arriving_events(events, g, R, len(V))):
            if drive is not None:
                I += gain * drive
        # decay, integrate
        V *= b
        V += I
        I *= a
        # reset, and hold for the refractory time
        held = [entry for entry in held if entry[0] > g]
        if len(spiked):
            held.append((g + hold, spiked))
        for _, silenced in held:
            V.ravel()[silenced] = 0
    return samples, events
