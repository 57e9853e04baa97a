"""Whatever stands where a file should: refused in one line, with no more memory than is stated, and no wait."""

import ast
import gzip
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import refsnn
from refsnn import DataError, DtypeError, RangeError, Trace, speech
from refsnn.datasets import load, read_idx
from refsnn.exchange.recordings import load_trace, save_trace
from refsnn.exercises.checker import check_file
from refsnn.files import LARGEST, read_npz
from refsnn.runs import claimed, load_checkpoint
from refsnn.verify.conformance.report import load_failure, read_expected_failures
from refsnn.verify.vectors import archive, check, collection, read_case

READERS = {"data set": load, "IDX": read_idx, "checkpoint": load_checkpoint, "recording": load_trace, "exercise": lambda path: check_file(path, 10.0),
           "failure": load_failure, "expected failures": read_expected_failures}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_at_once(name, tmp_path):
    path = tmp_path / "pipe.npz"
    os.mkfifo(path)
    with pytest.raises(DataError, match="is no file, but a pipe or a device"):
        READERS[name](path)


def test_a_pipe_in_a_folder_of_vectors_or_of_images_is_refused_at_once(tmp_path):
    for name in ("manifest.json", "case.json", "train-images-idx3-ubyte"):
        os.mkfifo(tmp_path / name)
    for read in (load, read_case, check):
        with pytest.raises(DataError):
            read(tmp_path)


@pytest.mark.parametrize("name", [name for name in READERS if name not in ("failure", "exercise", "expected failures")])
def test_a_device_is_refused_at_once(name, tmp_path):
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is no file, but a pipe or a device"):
        READERS[name](tmp_path / "zero.npz")


class Unpathlike:
    """Says that it is a path, and is none."""

    def __fspath__(self):
        return 3


@pytest.mark.parametrize("name", [*READERS, "vector", "vectors", "vectors made", "vectors copied", "spoken digits", "recording to be written", "folder of a run"])
@pytest.mark.parametrize("path, error", [(3, DtypeError), (["a"], DtypeError), (b"a", DtypeError), (Unpathlike(), DtypeError), ("a\0b", RangeError), ("a\ud800", RangeError)])
def test_what_is_no_path_is_refused(name, path, error):
    trace = (Trace(np.zeros((2, 1, 1)), np.zeros((2, 1, 1))), Trace(np.zeros((2, 1, 1))))
    others = {"vector": read_case, "vectors": check, "vectors made": collection.generate, "vectors copied": archive.copy, "spoken digits": speech.load, "recording to be written": lambda path: save_trace(path, trace),
              "folder of a run": lambda path: claimed(path).__enter__()}
    with pytest.raises(error, match="must be a path|no file's name has"):
        (READERS | others)[name](path)


def npy_header(shape):
    """An .npy header that claims uint8 of a shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_a_small_archive_that_unpacks_to_more_than_2_gib_costs_no_memory(tmp_path):
    # three gigabytes of zeros in three megabytes, written piece by piece
    path, size = tmp_path / "large.npz", 3 << 30
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("train_images.npy", "w", force_zip64=True) as member:
            member.write(npy_header((size >> 8, 16, 16)))
            for _ in range(3):
                member.write(bytes(1 << 20))
        for name in ("train_labels", "test_images", "test_labels"):
            archive.writestr(name + ".npy", npy_header((0,)))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, place + 24, size + 128)               # the directory claims what the header claims
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match="at most 2,147,483,648 are read"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_arrays_that_are_more_than_2_gib_together_cost_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "many.npz"
    arrays = {name: np.zeros(30, np.uint8) for name in ("train_images", "train_labels", "test_images", "test_labels")}
    np.savez(path, **arrays, other=np.zeros(10_000, np.uint8))
    monkeypatch.setattr("refsnn.files.LARGEST", 4 * (128 + 30))               # headers have 128 bytes
    assert read_npz(path, tuple(arrays)).keys() == arrays.keys()                   # what is not asked for does not count
    with pytest.raises(DataError, match="its arrays claim 10,760 bytes; at most 632 are read"):
        read_npz(path)
    monkeypatch.setattr("refsnn.files.LARGEST", 4 * (128 + 30) - 1)
    with pytest.raises(DataError, match="claim 632 bytes; at most 631"):
        read_npz(path, tuple(arrays))


def test_a_gz_that_claims_more_than_2_gib_costs_no_memory(tmp_path):
    path = tmp_path / "images.gz"
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">4B3I", 0, 0, 8, 3, LARGEST, 16, 16))
    tracemalloc.start()
    with pytest.raises(DataError, match="at most 2,147,483,648 are read"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


COMMANDS = {
    "train on nothing": ["train", "--data", "nowhere"],
    "train on a text": ["train", "--data", "text.npz"],
    "train on a pipe": ["train", "--data", "pipe.npz"],
    "resume nothing": ["train", "--resume", "--out", "nowhere"],
    "out is a file": ["train", "--out", "text.npz"],
    "check a text": ["exercises", "check", "text.npz"],
    "check a pipe": ["exercises", "check", "pipe.npz"],
    "check vectors nowhere": ["vectors", "check", "nowhere"],
    "copy vectors over a file": ["vectors", "copy", "--to", "text.npz"],
    "an adapter that is none": ["conformance", "--adapter", "nothing:here"],
    "a page into nowhere": ["explain", "--html", "nowhere/page.html"],
    "show a run that is none": ["show", "--run", "nowhere"],
}


@pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name.replace(" ", "-"))
def test_the_command_line_says_one_line_and_no_traceback(name, tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    os.mkfifo(tmp_path / "pipe.npz")
    environment = os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-m", "refsnn", *COMMANDS[name]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip() and done.stderr.strip().count("\n") == 0 and "Traceback" not in done.stdout + done.stderr


SOURCES = [path for folder in ("refsnn", "data_scripts") for path in sorted((Path(refsnn.__file__).parents[1] / folder).rglob("*.py"))]


def test_nothing_is_unpickled_anywhere_and_no_text_is_executed_but_a_students_and_our_own():
    assert len(SOURCES) > 100
    for path in SOURCES:
        names = {alias.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)}
        assert not names & {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}, path
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        for call in calls:
            assert not any(word.arg == "allow_pickle" and getattr(word.value, "value", True) for word in call.keywords), path
            called = getattr(call.func, "attr", getattr(call.func, "id", ""))
            assert called != "eval" and (called != "load" or getattr(getattr(call.func, "value", None), "id", "") not in ("np", "numpy", "torch")), path
            assert called != "exec" or path.name in ("pupil.py", "bugs.py", "mutation.py"), path
