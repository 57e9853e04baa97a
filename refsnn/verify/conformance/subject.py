"""Who is checked: an adapter that is imported, or a program that speaks JSON lines over stdio.

    <- is what the program reads, -> is what it writes; one line each, UTF-8, flushed; arrays as wire.py says.
    <- {"cmd": "start", "protocol": 1}
    -> {"name": "mine", "version": "1.0", "dtype": "float64", "ops": ["decay"], "conventions": {}, "skip": {}}
    <- {"cmd": "run", "seq": 1, "op": "decay", "inputs": {"tau": {"dtype": "float64", "shape": [1], "data": [2.0]}}, "params": {"dt": 1.0},
        "conventions": {}}                                                              (on one line)
    -> {"seq": 1, "outputs": {"alpha": {"dtype": "float64", "shape": [1], "data": [0.6065306597126334]}}}
    or {"seq": 1, "error": "what went wrong"}
    <- {"cmd": "stop"}                                                                  (the program ends)

What it writes to standard error is shown where it dies. Nothing that a program does, or does not, ends this one: it is an error of that call.
"""

import importlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading

import numpy as np

from refsnn.errors import DataError, RefsnnError, check_type
from refsnn.verify.conformance.wire import decode_arrays, decode_line, encode_arrays
from refsnn.verify.operations import check_adapter, check_names

PROTOCOL = 1
LONGEST_LINE = 1 << 26       # bytes: no answer is longer, so a program that never ends its line is found out
DEATHS = 3                   # a program that dies or hangs is started again, but not for ever
FIRST = 10                   # seconds at least for the first answer: an interpreter and its libraries must be loaded


class HarnessError(Exception):
    """A program over stdio died, was silent for too long, or wrote what is no answer: it has been ended."""


class AnswerError(Exception):
    """A program over stdio answered with an error, or with what are no arrays; it goes on."""


def load_adapter(place):
    """The adapter at "package.module:name", found from the current folder, too. Raises DataError, and what check_adapter raises."""
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise DataError(f"the adapter is {place!r}; it must be MODULE:NAME, as in mypkg.adapter:adapter")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    # foreign code: whatever it raises while it is imported or asked about itself is to be one line
    try:
        adapter = getattr(importlib.import_module(module), name)
        if isinstance(adapter, type):
            raise DataError(f"it is a class; it must be an object, {name}()")
        check_adapter(adapter)
    except (Exception, SystemExit) as error:
        raise DataError(f"the adapter {place} cannot be used: {type(error).__name__}: {error}") from error
    return adapter


