"""The run: every operation that the subject offers, from the lowest level up, each after those that it presumes.

An operation is asked its cases; where all of them are right, or expected to be wrong, a large one, and then its properties are looked at. Where one
is wrong, the operation fails, and what presumes it is not run: its failure would say nothing.
"""

import re
from dataclasses import dataclass, field

import refsnn.errors
from refsnn.errors import RefsnnError
from refsnn.verify.conformance.cases import bounds_of, by_hand, generated, large, make_case, stored
from refsnn.verify.conformance.compare import compare
from refsnn.verify.conformance.diagnosis import Answer, Diagnosis, diagnose, distance
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.search import smallest_failure
from refsnn.verify.conformance.sizes import diagnose_large
from refsnn.verify.conformance.subject import MUST_FAIL, HarnessError, ask, check_adapter
from refsnn.verify.operations import OPERATIONS, cast, check_inputs, check_outputs, missing_package

SOURCES = (by_hand, stored, generated, large)
CASE = "case"                # the check of a saved problem that was answered wrongly; the others are names of properties
ERRORS = {name for name in vars(refsnn.errors) if name.endswith("Error")}


@dataclass
class CaseResult:
    """One line of the report: pass, fail, xfail (expected to fail, and does), xpass (expected to fail, and does not), or skipped."""

    id: str
    status: str
    headroom: float | None
    message: str = ""

    @property
    def is_property(self):
        """Whether it is no case, but a property."""
        return any(self.id.split("/")[1] == own.name for own in PROPERTIES)


@dataclass
class OperationResult:
    """An operation: pass, fail, not run, skipped or not offered; why; its cases; the diagnosis; what was saved for a replay."""

    op: str
    status: str
    reason: str = ""
    cases: list = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    saved: list = field(default_factory=list)          # (check, inputs, params)

    @property
    def level(self):
        """The level of the operation."""
        return OPERATIONS[self.op].level

    @property
    def headroom(self):
        """The largest error / bound of its cases; None where it has none."""
        return max((case.headroom for case in self.cases if case.headroom is not None), default=None)


@dataclass
class Run:
    """A whole run: the subject, every operation, and the ids that are skipped or in the xfail file and that no case has."""

    subject: object
    conventions: dict
    operations: list
    stale: list

    @property
    def tested(self):
        """Whether any case, or property, passes."""
        return any(case.status == "pass" for own in self.operations for case in own.cases)

    @property
    def conforms(self):
        """Whether every operation that was offered and not skipped passes, something does, and the xfail file is true."""
        return self.tested and not self.stale and all(own.status in ("pass", "skipped", "not offered") for own in self.operations)


class Broken(Exception):
    """The subject did not keep the rules of a call: kind, message, and what it returned, or None."""


def answer(subject, op, inputs, params, conventions):
    """The outputs of a call that keeps the contract; inputs in float64. Raises Broken."""
    given = cast(inputs, subject.dtype)
    outputs, trouble = ask(subject, op, given, params, conventions)
    if trouble:
        raise Broken(*trouble, outputs)
    sizes = check_inputs(op, given, params, subject.dtype)
    try:
        check_outputs(op, outputs, given, params, subject.dtype, sizes)
    except RefsnnError as error:
        raise Broken("contract", str(error), outputs) from None
    return outputs


def put(subject, case):
    """Ask a subject a case: an Answer."""
    if case.error:
        message = not_refused(subject, case)
        return Answer(case, None, "accepts" if message else None, message, None)
    try:
        outputs = answer(subject, case.op, case.inputs, case.params, case.conventions)
    except Broken as error:
        kind, message, outputs = error.args
        return Answer(case, outputs, kind, message, float("inf"))
    allowed = {name: case.bounds[name].of(array) for name, array in case.expected.items()}
    headroom, difference = compare(case.op, case.params, outputs, case.expected, allowed)
    return Answer(case, outputs, "value" if difference else None, str(difference or ""), headroom)


