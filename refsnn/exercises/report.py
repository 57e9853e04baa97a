"""Feedback as text for a student, and as JSON for a grader."""

import json
import textwrap
from dataclasses import asdict

import numpy as np

from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.checker import CRASHES, LARGEST, RIGHT, UNWRITTEN
from refsnn.verify.conformance.wire import encode_array

WIDTH = 110


def as_text(feedback):
    """The feedback on a file, for the terminal."""
    exercise = EXERCISES[feedback.number - 1]
    lines = [f"Exercise {feedback.number}, {exercise.title}: {feedback.verdict}"]
    hint = f"A hint: refsnn exercises hint {feedback.number} --level 1; why it is so: refsnn exercises explain {feedback.number}"
    if feedback.verdict == UNWRITTEN:
        lines += ["", *wrapped(f"{feedback.what} still raises NotImplementedError: put your own lines there."), hint]
    elif feedback.verdict == CRASHES:
        lines += ["", *wrapped(feedback.what)]
    elif feedback.verdict == RIGHT:
        lines += ["", *labelled("remark", feedback.meaning)] if feedback.meaning else []
    else:
        lines += ["", *labelled("what fails", feedback.what), *given_lines(feedback), *labelled("first number", numbers_of(feedback)),
                  *labelled("usually", feedback.meaning), "", hint]
    if feedback.printed:
        lines += ["", *labelled("it printed", feedback.printed.strip().replace("\n", " / "))]
    return "\n".join(lines)


def wrapped(text):
    """Lines of a paragraph."""
    return textwrap.wrap(text, WIDTH)


def labelled(label, text):
    """Lines of a paragraph with a word at its head."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{label:13}", subsequent_indent=" " * 13) if text else []


def numbers_of(feedback):
    """The first wrong number, in words."""
    if feedback.yours is None:
        return ""
    place = f"{feedback.field} {feedback.place}".strip()
    if EXERCISES[feedback.number - 1].truth:
        return f"{place}: yours is {bool(feedback.yours)}, it should be {bool(feedback.expected)}"
    if feedback.expected is None:
        return f"{place}: yours is {feedback.yours:.10g}"
    # as many digits as it takes to see the difference
    digits = next((digits for digits in (6, 10) if f"{feedback.yours:.{digits}g}" != f"{feedback.expected:.{digits}g}"), 17)
    return f"{place}: yours is {feedback.yours:.{digits}g}, it should be {feedback.expected:.{digits}g}"


def given_lines(feedback):
    """The arguments of the case, a line each; time constants also as decays."""
    lines = []
    for name, value in feedback.given.items():
        large = isinstance(value, np.ndarray) and value.size > LARGEST
        text = f"an array of shape {value.shape}" if large else str(value.tolist() if isinstance(value, np.ndarray) else value)
        tau = {"tau_syn": "alpha", "tau_mem": "beta"}.get(name)
        if tau and "dt" in feedback.given:
            text += f"   so that {tau} = exp(-dt/tau) = {decays_of(value, feedback.given['dt'])}"
        lines += labelled("" if lines else "given", f"{name} = {text}")
    return lines


def decays_of(tau, dt):
    """exp(-dt/tau) to six digits, for a number or an array; for a list, one entry a layer, a list: layers have unlike numbers of neurons.

    >>> decays_of([[1.0, 2.0], 4.0], 0.0)
    [[1.0, 1.0], 1.0]
    """
    if isinstance(tau, list):
        return [decays_of(own, dt) for own in tau]
    return np.round(np.exp(-dt / np.asarray(tau, float)), 6).tolist()


def as_json(feedback, path):
    """The feedback on the file at `path` as a JSON object of one line; arrays as in conformance, numbers that JSON has no word for as text."""
    values = asdict(feedback)
    values["given"] = {name: encode_array(value) if isinstance(value, np.ndarray) else value for name, value in feedback.given.items()}
    for name in ("yours", "expected"):
        if values[name] is not None and not np.isfinite(values[name]):
            values[name] = str(values[name])
    return json.dumps({"format": 1, "file": str(path), **values})


def title_line(number):
    """The line of `refsnn exercises list`."""
    exercise = EXERCISES[number - 1]
    return f"{number:2}  {exercise.name:16}  {exercise.title}"
