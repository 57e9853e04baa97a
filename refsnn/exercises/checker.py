"""Whether a student's file is right; and if not, what is wrong: the first wrong number in a case for paper, and what such an error usually means.

The judge is conformance (refsnn.verify.conformance), which asks the student's functions, run within the library, and compares with the
library itself. A wrong answer is then compared with the exercise's known ones: where the student's numbers are those of a known mistake in
every case, it is that one.
"""

import ast
import contextlib
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import refsnn
from refsnn.errors import DataError, check_path
from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.child import PRINTED
from refsnn.exercises.paper import on_paper
from refsnn.exercises.pupil import NOT_WRITTEN, QUESTION, WRONG_FORM, Pupil, PupilError
from refsnn.files import refuse_special
from refsnn.verify.conformance.cases import by_hand, generated, make_case, settled
from refsnn.verify.conformance.compare import compare
from refsnn.verify.conformance.diagnosis import SINGLE
from refsnn.verify.conformance.runner import check, put
from refsnn.verify.conformance.search import smallest_failure
from refsnn.verify.conformance.subject import AnswerError, Harness, HarnessError

SOURCES = (on_paper, by_hand, generated)
BROKEN = (PupilError, AnswerError, HarnessError)
RELATIVE = 1e-9                            # two wrong answers that agree so well are the same mistake
RIGHT, UNWRITTEN, WRONG, CRASHES = "right", "not written yet", "wrong", "does not run"
LARGEST = 16                               # numbers of an array that is shown, and can be worked on paper
NO_IDEA = "It is none of the mistakes that are known here. Work the case above on paper, and compare line by line."
SINGLE_INSIDE = "float32 inside"           # how conformance's diagnosis begins where no error is above what single precision explains
FEW_DIGITS = ("Right to the digits of single precision. The library keeps those of double precision: is there float32 inside, or a constant with "
              "few digits?")
WHOLE = 12                                 # times the limit of one call: the limit of a whole check
NO_CASE = "It is none of the mistakes that are known here, and no case for paper. The hints say what to ask."
START = "import sys; sys.path.insert(0, {!r}); from refsnn.exercises.child import main; main()"


@dataclass
class Feedback:
    """What a check comes to. verdict: one of the four words above; what: which property or case fails, in words.

    given: {name: value} of that case; field, place, yours, expected: its first wrong number.
    meaning: what such an error usually means, or a remark on a right answer.
    mistake: the name of the known mistake, where it is one. printed: the beginning of what the file printed.
    """

    number: int
    name: str
    verdict: str
    what: str = ""
    given: dict = field(default_factory=dict)
    field: str = ""
    place: str = ""
    yours: float | None = None
    expected: float | None = None
    meaning: str = ""
    mistake: str | None = None
    printed: str = ""


def check_file(path, timeout):
    """Check a student's file: a Feedback. timeout: seconds that one call may take. Raises DataError where it is of no exercise, OSError."""
    path = check_path("path", path).resolve()
    refuse_special(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")     # editors of Windows begin a file with a byte-order mark
    number = number_of(text, path)
    exercise = EXERCISES[number - 1]
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno} is no Python" if getattr(error, "lineno", None) else "it is no Python"
        return Feedback(number, exercise.name, CRASHES, f"{where}: {getattr(error, 'msg', error)}")
    with subject_of(path, text, number, timeout) as subject:
        try:
            feedback = judge(number, subject)
        except BROKEN as error:            # a file that answers at first, and then no more
            feedback = unanswered(number, exercise, error.args[-1])
        with contextlib.suppress(*BROKEN):
            feedback.printed = subject.call(PRINTED, {}, {}, {})["text"].tobytes().decode("utf-8", "replace") if isinstance(subject, Harness) else ""
        return feedback


