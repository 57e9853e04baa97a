"""A layer of leaky integrate-and-fire neurons in continuous time, event by event, exact to rounding: a yardstick for grids.

The dynamics and their first threshold crossing live here, and nothing else: no grid, no noise, nothing of how a chip is emulated.

    symbol     code         unit     shape   meaning
    tau_mem    tau_mem      s        (N,)    membrane time constant
    tau_exc    tau_exc      s        (N,)    time constant of the excitatory current; tau_inh: of the inhibitory one
    theta      threshold    theta    (N,)    a neuron spikes where V > threshold
    -          leak         theta    (N,)    where V goes without input
    -          reset        theta    (N,)    where V is held during the refractory time
    V          V            theta    (N,)    membrane
    I_exc      I_exc        theta/s  (N,)    excitatory current, at least 0; I_inh: the inhibitory one, at most 0
    kappa w    weights      theta/s  (M,N)   jump of a current at an input event [from, to]; the gain kappa is the caller's
    -          state        mixed    (4,N)   rows free (s), V, I_exc, I_inh: the membrane moves from `free` on, with these values
    D(s)       response     s        ()      membrane, s after a current of 1 theta/s began to decay
    q(s)       flow         theta/s  ()      dV/dt of a membrane that is at the threshold

    tau_exc dI_exc/dt = -I_exc,   tau_inh dI_inh/dt = -I_inh,   dV/dt = -(V - leak)/tau_mem + I_exc + I_inh

Why no crossing is missed (Rolle's theorem). Multiplied by exp(s/tau_mem), V - threshold loses its own decay:

    d/ds [exp(s/tau_mem) (V - threshold)] = exp(s/tau_mem) q(s)
    q(s) = (leak - threshold)/tau_mem + I_exc exp(-s/tau_exc) + I_inh exp(-s/tau_inh)

Between two zeros of q the bracket is monotone, so V crosses the threshold there once or not at all, and the signs at both ends
tell. q has at most one extremum, in closed form, hence at most two zeros, each in a piece where q is monotone. Nothing computed
here cancels where time constants are close, or grows. Every decision is right to some roundings of the largest term of V or q,
for time constants equal, nearly equal or far apart; a peak that clears the threshold by less than that may go either way.
Source: SPEC C3, C4.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from refsnn.errors import DtypeError, RangeError, RefsnnError, ShapeError, check_float_array, check_number


@dataclass(frozen=True, eq=False)
class Neurons:
    """The parameters of a layer's neurons: scalars, or (N,) arrays for one value a neuron. SPEC C3, C4.

    tau_mem, tau_exc, tau_inh, refractory in seconds, above 0; threshold, leak, reset in theta. A refractory time of 0 is
    refused: with the reset above the threshold it would mean infinitely many spikes at one instant. Raises DtypeError,
    ShapeError, RangeError.

    >>> Neurons(6e-6, 6e-6, 6e-6, refractory=0.0)
    Traceback (most recent call last):
    refsnn.errors.RangeError: refractory is 0.0; it must be above 0
    """

    tau_mem: float | np.ndarray
    tau_exc: float | np.ndarray
    tau_inh: float | np.ndarray
    threshold: float | np.ndarray = 1.0
    leak: float | np.ndarray = 0.0
    reset: float | np.ndarray = 0.0
    refractory: float | np.ndarray = 2e-6

    def __post_init__(self):
        for name, value in self.items():
            if isinstance(value, np.ndarray):
                check_float_array(name, value, 1)
                value = value.min()
            is_time = name.startswith(("tau", "refractory"))
            check_number(name, value, low=0 if is_time else -np.inf, strict=is_time)

    def items(self):
        """The pairs (name, value), in the order of the fields."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def broadcast(self, N):
        """The same neurons with a float64 (N,) array for every parameter. Raises ShapeError if one has another length."""
        for name, value in self.items():
            if np.shape(value) not in ((), (N,)):
                raise ShapeError(f"{name} has shape {np.shape(value)} but the layer has {N} neurons")
        return Neurons(*(np.full(N, value, float) for _, value in self.items()))

    def unit(self, n):
        """Neuron n alone, out of a layer that was broadcast: every parameter a float."""
        return Neurons(*(float(value[n]) for _, value in self.items()))


