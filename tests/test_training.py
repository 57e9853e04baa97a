"""Training in the loop: the recipe, runs that stop and go on, what the command line says."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from troublesome import Troublesome

import refsnn
import refsnn.training as training
from refsnn import DataError, DtypeError, RangeError
from refsnn.__main__ import main
from refsnn.crew import Crew, crew_of
from refsnn.datasets import Dataset, load
from refsnn.events import encode_events
from refsnn.files import npz_bytes, read_npz
from refsnn.runs import Silence, checkpoints, claimed, digest, load_checkpoint, newest_evaluation, require_same, train
from refsnn.spec import parameters
from refsnn.training import PRESETS, SHARDS, Recipe, Shard, Split, Substrate, judged, members, split, start


@pytest.fixture(scope="module")
def few_images(tmp_path_factory):
    """The path of an .npz with 300 training and 100 test images of the sample."""
    sample = load()
    path = tmp_path_factory.mktemp("data") / "few.npz"
    path.write_bytes(npz_bytes({"train_images": sample.train_images[:300], "train_labels": sample.train_labels[:300],
                                "test_images": sample.test_images[:100], "test_labels": sample.test_labels[:100]}))
    return str(path)


@pytest.fixture()
def small(few_images):
    """A recipe that takes a second: 300 images, 40 hidden neurons, 3 epochs."""
    return Recipe(data=few_images, hidden=(40,), epochs=3, batch=50, substeps=2)


def without_timing(folder):
    results = json.loads((folder / "results.json").read_text())
    results.pop("timing")
    return results


def final_weights(folder):
    _, progress = load_checkpoint(checkpoints(folder)[-1])
    return [*parameters(progress.network.layers), *progress.adam.first, *progress.adam.second]


def assert_same_run(one, other):
    assert without_timing(one) == without_timing(other)
    for a, b in zip(final_weights(one), final_weights(other)):
        np.testing.assert_array_equal(a, b)


def alone(recipe, network, images, labels):
    """A crew of this process alone for a run on these images, which are evaluated on too."""
    return Crew(*members(recipe, Substrate(recipe, network), Split(images, labels, images, labels), workers=1))


class StopAfter(Silence):
    """A report that behaves like Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch, images):
        self.stop = (epoch, images)

    def batch(self, epoch, done, total):
        if (epoch, done) == self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("changes", [{}, {"substrate": "ideal"}, {"hidden": (30, 20), "rotation": 0.0, "dropout": 0.0}])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_run_that_is_stopped_and_resumed_has_the_same_bits(small, tmp_path, changes, epoch):
    recipe = replace(small, **changes)
    train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", report=StopAfter(epoch, 150))
    train(recipe, tmp_path / "stopped", resume=epoch > 1)      # stopped in its first epoch, a run has nothing to resume
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_killed_process_leaves_a_run_that_goes_on_to_the_same_bits(small, tmp_path):
    recipe = replace(small, epochs=6)
    arguments = ["--data", recipe.data, "--hidden", "40", "--epochs", "6", "--batch", "50", "--substeps", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1])}
    command = [sys.executable, "-m", "refsnn", "train", *arguments, "--out", str(tmp_path / "killed")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while len(checkpoints(tmp_path / "killed")) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    train(recipe, tmp_path / "whole")
    assert main(["train", "--resume", "--out", str(tmp_path / "killed")]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_ctrl_c_is_one_line_with_two_processes(small, tmp_path):
    command = [sys.executable, "-m", "refsnn", "train", "--data", small.data, "--hidden", "40", "--epochs", "999", "--workers", "2",
               "--out", str(tmp_path / "stopped")]
    environment = os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1])}
    # as from a terminal: to both processes, which a shell leaves to hear it
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)) as process:
        deadline = time.monotonic() + 60
        while len(checkpoints(tmp_path / "stopped")) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        heard = process.stderr.read()
    assert process.returncode == 130
    assert heard.strip().startswith("refsnn: stopped") and "\n" not in heard.strip()


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(small, tmp_path, capsys):
    train(small, tmp_path / "whole")
    train(small, tmp_path / "damaged")
    newest = checkpoints(tmp_path / "damaged")[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.raises(DataError, match=newest.name):
        load_checkpoint(newest)
    assert main(["train", "--resume", "--out", str(tmp_path / "damaged")]) == 0
    assert newest.name in capsys.readouterr().err
    assert_same_run(tmp_path / "whole", tmp_path / "damaged")


@pytest.mark.long
def test_any_single_bit_flip_in_a_checkpoint_is_noticed_or_harmless(small, tmp_path):
    train(replace(small, epochs=1, hidden=(3,)), tmp_path)
    path = checkpoints(tmp_path)[0]
    sound = path.read_bytes()
    before = final_weights(tmp_path)
    for position in np.random.default_rng(0).integers(0, len(sound) * 8, 2000):
        content = bytearray(sound)
        content[position // 8] ^= 1 << (position % 8)
        path.write_bytes(content)
        try:
            _, progress = load_checkpoint(path)
        except DataError:
            continue
        for a, b in zip(before, parameters(progress.network.layers)):      # a flip in the archive's time stamps, say
            np.testing.assert_array_equal(a, b)


def test_a_folder_with_a_run_is_not_overwritten(small, tmp_path):
    train(small, tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(DataError, match="holds a run already"):
        train(small, tmp_path)
    with pytest.raises(RangeError, match="seed 0, not 1"):
        train(replace(small, seed=1), tmp_path, resume=True)
    assert (tmp_path / "results.json").read_bytes() == before


def test_results_hold_settings_accuracy_spikes_and_the_chips_cost(small, tmp_path):
    results = train(replace(small, evaluate_every=2), tmp_path)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert results["recipe"]["seed"] == 0 and results["versions"]["numpy"] == np.__version__
    assert [("accuracy" in record) for record in results["history"]] == [False, True, True]
    assert results["accuracy"] == results["history"][-1]["accuracy"] > 0.2 and results["hidden_spikes"] > 0
    assert round(results["chip"]["inference_joules_per_image"] * 1e6, 2) == 2.36
    assert results["chip"]["training_seconds"] == pytest.approx(3 * 300 * 200e-6)
    assert len(results["timing"]["epoch_seconds"]) == 3


@pytest.mark.parametrize("text", ["[", "null", "{}", '{"history": 3}'])
def test_a_damaged_results_file_is_named_when_its_run_goes_on_and_not_written_over_without(text, small, tmp_path, capsys):
    train(small, tmp_path)
    whole, path = without_timing(tmp_path), tmp_path / "results.json"
    path.write_text(text)
    assert main(["train", "--resume", "--out", str(tmp_path)]) == 0
    assert "results.json: " in (said := capsys.readouterr().err) and "written anew" in said and without_timing(tmp_path) == whole
    for checkpoint in checkpoints(tmp_path):
        checkpoint.unlink()
    with pytest.raises(DataError, match="without its checkpoints"):
        train(small, tmp_path)
    path.write_text(text)
    with pytest.raises(DataError, match="results.json"):
        train(small, tmp_path)
    assert path.read_text() == text


def test_no_file_of_a_run_is_opened_under_its_own_name_to_be_written(small, tmp_path):
    """Each is renamed when it is whole."""
    opened = []
    sys.addaudithook(lambda event, args: opened.append((str(args[0]), args[2])) if event == "open" and listening else None)
    listening = True
    train(small, tmp_path)
    listening = False
    written = [name for name, flags in opened if name.startswith(str(tmp_path)) and flags & (os.O_WRONLY | os.O_RDWR)]
    assert len(written) >= 7 and not [name for name in written if name.endswith((".json", ".npz"))]


def test_training_without_standard_output_is_training(few_images, tmp_path):
    arguments = [sys.executable, "-m", "refsnn", "train", "--data", few_images, "--epochs", "1", "--hidden", "20", "--out", str(tmp_path / "run")]
    code = "import os, subprocess, sys; os.close(1); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"") and json.loads((tmp_path / "run" / "results.json").read_text())["finished"]


def test_two_runs_cannot_share_a_folder(small, tmp_path):
    with claimed(tmp_path / "run"), pytest.raises(DataError, match="in use by another run"):
        train(small, tmp_path / "run")
    train(small, tmp_path / "run")                                # free again


def test_runs_without_a_folder_get_one_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with claimed(None) as one, claimed(None) as other:
        assert (one.name, other.name) == ("001", "002")


def test_a_run_is_not_resumed_on_other_data(small, few_images, tmp_path):
    recipe = replace(small, data=str(tmp_path / "few.npz"))
    sample = load()
    for first in (0, 300):
        arrays = {"train_images": sample.train_images[first:first + 300], "train_labels": sample.train_labels[first:first + 300],
                  "test_images": sample.test_images[:100], "test_labels": sample.test_labels[:100]}
        (tmp_path / "few.npz").write_bytes(npz_bytes(arrays))
        if first == 0:
            train(recipe, tmp_path / "run")
    with pytest.raises(RangeError, match="data_sha256"):
        train(recipe, tmp_path / "run", resume=True)


@pytest.mark.parametrize("change", [
    lambda arrays, description: arrays.pop("first_0"),
    lambda arrays, description: [arrays.pop(name) for name in list(arrays) if name.startswith("weight")],
    lambda arrays, description: arrays.update(first_0=np.zeros((1, 1), np.float32)),
    lambda arrays, description: description.update(adam_step="x"),
    lambda arrays, description: description.update(history=[]),
    lambda arrays, description: description.update(seconds=[1.0] * 7),
    lambda arrays, description: description.pop("recipe"),
    lambda arrays, description: arrays.update(first_0=np.full_like(arrays["first_0"], np.nan)),
    lambda arrays, description: arrays.update(first_0=arrays["first_0"].astype(float)),
    lambda arrays, description: arrays.update(second_0=-np.ones_like(arrays["second_0"])),
])
def test_a_checkpoint_whose_parts_do_not_belong_together_is_refused(small, tmp_path, change):
    train(replace(small, epochs=1), tmp_path)
    path = checkpoints(tmp_path)[0]
    arrays = read_npz(path)
    description = json.loads(bytes(arrays["description"]))
    arrays.pop("sha256")
    change(arrays, description)
    arrays["description"] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    path.write_bytes(npz_bytes(arrays | {"sha256": digest(arrays)}))
    with pytest.raises(DataError, match=path.name):
        load_checkpoint(path)


def test_the_preset_counts_when_a_run_is_resumed(small, few_images, tmp_path, capsys):
    train(small, tmp_path)
    assert main(["train", "--resume", "--out", str(tmp_path), "--preset", "published"]) == 2
    assert "epochs 3, not 100" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"rotation": 0.0}, {"shift": 0.0}, {"dropout": 0.2}, {"burst": 0.1}, {"rate": 1e-3}, {"slope": 50.0},
                                     {"spike_aware": False}, {"variation": "uncalibrated"}, {"substeps": 3}, {"seed": 1}, {"batch": 60}])
