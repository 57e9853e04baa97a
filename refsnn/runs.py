"""A training run and its folder: a checkpoint after every epoch, the results at the end of each, and how a stopped run goes on.

    DIR/results.json          settings, versions, one record an epoch, accuracy, spikes, chip time and energy; "timing" alone differs from run to run
    DIR/checkpoint-0007.npz   weights, Adam's state, recipe and history after 7 epochs, with a sha256 over all of it; the newest two are kept

Every file is written whole or not at all. A run that was killed at any instant continues from its newest sound checkpoint to
the same bits as one that was not.
"""

import contextlib
import hashlib
import itertools
import json
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

import refsnn
from refsnn.chip.cost import cost
from refsnn.crew import crew_of
from refsnn.datasets import load
from refsnn.errors import DataError, RangeError, ShapeError, check_count, check_float_array, check_number, check_path, check_same_dtype, check_type
from refsnn.files import TEMPORARY, damage_is_data_error, npz_bytes, read_npz, write_atomically
from refsnn.spec import Layer, Network, parameters
from refsnn.spec.optim import AdamState
from refsnn.training import SHARDS, Progress, Recipe, Split, Substrate, members, split, start

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, two runs in one folder are not kept apart
    fcntl = None  # type: ignore[assignment]

CHECKPOINTS_KEPT = 2
RUNS = Path("refsnn-runs")
AGAIN = "delete this file, and the same command makes it again"


def train(recipe: Recipe, folder=None, resume: bool = False, report=None, workers: int = 1) -> dict:
    """Train as `recipe` says, and return what results.json holds.

    folder: where to write, made if it does not exist; None takes the first free of refsnn-runs/001, 002, ... resume: continue the run in
    that folder, which must be of the same recipe and data; without it the folder must not hold a run. report: what hears of the
    progress, see Silence. workers: 1, or more for two processes; the results do not depend on it, but processes need a main module
    that can be imported (the `if __name__ == "__main__"` of multiprocessing). Raises DataError where the folder holds another run or is in use, or the data cannot be read, RangeError
    where the recipe or the data is not that of the run to be resumed.
    """
    check_type("recipe", recipe, Recipe)
    check_count("workers", workers, high=1024)
    report = report or Silence()
    dataset = load(recipe.data)
    data = split(recipe, dataset)
    progress = start(recipe, data.images, data.labels)
    substrate = Substrate(recipe, progress.network)
    layout = [np.zeros(4), *parameters(progress.network.layers)]
    with crew_of(members(recipe, substrate, data, workers), layout, range(SHARDS)) as crew:
        task = Task(dataset.name, data, lambda folder: progress, lambda progress: next_epoch(recipe, progress, crew, report))
        return carry_out(task, recipe, folder, resume, report)


@dataclass(frozen=True, eq=False)
class Task:
    """What a run does between its files: the name of its data and their Split; start(folder), the Progress before the first epoch; and
    epoch(progress), the Progress after one more, whose record has accuracy and hidden_spikes where it was evaluated."""

    name: str
    data: Split
    start: Callable
    epoch: Callable


def carry_out(task, recipe, folder, resume, report):
    """Do a Task epoch by epoch in a folder, and return what results.json holds: `train` without what is trained."""
    with claimed(folder) as folder:
        progress = task.start(folder)
        if resume:
            saved, progress = newest_checkpoint(folder, report, progress.network)
            require_same(saved, asdict(recipe) | {"data_sha256": task.data.sha256()}, folder)
            try:
                recorded(folder)
            except DataError as error:
                report.note(f"{error}; it is written anew")
        elif checkpoints(folder):
            raise DataError(f"{folder} holds a run already; --resume continues it, another --out starts afresh")
        elif recorded(folder):
            raise DataError(f"{folder} holds the results of a run, without its checkpoints; another --out starts afresh")
        remove_unfinished(folder)
        report.start(recipe, folder)
        write_results(folder, results_of(recipe, task, progress))
        while len(progress.history) < recipe.epochs:
            progress = task.epoch(progress)
            save_checkpoint(folder, recipe, task.data, progress)
            report.epoch(progress.history[-1], recipe.epochs)
            write_results(folder, results_of(recipe, task, progress))
        return results_of(recipe, task, progress)


