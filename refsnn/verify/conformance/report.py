"""What a run comes to: a short text for the terminal, JSON for machines, Markdown for a page; and failed problems as files."""

import json
import math
from pathlib import Path

import refsnn
from refsnn.errors import DataError, RangeError, check_choice
from refsnn.files import refuse_special, write_atomically
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.runner import CASE
from refsnn.verify.conformance.wire import decode_arrays, decode_line, encode_arrays, printable
from refsnn.verify.operations import OPERATIONS, check_inputs, check_names, conventions_for

FORMAT = 1
CHECKS = (CASE, *(own.name for own in PROPERTIES))


def counts(own):
    """The cases and properties of an operation in words."""
    texts = []
    for are_properties, one, many in ((False, "case", "cases"), (True, "property", "properties")):
        those = [case for case in own.cases if case.is_property == are_properties]
        wrong, noun = sum(case.status in ("fail", "xpass") for case in those), one if len(those) == 1 else many
        texts += [f"{wrong} of {len(those)} {noun}" if wrong else f"{len(those)} {noun}"] * bool(those)
    for status, text in (("xfail", "of them fail as expected"), ("skipped", "of them skipped")):
        count = sum(case.status == status for case in own.cases)
        texts += [f"{count} {text}"] * bool(count)
    return ", ".join(texts)


def headroom_text(headroom):
    """A headroom to two digits; a dash where there is none."""
    return "-" if headroom is None or math.isinf(headroom) else f"{headroom:.2g}"


def rows(run):
    """(level, op, status, cases, headroom) of every operation that was offered, as texts."""
    return [(f"L{own.level}", own.op, "FAIL" if own.status == "fail" else own.status,
             own.reason or counts(own), headroom_text(own.headroom) if own.cases else "") for own in run.operations if own.status != "not offered"]


def what_to_know(own):
    """The lines below an operation that fails: the diagnosis, and the first case that failed, or was expected to fail and passes."""
    wrong = [case for case in own.cases if case.status in ("fail", "xpass")]
    lines = [f"diagnosis  {own.diagnosis.text}"] if own.diagnosis else []
    return lines + [f"{case.id}  {case.message}{f'; and {len(wrong) - 1} more' if len(wrong) > 1 else ''}" for case in wrong[:1]]


def verdict(run):
    """The last line."""
    offered = [own for own in run.operations if own.status != "not offered"]
    by_status = {status: sum(own.status == status for own in offered) for status in ("pass", "fail", "not run", "skipped")}
    said = ", ".join(f"{count} {status}" for status, count in by_status.items() if count)
    if not run.tested:
        said += ", and nothing was found right"
    return f"{'conforms' if run.conforms else 'does not conform'}: {said}, of {len(offered)} operations offered ({len(OPERATIONS)} in all)"


def heading(run):
    """Who was checked, under which conventions."""
    subject, others = run.subject, ", ".join(f"{name} = {value}" for name, value in run.conventions.items())
    return f"{printable(subject.name)} {printable(subject.version)}, {subject.dtype}, conventions: {others or 'those of the paper'}"


def terminal(run, files):
    """The report for the terminal; files: {op: [paths of saved problems]}."""
    lines, table = [heading(run)], rows(run)
    widths = [max(len(row[column]) for row in table) for column in range(4)] if table else []
    offered = [own for own in run.operations if own.status != "not offered"]
    for row, own in zip(table, offered):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
        lines.append(f"  {cells}  {row[4] and 'headroom ' + row[4]}".rstrip())
        if own.status == "fail":
            lines += [f"      {text}" for text in what_to_know(own)]
            lines += [f"      again: --replay {path}" for path in files.get(own.op, ())]
    lines += [f"  {id}  is skipped, or in the xfail file, and there is no such case: take it off" for id in run.stale]
    return "\n".join([*lines, verdict(run)])


def as_json(run):
    """The report as JSON; headroom is error / bound, null where it is infinite or where there is none."""
    def number(headroom):
        return None if headroom is None or math.isinf(headroom) else headroom

    subject = run.subject
    return json.dumps({
        "format": FORMAT, "reference": refsnn.__version__,
        "subject": {"name": str(subject.name), "version": str(subject.version), "dtype": subject.dtype},
        "conventions": run.conventions, "conforms": run.conforms, "stale": run.stale,
        "operations": [{
            "op": own.op, "level": own.level, "status": own.status, "reason": own.reason, "headroom": number(own.headroom),
            "diagnosis": own.diagnosis and {"kind": own.diagnosis.kind, "text": own.diagnosis.text, "conventions": own.diagnosis.conventions},
            "cases": [{"id": case.id, "status": case.status, "headroom": number(case.headroom), "message": case.message} for case in own.cases],
        } for own in run.operations]}, indent=1) + "\n"


def as_markdown(run):
    """The report as Markdown: the table of operations, and what there is to know of those that fail."""
    lines = [f"# Conformance of {printable(run.subject.name)}", "", heading(run) + f"; refsnn {refsnn.__version__}", "",
             "| level | operation | status | cases | largest error / bound |", "|---|---|---|---|---|"]
    lines += [f"| {level} | `{op}` | {status} | {cases} | {headroom} |" for level, op, status, cases, headroom in rows(run)]
    for own in run.operations:
        if own.status == "fail":
            lines += ["", f"**{own.op}**", "", *(f"- {text}".replace("|", "\\|") for text in what_to_know(own))]
    lines += ["", *(f"- {id} is skipped, or in the xfail file, and there is no such case" for id in run.stale), verdict(run) + "."]
    return "\n".join(lines) + "\n"


def save_failures(run, folder):
    """Write every problem that failed to a file in `folder`: {op: [paths]}. Nothing is written, and no folder made, where nothing failed."""
    written = {}
    for own in run.operations:
        for check, inputs, params in own.saved:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{own.op}-{check}.json"
            write_atomically(path, json.dumps({"format": FORMAT, "check": check, "op": own.op, "inputs": encode_arrays(inputs), "params": params,
                                               "conventions": run.conventions}, indent=1) + "\n")
            written.setdefault(own.op, []).append(path)
    return written


def load_failure(path):
    """(check, op, inputs, params, conventions) of a file that save_failures wrote. Raises DataError, OSError, and what is wrong with the problem."""
    refuse_special(path)
    given = decode_line(Path(path).read_text(encoding="utf-8", errors="replace"))
    names = ("format", "check", "op", "inputs", "params", "conventions")
    check_names(f"{path}", given, names, names, "lacks")
    if given["format"] != FORMAT:
        raise DataError(f"{path} has format {given['format']}; it must be {FORMAT}")
    check_choice("check", given["check"], CHECKS)
    inputs = decode_arrays("the inputs", given["inputs"])
    check_inputs(given["op"], inputs, given["params"], "float64")
    conventions_for(given["op"], given["conventions"])
    return given["check"], given["op"], inputs, given["params"], given["conventions"]


def read_expected_failures(path):
    """The ids of an xfail file: one a line, `id  # reason`. Raises RangeError for an id that comes twice, or has no reason; OSError."""
    refuse_special(path)
    ids = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        id, _, reason = (part.strip() for part in line.partition("#"))
        if id and not reason:
            raise RangeError(f"{path}: {id} has no reason; a line is: id  # reason")
        ids += [id] * bool(id)
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice:
        raise RangeError(f"{path}: {twice} is there twice")
    return ids
