"""The switches: at the paper's values they are the specification, at the others they do what they say."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Layer, Network, NeuronParameters, Objective, RangeError, Surrogate, Trace
from refsnn import forward as spec_forward
from refsnn import loss_and_gradient as spec_loss_and_gradient
from refsnn.spec import parameters
from refsnn.spec.bptt import LayerGradient
from refsnn.spec.bptt import backward as spec_backward
from refsnn.verify.conventions import SWITCHES, Conventions
from refsnn.verify.general import (backward, decays, forward, input_scales, loss_and_gradient, rounded, run, step, surrogate_derivative)
from refsnn.verify.strategies import generators, networks, problems

HALF = NeuronParameters(tau_mem=1 / np.log(2), tau_syn=1 / np.log(2), dt=1.0)      # alpha = beta = 1/2
EVERY_TERM = Objective(burst=0.3, weight=0.2, readout=0.05, rate=0.01, rate_limit=1.0)


def assert_same_bits(own, other):
    assert own.dtype == other.dtype and own.tobytes() == np.ascontiguousarray(other).tobytes()


# at the paper's values

def test_every_switch_is_a_field_and_the_papers_value_comes_first():
    assert [(switch.name, switch.values[0]) for switch in SWITCHES] == [(field.name, field.default) for field in fields(Conventions)]


@given(problems())
def test_at_the_papers_conventions_a_run_is_the_specifications_to_the_bit(problem):
    for own, other in zip(forward(problem.network.layers, problem.x, Conventions()), spec_forward(problem.network, problem.x)):
        assert_same_bits(own.membrane, other.membrane)
        assert (own.spikes is None) == (other.spikes is None)
        if own.spikes is not None:
            assert_same_bits(own.spikes, other.spikes)


@given(problems(), st.booleans(), st.sampled_from(["max", "sum"]))
def test_at_the_papers_conventions_the_gradient_is_the_specifications_to_the_bit(problem, spike_aware, reduce):
    surrogate, objective = Surrogate(10.0, spike_aware), replace(EVERY_TERM, reduce=reduce)
    loss, gradient, _ = spec_loss_and_gradient(problem.network, problem.x, problem.labels, problem.trace, objective, surrogate)
    own_loss, own, _ = loss_and_gradient(problem.network.layers, problem.x, problem.labels, problem.trace, objective, surrogate, Conventions())
    assert own_loss == loss
    for one, other in zip(parameters(own), parameters(gradient)):
        assert_same_bits(one, other)


# each value by hand: one input of weight W at t = 0, alpha = beta = 1/2, theta = 1; what V and S are at t = 0, 1, 2, 3

BY_HAND = [
    (Conventions(), 2.0, [0, 2, 1, 1], [0, 1, 0, 0]),                                   # I = 2, 1, 1/2; V[2] = 1 + 1 - 1
    (Conventions(current="old"), 2.0, [0, 0, 2, 1], [0, 0, 1, 0]),                      # the same a step later
    (Conventions(input_scale="one_minus_beta"), 2.0, [0, 1, 1, 0.75], [0, 0, 0, 0]),    # half of everything: no spike
    (Conventions(input_delay="none"), 2.0, [2, 1, 1, 0.75], [1, 0, 0, 0]),              # the same a step earlier; V[3] = 1/2 + 1/4
    (Conventions(tie="silent"), 1.0, [0, 1, 1, 0.75], [0, 0, 0, 0]),                    # V[1] = V[2] = 1 = theta
    (Conventions(tie="spike"), 1.0, [0, 1, 0, 0.25], [0, 1, 0, 0]),
    (Conventions(tie="half"), 1.0, [0, 1, 0.5, 0.5], [0, 0.5, 0, 0]),                   # half a spike takes half of theta off
    (Conventions(reset="none"), 2.0, [0, 2, 2, 1.5], [0, 1, 1, 1]),
    (Conventions(reset="to_value"), 2.0, [0, 2, 0, 0.5], [0, 1, 0, 0]),                 # V[2] = 1 + 1 is thrown away with the input of its step
    (Conventions(reset_time="same_step"), 2.0, [0, 2, 1.5, 0.75], [0, 1, 1, 0]),        # V[2] = (2 - 1)/2 + 1
    (Conventions(reset="to_value", reset_time="same_step"), 2.0, [0, 2, 1, 1], [0, 1, 0, 0]),             # V[2] = 0 + 1
    (Conventions(reset_time="same_step", recorded_membrane="after_reset"), 2.0, [0, 1, 0.5, 0.75], [0, 1, 1, 0]),
    (Conventions(reset="to_value", reset_time="same_step", recorded_membrane="after_reset"), 2.0, [0, 0, 1, 1], [0, 1, 0, 0]),
]


@pytest.mark.parametrize(("conventions", "W", "V", "S"), BY_HAND)
def test_a_spike_by_hand(conventions, W, V, S):
    x = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    trace = run(Layer(np.array([[W]]), None, HALF), x, conventions)
    assert trace.membrane.ravel().tolist() == V and trace.spikes.ravel().tolist() == S


def test_euler_takes_dt_over_tau_off():
    neuron = NeuronParameters(tau_mem=4.0, tau_syn=2.0, dt=1.0)
    assert [float(value) for value in decays(neuron, Conventions(integrator="euler"))] == [0.5, 0.75]
    I, V, _ = step(np.array([2.0]), np.array([4.0]), np.array([0.0]), np.array([1.0]), neuron, Conventions(integrator="euler"))
    assert (I.item(), V.item()) == (2.0, 5.0)


def test_inputs_are_scaled_where_they_enter():
    neuron = NeuronParameters(tau_mem=4.0, tau_syn=2.0, dt=1.0)
    for name, expected in (("one", (1, 1)), ("dt_over_tau_mem", (1, 0.25)), ("dt_over_both_taus", (0.5, 0.25)),
                           ("one_minus_beta", (1, 1 - np.exp(-0.25)))):
        assert tuple(float(scale) for scale in input_scales(neuron, Conventions(input_scale=name))) == pytest.approx(expected, rel=1e-15)


def test_a_recurrent_spike_may_take_two_steps():
    x = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    layer = Layer(np.array([[2.0, 0.0]]), np.array([[0.0, 3.0], [0.0, 0.0]]), HALF)         # unit 0 spikes at t = 1 and drives unit 1
    assert run(layer, x, Conventions()).membrane[:, 0, 1].tolist() == [0, 0, 3, 2]
    assert run(layer, x, Conventions(recurrence_delay="two")).membrane[:, 0, 1].tolist() == [0, 0, 0, 3]
    assert not run(layer, x, Conventions(recurrent_weights="to_from")).membrane[:, 0, 1].any()
    turned = replace(layer, R=layer.R.T.copy())
    assert run(turned, x, Conventions(recurrent_weights="to_from")).membrane[:, 0, 1].tolist() == [0, 0, 3, 2]


@pytest.mark.parametrize(("name", "height"), [("superspike", 1 / 4), ("sigmoid", 1 / np.cosh(0.5) ** 2), ("triangle", 0), ("arctan", 1 / 2),
                                              ("rectangle", 0)])
def test_a_surrogate_is_one_at_the_threshold_and_falls_as_its_formula_says(name, height):
    V = np.array([1.0, 1.5, 0.5])                                                          # u = 0, 1, 1 for slope 2
    sigma = surrogate_derivative(V, None, 1.0, Surrogate(2.0), Conventions(surrogate=name))
    assert sigma.tolist() == pytest.approx([1, height, height], rel=1e-15)


def test_the_slope_makes_the_peak_narrow_or_high_or_both():
    heights = {where: surrogate_derivative(np.array([1.5]), None, 1.0, Surrogate(2.0), Conventions(surrogate_slope=where)).item()
               for where in ("inside", "outside", "both")}
    assert heights == {"inside": 1 / 4, "outside": 2 / 1.5**2, "both": 2 / 4}


@given(networks(dtype=np.float64), generators())
def test_batch_first_is_the_same_with_two_axes_changed(network, rng):
    x = (rng.random((7, 3, network.layers[0].W.shape[0])) < 0.4).astype(float)
    turned = forward(network.layers, x, Conventions(axes="batch_first"))
    for own, other in zip(forward(network.layers, np.ascontiguousarray(x.swapaxes(0, 1)), Conventions()), turned):
        assert_same_bits(own.membrane, other.membrane.swapaxes(0, 1))


@given(problems(kinds=("arbitrary",), dtype=np.float64, max_steps=8), generators())
def test_batch_first_turns_everything_that_a_gradient_is_made_of(problem, rng):
    def turned(array):
        return None if array is None else np.ascontiguousarray(array.swapaxes(0, 1))

    layers, trace = problem.network.layers, problem.trace
    gV, gS = direct_derivatives(trace, rng)
    there = backward(layers, turned(problem.x), [Trace(turned(own.membrane), turned(own.spikes)) for own in trace], list(map(turned, gV)),
                     list(map(turned, gS)), Surrogate(), Conventions(axes="batch_first"))
    for own, other in zip(parameters(there), parameters(spec_backward(layers, problem.x, trace, gV, gS, Surrogate()))):
        assert_same_bits(own, other)


def test_a_summed_loss_is_the_batch_times_the_mean():
    network = Network.initialise(np.random.default_rng(0), (4, 5, 3))
    x, labels = np.ones((6, 8, 4)), np.arange(8) % 3
    plain = Objective(reduce="sum", burst=0, weight=0)
    mean = loss_and_gradient(network.layers, x, labels, None, plain, Surrogate(), Conventions())
    total = loss_and_gradient(network.layers, x, labels, None, plain, Surrogate(), Conventions(batch_loss="sum"))
    assert total[0] == pytest.approx(8 * mean[0], rel=1e-15)
    np.testing.assert_allclose(total[1][1].W, 8 * mean[1][1].W, rtol=1e-13)                # 8 is a power of 2, but sums have 6 terms


def test_a_tie_in_time_reaches_the_gradient_as_its_switch_says():
    # one readout unit that is at 1 from a hidden spike of t = 1 on: V = 0, 0, 1, 1, 1/2 + .. ; both samples tie for the maximum
    layers = Layer(np.array([[2.0]]), None, HALF), Layer(np.array([[1.0, 0.0]]), None, HALF, spiking=False)
    x, V = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1), np.zeros((4, 1, 2))
    V[2:, 0, 0] = 1
    trace = Trace(np.zeros((4, 1, 1)), np.array([0.0, 1, 0, 0]).reshape(4, 1, 1)), Trace(V)
    objective = Objective(readout_scale=1.0, burst=0, weight=0)
    dW = {who: loss_and_gradient(layers, x, np.array([1]), trace, objective, Surrogate(), Conventions(time_maximum=who))[1][1].W[0, 0]
          for who in ("first", "last", "shared")}
    p = 1 / (1 + np.exp(-1))                                                               # n alpha^(n-1): 1 after one step, 1 after two
    assert dW == pytest.approx({"first": p, "last": p, "shared": p}, rel=1e-14)
    later = Trace(V[[0, 1, 3, 2]].copy()), np.zeros((4, 1, 2))
    later[1][3:, 0, 0] = 1
    late = Trace(later[1] + np.array([0, 1.0, 0, 0]).reshape(4, 1, 1) * [1, 0])            # a tie of t = 1, too early for the spike, and t = 3
    dW = {who: loss_and_gradient(layers, x, np.array([1]), (trace[0], late), objective, Surrogate(), Conventions(time_maximum=who))[1][1].W[0, 0]
          for who in ("first", "last", "shared")}
    assert dW == pytest.approx({"first": 0, "last": p, "shared": p / 2}, rel=1e-14)


def test_weights_are_rounded_as_c_or_as_numpy_does():
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.7])
    assert rounded(halves, Conventions()).tolist() == [-2, -2, 0, 0, 2, 2, 1]
    assert rounded(halves, Conventions(weight_rounding="away")).tolist() == [-3, -2, -1, 1, 2, 3, 1]
    assert rounded(halves, Conventions(weight_rounding="zero")).tolist() == [-2, -1, 0, 0, 1, 2, 0]


@pytest.mark.parametrize(("choices", "message"), [
    ({"tie": "maybe"}, "tie is 'maybe'; it must be one of silent, spike, half"),
    ({"recorded_membrane": "after_reset"}, "reset_time is next_step"),
    ({"reset": "to_value", "reset_gradient": "flow"}, "no trace holds"),
])
def test_a_value_that_does_not_exist_and_two_that_exclude_each_other_are_refused(choices, message):
    with pytest.raises(RangeError, match=message):
        Conventions(**choices)


# gradients, against a forward-mode Jacobian that is written without them

class Dual:
    """A value and its derivative along a direction: the rules of sums and products, and nothing else."""

    __array_ufunc__ = None                                                  # so that array * dual comes here

    def __init__(self, value, tangent):
        self.value, self.tangent = value, tangent

    def __add__(self, other):
        return Dual(self.value + other.value, self.tangent + other.tangent)

    def __sub__(self, other):
        return Dual(self.value - other.value, self.tangent - other.tangent)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.value * other.tangent + self.tangent * other.value)

    def __rmul__(self, number):
        return Dual(number * self.value, number * self.tangent)

    def __matmul__(self, other):
        return Dual(self.value @ other.value, self.value @ other.tangent + self.tangent @ other.value)


def peak_of(d, slope, conventions):
    """sigma' by formulas of their own."""
    formula = {"superspike": lambda u: (1 + u) ** -2.0, "sigmoid": lambda u: np.cosh(u / 2) ** -2, "triangle": lambda u: np.where(u < 1, 1 - u, 0),
               "arctan": lambda u: 1 / (1 + u * u), "rectangle": lambda u: np.where(2 * u < 1, 1.0, 0.0)}[conventions.surrogate]
    return {"inside": formula(slope * d), "outside": slope * formula(d), "both": slope * formula(slope * d)}[conventions.surrogate_slope]


