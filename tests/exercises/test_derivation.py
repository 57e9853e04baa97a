"""The derivation: every formula holds with the numbers of the library, every place that it names exists, and both forms say the same.

A formula is evaluated as it stands, with the symbols of its topic (tests/worlds.py).
"""

import ast
import importlib
import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from refsnn.__main__ import main
from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.derivation import TOPICS
from refsnn.exercises.derivation.formula import as_mathml, as_text
from refsnn.exercises.derivation.page import as_page, equations_of, topic_text, topics_of
from refsnn.exercises.derivation.topic import DEFINITIONS, PLACES
from refsnn.spec import Layer, NeuronParameters, Surrogate, Trace, bptt
from refsnn.spec.surrogate import superspike_primitive
from refsnn.verify.operations import OPERATIONS
from refsnn.verify.vectors.archive import shipped
from refsnn.verify.vectors.collection import read_one
from worlds import COMMON, WORLDS

ROOT = Path(__file__).parents[2]
EXACT, DIFFERENCE = 1e-10, 1e-6           # sums, quadrature of smooth functions; central differences
FORMULAS = [(topic.name, formula) for topic in TOPICS for step in topic.steps for formula in step.formulas]


@pytest.fixture(scope="module")
def worlds():
    return {name: world() for name, world in WORLDS.items()}


@pytest.mark.parametrize(("topic", "formula"), FORMULAS)
def test_a_formula_holds_with_the_numbers_of_the_library(topic, formula, worlds):
    symbols, ranges = worlds[topic]
    tree = ast.parse(formula, mode="eval").body
    inner = {own.target.id for own in ast.walk(tree) if isinstance(own, ast.comprehension)}
    free = [name for name in ranges if name not in inner and any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))]
    assert isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Eq)
    tolerance = DIFFERENCE if re.search(r"\bd[A-Za-z_]*_d|\bd\(", formula) else EXACT
    tried = 0
    for values in itertools.product(*(ranges[name] for name in free)):
        names = {**COMMON, **symbols, **dict(zip(free, values))}
        left, right = (evaluated(side, names) for side in (tree.left, tree.comparators[0]))
        scale = max(np.abs(left).max(), np.abs(right).max(), 1e-3)
        assert np.abs(left - right).max() <= tolerance * scale, (formula, dict(zip(free, values)), left, right)
        tried += 1
    assert tried


def evaluated(tree, names):
    """The value of one side of a formula; a distinction of cases on an array entry by entry."""
    if isinstance(tree, ast.IfExp):
        test, one, other = (evaluated(part, names) for part in (tree.test, tree.body, tree.orelse))
        return np.where(test, one, other)
    return np.asarray(eval(compile(ast.Expression(tree), "formula", "eval"), names), float)


def slope_errors(reset):
    """How far the hand-written gradient of a network that spikes with Phi is from its slopes, relative; reset: times what each takes off."""
    rng, x = np.random.default_rng(0), np.ones((6, 1, 1))
    W, surrogate = rng.uniform(0.3, 0.9, (1, 2)), Surrogate(3.0)
    neuron = NeuronParameters()
    alpha, beta, theta = neuron.constants(float)

    def twin(W):
        V, S, I = np.zeros((6, 1, 2)), np.zeros((6, 1, 2)), np.zeros((1, 2))
        for t in range(5):
            I = alpha * I + x[t] @ W
            V[t + 1] = beta * V[t] + I - reset * theta * S[t]
            S[t + 1] = superspike_primitive(V[t + 1], theta, 3.0)
        return Trace(V, S)

    lam_I = bptt.spiking_adjoint(Layer(W), twin(W), np.zeros((6, 1, 2)), np.ones((6, 1, 2)), surrogate)      # of the sum of S
    gradient, step = bptt.weight_gradient(x, lam_I), 1e-5
    moves = step * np.eye(2)[:, None]                                                                     # (2, 1, 2)
    slopes = [(twin(W + move).spikes.sum() - twin(W - move).spikes.sum()) / (2 * step) for move in moves]
    return np.abs(gradient[0] - slopes).max() / np.abs(slopes).max()


def test_the_hand_written_gradient_is_that_of_a_network_with_phi_without_reset_and_not_with_it():
    assert slope_errors(reset=0) < 1e-7       # the difference of order 2 leaves step^2 and 1e-16 / step
    assert slope_errors(reset=1) > 0.01       # 0.095: far above what a difference leaves


