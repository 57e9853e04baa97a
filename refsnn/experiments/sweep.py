"""Many runs, each in its own folder, some at a time; and what is measured of their networks afterwards.

    DIR/LABEL/seed-0/               the run's folder, see refsnn.runs
    DIR/LABEL/seed-0/NAME.json      what the experiment NAME has measured of its network

A run that is finished is read, one that was stopped goes on, and so do measurements: a sweep that was killed repeats nothing.
"""

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import refsnn
from refsnn.datasets import load
from refsnn.errors import DataError, RangeError, check_number
from refsnn.experiments import spoken
from refsnn.experiments.table import mean_and_spread
from refsnn.files import damage_is_data_error, write_atomically
from refsnn.relu import ReluRecipe
from refsnn.relu import train as train_relu
from refsnn.runs import AGAIN, check_record, checkpoints, is_whole, last_checkpoint, require_same, train
from refsnn.spec import parameters
from refsnn.training import Recipe, Substrate, split, start


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one label, one a seed: their recipes, their results.json as dicts, their folders, and what was measured of them."""

    recipes: tuple
    results: tuple
    folders: tuple
    measured: tuple = ()

    def figure(self, name):
        """One figure of all seeds, `accuracy` or `hidden_spikes`: see mean_and_spread."""
        return mean_and_spread([result[name] for result in self.results])

    def networks(self):
        """The trained network of every seed; for networks without recurrence."""
        return [trained_network(folder) for folder in self.folders]


def trained_network(folder):
    """The network of a finished run without recurrence. Raises DataError."""
    return last_checkpoint(folder)[1].network


def folder_of(label):
    """The name of the folder of a label.

    >>> folder_of("chip, 40 % dropout")
    'chip-40-dropout'
    """
    return re.sub(r"[^\w=.+-]+", "-", label).strip("-")


def sweep(jobs, seeds, folder, executor, note=lambda text: None):
    """Train every Recipe of `jobs`, a dict by label, with every seed: a dict label -> Runs.

    executor: a concurrent.futures.Executor; note: hears a line for each run that is done. Raises what a run raises; runs that have not begun are
    then dropped, and those under way go on from their checkpoints when the sweep is repeated.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise RangeError(f"seeds are {list(seeds)}; there must be one or more, each once")
    load_once.cache_clear()
    spoken.load_once.cache_clear()
    recipes = {(label, seed): replace(jobs[label], seed=seed) for label in jobs for seed in seeds}
    check(recipes.values())
    places = {(label, seed): Path(folder) / folder_of(label) / f"seed-{seed}" for label, seed in recipes}

    def announce(name, result):
        """Note what a run came to."""
        spikes = "" if result["hidden_spikes"] is None else f", {result['hidden_spikes']:.1f} hidden spikes"
        note(f"{name[0]}, seed {name[1]}: {100 * result['accuracy']:.2f} %{spikes}")

    results = gather({name: (run, recipe, places[name]) for name, recipe in recipes.items()}, executor, announce)
    return {label: Runs(*(tuple(of[label, seed] for seed in seeds) for of in (recipes, results, places))) for label in jobs}


def gather(calls, executor, announce=lambda name, result: None):
    """Have an Executor do all `calls`, {name: (function, *arguments)}, and return {name: result}; announce(name, result) hears of each.

    Raises the first exception of any, after which nothing more is begun; DataError where a process has died.
    """
    waiting, results = {}, {}

    def take(future):
        """Keep and announce a result, once."""
        name = waiting[future]
        if name not in results:
            results[name] = future.result()
            announce(name, results[name])

    try:
        for name, call in calls.items():
            future = executor.submit(*call)
            waiting[future] = name
            if future.done():                                    # as every one is, of an executor that does it at once
                take(future)
        for future in as_completed(waiting):
            take(future)
    except (BrokenExecutor, CancelledError):
        raise DataError("a process of the sweep has died; the same command goes on from what is done") from None
    except BaseException:
        if not isinstance(executor, ProcessPoolExecutor):        # whose processes are ended by `processes`
            for future in waiting:
                future.cancel()
        raise
    return results