def not_refused(subject, case):
    """How a subject takes a wrong input: a sentence; "" where it refuses it, with an error that is not named as another class of refsnn's."""
    _, trouble = ask(subject, case.op, cast(case.inputs, subject.dtype), case.params, case.conventions)
    if not trouble or trouble[0] != "raises":
        return f"it must be refused with {case.error} or the like, {'but ' + trouble[1] if trouble else 'and is answered'}: {case.comment}"
    named = set(re.findall(r"\w+", trouble[1])) & ERRORS
    return "" if not named or case.error in named else f"it must be refused with {case.error}, but {trouble[1]}: {case.comment}"


def check(subject, sources=SOURCES, expected_failures=(), ops=tuple(OPERATIONS), shrink=True, note=lambda text: None):
    """Run the operations `ops` that the subject offers, in this process: a Run. Raises what check_adapter raises.

    sources: see cases.py. expected_failures: ids of cases and properties. shrink: whether the smallest problem is looked for that is
    answered wrongly. note(text) is told what is being done.
    """
    check_adapter(subject)
    said, results = subject.capabilities(), {}
    for op in ops:
        blocking = what_blocks(op, results)
        if op not in said["ops"]:
            results[op] = OperationResult(op, "not offered")
        elif op in said["skip"]:
            results[op] = OperationResult(op, "skipped", str(said["skip"][op]))
        elif blocking:
            results[op] = OperationResult(op, "not run", f"because {blocking} {'failed' if results[blocking].status == 'fail' else 'was not run'}")
        else:
            results[op] = check_operation(subject, op, sources, said, set(expected_failures), shrink, note)
    reached = {case.id for own in results.values() for case in own.cases}
    unreached = {own.op for own in results.values() if own.status in ("not run", "fail")}
    # of an operation that is not offered, or skipped as a whole, cases may be skipped, too
    skipped = [id for id in said["skip"] if id.split("/")[0] in {own.op for own in results.values() if own.cases}]
    stale = [id for id in (*expected_failures, *skipped) if id not in reached and id.split("/")[0] not in unreached]
    return Run(subject, said["conventions"], list(results.values()), stale)


def what_blocks(op, results):
    """The operation on which `op` must wait, one that failed or was not run; None where there is none. Those not offered pass the question on."""
    for required in OPERATIONS[op].requires:
        status = results[required].status if required in results else "not offered"
        blocking = required if status in ("fail", "not run") else what_blocks(required, results) if status == "not offered" else None
        if blocking:
            return blocking
    return None


def check_operation(subject, op, sources, said, expected_failures, shrink, note):
    """Ask all cases of an operation, the large one last, and then look at its properties: an OperationResult."""
    conventions, result = said["conventions"], OperationResult(op, "pass")
    if missing_package(op):
        return OperationResult(op, "skipped", f"the reference needs {missing_package(op)}")
    note(f"{op}: cases")
    small = [case for source in sources if source is not large for case in source(op, subject.dtype, conventions)]
    answers = ask_cases(subject, small, said, expected_failures, result)
    if result.cases and all(case.status == "skipped" for case in result.cases):
        return OperationResult(op, "skipped", "all of its cases are", result.cases)
    wrong = [own for own in answers if own.kind]
    if wrong:
        note(f"{op}: which convention or mistake explains {len(wrong)} wrong answers")
        result.diagnosis = diagnose(op, answers, conventions)
        wrong = [own for own in wrong if not own.case.error]
        if shrink and wrong:
            note(f"{op}: the smallest problem that is answered wrongly")
            result.saved = [(CASE, *smallest_wrong(subject, op, conventions, wrong))]
    elif large not in sources or check_large(subject, op, said, expected_failures, result, note):
        note(f"{op}: properties")
        check_properties(subject, op, said, expected_failures, result)
    if any(case.status in ("fail", "xpass") for case in result.cases):
        result.status = "fail"
    return result


def ask_cases(subject, cases, said, expected_failures, result):
    """Ask cases, and add a CaseResult for each: the Answers that are to be explained, those that are not expected to be wrong."""
    why = {case.id: said["skip"].get(case.id, said["skip"].get(MUST_FAIL) if case.error else None) for case in cases}
    result.cases += [CaseResult(case.id, "skipped", None, why[case.id]) for case in cases if why[case.id]]
    answers = []
    for case in (case for case in cases if not why[case.id]):
        try:
            answers.append(put(subject, case))
        except HarnessError as error:                      # the other cases would most likely end it again
            answers.append(Answer(case, None, "dies", str(error), float("inf")))
            if case.id not in expected_failures:
                break
    result.cases += [case_result(own.case.id, own.kind, own.headroom, own.message, expected_failures) for own in answers]
    return [own for own in answers if own.case.id not in expected_failures]


