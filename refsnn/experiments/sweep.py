"""Many training runs, each in its own folder, some at a time.

    DIR/LABEL/seed-0/        the run's folder, see refsnn.runs

A run that is finished is read, one that was stopped goes on, so a sweep that was killed repeats nothing.
"""

import json
import os
import re
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
from threading import Thread

import numpy as np

from refsnn.crew import one_blas_thread
from refsnn.datasets import load
from refsnn.errors import DataError, RangeError
from refsnn.files import damage_is_data_error
from refsnn.runs import Silence, checkpoints, newest_checkpoint, require_same, train
from refsnn.training import Substrate, split, start

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

    executor: a concurrent.futures.Executor; note: hears a line for each run that is done. Raises what a run raises; runs that have not begun are
    then dropped, and those under way go on from their checkpoints when the sweep is repeated.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise RangeError(f"seeds are {list(seeds)}; there must be one or more, each once")
    load_once.cache_clear()
    recipes = {(label, seed): replace(jobs[label], seed=seed) for label in jobs for seed in seeds}
    check(recipes.values())
    places = {(label, seed): Path(folder) / re.sub(r"[^\w=.+-]+", "-", label) / f"seed-{seed}" for label, seed in recipes}
    waiting = {}

    def announce(name, future):
        """Note what a run came to."""
        if not future.cancelled() and future.exception() is None:
            result = future.result()
            note(f"{name[0]}, seed {name[1]}: {100 * result['accuracy']:.2f} %, {result['hidden_spikes']:.1f} hidden spikes")

    try:
        for name, recipe in recipes.items():
            waiting[name] = executor.submit(run, recipe, places[name])
            waiting[name].add_done_callback(partial(announce, name))
        for future in as_completed(waiting.values()):
            future.result()
    except BrokenExecutor:
        raise DataError("a process of the sweep has died; the same command goes on from what is done") from None
    except BaseException:
        if not isinstance(executor, ProcessPoolExecutor):        # whose processes are ended by `processes`
            for future in waiting.values():
                future.cancel()
        raise
    return {label: Runs(tuple(waiting[label, seed].result() for seed in seeds), tuple(places[label, seed] for seed in seeds)) for label in jobs}


def check(recipes):
    """Raise what would stop a run at its start, before any is started: data that cannot be read, a network that fits no chip."""
    for recipe in recipes:
        data = load_once(recipe.data)
        part = split(recipe, data)
        Substrate(replace(recipe, calibrate=False), start(recipe, part.images, part.labels).network)


@lru_cache(maxsize=1)
def load_once(data):
    """The data set of a sweep; every run of it asks for the same."""
    return load(data)


def run(recipe, folder):
    """Train one recipe in a folder, or go on, or read what is finished there: the dict that results.json holds. Raises DataError, RangeError."""
    path = folder / "results.json"
    if path.exists():
        with damage_is_data_error(path):
            results = json.loads(path.read_text(encoding="utf-8"))
            saved, finished, sha256 = results["recipe"] | {"hidden": tuple(results["recipe"]["hidden"])}, results["finished"], results["dataset"]["sha256"]
        require_same(saved | {"data_sha256": sha256}, asdict(recipe) | {"data_sha256": split(recipe, load_once(recipe.data)).sha256()}, folder)
        if finished:
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
