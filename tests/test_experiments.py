"""Experiments: a sweep goes on where it was stopped, in any executor; every experiment runs and reports all its runs."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from troublesome import die

import refsnn.experiments.sweep as sweeping
from refsnn import DataError, RangeError, ShapeError, Variation
from refsnn.__main__ import main
from refsnn.datasets import load
from refsnn.experiments import ablation, surrogate
from refsnn.experiments.reproduce import EXPERIMENTS, FIXED, reproduce
from refsnn.experiments.sweep import Serial, processes, sweep
from refsnn.files import npz_bytes, read_npz
from refsnn.spec import Network, encode
from refsnn.training import Recipe


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A recipe of a tenth of a second."""
    sample = load()
    path = tmp_path_factory.mktemp("data") / "few.npz"
    path.write_bytes(npz_bytes({"train_images": sample.train_images[:100], "train_labels": sample.train_labels[:100],
                                "test_images": sample.test_images[:50], "test_labels": sample.test_labels[:50]}))
    return Recipe(data=str(path), hidden=(20,), epochs=1, batch=50, substeps=2)


def figures(runs):
    return {label: [(result["accuracy"], result["hidden_spikes"]) for result in own.results] for label, own in runs.items()}


def test_a_sweep_gives_the_same_in_any_executor_and_repeats_nothing(base, tmp_path, monkeypatch):
    jobs = {"one": base, "two, other": replace(base, substrate="ideal")}
    serial = sweep(jobs, [0, 1], tmp_path / "serial", Serial())
    with ThreadPoolExecutor(2) as threads:
        assert figures(sweep(jobs, [0, 1], tmp_path / "threads", threads)) == figures(serial)
    with processes(2) as executor:
        assert figures(sweep(jobs, [0, 1], tmp_path / "processes", executor)) == figures(serial)
    monkeypatch.setattr(sweeping, "train", lambda *arguments, **named: pytest.fail("a finished run was done again"))
    assert figures(sweep(jobs, [0, 1], tmp_path / "serial", Serial())) == figures(serial)
    mean, spread = serial["one"].figure("accuracy")
    values = [result["accuracy"] for result in serial["one"].results]
    assert mean == pytest.approx(np.mean(values)) and spread == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))


