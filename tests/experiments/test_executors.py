"""A sweep on a Dask cluster, here on the loopback address; elsewhere it is the same."""

import sys
from dataclasses import replace

import pytest
from small_files import images_file

from refsnn import RangeError, RefsnnError
from refsnn.__main__ import main
from refsnn.experiments.executors import Serial, cluster
from refsnn.experiments.sweep import sweep
from refsnn.training import Recipe


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A recipe of a tenth of a second."""
    path = images_file(tmp_path_factory.mktemp("data") / "few.npz", 100, 50)
    return Recipe(data=path, hidden=(20,), epochs=1, batch=50, substeps=2)


@pytest.fixture(scope="module")
def address():
    """The address of a local cluster of two workers, threads of this process."""
    distributed = pytest.importorskip("distributed")
    threads = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with distributed.LocalCluster(**threads, host="127.0.0.1", protocol="tcp", dashboard_address=None) as local:
        assert local.scheduler_address.startswith("tcp://127.0.0.1:")
        yield local.scheduler_address


def figures(runs):
    return {label: [(result["accuracy"], result["hidden_spikes"]) for result in own.results] for label, own in runs.items()}


def test_a_sweep_on_a_cluster_gives_what_one_process_gives_and_repeats_nothing(base, address, tmp_path):
    jobs = {"one": base, "two": replace(base, substrate="ideal")}
    serial = sweep(jobs, [0, 1], tmp_path / "serial", Serial())
    with cluster(address) as executor:
        assert figures(sweep(jobs, [0, 1], tmp_path / "cluster", executor)) == figures(serial)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cluster/*/*/results.json")}
    with cluster(address) as executor:
        sweep(jobs, [0, 1], tmp_path / "cluster", executor)
    assert len(written) == 4 and written == {path: path.stat().st_mtime_ns for path in written}


def test_an_experiment_runs_on_a_cluster(base, address, tmp_path, capsys):
    options = ["--data", base.data, "--hidden", "20", "--epochs", "1", "--batch", "50", "--substeps", "1", "--seeds", "0"]
    assert main(["reproduce", "latency", "--out", str(tmp_path), *options, "--dask", address]) == 0
    assert (tmp_path / "latency.json").exists() and "within 0.1 %" in capsys.readouterr().out


def test_what_a_run_raises_on_a_cluster_reaches_the_user_in_one_line(base, address, tmp_path, capsys):
    folder = tmp_path / "table1" / "chip-dropout-and-rotation" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("garbage")
    options = ["--data", base.data, "--hidden", "20", "--epochs", "1", "--batch", "50", "--substeps", "1", "--seeds", "0"]
    assert main(["reproduce", "latency", "--out", str(tmp_path), *options, "--dask", address]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "results.json" in error and "DataError" in error


@pytest.mark.parametrize("address", ["", "127.0.0.1", "tcp://127.0.0.1", "tcp://a b:1", "tcp://::1:8786"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(RangeError, match="8786"), cluster(address):
        pass


def test_without_dask_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RefsnnError, match=r"refsnn\[distributed\]"), cluster("tcp://127.0.0.1:1"):
        pass