@dataclass(frozen=True, eq=False)
class Result:
    """Spikes in order of (time, unit): times (K,) in seconds, units (K,) integer; and samples (S, N), the membrane in theta."""

    times: np.ndarray
    units: np.ndarray
    samples: np.ndarray


def simulate(neurons, weights, events, duration, recurrent=None, sample_times=(), start=None):
    """Run a layer from 0 to `duration`, at first without current. SPEC C3, C4.

    weights (M, N) float, theta/s: what an event of unit j adds, to I_exc where positive, to I_inh where negative. events: two
    arrays, times (E,) float and units (E,) integer, in any order, or ((), ()). recurrent: None or (N, N) float, theta/s: what a
    spike adds, without delay. sample_times (S,) float, in any order: V is read just before anything happens at that instant.
    start: V at 0, a number or (N,); None is the leak. Events and sample times lie in [0, duration].

    V > threshold is a spike, a touch is none: V goes to the reset and is held there for the refractory time, while currents go
    on; above the threshold when released, a neuron spikes at once. What happens at one instant happens together: no spike
    undoes another. Returns the spikes in [0, duration) and the samples. Raises DtypeError, ShapeError, RangeError.

    >>> neurons = Neurons(1.0, 1.0, 1.0, leak=2.0, refractory=3.0)     # 2 - 2 exp(-s) = 1 at ln 2 = 0.69315, then 3 + ln 2 later
    >>> simulate(neurons, np.zeros((1, 1)), ((), ()), 9.0, start=0.0).times.round(5).tolist()
    [0.69315, 4.38629, 8.07944]
    """
    neurons, weights, recurrent, start = check_layer(neurons, weights, recurrent, start, duration)
    times, units = check_events(events, len(weights), duration)
    sample_times = check_times("sample_times", sample_times, duration)
    N = len(start)
    alone = [neurons.unit(n) for n in range(N)]
    state = np.array([np.zeros(N), start, np.zeros(N), np.zeros(N)])                        # (4, N)
    due = np.array([next_spike(alone[n], state[:, n], duration) for n in range(N)])         # (N,) if nothing arrives before
    samples, spikes, last = np.empty((len(sample_times), N)), [], -np.inf
    while True:
        instant = min(due.min(), times[times > last].min(initial=np.inf))
        for k in np.flatnonzero((last < sample_times) & (sample_times <= instant)):
            samples[k] = membrane_at(neurons, state, sample_times[k])                       # (N,)
        if instant >= duration:
            return Result(np.array([t for t, _ in spikes]), np.array([n for _, n in spikes], int), samples)
        spiking = due == instant                                                            # (N,)
        spikes += [(instant, n) for n in np.flatnonzero(spiking)]
        arriving = units[(last < times) & (times <= instant)]                               # none if `instant` is `last` once more
        rows = np.concatenate([weights[arriving], recurrent[spiking]])                      # (K, N)
        touched = spiking | (rows != 0).any(axis=0)                                         # (N,)
        # the others keep their older reference point, and with it their precision
        state[:, touched] = state_after(neurons, state, instant, spiking, rows)[:, touched]
        for n in np.flatnonzero(touched):
            due[n] = next_spike(alone[n], state[:, n], duration)
        last = instant


def state_after(neurons, state, instant, spiking, rows):
    """The state (4, N) past an instant at which neurons spike, `spiking` (N,), and currents jump by `rows` (K, N). SPEC C3, C4.

    In the refractory time a jump counts as what will be left of it at the release, for nothing sees the current before.
    """
    free, _, I_exc, I_inh = state
    # integrate, reset; a rounding must not lift a membrane that rests on its threshold over it, as V exp(-x) + V (1 - exp(-x))
    # can
    below = membrane_at(neurons, state, instant, zero=neurons.threshold) <= 0                          # (N,)
    V = np.minimum(membrane_at(neurons, state, instant), np.where(below, neurons.threshold, np.inf))   # (N,)
    V = np.where(spiking, neurons.reset, V)                                                            # (N,)
    later = np.where(spiking, instant + neurons.refractory, np.maximum(free, instant))                 # (N,)
    # decay, jump
    exc, inh = np.maximum(rows, 0).sum(axis=0), np.minimum(rows, 0).sum(axis=0)                        # (N,), (N,)
    I_exc = I_exc * np.exp((free - later) / neurons.tau_exc) + exc * np.exp((instant - later) / neurons.tau_exc)
    I_inh = I_inh * np.exp((free - later) / neurons.tau_inh) + inh * np.exp((instant - later) / neurons.tau_inh)
    return np.array([later, V, I_exc, I_inh])