def test_every_setting_of_the_recipe_has_an_effect(small, changes):
    def trained(recipe):
        sample = load()
        images, labels = sample.train_images[:300], sample.train_labels[:300]
        progress = start(recipe, images, labels)
        busy = progress.network.with_parameters([20 * array for array in parameters(progress.network.layers)])
        return alone(recipe, busy, images, labels).call("train_epoch", busy, progress.adam, 0)[0].layers[0].W

    assert np.abs(trained(replace(small, **changes)) - trained(small)).max() > 1e-6


def test_the_schedule_reaches_the_learning_rate():
    assert Recipe(schedule="cosine", epochs=4, rate=0.1).learning_rate(2) == pytest.approx(0.05)
    assert Recipe(schedule="exponential", epochs=4, rate=0.1).learning_rate(2) == pytest.approx(0.1 * 0.97**2)


def test_a_recipe_holds_plain_numbers(small):
    recipe = Recipe(hidden=[np.int64(5)], seed=np.int32(3), rate=np.float32(0.5))
    assert recipe.hidden == (5,) and type(recipe.seed) is int and type(recipe.rate) is float
    json.dumps({"hidden": recipe.hidden, "seed": recipe.seed, "rate": recipe.rate})


def test_only_the_newest_two_checkpoints_are_kept_and_nothing_temporary(small, tmp_path):
    train(small, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0002.npz", "checkpoint-0003.npz", "results.json"]


def test_held_out_images_are_not_trained_on_and_the_test_set_is_not_touched():
    sample = load()
    data = split(Recipe(holdout=2000), sample)
    np.testing.assert_array_equal(data.images, sample.train_images[:8000])
    np.testing.assert_array_equal(data.evaluation_images, sample.train_images[8000:])
    with pytest.raises(RangeError, match="holdout"):
        split(Recipe(holdout=10000), sample)


def test_a_class_to_be_evaluated_of_which_there_is_no_image_to_train_on_is_refused():
    images = np.zeros((4, 2, 2), np.uint8)
    data = Dataset("few", images, np.array([0, 2, 1, 3]), images[:2], np.array([3, 0]))
    assert split(Recipe(), data).evaluation_labels.tolist() == [3, 0]
    assert split(Recipe(holdout=2), replace(data, train_labels=np.array([0, 2, 1, 2]))).evaluation_labels.tolist() == [1, 2]
    for recipe, test_labels in ((Recipe(), np.array([0, 4])), (Recipe(holdout=1), np.array([0, 1]))):
        with pytest.raises(RangeError, match=f"class {3 if recipe.holdout else 4} to be evaluated, and none above class {2 if recipe.holdout else 3}"):
            split(recipe, replace(data, test_labels=test_labels))


def test_the_published_recipe_is_the_papers():
    recipe = Recipe(**PRESETS["published"])
    assert (recipe.epochs, recipe.batch, recipe.rate, recipe.schedule) == (100, 100, 1.5e-3, "exponential")
    assert recipe.surrogate.slope == 50 and not recipe.surrogate.spike_aware and recipe.burst == 5e-4
    assert recipe.learning_rate(2) == 1.5e-3 * 0.97**2


@pytest.mark.parametrize(("substrate", "variation"), [("chip", "calibrated"), ("chip", "ideal"), ("ideal", "calibrated")])
def test_the_published_recipe_leaves_its_dead_start_and_learns(substrate, variation):
    sample = load()
    recipe = Recipe(**PRESETS["published"] | {"substrate": substrate, "variation": variation, "substeps": 2, "rate": 5e-3})
    images, labels = sample.train_images[:1000], sample.train_labels[:1000]
    progress = start(recipe, images, labels)
    crew, network, adam = alone(recipe, progress.network, images, labels), progress.network, progress.adam
    for epoch in range(3):
        network, adam, _ = crew.call("train_epoch", network, adam, epoch)
    accuracy, spikes = crew.call("evaluate", network, 3)
    assert accuracy > 0.6 and spikes > 1      # 0.1 is chance, and where a dead start stays


@pytest.mark.parametrize("changes", [{}, pytest.param({"batch": 1}, marks=pytest.mark.long), {"dropout": 0.3, "batch": 99}, {"substrate": "ideal"}])
def test_the_results_do_not_depend_on_the_number_of_processes(small, changes, tmp_path):
    recipe = replace(small, epochs=2, **changes)
    if recipe.batch == 1:                                     # one part of every batch is empty
        recipe = replace(recipe, epochs=1, hidden=(5,))
    for workers in (1, 2, 4):
        train(recipe, tmp_path / str(workers), workers=workers)
    assert_same_run(tmp_path / "1", tmp_path / "2")
    assert_same_run(tmp_path / "1", tmp_path / "4")


def test_the_parts_of_a_batch_have_noise_and_augmentation_of_their_own_but_drop_the_same_units(small):
    class Listener:
        """A substrate that keeps the noise it would have added, and sees nothing."""

        def __init__(self):
            self.heard = []

        def forward(self, network, x, rng, training=False):
            self.heard.append(rng.random(4).tolist())
            hidden, readout = (np.zeros((*x.shape[:2], layer.W.shape[1]), np.float32) for layer in network.layers)
            return refsnn.Trace(hidden, hidden), refsnn.Trace(readout)

    recipe = replace(small, dropout=0.5)
    data = split(recipe, load(recipe.data))
    network, found = start(recipe, data.images, data.labels).network, []
    for number in range(SHARDS):
        listener = Listener()
        shard = Shard(recipe, listener, data, number)
        for epoch in (0, 1):
            shard.begin(epoch)
            found.append(("augmentation", epoch, shard.augmentation.random(4).tolist()))
            found.append(("dropout", epoch, shard.dropout.random(4).tolist()))
            shard.step(network, 0)
            found.append(("noise", epoch, listener.heard[-1]))
            shard.evaluate(network, epoch)
            found.append(("evaluation", epoch, listener.heard[-1]))
    own, shared = ([tuple(draws) for name, _, draws in found if (name == "dropout") == dropped] for dropped in (False, True))
    assert len(set(own)) == len(own) == 6 * SHARDS and len(set(shared)) == 2 and shared[:2] == shared[2:]


def test_every_epoch_takes_each_image_once_in_another_order(small):
    recipe = replace(small, batch=7)
    data, orders = split(recipe, load(recipe.data)), []
    for epoch in (0, 1):
        shards = [Shard(recipe, None, data, number) for number in range(SHARDS)]
        for shard in shards:
            shard.begin(epoch)
        batches = [np.concatenate(parts) for parts in zip(*(shard.batches for shard in shards), strict=True)]
        assert [len(batch) for batch in batches] == [7] * 42 + [6]
        orders.append(np.concatenate(batches).tolist())
        assert sorted(orders[-1]) == list(range(300)) != orders[-1]
    assert orders[0] != orders[1]


def test_the_gradient_of_a_batch_is_the_mean_over_its_images(small, monkeypatch):
    """Not that over its parts, of which one may have an image more, or none; nor are the sums of an epoch."""
    class Part:
        """A part of two batches, of so many images, with a constant gradient."""

        recipe, data, batches = replace(small, batch=7), Split(*(np.zeros(11) for _ in range(4))), [0, 1]

        def __init__(self, number, counts, value):
            self.number, self.counts, self.value = number, counts, value

        def begin(self, epoch):
            assert epoch == 2

        def step(self, network, index):
            count = self.counts[index]
            return [np.array([count, count * self.value, count, 3 * count]), *(np.full_like(array, self.value) for array in parameters(network.layers))]

    def noted(network, gradient, adam, rate):
        seen.append([np.unique(layer.W).tolist() for layer in gradient])
        return network, adam

    monkeypatch.setattr(training, "update", noted)
    progress, seen = start(small, np.zeros((1, 16, 16), np.uint8), np.array([9])), []
    parts = [Part(0, [4, 4], 1.0), Part(1, [3, 0], 8.0)]
    _, _, means = training.Member(parts).train_epoch(lambda parts: parts, progress.network, progress.adam, 2)
    assert seen[0] == [[pytest.approx(4.0)]] * 2 and seen[1] == [[1.0]] * 2
    assert means == {"loss": pytest.approx((4 + 24 + 4) / 11), "train_accuracy": 1.0, "train_hidden_spikes": 3.0}


def test_the_noise_that_breaks_ties_is_for_training_without_noise_of_its_own(small):
    data = split(small, load(small.data))
    network, x = start(small, data.images, data.labels).network, encode_events(data.images[:20], dtype=np.float32)
    for changes, tied in (({"substrate": "ideal"}, True), ({"variation": "ideal"}, True), ({}, False)):
        substrate = Substrate(replace(small, **changes), network)
        plain, training_, again = (substrate.forward(network, x, np.random.default_rng(1), training)[-1].membrane for training in (False, True, False))
        np.testing.assert_array_equal(plain, again)
        difference = (training_ - plain).std()
        assert 0.9e-5 < difference < 1.1e-5 if tied else difference == 0


def test_of_several_layers_only_the_readout_gets_that_noise(small):
    recipe = replace(small, substrate="ideal", hidden=(12, 10))
    data = split(recipe, load(recipe.data))
    network, x = start(recipe, data.images, data.labels).network, encode_events(data.images[:20], dtype=np.float32)
    plain, noisy = (Substrate(recipe, network).forward(network, x, np.random.default_rng(1), training) for training in (False, True))
    assert [np.array_equal(one.membrane, other.membrane) for one, other in zip(plain, noisy)] == [True, True, False]


@pytest.mark.parametrize(("rotation", "shift", "calls"), [(0.0, 0.0, 0), (20.0, 0.0, 1), (0.0, 1.5, 1)])
def test_images_are_augmented_if_they_are_turned_or_moved(rotation, shift, calls, small, monkeypatch):
    found, rotate = [], training.rotate
    monkeypatch.setattr(training, "rotate", lambda images, *given: found.append(given) or rotate(images, *given))
    recipe = replace(small, rotation=rotation, shift=shift)
    data = split(recipe, load(recipe.data))
    network = start(recipe, data.images, data.labels).network
    shard = Shard(recipe, Substrate(recipe, network), data, 0)
    shard.begin(0)
    shard.step(network, 0)
    assert len(found) == calls and all(degrees.any() == (rotation > 0) and shifts.any() == (shift > 0) for degrees, shifts in found)


def test_batches_of_one_image_leave_a_part_without_any(small, few_images):
    data = load(few_images)
    images, labels = data.train_images[:3], data.train_labels[:3]
    recipe = replace(small, batch=1)
    progress = start(recipe, images, labels)
    network, _, means = alone(recipe, progress.network, images, labels).call("train_epoch", progress.network, progress.adam, 0)
    assert means["loss"] > 0 and not np.array_equal(network.layers[0].W, progress.network.layers[0].W)


def test_ten_thousand_classes_are_the_most(small):
    images = np.zeros((2, 2, 2), np.uint8)
    assert start(small, images, np.array([0, 9_999])).network.layers[-1].W.shape == (40, 10_000)
    with pytest.raises(RangeError, match="classes"):
        start(small, images, np.array([0, 10_000]))


def test_a_decision_is_by_the_maximum_over_time():
    V = np.zeros((4, 2, 3))
    V[1, 0, 2], V[3, 0, 1], V[2, 1, 0] = 2.0, 1.0, 0.5
    S = np.zeros((4, 2, 5))
    S[1, 0, :3] = 1
    assert judged((refsnn.Trace(S, S), refsnn.Trace(V)), np.array([2, 1])) == (1, 3.0)


def test_images_are_turned_and_moved_to_every_side(small, monkeypatch):
    def noted(images, degrees, shifts):
        drawn.append((degrees, shifts))
        return images

    monkeypatch.setattr(training, "rotate", noted)
    recipe, drawn = replace(small, rotation=20.0, shift=1.5, batch=300), []
    data = split(recipe, load(recipe.data))
    network = start(recipe, data.images, data.labels).network
    shard = Shard(recipe, Substrate(recipe, network), data, 0)
    shard.begin(0)
    shard.step(network, 0)
    (degrees, shifts), = drawn
    assert degrees.shape == (150,) and shifts.shape == (150, 2)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.3
    for draws, high in ((degrees, 20), *((shift, 1.5) for shift in shifts.T)):
        assert -high <= draws.min() < -0.9 * high and 0.9 * high < draws.max() <= high and abs(draws.mean()) < 0.2 * high
    rng = np.random.default_rng([recipe.seed, 3, 0, 0])                  # another stream, or another order, would change what every seed gives
    np.testing.assert_array_equal(degrees, rng.uniform(-20, 20, 150))
    np.testing.assert_array_equal(shifts, rng.uniform(-1.5, 1.5, (150, 2)))


@pytest.mark.parametrize(("purpose", "number"), [("weights", 0), ("chip", 1), ("order", 2), ("augmentation", 3), ("noise", 4), ("evaluation", 5),
                                                 ("calibration", 6), ("dropout", 7)])
def test_a_seed_gives_the_streams_that_it_always_gave(purpose, number):
    for epoch, shard in ((0, 0), (3, 0), (3, 1)):
        drawn = Recipe(seed=11).generator(purpose, epoch, shard).random(5)
        np.testing.assert_array_equal(drawn, np.random.default_rng([11, number, epoch, shard]).random(5))


def test_dropped_units_get_no_gradient_from_the_losses_of_spikes(small):
    """Nor do they pass any on: the gradient is that of the network that ran."""
    recipe = replace(small, dropout=0.5, batch=300, burst=0.0)
    data = split(recipe, load(recipe.data))
    network = start(recipe, data.images, data.labels).network
    network = network.with_parameters([8 * network.layers[0].W, network.layers[1].W])
    shard = Shard(recipe, Substrate(recipe, network), data, 0)
    shard.begin(0)
    _, _, dW_readout = shard.step(network, 0)
    kept = recipe.generator("dropout", 0).random(40) >= 0.5
    changed = np.abs(dW_readout).max(axis=1) > 0
    assert 10 < kept.sum() < 30 and not changed[~kept].any() and changed[kept].mean() > 0.5
    _, dW, _ = shard_gradient = shard.step(network.with_parameters([network.layers[0].W, np.ones_like(network.layers[1].W)]), 0)
    assert len(shard_gradient) == 3 and (np.abs(dW).max(axis=0) > 0).sum() <= 30


def test_weights_and_chip_are_drawn_from_streams_of_their_own(small):
    """And their numbers stay, or a seed would mean another network."""
    network = start(small, np.zeros((1, 16, 16), np.uint8), np.array([9])).network
    expected = refsnn.Network.initialise(np.random.default_rng([0, 0, 0, 0]), (256, 40, 10), dtype=np.float32)
    np.testing.assert_array_equal(network.layers[0].W, expected.layers[0].W)
    chip = refsnn.Chip.sample(np.random.default_rng([0, 1, 0, 0]), network, refsnn.Variation.calibrated())
    np.testing.assert_array_equal(Substrate(small, network).chip.pattern[0].tau_mem, chip.pattern[0].tau_mem)


def test_a_setting_that_only_one_of_two_recipes_has_is_a_difference():
    for saved, now in (({"rate": 1, "old": 2}, {"rate": 1}), ({"rate": 1}, {"rate": 1, "new": 2})):
        with pytest.raises(RangeError, match="old 2, not None|new None, not 2"):
            require_same(saved, now, "folder")
    require_same({"rate": 1}, {"rate": 1}, "folder")


def test_a_crew_exchanges_arrays_and_passes_failures_on():
    layout, arrays = [np.zeros(4), np.zeros((2, 3), np.float32)], [[np.full(4, n), np.full((2, 3), n, np.float32)] for n in (5.0, 7.0)]
    with crew_of([Troublesome(number, arrays[number]) for number in range(2)], layout, range(2)) as crew:
        for times in (1, 2, 3, 8):                            # both places of the shared memory, in turn
            for number, own in sorted(crew.call("add_up", times).items()):
                for got, expected in zip(own, arrays[number]):
                    np.testing.assert_array_equal(got, sum(range(1, times + 1)) * expected)
                    assert got.dtype == expected.dtype
        assert [len(own) for own in crew.call("add_up", 1, 1).values()] == [1, 1]      # fewer arrays than the layout has


@pytest.mark.parametrize("number", [0, 1])
def test_what_fails_in_either_process_of_a_crew_is_raised_in_the_first(number):
    with crew_of([Troublesome(0, [np.zeros(1)]), Troublesome(1, [np.zeros(1)])], [np.zeros(1)], range(2)) as crew:
        with pytest.raises(RangeError, match=f"member {number} failed"):
            crew.call("fail", number)


def test_a_process_that_dies_is_an_error():
    with crew_of([Troublesome(0, [np.zeros(1)]), Troublesome(1, [np.zeros(1)])], [np.zeros(1)], range(2)) as crew:
        with pytest.raises(DataError, match="process"):
            crew.call("leave")


@pytest.mark.long
def test_the_default_recipe_reaches_94_5_percent_in_the_loop(tmp_path):
    assert train(Recipe(), tmp_path)["accuracy"] >= 0.945


@pytest.mark.parametrize(("changes", "error"), [
    ({"substrate": "gpu"}, RangeError), ({"schedule": "step"}, RangeError), ({"variation": "perfect"}, RangeError),
    ({"epochs": 0}, RangeError), ({"epochs": 1.5}, DtypeError), ({"hidden": ()}, RangeError), ({"hidden": (0,)}, RangeError),
    ({"rotation": -1.0}, RangeError), ({"dropout": 1.0}, RangeError), ({"burst": float("nan")}, RangeError), ({"rate": -1.0}, RangeError),
    ({"slope": 0.0}, RangeError), ({"seed": -1}, RangeError), ({"data": 5}, DtypeError), ({"spike_aware": "yes"}, DtypeError),
    ({"calibrate": True, "substrate": "ideal"}, RangeError), ({"parts": True, "substrate": "ideal"}, RangeError), ({"parts": True, "calibrate": True}, RangeError),
    ({"calibrate": 1}, DtypeError), ({"parts": 1}, DtypeError),
])
def test_a_setting_that_means_nothing_is_refused(changes, error):
    with pytest.raises(error, match=next(iter(changes))):
        Recipe(**changes)


@pytest.mark.parametrize(("name", "low", "high"), [
    ("epochs", 1, 9999), ("batch", 1, 10**6), ("substeps", 1, 1000), ("evaluate_every", 1, 9999), ("seed", 0, 2**63), ("holdout", 0, 2**53),
    ("rotation", 0.0, 180.0), ("shift", 0.0, 16.0), ("dropout", 0.0, 0.99), ("burst", 0.0, 1e3), ("rate", 0.0, 1.0), ("sample_offset", 0.0, 1.0),
    ("spike_shift", -1.0, 1.0), ("slope", 1e-6, 1e6),
])
def test_a_setting_is_taken_within_its_bounds_and_refused_outside(name, low, high):
    for value in (low, high):
        assert getattr(Recipe(**{name: value}), name) == value
    for value in (low - 1, high + 1) if isinstance(low, int) else (np.nextafter(low, -np.inf), np.nextafter(high, np.inf)):
        with pytest.raises(RangeError, match=name):
            Recipe(**{name: value})


def test_a_layer_has_up_to_a_hundred_thousand_neurons():
    assert Recipe(hidden=(1, 100_000)).hidden == (1, 100_000)
    with pytest.raises(RangeError, match="hidden"):
        Recipe(hidden=(1, 100_001))


def test_what_goes_together_is_taken():
    for changes in ({"calibrate": True}, {"parts": True}, {"substrate": "ideal"}):
        recipe = Recipe(**changes)
        assert all(getattr(recipe, name) == value for name, value in changes.items())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--epochs", "0"], "RangeError: epochs is 0"),
    (["--dropout", "2"], "RangeError: dropout"),
    (["--data", "nowhere.npz"], "DataError: nowhere.npz"),
    (["--data", "nowhere"], "DataError: nowhere is no folder"),
    (["--resume", "--out", "nowhere"], "DataError: nowhere holds no checkpoint"),
    (["--holdout", "10000"], "RangeError: holdout"),
    (["--rate", "nan"], "RangeError: rate"),
    (["--rate", "1e300"], "RangeError: rate"),
    (["--hidden", "100000000000000000000"], "RangeError: hidden"),
    (["--hidden", "500"], "ShapeError: the network has 510 neurons"),
    (["--data", ""], "DtypeError: data"),
    (["--out", "a_file", "--epochs", "1"], "Error"),
])
def test_the_command_line_says_one_line_and_exits_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a_file").write_text("")
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_file"]


