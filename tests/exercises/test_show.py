"""`refsnn show`: its numbers are those of the library, its text needs no matplotlib, its figures are drawn."""

import numpy as np
import pytest

from refsnn import Objective, encode, loss_and_gradient
from refsnn.__main__ import main
from refsnn.datasets import load
from refsnn.exercises.show import as_text, story
from refsnn.runs import train
from refsnn.spec import Network
from refsnn.training import Recipe, Substrate

SMALL = Recipe(hidden=(20,), epochs=1, variation="ideal", rotation=0.0, shift=0.0)


@pytest.fixture(scope="module")
def told():
    """A network whose hidden neurons spike, and the story of an image."""
    network = Network.initialise(np.random.default_rng(0), (256, 20, 10), dtype=np.float32)
    network = network.with_parameters([array * factor for array, factor in zip((network.layers[0].W, network.layers[1].W), (8, 3))])
    return network, story(SMALL, network, 3)


def test_the_gradient_of_a_story_is_that_of_the_library(told):
    network, own = told
    data = load()
    x, labels = encode(data.test_images[3:4], dtype=np.float32), data.test_labels[3:4]
    trace = Substrate(SMALL, network).chip.forward(network, x, SMALL.generator("evaluation"))
    loss, gradient, _ = loss_and_gradient(network, x, labels, trace, Objective(burst=SMALL.burst, weight=0.0), SMALL.surrogate)
    assert own.S.sum() > 0 and own.label == labels[0]
    for one, other in ((own.dW, gradient[0].W), (own.dW_out, gradient[1].W)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(own.V, trace[0].membrane[:, 0])


def test_the_adjoint_of_the_membrane_obeys_its_equation(told):
    network, own = told
    lam_S = 2 * SMALL.burst * own.S.sum(axis=0) / 20 + np.append(own.lam_I_out[1:] @ network.layers[1].W.T, np.zeros((1, 20)), 0)
    after = np.append(own.lam_V[1:], np.zeros((1, 20)), 0)
    beta = network.layers[0].neuron.beta
    wanted = own.sigma * lam_S + beta * after                                    # E8, without gV
    assert np.abs(own.lam_V - wanted)[1:].max() <= 1e-5 * np.abs(own.lam_V).max()      # float32, a few steps
    assert not own.lam_V[0].any()


def test_a_text_names_the_decision_and_every_spike_of_the_neurons_it_shows(told):
    own = told[1]
    text = as_text(own)
    lines = {int(line[:6]): line for line in text.split("readouts")[0].splitlines() if line[:6].strip().isdigit()}
    assert f"decision {own.decision} on the chip" in text and list(lines) == own.neurons(12).tolist()
    for n, line in lines.items():
        assert line[18:38].count("|") == own.S[:, n].sum()


def test_the_command_line_shows_an_image_of_a_run(tmp_path, capsys):
    train(Recipe(hidden=(10,), epochs=1, substrate="ideal", batch=1000), tmp_path / "run")
    assert main(["show", "--run", str(tmp_path / "run"), "--image", "5"]) == 0
    assert "hidden neurons with the largest adjoints" in capsys.readouterr().out
    assert main(["show", "--picture", "weight"]) == 2 and "--out" in capsys.readouterr().err
    assert main(["show", "--run", str(tmp_path / "run"), "--image", "-1"]) == 2 and "image is -1" in capsys.readouterr().err


def test_figures_are_drawn_and_the_same_twice(told, tmp_path):
    pytest.importorskip("matplotlib")
    from refsnn.exercises.figures import drawn, overview
    one, two = (drawn(overview, told[1], (12, 11), "svg") for _ in range(2))
    assert one == two and b"neuron" in one
    for name in ("adjoint", "surrogate", "weight"):
        path = tmp_path / f"{name}.png"
        assert main(["show", "--picture", name, "--out", str(path)]) == 0 and path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_figure_is_a_plain_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert main(["show", "--picture", "weight", "--out", str(tmp_path / "x.png")]) == 2 and "refsnn[plot]" in capsys.readouterr().err


def test_pictures_are_in_the_page_where_matplotlib_is(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "page.html"
    assert main(["explain", "--html", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    assert page.count("<figure>") == 3 and "href='http" not in page and "src=" not in page


def test_a_bad_image_is_refused_before_anything_is_trained(capsys):
    assert main(["show", "--image", "1000000"]) == 2
    assert "training" not in (said := capsys.readouterr().err) and "image" in said
