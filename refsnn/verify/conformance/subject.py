"""Who is checked: a program that speaks JSON lines over stdio; and a call that keeps the rules.

    <- is what the program reads, -> is what it writes; one line each, UTF-8, flushed; arrays as wire.py says.
    <- {"cmd": "start", "protocol": 1}
    -> {"name": "mine", "version": "1.0", "dtype": "float64", "ops": ["decay"], "conventions": {}, "skip": {}}
    <- {"cmd": "run", "seq": 1, "op": "decay", "inputs": {"tau": {"dtype": "float64", "shape": [1], "data": [2.0]}}, "params": {"dt": 1.0},
        "conventions": {}}                                                              (on one line)
    -> {"seq": 1, "outputs": {"alpha": {"dtype": "float64", "shape": [1], "data": [0.6065306597126334]}}}
    or {"seq": 1, "error": "what went wrong"}                                           (so it refuses wrong inputs, too)
    <- {"cmd": "stop"}                                             (the program ends; an exit code other than 0 is mentioned)

An error may have a "kind" beside it: raises (meant where there is none), mutates or contract. What it writes to standard error is shown where it
dies. serve.py makes such a program of an adapter in Python. Nothing that a program does, or does not, ends this one: it is an error of that call.
"""

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading

import numpy as np

from refsnn.errors import DataError, DtypeError, RangeError, RefsnnError, check_choice, describe
from refsnn.verify.conformance.wire import DTYPES, decode_arrays, decode_line, encode_arrays, one_line, printable, printable_object
from refsnn.verify.conventions import Conventions
from refsnn.verify.operations import OPERATIONS, check_names

PROTOCOL = 1
LONGEST_LINE = 1 << 26       # bytes: no answer is longer, so a program that never ends its line is found out
DEATHS = 3                   # a program that dies or hangs is started again, but not for ever
KINDS = ("raises", "mutates", "contract")                # what an error of an answer can be
MUST_FAIL = "must-fail"      # what capabilities skip where wrong inputs are not refused
SERVE = "import sys; sys.path[:] = {path!r}; from refsnn.verify.conformance.serve import main; main()"


class HarnessError(Exception):
    """A program over stdio died, was silent for too long, or wrote what is no answer: it has been ended."""


class AnswerError(Exception):
    """A program over stdio answered with an error, or with what are no arrays; it goes on. Its arguments: kind and message."""


def check_adapter(adapter):
    """Raise unless an object has what an adapter must have, refsnn.verify.operations. Raises DtypeError, RangeError."""
    for name in ("name", "version", "dtype", "capabilities", "call"):
        if not hasattr(adapter, name):
            raise DtypeError(f"the adapter has no {name}; it needs name, version, dtype, capabilities() and call()")
    for name in ("name", "version"):
        if not isinstance(getattr(adapter, name), str):
            raise DtypeError(f"the adapter's {name} is {describe(getattr(adapter, name))}; it must be text")
    check_choice("the adapter's dtype", adapter.dtype, ("float64", "float32"))
    said = adapter.capabilities()
    check_names("the capabilities", said, ("ops", "conventions", "skip"), ("ops", "conventions", "skip"))
    for name, kind in (("ops", (list, tuple)), ("skip", dict)):
        if not isinstance(said[name], kind):
            raise DtypeError(f"{name} of the capabilities is {describe(said[name])}; it must be a {'dict' if kind is dict else 'list of names'}")
    for op in said["ops"]:
        check_choice("an operation of the capabilities", op, tuple(OPERATIONS))
    for name, reason in said["skip"].items():
        check_choice("what the capabilities skip", str(name).split("/")[0], (*OPERATIONS, MUST_FAIL))
        if not isinstance(reason, str) or not reason.strip():
            raise RangeError(f"the capabilities skip {name}, and the reason is {reason!r}; it must be a text that says why")
    check_names("the conventions of the capabilities", said["conventions"], (), Conventions.__dataclass_fields__)
    Conventions(**said["conventions"])


def serving(place):
    """The words that serve a Python adapter, "package.module:name": it is looked for in the current folder, then where this process looks."""
    module, _, name = place.partition(":")
    if not (module and name):
        raise DataError(f"the adapter is {place!r}; it must be MODULE:NAME, as in mypkg.adapter:adapter")
    return [sys.executable, "-c", SERVE.format(path=["", *sys.path]), place]