@pytest.mark.parametrize("arguments", [["train", "--wings", "2"], ["train", "--epochs", "1e3"], ["train", "--preset", "foo"], ["fly"], [],
                                       ["train", "--out", ""]])
def test_arguments_that_cannot_be_parsed_are_one_line_and_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("refsnn.__main__.train", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["train", "--out", str(tmp_path / "run")]) == 130
    assert "--resume" in capsys.readouterr().err


def test_the_command_line_trains_reports_and_numbers_its_folders(few_images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--data", few_images, "--hidden", "20", "10", "--epochs", "1", "--substeps", "1", "--no-spike-aware"]
    assert main(["train", *options]) == 0 and main(["train", *options]) == 0 and main(["train", "--resume"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"epoch +1/1  loss \d", out) and "test accuracy on the chip" in out and "11.8 us" in out and "2.36 uJ" in out
    assert sorted(path.name for path in Path("refsnn-runs").iterdir()) == ["001", "002"]
    results = [json.loads(Path(f"refsnn-runs/{run}/results.json").read_text()) for run in ("001", "002")]
    assert results[0]["recipe"]["hidden"] == [20, 10] and results[0]["history"] == results[1]["history"]


@pytest.mark.long
def test_the_results_do_not_depend_on_the_threads_of_blas(tmp_path):
    for threads, workers in ((2, 1), (1, 2)):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads), "PYTHONPATH": str(Path(refsnn.__file__).parents[1])}
        command = [sys.executable, "-c", "import sys; from refsnn.__main__ import main; sys.exit(main(sys.argv[1:]))",
                   "train", "--epochs", "1", "--substeps", "1", "--holdout", "9000", "--workers", str(workers), "--out", str(tmp_path / str(threads))]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    assert_same_run(tmp_path / "1", tmp_path / "2")


