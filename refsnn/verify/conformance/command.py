"""The verb `refsnn conformance`: check somebody's implementation, report, and return 0 (conforms), 1 (does not) or 2 (could not be run)."""

import contextlib
import os
import tempfile
from pathlib import Path

from refsnn.errors import RangeError, check_number
from refsnn.files import write_atomically
from refsnn.verify.conformance.cases import make_case
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.report import as_json, as_markdown, heading, load_failure, read_expected_failures, save_failures, terminal
from refsnn.verify.conformance.runner import SHRUNK, Run, check, put, violation
from refsnn.verify.conformance.subject import Harness, HarnessError, load_adapter


def add_arguments(verb):
    """Add the options of the verb to its parser."""
    verb.set_defaults(command=conformance, go_on="the same command starts again")
    who = verb.add_mutually_exclusive_group(required=True)
    who.add_argument("--adapter", metavar="MODULE:NAME", help="an adapter to import, also from the current folder")
    who.add_argument("--adapter-cmd", metavar="COMMAND", help="a program that speaks JSON lines over stdio")
    verb.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS", help="how long a program may take for an answer")
    verb.add_argument("--xfail", type=Path, metavar="FILE", help="ids of cases that are expected to fail, one a line")
    verb.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    verb.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    verb.add_argument("--failures", type=Path, default=Path("conformance-failures"), metavar="DIR", help="folder for problems that failed")
    verb.add_argument("--replay", type=Path, metavar="FILE", help="run one problem of that folder again, and nothing else")


def conformance(chosen):
    """Run the verb; the exit code."""
    check_number("--timeout", chosen.timeout, low=0, high=86400, strict=True)
    with tempfile.TemporaryDirectory() as scratch, subject_of(chosen) as subject:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)         # it would leave a folder in the current one
        if chosen.replay:
            return replay(subject, chosen.replay)
        if not subject.capabilities()["ops"]:
            raise RangeError(f"{subject.name} offers no operation")
        run = check(subject, expected_failures=read_expected_failures(chosen.xfail) if chosen.xfail else ())
    if chosen.json:
        write_atomically(chosen.json, as_json(run))
    if chosen.markdown:
        write_atomically(chosen.markdown, as_markdown(run))
    print(terminal(run, save_failures(run, chosen.failures)))
    return 0 if run.conforms else 1


def subject_of(chosen):
    """The adapter of the arguments, as a context."""
    if chosen.adapter:
        return contextlib.nullcontext(load_adapter(chosen.adapter))
    return Harness(chosen.adapter_cmd, chosen.timeout)


def replay(subject, path):
    """Run one saved problem, print what comes of it, and return the exit code."""
    name, op, inputs, params, _ = load_failure(path)
    conventions = subject.capabilities()["conventions"]
    print(heading(Run(subject, conventions, [], [])))
    if name == SHRUNK:
        try:
            message = put(subject, make_case(path.stem, op, inputs, params, subject.dtype, conventions)).message
        except HarnessError as error:
            message = str(error)
    else:
        message = violation(subject, next(own for own in PROPERTIES if own.name == name), op, inputs, params, conventions)
    print(f"  {op}, {name}: {message or 'passes'}")
    return 1 if message else 0