def tangents(layers, x, trace, direction, slope, conventions):
    """(dV, dS) of every layer along a direction of the weights, values replaced by the recorded ones: the rules, line by line."""
    d, r = 0 if conventions.input_delay == "none" else 1, 2 if conventions.recurrence_delay == "two" else 1
    below, result = [Dual(row, np.zeros_like(row)) for row in x], []
    for layer, recorded, u in zip(layers, trace, direction):
        W, dt = Dual(layer.W, u.W), layer.neuron.dt
        R = None if layer.R is None else Dual(layer.R, u.R)
        if R is not None and conventions.recurrent_weights == "to_from":
            R = Dual(R.value.T, R.tangent.T)
        tau_syn, tau_mem, theta = layer.neuron.tau_syn, layer.neuron.tau_mem, layer.neuron.threshold
        euler = conventions.integrator == "euler"
        alpha, beta = (1 - dt / tau_syn, 1 - dt / tau_mem) if euler else (np.exp(-dt / tau_syn), np.exp(-dt / tau_mem))
        g = {"one": 1.0, "one_minus_beta": 1 - beta}.get(conventions.input_scale, dt / tau_mem)
        c = dt / tau_syn if conventions.input_scale == "dt_over_both_taus" else 1.0
        rest = Dual(np.zeros_like(recorded.membrane[0]), np.zeros_like(recorded.membrane[0]))
        S_recorded = np.zeros_like(recorded.membrane) if recorded.spikes is None else recorded.spikes
        V, S, I = [], [], rest
        for t in range(len(x)):
            if t < d:                                                       # the fixed first state
                V.append(Dual(recorded.membrane[t], rest.tangent))
                S.append(Dual(S_recorded[t], rest.tangent))
                continue
            V_before, S_before, old = V[t - 1] if t else rest, S[t - 1] if t else rest, I
            thrown = S_before if conventions.reset_gradient == "flow" else Dual(S_before.value, rest.tangent)
            drive = below[t - d] @ W
            if R is not None and t >= r:
                drive = drive + S[t - r] @ R
            I = alpha * I + c * drive
            entering = g * (old if conventions.current == "old" else I)
            kept = Dual(1 - thrown.value, -thrown.tangent)
            kind = conventions.reset if layer.spiking else "none", conventions.reset_time
            model = {("subtract", "next_step"): lambda: beta * V_before + entering - theta * thrown,
                     ("subtract", "same_step"): lambda: beta * (V_before - theta * thrown) + entering,
                     ("to_value", "next_step"): lambda: (beta * V_before + entering) * kept,
                     ("to_value", "same_step"): lambda: beta * (V_before * kept) + entering}.get(kind, lambda: beta * V_before + entering)()
            V.append(Dual(recorded.membrane[t], model.tangent))
            S.append(Dual(S_recorded[t], peak_of(np.abs(V[t].value - theta), slope, conventions) * V[t].tangent * layer.spiking))
        result.append((np.array([v.tangent for v in V]), np.array([s.tangent for s in S])))
        below = S
    return result