def test_a_stopped_sweep_goes_on(base, tmp_path, monkeypatch):
    jobs, trained, whole = {"one": replace(base, epochs=2), "two": base}, [], sweeping.train

    def stopping(recipe, folder, resume):
        trained.append(folder.parent.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return whole(recipe, folder, resume)

    monkeypatch.setattr(sweeping, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        sweep(jobs, [0], tmp_path, Serial())
    sweep(jobs, [0], tmp_path, Serial())
    assert trained == ["one", "two", "two"]


def test_a_folder_of_another_sweep_or_of_other_data_is_refused(base, tmp_path):
    data = tmp_path / "own.npz"
    data.write_bytes(Path(base.data).read_bytes())
    base = replace(base, data=str(data))
    sweep({"one": base}, [0], tmp_path, Serial())
    with pytest.raises(RangeError, match="rate"):
        sweep({"one": replace(base, rate=1e-3)}, [0], tmp_path, Serial())
    arrays = read_npz(data)
    data.write_bytes(npz_bytes(arrays | {"train_images": arrays["train_images"][::-1]}))
    with pytest.raises(RangeError, match="data_sha256"):
        sweep({"one": base}, [0], tmp_path, Serial())


@pytest.mark.parametrize("text", ["garbage", "{}", "[]", '{"recipe": 5}'])
def test_a_damaged_results_file_is_named(base, text, tmp_path):
    (tmp_path / "one" / "seed-0").mkdir(parents=True)
    (tmp_path / "one" / "seed-0" / "results.json").write_text(text)
    with pytest.raises(DataError, match="results.json"):
        sweep({"one": base}, [0], tmp_path, Serial())


@pytest.mark.parametrize(("jobs", "seeds", "error"), [
    (lambda base: {"one": base}, [0, 0], RangeError), (lambda base: {"one": base}, [], RangeError), (lambda base: {"one": base}, [0, -1], RangeError),
    (lambda base: {"one": base, "two": replace(base, hidden=(300,))}, [0], ShapeError),
    (lambda base: {"one": base, "two": replace(base, sample_offset=1.0)}, [0], RangeError),
])
def test_what_cannot_run_is_found_before_anything_runs(jobs, seeds, error, base, tmp_path):
    with pytest.raises(error):
        sweep(jobs(base), seeds, tmp_path, Serial())
    assert not list(tmp_path.iterdir())


def test_a_process_that_dies_is_an_error_of_ours(base, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "run", die)
    with pytest.raises(DataError, match="died"), processes(2) as executor:
        sweep({"one": base}, [0], tmp_path, executor)


@pytest.mark.parametrize("field", FIXED)
def test_what_an_experiment_chooses_cannot_be_chosen(field, base, tmp_path):
    other = {"substrate": "ideal", "variation": "ideal", "calibrate": True, "spike_aware": False}.get(field, 0.5)
    with pytest.raises(RangeError, match=field):
        reproduce("ablation", replace(base, **{field: other}), [0], tmp_path, Serial())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_reports_all_its_runs(name, base, tmp_path, capsys):
    options = ["--data", base.data, "--hidden", "20", "--epochs", "1", "--batch", "50", "--substeps", "2", "--seeds", "4"]
    assert main(["reproduce", name, "--out", str(tmp_path / "out"), *options]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    labels = list(EXPERIMENTS[name].jobs(base))
    assert list(results["runs"]) == labels and results["seeds"] == [4]
    for label in labels:
        assert label in printed and results["runs"][label][0]["recipe"]["seed"] == 4
    assert [row[0] for row in results["table"]][1:len(labels) + 1] == labels


def test_the_ablation_covers_every_imperfection_of_a_calibrated_chip_once():
    calibrated, ideal = Variation.calibrated(), Variation.ideal()
    changed = {name for name in vars(calibrated) if getattr(calibrated, name) != getattr(ideal, name)}
    assert {name for names in ablation.ALONE.values() for name in names} == changed
    jobs = ablation.jobs(Recipe())
    alone = Variation.named(jobs["thresholds alone"].variation)
    assert alone == replace(ideal, threshold=0.031, threshold_shift=0.05)


def test_reach_is_the_sum_of_the_surrogate_over_time():
    network = Network.initialise(np.random.default_rng(0), (256, 30, 10), dtype=np.float32)
    network = network.with_parameters([network.layers[0].W * 8, network.layers[1].W])
    found = surrogate.dissect(network, encode(load().test_images[:20], dtype=np.float32), 4)
    assert found["ideal model"][0] > 1 > found["chip"][0]              # the model's membrane is recorded after the crossing, the chip's before
    assert found["chip, spike-aware"][1] > 1 > found["chip"][1] > found["chip"][2]
    # the membranes are the same, but the bins in which spikes are recorded now show the reset
    assert found["chip, spikes one bin later"][0] < 0.3 < 0.5 < found["chip"][0]


@pytest.mark.parametrize("arguments", [["reproduce", "nonsense", "--out", "x"], ["reproduce", "ablation"], ["reproduce", "ablation", "--out", ""],
                                       ["reproduce", "ablation", "--out", "x", "--workers", "0"],
                                       ["reproduce", "ablation", "--out", "x", "--seeds", "-1"]])
def test_bad_arguments_are_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_an_unknown_experiment_is_named(base, tmp_path):
    with pytest.raises(RangeError, match="nonsense"):
        reproduce("nonsense", base, [0], tmp_path, Serial())


def started_sweep(base, folder):
    """A sweep of long runs in a process group of its own, with two workers at work."""
    command = [sys.executable, "-m", "refsnn", "reproduce", "ablation", "--out", str(folder), "--data", base.data, "--hidden", "20", "--batch", "50",
               "--epochs", "9999", "--substeps", "1", "--seeds", "0", "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(list(folder.glob("*/*/checkpoint-*.npz"))) >= 2)
    return process


def wait_for(condition, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def group_is_gone(group):
    """Whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_sweep_that_is_interrupted_ends_with_one_line(base, tmp_path):
    process = started_sweep(base, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, 2) and len(errors.strip().splitlines()) == 1, errors
    wait_for(lambda: group_is_gone(process.pid))


def test_a_sweep_that_is_killed_leaves_no_process_behind(base, tmp_path):
    process = started_sweep(base, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: group_is_gone(process.pid))
