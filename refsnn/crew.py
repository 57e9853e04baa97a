"""Two processes that train together: both run the same loop, each on its own shards, and after every batch they exchange what they found.

    member.train_epoch(exchange, ...)   in this process   |   the same call in the other
        parts = own shards' arrays                        |       parts = its shards' arrays
        all   = exchange(parts)          <-- arrays through shared memory, "ready" through a pipe -->
        update of the weights from all, in the order of the shards: the same bits on both sides

So weights travel once an epoch. The other process is started afresh ("spawn"), with one thread of BLAS, and ends with the pipe, however this process
ends. Threads instead of processes would wait for each other: most of numpy's calls here take some microseconds only.
"""

import os
import signal
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker

import numpy as np

from refsnn.errors import DataError

DIED = ("a process that shared the work has died; --resume goes on, with --workers 1 in this process alone. (A script that trains with more workers "
        "needs `if __name__ == \"__main__\":`, for its processes import it.)")
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
READY, RETURNED = "ready", "returned"     # what one process tells the other; anything else is the exception that has stopped it


class Crew:
    """This process's member and, where there is a pipe, another process with the other one; made by `crew_of`."""

    def __init__(self, member, pipe=None, mailbox=None):
        self.member, self.pipe, self.mailbox = member, pipe, mailbox

    def call(self, method, *arguments):
        """member.method(exchange, *arguments), in both processes at once; returns what it returns here.

        Raises what it raises in either of them, and DataError where the other process has died.
        """
        if self.pipe is None:
            return getattr(self.member, method)(lambda parts: parts, *arguments)
        send(self.pipe, (method, arguments))
        result = getattr(self.member, method)(self.exchange, *arguments)
        expect(self.pipe, RETURNED)
        return result

    def exchange(self, parts):
        """parts: {number of a shard: its list of arrays}, those of this process -> those of both. The arrays of the other side are good until the
        next exchange."""
        place = self.mailbox.next_place()
        for number, arrays in parts.items():
            for target, array in zip(place[number], arrays):
                target[...] = array
        send(self.pipe, READY)
        expect(self.pipe, READY)
        count = len(next(iter(parts.values())))
        return {number: arrays[:count] for number, arrays in place.items()} | parts


class Mailbox:
    """Shared memory with two places for the arrays of every shard, used in turn: who writes the second has been told that the first was read."""

    def __init__(self, memory, layout, shards):
        """memory: a RawArray of bytes; layout: arrays of the sizes and dtypes that a shard writes, or fewer of them; shards: their numbers."""
        self.places, offset = [{number: [] for number in shards} for _ in range(2)], 0
        for place in self.places:
            for arrays in place.values():
                for array in layout:
                    arrays.append(np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape))
                    offset += array.nbytes

    def next_place(self):
        """The arrays of every shard, {number: list}, at the place whose turn it is."""
        self.places.reverse()
        return self.places[0]


@contextmanager
def crew_of(members, layout=(), shards=()):
    """A Crew of one member, or of two, the second in a process of its own. layout, shards: see Mailbox."""
    if len(members) == 1:
        yield Crew(members[0])
        return
    own, other = members
    context = get_context("spawn")
    memory = context.RawArray("b", 2 * len(shards) * sum(array.nbytes for array in layout) or 1)
    pipe, process = started(context, memory)
    try:
        send(pipe, (other, layout, shards))
        yield Crew(own, pipe, Mailbox(memory, layout, shards))
    finally:
        pipe.close()                 # which ends serve
        process.join(timeout=5)
        process.kill()               # in the middle of a batch that nobody waits for


def started(context, memory):
    """A new process that serves: (the pipe to it, the process). Ctrl-C does not reach it: it is for this process to say what becomes of it."""
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, memory), daemon=True)
    resource_tracker.ensure_running()                    # which process.start would do, and let Ctrl-C through again
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])            # the process inherits this, from its first instruction on
    try:
        with one_blas_thread():
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()               # so that the pipe ends when the process does
    return pipe, process


def serve(pipe, memory):
    """Receive a member, then answer calls until the other end of the pipe is closed, as it is when that process ends in whatever way."""
    try:
        member, layout, shards = pipe.recv()
        crew = Crew(member, pipe, Mailbox(memory, layout, shards))
        while True:
            method, arguments = pipe.recv()
            try:
                getattr(member, method)(crew.exchange, *arguments)
            except Exception as error:  # whatever it is, it is raised again on the other side, and ends the crew
                pipe.send(error)
                return
            pipe.send(RETURNED)
    except (EOFError, OSError):
        return


def send(pipe, message):
    """Send to the other process. Raises DataError where it has died."""
    try:
        pipe.send(message)
    except OSError:
        raise DataError(DIED) from None


def expect(pipe, word):
    """Wait until the other process says `word`; raise the exception that it sends instead, and DataError where it has died."""
    try:
        message = pipe.recv()
    except (EOFError, OSError):
        raise DataError(DIED) from None
    if isinstance(message, Exception):
        raise message
    if message != word:
        raise DataError(f"a process that shared the work said {message!r} where {word!r} was due")


@contextmanager
def one_blas_thread():
    """Processes started in here have one thread of BLAS each."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update({name: "1" for name in BLAS_THREADS})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
