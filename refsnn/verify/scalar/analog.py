"""The analog neurons in plain Python: a chip on its grid, every draw given, and one layer in continuous time.

    tau_m dU/dt = -U + tau_m (I_exc + I_inh),   tau_s dI/dt = -I for either kind,   U = V - leak

a are the inputs of an operation, p its params.
"""

import math

SCAN = 2000      # points at which a membrane is looked at between two events: see first_crossing


def gain(s, tau_mem, tau_syn):
    """The membrane that a current of 1 leaves s seconds later: (exp(-s/slow) - exp(-s/fast)) / (1/fast - 1/slow), or s exp(-s/tau). C3.

    The quotient cancels where the two are close, so it is written with 1 - exp(-x) = -expm1(-x).
    """
    x = abs(s / tau_mem - s / tau_syn)
    return s * math.exp(-s / max(tau_mem, tau_syn)) * (-math.expm1(-x) / x if x else 1.0)


def moved(s, U, I_exc, I_inh, tau_mem, tau_exc, tau_inh):
    """(U, I_exc, I_inh) of one neuron s seconds later, if nothing happens. C3."""
    return (math.exp(-s / tau_mem) * U + gain(s, tau_mem, tau_exc) * I_exc + gain(s, tau_mem, tau_inh) * I_inh,
            math.exp(-s / tau_exc) * I_exc, math.exp(-s / tau_inh) * I_inh)


def analog_step(a, p):
    """Every neuron of every sample, h seconds later. C3."""
    after = [[moved(p["h"], *values) for values in zip(*(a[name][b] for name in ("U", "I_exc", "I_inh")), a["tau_mem"], a["tau_exc"], a["tau_inh"])]
             for b in range(len(a["U"]))]
    return {name: [[values[n] for values in row] for row in after] for n, name in enumerate(("U_next", "I_exc_next", "I_inh_next"))}


# the chip

class Neuron:
    """One analog neuron of a chip, in theta and seconds: what the fixed pattern made of the nominal parameters. C3, C4, C7."""

    def __init__(self, a, p, l, i):
        def own(name, nominal):
            return a[f"{name}{l}"][i] if f"{name}{l}" in a else nominal

        def ideal(name):
            return p[name][l][i] if isinstance(p[name][l], list) else p[name][l]

        self.l, self.i, self.dt, self.M = l, i, p["dt"], p["substeps"]
        self.taus = (ideal("tau_mem") * own("tau_mem", 1.0), ideal("tau_syn") * own("tau_exc", 1.0), ideal("tau_syn") * own("tau_inh", 1.0))
        self.leak = own("leak", 0.0)
        self.threshold = ideal("threshold") * own("threshold", 1.0) * (1 + p["batch_threshold"] * own("noise_threshold", 0.0)) - self.leak
        if l == len(p["tau_mem"]) - 1:
            self.threshold = math.inf                                            # the readout
        self.reset = own("reset", 0.0) - self.leak
        self.hold = max(1, round(p["refractory"] * own("refractory", 1.0) / (self.dt / self.M)))               # grid steps
        kappa = 1 / gain(self.dt, ideal("tau_mem"), ideal("tau_syn"))
        self.kappa = kappa * own("gain_exc", 1.0), kappa * own("gain_inh", 1.0)
        self.kick = p["membrane_noise"] * math.sqrt(-math.expm1(-2 * self.dt / self.taus[0]))
        late = own("sample_time", 0.0) * self.dt
        self.sampled = min(int(late / (self.dt / self.M)), self.M - 1)                                         # grid step of the sample
        self.rest_of_sample = late - self.sampled * self.dt / self.M
        self.converter = own("converter_gain", 1.0), own("converter_offset", 0.0)


def loaded(W, readout, levels):
    """Weights as 6 bits and a sign hold them, in the model's unit. C1."""
    if levels == 0:
        return W
    largest = max(abs(w) for row in W for w in row)
    scale = 240.0 if not readout else 250.0 if largest * 250 <= levels else levels / largest
    return [[min(max(round(scale * w), -levels), levels) / scale for w in row] for row in W]