def check_large(subject, op, said, expected_failures, result, note):
    """Ask the large case of an operation, if it has one: whether it is right, or expected to be wrong."""
    cases = large(op, subject.dtype, said["conventions"])
    if cases:
        note(f"{op}: a large case")
    wrong = [own for own in ask_cases(subject, cases, said, expected_failures, result) if own.kind]
    for own in wrong:
        note(f"{op}: from which size on it is wrong")
        result.diagnosis, inputs = diagnose_large(own, lambda case: put(subject, case))
        result.saved = [(CASE, inputs, own.case.params)]
    return not wrong


def case_result(id, kind, headroom, message, expected_failures):
    """The CaseResult of an answer, in the light of what is expected to fail."""
    if id in expected_failures:
        status, message = ("xfail", message) if kind else ("xpass", "it is expected to fail, and passes: take it off the xfail file")
    else:
        status = "fail" if kind else "pass"
    return CaseResult(id, status, headroom, message)


def smallest_wrong(subject, op, conventions, wrong):
    """(inputs, params) of the smallest problem that is answered wrongly: one of the cases, or one that is searched for."""
    died = next((own.case for own in wrong if own.kind == "dies"), None)
    if died:
        return died.inputs, died.params

    def fails(inputs, params):
        return put(subject, make_case(op, op, inputs, params, subject.dtype, conventions)).kind is not None

    found = smallest_failure(op, subject.dtype, conventions, fails)
    # an answer that only the bounds of a vector do not allow would pass when it is asked again
    wrong_again = [own for own in wrong if own.kind != "value" or distance(own, own.case.expected) > 1]
    cases = sorted(((own.case.inputs, own.case.params) for own in wrong_again or wrong), key=size)
    return min(cases[:1] + [found] * bool(found), key=size)


def size(problem):
    """How many numbers the inputs of a problem have."""
    return sum(array.size for array in problem[0].values())


def check_properties(subject, op, said, expected_failures, result):
    """Look at the properties of an operation; add a CaseResult for each."""
    for own in PROPERTIES:
        id = f"{op}/{own.name}"
        # a subject that takes (T, B, N) for (B, T, N) has them all, with other axes
        if op not in own.ops or said["conventions"].get("axes") == "batch_first" and "axes" in OPERATIONS[op].switches:
            continue
        if id in said["skip"]:
            result.cases.append(CaseResult(id, "skipped", None, said["skip"][id]))
            continue
        found = smallest_failure(op, subject.dtype, said["conventions"],
                                 lambda inputs, params: violation(subject, own, op, inputs, params, said["conventions"]))
        message = ""
        if found:
            message = f"{own.failure}: {violation(subject, own, op, *found, said['conventions']) or 'not every time'}"
            if id not in expected_failures:
                result.saved.append((own.name, *found))
                result.diagnosis = result.diagnosis or Diagnosis("property", f"{own.name}: {message}", {})
        result.cases.append(case_result(id, "property" if found else None, None, message, expected_failures))


def violation(subject, own, op, inputs, params, conventions):
    """How a property fails on a problem: a sentence; "" where it holds."""
    try:
        pairs = own.check(lambda given, given_params: answer(subject, op, given, given_params, conventions), inputs, params, op)
    except Broken as error:
        return error.args[1]
    except HarnessError as error:
        return str(error)
    bounds = bounds_of(op, params, subject.dtype)
    for outputs, parts in pairs:
        wanted = {name: sum(part[name].astype(float) for part in parts) for name in outputs}
        allowed = {name: sum(bounds[name].of(part[name]) for part in parts) for name in outputs}
        difference = compare(op, params, outputs, wanted, allowed)[1]
        if difference:
            return f"{difference} by the property"
    return ""
