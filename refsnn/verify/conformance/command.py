"""The verb `refsnn conformance`: check somebody's implementation, report, and return 0 (conforms), 1 (does not) or 2 (could not be run)."""

import os
import sys
import tempfile
from pathlib import Path

from refsnn.errors import DataError, RangeError, check_number
from refsnn.files import write_atomically
from refsnn.verify.conformance.cases import make_case
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.report import as_json, as_markdown, heading, load_failure, read_expected_failures, save_failures, terminal
from refsnn.verify.conformance.runner import CASE, Run, check, put, violation
from refsnn.verify.conformance.subject import Harness, HarnessError, serving, words_of
from refsnn.verify.conformance.wire import printable


def add_arguments(verb):
    """Add the options of the verb to its parser."""
    verb.set_defaults(command=conformance, go_on="the same command starts again")
    who = verb.add_mutually_exclusive_group(required=True)
    who.add_argument("--adapter", metavar="MODULE:NAME", help="an adapter in Python, also of the current folder; it runs in a process of its own")
    who.add_argument("--adapter-cmd", metavar="COMMAND", help="a program that speaks JSON lines over stdio")
    verb.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS",
                      help="how long the subject may take for any answer, also for the first, for which it is started and loads its libraries")
    verb.add_argument("--xfail", type=Path, metavar="FILE", help="ids of cases that are expected to fail, one a line, with a reason: id  # reason")
    verb.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    verb.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    verb.add_argument("--failures", type=Path, default=Path("conformance-failures"), metavar="DIR", help="folder for problems that failed")
    verb.add_argument("--replay", type=Path, metavar="FILE", help="run one problem of that folder again, and nothing else")


def conformance(chosen):
    """Run the verb; the exit code."""
    check_number("--timeout", chosen.timeout, low=0, high=86400, strict=True)
    if not chosen.replay:
        require_places(chosen)
    expected = read_expected_failures(chosen.xfail) if chosen.xfail else ()
    with tempfile.TemporaryDirectory() as scratch, subject_of(chosen) as subject:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)         # it would leave a folder in the current one
        if chosen.replay:
            return replay(subject, chosen.replay)
        if not subject.capabilities()["ops"]:
            raise RangeError(f"{subject.name} offers no operation")
        try:
            run = check(subject, expected_failures=expected, note=tell)
        finally:
            tell("")
    show(terminal(run, save_failures(run, chosen.failures)))
    if subject.farewell:
        show(f"{subject.name}: {subject.farewell}")
    if chosen.json:
        write_atomically(chosen.json, as_json(run))
    if chosen.markdown:
        write_atomically(chosen.markdown, as_markdown(run))
    return 0 if run.conforms else 1


def subject_of(chosen):
    """The adapter of the arguments, as a context."""
    if chosen.adapter is not None:
        return Harness(serving(chosen.adapter), f"the adapter {chosen.adapter}", chosen.timeout)
    return Harness(words_of(chosen.adapter_cmd), f"the adapter command {chosen.adapter_cmd!r}", chosen.timeout)


def require_places(chosen):
    """Raise DataError unless what a run writes can be written: after it, it would be too late."""
    for option, path in (("--json", chosen.json), ("--markdown", chosen.markdown)):
        if path:
            require_place(option, path, path.parent, path.is_dir())
    existing = next(path for path in (chosen.failures, *chosen.failures.absolute().parents) if path.exists())
    require_place("--failures", chosen.failures, existing, False)


def require_place(option, path, folder, is_taken):
    """Raise DataError unless `path`, if it is not taken by a folder, can be written in an existing `folder`: a file is made there, and taken away."""
    if is_taken:
        raise DataError(f"{option} {path}: it is a folder")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"{option} {path}: {folder} is no folder in which files can be written ({error.strerror})") from error


def show(text):
    """Print lines on a terminal that may not have all their letters: those are escaped, as is what is no letter."""
    lines, encoding = "\n".join(map(printable, text.split("\n"))), sys.stdout.encoding
    print(lines.encode(encoding, "backslashreplace").decode(encoding))


def tell(text):
    """Say on a terminal what is being done, in place of what was said before."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def replay(subject, path):
    """Run one saved problem, print what comes of it, and return the exit code."""
    name, op, inputs, params, _ = load_failure(path)
    conventions = subject.capabilities()["conventions"]
    show(heading(Run(subject, conventions, [], [])))
    if name == CASE:
        try:
            message = put(subject, make_case(path.stem, op, inputs, params, subject.dtype, conventions)).message
        except HarnessError as error:
            message = str(error)
    else:
        message = violation(subject, next(own for own in PROPERTIES if own.name == name), op, inputs, params, conventions)
    show(f"  {op}, {name}: {message or 'passes'}")
    return 1 if message else 0
