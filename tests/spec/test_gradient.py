"""loss_and_gradient against an independent autograd implementation, and by hand; what surrogate, trace and conventions mean in numbers."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import (DtypeError, Layer, Network, NeuronParameters, Objective, RangeError, ShapeError, Surrogate, Trace, fast, forward,
                    loss_and_gradient)
from refsnn.spec import drop_units, parameters
from refsnn.spec.bptt import backward, spike_adjoint
from refsnn.verify.strategies import Problem, generators, problems, traces

HALF = NeuronParameters(tau_mem=1 / np.log(2), tau_syn=1 / np.log(2), dt=1.0)      # alpha = beta = 1/2
OBJECTIVES = st.builds(Objective, st.sampled_from([1.0, 10.0]), st.sampled_from(["max", "sum"]), st.sampled_from([0.0, 0.1]),
                       st.sampled_from([0.0, 0.1]), st.sampled_from([0.0, 0.01]), st.sampled_from([0.0, 1e-3]),
                       st.sampled_from([0.0, 3.0]))
SURROGATES = st.builds(Surrogate, st.sampled_from([5.0, 50.0]), st.booleans())


def autograd_gradient(problem, objective, surrogate, noise):
    from oracles.autograd import loss_and_gradient as autograd

    layers = []
    for layer in problem.network.layers:
        alpha, beta, theta = layer.neuron.constants(np.float64)
        layers.append({"W": layer.W, "R": layer.R, "alpha": alpha, "beta": beta, "theta": theta, "spiking": layer.spiking})
    trace = None if problem.trace is None else [(recorded.membrane, recorded.spikes) for recorded in problem.trace]
    return autograd(layers, problem.x, problem.labels, asdict(objective), surrogate.slope, surrogate.spike_aware, noise, trace)


def assert_same_gradient(problem, objective, surrogate, noise):
    loss, gradient, trace = loss_and_gradient(problem.network, problem.x, problem.labels, problem.trace, objective, surrogate, noise)
    expected_loss, expected, expected_trace = autograd_gradient(problem, objective, surrogate, noise)
    assert abs(loss - expected_loss) <= 1e-12 * max(1, abs(expected_loss))
    for own, other in zip(trace, expected_trace):
        assert np.abs(own.membrane - other[0]).max() <= 1e-12 * max(1, np.abs(other[0]).max())
    largest = max(np.abs(array).max() for pair in expected for array in pair if array is not None)
    for own, other in zip(parameters(gradient), (array for pair in expected for array in pair if array is not None)):
        assert np.abs(own - other).max() <= 1e-12 * largest  # the order of float64 sums: 1e-14 seen


@given(problems(dtype=np.float64), OBJECTIVES, SURROGATES, st.booleans(), generators())
def test_the_gradient_equals_autograd_for_any_network_and_trace(problem, objective, surrogate, noisy, rng):
    pytest.importorskip("torch", reason="the autograd oracle needs torch")
    noise = None
    if noisy and problem.trace is None:
        noise = rng.normal(0, 1e-5, (*problem.x.shape[:2], problem.network.layers[-1].W.shape[1]))
    assert_same_gradient(problem, objective, surrogate, noise)


@pytest.mark.parametrize("kind", ["free", "arbitrary", "quantised"])
def test_the_gradient_equals_autograd_for_three_recurrent_layers_of_real_size(kind):
    pytest.importorskip("torch", reason="the autograd oracle needs torch")
    rng = np.random.default_rng(5)
    network = Network.initialise(rng, (64, 50, 40, 30, 10), recurrent=True)
    network = network.with_parameters([10 * array for array in parameters(network.layers)])
    x = (rng.random((20, 16, 64)) < 0.1).astype(float)
    assert all(recorded.spikes.sum() > 100 for recorded in forward(network, x)[:-1])
    problem = Problem(network, x, rng.integers(0, 10, 16), traces(network, x, rng, kind))
    assert_same_gradient(problem, Objective(), Surrogate(), None)


@given(problems(kinds=("model",)), SURROGATES)
def test_injecting_the_models_own_trace_changes_nothing(problem, surrogate):
    free = loss_and_gradient(problem.network, problem.x, problem.labels, surrogate=surrogate)
    injected = loss_and_gradient(problem.network, problem.x, problem.labels, problem.trace, surrogate=surrogate)
    assert free[0] == injected[0]
    for one, other in zip(parameters(free[1]), parameters(injected[1])):
        np.testing.assert_array_equal(one, other)


@given(problems(kinds=("arbitrary",), dtype=np.float32), generators())
def test_a_float32_adjoint_on_a_given_trace_is_close_to_float64(problem, rng):
    def double(array):
        return None if array is None else array.astype(float)

    layers = problem.network.layers
    wide = tuple(replace(layer, W=double(layer.W), R=double(layer.R)) for layer in layers)
    trace = tuple(Trace(double(recorded.membrane), double(recorded.spikes)) for recorded in problem.trace)
    gV = [rng.standard_normal(recorded.membrane.shape, np.float32) for recorded in trace]
    gS = [None if recorded.spikes is None else rng.standard_normal(recorded.spikes.shape, np.float32) for recorded in trace]
    short = parameters(backward(layers, problem.x, problem.trace, gV, gS, Surrogate()))
    long = parameters(backward(wide, double(problem.x), trace, gV, gS, Surrogate()))
    largest = max(np.abs(array).max() for array in long)
    for one, other in zip(short, long):
        assert one.dtype == np.float32
        assert np.abs(one - other).max() <= 2e-5 * largest  # 7.7e-7 on networks of ordinary size; alpha, beta are rounded, T reaches 40


def two_layer_chain(V_hidden, S_hidden, V_readout):
    """One input, one hidden unit, one readout unit; W = 2 and 3; alpha = beta = 1/2; an input spike at t = 0."""
    def column(values):
        return np.array(values, float).reshape(-1, 1, 1)

    network = Network((Layer(np.array([[2.0]]), None, HALF), Layer(np.array([[3.0]]), None, HALF, spiking=False)))
    return network, column([1, 0, 0, 0]), (Trace(column(V_hidden), column(S_hidden)), Trace(column(V_readout)))


def test_the_gradient_by_hand():
    # sum over time, one class: dL/dm = 0, so only the burst term acts, gS = 2 rho n = 2 with rho = 1, n = 1; T = 4.
    # sigma' = 1 where V = theta = 1 (t = 2), 1/9 elsewhere for slope 2 and |V - theta| = 1.
    # lamV[3] = 2/9, lamI[3] = 2/9; lamV[2] = 2 + 1/9 = 19/9, lamI[2] = 19/9 + 1/9 = 20/9; lamV[1] = 2/9 + 19/18, lamI[1] =
    # lamV[1] + 10/9
    network, x, trace = two_layer_chain([0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0])
    objective = Objective(reduce="sum", burst=1.0, weight=0.0)
    loss, gradient, _ = loss_and_gradient(network, x, np.array([0]), trace, objective, Surrogate(slope=2.0))
    assert loss == 1.0
    assert gradient[0].W[0, 0] == pytest.approx(2 / 9 + 19 / 18 + 10 / 9, rel=1e-15)
    assert gradient[1].W[0, 0] == 0


def test_a_spikes_adjoint_comes_back_along_its_row_of_weights():
    # lamI[1] = (1, 2); unit 0 drives with (3, 0), unit 1 with (5, 7): lamS[0] = (3, 5 + 14); after the last step nothing
    lam_I, W = np.array([[[9.0, 9.0]], [[1.0, 2.0]]]), np.array([[3.0, 0.0], [5.0, 7.0]])
    assert spike_adjoint(lam_I, W).tolist() == [[[3.0, 19.0]], [[0.0, 0.0]]]


def test_a_spike_in_bin_0_of_a_chip_drives_the_next_layer():
    network, x, trace = two_layer_chain([0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 2, 1])
    two_classes = Network((network.layers[0], Layer(np.array([[3.0, 0.0]]), None, HALF, spiking=False)))
    V = np.concatenate([trace[1].membrane, np.zeros((4, 1, 1))], axis=2)
    _, gradient, _ = loss_and_gradient(two_classes, x, np.array([1]), (trace[0], Trace(V)), Objective(readout_scale=1.0))
    # dm = softmax((2, 0)) - (0, 1); the maximum is at t = 2, two steps after the spike: n alpha^(n-1) = 2 * 1/2 = 1
    assert gradient[1].W[0, 0] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-14)


def test_the_reset_blocks_nothing_on_the_way_back():
    # a spike at t = 2 lies between the input and the last step; dV[3]/dV[1] is beta^2 whether it is there or not
    objective = Objective(reduce="sum", burst=0.0, weight=0.0, rate=1.0, rate_limit=0.0)
    gradients = []
    for S in ([0, 0, 1, 0], [0, 1, 0, 0]):
        network, x, trace = two_layer_chain([0, 0, 0, 0], S, [0, 0, 0, 0])
        gradients.append(loss_and_gradient(network, x, np.array([0]), trace, objective)[1][0].W)
    np.testing.assert_array_equal(gradients[0], gradients[1])


def test_a_spike_aware_surrogate_has_height_one_at_recorded_spikes_only():
    network, x, trace = two_layer_chain([0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0])
    objective = Objective(reduce="sum", burst=1.0, weight=0.0)
    aware = loss_and_gradient(network, x, np.array([0]), trace, objective, Surrogate(2.0, spike_aware=True))[1][0].W
    at_threshold = loss_and_gradient(*two_layer_chain([0, 0, 1, 0], [0, 0, 1, 0], [0] * 4)[:2], np.array([0]),
                                     two_layer_chain([0, 0, 1, 0], [0, 0, 1, 0], [0] * 4)[2], objective, Surrogate(2.0))[1][0].W
    np.testing.assert_array_equal(aware, at_threshold)
    published = loss_and_gradient(network, x, np.array([0]), trace, objective, Surrogate(2.0))[1][0].W
    assert published < aware


def test_initial_weights_have_the_published_mean_and_spread():
    network = Network.initialise(np.random.default_rng(0), (256, 246, 10), recurrent=True)
    (W, R), (W_out, _) = ((layer.W, layer.R) for layer in network.layers)
    for array, mean, std in ((W, 1e-3, 0.01079), (W_out, 0.0, 0.01101), (R, 0.0, 0.7 * 0.24673 / np.sqrt(246))):
        assert abs(array.std() / std - 1) < 5 / np.sqrt(2 * array.size) + 1e-3 and abs(array.mean() - mean) < 5 * std / np.sqrt(array.size)


def test_initial_weights_are_drawn_layer_by_layer_and_the_recurrent_ones_last():
    """Another order would change what every seed gives."""
    network, rng = Network.initialise(np.random.default_rng(5), (4, 3, 3, 2), recurrent=True), np.random.default_rng(5)
    for layer in network.layers:
        mean, drawn = (1e-3 if layer.spiking else 0.0), rng.standard_normal(layer.W.shape)
        np.testing.assert_allclose(layer.W, mean + 0.7 * (1 - NeuronParameters().beta) / np.sqrt(len(drawn)) * drawn, rtol=1e-14)
        if layer.R is not None:
            np.testing.assert_allclose(layer.R, 0.7 * (1 - NeuronParameters().beta) / np.sqrt(3) * rng.standard_normal((3, 3)), rtol=1e-14)


def test_a_dead_start_has_no_gradient_and_noise_gives_it_one():
    network = Network.initialise(np.random.default_rng(0), (16, 12, 4))
    network = network.with_parameters([0.1 * array for array in parameters(network.layers)])
    x = (np.random.default_rng(1).random((20, 8, 16)) < 0.2).astype(float)
    objective = Objective(weight=0.0)
    assert forward(network, x)[0].spikes.sum() == 0
    _, dead, _ = loss_and_gradient(network, x, np.arange(8) % 4, objective=objective)
    assert not any(array.any() for array in parameters(dead))
    noise = np.random.default_rng(2).normal(0, 1e-5, (20, 8, 4))
    _, alive, _ = loss_and_gradient(network, x, np.arange(8) % 4, objective=objective, noise=noise)
    assert np.abs(alive[0].W).max() > 0


@given(problems(dtype=np.float64, max_steps=8), generators())
def test_dropped_units_get_no_gradient_and_leave_the_rest_as_if_they_were_absent(problem, rng):
    keep = [rng.random(layer.W.shape[1]) < 0.5 for layer in problem.network.layers[:-1]]
    thinned = drop_units(problem.network, keep)
    _, gradient, trace = loss_and_gradient(thinned, problem.x, problem.labels, objective=Objective(weight=0.0))
    for index, kept in enumerate(keep):
        assert trace[index].spikes[:, :, ~kept].sum() == 0
        assert not gradient[index].W[:, ~kept].any() and not gradient[index + 1].W[~kept].any()


def arguments(**changes):
    network = Network.initialise(np.random.default_rng(0), (3, 4, 2), recurrent=True)
    given_arguments = {"network": network, "x": np.ones((5, 2, 3)), "labels": np.array([0, 1])}
    given_arguments.update(changes)
    return given_arguments


V, S, V_OUT = np.zeros((5, 2, 4)), np.zeros((5, 2, 4)), np.zeros((5, 2, 2))
BAD = [
    ({"x": np.ones((5, 2, 6))}, ShapeError, r"W has shape \(3, 4\) but x has 6 inputs"),
    ({"x": np.ones((5, 2))}, ShapeError, "3 axes"),
    ({"x": np.ones((1, 2, 3))}, ShapeError, "at least 2"),
    ({"x": np.ones((5, 0, 3))}, ShapeError, "empty"),
    ({"x": np.ones((5, 2, 3), np.int64)}, DtypeError, "int64"),
    ({"x": np.ones((5, 2, 3), np.float32)}, DtypeError, "float32"),
    ({"x": np.ones((5, 2, 3)).tolist()}, DtypeError, "list"),
    ({"x": np.full((5, 2, 3), 0.5)}, RangeError, "0 and 1"),
    ({"x": np.full((5, 2, 3), np.nan)}, RangeError, "NaN"),
    ({"labels": np.array([0, 2])}, RangeError, "0..1"),
    ({"labels": np.array([-1, 0])}, RangeError, "0..1"),
    ({"labels": np.array([0.0, 1.0])}, DtypeError, "integers"),
    ({"labels": np.array([0])}, ShapeError, "batch of 2"),
    ({"labels": [0, 1]}, DtypeError, "numpy array"),
    ({"trace": (Trace(V, S),)}, ShapeError, "1 layers"),
    ({"trace": (Trace(V, None), Trace(V_OUT))}, ShapeError, "missing"),
    ({"trace": (Trace(V, S), Trace(V_OUT, V_OUT))}, ShapeError, "given"),
    ({"trace": (Trace(V[:4], S), Trace(V_OUT))}, ShapeError, r"\(5, 2, 4\)"),
    ({"trace": (Trace(V, S + 2), Trace(V_OUT))}, RangeError, "spikes"),
    ({"trace": (Trace(V + np.inf, S), Trace(V_OUT))}, RangeError, "infinite"),
    ({"trace": (Trace(V, S), Trace(V_OUT.astype(np.float32)))}, DtypeError, "float32"),
    ({"trace": ((V, S), Trace(V_OUT))}, DtypeError, "Trace"),
    ({"trace": (Trace(V, S), Trace(V_OUT)), "noise": V_OUT}, RangeError, "noise"),
    ({"trace": (Trace(V, S), Trace(V_OUT)), "x": np.ones((5, 2, 6))}, ShapeError, "6 inputs"),
    ({"noise": V}, ShapeError, "noise has shape"),
    ({"noise": V_OUT[0]}, ShapeError, "noise has shape"),
    ({"noise": V_OUT + np.nan}, RangeError, "noise"),
    ({"noise": V_OUT.astype(np.float32)}, DtypeError, "noise"),
    ({"network": None}, DtypeError, "Network"),
    ({"objective": None}, DtypeError, "Objective"),
    ({"surrogate": None}, DtypeError, "Surrogate"),
    ({"trace": 5}, DtypeError, "trace"),
    ({"trace": Trace(V, S)}, DtypeError, "trace"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_input_is_named(changes, error, message):
    with pytest.raises(error, match=message):
        loss_and_gradient(**arguments(**changes))


NESTED: list = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: Layer(np.zeros((5, 4)), np.zeros((5, 5))), ShapeError, r"R must be \(4, 4\)"),
    (lambda: Layer(np.zeros((5, 4), int)), DtypeError, "int64"),
    (lambda: Layer(np.zeros((5, 4)), np.zeros((4, 4), np.float32)), DtypeError, "float32"),
    (lambda: Layer(np.zeros((5, 4)), np.zeros((4, 4)), spiking=False), ShapeError, "readout"),
    (lambda: Layer(np.zeros((5, 4)), neuron=6e-6), DtypeError, "NeuronParameters"),
    (lambda: Layer(np.zeros((5, 4)), spiking=1), DtypeError, "spiking is int 1"),
    (lambda: Layer(np.full((5, 4), np.nan)), RangeError, "NaN"),
    (lambda: Layer(np.full((5, 4), -1.1e100)), RangeError, "W holds values up to 1.1e.100; in float64 they may be up to 1e.100"),
    (lambda: Layer(np.full((5, 4), 1.1e12, np.float32)), RangeError, "in float32 they may be up to 1e.12"),
    (lambda: Layer(np.zeros((5, 4)), np.full((4, 4), 1e101)), RangeError, "R holds values"),
    (lambda: Network((Layer(np.zeros((5, 4))),)), ShapeError, "readout"),
    (lambda: Network((Layer(np.zeros((5, 4))), Layer(np.zeros((4, 2))))), ShapeError, "spiking=False"),
    (lambda: Network((Layer(np.zeros((5, 4))), Layer(np.zeros((3, 2)), spiking=False))), ShapeError, "4 neurons do not fit 3"),
    (lambda: Network((Layer(np.zeros((5, 4))), Layer(np.zeros((4, 2), np.float32), spiking=False))), DtypeError, "float32"),
    (lambda: Network((Layer(np.zeros((5, 4))), Layer(np.zeros((4, 2)), None, HALF, False))), RangeError, "dt"),
    (lambda: Layer(np.zeros((5, 4)), [[0.0] * 4] * 4), DtypeError, "R is"),
    (lambda: Layer(np.zeros((5, 4)), np.full((4, 4), np.nan)), RangeError, "R "),
    (lambda: Network("layers"), DtypeError, "a tuple of Layer"),
    (lambda: Network(("layer",)), DtypeError, "Layer"),
    (lambda: Network.initialise(None, (3, 2, 2)), DtypeError, "Generator"),
    (lambda: Network.initialise(np.random.default_rng(0), 5), ShapeError, "sizes"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), 1), DtypeError, "recurrent is int 1"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), neuron=None), DtypeError, "neuron"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), dtype=None), DtypeError, "dtype"),
    (lambda: Objective(burst=10**400), RangeError, "1329 bits"),
    (lambda: drop_units(arguments()["network"], None), DtypeError, "keep"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2)), ShapeError, "sizes"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 0, 2)), RangeError, r"sizes\[1\]"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2**15, 2**15 + 1)), RangeError, "1,073,741,824 weights"),
    (lambda: arguments()["network"].with_parameters([]), ShapeError, "there are 0 arrays"),
    (lambda: arguments()["network"].with_parameters(None), DtypeError, "arrays is"),
    (lambda: NeuronParameters(tau_syn=np.array([1e-5, 0], np.float32)), RangeError, r"tau_syn\[1\] is 0"),
    (lambda: loss_and_gradient(**arguments(x=None, objective=None)), DtypeError, "objective is"),
    (lambda: fast.loss_and_gradient(**arguments(x=None, objective=None)), DtypeError, "objective is"),
    (lambda: Layer(np.zeros((2, 2)), neuron=NeuronParameters(threshold=1.1e100)), RangeError, "threshold"),
    (lambda: Layer(np.zeros((2, 2)), neuron=NeuronParameters(threshold=0.9e-100)), RangeError, "threshold"),
    (lambda: Layer(np.zeros((2, 2), np.float32), neuron=NeuronParameters(threshold=np.array([1.0, 1.1e12]))), RangeError, "threshold"),
    (lambda: Layer(np.zeros((2, 2), np.float32), neuron=NeuronParameters(threshold=np.array([1.0, 0.9e-12]))), RangeError, "threshold"),
    (lambda: NeuronParameters(tau_mem=np.timedelta64(1, "s")), DtypeError, "tau_mem is timedelta64"),
    (lambda: Objective(burst=-10**5000), RangeError, "burst"),
    (lambda: Network(NESTED), DtypeError, r"layers\[0\] is a list"),
    (lambda: Objective(reduce=NESTED), RangeError, "reduce is a list"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), neuron=NeuronParameters(np.ones(2))), ShapeError, "scalar"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), neuron=NeuronParameters(tau_syn=np.ones(2))), ShapeError, "scalar"),
    (lambda: Network.initialise(np.random.default_rng(0), (3, 2, 2), neuron=NeuronParameters(threshold=np.ones(2))), ShapeError, "scalar"),
    (lambda: Objective(reduce="mean"), RangeError, "max, sum"),
    (lambda: Objective(burst=-1.0), RangeError, "burst"),
    (lambda: Surrogate(slope=0.0), RangeError, "slope"),
    (lambda: Surrogate(spike_aware=1), DtypeError, "True or False"),
    (lambda: drop_units(arguments()["network"], []), ShapeError, "keep has 0"),
    (lambda: drop_units(None, []), DtypeError, "Network"),
    (lambda: drop_units(arguments()["network"], [np.ones((4, 4), bool)]), ShapeError, "1 ax"),
    (lambda: drop_units(arguments()["network"], [np.ones(4)]), DtypeError, "bool"),
    (lambda: drop_units(arguments()["network"], [np.ones(3, bool)]), ShapeError, "keep"),
])
def test_what_cannot_be_built_is_named(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_layers_are_a_tuple_whatever_holds_them():
    layers = Network.initialise(np.random.default_rng(0), (3, 4, 2)).layers
    assert Network(list(layers)).layers == layers


def test_two_time_steps_are_enough_and_the_loss_is_a_plain_number():
    loss, gradient, _ = loss_and_gradient(**arguments(x=np.ones((2, 2, 3))))
    assert type(loss) is float and gradient[1].W.shape == (4, 2)


def test_the_largest_weights_can_be_built():
    Layer(np.full((5, 4), 1e100), np.full((4, 4), -1e100))
    Layer(np.full((5, 4), 1e12, np.float32))


def test_the_largest_and_the_smallest_threshold_of_a_layer_and_the_most_weights_of_a_network(monkeypatch):
    for dtype, largest in ((np.float64, 1e100), (np.float32, 1e12)):
        threshold = np.array([largest, 1 / largest])
        assert Layer(np.zeros((3, 2), dtype), neuron=NeuronParameters(threshold=threshold)).neuron.threshold is threshold
    monkeypatch.setattr("refsnn.spec.network.MOST_WEIGHTS", 6)
    assert Network.initialise(np.random.default_rng(0), (3, 2, 3)).layers[0].W.shape == (3, 2)
    with pytest.raises(RangeError, match="6 weights"):
        Network.initialise(np.random.default_rng(0), (3, 2, 4))
