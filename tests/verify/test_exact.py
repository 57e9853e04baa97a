"""The exact layer: against an ODE solver, 60-digit arithmetic, a fine grid and Brian2, and in its semantics at spikes.

Most tests count time in units of the time constants (about 1 s): nothing in the dynamics knows a scale.
"""

import doctest
import itertools
import sys
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import lambertw

import refsnn.verify.exact as exact
from refsnn import DtypeError, NeuronParameters, RangeError, RefsnnError, ShapeError
from refsnn.spec.neuron import run_readout
from refsnn.verify.exact import Neurons, first_crossing, response, simulate

EPS = np.finfo(float).eps
PLAIN = Neurons(1.0, 1.0, 1.0, refractory=0.5)
SILENT = replace(PLAIN, threshold=1e9)
NOTHING = np.zeros((1, 1)), ((), ())


def events(*pairs):
    """The events (time, unit), ... as `simulate` takes them."""
    return np.array([time for time, _ in pairs]), np.array([unit for _, unit in pairs])


def draw_layer(rng, N, M, E, duration, recurrent=True):
    """A random layer, about half of its time constants equal or nearly so: neurons, weights, events, R, start."""
    tau = np.exp(rng.uniform(-1.5, 1.5, (3, N)))                                # (3, N)
    near = rng.choice([0.0, 1e-15, 1e-12, 1e-8, 1e-5, 1e-3], (2, N))            # relative differences
    tau[1:] = np.where(rng.random((2, N)) < 0.5, tau[0] * (1 + near), tau[1:])
    neurons = Neurons(*tau, threshold=rng.uniform(0.5, 1.5, N), leak=rng.uniform(-1, 1.2, N), reset=rng.uniform(-0.5, 0.4, N),
                      refractory=rng.uniform(0.1, 0.8, N))
    arriving = rng.uniform(0, duration, E), rng.integers(0, M, E)
    R = rng.normal(0, 0.7, (N, N)) if recurrent else None
    return neurons, rng.normal(0.6, 1.0, (M, N)), arriving, R, rng.uniform(-1, 0.4, N)


def solve_by_steps(neurons, weights, arriving, duration, R, sample_times, start, max_step=0.03):
    """The same layer by an explicit ODE solver of order 8, restarted at each event, spike and release. Spikes (time, unit), samples."""
    N = weights.shape[1]
    neurons = neurons.broadcast(N)
    state, held_until = np.concatenate([start, np.zeros(2 * N)]), np.full(N, -np.inf)        # V, I_exc, I_inh
    now, spikes, samples = 0.0, [], np.full((len(sample_times), N), np.nan)

    def slope(t, y):
        V, I_exc, I_inh = y.reshape(3, N)
        dV = np.where(held, 0.0, (neurons.leak - V) / neurons.tau_mem + I_exc + I_inh)
        return np.concatenate([dV, -I_exc / neurons.tau_exc, -I_inh / neurons.tau_inh])

    def crossing_of(n):
        def crossing(t, y):
            return -1.0 if held[n] else y[n] - neurons.threshold[n]
        crossing.terminal, crossing.direction = True, 1
        return crossing

    def jump(row):
        state[N:2 * N] += np.maximum(row, 0)
        state[2 * N:] += np.minimum(row, 0)

    crossings = [crossing_of(n) for n in range(N)]
    while now < duration:
        held = held_until > now
        stops = np.concatenate([arriving[0][arriving[0] > now], held_until[held], [duration]])
        run = solve_ivp(slope, (now, stops.min()), state, "DOP853", rtol=1e-12, atol=1e-13, max_step=max_step, events=crossings,
                        dense_output=True)
        inside = (sample_times >= now) & (sample_times <= run.t[-1])
        if inside.any():
            samples[inside] = run.sol(sample_times[inside])[:N].T
        now, state = run.t[-1], run.y[:, -1].copy()
        for unit in arriving[1][arriving[0] == now]:
            jump(weights[unit])
        for n in [n for n in range(N) if len(run.t_events[n])]:
            spikes.append((now, n))
            state[n], held_until[n] = neurons.reset[n], now + neurons.refractory[n]
            jump(R[n])
    return spikes, samples


@pytest.mark.parametrize("seed", range(6))
def test_a_recurrent_layer_agrees_with_an_ode_solver(seed):
    rng = np.random.default_rng(seed)
    neurons, weights, arriving, R, start = draw_layer(rng, 4, 5, 25, 12.0)
    sample_times = rng.uniform(0, 12, 40)
    result = simulate(neurons, weights, arriving, 12.0, R, sample_times, start)
    spikes, samples = solve_by_steps(neurons, weights, arriving, 12.0, R, sample_times, start)
    assert len(result.times) > 8 and result.units.tolist() == [n for _, n in spikes]
    # the solver's error of 1e-12 a step; 2e-13 and 8e-13 seen in 60 layers
    np.testing.assert_allclose(result.times, [t for t, _ in spikes], rtol=0, atol=1e-11)
    np.testing.assert_allclose(result.samples, samples, rtol=0, atol=1e-11)