def membrane_at(neurons, state, t, zero=0.0):
    """V - zero (N,) at the time t if nothing happened since the state (4, N) was made; V is held until `free`. SPEC C4."""
    free, V, I_exc, I_inh = state
    return membrane(neurons, np.maximum(t - free, 0), V, I_exc, I_inh, zero)


def next_spike(unit, state, duration):
    """When one neuron, `unit` in `state` (4,), spikes if nothing arrives before: a time, perhaps beyond `duration`, or inf. SPEC C4."""
    free, V, I_exc, I_inh = state.tolist()
    return free + first_crossing(unit, V, I_exc, I_inh, max(duration - free, 0.0))


def response(s, tau_mem, tau_syn):
    """What a current of 1 does to the membrane in s seconds: the integral of exp(-(s-u)/tau_mem) exp(-u/tau_syn) du from 0 to
    s. SPEC C3.

        D(s) = (exp(-s/slow) - exp(-s/fast))/gap = s exp(-s/slow) (1 - exp(-gap s))/(gap s),   gap = 1/fast - 1/slow

    The first form cancels where the time constants are close (8e-10 at a relative difference of 1e-8). The second does not:
    where the gap cancels, gap s is small and the fraction close to 1 whatever it is. Relative error below 2e-16 times 2 (1 +
    s/slow), everywhere.

    >>> [float(round(response(1.0, tau, 1.0), 5)) for tau in (1.0, 1 + 1e-12, 0.5)]      # exp(-1), the same, exp(-1) - exp(-2)
    [0.36788, 0.36788, 0.23254]
    """
    # at 1e-300 the fraction is 1, as it is at 0, where it cannot be computed
    x = np.maximum(np.abs(1 / tau_mem - 1 / tau_syn) * s, 1e-300)
    return s * np.exp(-s / np.maximum(tau_mem, tau_syn)) * (-np.expm1(-x) / x)


def membrane(neurons, s, V, I_exc, I_inh, zero=0.0):
    """V(s) - zero, s seconds after the membrane was V and the currents I_exc and I_inh, with nothing in between. SPEC C3.

        V(s) = V exp(-s/tau_mem) + leak (1 - exp(-s/tau_mem)) + I_exc D_exc(s) + I_inh D_inh(s)

    V and leak are counted from `zero`. From the threshold, two terms that are not above it have a sum that is not, rounded or
    not.

    >>> float(round(membrane(Neurons(1.0, 2.0, 1.0, leak=1.0), 1.0, 0.0, 0.0, -1.0), 5))  # 1 - 2 exp(-1)
    0.26424
    """
    passive = (V - zero) * np.exp(-s / neurons.tau_mem) - (neurons.leak - zero) * np.expm1(-s / neurons.tau_mem)
    return passive + I_exc * response(s, neurons.tau_mem, neurons.tau_exc) + I_inh * response(s, neurons.tau_mem, neurons.tau_inh)


def first_crossing(unit, V, I_exc, I_inh, horizon):
    """The first s in [0, horizon] after which V(s) > threshold, or inf; 0 if V is above already. SPEC C4.

    unit: one neuron; V, I_exc, I_inh: its state at 0. The head of this file says why no crossing is missed.

    >>> first_crossing(Neurons(1.0, 1.0, 1.0, leak=1.0), 0.5, 0.0, 0.0, 1e6)             # rises to the threshold for ever
    inf
    """
    def above(s):
        return membrane(unit, s, V, I_exc, I_inh, zero=unit.threshold)

    if V > unit.threshold:
        return 0.0
    for low, high in pairwise([0.0, *zeros_of_flow(unit, I_exc, I_inh, horizon), horizon]):
        if above(high) > 0:
            return root(above, low, high)
    return np.inf


