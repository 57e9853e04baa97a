"""Adam against plain Python, the clip, and the schedules."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from refsnn import DtypeError, Network, RangeError, ShapeError
from refsnn.spec import adam_start, adam_step, loss_and_gradient, parameters, update
from refsnn.spec.optim import WEIGHT_LIMIT, cosine_rate, exponential_rate


def scalar_adam(w, gradients, rate):
    mu = nu = 0.0
    for n, g in enumerate(gradients, 1):
        mu, nu = 0.9 * mu + 0.1 * g, 0.999 * nu + 0.001 * g * g
        w -= rate * (mu / (1 - 0.9**n)) / (math.sqrt(nu / (1 - 0.999**n)) + 1e-8)
    return w


def test_ten_steps_of_adam_equal_plain_python():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(10, 2, 3))
    arrays, state = [start], adam_start([start])
    for g in gradients:
        arrays, state = adam_step(arrays, [g], state, 0.01)
    expected = [[scalar_adam(start[i, j], gradients[:, i, j], 0.01) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(arrays[0], expected, rtol=1e-13)
    assert state.step == 10


def test_a_step_changes_none_of_its_arguments():
    w, g = np.ones(3), np.ones(3)
    state = adam_start([w])
    adam_step([w], [g], state, 0.1)
    assert w.tolist() == g.tolist() == [1, 1, 1] and state.step == 0 and not state.first[0].any()


def test_hidden_weights_are_clipped_and_the_readout_is_not():
    network = Network.initialise(np.random.default_rng(0), (4, 5, 3), recurrent=True, dtype=np.float32)
    network = network.with_parameters([array * np.float32(1000) for array in parameters(network.layers)])
    x = np.ones((5, 2, 4), np.float32)
    _, gradient, _ = loss_and_gradient(network, x, np.array([0, 1]))
    network, _ = update(network, gradient, adam_start(parameters(network.layers)), np.float64(1e-3))
    W, R, W_out = parameters(network.layers)
    assert W.max() == R.max() == np.float32(WEIGHT_LIMIT) and W.min() == R.min() == -np.float32(WEIGHT_LIMIT)
    assert W_out.max() > 0.9 and W_out.min() < -0.9
    assert {array.dtype for array in (W, R, W_out)} == {np.dtype(np.float32)}


def test_the_published_schedule_and_the_cosine():
    assert exponential_rate(0) == 1.5e-3 and exponential_rate(10) == pytest.approx(1.5e-3 * 0.97**10)
    assert cosine_rate(0, 40) == 1.5e-3 and cosine_rate(20, 40) == pytest.approx(0.75e-3) and cosine_rate(39, 40) > 0


def test_a_rate_that_means_nothing_is_refused():
    with pytest.raises(RangeError, match="rate"):
        adam_step([np.ones(1)], [np.ones(1)], adam_start([np.ones(1)]), float("nan"))


@pytest.mark.parametrize(("argument", "value", "error"), [
    ("epsilon", 0.0, RangeError), ("decay_first", 1.0, RangeError), ("decay_second", 1.0, RangeError), ("decay_first", -0.1, RangeError),
    ("decay_second", -0.1, RangeError), ("arrays", [[1.0]], DtypeError), ("gradients", [np.ones(1, int)], DtypeError), ("gradients", [np.ones(2)], ShapeError),
    ("gradients", [np.ones(1, np.float32)], DtypeError), ("arrays", [np.array(1.0)], ShapeError), ("arrays", [np.ma.ones(1)], DtypeError),
    ("gradients", [], ShapeError), ("gradients", [np.full(1, 1e200)], RangeError), ("gradients", [np.full(1, np.nan)], RangeError), ("state", None, DtypeError),
])
def test_adam_names_what_is_wrong(argument, value, error):
    right = {"arrays": [np.ones(1)], "gradients": [np.ones(1)], "state": adam_start([np.ones(1)]), "rate": 0.1}
    with pytest.raises(error, match=argument.removesuffix("s") if error is not RangeError or "decay" in argument else "epsilon|NaN"):
        adam_step(**right | {argument: value})
    for decays in ({"decay_first": 0.0}, {"decay_second": 0.0}, {"decay_first": 0.5, "decay_second": 0.75}):
        (w,), _ = adam_step(**right, **decays, epsilon=1e-12)
        assert w[0] == pytest.approx(0.9)          # the first step has the size of the rate, whatever the decays are


def test_what_is_no_list_of_parameters_is_refused():
    for wrong in (None, [1], "W", np.ones(3)):
        with pytest.raises(DtypeError, match="items"):
            parameters(wrong)
        with pytest.raises(DtypeError, match="items"):
            parameters([SimpleNamespace(W=wrong)])
        with pytest.raises(DtypeError, match="arrays"):
            adam_start(wrong)
    with pytest.raises(DtypeError, match=r"the dtype of arrays\[1\]"):
        adam_start([np.ones(2), np.ones(2, int)])


def test_gradient_and_state_must_be_those_of_the_network():
    network, other = (Network.initialise(np.random.default_rng(0), (4, hidden, 3)) for hidden in (5, 6))
    state = adam_start(parameters(network.layers))
    with pytest.raises(DtypeError, match="Network"):
        update(None, network.layers, state, 1e-3)
    with pytest.raises(DtypeError, match="AdamState"):
        update(network, network.layers, None, 1e-3)
    with pytest.raises(DtypeError, match="rate"):
        update(network, network.layers, state, "fast")
    with pytest.raises(DtypeError, match="gradient is int 1"):
        update(network, 1, state, 1e-3)
    with pytest.raises(DtypeError, match="LayerGradient a layer"):
        update(network, parameters(network.layers), state, 1e-3)
    others = adam_start(parameters(other.layers))
    for gradient, state in ((other.layers, state), (network.layers, others), (other.layers, others)):
        with pytest.raises(ShapeError, match="of one network"):
            update(network, gradient, state, 1e-3)


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"second": ()}, ShapeError, "of one network"), ({"first": ("a", "b")}, DtypeError, "state.first"),
    ({"second": (np.zeros(3), np.zeros(3))}, ShapeError, "of one network"), ({"first": (np.full((4, 3), np.nan), np.zeros((3, 2)))}, RangeError, "NaN"),
    ({"second": (np.zeros((4, 3)), np.full((3, 2), -1.0))}, RangeError, "NaN"), ({"second": (np.full((4, 3), np.inf), np.zeros((3, 2)))}, RangeError, "NaN"),
])
def test_a_state_of_another_network_is_refused(change, error, message):
    network = Network.initialise(np.random.default_rng(0), (4, 3, 2))
    state = adam_start(parameters(network.layers))
    with pytest.raises(error, match=message):
        update(network, network.layers, replace(state, **change), 1e-3)
    for step in (1.5, "a", -1, True):
        with pytest.raises((DtypeError, RangeError), match="state.step"):
            update(network, network.layers, replace(state, step=step), 1e-3)


def test_nothing_is_cast_and_a_step_that_divides_by_nothing_is_refused():
    network = Network.initialise(np.random.default_rng(0), (4, 3, 2), dtype=np.float32)
    other = Network.initialise(np.random.default_rng(0), (4, 3, 2))
    state, others = (adam_start(parameters(own.layers)) for own in (network, other))
    for gradient, own in ((other.layers, state), (network.layers, others)):
        with pytest.raises(DtypeError, match="is float64 but the weights are float32"):
            update(network, gradient, own, 1e-3)
    tiny = [np.full(2, 1e-30, np.float32)]
    with pytest.raises(RangeError, match="more than their dtype can hold"):
        adam_step([np.ones(2, np.float32)], tiny, adam_start(tiny), 0.1, epsilon=1e-60)
    assert adam_step([np.ones(1)], [np.ones(1)], replace(adam_start([np.ones(1)]), step=np.uint8(255)), 0.1)[1].step == 256