def currents(weights, a, kind, neuron):
    """What a spike of each unit j adds to (I_exc, I_inh) of a neuron: [(exc, inh), ..]. Positive weights pass through excitatory synapses. C1, C7."""
    l, i, pairs = neuron.l, neuron.i, []
    for j, row in enumerate(weights):
        sign, n = ("exc", 0) if row[i] > 0 else ("inh", 1)
        strength = a[f"{kind}_{sign}{l}"][j][i] if f"{kind}_{sign}{l}" in a else 1.0
        pairs.append((neuron.kappa[0] * row[i] * strength, 0.0) if n == 0 else (0.0, neuron.kappa[1] * row[i] * strength))
    return pairs


def run_sample(neurons, synapses, recurrent, steps, M, arrivals, kicks):
    """One sample through one layer: (samples [k][i], spikes as a list of units for each grid step). C3-C5.

    synapses[i][j], recurrent[i][j] or None: pairs of currents; arrivals[g]: units below whose spikes arrive at g h; kicks[k][i] or None.
    """
    h, N = neurons[0].dt / M, len(neurons)
    state = [(0.0, 0.0, 0.0)] * N
    release, spikes, samples = [0] * N, [], [[0.0] * N for _ in range(steps)]
    for g in range(steps * M):
        k, m = divmod(g, M)
        fired = []
        for i, neuron in enumerate(neurons):
            U, I_exc, I_inh = state[i]
            # input: what was seen to spike at the end of the grid step before arrives now
            for pair in [synapses[i][j] for j in arrivals[g]] + [recurrent[i][j] for j in (spikes[-1] if recurrent and spikes else [])]:
                I_exc, I_inh = I_exc + pair[0], I_inh + pair[1]
            # record
            if m == neuron.sampled and k > 0:
                samples[k][i] = neuron.reset if release[i] > g else moved(neuron.rest_of_sample, U, I_exc, I_inh, *neuron.taus)[0]
            # decay, integrate, held in the refractory time
            U, I_exc, I_inh = moved(h, U, I_exc, I_inh, *neuron.taus)
            U = neuron.reset if release[i] > g else U
            # threshold, reset
            if U > neuron.threshold and release[i] <= g + 1:
                U, release[i] = neuron.reset, g + 1 + neuron.hold
                fired.append(i)
            # noise
            if kicks is not None and m == M - 1:
                U += neuron.kick * kicks[k][i]
            state[i] = U, I_exc, I_inh
        spikes.append(fired)
    return [[value + neuron.leak for value, neuron in zip(row, neurons)] for row in samples], spikes


def recorded(samples, neurons, noise, p):
    """The membranes of one sample as the host has them: converted to 8 bits, in theta, less the first. C5."""
    lsb = p["converter_lsb"]
    if lsb:
        samples = [[min(max(round(80 + n.converter[1] + V * n.converter[0] / lsb + (p["read_noise"] * noise[k][i] if noise else 0.0)), 0), 255)
                    for i, (V, n) in enumerate(zip(row, neurons))] for k, row in enumerate(samples)]
    return [[(V - first) * (lsb or 1.0) for V, first in zip(row, samples[0])] for row in samples]


