"""The run: every operation that the subject offers, from the lowest level up, each after those that it presumes.

An operation is asked its cases; where all of them are right, or expected to be wrong, its properties are looked at. Where one is wrong,
the operation fails, and what presumes it is not run: its failure would say nothing.
"""

from dataclasses import dataclass, field

from refsnn.errors import RefsnnError, check_choice
from refsnn.verify.conformance.cases import bounds_of, by_hand, generated, make_case
from refsnn.verify.conformance.compare import compare
from refsnn.verify.conformance.diagnosis import Answer, Diagnosis, diagnose
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.search import smallest_failure
from refsnn.verify.conformance.subject import HarnessError, ask
from refsnn.verify.operations import OPERATIONS, check_inputs, check_outputs

SOURCES = (by_hand, generated)
SHRUNK = "agrees"            # the check of a saved case whose values were wrong; the others are names of properties


@dataclass
class CaseResult:
    """One line of the report: pass, fail, xfail (expected to fail, and does), xpass (expected to fail, and does not), or skipped."""

    id: str
    status: str
    headroom: float | None
    message: str = ""


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
    """A whole run: the subject, every operation, and the ids of the xfail file that no case has."""

    subject: object
    conventions: dict
    operations: list
    stale: list

    @property
    def conforms(self):
        """Whether every operation that was offered and not skipped passes, and the xfail file is true."""
        return not self.stale and all(own.status in ("pass", "skipped", "not offered") for own in self.operations)


class Broken(Exception):
    """The subject did not keep the rules of a call: kind and message."""


def answer(subject, op, inputs, params, conventions):
    """The outputs of a call that keeps the contract; inputs in float64. Raises Broken."""
    given = {name: array.astype(subject.dtype) if array.dtype == float else array for name, array in inputs.items()}
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
    try:
        outputs = answer(subject, case.op, case.inputs, case.params, case.conventions)
    except Broken as error:
        kind, message, outputs = error.args
        return Answer(case, outputs, kind, message, float("inf"))
    allowed = {name: case.bounds[name].of(array) for name, array in case.expected.items()}
    headroom, difference = compare(case.op, case.params, outputs, case.expected, allowed)
    return Answer(case, outputs, "value" if difference else None, str(difference or ""), headroom)


def check(subject, sources=SOURCES, expected_failures=(), ops=tuple(OPERATIONS), shrink=True):
    """Run the operations `ops` that the subject offers: a Run.

    sources: see cases.py. expected_failures: ids of cases and properties. shrink: whether the smallest problem is looked for that is
    answered wrongly.
    """
    said = subject.capabilities()
    for name in said["skip"]:
        check_choice("an operation of the capabilities' skip", name.split("/")[0], tuple(OPERATIONS))
    results = {}
    for op in ops:
        blocking = what_blocks(op, results)
        if op not in said["ops"]:
            results[op] = OperationResult(op, "not offered")
        elif op in said["skip"]:
            results[op] = OperationResult(op, "skipped", str(said["skip"][op]))
        elif blocking:
            results[op] = OperationResult(op, "not run", f"because {blocking} {'failed' if results[blocking].status == 'fail' else 'was not run'}")
        else:
            results[op] = check_operation(subject, op, sources, said, set(expected_failures), shrink)
    reached = {case.id for own in results.values() for case in own.cases}
    unreached = {own.op for own in results.values() if own.status in ("not run", "fail")}
    stale = [id for id in expected_failures if id not in reached and id.split("/")[0] not in unreached]
    return Run(subject, said["conventions"], list(results.values()), stale)


def what_blocks(op, results):
    """The operation on which `op` must wait, one that failed or was not run; None where there is none. Those not offered pass the question on."""
    for required in OPERATIONS[op].requires:
        status = results[required].status if required in results else "not offered"
        blocking = required if status in ("fail", "not run") else what_blocks(required, results) if status == "not offered" else None
        if blocking:
            return blocking
    return None


def check_operation(subject, op, sources, said, expected_failures, shrink):
    """Ask all cases of an operation, and then look at its properties: an OperationResult."""
    conventions, result, answers = said["conventions"], OperationResult(op, "pass"), []
    try:
        cases = [case for source in sources for case in source(op, subject.dtype, conventions)]
    except ModuleNotFoundError as error:                   # the continuous-time reference needs scipy
        return OperationResult(op, "skipped", f"the reference needs {error.name}")
    skipped = [CaseResult(case.id, "skipped", None, str(said["skip"][case.id])) for case in cases if case.id in said["skip"]]
    for case in (case for case in cases if case.id not in said["skip"]):
        try:
            answers.append(put(subject, case))
        except HarnessError as error:                      # the other cases would most likely end it again
            answers.append(Answer(case, None, "dies", str(error), float("inf")))
            if case.id not in expected_failures:
                break
    result.cases = skipped + [case_result(own.case.id, own.kind, own.headroom, own.message, expected_failures) for own in answers]
    to_explain = [own for own in answers if own.case.id not in expected_failures]
    wrong = [own for own in to_explain if own.kind]
    if wrong:
        result.diagnosis = diagnose(op, to_explain, conventions)
        if shrink:
            result.saved = [(SHRUNK, *smallest_wrong(subject, op, conventions, wrong))]
    else:
        check_properties(subject, op, said, expected_failures, result)
    if any(case.status in ("fail", "xpass") for case in result.cases):
        result.status = "fail"
    return result


def case_result(id, kind, headroom, message, expected_failures):
    """The CaseResult of an answer, in the light of what is expected to fail."""
    if id in expected_failures:
        status, message = ("xfail", message) if kind else ("xpass", "it is expected to fail, and passes: take it off the xfail file")
    else:
        status = "fail" if kind else "pass"
    return CaseResult(id, status, headroom, message)


def smallest_wrong(subject, op, conventions, wrong):
    """(inputs, params) of the smallest problem that is answered wrongly: one of the cases, or one that is searched for."""
    cases = [(own.case.inputs, own.case.params) for own in wrong]
    if not any(own.kind == "dies" for own in wrong):
        found = smallest_failure(op, subject.dtype, conventions, lambda inputs, params: put(
            subject, make_case(op, op, inputs, params, subject.dtype, conventions)).kind is not None)
        cases += [found] if found else []
    return min(cases, key=lambda pair: sum(array.size for array in pair[0].values()))


def check_properties(subject, op, said, expected_failures, result):
    """Look at the properties of an operation; add a CaseResult for each."""
    for own in PROPERTIES:
        id = f"{op}/{own.name}"
        # a subject that takes (T, B, N) for (B, T, N) has them all, with other axes
        if op not in own.ops or id in said["skip"] or said["conventions"].get("axes") == "batch_first" and "axes" in OPERATIONS[op].switches:
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