@pytest.mark.parametrize("tau", list(itertools.product([1.0, 1 + 1e-15, 1 + 1e-9, 2.0], repeat=3)))
def test_the_membrane_agrees_with_an_ode_solver_for_equal_and_nearly_equal_time_constants(tau):
    weights, arriving, sample_times = np.array([[2.0], [-3.0]]), events((0.0, 0), (0.3, 1), (0.3, 0), (1.1, 0)), np.linspace(0, 5, 21)
    neurons = replace(SILENT, tau_mem=tau[0], tau_exc=tau[1], tau_inh=tau[2], leak=-0.5)
    samples = simulate(neurons, weights, arriving, 5.0, None, sample_times, 0.5).samples
    # the solver takes no event at 0, so all come one rounding later
    arriving = np.nextafter(arriving[0], 1.0), arriving[1]
    expected = solve_by_steps(neurons, weights, arriving, 5.0, None, sample_times, np.array([0.5]), max_step=0.1)[1]
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-11)               # 2e-13 seen, the solver's


# accuracy, where time constants nearly coincide and where they are far apart

def response_in_60_digits(s, tau_mem, tau_syn):
    with localcontext() as context:
        context.prec = 60
        s, tau_mem, tau_syn = Decimal(s), Decimal(tau_mem), Decimal(tau_syn)
        if tau_mem == tau_syn:
            return s * (-s / tau_mem).exp()
        return ((-s / tau_syn).exp() - (-s / tau_mem).exp()) / (1 / tau_mem - 1 / tau_syn)


@pytest.mark.parametrize("exponent", range(-16, 7))
def test_the_response_is_right_to_rounding_at_every_distance_of_the_time_constants(exponent):
    rng = np.random.default_rng(100 + exponent)
    for _ in range(40):
        tau_mem = float(np.exp(rng.uniform(-14, 2)))
        tau_syn = tau_mem * (1 + 10.0 ** exponent * rng.uniform(1, 9))
        if rng.random() < 0.5:
            tau_mem, tau_syn = tau_syn, tau_mem
        s = max(tau_mem, tau_syn) * float(np.exp(rng.uniform(-20, 3)))
        with localcontext() as context:
            context.prec = 60
            error = float(abs(Decimal(float(response(s, tau_mem, tau_syn))) / response_in_60_digits(s, tau_mem, tau_syn) - 1))
        # about 8 operations of half a rounding each, and exp passes on the rounding of its argument s/slow: 1.7 seen
        assert error < 4 * EPS * (1 + s / max(tau_mem, tau_syn))