def test_every_equation_from_e1_to_e16_is_derived():
    derived = [equation for topic in TOPICS for equation in equations_of(topic)]
    assert set(derived) == set(PLACES) >= {f"E{number}" for number in range(1, 17)}


@pytest.mark.parametrize("equation", PLACES)
def test_an_equation_leads_to_function_test_and_vector_and_back(equation):
    place = PLACES[equation]
    for path in place.functions:
        module, name = path.rsplit(".", 1)
        said = getattr(importlib.import_module(f"refsnn.{module}"), name).__doc__
        assert equation in numbers_in(said), path
        assert equation in {own for topic in topics_of(name) for own in equations_of(topic)}
    file, test = place.test.split("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert equation in numbers_in(f"SPEC {OPERATIONS[read_one(place.vector).op].spec}")
    for name in (equation, place.test, test, place.vector):
        assert equation in {own for topic in topics_of(name) for own in equations_of(topic)}


def numbers_in(text):
    """The equations that a text cites, ranges written out."""
    found = set()
    for letter, first, last in re.findall(r"\b([EC])(\d+)(?:-[EC](\d+))?", text):
        found |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_every_exercise_has_its_page_and_every_golden_vector_of_a_derived_operation_its_topic():
    assert {exercise.topic for exercise in EXERCISES} <= {topic.name for topic in TOPICS}
    ops = {place.vector.rsplit("-", 1)[0] for place in PLACES.values()}
    for folder in shipped().iterdir():
        if folder.is_dir() and folder.name.rsplit("-", 1)[0] in ops:
            assert topics_of(folder.name)


def test_the_page_is_well_formed_and_loads_nothing():
    page = as_page(TOPICS, {})
    body = page.replace("<!DOCTYPE html>", "").replace("<meta charset='utf-8'>", "").replace("<meta name='viewport' content='width=device-width'>",
                                                                                             "")
    tree = ElementTree.fromstring(body.replace("<br>", "<br/>").replace("&#160;", " "))
    assert len(list(tree.iter("math"))) == len(FORMULAS)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    links = [element.get("href") for element in tree.iter("a")]
    assert len(set(ids)) == len(ids) and len(links) > 50 and {link.removeprefix("#") for link in links} <= set(ids)
    assert "http" not in page and "<script" not in page and "src=" not in page


def test_text_and_page_are_made_of_the_same_steps():
    page = as_page(TOPICS, {})
    for topic in TOPICS:
        text = " ".join(" ".join(topic_text(topic)).split())
        for step in topic.steps:
            assert " ".join(step.text.split()) in text
            assert all(as_text(formula) in text and as_mathml(formula) in page for formula in step.formulas)


def test_the_command_line_explains(tmp_path, capsys):
    assert main(["explain", "E8"]) == 0
    assert "lamV[t] = gV[t] + sigma'(V[t]) lamS[t] + beta lamV[t+1]    (E8)" in capsys.readouterr().out
    assert main(["exercises", "explain", "2"]) == 0 and "geometric sum" in capsys.readouterr().out
    assert main(["explain", "--html", str(tmp_path / "page.html")]) == 0 and (tmp_path / "page.html").stat().st_size > 10_000
    assert main(["explain", "nonsense"]) == 2 and "topics" in capsys.readouterr().err
    assert main(["explain", " "]) == 2 and "the topic is empty" in capsys.readouterr().err
    assert main(["explain", "C5"]) == 2 and "the docstring of refsnn.chip.readout.convert has it" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "topics"), [("backward", {"surrogate", "injection", "adjoint"}), ("bptt", {"adjoint"}), ("encoding", {"code"}),
                                              ("softmax", {"loss"}), ("threshold", {"neuron", "surrogate"}), ("synapse", {"chip"}), ("max", {"loss"}), ("e8", {"adjoint"})])
def test_a_word_leads_to_the_pages_that_speak_of_it(word, topics):
    assert topics <= {topic.name for topic in topics_of(word)}


def test_every_equation_of_the_readme_is_derived_or_is_a_definition():
    numbers = re.findall(r"^\| ([EC]\d+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(numbers) == PLACES.keys() | DEFINITIONS.keys() and not PLACES.keys() & DEFINITIONS.keys()
    for equation, path in DEFINITIONS.items():
        module, name = path.rsplit(".", 1)
        assert equation in numbers_in(getattr(importlib.import_module(f"refsnn.{module}"), name).__doc__), path