def check(recipes):
    """Raise what would stop a run at its start, before any is started: data that cannot be read, a network that fits no chip."""
    for recipe in recipes:
        network = KINDS[type(recipe)].fresh(recipe, data_of(recipe))
        if network is not None:
            Substrate(replace(recipe, calibrate=False), network)


@lru_cache(maxsize=1)
def load_once(data):
    """The data set of a sweep; every run of it asks for the same."""
    return load(data)


def data_of(recipe):
    """The Split of a recipe."""
    return KINDS[type(recipe)].data_of(recipe)


@dataclass(frozen=True)
class Kind:
    """What a sweep does with one kind of Recipe: train(recipe, folder, resume) -> what results.json holds; data_of(recipe) -> Split;
    fresh(recipe, data) -> the spiking network before training, or None."""

    train: Callable
    data_of: Callable
    fresh: Callable


def images_of(recipe):
    """The Split of images that a Recipe or ReluRecipe names."""
    return split(recipe, load_once(recipe.data))


KINDS = {
    Recipe: Kind(train, images_of, lambda recipe, data: start(recipe, data.images, data.labels).network),
    ReluRecipe: Kind(train_relu, images_of, lambda recipe, data: None),
    spoken.SpokenRecipe: Kind(spoken.train, spoken.data_of, spoken.fresh),
}


def run(recipe, folder):
    """Train one recipe in a folder, or go on, or read what is finished there: the dict that results.json holds. Raises DataError, RangeError."""
    path = folder / "results.json"
    if path.exists():
        with damage_is_data_error(path, AGAIN):
            results = json.loads(path.read_text(encoding="utf-8"))
            if results["finished"]:
                require_figures(results)
            saved, finished, of_data = results["recipe"] | {"hidden": tuple(results["recipe"]["hidden"])}, results["finished"], results["dataset"]["sha256"]
        require_same(saved | {"data_sha256": of_data}, asdict(recipe) | {"data_sha256": data_of(recipe).sha256()}, folder)
        if finished and is_whole(folder, results):
            return results
    return KINDS[type(recipe)].train(recipe, folder, resume=bool(checkpoints(folder)))


def require_figures(results):
    """Raise unless the results of a finished run have the figures that tables are made of; KeyError where one is missing."""
    check_number("accuracy", results["accuracy"], low=0, high=1)
    if results["hidden_spikes"] is not None:
        check_number("hidden_spikes", results["hidden_spikes"], low=0)
    check_number("seconds", results["timing"]["seconds"], low=0)
    for number, record in enumerate(results["history"], 1):
        check_record(record, number, results["hidden_spikes"] is not None)
    if len(results["history"]) != results["recipe"]["epochs"]:
        raise DataError(f"its history has {len(results['history'])} records, but its recipe {results['recipe']['epochs']} epochs")


def measure(name, function, runs, executor):
    """The same Runs with what function(recipe, network, data) gives for each: something that JSON holds. It is done once, and kept in NAME.json."""
    calls = {(label, index): (remembered, name, function, recipe, folder)
             for label, own in runs.items() for index, (recipe, folder) in enumerate(zip(own.recipes, own.folders))}
    found = gather(calls, executor)
    return {label: replace(own, measured=tuple(found[label, index] for index in range(len(own.recipes)))) for label, own in runs.items()}


def remembered(name, function, recipe, folder):
    """function(recipe, network, data) of a finished run, from its folder's NAME.json if that is of the same weights and the same refsnn."""
    path, network = folder / f"{name}.json", trained_network(folder)
    of = {"refsnn": refsnn.__version__, "weights": sha256(*(array.tobytes() for array in parameters(network.layers)))}
    if path.exists():
        with damage_is_data_error(path, AGAIN):
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["sha256"] != sha256(json.dumps(saved["measured"]).encode()):
                raise DataError("its sha256 does not fit what was measured: it is damaged")
            if saved["of"] == of:
                return saved["measured"]
    measured = json.loads(json.dumps(function(recipe, network, data_of(recipe))))
    kept = {"of": of, "measured": measured, "sha256": sha256(json.dumps(measured).encode())}
    write_atomically(path, json.dumps(kept, indent=1) + "\n")
    return measured


def sha256(*pieces):
    """The sha256 over pieces of bytes, as hexadecimal digits."""
    return hashlib.sha256(b"".join(pieces)).hexdigest()