def zeros_of_flow(unit, I_exc, I_inh, horizon):
    """The zeros of q(s) in [0, horizon] where it changes its sign, two at most, in order. SPEC C3.

        q'(s) = 0 at s = log(-(I_inh/tau_inh)/(I_exc/tau_exc)) / (1/tau_inh - 1/tau_exc)
    """
    def flow(s):
        return (unit.leak - unit.threshold) / unit.tau_mem + I_exc * np.exp(-s / unit.tau_exc) + I_inh * np.exp(-s / unit.tau_inh)

    edges = [0.0, horizon]
    gap = 1 / unit.tau_inh - 1 / unit.tau_exc
    if gap != 0 and I_exc > 0 > I_inh:
        # a current decayed to 1e-308 can make the quotient 0 or inf; the extremum is then nowhere, and q the other current alone
        with np.errstate(over="ignore", divide="ignore"):
            extremum = np.log(np.float64(-I_inh) / I_exc * (unit.tau_exc / unit.tau_inh)) / gap
        edges = [0.0, extremum, horizon] if 0 < extremum < horizon else edges
    return [root(flow, low, high) for low, high in pairwise(edges) if (flow(low) > 0) != (flow(high) > 0)]


def root(function, low, high):
    """The zero of `function` in [low, high], where it changes its sign, to 4 roundings of s. Raises RefsnnError where scipy is missing."""
    try:
        from scipy.optimize import brentq
    except ImportError:
        raise RefsnnError("exact spike times need scipy: pip install 'refsnn[fast]'") from None
    # no absolute tolerance: a crossing very soon after an event counts relative to that, not to a time constant
    return brentq(function, low, high, xtol=np.finfo(float).tiny, rtol=4 * np.finfo(float).eps, maxiter=10_000)


def check_layer(neurons, weights, recurrent, start, duration):
    """(neurons, weights, recurrent, start) of `simulate` in full, as float64 arrays, or raise DtypeError, ShapeError, RangeError."""
    check_float_array("weights", weights, 2)
    N = weights.shape[1]
    neurons = neurons.broadcast(N)
    check_number("duration", duration, low=0, strict=True)
    if duration + neurons.refractory.min() == duration:
        raise RangeError(f"a refractory time of {neurons.refractory.min()} is lost in the rounding of the duration, {duration}")
    recurrent = np.zeros((N, N)) if recurrent is None else recurrent
    start = neurons.leak if start is None else start if isinstance(start, np.ndarray) else np.full(N, check_number("start", start))
    for name, array, shape in (("recurrent", recurrent, (N, N)), ("start", start, (N,))):
        check_float_array(name, array, len(shape))
        if array.shape != shape:
            raise ShapeError(f"{name} has shape {array.shape}; with {N} neurons it must have {shape}")
    return neurons, weights.astype(float), recurrent.astype(float), start.astype(float)


def check_events(events, M, duration):
    """(times, units) ordered by (time, unit), so that the order they came in changes not even a rounding; or raise as `simulate` does."""
    if not isinstance(events, (tuple, list)) or len(events) != 2:
        raise ShapeError("events must be a pair (times, units)")
    times, units = check_times("event times", events[0], duration), events[1] if np.size(events[1]) else np.zeros(0, int)
    if not isinstance(units, np.ndarray) or not np.issubdtype(units.dtype, np.integer):
        raise DtypeError("event units must be an array of integers")
    if units.shape != times.shape:
        raise ShapeError(f"the event times have shape {times.shape} but the event units {units.shape}")
    if len(units) and (units.min() < 0 or units.max() >= M):
        raise RangeError(f"event units run from {units.min()} to {units.max()}; with {M} rows of weights they must lie in 0..{M - 1}")
    order = np.lexsort((units, times))
    return times[order], units[order]


def check_times(name, times, duration):
    """The times as a float64 array, which may be empty; raise unless they are finite and in [0, duration]."""
    if np.size(times) == 0:
        return np.zeros(0)
    check_float_array(name, times, 1)
    if times.min() < 0 or times.max() > duration:
        raise RangeError(f"{name} run from {times.min()} to {times.max()}; they must lie in 0..{duration}")
    return times.astype(float)
