"""Why an operation fails: which convention, or which mistake, would make the reference give what the subject gives.

An explanation must hold for every case of the operation that has an answer, those that passed included. The order: rounding, single conventions,
NaN, the changes of guesses.py, rules.py, a factor, few digits, pairs of conventions. Where nothing fits, the report has the first difference.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from refsnn.errors import RefsnnError
from refsnn.verify.conformance.cases import Case, reference
from refsnn.verify.conformance.compare import compare, letters_of, told_apart
from refsnn.verify.conformance.guesses import CHANGED_ANSWERS, CHANGED_QUESTIONS, FACTORS, sizes_of
from refsnn.verify.conformance.rules import OTHER_RULES
from refsnn.verify.conventions import SWITCHES
from refsnn.verify.operations import OPERATIONS

SLACK = 10                   # an explanation may be off by so many bounds: the subject's own rounding is in it, too
DEEPEST = {"lif_step": 7, "li_step": 3}      # so many conventions are changed at once, 2 elsewhere: a step is quick, and there most choices are made
ROUNDING = {"float64": 1e-12, "float32": 1e-6}     # relative errors of a subject that are no mistakes
SINGLE, HALF = 1e-5, 5e-3    # those that float32 and float16 inside explain, after some steps


@dataclass(frozen=True, eq=False)
class Answer:
    """A case, what the subject returned (None where it returned nothing), and what is wrong with it: a kind and a message, or None.

    Kinds: value; dies; accepts, what must be refused; those of ask; contract.
    """

    case: Case
    outputs: dict | None
    kind: str | None
    message: str
    headroom: float | None


@dataclass(frozen=True)
class Diagnosis:
    """What explains a failure: a kind (convention, mistake, or what Answer has) and a sentence; conventions where it is such."""

    kind: str
    text: str
    conventions: dict

    @property
    def short(self):
        """The sentence without its evidence: for a property, without the numbers of the problem that was found."""
        if self.kind == "property":
            return ": ".join(self.text.split(": ")[:2])
        return self.text.split(": explains")[0].split("no known mistake explains it; ")[-1].split("; largest error: ")[0]


def diagnose(op, answers, conventions):
    """The Diagnosis of an operation with at least one wrong answer."""
    wrong = [answer for answer in answers if answer.kind not in (None, "accepts")]
    if not wrong:
        first = next(answer for answer in answers if answer.kind)
        return Diagnosis("accepts", f"{first.message} ({first.case.id}). If inputs are not checked on purpose, skip \"must-fail\".", {})
    for kind in ("dies", "mutates", "unsteady", "raises"):
        first = next((answer for answer in wrong if answer.kind == kind), None)
        if first:
            return Diagnosis(kind, f"{first.message} ({first.case.id})", {})
    # the wrong ones first, and the small ones, so that most explanations are dropped quickly
    answered = sorted((answer for answer in answers if holds_numbers(answer.outputs)), key=lambda answer: (answer.kind is None, sum(
        array.size for array in answer.case.inputs.values())))
    # what is wrong with the numbers that are tried is not of interest: 0/0 explains nothing
    with np.errstate(all="ignore"):
        found = explanation(op, answered, conventions) if answered else None
    broken = next((answer for answer in wrong if answer.kind == "contract"), None)
    if broken and found:
        return replace(found, text=f"{found.text}; {broken.message}")
    if found or broken:
        return found or Diagnosis("contract", f"{broken.message} ({broken.case.id})", {})
    return Diagnosis("unknown", f"no convention and no known mistake explains it; first difference: {wrong[0].message} ({wrong[0].case.id})", {})


def holds_numbers(outputs):
    """Whether outputs are a dict of arrays of numbers, whatever their shapes."""
    return isinstance(outputs, dict) and all(isinstance(array, np.ndarray) and array.dtype.kind in "iuf" for array in outputs.values())


def explanation(op, answers, conventions):
    """The first explanation, in the order of the head of this file, or None."""
    wrong_names = list(dict.fromkeys(name for answer in answers for name in answer.case.expected if not right_already(answer, name)))
    if not wrong_names:
        return None                          # the numbers are right, the dtype or the kind of object is not
    found = (by_rounding(answers) or by_convention(op, answers, conventions, 1) or by_not_a_number(answers) or by_changed_answer(answers, wrong_names)
             or by_changed_question(answers, conventions, wrong_names) or by_other_rule(op, answers, wrong_names) or by_factor(answers, wrong_names)
             or by_digits(answers))
    for count in range(2, DEEPEST.get(op, 2) + 1):
        found = found or by_convention(op, answers, conventions, count)
    return found


def distance(answer, wanted):
    """How far an answer is from `wanted`, in bounds; NaN stands for anything."""
    fits = {name: array.dtype == float and np.shape(answer.outputs.get(name)) == array.shape for name, array in wanted.items()}
    is_open = {name: np.isnan(array) if fits[name] else np.zeros(array.shape, bool) for name, array in wanted.items()}
    filled = {name: np.where(is_open[name], 0, array) for name, array in wanted.items()}
    got = answer.outputs | {name: np.where(is_open[name], 0, answer.outputs[name]) for name in wanted if fits[name]}
    # an explanation may be far from the expected values in size: the bound goes with it
    bounds = answer.case.wide_bounds
    allowed = {name: max(bounds[name].of(array), bounds[name].of(answer.case.expected[name])) for name, array in filled.items()}
    return compare(answer.case.op, answer.case.params, got, filled, allowed)[0]


def explains(answers, wanted_of):
    """Whether wanted_of(case), {output: array}, is what the subject gives in every case. The wrong answers come first."""
    for answer in answers:
        try:
            wanted = wanted_of(answer.case)
        except RefsnnError:
            return False                     # conventions that exclude each other, or params out of their range
        if any(array is None for array in wanted.values()):
            return False
        off = distance(answer, wanted)
        # what changes nothing explains nothing: an answer with wrong values must be nearer than it was
        if off > SLACK or answer.kind == "value" and not off < distance(answer, answer.case.expected):
            return False
    return True


def by_convention(op, answers, conventions, count):
    """The combination of `count` other conventions that explains all answers, or None."""
    choices = [(switch, value) for switch in SWITCHES if switch.name in OPERATIONS[op].switches for value in switch.values
               if value != conventions.get(switch.name, switch.values[0])]
    found = []
    for chosen in itertools.combinations(choices, count):
        names = {switch.name: value for switch, value in chosen}
        if len(names) == count and explains(answers, lambda case: reference().call(op, case.inputs, case.params, {**conventions, **names})):
            found.append((names, chosen))
    if not found:
        return None
    text = "; or ".join(" and ".join(f"{name} = {value!r}" for name, value in names.items()) for names, _ in found[:3])
    meaning = " ".join(switch.meaning for switch, _ in found[0][1])
    return Diagnosis("convention", f"{text}: explains all {len(answers)} cases. {meaning} If that is meant, declare it.", found[0][0])


def by_not_a_number(answers):
    """NaN or infinity in the wrong places, in every wrong answer."""
    for answer in answers:
        pairs = [(answer.outputs[name], wanted) for name, wanted in answer.case.expected.items() if np.shape(answer.outputs.get(name)) == wanted.shape]
        if answer.kind and all((np.isfinite(got) == np.isfinite(wanted)).all() for got, wanted in pairs):
            return None
    return Diagnosis("mistake", f"NaN or infinity where a finite number is expected, or the other way round: "
                                f"{answers[0].message} ({answers[0].case.id})", {})


def mistake(names, text, answers):
    """The Diagnosis of a mistake that explains the outputs `names`; the others are right."""
    return Diagnosis("mistake", f"{', '.join(names)}: {text}: explains all {len(answers)} cases", {})


def by_changed_question(answers, conventions, wrong_names):
    """The first change of the question that explains the outputs that are wrong."""
    for text, change in CHANGED_QUESTIONS:
        def wanted(case):
            changed = reference().call(case.op, *change(case), conventions)
            return {name: changed.get(name) if name in wrong_names else array for name, array in case.expected.items()}

        if explains(answers, wanted):
            return mistake(wrong_names, text, answers)
    return None


def by_other_rule(op, answers, wrong_names):
    """The first other rule for the operation that explains the outputs that are wrong."""
    for text, rule in OTHER_RULES.get(op, ()):
        if explains(answers, lambda case: case.expected | {name: array for name, array in rule(case).items() if name in wrong_names}):
            return mistake(wrong_names, text, answers)
    return None


def by_changed_answer(answers, wrong_names):
    """The first change of the outputs that are wrong that explains them."""
    for text, change in CHANGED_ANSWERS:
        def wanted(case):
            letters = letters_of(case.op, "outputs", case.params)
            return {name: change(name, array, letters[name]) if name in wrong_names else array for name, array in case.expected.items()}

        if explains(answers, wanted):
            return mistake(wrong_names, text, answers)
    return None


def right_already(answer, name):
    """Whether one output of an answer is as expected."""
    case, array = answer.case, answer.case.expected[name]
    return compare(case.op, case.params, answer.outputs, {name: array}, {name: case.bounds[name].of(array)})[0] <= 1


def by_factor(answers, wrong_names):
    """A factor between the outputs that are wrong and the expected ones: the same number in all cases, or the same quantity."""
    first = answers[0]
    constant = factor_of(first, wrong_names)
    if constant is None:
        return None
    known = next((text for value, text in FACTORS.items() if abs(constant - value) <= 1e-4 * abs(value)), told_apart(constant, 1.0, 6)[0])
    quantities = [(known, lambda case: constant)]
    for quantity in sizes_of(first.case):
        quantities += [(quantity, lambda case, q=quantity: sizes_of(case).get(q, np.nan)),
                       (f"1 / {quantity}", lambda case, q=quantity: 1 / np.float64(sizes_of(case).get(q, np.nan)))]
    for text, factor in quantities:
        if explains(answers, lambda case: {name: array * factor(case) if name in wrong_names else array for name, array in case.expected.items()}):
            return mistake(wrong_names, f"times {text}", answers)
    return None


def factor_of(answer, wrong_names):
    """What the largest element of the first wrong output is multiplied with; None where there is no such number."""
    name = next((name for name in wrong_names if not right_already(answer, name)), None)
    wanted, got = (answer.case.expected[name], answer.outputs.get(name)) if name else (np.zeros(0), None)
    if np.shape(got) != wanted.shape or wanted.dtype != float or not np.abs(wanted).max(initial=0):
        return None
    at = np.unravel_index(np.abs(wanted).argmax(), wanted.shape)
    factor = float(got[at] / wanted[at])
    return factor if np.isfinite(factor) and factor else None


def largest_error(answers):
    """The largest error of all answers, relative to the largest value of its array; None where a spike or a whole number is wrong, or a shape."""
    largest = 0.0
    for answer in answers:
        for name, array in answer.case.expected.items():
            got = answer.outputs.get(name)
            if np.shape(got) != array.shape or (array.dtype != float and (got != array).any()):
                return None
            finite = np.isfinite(array)
            scale = np.abs(array[finite]).max(initial=0)
            if (np.isfinite(got) != finite).any() or scale == 0 and np.any(got):
                return None
            largest = max(largest, np.abs(got[finite] - array[finite]).max(initial=0) / (scale or 1))
    return largest


def by_rounding(answers):
    """Errors that no mistake makes, but that the bounds of the vectors do not allow."""
    largest = largest_error(answers)
    if largest is None or largest > ROUNDING[answers[0].case.dtype]:
        return None
    text = f"rounding: no error is above {largest:.1e} of the largest value; the bound of a vector, 8 times the worst that was measured, is less"
    return Diagnosis("rounding", f"{text}: {answers[0].message} ({answers[0].case.id})", {})


def by_digits(answers):
    """Errors that look like float32 or float16 inside: small in every case, with no spike and no whole number wrong."""
    largest = largest_error(answers)
    dtype = None if largest is None else "float32" if largest <= SINGLE else "float16" if largest <= HALF else None
    if dtype is None:
        return None
    return Diagnosis("mistake", f"{dtype} inside, or a constant with few digits: all errors are below {largest:.1e} of the largest value", {})