def words_of(command):
    """The words of a command line. Raises DataError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise DataError(f"the adapter command {command!r} cannot be used: {error}") from None
    if not words:
        raise DataError(f"the adapter command {command!r} cannot be used: it is empty")
    return words


class Harness:
    """The adapter of a program over stdio: its words, what it is called in messages, and the seconds that it has for every answer, the one to
    start included. call raises HarnessError and AnswerError.

    Use it in a with statement: at its end the program is told to stop, and ended if it does not. Raises DataError where it cannot be used.
    """

    def __init__(self, words, title, timeout):
        self.words, self.timeout, self.deaths, self.seq, self.process = words, timeout, 0, 0, None
        self.farewell = ""                             # what there was to say of its end
        try:
            said = self.start()
            check_names("the answer to start", said, ("name", "version", "dtype", "ops", "conventions", "skip"), said, "lacks")
            self.name, self.version, self.dtype = (said[name] for name in ("name", "version", "dtype"))
            self.said = {name: said[name] for name in ("ops", "conventions", "skip")}
            check_adapter(self)
        except BaseException as error:                 # Ctrl-C too: no process is left behind
            self.end()
            if isinstance(error, (HarnessError, RefsnnError, OSError, ValueError)):
                raise DataError(f"{title} cannot be used: {error}") from error
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process and self.process.poll() is None:
            self.outbox.put({"cmd": "stop"})
            try:
                code = self.process.wait(2)
                self.farewell = f"told to stop, it ended with exit code {code}{self.last_words()}" if code else ""
            except subprocess.TimeoutExpired:
                self.farewell = "told to stop, it did not end within 2 s"
        self.end()

    def capabilities(self):
        """What the program said of itself."""
        return self.said

    def call(self, op, inputs, params, conventions):
        """One call; a program that has died since is started again, DEATHS times in all."""
        if self.process is None or self.process.poll() is not None:
            if self.deaths >= DEATHS:
                raise HarnessError(f"it has died {DEATHS} times, and is not started again")
            self.end()
            self.start()
        self.seq += 1
        answer = self.exchange({"cmd": "run", "seq": self.seq, "op": op, "inputs": encode_arrays(inputs), "params": params,
                                "conventions": conventions})
        if answer.get("seq") != self.seq or len({"outputs", "error"} & set(answer)) != 1:
            self.fail(f"the answer to call {self.seq} must have its seq, and outputs or error, but is {json.dumps(answer)[:80]}")
        if "error" in answer:
            # an adapter in Python says with its kind what it did; another program answers a text
            kind, text = answer.get("kind"), one_line(answer["error"])[:300]
            raise AnswerError(*(kind, text) if kind in KINDS else ("raises", f"it answers with an error: {text}"))
        try:
            return decode_arrays("the outputs", answer["outputs"])
        except DataError as error:
            raise AnswerError("contract", str(error)) from None

    def start(self):
        """Start the program and return what it says of itself."""
        # a session of its own, so that what it starts can be ended with it
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        # threads, because a program that does not read, or does not write, would block us for ever
        self.outbox, self.inbox, self.log = queue.Queue(), queue.Queue(), bytearray()
        threading.Thread(target=write_lines, args=(self.process.stdin, self.outbox), daemon=True).start()
        threading.Thread(target=read_lines, args=(self.process.stdout, self.inbox), daemon=True).start()
        self.logger = threading.Thread(target=keep_end, args=(self.process.stderr, self.log), daemon=True)
        self.logger.start()
        said = self.exchange({"cmd": "start", "protocol": PROTOCOL})
        if "error" in said:
            self.fail(one_line(said["error"]))
        return printable_object(said)

    def exchange(self, message):
        """Send an object and return the one that comes back in time."""
        self.outbox.put(message)
        try:
            line = self.inbox.get(timeout=self.timeout)
        except queue.Empty:
            self.fail(f"no answer within {self.timeout:g} s")
        if not line:
            try:
                self.fail(f"it ended, with exit code {self.process.wait(1)}")
            except subprocess.TimeoutExpired:
                self.fail("it closed its standard output")
        try:
            return decode_line(line.decode("utf-8-sig", "replace"))       # some begin with a byte order mark
        except DataError as error:
            self.fail(f"{error}; standard output is for answers, standard error for everything else")

    def fail(self, reason):
        """End the program, and raise HarnessError with the reason and the end of what it said on standard error."""
        self.deaths += 1
        reason += self.last_words()
        self.end()
        raise HarnessError(reason)

    def last_words(self):
        """The end of what the program said on standard error, as the end of a sentence."""
        self.logger.join(0.5)                          # its last words may be on their way; a program that goes on has none
        tail = one_line(bytes(self.log).decode("utf-8", "replace"))
        return f"; on standard error: {tail}" if tail else ""

    def end(self):
        """End the program and everything that it started; once, for the number of a process may later be another's."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL) if os.name == "posix" else self.process.kill()
        except ProcessLookupError:
            pass                                       # it is gone already
        self.process.wait()
        self.process = None
        self.outbox.put(None)


