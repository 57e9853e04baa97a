"""Files of students: broken ones get plain words, and the command line goes from stub to solution."""

import json
import sys

import pytest

from refsnn.__main__ import main
from refsnn.exercises import checker
from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.checker import CRASHES, RIGHT, WRONG, check_file
from refsnn.spec import neuron

STEP = "def lif_step(I, V, S, drive, alpha, beta, theta):\n"


@pytest.fixture(autouse=True)
def no_folder_of_hypothesis(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path))


BROKEN = {
    "a missing bracket": ("    return (I, V, S\n", "line 2 is no Python"),
    "an assertion": ("    assert I is V\n", "line 2: AssertionError"),
    "a NUL byte": ("    return I, V, S\0\n", "it is no Python: source code string cannot contain null bytes"),
    "a name that is not there": ("    return alfa * I, V, S\n", "line 2: NameError: name 'alfa' is not defined"),
    "an exit": ("    raise SystemExit(3)\n", "SystemExit: 3"),
    "the end of the process": ("    import os\n    os._exit(3)\n", "it ended the whole program (exit code 3)"),
    "an endless loop": ("    while True:\n        pass\n", "it does not end within"),
    "a question to the user": ("    return input(), V, S\n", "EOFError"),
}


OF_ANOTHER_FORM = {
    "no return": ("    I = alpha * I\n", "what lif_step returns is None"),
    "two results": ("    return I, V\n", "must be 3 things"),
    "another shape": ("    return I, V[0], S\n", "result 2 of what lif_step returns has shape"),
    "rows and columns exchanged": ("    return I, np.stack([V.ravel(), V.ravel()])[:1].reshape(V.shape[::-1]) if V.shape[1] > 1 else V, S\n", "is it transposed?"),
    "a text": ("    return I, 'V', S\n", "must be numbers, in rows of equal length; it is a str"),
    "rows of different lengths": ("    return I, [[1.0], [1.0, 2.0]], S\n", "in rows of equal length; it is a list"),
    "an argument changed": ("    I += 1\n    return I, V, S\n", "changes one of the arrays"),
    "chance": ("    return I + np.random.rand(), V, S\n", "called again with the same arguments"),
}


def written(folder, body, head=STEP):
    path = folder / "03_lif_step.py"
    path.write_text(head + body + "import numpy as np\n")
    return path


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.replace(" ", "-"))
def test_a_broken_file_gets_plain_words(case, tmp_path):
    body, words = BROKEN[case]
    feedback = check_file(written(tmp_path, body), 3.0 if case == "an endless loop" else 30.0)
    assert feedback.verdict == CRASHES and words in feedback.what, feedback


@pytest.mark.parametrize("case", OF_ANOTHER_FORM, ids=lambda case: case.replace(" ", "-"))
def test_an_answer_of_another_form_is_wrong_and_said_to_be_of_that_form(case, tmp_path):
    body, words = OF_ANOTHER_FORM[case]
    feedback = check_file(written(tmp_path, body), 30.0)
    assert feedback.verdict == WRONG and words in feedback.what and not feedback.meaning, feedback


def test_a_file_that_is_slow_in_every_call_ends_after_twelve_times_the_limit_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(checker, "WHOLE", 0.1)
    feedback = check_file(written(tmp_path, "    import time\n    time.sleep(1)\n    return I, V, S\n"), 5.0)
    assert feedback.verdict == CRASHES and "longer than 0.5 s in all" in feedback.what, feedback


def test_another_signature_is_named(tmp_path):
    feedback = check_file(written(tmp_path, "    return I, V, V\n", "def lif_step(I, V):\n"), 30.0)
    assert feedback.what == "lif_step must take (I, V, S, drive, alpha, beta, theta), but takes (I, V)"


def test_a_file_is_known_by_its_name_or_by_its_functions(tmp_path):
    renamed = written(tmp_path, "    return I, V, V\n", "def decay(tau, dt):\n    return 1\ndef lif(I, V, S, drive, alpha, beta, theta):\n")
    assert check_file(renamed, 30.0).what == "there is no function lif_step in it"
    other = tmp_path / "mine.py"
    other.write_text(EXERCISES[2].solution(3))
    assert check_file(other, 30.0).verdict == RIGHT


