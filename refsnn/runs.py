"""A training run and its folder: a checkpoint after every epoch, the results at the end of each, and how a stopped run goes on.

    DIR/results.json          settings, versions, one record an epoch, accuracy, spikes, chip time and energy; "timing" alone differs from run to run
    DIR/checkpoint-0007.npz   weights, Adam's state, recipe and history after 7 epochs, with a sha256 over all of it; the newest two are kept

Every file is written whole or not at all. A run that was killed at any instant continues from its newest sound checkpoint to
the same bits as one that was not.
"""

import hashlib
import json
import platform
import re
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

import refsnn
from refsnn.chip.cost import INFERENCE, TRAINING
from refsnn.datasets import load
from refsnn.errors import DataError, RangeError
from refsnn.files import damage_is_data_error, npz_bytes, read_npz, write_atomically
from refsnn.spec import Layer, Network, parameters
from refsnn.spec.optim import AdamState
from refsnn.training import Progress, Recipe, Substrate, evaluate, split, start, train_epoch

CHECKPOINTS_KEPT = 2


def train(recipe, folder, resume=False, report=None):
    """Train as `recipe` says, in `folder` (made if it does not exist), and return what results.json holds.

    resume: continue a run of the same recipe in that folder; without it the folder must not hold one. report: what hears of the
    progress, see Silence. Raises DataError where the folder holds another run or the data cannot be read, RangeError where the
    recipe is not that of the run to be resumed.
    """
    folder, report = Path(folder), report or Silence()
    dataset = load(recipe.data)
    data = split(recipe, dataset)
    progress = start(recipe, data.images, data.labels)
    substrate = Substrate(recipe, progress.network)
    if checkpoints(folder):
        if not resume:
            raise DataError(f"{folder} holds a run already; --resume continues it, another --out starts afresh")
        saved, progress = newest_checkpoint(folder, report)
        require_same(saved, recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    while len(progress.history) < recipe.epochs:
        progress = next_epoch(recipe, progress, substrate, data, report)
        save_checkpoint(folder, recipe, progress)
        report.epoch(progress.history[-1], recipe.epochs)
        write_results(folder, results_of(recipe, dataset, data, progress))
    results = results_of(recipe, dataset, data, progress)
    write_results(folder, results)
    return results


def next_epoch(recipe, progress, substrate, data, report):
    """Train one epoch more, evaluate where it is due, and return the new Progress."""
    started, epoch = time.perf_counter(), len(progress.history)
    network, adam, means = train_epoch(recipe, progress, substrate, data.images, data.labels,
                                       lambda done, total: report.batch(epoch + 1, done, total))
    record = {"epoch": epoch + 1, **means}
    if (epoch + 1) % recipe.evaluate_every == 0 or epoch + 1 == recipe.epochs:
        rng = recipe.generator("evaluation", epoch)
        record["accuracy"], record["hidden_spikes"] = evaluate(network, substrate, data.evaluation_images, data.evaluation_labels, rng)
    return Progress(network, adam, (*progress.history, record), (*progress.seconds, round(time.perf_counter() - started, 3)))


class Silence:
    """A report that says nothing."""

    def batch(self, epoch, done, total):
        """Called after every batch."""

    def epoch(self, record, epochs):
        """Called after every epoch."""

    def note(self, text):
        """Called with what the user should know."""


def results_of(recipe, dataset, data, progress):
    """What results.json holds after the epochs of `progress`."""
    newest = next((record for record in reversed(progress.history) if "accuracy" in record), {})
    trained = len(data.images) * len(progress.history)
    return {
        "versions": {"refsnn": refsnn.__version__, "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()},
        "recipe": asdict(recipe) | {"hidden": list(recipe.hidden)},
        "dataset": {"name": dataset.name, "train_images": len(data.images), "evaluated_on": "holdout" if recipe.holdout else "test",
                    "evaluation_images": len(data.evaluation_images)},
        "finished": len(progress.history) == recipe.epochs,
        "accuracy": newest.get("accuracy"),
        "hidden_spikes": newest.get("hidden_spikes"),
        "chip": chip_cost(trained) if recipe.substrate == "chip" else None,
        "history": list(progress.history),
        "timing": {"seconds": round(sum(progress.seconds), 3), "epoch_seconds": list(progress.seconds)},
    }


def chip_cost(trained):
    """Time and energy of the real chip: of one image in inference, and of `trained` images in training. SPEC C9."""
    return {
        "inference_seconds_per_image": INFERENCE.seconds_per_image,
        "inference_images_per_second": INFERENCE.images_per_second,
        "inference_joules_per_image": INFERENCE.joules_per_image,
        "training_seconds": trained * TRAINING.seconds_per_image,
        "training_joules": trained * TRAINING.joules_per_image,
    }


def write_results(folder, results):
    """Write results.json."""
    write_atomically(folder / "results.json", json.dumps(results, indent=1) + "\n")


def checkpoints(folder):
    """The checkpoint files of a run, oldest first."""
    return sorted(path for path in Path(folder).glob("checkpoint-*.npz") if re.fullmatch(r"checkpoint-\d{4}\.npz", path.name))


def save_checkpoint(folder, recipe, progress):
    """Write the checkpoint of the epochs done, then remove all but the newest CHECKPOINTS_KEPT."""
    description = {"recipe": asdict(recipe), "history": progress.history, "seconds": progress.seconds, "adam_step": progress.adam.step}
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


def load_checkpoint(path):
    """Read a checkpoint: (Recipe, Progress). Raises DataError."""
    with damage_is_data_error(path):
        arrays = read_npz(path)
        if not np.array_equal(arrays.pop("sha256"), digest(arrays)):
            raise DataError("its sha256 does not fit its content: it is damaged")
        description = json.loads(bytes(arrays.pop("description")))
        recipe = Recipe(**description["recipe"] | {"hidden": tuple(description["recipe"]["hidden"])})
        weights, first, second = (tuple(array for name, array in arrays.items() if name.startswith(prefix))
                                  for prefix in ("weight_", "first_", "second_"))
        network = Network((*(Layer(W) for W in weights[:-1]), Layer(weights[-1], spiking=False)))
        adam = AdamState(description["adam_step"], first, second)
        return recipe, Progress(network, adam, tuple(description["history"]), tuple(description["seconds"]))


def newest_checkpoint(folder, report):
    """The newest sound checkpoint of a folder: (Recipe, Progress); what is wrong with a newer one is noted. Raises DataError if there is none."""
    for path in reversed(checkpoints(folder)):
        try:
            return load_checkpoint(path)
        except DataError as error:
            report.note(f"{error}; trying the one before it")
    raise DataError(f"{folder} holds no checkpoint that can be read, so there is nothing to resume")


def require_same(saved, recipe, folder):
    """Raise RangeError, with the settings that differ, unless two recipes are the same."""
    before, now = asdict(saved), asdict(recipe)
    differing = [f"{name} {before[name]}, not {now[name]}" for name in before if before[name] != now[name]]
    if differing:
        raise RangeError(f"{folder} was started with {'; '.join(differing)}: resume it with the same settings")
