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
from small_files import digits_file, images_file
from troublesome import die

import refsnn.experiments.sweep as sweeping
from refsnn import DataError, RangeError, ShapeError, Variation
from refsnn.__main__ import main
from refsnn.datasets import load
from refsnn.experiments import ablation, surrogate
from refsnn.experiments.executors import Serial, processes
from refsnn.experiments.figures import MISSING
from refsnn.experiments.reproduce import EXPERIMENTS, FIXED, reproduce, settings
from refsnn.experiments.sweep import measure, sweep
from refsnn.files import npz_bytes, read_npz
from refsnn.runs import checkpoints, last_checkpoint
from refsnn.spec import Network, encode
from refsnn.training import Recipe


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A recipe of a tenth of a second."""
    path = images_file(tmp_path_factory.mktemp("data") / "few.npz", 100, 50)
    return Recipe(data=path, hidden=(20,), epochs=1, batch=50, substeps=2)


def train_with(monkeypatch, function):
    """Have a sweep call `function` where it would train a Recipe."""
    monkeypatch.setitem(sweeping.KINDS, Recipe, replace(sweeping.KINDS[Recipe], train=function))


def figures(runs):
    return {label: [(result["accuracy"], result["hidden_spikes"]) for result in own.results] for label, own in runs.items()}


def test_a_sweep_gives_the_same_in_any_executor_and_repeats_nothing(base, tmp_path, monkeypatch):
    jobs = {"one": base, "two, other": replace(base, substrate="ideal")}
    serial = sweep(jobs, [0, 1], tmp_path / "serial", Serial())
    with ThreadPoolExecutor(2) as threads:
        assert figures(sweep(jobs, [0, 1], tmp_path / "threads", threads)) == figures(serial)
    with processes(2) as executor:
        assert figures(sweep(jobs, [0, 1], tmp_path / "processes", executor)) == figures(serial)
    train_with(monkeypatch, lambda *arguments, **named: pytest.fail("a finished run was done again"))
    assert figures(sweep(jobs, [0, 1], tmp_path / "serial", Serial())) == figures(serial)
    mean, spread = serial["one"].figure("accuracy")
    values = [result["accuracy"] for result in serial["one"].results]
    assert mean == pytest.approx(np.mean(values)) and spread == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))


def test_a_stopped_sweep_goes_on(base, tmp_path, monkeypatch):
    jobs, trained, whole = {"one": replace(base, epochs=2), "two": base}, [], sweeping.KINDS[Recipe].train

    def stopping(recipe, folder, resume):
        trained.append(folder.parent.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return whole(recipe, folder, resume)

    train_with(monkeypatch, stopping)
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
    with pytest.raises(DataError, match="results.json: .*; delete this file"):
        sweep({"one": base}, [0], tmp_path, Serial())
    (tmp_path / "one" / "seed-0" / "results.json").unlink()
    assert sweep({"one": base}, [0], tmp_path, Serial())["one"].results[0]["finished"]


def contents(folder):
    """What a run has written, but for how long it took."""
    results = json.loads((folder / "results.json").read_text())
    return {key: value for key, value in results.items() if key != "timing"}, checkpoints(folder)[-1].name, last_checkpoint(folder)[1].network.layers[0].W.tobytes()


def test_damage_to_the_last_weights_of_a_finished_run_is_named_and_made_good(base, tmp_path):
    """Weights of an earlier epoch are not taken for the last ones; without the damaged file the last epoch is done again, to the same bits."""
    job, folder = {"one": replace(base, epochs=2)}, tmp_path / "one" / "seed-0"
    sweep(job, [0], tmp_path, Serial())
    whole, last = contents(folder), checkpoints(folder)[-1]
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with pytest.raises(DataError, match="checkpoint-0002.npz: .*; delete this file"):
        sweep(job, [0], tmp_path, Serial())
    last.unlink()
    assert figures(sweep(job, [0], tmp_path, Serial())) == {"one": [(whole[0]["accuracy"], whole[0]["hidden_spikes"])]}
    assert contents(folder) == whole


@pytest.mark.parametrize("change", [lambda results: results.update(accuracy=0.99), lambda results: results.update(hidden_spikes=1.0),
                                    lambda results: results["history"][0].update(loss=0.1)])
def test_results_that_do_not_say_what_the_checkpoint_does_are_named_and_made_good(change, base, tmp_path):
    path = tmp_path / "one" / "seed-0" / "results.json"
    sweep({"one": base}, [0], tmp_path, Serial())
    whole, results = contents(path.parent), json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))
    with pytest.raises(DataError, match="results.json: .*checkpoint-0001.*; delete this file"):
        sweep({"one": base}, [0], tmp_path, Serial())
    path.unlink()
    sweep({"one": base}, [0], tmp_path, Serial())
    assert contents(path.parent) == whole


@pytest.mark.parametrize("change", [lambda results: results.update(timing=3), lambda results: results.update(timing={}),
                                    lambda results: results.update(accuracy="x"), lambda results: results.pop("hidden_spikes"),
                                    lambda results: results.update(history=[]), lambda results: results["history"][-1].pop("train_accuracy"),
                                    lambda results: results.update(accuracy="0.5"), lambda results: results.update(accuracy=float("nan")),
                                    lambda results: results.update(hidden_spikes="3"), lambda results: results.update(hidden_spikes=[]),
                                    lambda results: results["history"][0].update(train_accuracy="0.1"), lambda results: results["history"].insert(0, {}),
                                    lambda results: results["history"][0].update(epoch=3), lambda results: results["history"][0].update(loss=None)])
def test_results_without_the_figures_of_a_table_are_named(change, base, tmp_path):
    path = tmp_path / "one" / "seed-0" / "results.json"
    sweep({"one": base}, [0], tmp_path, Serial())
    results = json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))
    with pytest.raises(DataError, match="results.json: .*delete this file"):
        sweep({"one": base}, [0], tmp_path, Serial())


def test_a_finished_run_without_checkpoints_counts_but_cannot_be_measured(base, tmp_path, monkeypatch):
    runs = sweep({"one": base}, [0], tmp_path, Serial())
    for path in checkpoints(runs["one"].folders[0]):
        path.unlink()
    train_with(monkeypatch, lambda *arguments, **named: pytest.fail("a finished run was done again"))
    assert figures(sweep({"one": base}, [0], tmp_path, Serial())) == figures(runs)
    with pytest.raises(DataError, match="the weights of this run are needed"):
        measure("count", count_weights, runs, Serial())


@pytest.mark.parametrize("change", [lambda text: text[:30], lambda text: text.replace("100", "101"), lambda text: "{}"])
def test_damage_to_a_measurement_is_named_and_made_good(change, base, tmp_path):
    runs = sweep({"one": base}, [0], tmp_path, Serial())
    whole, path = measure("count", count_weights, runs, Serial())["one"].measured, tmp_path / "one" / "seed-0" / "count.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match="count.json: .*; delete this file"):
        measure("count", count_weights, runs, Serial())
    path.unlink()
    assert measure("count", count_weights, runs, Serial())["one"].measured == whole


def test_every_result_is_announced_once_and_what_that_raises_ends_the_sweep(base, tmp_path):
    heard = []
    with ThreadPoolExecutor(2) as threads:
        sweep({"one": base, "two": base}, [0, 1], tmp_path, threads, heard.append)
        assert sorted(line.split(":")[0] for line in heard) == ["one, seed 0", "one, seed 1", "two, seed 0", "two, seed 1"]
        for executor in (threads, Serial()):
            with pytest.raises(BrokenPipeError):
                sweep({"one": base}, [0], tmp_path, executor, lambda line: (_ for _ in ()).throw(BrokenPipeError))


@pytest.mark.parametrize("arguments", [["reproduce", "--list"], ["reproduce", "ablation", "--epochs", "1"]], ids=["short", "in the middle of a sweep"])
@pytest.mark.parametrize("buffered", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_a_reader_that_goes_away_is_no_traceback(arguments, buffered, base, tmp_path):
    """As `head` does."""
    if len(arguments) > 2:
        arguments = [*arguments, "--data", base.data, "--hidden", "20", "--batch", "50", "--out", tmp_path]
    with subprocess.Popen([sys.executable, *buffered, "-m", "refsnn", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141


def test_a_name_that_the_terminal_cannot_write_is_written_with_a_backslash(base, tmp_path):
    done = subprocess.run([sys.executable, "-m", "refsnn", "train", "--data", base.data, "--hidden", "5", "--epochs", "1", "--workers", "1", "--out", tmp_path / "\u00fc"],
                          env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and "\\xfc/results.json" in done.stdout


@pytest.mark.parametrize("arguments", [["doctor"], ["train", "--help"]])
def test_a_full_disk_is_one_line_and_no_traceback(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "refsnn", *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                              env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"})
    assert done.returncode == 2 and done.stderr == "refsnn: OSError: [Errno 28] No space left on device\n"


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


def count_weights(recipe, network, data):
    """Something to measure of a run."""
    return {"seed": recipe.seed, "weights": network.layers[0].W.size, "images": len(data.images)}


def never(recipe, network, data):
    pytest.fail("it was measured again")


def test_a_measurement_is_of_every_run_done_once_and_again_for_other_weights(base, tmp_path):
    runs = sweep({"one": base}, [3, 4], tmp_path, Serial())
    expected = tuple({"seed": seed, "weights": 256 * 20, "images": 100} for seed in (3, 4))
    assert measure("count", count_weights, runs, Serial())["one"].measured == expected
    assert measure("count", never, runs, Serial())["one"].measured == expected
    for folder in runs["one"].folders[:1]:
        for path in folder.glob("*[0-9].npz"):
            path.unlink()
        (folder / "results.json").unlink()
    longer = sweep({"one": replace(base, epochs=2)}, [3], tmp_path, Serial())
    with pytest.raises(pytest.fail.Exception):
        measure("count", never, longer, Serial())


def test_latency_reads_the_runs_of_table1(base, tmp_path, monkeypatch):
    base = replace(base, dropout=0.1)
    reproduce("table1", base, [0], tmp_path, Serial())
    train_with(monkeypatch, lambda *arguments, **named: pytest.fail("a finished run was done again"))
    reproduce("latency", base, [0], tmp_path, Serial())


@pytest.mark.parametrize("field", FIXED)
def test_what_an_experiment_chooses_cannot_be_chosen(field, base, tmp_path):
    other = {"substrate": "ideal", "variation": "ideal", "calibrate": True, "parts": True, "spike_aware": False}.get(field, 0.5)
    with pytest.raises(RangeError, match=field):
        reproduce("ablation", replace(base, **{field: other}), [0], tmp_path, Serial())


def test_what_one_experiment_chooses_another_leaves_to_the_user(base, tmp_path):
    with pytest.raises(RangeError, match="burst"):
        reproduce("sparsity", replace(base, burst=0.5), [0], tmp_path, Serial())
    reproduce("latency", replace(base, burst=0.5), [0], tmp_path, Serial())


@pytest.fixture()
def tiny(base, tmp_path, monkeypatch):
    """The options with which an experiment takes some seconds: tiny(name)."""
    digits = digits_file(tmp_path / "digits.npz", monkeypatch)

    def options(name):
        sizes = [] if "hidden" in EXPERIMENTS[name].CHOOSES else ["--hidden", "20"]
        return ["--data", digits if name == "speech" else base.data, *sizes, "--epochs", "1", "--batch", "50", "--substeps", "1"]

    return options


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_reports_all_its_runs(name, tiny, tmp_path, capsys):
    assert main(["reproduce", name, "--out", str(tmp_path / "out"), *tiny(name), "--seeds", "4"]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    base, experiment = Recipe(**settings(name)), EXPERIMENTS[name]
    labels = [*experiment.jobs(base), *(experiment.later(base) if hasattr(experiment, "later") else ())]
    assert list(results["runs"]) == labels and results["seeds"] == [4]
    for label in labels:
        assert label in printed and results["runs"][label][0]["recipe"]["seed"] == 4
        assert (tmp_path / "out" / getattr(experiment, "RUNS_OF", name) / sweeping.folder_of(label) / "seed-4" / "results.json").exists()
    cells = {cell for row in results["table"] for cell in row}
    assert set(labels) - {"software"} <= cells           # of selfcalibration's, "none: software" is the row
    assert {len(row) for row in results["table"]} == {len(results["table"][0])}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name == "ablation" else name for name in EXPERIMENTS])
def test_an_experiment_draws_its_figure_from_its_results(name, tiny, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["reproduce", name, "--out", str(tmp_path), *tiny(name), "--seeds", "0", "1"]) == 0
    assert (tmp_path / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert f"figure    {tmp_path / name}.png" in capsys.readouterr().out


def test_without_matplotlib_there_is_a_plain_message_and_all_else(base, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = []
    reproduce("latency", base, [0], tmp_path, Serial(), said.append)
    assert said[-1] == MISSING and (tmp_path / "latency.json").exists() and not (tmp_path / "latency.png").exists()


def test_the_list_has_every_experiment(capsys):
    assert main(["reproduce", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::3]] == list(EXPERIMENTS) and all(len(line.split()) > 5 for line in lines[::3])
    assert lines[1].split(": ")[1] == "epochs 50, slope 10.0, rate 0.001, evaluate_every 10, dropout 0.1" and lines[2].endswith("--quick: epochs 6, dropout 0.1")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_settings_of_an_experiment_are_those_of_a_recipe(name):
    quick, full = (Recipe(**settings(name, quick)) for quick in (True, False))
    assert quick.epochs < full.epochs


def test_several_data_sets_get_a_folder_each(base, tmp_path):
    other = tmp_path / "other.npz"
    other.write_bytes(Path(base.data).read_bytes())
    options = ["--hidden", "20", "--epochs", "1", "--batch", "50", "--substeps", "1", "--seeds", "0"]
    assert main(["reproduce", "latency", "--out", str(tmp_path / "out"), "--data", base.data, str(other), *options]) == 0
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/latency.json")) == ["few", "other"]
    assert main(["reproduce", "latency", "--out", str(tmp_path / "out"), "--data", base.data, base.data, *options]) == 2


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


@pytest.mark.parametrize("arguments", [["reproduce", "nonsense", "--out", "x"], ["reproduce", "ablation"], ["reproduce"], ["reproduce", "--out", "x"],
                                       ["reproduce", "speech", "--quick", "--out", "x"],
                                       ["reproduce", "ablation", "--out", "x", "--workers", "2", "--dask", "tcp://127.0.0.1:1"],
                                       ["reproduce", "ablation", "--out", "x", "--dask", "nonsense:::"], ["reproduce", "ablation", "--out", ""],
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
    wait_for(lambda: len(list(folder.glob("*/*/*/checkpoint-*.npz"))) >= 2)
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
