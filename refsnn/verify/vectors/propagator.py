"""The analog neuron by the matrix exponential of scipy: no closed form, no search for crossings, and no code of the library. SPEC C3, C4.

    d/ds (U, I_exc, I_inh) = A (U, I_exc, I_inh),   U = V - leak
"""

import numpy as np

SCAN = 200           # points between two events at which a membrane must be below the threshold


def matrix(tau_mem, tau_exc, tau_inh, held=False):
    """A; while U is held its row is 0."""
    return np.array([[0.0, 0.0, 0.0] if held else [-1 / tau_mem, 1, 1], [0, -1 / tau_exc, 0], [0, 0, -1 / tau_inh]])


def analog_step(a, p):
    """exp(h A) for every neuron."""
    from scipy.linalg import expm
    after = np.empty((3, *a["U"].shape))
    for i, taus in enumerate(zip(a["tau_mem"], a["tau_exc"], a["tau_inh"])):
        after[:, :, i] = expm(p["h"] * matrix(*taus)) @ [a["U"][:, i], a["I_exc"][:, i], a["I_inh"][:, i]]
    return dict(zip(("U_next", "I_exc_next", "I_inh_next"), after))


class Neuron:
    """Neuron i on its way along given events: its state at `now`, held until `free`."""

    def __init__(self, a, i):
        self.taus = [a[name][i] for name in ("tau_mem", "tau_exc", "tau_inh")]
        self.leak, self.refractory = a["leak"][i], a["refractory"][i]
        self.level, self.reset = a["threshold"][i] - self.leak, a["reset"][i] - self.leak
        self.state, self.now, self.free = np.zeros(3), 0.0, 0.0

    def state_at(self, t):
        """(U, I_exc, I_inh) at t, if nothing happens before."""
        from scipy.linalg import expm
        until = min(max(self.free, self.now), t)
        return expm((t - until) * matrix(*self.taus)) @ expm((until - self.now) * matrix(*self.taus, held=True)) @ self.state

    def is_silent_until(self, t):
        """Whether the membrane stays below the threshold on a grid inside of (now or free, t)."""
        start = max(self.now, self.free)
        return all(self.state_at(s)[0] <= self.level + 1e-9 for s in np.linspace(start, t, SCAN)[1:-1])

    def spike(self, t):
        """Spike at t. Returns the time to which Newton's step moves it; t itself at a release above the threshold; NaN where nothing crosses."""
        U, *_ = self.state = self.state_at(t)
        slope = (matrix(*self.taus) @ self.state)[0]
        released = t == max(self.now, self.free) or abs(t - self.free) < 1e-12
        self.state[0], self.now, self.free = self.reset, t, t + self.refractory
        if released:
            return t if U >= self.level else np.nan
        return t + (self.level - U) / slope if slope > 0 else np.nan


def exact_spikes(a, p, answered):
    """Go along the spikes that were answered: each must lie where the membrane crosses, and no other crossing may be met.

    Returns the samples, and the spike times after a step of Newton's; NaN where a spike is missing or should not be.
    """
    spikes = list(zip(answered["spike_times"], answered["spike_units"]))
    moved, samples = np.array([t for t, _ in spikes]), np.empty((len(a["sample_times"]), len(a["tau_mem"])))
    for i in range(samples.shape[1]):
        neuron = Neuron(a, i)
        marks = [(t, 0, k) for k, t in enumerate(a["sample_times"])] + [(t, 1, a["weights"][unit, i]) for t, unit in zip(a["times"], a["units"])]
        marks += [(t, 2, n) for n, (t, unit) in enumerate(spikes) if unit == i]
        marks += [(t, 3, a["recurrent"][unit, i]) for t, unit in spikes if "recurrent" in a] + [(p["duration"], 4, 0)]
        for t, kind, what in sorted(marks):
            if not neuron.is_silent_until(t):
                moved[:] = np.nan
            if kind == 0:
                samples[what, i] = neuron.state_at(t)[0] + neuron.leak
            elif kind == 2:
                moved[what] = neuron.spike(t)
            elif kind in (1, 3):
                neuron.state, neuron.now = neuron.state_at(t) + [0, max(what, 0), min(what, 0)], t
    return {"spike_times": moved, "spike_units": np.array([unit for _, unit in spikes], int), "samples": samples}
