"""Many training runs, each in its own folder, some at a time.

    DIR/LABEL/seed-0/        the run's folder, see refsnn.runs

A run that is finished is read, one that was stopped goes on, so a sweep that was killed repeats nothing.
"""

import json
import re
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from refsnn.crew import one_blas_thread
from refsnn.runs import Silence, checkpoints, newest_checkpoint, require_same, train

@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one label, one a seed: their results.json as dicts, and their folders."""

    results: tuple
    folders: tuple

    def figure(self, name):
        """One figure of all seeds, `accuracy` or `hidden_spikes`: (mean, standard deviation from seed to seed or None for one seed)."""
        values = [result[name] for result in self.results]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None

    def networks(self):
        """The trained network of every seed."""
        return [newest_checkpoint(folder, Silence())[1].network for folder in self.folders]


def sweep(jobs, seeds, folder, executor, note=lambda text: None):
    """Train every Recipe of `jobs`, a dict by label, with every seed: a dict label -> Runs.

    executor: a concurrent.futures.Executor; note: hears a line for each run that is done. Raises what a run raises, once those that are running
    are done.
    """
    places = {(label, seed): Path(folder) / re.sub(r"[^\w=.+-]+", "-", label) / f"seed-{seed}" for label in jobs for seed in seeds}
    waiting = {}

    def announce(name, future):
        """Note what a run came to."""
        if not future.cancelled() and future.exception() is None:
            result = future.result()
            note(f"{name[0]}, seed {name[1]}: {100 * result['accuracy']:.2f} %, {result['hidden_spikes']:.1f} hidden spikes")

    try:
        for (label, seed), place in places.items():
            waiting[label, seed] = executor.submit(run, replace(jobs[label], seed=seed), place)
            waiting[label, seed].add_done_callback(partial(announce, (label, seed)))
        for future in as_completed(waiting.values()):
            future.result()
    finally:
        for future in waiting.values():
            future.cancel()
    return {label: Runs(tuple(waiting[label, seed].result() for seed in seeds), tuple(places[label, seed] for seed in seeds)) for label in jobs}


def run(recipe, folder):
    """Train one recipe in a folder, or go on, or read what is finished there: the dict that results.json holds."""
    if (folder / "results.json").exists():
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        require_same(results["recipe"] | {"hidden": tuple(results["recipe"]["hidden"])}, asdict(recipe), folder)
        if results["finished"]:
            return results
    return train(recipe, folder, resume=bool(checkpoints(folder)))


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
    with one_blas_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield executor