def number_of(text, path):
    """The number of the exercise that a file is for: by its own name, by its first line, or by the functions that it defines if these are of one alone."""
    for number, exercise in enumerate(EXERCISES, 1):
        if path.name == exercise.file_name(number):
            return number
    for number, exercise in enumerate(EXERCISES, 1):
        if re.match(rf'\s*"""Exercise {number}, {exercise.name}:', text):
            return number
    found = [number for number, exercise in enumerate(EXERCISES, 1) if all(re.search(rf"^def {name}\b", text, re.MULTILINE) for name in exercise.originals)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(EXERCISES[number - 1].file_name(number) for number in found)
        raise DataError(f"{path} has the functions of more than one exercise; name it {names}")
    raise DataError(f"{path} has neither the name nor the functions of an exercise, as the file that `refsnn exercises start` wrote")


class Limited(Harness):
    """A Harness whose calls together may not take longer than WHOLE times what one may."""

    def __init__(self, words, title, timeout):
        self.end_of_time = time.monotonic() + WHOLE * timeout
        super().__init__(words, title, timeout)

    def call(self, op, inputs, params, conventions):
        """One call. Raises HarnessError where the time for all is over, and what Harness.call raises."""
        if time.monotonic() > self.end_of_time:
            raise HarnessError(f"its answers take longer than {WHOLE * self.timeout:g} s in all: it is too slow")
        return super().call(op, inputs, params, conventions)


def subject_of(path, text, number, timeout):
    """The file as a subject, in a process of its own; in a browser, which has no processes, in this one."""
    if sys.platform == "emscripten":
        return contextlib.nullcontext(Pupil(text, EXERCISES[number - 1], str(path)))
    root = str(Path(refsnn.__file__).parents[1])
    return Limited([sys.executable, "-c", START.format(root), str(path), str(number)], str(path), timeout)


def judge(number, subject):
    """The Feedback on a subject, a Pupil or its process."""
    exercise = EXERCISES[number - 1]
    feedback = by_operations(number, exercise, subject) if exercise.ops else Feedback(number, exercise.name, RIGHT)
    if feedback.verdict == RIGHT and exercise.questions:
        asked = by_questions(number, exercise, subject)
        feedback = asked if asked.verdict != RIGHT or asked.meaning else feedback
    return feedback


def no_idea(given):
    """What to do where the mistake is none that is known; a step, a large array, or no argument at all, is nothing to work on paper."""
    return NO_IDEA if given and "step" not in given and all(value.size <= LARGEST for value in given.values() if isinstance(value, np.ndarray)) else NO_CASE


def by_operations(number, exercise, subject):
    """The Feedback of conformance."""
    run = check(subject, SOURCES, ops=exercise.ops, shrink=False)
    failed = next((own for own in run.operations if own.status == "fail"), None)
    if failed is None:
        return Feedback(number, exercise.name, RIGHT)
    said = failed.diagnosis
    if said.kind in ("dies", "raises", "contract", "mutates", "unsteady"):
        return unanswered(number, exercise, said.text.rsplit(" (", 1)[0], CRASHES if said.kind in ("dies", "raises") else WRONG)
    cases = [case for source in SOURCES for case in source(failed.op, "float64", {})]
    feedback = Feedback(number, exercise.name, WRONG)
    wrong = {case.id: case for case in failed.cases if case.status == "fail"}
    case = most_telling([case for case in cases if case.id in wrong], subject)
    if case is None:                       # all numbers are right in all cases, but a property fails
        first = next(iter(wrong.values()))
        feedback.what, feedback.meaning = f"{first.id.split('/')[1]}: {first.message}", NO_CASE
        return feedback
    known = {mistake: Pupil(exercise.wrong_answer(number, mistake), exercise) for mistake in exercise.mistakes}
    asked = [(case.op, case.inputs, case.params) for case in cases]
    feedback.mistake, feedback.meaning, in_part = matching(known, subject, asked, [case.id in wrong for case in cases])
    if said.text.startswith(SINGLE_INSIDE) and not feedback.mistake and not exercise.exact:
        return Feedback(number, exercise.name, RIGHT, meaning=FEW_DIGITS)
    show(feedback, case if case.comment else smaller(case, subject), subject)
    feedback.meaning = feedback.meaning or meaning_of(said) or in_part
    if not feedback.meaning:
        right = right_outputs(cases, subject)
        feedback.meaning = no_idea(feedback.given) + (f" Right in every case: {', '.join(right)}." if right else "")
    return feedback


def most_telling(cases, subject):
    """Of the cases that a subject fails the first that is wrong even in single precision, or else the first; None where there are none."""
    answers = ((case, outputs_of(subject, case.op, case.inputs, case.params)) for case in cases)
    clear = (case for case, got in answers if got is None or not all(same(got[name], right, SINGLE) for name, right in case.expected.items()))
    return next(clear, cases[0] if cases else None)


def right_outputs(cases, subject):
    """The names of the outputs that are right in every case; cases of networks of different sizes have different ones, of which none is named."""
    answers = [(case.expected, outputs_of(subject, case.op, case.inputs, case.params)) for case in cases]
    names = [name for name in cases[0].expected if all(name in expected for expected, _ in answers)]
    return [name for name in names if all(got is not None and same(got[name], expected[name]) for expected, got in answers)]


def meaning_of(diagnosis):
    """What a diagnosis says, for a student; "" where it found nothing."""
    if diagnosis.kind == "convention":
        change, meaning = diagnosis.text.split(": explains all", 1)
        meaning = meaning.split(" cases. ")[1].removesuffix(" If that is meant, declare it.")
        return f"Your numbers are those of another convention, {change}. {meaning}"
    if diagnosis.text.startswith("NaN or infinity"):
        return diagnosis.text.split(": ")[0] + "."
    if " inside, or a constant with few digits: " in diagnosis.text:
        return (f"Nearly right: {diagnosis.text.split(': ')[1]}. Some digits are lost: a constant with few of them, single precision, or a "
                "difference of two numbers that are nearly equal.")
    return f"Your numbers are those of this change: {diagnosis.text.split(': explains all')[0]}." if diagnosis.kind == "mistake" else ""


def smaller(case, subject):
    """A smaller case on which the subject fails, too, in quarters if it does there; or the same."""
    def problem(inputs, params):
        return make_case(f"{case.op}/a small one", case.op, inputs, params, "float64", {})

    found = smallest_failure(case.op, "float64", {}, lambda inputs, params: put(subject, problem(inputs, params)).kind)
    if found is None or sum(array.size for array in found[0].values()) >= sum(array.size for array in case.inputs.values()):
        return case
    inputs, params = found
    quarters = {name: in_quarters(array) for name, array in inputs.items()}
    round_ones = problem(quarters, params)
    return round_ones if settled(case.op, quarters, params, {}) and put(subject, round_ones).kind else problem(inputs, params)


def in_quarters(array):
    """An array with its floats rounded to quarters, but where one of them would become 0."""
    near = np.rint(4 * array) / 4
    return near if array.dtype.kind == "f" and np.array_equal(near == 0, array == 0) else array


def show(feedback, case, subject):
    """Put a case and its first wrong number into a Feedback."""
    outputs = subject.call(case.op, case.inputs, case.params, {})
    allowed = {name: case.bounds[name].of(array) for name, array in case.expected.items()}
    difference = compare(case.op, case.params, outputs, case.expected, allowed)[1]
    feedback.what = f"{case.op}, {case.id.split('/')[-1]}" + (f": {case.comment}" if case.comment else "")
    feedback.given = {**case.inputs, **case.params}
    feedback.field, feedback.place = difference.field, difference.place.strip()
    feedback.yours, feedback.expected = difference.got, difference.expected


def unanswered(number, exercise, message, verdict=CRASHES):
    """The Feedback where there are no numbers to judge: nothing is written yet, it has another form than asked for, or it does not run."""
    message = re.sub(r"^it (raises (AnswerError|PupilError)|answers with an error): ", "", message)
    if message.startswith(NOT_WRITTEN):
        return Feedback(number, exercise.name, UNWRITTEN, message.split(": ", 1)[1])
    if message.startswith(WRONG_FORM):
        verdict, message = WRONG, message.split(": ", 1)[1]
    for pattern, words in ((r"no answer within (.*)", r"it does not end within \1: is there a loop whose condition stays true?"),
                           (r"it ended, with exit code (-?\d+).*", r"it ended the whole program (exit code \1)")):
        message = re.sub(pattern, words, message)
    message, changes = re.subn("ValueError: .* is read-only", "it changes an array that it is given (as += does): make a new one, for the caller still "
                               "needs the old one", message)
    return Feedback(number, exercise.name, WRONG if changes else verdict, message)


def by_questions(number, exercise, subject):
    """The Feedback by the exercise's own questions."""
    solution = Pupil(exercise.solution(number), exercise)
    right = 0
    missed = []
    for question in exercise.questions:
        inputs, params = arguments_of(question)
        try:
            outputs = subject.call(QUESTION, inputs, params, {})
        except BROKEN as error:
            return unanswered(number, exercise, error.args[-1])
        expected = {"result": np.array(question.expected)} if question.expected is not None else solution.call(QUESTION, inputs, params, {})
        wrong = first_wrong(outputs, expected)
        right += wrong is None and not question.must
        if wrong is not None:
            missed.append((question, wrong, outputs[wrong], expected[wrong]))
    serious = [entry for entry in missed if entry[0].must]
    if not serious and right >= exercise.enough:
        return Feedback(number, exercise.name, RIGHT)
    if not exercise.exact and all(same(got, expected, SINGLE) for *_, got, expected in serious or missed):
        return Feedback(number, exercise.name, RIGHT, meaning=FEW_DIGITS)
    feedback = Feedback(number, exercise.name, WRONG)
    describe(feedback, exercise, *(serious or missed)[0])
    if not serious:
        accepted = ", ".join(entry[0].id for entry in missed)
        feedback.what = f"it rejects {right} of the wrong steps; {exercise.enough} are asked for. It accepts: {accepted}"
    asked = [(QUESTION, *arguments_of(question)) for question in exercise.questions]
    known = {mistake: Pupil(exercise.wrong_answer(number, mistake), exercise) for mistake in exercise.mistakes}
    feedback.mistake, feedback.meaning, in_part = matching(known, subject, asked, [any(question is own for own, *_ in missed) for question in exercise.questions])
    if not feedback.meaning and not serious:
        feedback.meaning = "For each step that it accepts, think of a state in which a right step must give something else; then ask for that."
    feedback.meaning = feedback.meaning or in_part or no_idea(feedback.given)
    return feedback


def first_wrong(outputs, expected):
    """The name of the first output that is wrong, before it those that are wrong even in single precision; None where all are right."""
    return next((name for relative in (SINGLE, RELATIVE) for name in expected if not same(outputs[name], expected[name], relative)), None)


def arguments_of(question):
    """The arguments of a question as (inputs, params): arrays, and the rest."""
    arrays = {name: value for name, value in question.arguments.items() if isinstance(value, np.ndarray)}
    return arrays, {name: value for name, value in question.arguments.items() if name not in arrays}


def describe(feedback, exercise, question, name, got, expected):
    """Put a question and its first wrong number into a Feedback."""
    at = tuple(np.argwhere(~np.isclose(got, expected, RELATIVE, 0))[0])
    feedback.what = f"{question.id}: {question.comment}"
    feedback.given = question.arguments
    feedback.field, feedback.place = name, f"at {list(map(int, at))}" if at else ""
    feedback.yours, feedback.expected = float(got[at]), None if exercise.secret else float(expected[at])


def matching(known, subject, asked, failed):
    """Of known mistakes, {Mistake: Pupil}: (name, hint, "") of the one that gives the subject's numbers in every case; else (None, "", words).

    The words are about the one that does in more than half of the cases that fail, "" where there is none. asked: (op, inputs, params) of every
    case; failed: for each, whether the subject fails it.
    """
    given = [outputs_of(subject, *case) for case in asked]
    count, nearest = sum(failed) / 2, None
    for mistake, pupil in known.items():
        agreed = [agree(own, outputs_of(pupil, *case)) for own, case in zip(given, asked)]
        if all(agreed):
            return mistake.name, mistake.hint, ""
        share = sum(same and wrong for same, wrong in zip(agreed, failed))
        if share > count:
            count, nearest = share, mistake
    return None, "", f"In {count} of the {sum(failed)} cases that fail your numbers are those of a known mistake. {nearest.hint}" if nearest else ""


def outputs_of(subject, op, inputs, params):
    """What a subject answers; None where it does not."""
    try:
        return subject.call(op, inputs, dict(params), {})
    except BROKEN:
        return None


def agree(one, other):
    """Whether two answers are there, and the same."""
    return one is not None and other is not None and all(same(one[name], array) for name, array in other.items())


def same(one, other, relative=RELATIVE):
    """Whether two arrays are the same but for rounding, relative to the largest number."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    scale = np.abs(other[np.isfinite(other)]).max(initial=0)
    return one.shape == other.shape and np.allclose(one, other, relative, relative * scale, equal_nan=True)
