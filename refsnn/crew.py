"""Processes that share the work of an epoch: the same method called on every shard, the results in the order of the shards.

One process calls them one after another. More processes are started afresh ("spawn"), with one thread of BLAS each, and hold their shards for
as long as the crew lasts; threads would wait for each other, since most of numpy's calls here take some microseconds only.
"""

import os
from contextlib import contextmanager
from multiprocessing import get_context
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask

from refsnn.errors import DataError

DIED = ("a process that shared the work has died; --resume goes on, with --workers 1 in this process alone. (A script that trains with more workers "
        "needs `if __name__ == \"__main__\":`, for its processes import it.)")
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Crew:
    """Shards, all in this process or each in one of its own; made by `crew_of`."""

    def __init__(self, shards, pipes):
        self.shards, self.pipes = shards, pipes      # pipes: one a shard, None for a shard of this process

    def call(self, method, *arguments):
        """[shard.method(*arguments) for every shard]; an exception in any of them is raised here, when all have answered.

        Raises DataError where a process has died.
        """
        for pipe in filter(None, self.pipes):
            send(pipe, (method, arguments))
        here = [None if pipe else attempt(shard, method, arguments) for shard, pipe in zip(self.shards, self.pipes)]
        answers = [receive(pipe) if pipe else own for own, pipe in zip(here, self.pipes)]
        for failed, result in answers:
            if failed:
                raise result
        return [result for _, result in answers]


def attempt(shard, method, arguments):
    """Call a method: (False, its result) or (True, its exception)."""
    try:
        return False, getattr(shard, method)(*arguments)
    except Exception as error:  # whatever it is, it is raised again where the call came from
        return True, error


@contextmanager
def crew_of(shards, workers):
    """A Crew in this process for one worker, else with one process a shard: this one then only passes on what they need."""
    processes, pipes = [], []
    try:
        if workers > 1:
            with one_blas_thread():
                for shard in shards:
                    pipe, process = started()
                    processes.append(process)
                    pipes.append(pipe)
            for shard, pipe in zip(shards, pipes):
                send(pipe, shard)
        yield Crew(shards, pipes or [None] * len(shards))
    finally:
        for pipe in pipes:
            pipe.close()             # which ends serve
        for process in processes:
            process.join(timeout=5)
            process.kill()           # for one in the middle of a call that nobody waits for


def started():
    """A new process that serves: (the pipe to it, the process). Ctrl-C does not reach it: it is for the first process to say what becomes of it."""
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    blocked = pthread_sigmask(SIG_BLOCK, [SIGINT])       # the process inherits this, from its first instruction on
    try:
        process.start()
    finally:
        pthread_sigmask(SIG_SETMASK, blocked)
        theirs.close()               # so that the pipe ends when the process does
    return pipe, process


def send(pipe, message):
    """Send to a process. Raises DataError where it has died."""
    try:
        pipe.send(message)
    except OSError:
        raise DataError(DIED) from None


def receive(pipe):
    """Receive from a process. Raises DataError where it has died."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise DataError(DIED) from None


def serve(pipe):
    """Receive a shard, then answer calls until the other end of the pipe is closed, as it is when that process dies in whatever way."""
    try:
        shard = pipe.recv()
        while True:
            pipe.send(attempt(shard, *pipe.recv()))
    except (EOFError, OSError):
        return


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