def read_lines(stream, inbox):
    """Put every line of a stream into a queue, and b"" at its end, or where a line has no end."""
    with stream:
        while line := stream.readline(LONGEST_LINE):
            inbox.put(line)
            if not line.endswith(b"\n"):
                break
    inbox.put(b"")


def keep_end(stream, end):
    """Read a stream as long as there is something, and keep its last 200 bytes in a bytearray."""
    with stream:
        while piece := stream.read1():
            end[:] = (end + piece)[-200:]


def write_lines(stream, outbox):
    """Write the objects of a queue to a program, until None; one that has ended is noticed by its missing answer."""
    try:
        with stream:
            while (message := outbox.get()) is not None:
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()
    except OSError:
        pass


def ask(subject, op, inputs, params, conventions):
    """Call a subject twice with the same arguments: (outputs, None), or (outputs or None, (kind, message)) where it did not keep the rules.

    Kinds: those of ask_once; unsteady. The outputs are copies: a subject may use its arrays again. Raises HarnessError.
    """
    first, trouble = ask_once(subject, op, inputs, params, conventions)
    if trouble:
        return None, trouble
    second, trouble = ask_once(subject, op, inputs, params, conventions)
    if trouble:
        return first, trouble
    if any(name not in second or not same(array, second[name]) for name, array in first.items()):
        return first, ("unsteady", "called again with the same arguments it gives another result: state is kept between calls, or drawn at random")
    return first, None


def ask_once(subject, op, inputs, params, conventions):
    """Call a subject with read-only inputs: (outputs, None), or (None, (kind, message)) where it did not keep the rules.

    Kinds: raises, mutates, contract (what it returns is no dict of arrays). Raises HarnessError.
    """
    given, own_params = {name: array.copy() for name, array in inputs.items()}, json.loads(json.dumps(params))
    for array in given.values():
        array.flags.writeable = False
    try:
        outputs = subject.call(op, dict(given), own_params, dict(conventions))
    except HarnessError:
        raise
    except AnswerError as error:
        return None, error.args
    except (Exception, SystemExit) as error:              # foreign code: whatever it raises is the finding
        kind = "mutates" if isinstance(error, ValueError) and "read-only" in str(error) else "raises"
        return None, (kind, f"it raises {type(error).__name__}: {one_line(error)[:300]}")
    changed = [name for name, array in inputs.items() if given[name].tobytes() != array.tobytes()]
    if changed or own_params != params:
        return None, ("mutates", f"it changes its {'input ' + changed[0] if changed else 'params'}")
    if not isinstance(outputs, dict):
        return None, ("contract", f"{op}: the outputs are {describe(outputs)}; they must be a dict of arrays")
    copies = {printable(str(name)): copied(value, subject.dtype) for name, value in outputs.items()}
    for name, array in copies.items():
        if not isinstance(array, np.ndarray):
            return None, ("contract", f"{op}: {name} is {describe(array)}; it must be an array")
        if array.dtype.name not in DTYPES:                # objects, for one, cannot be compared
            return None, ("contract", f"{op}: {name} has dtype {array.dtype}; it must be one of {', '.join(DTYPES)}")
    return copies, None


def copied(value, dtype):
    """An output as an array of its own. A number counts as an array without axes: `a.mean()` gives one of numpy's, `float(..)` Python's."""
    if type(value) is float:
        return np.array(value, dtype)
    return np.array(value) if isinstance(value, (np.ndarray, np.generic)) else value


def same(one, other):
    """Whether two outputs have the same bits."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