def distance_in_60_digits(unit, V, I_exc, I_inh, s):
    """(V(s) - threshold, the sum of the sizes of its terms), in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        fall = (-Decimal(s) / Decimal(unit.tau_mem)).exp()
        terms = [(Decimal(V) - Decimal(unit.threshold)) * fall, (Decimal(unit.leak) - Decimal(unit.threshold)) * (1 - fall),
                 Decimal(I_exc) * response_in_60_digits(s, unit.tau_mem, unit.tau_exc),
                 Decimal(I_inh) * response_in_60_digits(s, unit.tau_mem, unit.tau_inh)]
        return float(sum(terms)), float(sum(map(abs, terms)))


@pytest.mark.parametrize("difference", [0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 1e2, 1e4])
def test_at_a_crossing_the_membrane_is_at_the_threshold_to_rounding(difference):
    rng, found = np.random.default_rng(3), 0
    for _ in range(60):
        tau = np.exp(rng.uniform(-1, 1)) * (1 + difference * rng.uniform(0, 1, 3))
        unit = Neurons(*map(float, tau), threshold=1.0, leak=float(rng.uniform(-0.5, 0.5)))
        V, I_exc, I_inh = float(rng.uniform(-1, 1)), float(rng.exponential(8)), -float(rng.exponential(8))
        s = first_crossing(unit, V, I_exc, I_inh, 1e3)
        if np.isfinite(s):
            value, size = distance_in_60_digits(unit, V, I_exc, I_inh, float(s))
            # s carries 4 roundings, which V feels through a slope of at most size / s + size / tau; its own terms carry some more
            assert abs(value) < 5 * EPS * size * (1 + s / min(tau))       # 1 seen
            found += 1
    assert found > 5


def test_time_constants_far_apart_overflow_nothing():
    for tau in itertools.permutations([1e-9, 1.0, 1e9]):
        for start, I_exc, I_inh in itertools.product([-1.0, 0.5], [0.0, 3.0, 3e9], [0.0, -3.0, -3e9]):
            unit = Neurons(*tau)
            s = float(first_crossing(unit, start, I_exc, I_inh, 1e12))
            if np.isfinite(s):
                value, size = distance_in_60_digits(unit, start, I_exc, I_inh, s)
                assert abs(value) < 5 * EPS * size * (1 + s / min(tau))       # as above
    # one current decayed to 1e-300, to a denormal number or to nothing when the other arrives: as if it had never been
    ages, tau_exc, orders = (690.0, 740.0, 744.0, 800.0), (0.5, 1.0, 2.0), ([[5.0], [-5.0], [9.0]], [[-5.0], [9.0], [9.0]])
    for age, tau, weights in itertools.product(ages, tau_exc, orders):
        neurons = replace(PLAIN, tau_exc=tau, tau_inh=1 / tau)
        pairs = [(0.0, 0), (age, 1), (2 * age, 2)]
        together = simulate(neurons, np.array(weights), events(*pairs), 3 * age).times
        apart = [simulate(neurons, np.array(weights), events(pair), 3 * age).times for pair in pairs]
        np.testing.assert_allclose(together, np.concatenate(apart), rtol=10 * EPS)
    # a refractory time beyond the end
    assert len(simulate(replace(PLAIN, refractory=1e5), np.array([[5.0]]), events((0.0, 0)), 10.0).times) == 1


# crossings that are known

def test_without_input_the_membrane_crosses_after_a_logarithm():
    spikes = simulate(replace(PLAIN, tau_mem=3.0, leak=1.5, reset=-1.0), *NOTHING, 4.0, start=0.0)
    np.testing.assert_allclose(spikes.times, [3 * np.log(1.5 / 0.5)], rtol=4 * EPS)


def test_without_scipy_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(RefsnnError, match=r"exact spike times need scipy: pip install 'refsnn\[fast\]'"):
        simulate(Neurons(1.0, 1.0, 1.0, leak=2.0), np.zeros((1, 1)), ((), ()), 2.0, start=0.0)


def test_a_crossing_very_soon_is_right_relative_to_its_own_time():
    for distance in (2.0 ** -20, 2.0 ** -30, 2.0 ** -40):
        # 2 - (1 + distance) exp(-s) = 1
        times = simulate(replace(PLAIN, leak=2.0, refractory=10.0), *NOTHING, 1.0, start=1 - distance).times
        np.testing.assert_allclose(times, [np.log1p(distance)], rtol=8 * EPS)


@pytest.mark.parametrize("tau", [1.0, 6e-6])
@pytest.mark.parametrize("w", [2.72, 3.0, 10.0, 1e6])
def test_equal_time_constants_cross_at_the_lambert_w(w, tau):
    # w/tau s exp(-s/tau) = 1
    spikes = simulate(replace(PLAIN, tau_mem=tau, tau_exc=tau, refractory=10 * tau), np.array([[w / tau]]), events((0.0, 0)), 5 * tau)
    # the peak e/w is flat: an error of EPS there moves the crossing by EPS / (1 - s/tau), 27 times for 2.72
    np.testing.assert_allclose(spikes.times, [-tau * lambertw(-1 / w).real], rtol=100 * EPS)


@pytest.mark.parametrize("w", [1.01, 2.0, 50.0])
def test_a_ratio_of_two_crosses_at_the_root_of_a_quadratic(w):
    # tau_mem = 2, tau_exc = 1: V = 2 I (x - x^2) with x = exp(-s/2), peak I/2 at x = 1/2
    spikes = simulate(replace(PLAIN, tau_mem=2.0, refractory=10.0), np.array([[2 * w]]), events((0.5, 0)), 5.0)
    np.testing.assert_allclose(spikes.times, [0.5 - 2 * np.log((1 + np.sqrt(1 - 1 / w)) / 2)], rtol=100 * EPS)


def test_three_rates_cross_at_the_root_of_a_cubic():
    # tau = 1, 1/2, 1/3: V = I_exc (x - x^2) + I_inh (x - x^3)/2 with x = exp(-s)
    spikes = simulate(Neurons(1.0, 1 / 2, 1 / 3, refractory=10.0), np.array([[12.0], [-4.0]]), events((0.0, 0), (0.0, 1)), 5.0)
    x = max(z.real for z in np.roots([2.0, -12.0, 10.0, -1.0]) if abs(z.imag) < 1e-9 and z.real < 1)
    np.testing.assert_allclose(spikes.times, [-np.log(x)], rtol=1e-13)          # np.roots is right to some 1e-15 here


@given(st.floats(0.5, 4.0), st.floats(1.01, 20.0), st.floats(-3.0, 0.9), st.floats(0.01, 2.0))
def test_a_leak_above_the_threshold_fires_with_the_analytic_period(tau, leak, reset, refractory):
    neurons = replace(PLAIN, tau_mem=tau, leak=leak, reset=reset, refractory=refractory)
    period = refractory + tau * np.log((leak - reset) / (leak - 1))
    times = simulate(neurons, *NOTHING, 20.5 * period).times
    # the leak is where it starts, above the threshold: the first spike is at 0
    np.testing.assert_allclose(times, period * np.arange(21), rtol=0, atol=200 * EPS * period * 21)


def test_the_ideal_neuron_is_met_at_every_grid_point():
    rng = np.random.default_rng(0)
    for tau_syn in (6e-6, 6e-6 * (1 + 1e-9), 9e-6, 2e-6):
        neuron = NeuronParameters(6e-6, tau_syn)
        x, W = (rng.random((30, 1, 4)) < 0.2).astype(float), rng.normal(size=(4, 3))
        kappa = 1 / response(neuron.dt, neuron.tau_mem, tau_syn)                # SPEC C3: one event through w makes V = w one step later
        steps, _, units = np.nonzero(x)
        layer = replace(SILENT, tau_mem=6e-6, tau_exc=tau_syn, tau_inh=tau_syn)
        samples = simulate(layer, kappa * W, (steps * neuron.dt, units), 30 * neuron.dt, None, np.arange(30) * neuron.dt).samples
        # 30 steps with a rounding each; the largest V is about 5
        np.testing.assert_allclose(samples, run_readout(x, W, neuron).membrane[:, 0], rtol=0, atol=30 * 5 * EPS)


# no crossing is missed

def draw_trials(rng, count):
    """Random neurons with both currents at time 0: (tau (3, n), leak, start, I_exc, I_inh), a third of them with close time constants."""
    tau = np.exp(rng.uniform(-3, 2, (3, count)))
    close = rng.random((2, count)) < 0.33
    tau[1:] = np.where(close, tau[0] * (1 + rng.choice([0, 1e-14, 1e-9, 1e-4, 1e-2], (2, count))), tau[1:])
    I_exc = np.exp(rng.normal(0.5, 1.5, count)) * (rng.random(count) < 0.95)
    # currents that nearly balance make the membranes with more than one hump
    balanced = -I_exc * tau[1] / tau[2] * np.exp(rng.normal(0, 0.3, count))
    I_inh = np.where(rng.random(count) < 0.5, balanced, -np.exp(rng.normal(0.5, 1.5, count))) * (rng.random(count) < 0.9)
    return tau, rng.normal(0, 0.7, count), rng.normal(0, 0.7, count), I_exc, I_inh


def membrane_on_grid(tau, leak, start, I_exc, I_inh, s):
    """V (n, P) at the times s (n, P), in 80-bit numbers, by the difference quotient or, where that cancels, by its series."""
    tau, leak, start, I_exc, I_inh = (np.asarray(a, np.longdouble)[..., None] for a in (tau, leak, start, I_exc, I_inh))

    def response_on_grid(tau_mem, tau_syn):
        x = (1 / tau_mem - 1 / tau_syn) * s
        series = 1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6 * (1 + x / 7)))))
        small = np.abs(x) < 3e-3
        quotient = (np.exp(-s / tau_syn) - np.exp(-s / tau_mem)) / np.where(small, 1, x)
        return s * np.where(small, np.exp(-s / tau_mem) * series, quotient)

    fall = np.exp(-s / tau[0])
    return start * fall + leak * (1 - fall) + I_exc * response_on_grid(tau[0], tau[1]) + I_inh * response_on_grid(tau[0], tau[2])


def humps(trial, s, V, rng):
    """A local maximum of each V (n, P), zoomed in on until its height is right to 1e-18: places (n,), heights (n,)."""
    inner = (V[:, 1:-1] >= V[:, :-2]) & (V[:, 1:-1] >= V[:, 2:])
    which = np.where(inner.any(axis=1), (inner * rng.random(inner.shape)).argmax(axis=1) + 1, V.argmax(axis=1))
    rows = np.arange(len(V))
    low, high = s[rows, np.maximum(which - 1, 0)], s[rows, np.minimum(which + 1, s.shape[1] - 1)]
    for _ in range(4):
        fine = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 101, dtype=np.longdouble)
        height = membrane_on_grid(*trial, fine)
        best = height.argmax(axis=1)
        low, high = fine[rows, np.maximum(best - 1, 0)], fine[rows, np.minimum(best + 1, 100)]
    return fine[rows, best], height[rows, best]


def scan_trials(seed, count, duration=8.0, points=1500):
    """Compare first spikes with a scan of a grid, linear and logarithmic; every second threshold grazes a hump of the membrane.

    Returns how many trials spiked, and how many had to spike, or not to spike, within a relative distance of 1e-10 of a hump.
    """
    rng = np.random.default_rng(seed)
    trial = draw_trials(rng, count)
    tau, leak, start, I_exc, I_inh = trial
    s = np.sort(np.concatenate([np.linspace(0, duration, points), np.geomspace(1e-7, duration, points)])).astype(np.longdouble)
    s = np.broadcast_to(s, (count, 2 * points))
    V = membrane_on_grid(*trial, s)
    place, height = humps(trial, s, V, rng)
    size = np.abs(start) + np.abs(leak) + np.abs(I_exc) * np.minimum(tau[0], tau[1]) + np.abs(I_inh) * np.minimum(tau[0], tau[2])
    tolerance = 20 * EPS * (size + np.abs(height.astype(float)))
    margin = 10.0 ** rng.uniform(-13, -2, count) * (size + 1) * rng.choice([-1, 1], count)
    grazing = (rng.random(count) < 0.5) & (np.abs(margin) > 3 * tolerance)
    threshold = np.where(grazing, (height + margin).astype(float), rng.uniform(-0.5, 2.0, count))

    neurons = Neurons(*tau, threshold=threshold, leak=leak, refractory=2 * duration)
    run = simulate(neurons, np.array([I_exc, I_inh]), events((0.0, 0), (0.0, 1)), duration, start=start)
    spike = np.full(count, np.inf)
    spike[run.units] = run.times
    above = V - threshold[:, None] > tolerance[:, None]
    assert not (above & (s < spike[:, None])).any(), "a crossing was missed"
    assert not (grazing & (margin < 0) & (spike > place)).any(), "a grazed hump was missed"
    found = np.flatnonzero((spike > 0) & np.isfinite(spike))
    at, after = (membrane_on_grid(*(a[..., found] for a in trial), t[found, None])[:, 0] - threshold[found]
                 for t in (spike, np.minimum(spike, 1e9) * (1 + 1e-7)))
    assert (np.abs(at) < tolerance[found]).all(), "a spike is not at the threshold"
    assert (after > -tolerance[found]).all(), "a spike where the membrane falls"
    assert (spike[start > threshold] == 0).all(), "a neuron that starts above the threshold waits"
    touching = grazing & (np.abs(margin) < 1e-10 * (size + 1))
    only_above = touching & (margin > 0) & (V.max(axis=1) <= height)
    assert np.isinf(spike[only_above]).all(), "a hump that stays below the threshold spiked"
    return len(run.times), int((touching & (margin < 0)).sum()), int(only_above.sum())


def test_no_crossing_is_missed_in_500_trials():
    spiked, below, above = scan_trials(0, 500)
    assert 150 < spiked < 450 and below > 10 and above > 10


@pytest.mark.long
def test_no_crossing_is_missed_in_12000_trials():
    counts = np.array([scan_trials(seed, 500) for seed in range(1, 25)]).sum(axis=0)
    assert (counts > [5000, 300, 300]).all()


# a touch is no spike

@pytest.mark.parametrize("tau", [(1.0, 1.0), (2.0, 1.0), (1.0, 3.0)])
def test_a_peak_spikes_if_and_only_if_it_clears_the_threshold(tau):
    tau_mem, tau_exc = tau
    s = 1.0 if tau_mem == tau_exc else np.log(tau_mem / tau_exc) / (1 / tau_exc - 1 / tau_mem)
    peak = response(s, tau_mem, tau_exc)
    for distance in (1e-15, 1e-13, 1e-9):
        for sign in (-1, 1):
            neurons = Neurons(tau_mem, tau_exc, 1.0, threshold=float(peak * (1 + sign * distance)), refractory=100.0)
            times = simulate(neurons, np.array([[1.0]]), events((0.0, 0)), 50.0).times
            assert len(times) == (sign < 0)
            # the peak is a parabola: a distance of d below it is sqrt(d) before it in time, up to the curvature
            assert sign > 0 or s - 4 * np.sqrt(distance + 4 * EPS) < times[0] <= s * (1 + 1e-7)


@given(st.floats(-5.0, 5.0), st.floats(0.0, 3.0), st.floats(0.1, 3.0))
def test_a_membrane_at_rest_on_its_threshold_never_spikes(threshold, depth, tau):
    neurons = replace(PLAIN, tau_mem=tau, threshold=threshold, leak=threshold, reset=threshold)
    inhibition = np.array([[-1.0], [-1e-12], [0.0]]), events((0.3, 1), (0.7, 2), (1.1, 0), (2.0, 1))
    assert len(simulate(neurons, *inhibition, 500.0, start=threshold - depth).times) == 0


def test_at_the_threshold_excitation_spikes_at_once_and_inhibition_does_not():
    both = np.array([[1e-9], [-1e-9]])
    assert simulate(PLAIN, both, events((0.0, 0)), 0.1, start=1.0).times.tolist() == []              # the leak of 0 pulls harder
    assert simulate(replace(PLAIN, leak=1.0), both, events((0.0, 0)), 0.1, start=1.0).times.tolist() == [0.0]
    assert simulate(replace(PLAIN, leak=1.0), both, events((0.0, 1)), 0.1, start=1.0).times.tolist() == []


# reset and refractory time

def test_the_membrane_is_at_the_threshold_before_a_spike_and_held_at_the_reset_after():
    neurons = replace(PLAIN, leak=2.0, reset=-0.3)
    spike = np.log(2.0)
    run = simulate(neurons, *NOTHING, 3.0, None, np.array([spike + 0.5, spike, spike + 1e-9, spike + 0.25, 0.0, spike + 0.6]), 0.0)
    assert run.times[0] == pytest.approx(spike, rel=2 * EPS)
    assert run.samples[[2, 3, 4], 0].tolist() == [-0.3, -0.3, 0.0]               # the samples were asked for in no order
    np.testing.assert_allclose(run.samples[[0, 1, 5], 0], [-0.3, 1.0, 2 - 2.3 * np.exp(-0.1)], rtol=0, atol=8 * EPS)


def test_currents_go_on_in_the_refractory_time_and_take_events():
    w = 20.0
    spike = -lambertw(-1 / w).real
    release = spike + 0.5
    current = w * np.exp(-release) + 0.4 * np.exp(0.4 - release)
    run = simulate(PLAIN, np.array([[w], [0.4]]), events((0.0, 0), (0.4, 1)), release + 0.01,
                   None, np.array([release, release + 0.01]))
    assert len(run.times) == 1
    # V = I s exp(-s) from the release on, I the current there, about 10; some roundings of it
    np.testing.assert_allclose(run.samples[:, 0], [0.0, current * 0.01 * np.exp(-0.01)], rtol=0, atol=1e-14)


def test_a_reset_above_the_threshold_spikes_at_every_release():
    run = simulate(replace(PLAIN, reset=1.5, refractory=0.25), *NOTHING, 2.0, start=3.0)
    assert run.times.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]    # 2.0 is no longer in [0, 2)


def test_a_refractory_time_of_nothing_is_refused():
    for refractory in (0.0, -1e-6):
        with pytest.raises(RangeError, match="above 0"):
            replace(PLAIN, refractory=refractory)
    with pytest.raises(RangeError, match="rounding of the duration"):
        simulate(replace(PLAIN, refractory=1e-17), *NOTHING, 1.0)


def test_every_neuron_has_its_own_parameters():
    rng = np.random.default_rng(4)
    neurons, weights, arriving, _, start = draw_layer(rng, 6, 3, 12, 8.0)
    run = simulate(neurons, weights, arriving, 8.0, start=start)
    for n in range(6):
        alone = Neurons(*(value[n:n + 1] for _, value in neurons.items()))
        assert np.array_equal(simulate(alone, weights[:, n:n + 1], arriving, 8.0, start=start[n:n + 1]).times, run.times[run.units == n])


# recurrence, and what happens at one instant

def test_a_recurrent_spike_acts_as_an_event_at_its_instant():
    neurons = Neurons(1.0, np.array([1.0, 0.5]), 2.0, refractory=0.3)
    weights, arriving, R = np.array([[6.0, 1.0]]), events((0.0, 0), (1.0, 0)), np.array([[0.0, 2.5], [0.0, 0.0]])
    times = np.linspace(0, 4, 50)
    coupled = simulate(neurons, weights, arriving, 4.0, R, times)
    first = coupled.times[coupled.units == 0]
    rows = np.concatenate([weights * [0, 1], R[:1]])
    fed = simulate(neurons, rows, (np.concatenate([arriving[0], first]), np.repeat([0, 1], [2, len(first)])), 4.0, None, times)
    assert len(first) >= 2 and (coupled.units == 1).any()
    # the same operations in the same order: not a bit of difference
    assert np.array_equal(coupled.times[coupled.units == 1], fed.times) and np.array_equal(coupled.samples[:, 1], fed.samples[:, 1])


def test_a_spike_moves_the_current_of_its_neighbour_but_not_its_membrane():
    neurons = Neurons(1.0, 1.0, 1.0, leak=np.array([2.0, 0.0]), refractory=10.0)
    spike = np.log(2)
    run = simulate(neurons, np.zeros((1, 2)), ((), ()), 5.0, np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([spike, spike + 0.5, spike + 1]),
                   np.array([0.0, 0.0]))
    np.testing.assert_allclose(run.samples[:, 1], [0.0, 0.5 * np.exp(-0.5), np.exp(-1)], rtol=0, atol=8 * EPS)


def test_a_spike_onto_itself_outlasts_the_refractory_time():
    run = simulate(replace(PLAIN, refractory=1.0), np.array([[5.0]]), events((0.0, 0)), 20.0, np.array([[4.0]]))
    crossing = -lambertw(-1 / 5.0).real
    current = 5 * np.exp(-crossing - 1) + 4 * np.exp(-1)                         # at the release
    assert run.times[1] - run.times[0] == pytest.approx(1 - lambertw(-1 / current).real, rel=1e-13)


def test_spikes_at_the_same_instant_do_not_undo_each_other():
    neurons = Neurons(1.0, 1.0, 1.0, leak=2.0, refractory=10.0)
    run = simulate(neurons, np.zeros((1, 3)), ((), ()), 5.0, np.full((3, 3), -100.0), start=0.0)
    assert run.units.tolist() == [0, 1, 2] and len(set(run.times)) == 1


def test_an_event_at_the_instant_of_a_spike_comes_too_late_to_stop_it():
    neurons = replace(PLAIN, leak=2.0, refractory=10.0)
    spike = simulate(neurons, *NOTHING, 5.0, start=0.0).times[0]
    for time, count in ((spike, 1), (spike - 1e-9, 0)):
        assert len(simulate(neurons, np.array([[-100.0]]), events((time, 0)), 1.0, start=0.0).times) == count


def test_the_order_of_the_list_of_events_changes_not_a_bit():
    rng = np.random.default_rng(7)
    neurons, weights, (times, units), R, start = draw_layer(rng, 5, 6, 40, 6.0)
    times = np.round(times * 2) / 2                                              # many at the same instant
    first = simulate(neurons, weights, (times, units), 6.0, R, times, start)
    for _ in range(5):
        shuffle = rng.permutation(40)
        again = simulate(neurons, weights, (times[shuffle], units[shuffle]), 6.0, R, times[shuffle], start)
        assert np.array_equal(again.times, first.times) and np.array_equal(again.units, first.units)
        assert np.array_equal(again.samples, first.samples[shuffle])


def test_a_sample_is_taken_before_what_happens_at_its_instant():
    run = simulate(replace(PLAIN, refractory=5.0), np.array([[1e3]]), events((0.0, 0), (2.0, 0)), 2.0, None, np.array([0.0, 2.0]), 1.5)
    assert run.samples[0, 0] == 1.5 and run.times.tolist() == [0.0]


@given(st.integers(0, 2**32 - 1), st.integers(-30, 30))
def test_no_unit_of_time_is_built_in(seed, exponent):
    rng = np.random.default_rng(seed)
    neurons, weights, (times, units), R, start = draw_layer(rng, 3, 3, 8, 4.0)
    scale = 2.0 ** exponent                                                      # multiplying by it is exact
    faster = Neurons(*(value * scale if name.startswith(("tau", "refractory")) else value for name, value in neurons.items()))
    here = simulate(neurons, weights, (times, units), 4.0, R, times, start)
    there = simulate(faster, weights / scale, (times * scale, units), 4.0 * scale, R / scale, times * scale, start)
    assert np.array_equal(there.times, here.times * scale) and np.array_equal(there.samples, here.samples)


# the contract

def test_nothing_in_nothing_out():
    run = simulate(PLAIN, *NOTHING, 1.0)
    assert run.times.shape == run.units.shape == (0,) and run.samples.shape == (0, 1) and run.units.dtype.kind == "i"


def test_float32_and_float64_weights_give_the_same_run():
    weights, R = (np.random.default_rng(0).normal(3, 1, shape).astype(np.float32) for shape in ((4, 2), (2, 2)))
    arriving, times = events(*((0.1, n) for n in range(4))), np.array([1.0, 3.0])
    runs = [simulate(PLAIN, weights.astype(dtype), arriving, 3.0, R.astype(dtype), times) for dtype in (np.float32, float)]
    assert np.array_equal(runs[0].samples, runs[1].samples) and np.array_equal(runs[0].times, runs[1].times) and len(runs[0].times)
    assert runs[0].times.dtype == runs[0].samples.dtype == np.float64


@pytest.mark.parametrize("error, change", [
    (DtypeError, dict(weights=np.zeros((1, 1), int))),
    (DtypeError, dict(weights=[[0.0]])),
    (ShapeError, dict(weights=np.zeros(1))),
    (RangeError, dict(weights=np.array([[np.nan]]))),
    (DtypeError, dict(events=(np.array([0]), np.array([0])))),
    (DtypeError, dict(events=(np.array([0.0]), np.array([0.0])))),
    (DtypeError, dict(events=(np.array([0.0]), [0]))),
    (ShapeError, dict(events=(np.array([0.0, 1.0]), np.array([0])))),
    (ShapeError, dict(events=(np.array([0.0]), ()))),
    (ShapeError, dict(events=((), (), ()))),
    (RangeError, dict(events=(np.array([-1e-9]), np.array([0])))),
    (RangeError, dict(events=(np.array([1.1]), np.array([0])))),
    (RangeError, dict(events=(np.array([0.0]), np.array([1])))),
    (RangeError, dict(events=(np.array([0.0]), np.array([-1])))),
    (RangeError, dict(duration=0.0)),
    (DtypeError, dict(duration="1")),
    (ShapeError, dict(recurrent=np.zeros((1, 2)))),
    (ShapeError, dict(start=np.zeros(2))),
    (RangeError, dict(start=np.inf)),
    (RangeError, dict(sample_times=np.array([2.0]))),
    (DtypeError, dict(sample_times=[0.5])),
    (ShapeError, dict(neurons=replace(PLAIN, leak=np.zeros(2)))),
])
def test_bad_input_is_refused(error, change):
    with pytest.raises(error):
        simulate(**(dict(neurons=PLAIN, weights=np.zeros((1, 1)), events=((), ()), duration=1.0) | change))


@pytest.mark.parametrize("error, change", [
    (RangeError, dict(tau_mem=0.0)),
    (RangeError, dict(tau_exc=np.array([1.0, -1.0]))),
    (RangeError, dict(leak=np.inf)),
    (RangeError, dict(reset=np.array([np.nan]))),
    (DtypeError, dict(threshold="1")),
    (DtypeError, dict(tau_inh=np.array([1]))),
    (ShapeError, dict(refractory=np.ones((1, 1)))),
])
def test_bad_neurons_are_refused(error, change):
    with pytest.raises(error):
        replace(PLAIN, **change)


def test_the_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(exact)
    assert outcome.attempted >= 6 and outcome.failed == 0


# another simulator

def run_brian(neurons, weights, arriving, duration, R, dt):
    """The same layer in Brian2, on a grid of dt but with exact decay: spikes (times, units) and the membrane (T, N), T =
    duration / dt.

    A Brian step k integrates from k dt to (k + 1) dt, tests the threshold, then delivers the events of k dt: its events come a
    step late, and its spike at k dt is a V((k + 1) dt) above the threshold. Both are shifted by a step, so a spike at k dt is a
    crossing in ((k - 1) dt, k dt]. The reset is at (k + 1) dt too, but the refractory time counts from k dt: it is made a step
    longer here.
    """
    try:
        import brian2 as brian
    except (ImportError, AttributeError) as error:      # AttributeError: Brian2 2.9 does not know the ndarray of numpy 2.4
        pytest.skip(f"no usable Brian2: {error}")
    brian.prefs.codegen.target = "numpy"
    N, second = weights.shape[1], brian.second
    brian.start_scope()
    brian.defaultclock.dt = dt * second
    group = brian.NeuronGroup(N, """dV/dt = (leak - V)/tau_mem + I_exc + I_inh : 1 (unless refractory)
                                    dI_exc/dt = -I_exc/tau_exc : Hz
                                    dI_inh/dt = -I_inh/tau_inh : Hz
                                    tau_mem : second
                                    tau_exc : second
                                    tau_inh : second
                                    leak : 1
                                    theta : 1
                                    V_reset : 1
                                    hold : second""", threshold="V > theta", reset="V = V_reset", refractory="hold",
                                    method="exact")
    neurons = neurons.broadcast(N)
    group.tau_mem, group.tau_exc, group.tau_inh, group.hold = (
        value * second for value in (neurons.tau_mem, neurons.tau_exc, neurons.tau_inh, neurons.refractory + dt))
    group.leak, group.theta, group.V_reset, group.V = neurons.leak, neurons.threshold, neurons.reset, neurons.leak
    source = brian.SpikeGeneratorGroup(len(weights), arriving[1], arriving[0] * second)
    jump = "I_exc_post += clip(w, 0*Hz, inf*Hz)\nI_inh_post += clip(w, -inf*Hz, 0*Hz)"
    inputs, loop = (brian.Synapses(origin, group, "w : Hz", on_pre=jump) for origin in (source, group))
    for synapses, matrix in ((inputs, weights), (loop, R)):
        synapses.connect()
        synapses.w = matrix.ravel() * brian.Hz
    spikes, trace = brian.SpikeMonitor(group), brian.StateMonitor(group, "V", record=True)
    brian.Network(group, source, inputs, loop, spikes, trace).run(duration * second)
    return np.asarray(spikes.t / second), np.asarray(spikes.i), np.asarray(trace.V).T


def draw_for_brian(seed, N, duration):
    """Neurons with distinct time constants, for Brian2's exact method knows no others; events one at a time, on a grid of 0.01."""
    rng = np.random.default_rng(seed)
    neurons, weights, (_, units), R, _ = draw_layer(rng, N, 5, 25, duration)
    neurons = Neurons(*np.exp(rng.uniform(-0.7, 0.7, (3, N))), neurons.threshold, np.minimum(neurons.leak, 0.3), neurons.reset,
                      np.round(neurons.refractory, 1))
    return neurons, 2 * weights, (np.round(np.linspace(0.1, 0.9 * duration, 25), 2), units), R