class Harness:
    """The adapter of a program over stdio. call raises HarnessError and AnswerError.

    Use it in a with statement: at its end the program is told to stop, and ended if it does not. Raises DataError where it cannot be used.
    """

    def __init__(self, command, timeout):
        self.timeout, self.deaths, self.seq, self.process = timeout, 0, 0, None
        try:
            self.words = shlex.split(command)
            if not self.words:
                raise DataError("it is empty")
            said = self.start()
            check_names("the answer to start", said, ("name", "version", "dtype", "ops", "conventions", "skip"), said)
            self.name, self.version, self.dtype = (str(said[name]) for name in ("name", "version", "dtype"))
            for name, kind in (("ops", list), ("conventions", dict), ("skip", dict)):
                check_type(name, said[name], kind)
            self.said = {name: said[name] for name in ("ops", "conventions", "skip")}
            check_adapter(self)
        except BaseException as error:                 # Ctrl-C too: no process is left behind
            self.end()
            if isinstance(error, (HarnessError, RefsnnError, OSError, ValueError)):
                raise DataError(f"the adapter command {command!r} cannot be used: {error}") from error
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process and self.process.poll() is None:
            self.outbox.put({"cmd": "stop"})
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                pass                                   # end() ends it
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
                                "conventions": conventions}, self.timeout)
        if answer.get("seq") != self.seq or len({"outputs", "error"} & set(answer)) != 1:
            self.fail(f"the answer to call {self.seq} must have its seq, and outputs or error, but is {json.dumps(answer)[:80]}")
        if "error" in answer:
            raise AnswerError(answer["error"])
        try:
            return decode_arrays("the outputs", answer["outputs"])
        except DataError as error:
            raise AnswerError(error) from None

    def start(self):
        """Start the program and return what it says of itself."""
        log = tempfile.TemporaryFile()
        try:
            # a session of its own, so that what it starts can be ended with it
            self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        except OSError:
            log.close()
            raise
        self.log = log
        # threads, because a program that does not read, or does not write, would block us for ever
        self.outbox, self.inbox = queue.Queue(), queue.Queue()
        threading.Thread(target=write_lines, args=(self.process.stdin, self.outbox), daemon=True).start()
        threading.Thread(target=read_lines, args=(self.process.stdout, self.inbox), daemon=True).start()
        return self.exchange({"cmd": "start", "protocol": PROTOCOL}, max(self.timeout, FIRST))

    def exchange(self, message, seconds):
        """Send an object and return the one that comes back within so many seconds."""
        self.outbox.put(message)
        try:
            line = self.inbox.get(timeout=seconds)
        except queue.Empty:
            self.fail(f"no answer within {seconds:g} s")
        if not line:
            try:
                self.fail(f"it ended, with exit code {self.process.wait(1)}")
            except subprocess.TimeoutExpired:
                self.fail("it closed its standard output")
        try:
            return decode_line(line.decode("utf-8", "replace"))
        except DataError as error:
            self.fail(f"{error}; standard output is for answers, standard error for everything else")

    def fail(self, reason):
        """End the program, and raise HarnessError with the reason and the end of what it said on standard error."""
        self.deaths += 1
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 200))
        tail = " ".join(self.log.read().decode("utf-8", "replace").split())
        self.end()
        raise HarnessError(reason + (f"; on standard error: {tail}" if tail else ""))

    def end(self):
        """End the program and everything that it started; once, for the number of a process may later be another's."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass                                       # it is gone already
        self.process.wait()
        self.process = None
        self.outbox.put(None)
        self.log.close()


def read_lines(stream, inbox):
    """Put every line of a stream into a queue, and b"" at its end, or where a line has no end."""
    with stream:
        while line := stream.readline(LONGEST_LINE):
            inbox.put(line)
            if not line.endswith(b"\n"):
                break
    inbox.put(b"")


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
    """Call a subject twice with read-only inputs: (outputs, None), or (outputs or None, (kind, message)) where it did not keep the rules.

    Kinds: raises, mutates, unsteady. numpy scalars count as arrays without axes: `a.mean()` gives one. Raises HarnessError.
    """
    given, copies = {name: array.copy() for name, array in inputs.items()}, []
    for array in given.values():
        array.flags.writeable = False
    for _ in range(2):
        own_params, own_conventions = json.loads(json.dumps(params)), dict(conventions)
        try:
            outputs = subject.call(op, dict(given), own_params, own_conventions)
        except HarnessError:
            raise
        except (Exception, SystemExit) as error:          # foreign code: whatever it raises is the finding
            kind = "mutates" if isinstance(error, ValueError) and "read-only" in str(error) else "raises"
            return None, (kind, f"it raises {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        if not isinstance(outputs, dict):
            return outputs, None                          # the contract has a word for that
        copies.append({name: np.array(array) if isinstance(array, (np.ndarray, np.generic)) else array for name, array in outputs.items()})
        changed = [name for name, array in inputs.items() if given[name].tobytes() != array.tobytes()]
        if changed or own_params != params:
            return copies[0], ("mutates", f"it changes its {'input ' + changed[0] if changed else 'params'}")
    first, second = copies
    if any(not same(array, second.get(name)) for name, array in first.items()):
        return first, ("unsteady", "called again with the same arguments it gives another result: state is kept between calls, or drawn at random")
    return first, None


def same(one, other):
    """Whether two outputs have the same bits."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return one is other or type(one) is type(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