def chip_run(a, p):
    """All layers of all samples. C1-C8."""
    x, M, count, found = a["x"], p["substeps"], len(p["tau_mem"]), {}
    T, B = len(x), len(x[0])
    arrivals = [[[j for j, fired in enumerate(x[g // M][b]) if fired] if g % M == 0 else [] for g in range(T * M)] for b in range(B)]
    for l in range(count):
        W, R = a[f"W{l}"], a.get(f"R{l}")
        neurons = [Neuron(a, p, l, i) for i in range(len(W[0]))]
        synapses = [currents(loaded(W, l == count - 1, p["weight_levels"]), a, "synapse", neuron) for neuron in neurons]
        recurrent = R and [currents(loaded(R, False, p["weight_levels"]), a, "recurrent", neuron) for neuron in neurons]
        V, S = [], []
        for b in range(B):
            kicks, noise = ([row[b] for row in a[f"{name}{l}"]] if f"{name}{l}" in a else None for name in ("noise_membrane", "noise_read"))
            samples, spikes = run_sample(neurons, synapses, recurrent, T, M, arrivals[b], kicks)
            V.append(recorded(samples, neurons, noise, p))
            # C6: a spike in [k dt, (k+1) dt) goes to bin k
            S.append([[float(any(i in fired for fired in spikes[k * M:(k + 1) * M])) for i in range(len(neurons))] for k in range(T)])
            arrivals[b] = [[], *spikes[:-1]]
        found[f"V{l}"] = [[V[b][k] for b in range(B)] for k in range(T)]
        if l < count - 1:
            found[f"S{l}"] = [[S[b][k] for b in range(B)] for k in range(T)]
    return found


# continuous time

class Course:
    """One neuron in continuous time: its parameters, and its state (U, I_exc, I_inh) at an instant. Until `free` U is held at the reset."""

    def __init__(self, a, i):
        self.taus = a["tau_mem"][i], a["tau_exc"][i], a["tau_inh"][i]
        self.leak, self.refractory = a["leak"][i], a["refractory"][i]
        self.threshold, self.reset = a["threshold"][i] - self.leak, a["reset"][i] - self.leak
        self.at, self.free, self.state = 0.0, 0.0, (0.0, 0.0, 0.0)

    def state_at(self, t):
        """(U, I_exc, I_inh) at t, if nothing happens between."""
        until = min(max(self.free, self.at), t)
        U, *I = self.state
        held = (U, *moved(until - self.at, 0.0, *I, *self.taus)[1:])
        return moved(t - until, *held, *self.taus)

    def first_crossing(self, end):
        """The first instant up to `end` at which the membrane passes the threshold, or inf: scanned, then halved until floats end.

        Two crossings within a scanning step are missed; a grid of SCAN points between any two events makes that rare, not impossible.
        """
        start = max(self.free, self.at)
        if start > end:
            return math.inf
        if self.state_at(start)[0] > self.threshold:
            return start
        low = start
        for n in range(1, SCAN + 1):
            high = start + (end - start) * n / SCAN
            if self.state_at(high)[0] > self.threshold:
                while low < (middle := (low + high) / 2) < high:
                    low, high = (low, middle) if self.state_at(middle)[0] > self.threshold else (middle, high)
                return high
            low = high
        return math.inf


def exact_spikes(a, p):
    """Event by event: the next input, or the next spike, whichever comes first. C3, C4."""
    N, now, spikes = len(a["tau_mem"]), -1.0, []
    neurons, samples = [Course(a, i) for i in range(N)], [[0.0] * N for _ in a["sample_times"]]
    while True:
        following = min([t for t in a["times"] if t > now] + [p["duration"]])
        crossings = [neuron.first_crossing(following) for neuron in neurons]
        instant = min(following, *crossings)
        for k, t in enumerate(a["sample_times"]):
            if now < t <= instant:
                samples[k] = [neuron.state_at(t)[0] + neuron.leak for neuron in neurons]
        if instant >= p["duration"]:
            return {"spike_times": [t for t, _ in spikes], "spike_units": [i for _, i in spikes], "samples": samples}
        firing = [i for i in range(N) if crossings[i] == instant]
        arriving = [a["weights"][unit] for t, unit in zip(a["times"], a["units"]) if now < t <= instant]
        arriving += [a["recurrent"][i] for i in firing] if "recurrent" in a else []
        for i, neuron in enumerate(neurons):
            U, I_exc, I_inh = neuron.state_at(instant)
            neuron.at = instant
            if i in firing:
                U, neuron.free = neuron.reset, instant + neuron.refractory
                spikes.append((instant, i))
            neuron.state = U, I_exc + sum(max(row[i], 0) for row in arriving), I_inh + sum(min(row[i], 0) for row in arriving)
        now = instant
