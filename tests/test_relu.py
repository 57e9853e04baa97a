"""The ReLU network: its hand-written gradient, and runs of it that stop and go on."""

from dataclasses import replace

import numpy as np
import pytest
from small_files import images_file

import refsnn.relu as relu
from refsnn import RangeError, ShapeError
from refsnn.relu import ReluNetwork, ReluRecipe, draw_keep, forward, loss_and_gradient
from refsnn.runs import checkpoints, load_checkpoint
from refsnn.spec import parameters


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe of a tenth of a second."""
    path = images_file(tmp_path_factory.mktemp("data") / "few.npz", 500, 200)
    return ReluRecipe(data=path, hidden=(30,), epochs=3, batch=25, dropout=0.2)


@pytest.mark.parametrize("dropped", [False, True])
def test_the_gradient_is_that_of_central_differences(dropped):
    rng = np.random.default_rng(0)
    network = ReluNetwork.initialise(rng, (6, 5, 4, 3), np.float64)
    network = network.with_parameters([W + 0.1 * rng.normal(size=W.shape) for W in parameters(network.layers)])    # biases too
    x, labels = rng.random((7, 6)), rng.integers(0, 3, 7)
    keep = [draw_keep(rng, size, 0.5) for size in (5, 4)] if dropped else None
    _, gradient, _ = loss_and_gradient(network, x, labels, keep)
    step = 1e-6
    for index, (W, dW) in enumerate(zip(parameters(network.layers), parameters(gradient))):
        for place in np.ndindex(W.shape):
            moved = []
            for sign in (1, -1):
                arrays = [array.copy() for array in parameters(network.layers)]
                arrays[index][place] += sign * step
                moved.append(loss_and_gradient(network.with_parameters(arrays), x, labels, keep)[0])
            # differences of a loss near 1 are good to 1e-16 / 1e-6, and no unit here is within 1e-6 of its kink
            assert dW[place] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-8)


def test_dropped_units_say_nothing_and_the_mean_of_the_others_makes_up_for_them():
    keep = draw_keep(np.random.default_rng(0), 100_000, 0.4)
    assert set(np.unique(keep)) == {0, np.float32(1 / 0.6)}
    assert keep.mean() == pytest.approx(1, abs=5 * np.sqrt(0.4 / 0.6 / 100_000))      # five standard errors
    network = ReluNetwork.initialise(np.random.default_rng(0), (4, 3, 2))
    x = np.random.default_rng(1).random((5, 4), np.float32)
    received, _ = forward(network, x, [np.array([0, 1, 1], np.float32)])
    assert not received[1][:, 0].any() and received[1][:, 1:].any()


def test_it_learns_and_a_stopped_run_goes_on_to_the_same_bits(recipe, tmp_path, monkeypatch):
    whole = relu.train(recipe, tmp_path / "whole")
    assert whole["accuracy"] > 0.4 and whole["hidden_spikes"] is None and whole["chip"] is None     # chance is 0.1
    step, done = relu.next_epoch, []

    def stopping(*arguments):
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(relu, "next_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        relu.train(recipe, tmp_path / "stopped")
    resumed = relu.train(recipe, tmp_path / "stopped", resume=True)
    assert len(done) == 4 and resumed["history"] == whole["history"]
    like = ReluNetwork.initialise(np.random.default_rng(0), (256, 30, 10))
    ends = [parameters(load_checkpoint(checkpoints(tmp_path / name)[-1], like)[1].network.layers) for name in ("whole", "stopped")]
    for one, other in zip(*ends):
        np.testing.assert_array_equal(one, other)


def test_a_run_of_another_size_is_refused_by_name(recipe, tmp_path):
    relu.train(replace(recipe, epochs=1), tmp_path)
    with pytest.raises(RangeError, match="hidden"):
        relu.train(replace(recipe, epochs=1, hidden=(31,)), tmp_path, resume=True)


def test_an_input_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="3"):
        forward(ReluNetwork.initialise(np.random.default_rng(0), (3, 2, 2)), np.zeros((1, 4), np.float32))
