"""Runs that are killed, wherever it hits them: nothing that was done is lost, and what comes out in the end has the same bits."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_files import images_file

import refsnn
from refsnn.__main__ import main
from refsnn.runs import checkpoints, load_checkpoint
from refsnn.spec import parameters

EPOCHS = 14
SETTINGS = ["--hidden", "40", "--batch", "50", "--substeps", "2", "--evaluate-every", "2"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}

# a program that is killed in the writing of its Nth file, at one of four places
KILLED_IN_A_WRITE = """
import os, signal, sys
import refsnn.files as files
place, left = sys.argv[1], int(sys.argv[2])
replace = os.replace

def dies(here):
    if here == place and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def opened(path, mode):
    global left
    left -= 1
    dies("before the first byte")
    file = open(path, mode)
    write = file.write
    class Half:
        fileno, flush = file.fileno, file.flush
        __enter__, __exit__ = lambda self: self, lambda self, *error: file.close()
        def write(self, data):
            write(data[:len(data) // 2]), file.flush()
            dies("after half of the bytes")
            write(data[len(data) // 2:])
    return Half()

def renamed(source, target):
    dies("before the new name")
    replace(source, target)
    dies("after the new name")

files.open, os.replace = opened, renamed
from refsnn.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return images_file(tmp_path_factory.mktemp("data") / "few.npz", 400, 100)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "--data", data, *SETTINGS, "--epochs", str(EPOCHS), "--workers", "1", "--out", str(folder)]) == 0
    return folder


def command(data, folder, epochs=EPOCHS):
    """The arguments that begin a run, or go on with it."""
    go_on = ["--resume"] if checkpoints(folder) else []
    return ["train", "--data", data, *SETTINGS, "--epochs", str(epochs), "--workers", "1", "--out", str(folder), *go_on]


def contents(folder):
    """What a run came to, without the seconds it took: results.json, weights, Adam's state."""
    results = json.loads((folder / "results.json").read_text())
    results.pop("timing")
    _, progress = load_checkpoint(checkpoints(folder)[-1])
    return json.dumps(results), [array.tobytes() for array in (*parameters(progress.network.layers), *progress.adam.first, *progress.adam.second)]


def is_whole(folder):
    """Whether every file of a run can be read."""
    if (folder / "results.json").exists():
        json.loads((folder / "results.json").read_text())
    for path in checkpoints(folder):
        load_checkpoint(path)
    return True


@pytest.mark.long
def test_a_training_that_is_killed_at_fifty_random_instants_has_the_same_bits(data, whole, tmp_path):
    rng, folder, kills, epochs_seen = np.random.default_rng(0), tmp_path / "run", 0, set()
    while kills < 50:
        with subprocess.Popen([sys.executable, "-m", "refsnn", *command(data, folder)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            try:
                # from imports, which take a third of a second, to some epochs on
                process.wait(timeout=rng.uniform(0.05, 1.2))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
            complaint = process.stderr.read()
        assert process.returncode in (0, -signal.SIGKILL), complaint
        assert is_whole(folder)
        epochs_seen.add(len(checkpoints(folder)) and load_checkpoint(checkpoints(folder)[-1])[1].history[-1]["epoch"])
        if process.returncode == 0:          # it came to its end: that one is done, and another begins
            assert contents(folder) == contents(whole)
            folder = tmp_path / f"run-{kills}"
    assert len(epochs_seen) > 5
    assert main(command(data, folder)) == 0
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize("place", [pytest.param("before the first byte", marks=pytest.mark.long), "after half of the bytes", "before the new name",
                                   pytest.param("after the new name", marks=pytest.mark.long)])
@pytest.mark.parametrize("file", [pytest.param(1, marks=pytest.mark.long), 4, pytest.param(7, marks=pytest.mark.long)])       # results, a checkpoint, results
def test_a_kill_in_the_middle_of_a_write_loses_nothing_that_was_there(place, file, data, whole, tmp_path):
    folder = tmp_path / "run"
    program = [sys.executable, "-c", KILLED_IN_A_WRITE, place, str(file), *command(data, folder)]
    done = subprocess.run(program, env=ENVIRONMENT, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert is_whole(folder)
    assert main(command(data, folder)) == 0
    assert contents(folder) == contents(whole)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in whole.iterdir())       # what was half-written is gone


def test_what_users_lay_beside_their_results_stays(data, tmp_path):
    folder = tmp_path / "run"
    assert main(command(data, folder, epochs=1)) == 0
    lost, other = folder / "results.json.refsnn-01234567", folder / "results.json.refsnn-89abcdef"
    kept = [other, *(folder / name for name in ("results.json.20261129", "checkpoint-0001.npz.0badcafe", "notes.refsnn-01234567"))]
    other.mkdir()
    for path in (lost, *kept[1:]):
        path.write_text("mine")
    assert main(["train", "--data", data, "--out", str(folder)]) == 2          # a folder that is refused is left alone
    assert all(path.exists() for path in (lost, *kept))
    assert main(command(data, folder, epochs=1)) == 0
    assert [path.exists() for path in (lost, *kept)] == [False, True, True, True, True]


def test_a_file_that_cannot_grow_is_one_line_and_the_run_goes_on_when_it_can(data, whole, tmp_path):
    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)                        # so that the write fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, "-m", "refsnn", *command(data, folder)], env=ENVIRONMENT, preexec_fn=small, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.strip().count("\n") == 0 and "checkpoint-0001.npz" in done.stderr
    assert not [path for path in folder.iterdir() if path.name != "results.json"]          # nothing half-written is left
    assert main(command(data, folder)) == 0
    assert contents(folder) == contents(whole)


@pytest.mark.long
def test_a_disk_that_is_really_full_is_one_line_and_the_run_goes_on_when_there_is_room(data, whole, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        folder = disk / "run"
        done = subprocess.run([sys.executable, "-m", "refsnn", *command(data, folder)], env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.strip().count("\n") == 0 and "No space left on device" in done.stderr
        assert is_whole(folder)
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        assert main(command(data, folder)) == 0
        assert contents(folder) == contents(whole)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_results_file_that_was_cut_off_is_written_anew_by_the_run_that_goes_on(data, whole, tmp_path):
    folder = tmp_path / "run"
    assert main(command(data, folder)) == 0
    path = folder / "results.json"
    path.write_bytes(path.read_bytes()[:100])
    assert main(command(data, folder)) == 0
    assert contents(folder) == contents(whole)


@pytest.mark.long
def test_a_sweep_that_is_killed_at_random_instants_has_the_same_results(data, tmp_path):
    arguments = ["reproduce", "table1", "--quick", "--data", data, "--epochs", "3", "--hidden", "30", "--batch", "50", "--seeds", "0", "1", "--workers", "2",
                 "--rotation", "5", "--out"]
    rng, folder = np.random.default_rng(1), tmp_path / "killed"
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-m", "refsnn", *arguments, str(folder)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(timeout=rng.uniform(0.5, 4))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        time.sleep(0.3)                                                    # its own processes notice that it is gone
    assert main([*arguments, str(folder)]) == 0 and main([*arguments, str(tmp_path / "whole")]) == 0
    killed, undisturbed = (json.loads((path / "table1.json").read_text()) for path in (folder, tmp_path / "whole"))
    for results in (killed, undisturbed):
        for run in (run for own in results["runs"].values() for run in own):
            run.pop("seconds")
    assert killed == undisturbed