def direct_derivatives(trace, rng):
    """Random gV, gS for a trace."""
    return ([rng.standard_normal(own.membrane.shape) for own in trace],
            [None if own.spikes is None else rng.standard_normal(own.spikes.shape) for own in trace])


def mismatch(problem, slope, conventions, rng):
    """|<J u, c> - <u, J^T c>| for random u, c, relative to the larger of the products of lengths."""
    layers, trace = problem.network.layers, problem.trace
    direction = [LayerGradient(rng.standard_normal(layer.W.shape), None if layer.R is None else rng.standard_normal(layer.R.shape)) for layer in layers]
    gV, gS = direct_derivatives(trace, rng)
    forward_mode = [array for pair in tangents(layers, problem.x, trace, direction, slope, conventions) for array in pair]
    weights = [np.zeros_like(own.membrane) if g is None else g for own, *pair in zip(trace, gV, gS) for g in pair]
    pulled_back = parameters(backward(layers, problem.x, trace, gV, gS, Surrogate(slope), conventions))
    u = parameters(direction)

    def inner(left, right):
        return sum(np.vdot(a, b) for a, b in zip(left, right))

    scale = max(np.sqrt(inner(forward_mode, forward_mode) * inner(weights, weights)), np.sqrt(inner(u, u) * inner(pulled_back, pulled_back)))
    return abs(inner(forward_mode, weights) - inner(u, pulled_back)) / (scale or 1)


