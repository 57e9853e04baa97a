"""Where the runs of a sweep are done: in this process, in several, or on a Dask cluster. All are concurrent.futures.Executor."""

import os
import re
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from signal import SIG_DFL, SIGINT, signal
from threading import Thread

from refsnn.crew import one_blas_thread
from refsnn.errors import DataError, RangeError, RefsnnError


class Serial(Executor):
    """An Executor that runs everything at once, in this process, in the order in which it is submitted."""

    def submit(self, function, /, *arguments, **named):
        """Run it now; its future is done."""
        future = Future()
        future.set_result(function(*arguments, **named))
        return future


@contextmanager
def processes(workers):
    """An Executor of so many processes, each with one thread of BLAS; for one worker, this process itself."""
    if workers == 1:
        yield Serial()
        return
    others = set(active_children())
    with one_blas_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=leave_with_parent) as executor:
        try:
            yield executor
        except BaseException:
            for process in set(active_children()) - others:      # their runs go on from their checkpoints next time
                process.terminate()
            raise


def leave_with_parent():
    """End this process as soon as the one that started it has ended, and at once with Ctrl-C, which reaches both."""
    def wait():
        """Wait for the parent's end."""
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
    signal(SIGINT, SIG_DFL)


@contextmanager
def cluster(address):
    """An Executor of the Dask cluster whose scheduler listens at `address`, as in tcp://127.0.0.1:8786.

    Its workers must have refsnn, and see the folders of data and results under the same absolute names; one thread each serves best. Raises
    RefsnnError where dask is not installed, RangeError for what is no address, DataError where a worker keeps dying, OSError where nobody answers.
    """
    if not re.fullmatch(r"\w+://(\[[\da-fA-F:]+\]|[^:/\s]+):\d+", address):
        raise RangeError(f"{address!r} is no address of a Dask scheduler; one looks like tcp://127.0.0.1:8786")
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise RefsnnError("a Dask cluster needs the extra distributed: pip install 'refsnn[distributed]'") from None
    with Client(address, timeout=10, set_as_default=False) as client:
        try:
            yield client.get_executor(pure=False)
        except KilledWorker as error:
            raise DataError(f"{error}; the same command goes on from what is done") from None
