"""refsnn doctor: it knows the extras that there are, says what is missing, and that what is there works."""

import configparser
from pathlib import Path

from refsnn import doctor
from refsnn.__main__ import main


def test_the_extras_are_those_of_setup_cfg():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    declared = {extra: {line.split(">")[0].split("[")[0] for line in lines.split()} for extra, lines in setup["options.extras_require"].items()}
    assert declared.keys() == doctor.EXTRAS.keys() == doctor.PURPOSES.keys()
    assert all(declared[extra] <= set(doctor.EXTRAS[extra]) for extra in declared)


def test_doctor_says_versions_threads_and_that_it_works(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("refsnn", "Python", "numpy", "BLAS", "OMP_NUM_THREADS=3", "[fast]", "hashes right"):
        assert word in said


def test_a_package_that_is_missing_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: None)
    assert any("missing scipy: pip install 'refsnn[fast]'" in line for line in doctor.report())


def test_a_numpy_that_does_not_tell_its_blas_is_said_to_be_unknown(monkeypatch):
    monkeypatch.setattr(doctor.np, "show_config", lambda mode: {})
    monkeypatch.setattr(doctor.np, "__config__", object())
    assert doctor.blas() == "unknown"