def allowed(choices):
    try:
        return Conventions(**choices)
    except RangeError:
        return None


IN_THE_GRADIENT = ("integrator", "current", "input_scale", "reset", "reset_time", "reset_gradient", "surrogate", "surrogate_slope", "recurrence_delay",
                   "input_delay", "recurrent_weights")
COMBINATIONS = st.fixed_dictionaries({switch.name: st.sampled_from(switch.values) for switch in SWITCHES if switch.name in IN_THE_GRADIENT})


@given(problems(kinds=("arbitrary", "quantised"), dtype=np.float64, max_steps=12), COMBINATIONS.map(allowed).filter(bool), generators())
def test_the_backward_pass_is_the_transpose_of_the_rules_under_any_conventions(problem, conventions, rng):
    # recurrent weights of 0.5 at euler decays down to -0.4 grow at most tenfold in 12 steps; 1e-15 seen
    assert mismatch(problem, 3.0, conventions, rng) < 1e-13


def busy(seed=0):
    """A recurrent network on a trace in which it spikes."""
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, (12, 8, 7, 3), recurrent=True, neuron=NeuronParameters(8e-6, 5e-6))
    network = network.with_parameters([w * 30 for w in parameters(network.layers)])
    x = (rng.random((15, 5, 12)) < 0.2).astype(float)
    return network, x, rng.integers(0, 3, 5)


