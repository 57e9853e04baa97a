"""Processes that share the work of an epoch: the same method called on every shard, the results in the order of the shards.

One process calls them one after another. More processes are started afresh ("spawn"), with one thread of BLAS each, and hold their shards for
as long as the crew lasts; threads would wait for each other, since most of numpy's calls here take some microseconds only.
"""

import os
from contextlib import contextmanager
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal

from refsnn.errors import DataError

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Crew:
    """Shards, all in this process or each in one of its own; made by `crew_of`."""

    def __init__(self, shards, pipes):
        self.shards, self.pipes = shards, pipes      # pipes: one a shard, None for a shard of this process

    def call(self, method, *arguments):
        """[shard.method(*arguments) for every shard]; an exception in any of them is raised here, when all have answered.

        Raises DataError where a process has died.
        """
        try:
            for pipe in filter(None, self.pipes):
                pipe.send((method, arguments))
            here = [None if pipe else attempt(shard, method, arguments) for shard, pipe in zip(self.shards, self.pipes)]
            answers = [pipe.recv() if pipe else own for own, pipe in zip(here, self.pipes)]
        except (EOFError, ConnectionError):
            raise DataError("a process that shared the work has died; go on with --resume, with --workers 1 in this process alone") from None
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
    others = [] if workers == 1 else shards
    context, processes, pipes = get_context("spawn"), [], []
    try:
        with one_blas_thread():
            for shard in others:
                pipe, theirs = context.Pipe()
                processes.append(context.Process(target=serve, args=(shard, theirs), daemon=True))
                processes[-1].start()
                theirs.close()
                pipes.append(pipe)
        yield Crew(shards, pipes or [None] * len(shards))
    finally:
        for pipe in pipes:
            pipe.close()             # which ends serve
        for process in processes:
            process.join(timeout=5)
            process.kill()           # for one in the middle of a call that nobody waits for


def serve(shard, pipe):
    """Answer calls until the other end of the pipe is closed, as it is when that process dies in whatever way."""
    signal(SIGINT, SIG_IGN)          # Ctrl-C reaches every process of a terminal; the first one decides what becomes of it
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            pipe.send(attempt(shard, method, arguments))
        except ConnectionError:
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