@contextlib.contextmanager
def claimed(folder):
    """Make a folder, or the first free numbered one for None, and keep every other process of ours out of it.

    Raises DataError; DtypeError and RangeError for what is no path.
    """
    folder = next_numbered_folder() if folder is None else check_path("folder", folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        if fcntl is not None:  # the lock goes with the process, however it ends
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise DataError(f"{folder} is in use by another run; choose another --out") from None
    finally:
        os.close(handle)


def remove_unfinished(folder):
    """Remove from the folder of a run, which is ours, what one that was killed had not written to its end."""
    for path in folder.iterdir():
        if re.fullmatch(rf"(results\.json|checkpoint-\d{{4}}\.npz){TEMPORARY}", path.name) and path.is_file():
            path.unlink()


def next_numbered_folder():
    """Make the first of refsnn-runs/001, 002, ... that does not exist: no two processes get the same."""
    for number in itertools.count(1):
        folder = RUNS / f"{number:03}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def next_epoch(recipe, progress, crew, report):
    """Train one epoch more, evaluate where it is due, and return the new Progress."""
    started, epoch = time.perf_counter(), len(progress.history)
    crew.member.report = lambda done, total: report.batch(epoch + 1, done, total)
    network, adam, means = crew.call("train_epoch", progress.network, progress.adam, epoch)
    return followed(recipe, progress, network, adam, means, lambda: crew.call("evaluate", network, epoch), started)


def followed(recipe, progress, network, adam, means, evaluation, started):
    """The Progress after an epoch that began at `started` and led to network, adam and the record `means`.

    evaluation(): (accuracy, hidden spikes), called where one is due.
    """
    epoch = len(progress.history)
    record = {"epoch": epoch + 1, **means}
    if (epoch + 1) % recipe.evaluate_every == 0 or epoch + 1 == recipe.epochs:
        record["accuracy"], record["hidden_spikes"] = evaluation()
    return Progress(network, adam, (*progress.history, record), (*progress.seconds, round(time.perf_counter() - started, 3)))


class Silence:
    """A report that says nothing."""

    def start(self, recipe, folder):
        """Called when everything has been checked and training begins."""

    def batch(self, epoch, done, total):
        """Called after every batch."""

    def epoch(self, record, epochs):
        """Called after every epoch."""

    def note(self, text):
        """Called with what the user should know."""


def results_of(recipe, task, progress):
    """What results.json holds after the epochs of `progress`."""
    data = task.data
    trained = len(data.images) * len(progress.history)
    return {
        "versions": versions(),
        "recipe": asdict(recipe) | {"hidden": list(recipe.hidden)},
        "dataset": {"name": task.name, "sha256": data.sha256(), "train_images": len(data.images), "evaluated_on": "holdout" if recipe.holdout else "test",
                    "evaluation_images": len(data.evaluation_images)},
        "finished": len(progress.history) == recipe.epochs,
        **newest_evaluation(progress.history),
        "chip": chip_cost(progress.network, trained, recipe.parts),
        "history": list(progress.history),
        "timing": {"seconds": round(sum(progress.seconds), 3), "epoch_seconds": list(progress.seconds)},
    }


def recorded(folder):
    """The history that a folder's results.json holds, empty where there is none. Raises DataError."""
    path = folder / "results.json"
    if not path.exists():
        return []
    with damage_is_data_error(path):
        return list(json.loads(path.read_text(encoding="utf-8"))["history"])


def newest_evaluation(history):
    """Accuracy and hidden spikes of the last epoch that was evaluated, None before any was: a dict."""
    newest = next((record for record in reversed(history) if "accuracy" in record), {})
    return {name: newest.get(name) for name in ("accuracy", "hidden_spikes")}


def versions():
    """What a results file says of the software and the machine that made it."""
    return {"refsnn": refsnn.__version__, "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}


def chip_cost(network, trained, parts):
    """Time and energy of the real chip, of one image, and of a training with `trained` images, whole or in parts. SPEC C9.

    None for what fits no chip; and for a recurrent network, whose input is no image, and one that does not spike, which needs no chip.
    """
    if not isinstance(network, Network) or any(layer.R is not None for layer in network.layers):
        return None
    try:
        found = cost(network, parts=parts)
    except ShapeError:
        return None
    return found.as_dict() | {"training_seconds": trained * found.training.seconds_per_image,
                              "training_joules": trained * found.training.joules_per_image}


def write_results(folder, results):
    """Write results.json."""
    write_atomically(folder / "results.json", json.dumps(results, indent=1) + "\n")


def checkpoints(folder):
    """The checkpoint files of a run, oldest first."""
    return sorted(path for path in Path(folder).glob("checkpoint-*.npz") if re.fullmatch(r"checkpoint-\d{4}\.npz", path.name))


def save_checkpoint(folder, recipe, data, progress):
    """Write the checkpoint of the epochs done, then remove all but the newest CHECKPOINTS_KEPT."""
    description = {"recipe": asdict(recipe) | {"data_sha256": data.sha256()}, "history": progress.history,
                   "seconds": progress.seconds, "adam_step": progress.adam.step}
    arrays = {"description": np.frombuffer(json.dumps(description).encode(), np.uint8)}
    for name, group in (("weight", parameters(progress.network.layers)), ("first", progress.adam.first), ("second", progress.adam.second)):
        arrays |= {f"{name}_{index}": array for index, array in enumerate(group)}
    arrays["sha256"] = digest(arrays)
    write_atomically(folder / f"checkpoint-{len(progress.history):04}.npz", npz_bytes(arrays))
    for old in checkpoints(folder)[:-CHECKPOINTS_KEPT]:
        old.unlink()


def digest(arrays):
    """The sha256 over names, dtypes, shapes and bytes of some arrays, as a uint8 array of 32."""
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return np.frombuffer(total.digest(), np.uint8)


def read_checkpoint(path):
    """The arrays of a checkpoint and its description, a dict; its sha256 holds. To be called within damage_is_data_error."""
    arrays = read_npz(path)
    if "sha256" not in arrays or not np.array_equal(arrays.pop("sha256"), digest(arrays)):
        raise DataError("its sha256 does not fit its content: it is damaged")
    return arrays, json.loads(bytes(arrays.pop("description")))


def load_checkpoint(path, like=None):
    """Read a checkpoint: (the recipe as a dict, with the sha256 of the data; Progress). Raises DataError; DtypeError and RangeError for what is no path.

    like: a network of the kind that was trained, which gets the saved weights; None for one of layers without recurrence.
    """
    path = check_path("path", path)
    with damage_is_data_error(path):
        arrays, description = read_checkpoint(path)
        saved = description["recipe"] | {"hidden": tuple(description["recipe"]["hidden"])}
        weights, first, second = (tuple(array for name, array in arrays.items() if name.startswith(prefix))
                                  for prefix in ("weight_", "first_", "second_"))
        shapes = [[array.shape for array in group] for group in (weights, first, second)]
        epochs = [len(description[name]) for name in ("history", "seconds")]
        for number, record in enumerate(description["history"], 1):
            check_record(record, number, like is None or isinstance(like, Network))
        for seconds in description["seconds"]:
            check_number("seconds", seconds, low=0)
        if len(weights) < 2 or shapes[0] != shapes[1] or shapes[0] != shapes[2] or epochs != [int(path.stem[-4:])] * 2:
            raise DataError(f"it holds arrays {shapes} and {epochs} epochs, which do not belong together")
        for array in (*first, *second):
            check_float_array("a moment of Adam", array, None)
            check_same_dtype("a moment of Adam", array, weights[0].dtype)
        if min(array.min() for array in second) < 0:
            raise DataError("a second moment of Adam is negative")
        if epochs[0] == saved["epochs"] and "accuracy" not in description["history"][-1]:
            raise DataError("its last epoch was not evaluated")
        network = Network((*(Layer(W) for W in weights[:-1]), Layer(weights[-1], spiking=False))) if like is None else refilled(like, weights)
        adam = AdamState(check_count("adam_step", description["adam_step"]), first, second)
        return saved, Progress(network, adam, tuple(description["history"]), tuple(description["seconds"]))


def check_record(record, number, spiking):
    """Raise unless this is the record of epoch `number`: a dict of numbers from 0, accuracies to 1; hidden_spikes are None where nothing is spiking."""
    check_type("a record of its history", record, dict)
    for name in ("epoch", "loss", "train_accuracy", *record):
        if spiking or name != "hidden_spikes" or record[name] is not None:
            check_number(name, record[name], low=0, high=1 if name in ("accuracy", "train_accuracy") else np.inf)
    if record["epoch"] != number:
        raise DataError(f"its record of epoch {number} says that it is of epoch {record['epoch']}")
    if ("accuracy" in record) != ("hidden_spikes" in record):
        raise DataError(f"its record of epoch {number} has only one of accuracy and hidden_spikes")


def refilled(network, weights):
    """The network with saved weights, or None where they are not of its shapes: then they are of another recipe, or of other data."""
    if [array.shape for array in weights] != [array.shape for array in parameters(network.layers)]:
        return None
    return network.with_parameters(weights)


def newest_checkpoint(folder, report, like=None):
    """The newest sound checkpoint of a folder, as load_checkpoint gives it; what is wrong with a newer one is noted.

    Raises DataError if there is none.
    """
    reason = "there is none"
    for path in reversed(checkpoints(folder)):
        try:
            return load_checkpoint(path, like)
        except DataError as error:
            reason = str(error)
            report.note(f"{error}; trying the one before it")
    raise DataError(f"{folder} holds no checkpoint that can be read ({reason}), so there is nothing to go on from")


def is_whole(folder, results):
    """Whether the newest checkpoint of a run is that of its last epoch; results: what results.json holds of a run that is finished.

    Without any checkpoint results.json is taken at its word. Raises DataError, with what to do, where the checkpoint is damaged or says something else.
    """
    saved = checkpoints(folder)
    if not saved:
        return True
    with damage_is_data_error(saved[-1], remedy=AGAIN):
        history = read_checkpoint(saved[-1])[1]["history"]
    if len(history) < results["recipe"]["epochs"]:
        return False
    held = {"history": history, **newest_evaluation(history)}
    if held != {name: results.get(name) for name in held}:
        raise DataError(f"{Path(folder) / 'results.json'}: it does not say what {saved[-1].name} does; {AGAIN}")
    return True


def recipe_of(saved, folder):
    """The Recipe of a checkpoint's settings, as load_checkpoint gives them. Raises DataError where they are of another version."""
    own = {name: value for name, value in saved.items() if name != "data_sha256"}
    differing = sorted(set(own) ^ {field.name for field in fields(Recipe)})
    if differing:
        raise DataError(f"{folder}: its settings and those of this version of refsnn differ in {', '.join(differing)}; another version, or another verb, made it")
    return Recipe(**own)


def last_checkpoint(folder, like=None):
    """The newest checkpoint of a finished run, as load_checkpoint gives it. Raises DataError where there is none, or it is damaged."""
    saved = checkpoints(folder)
    if not saved:
        raise DataError(f"{folder}: the weights of this run are needed, but it holds no checkpoint; delete its results.json, and the same command trains it again")
    return load_checkpoint(saved[-1], like)


def require_same(saved, now, folder):
    """Raise RangeError, with the settings that differ, unless two recipes (dicts) are the same."""
    differing = [f"{name} {saved.get(name)}, not {now.get(name)}" for name in sorted(saved | now) if saved.get(name) != now.get(name)]
    if differing:
        raise RangeError(f"{folder} was started with {'; '.join(differing)}: resume it with the same settings and data")
