"""The two tests of a surrogate gradient, over random networks; and that they notice what they are there to notice."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import refsnn.spec.bptt as bptt
import refsnn.spec.loss as loss
from refsnn import Chip, DtypeError, Network, NeuronParameters, Objective, RangeError, Surrogate, Trace, forward
from refsnn.spec import parameters
from refsnn.verify.check import adjoint, smooth_twin, twin_forward
from refsnn.verify.strategies import generators, problems

EVERY_TERM = Objective(burst=0.3, weight=0.2, readout=0.05, rate=0.01, rate_limit=-0.0)


def free_of_kinks(problem, slope, margin=1e-4):
    """Whether the twin is smooth around its weights: no membrane near theta, no near-tie for the maximum over time (but of the
    zeros that
    come before the first spike can arrive: they move with no weight)."""
    trace = twin_forward(problem.network.layers, problem.x, Surrogate(slope))
    nearest = min(np.abs(recorded.membrane[1:] - layer.neuron.threshold).min()
                  for layer, recorded in zip(problem.network.layers, trace[:-1]))
    V = np.sort(trace[-1].membrane, axis=0)
    tie = (V[-1] - V[-2] < margin) & ~((V[-1] == 0) & (V[-2] == 0))
    return nearest > margin and not tie.any()


@given(problems(kinds=("free",), dtype=np.float64, max_steps=12), st.sampled_from(["max", "sum"]), generators())
def test_the_adjoint_recursion_is_the_exact_gradient_of_the_smooth_twin(problem, reduce, rng):
    assume(free_of_kinks(problem, slope=3.0))
    error = smooth_twin(problem.network, problem.x, problem.labels, rng, replace(EVERY_TERM, reduce=reduce), Surrogate(3.0))
    assert error < 1e-6  # 3e-8 seen; the difference of order 4 leaves truncation and 1e-16 / step


@given(problems(dtype=np.float64), st.booleans(), generators())
def test_forward_and_reverse_surrogate_jacobian_are_adjoint_on_any_trace(problem, spike_aware, rng):
    trace = problem.trace or forward(problem.network, problem.x)
    assert adjoint(problem.network, problem.x, trace, rng, Surrogate(50.0, spike_aware)) < 1e-13  # 1e-15 seen, times T terms


@given(problems(dtype=np.float32), generators())
def test_the_adjoint_identity_holds_in_float32(problem, rng):
    trace = problem.trace or forward(problem.network, problem.x)
    assert adjoint(problem.network, problem.x, trace, rng) < 3e-5  # 1e-6 seen


def busy_problem(seed=0, recurrent=True):
    """A recurrent network of two spiking layers that spikes, on a chip's trace."""
    rng = np.random.default_rng(seed)
    network = Network.initialise(rng, (12, 8, 7, 3), recurrent=recurrent, neuron=NeuronParameters(8e-6, 5e-6))
    network = network.with_parameters([w * 30 for w in (a for layer in network.layers for a in (layer.W, layer.R) if a is not None)])
    x = (rng.random((15, 5, 12)) < 0.2).astype(float)
    trace = Chip.sample(rng, network).forward(network, x, rng)
    assert all(recorded.spikes.sum() > 10 for recorded in trace[:-1])
    return network, x, rng.integers(0, 3, 5), trace


def test_the_adjoint_identity_holds_on_a_trace_of_the_chip():
    network, x, _, trace = busy_problem()
    assert adjoint(network, x, trace, np.random.default_rng(1)) < 1e-13


def lose_the_recurrent_term(layer, *arguments):
    return bptt_spiking_adjoint(replace(layer, R=None), *arguments)


def advance_the_spikes(S_below, lam_I):
    return bptt_weight_gradient(S_below[1:], lam_I[:-1])


def shift_the_spike_adjoint(lam_I, W):
    return lam_I @ W.T


def reset_with_gradient(layer, trace, gV, lam_S, surrogate):
    """E8 with the switch `reset gradient: flow`, which is not the paper's convention."""
    alpha, beta, theta = layer.neuron.constants(layer.W.dtype)
    sigma = surrogate.derivative(trace.membrane, trace.spikes, theta)
    lam_I, next_I, lam_V = np.zeros_like(lam_S), np.zeros_like(lam_S[0]), np.zeros_like(lam_S[0])
    for t in range(len(lam_I) - 1, 0, -1):
        recurrent = 0 if layer.R is None else next_I @ layer.R.T
        lam_V = gV[t] + sigma[t] * (lam_S[t] + recurrent - theta * lam_V) + beta * lam_V
        next_I = lam_V + alpha * next_I
        lam_I[t] = next_I
    return lam_I


bptt_spiking_adjoint, bptt_weight_gradient = bptt.spiking_adjoint, bptt.weight_gradient
MUTANTS = {"spiking_adjoint": [lose_the_recurrent_term, reset_with_gradient], "weight_gradient": [advance_the_spikes],
           "spike_adjoint": [shift_the_spike_adjoint]}


@pytest.mark.parametrize(("name", "mutant"), [(name, mutant) for name, mutants in MUTANTS.items() for mutant in mutants])
def test_both_checks_notice_a_wrong_recursion(name, mutant):
    network, x, labels, trace = busy_problem()
    with mock.patch.object(bptt, name, mutant):        # five orders and more above what a right recursion gives
        assert adjoint(network, x, trace, np.random.default_rng(1)) > 1e-8
        assert smooth_twin(network, x, labels, np.random.default_rng(1), surrogate=Surrogate(3.0)) > 1e-4


def test_the_smooth_twin_notices_a_wrong_loss_derivative():
    network, x, labels, _ = busy_problem()
    with mock.patch.object(loss, "burst", lambda S, rho: (rho * np.mean(S.sum(axis=0) ** 2), rho * S.sum(axis=0) / S[0].size)):
        assert smooth_twin(network, x, labels, np.random.default_rng(1), EVERY_TERM, Surrogate(3.0)) > 1e-4


def test_the_smooth_twin_refuses_a_spike_aware_surrogate():
    network, x, labels, _ = busy_problem()
    with pytest.raises(RangeError, match="spike-aware"):
        smooth_twin(network, x, labels, np.random.default_rng(1), surrogate=Surrogate(spike_aware=True))


def test_the_adjoint_check_refuses_a_trace_that_does_not_fit():
    network, x, _, trace = busy_problem()
    with pytest.raises(ValueError, match=r"trace\[0\].membrane has shape"):
        adjoint(network, x, (Trace(trace[0].membrane[:, :1], trace[0].spikes), *trace[1:]), np.random.default_rng(1))


def test_what_is_no_surrogate_or_objective_and_numbers_beyond_the_dtype_are_refused():
    (network, x, labels, *_), rng = busy_problem(), np.random.default_rng(0)
    trace = forward(network, x)
    for check in (lambda: smooth_twin(network, x, labels, rng, None), lambda: smooth_twin(network, x, labels, rng, Objective(), None),
                  lambda: adjoint(network, x, trace, rng, None)):
        with pytest.raises(DtypeError, match="objective|surrogate"):
            check()
    large = tuple(replace(recorded, membrane=np.full_like(recorded.membrane, 1e308)) for recorded in trace)
    with pytest.raises(RangeError, match="more than float64 can hold"):
        smooth_twin(network, x, labels, rng, Objective(burst=1e308))
    assert adjoint(network, x, large, rng) < 1e-9
    layers = network.with_parameters([1e90 * array for array in parameters(network.layers)])
    with pytest.raises(RangeError, match="nothing to compare"):
        adjoint(layers, x, trace, rng)