def test_a_script_that_its_processes_cannot_import_gets_an_error(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from refsnn.runs import train\nfrom refsnn.training import Recipe\ntrain(Recipe(epochs=1, substeps=1), 'run', workers=2)\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1])},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "__main__" in done.stderr.splitlines()[-1] and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("change", "message"), [
    (lambda description: description["recipe"].update(colour="red"), "differ in colour; another version"),
    (lambda description: description["recipe"].pop("slope"), "differ in slope; another version"),
    (lambda description: description.update(history=[1]), "record of its history is int 1"),
    (lambda description: description.update(seconds=["a"]), "seconds is str 'a'"), (lambda description: description.update(seconds=[10**400]), "seconds is an integer"),
    (lambda description: description.update(seconds=[float("nan")]), "seconds is nan"), (lambda description: description["history"][0].update(loss=float("inf")), "loss is inf"),
    (lambda description: [description["history"][0].pop(name) for name in ("accuracy", "hidden_spikes")], "last epoch was not evaluated"),
    (lambda description: description["history"][0].pop("accuracy"), "only one of accuracy and hidden_spikes"),
    (lambda description: description["history"][0].pop("loss"), "no 'loss' in it"),
    (lambda description: description["history"][0].update(hidden_spikes=None), "hidden_spikes is NoneType None"),
    (lambda description: description["history"][0].update(epoch=2), "record of epoch 1 says that it is of epoch 2"),
    (lambda description: description["history"][0].update(accuracy=1.5), "accuracy is 1.5"),
    (lambda description: description["history"][0].update(loss=-1), "loss is -1"),
])
def test_a_checkpoint_of_another_version_is_named(change, message, small, tmp_path, capsys):
    train(replace(small, epochs=1), tmp_path)
    path = checkpoints(tmp_path)[0]
    arrays = {name: array for name, array in read_npz(path).items() if name != "sha256"}
    description = json.loads(bytes(arrays["description"]))
    change(description)
    arrays["description"] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    path.write_bytes(npz_bytes(arrays | {"sha256": digest(arrays)}))
    for command in (["train", "--resume", "--out", str(tmp_path)], ["show", "--run", str(tmp_path)]):
        assert main(command) == 2
        assert message in capsys.readouterr().err