FOREIGN = pytest.mark.filterwarnings("ignore::DeprecationWarning")               # what Brian2 imports deprecates what Brian2 uses


@FOREIGN
def test_brian2_has_the_same_membrane_where_nothing_spikes():
    neurons, weights, arriving, R = draw_for_brian(1, 8, 5.0)
    neurons = replace(neurons, threshold=100.0)
    trace = run_brian(neurons, weights, arriving, 5.0, R, 0.01)[2]
    run = simulate(neurons, weights, arriving, 5.0, R, np.arange(500) * 0.01)
    # V at the start of step k + 1 has seen the events before k dt, one step late: it is our V(k dt)
    np.testing.assert_allclose(trace[1:], run.samples[:-1], rtol=0, atol=3e-12)      # 3e-13 seen: 500 steps, V up to 12,
    # and Brian2 divides by differences of rates


@FOREIGN
def test_brian2_finds_every_first_crossing_within_the_time_step_that_follows():
    neurons, weights, arriving, R = draw_for_brian(2, 60, 6.0)
    neurons, dt = replace(neurons, refractory=10.0), 1e-3
    run = simulate(neurons, weights, arriving, 6.0)
    times, units, _ = run_brian(neurons, weights, arriving, 6.0, 0 * R, dt)
    late = (times[np.argsort(units)] - run.times[np.argsort(run.units)]) / dt
    assert len(run.units) > 30 and sorted(units) == sorted(run.units)
    assert late.min() > -1e-9 and late.max() < 1 + 1e-9                         # rounding of k dt


@FOREIGN
def test_brian2_has_the_same_spikes_of_a_recurrent_layer_in_the_limit_of_small_steps():
    neurons, weights, arriving, R = draw_for_brian(3, 4, 8.0)
    run, late = simulate(neurons, weights, arriving, 8.0, R), []
    for dt in (4e-3, 1e-3, 2.5e-4):
        times, units, _ = run_brian(neurons, weights, arriving, 8.0, R, dt)
        late.append(max(np.abs(times[units == n] - run.times[run.units == n]).max() for n in range(4)))
    # a spike is up to a step late, and hands that on to all that follow: some steps in the end, of whatever length
    assert len(run.times) > 20 and (np.array(late) < 20 * np.array([4e-3, 1e-3, 2.5e-4])).all()
