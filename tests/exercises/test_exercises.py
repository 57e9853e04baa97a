"""Every exercise: the solution passes, the untouched stub is called that, every known mistake has its hint, no hint has the solution."""

import ast
import doctest
import json
import re
from pathlib import Path

import pytest

from refsnn.exercises.catalogue.bugs import BUGS, listing
from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.checker import RIGHT, UNWRITTEN, WRONG, judge
from refsnn.exercises.exercise import original, source_of
from refsnn.exercises.pupil import Pupil
from refsnn.exercises.report import as_json, as_text
from refsnn.exercises.tasks import buggy_lines

README = Path(__file__).parents[2] / "README.md"
NUMBERED = list(enumerate(EXERCISES, 1))
MISTAKES = [(number, exercise, mistake) for number, exercise in NUMBERED for mistake in exercise.mistakes]
SHORTEST = 6                               # characters: shorter pieces of code are in every text


def named(value):
    return getattr(value, "name", None)


@pytest.fixture(autouse=True)
def no_folder_of_hypothesis(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path))


def judged(number, exercise, text):
    return judge(number, Pupil(text, exercise))


@pytest.mark.parametrize(("number", "exercise"), NUMBERED, ids=named)
def test_the_solution_is_right(number, exercise):
    feedback = judged(number, exercise, exercise.solution(number))
    assert feedback.verdict == RIGHT, feedback


@pytest.mark.parametrize(("number", "exercise"), NUMBERED, ids=named)
def test_an_untouched_stub_is_not_written_yet(number, exercise):
    feedback = judged(number, exercise, exercise.stub(number))
    assert feedback.verdict == UNWRITTEN and feedback.what in exercise.originals


@pytest.mark.parametrize(("number", "exercise", "mistake"), [
    pytest.param(*one, marks=[] if one[2] is one[1].mistakes[0] else pytest.mark.long) for one in MISTAKES], ids=named)
def test_a_known_mistake_gets_its_own_hint_and_a_number_that_differs(number, exercise, mistake):
    feedback = judged(number, exercise, exercise.wrong_answer(number, mistake))
    assert (feedback.verdict, feedback.mistake, feedback.meaning) == (WRONG, mistake.name, mistake.hint)
    assert feedback.what and feedback.yours != feedback.expected
    assert mistake.hint.split()[0] in as_text(feedback) and json.loads(as_json(feedback, "mine.py"))["mistake"] == mistake.name


def test_there_are_as_many_as_were_asked_for_and_no_two_are_confused():
    assert len(EXERCISES) >= 15 and min(len(exercise.mistakes) for exercise in EXERCISES) >= 3
    assert all(len(exercise.hints) == 3 for exercise in EXERCISES)
    for texts in ([exercise.name for exercise in EXERCISES], [name for exercise in EXERCISES for name in exercise.originals],
                  [mistake.hint for _, _, mistake in MISTAKES]):
        assert len(set(texts)) == len(texts)


def test_the_readme_counts_them_and_shows_what_is_printed():
    readme = README.read_text(encoding="utf-8")
    assert len(EXERCISES) == 19 and "nineteen, from" in readme and f"({len(MISTAKES)} in all)" in readme
    number, exercise, mistake = next(entry for entry in MISTAKES if entry[2].name == "reset, then decay")
    printed = as_text(judged(number, exercise, exercise.wrong_answer(number, mistake)))
    shown = readme.split("with the reset before the decay:\n\n")[1].split("\n\n###")[0].split("\n\nA file runs")[0]
    for line in shown.splitlines():
        assert line.strip() in ("", "..") or " ".join(line.split()) in " ".join(printed.split())


def test_stubs_keep_signature_and_docstring_and_nothing_of_the_body():
    for number, exercise in NUMBERED:
        definitions = {node.name: node for node in ast.parse(exercise.stub(number)).body if isinstance(node, ast.FunctionDef)}
        for name, function in exercise.originals.items():
            own, whole = definitions[name], source_of(function)
            for piece in exercise.withheld:
                whole = whole.replace(piece, "")
            whole = ast.parse(whole).body[0]
            assert ast.unparse(own.args) == ast.unparse(whole.args) and ast.get_docstring(own) == ast.get_docstring(whole)
            assert [ast.unparse(line) for line in own.body[1:]] == ["raise NotImplementedError"]


@pytest.mark.parametrize(("number", "exercise"), NUMBERED, ids=named)
def test_what_would_give_the_answer_away_is_in_the_solution_and_not_in_the_stub(number, exercise):
    for piece in exercise.withheld:
        assert piece in exercise.solution(number) and piece.strip() not in exercise.stub(number)


@pytest.mark.parametrize(("number", "exercise"), NUMBERED, ids=named)
def test_the_examples_of_a_stub_lack_the_function_and_nothing_else(number, exercise):
    names = {}
    exec(compile(exercise.stub(number), exercise.file_name(number), "exec"), names)
    for name in exercise.originals:
        for example in doctest.DocTestParser().get_examples(names[name].__doc__):
            with pytest.raises(NotImplementedError):
                exec(compile(example.source, name, "exec"), names)


def bare(text):
    """A text without blanks, in which `a b` and `ab` are the same."""
    return re.sub(r"\s+", "", text)


def pieces(exercise):
    """Every statement of the solution, and the right-hand side of every assignment and return, without blanks and comments."""
    for function in exercise.originals.values():
        definition = ast.parse(source_of(function)).body[0]
        for node in (node for statement in definition.body[1:] for node in ast.walk(statement)):
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                yield bare(ast.unparse(node))
            if isinstance(node, (ast.Assign, ast.Return)) and node.value is not None:
                yield bare(ast.unparse(node.value))


@pytest.mark.parametrize(("number", "exercise"), NUMBERED, ids=named)
def test_no_hint_holds_a_line_of_the_solution(number, exercise):
    hints = [bare(hint) for hint in (*exercise.hints, *(mistake.hint for mistake in exercise.mistakes))]
    long_enough = [piece for piece in pieces(exercise) if len(piece) >= SHORTEST]
    assert long_enough
    for piece in long_enough:
        assert not any(piece in hint or piece.replace("np.", "") in hint for hint in hints), piece


def test_the_wrong_lines_of_find_the_bug_are_those_that_were_changed():
    for letter, (place, old, new) in BUGS.items():
        source = source_of(original(place))
        assert source.count(old) == 1
        right = {line.split("  #")[0].rstrip() for line in source.splitlines()}
        lines = [number for number, line in enumerate(listing(letter), 1) if line not in right]
        assert lines == [buggy_lines()[letter]]