def test_the_accuracy_of_a_run_is_that_of_its_newest_evaluation_not_of_its_best():
    history = [{"accuracy": 0.9, "hidden_spikes": 3.0}, {"accuracy": 0.8, "hidden_spikes": 2.0}, {"loss": 1.0}]
    assert newest_evaluation(history) == {"accuracy": 0.8, "hidden_spikes": 2.0}
    assert newest_evaluation(history[2:]) == {"accuracy": None, "hidden_spikes": None}


def test_a_digest_is_over_names_dtypes_shapes_and_bytes():
    array = np.arange(6, dtype=np.float32)
    found = {digest(arrays).tobytes() for arrays in ({"a": array}, {"b": array}, {"a": array.reshape(2, 3)}, {"a": array.view(np.int32)}, {"a": array + 1})}
    assert len(found) == 5


def test_before_the_first_epoch_the_chip_has_spent_nothing_on_training(small, tmp_path):
    class Stops(Silence):
        def batch(self, epoch, done, total):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small, tmp_path, report=Stops())
    results = json.loads((tmp_path / "results.json").read_text())
    assert not results["finished"] and results["accuracy"] is None and results["chip"]["training_seconds"] == results["chip"]["training_joules"] == 0


def test_the_sha256_of_a_split_is_over_all_four_arrays():
    arrays = [np.zeros((2, 3, 3), np.uint8), np.zeros(2, int), np.zeros((2, 3, 3), np.uint8), np.zeros(2, int)]
    changed = [[array + (place == index) for place, array in enumerate(arrays)] for index in range(5)]
    assert len({Split(*own).sha256() for own in changed}) == 5