@pytest.mark.parametrize("name", IN_THE_GRADIENT)
def test_every_switch_of_the_gradient_changes_it(name):
    network, x, labels = busy()
    trace = spec_forward(network, x)
    gV, gS = direct_derivatives(trace, np.random.default_rng(1))
    base = {"reset": "to_value"} if name == "reset_time" else {}           # a subtractive reset that is constant leaves no trace in a gradient
    base |= {"reset_time": "same_step"} if name == "reset" else {}
    values = next(switch.values for switch in SWITCHES if switch.name == name)
    gradients = [parameters(backward(network.layers, x, trace, gV, gS, Surrogate(3.0), Conventions(**{**base, name: value}))) for value in values]
    for one, other in itertools.combinations(gradients, 2):
        # without a gradient of its own, a subtractive reset is as none
        same = name == "reset" and one is gradients[0] and other is gradients[2]
        assert same == all(np.allclose(a, b, rtol=1e-9) for a, b in zip(one, other))


def test_a_free_run_is_differentiated_where_it_was_compared_with_the_threshold():
    network, x, labels = busy()
    at_once = Conventions(reset="to_value", reset_time="same_step")
    before, after = (loss_and_gradient(network.layers, x, labels, None, EVERY_TERM, Surrogate(), replace(at_once, recorded_membrane=which))
                     for which in ("before_reset", "after_reset"))
    for one, other in zip(parameters(before[1]), parameters(after[1])):
        assert_same_bits(one, other)
    assert before[2][0].membrane.max() > 1 > after[2][0].membrane.max()