def test_what_a_file_prints_harms_nothing_and_is_shown(tmp_path):
    body = "    print('V is', V)\n    I = alpha * I + drive\n    V = beta * V + I - theta * S\n    return I, V, V > theta\n"
    feedback = check_file(written(tmp_path, body), 30.0)
    assert feedback.verdict == RIGHT and feedback.printed.startswith("V is [[")


def test_the_command_line_from_stub_to_solution(tmp_path, capsys):
    assert main(["exercises", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EXERCISES)
    assert main(["exercises", "start", "3", "--dir", str(tmp_path)]) == 0
    path = tmp_path / "03_lif_step.py"
    assert main(["exercises", "check", str(path)]) == 1 and "not written yet" in capsys.readouterr().out
    assert main(["exercises", "start", "lif_step", "--dir", str(tmp_path)]) == 2 and "not written again" in capsys.readouterr().err
    path.write_text(EXERCISES[2].wrong_answer(3, EXERCISES[2].mistakes[0]))
    assert main(["exercises", "check", str(path), "--json"]) == 1
    feedback = json.loads(capsys.readouterr().out)
    assert feedback["file"] == str(path)
    assert (feedback["number"], feedback["verdict"], feedback["mistake"]) == (3, "wrong", "tie")
    assert main(["exercises", "check", str(path)]) == 1 and "it should be 0" in capsys.readouterr().out
    path.write_text(EXERCISES[2].solution(3))
    assert main(["exercises", "check", str(path)]) == 0 and "right" in capsys.readouterr().out
    assert main(["exercises", "hint", "3", "--level", "2"]) == 0 and "order" in capsys.readouterr().out


def test_a_file_with_a_helper_that_another_exercise_asks_for_is_of_its_first_line_or_refused(tmp_path, capsys):
    helper, path = "\n\ndef lif_step(I, V, S, drive, alpha, beta, theta):\n    return I, V, S\n", tmp_path / "homework.py"
    stub = EXERCISES[3].stub(4)
    path.write_text(stub + helper)
    assert main(["exercises", "check", str(path)]) == 1 and "Exercise 4" in capsys.readouterr().out
    path.write_text(stub.replace("Exercise 4, ", "Mine, ", 1) + helper)
    assert main(["exercises", "check", str(path)]) == 2 and "more than one exercise" in capsys.readouterr().err
    named = tmp_path / EXERCISES[3].file_name(4)
    named.write_text(EXERCISES[2].stub(3))
    assert main(["exercises", "check", str(named)]) == 1 and "Exercise 4" in capsys.readouterr().out
    assert main(["exercises", "hint", "\u00b2", "--level", "1"]) == 2 and "no exercise" in capsys.readouterr().err


def test_a_file_of_no_exercise_and_an_exercise_that_is_not_there_are_errors(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    assert main(["exercises", "check", str(path)]) == 2 and "neither the name nor the functions" in capsys.readouterr().err
    assert main(["exercises", "check", str(path), "--json"]) == 2
    line = json.loads(capsys.readouterr().out)
    assert (line["file"], line["verdict"]) == (str(path), "not checked")
    gone = tmp_path / "gone.py"
    assert main(["exercises", "check", str(gone), "--json"]) == 2
    line = json.loads(capsys.readouterr().out)
    assert (line["file"], line["verdict"]) == (str(gone), "not checked")
    assert main(["exercises", "hint", "99"]) == 2 and "1 to" in capsys.readouterr().err
    assert main(["exercises", "hint", "9" * 5000]) == 2 and "1 to" in capsys.readouterr().err


def test_a_byte_order_mark_harms_nothing(tmp_path):
    path = tmp_path / "03_lif_step.py"
    path.write_text(EXERCISES[2].solution(3), encoding="utf-8-sig")
    assert check_file(path, 30.0).verdict == RIGHT


def test_where_there_are_no_processes_a_file_runs_in_this_one_and_the_library_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")                           # as in a browser
    path = written(tmp_path, "    return 2 * I, V, S\n")
    before = neuron.lif_step
    assert check_file(path, 1.0).verdict == WRONG and neuron.lif_step is before
