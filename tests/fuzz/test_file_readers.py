"""Every reader of a file, given files that were right once: a declared error of one line, or a result; no hang, no crash, memory that is bounded."""

import gzip
import json
import signal
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from small_files import images_file

from refsnn import Network, Trace, encode, forward
from refsnn.datasets import load, read_idx
from refsnn.errors import RefsnnError
from refsnn.exchange import nir
from refsnn.exchange.recordings import load_trace, save_trace
from refsnn.runs import load_checkpoint, train
from refsnn.training import Recipe
from refsnn.verify.conformance.report import load_failure
from refsnn.verify.conformance.wire import decode_arrays, decode_line, encode_arrays
from refsnn.verify.vectors.archive import ARCHIVE, contents, shipped
from refsnn.verify.vectors.case import read_case
from refsnn.verify.vectors.collection import read_manifest

VECTORS = shipped()
MEMORY = 64 << 20          # bytes that a reader of these small files may take at most
SECONDS = 20


def idx(path):
    """An IDX file of 5 images of 6 x 7, plain or .gz."""
    content = struct.pack(">4B3I", 0, 0, 8, 3, 5, 6, 7) + bytes(range(210))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def checkpoint(folder, data):
    """A checkpoint of a small network."""
    train(Recipe(data=data, hidden=(5,), epochs=1, batch=6, substeps=2), folder)
    return next(folder.glob("checkpoint-*.npz"))


def recording(path):
    """The trace of a small network."""
    network = Network.initialise(np.random.default_rng(0), (9, 4, 3))
    trace = forward(network, encode(np.full((2, 3, 3), 200, np.uint8), steps=6))
    save_trace(path, tuple(Trace(*(np.array(array) if array is not None else None for array in (layer.membrane, layer.spikes))) for layer in trace))
    return path


def case(folder, name):
    """A golden vector's folder, one of whose files is to be damaged: the path of that file."""
    folder.mkdir()
    for path in (VECTORS / "forward-010").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / name


def reply(path):
    """What an adapter answers, a line."""
    arrays = {"V": np.array([[1.5, np.inf]]), "S": np.arange(3.0), "n": np.arange(2)}
    path.write_text(json.dumps({"id": 1, "outputs": encode_arrays(arrays)}))
    return path


def manifest(folder):
    """A manifest in a folder of its own."""
    folder.mkdir()
    (folder / "manifest.json").write_bytes((VECTORS / "manifest.json").read_bytes())
    return folder / "manifest.json"


def failure(path):
    """A failure that was saved for a replay."""
    path.write_text(json.dumps({"format": 1, "check": "case", "op": "decay", "inputs": encode_arrays({"tau": np.array([2.0])}), "params": {"dt": 1.0},
                                "conventions": {}}))
    return path


def graph(path):
    """The NIR graph of a small network."""
    pytest.importorskip("nir")
    nir.write(path, nir.to_nir(Network.initialise(np.random.default_rng(0), (4, 3, 2)).layers))
    return path


def archive(path):
    """The archive of the vectors, a short one."""
    path.write_bytes(ARCHIVE.read_bytes()[:20_000])
    return path


# name: (what makes the file in a folder, what reads it)
FILES = {
    "data set": (lambda folder: Path(images_file(folder / "few.npz", 12, 6)), load),
    "IDX": (lambda folder: idx(folder / "images"), read_idx),
    "IDX in gz": (lambda folder: idx(folder / "images.gz"), read_idx),
    "checkpoint": (lambda folder: checkpoint(folder / "run", images_file(folder / "few.npz", 12, 6)), load_checkpoint),
    "recording": (lambda folder: recording(folder / "trace.npz"), load_trace),
    "case": (lambda folder: case(folder / "forward-010", "case.json"), lambda path: read_case(path.parent)),
    "array of a case": (lambda folder: case(folder / "forward-010", "V0.npy"), lambda path: read_case(path.parent)),
    "manifest": (lambda folder: manifest(folder / "vectors"), lambda path: read_manifest(path.parent)),
    "archive of vectors": (lambda folder: archive(folder / "data.tar.xz"), contents),
    "NIR": (lambda folder: graph(folder / "graph.nir"), lambda path: nir.from_nir(nir.read(path))),
    "failure": (lambda folder: failure(folder / "failure.json"), load_failure),
    "reply of an adapter": (lambda folder: reply(folder / "reply"),
                            lambda path: decode_arrays("the outputs", decode_line(path.read_text(encoding="utf-8", errors="replace")).get("outputs"))),
}
COUNTS = {"NIR": (6, 150)}         # of damaged files, here and in the long test, where it is not 60 and 1,000: a process reads each
WORDS = [b"", b"null", b"NaN", b"-1", b"1e999", b"18446744073709551616", b"[]", b"{}", b'""', b"\x00" * 8, b"\xff" * 8, b"[" * 3000, b"../../x", b'"\\ud800"',
         struct.pack("<Q", 2**60), struct.pack(">I", 2**31)]


def damaged(content, rng):
    """The bytes of a file with some damage."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place, kind = int(rng.integers(len(content) or 1)), rng.integers(6)
        if kind == 0 and content:
            content[place] ^= 1 << rng.integers(8)
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            del content[place:place + int(rng.integers(1, 40))]
        elif kind == 3:
            content[place:place] = content[place:place + int(rng.integers(1, 200))]
        elif kind == 4:
            word = WORDS[rng.integers(len(WORDS))]
            content[place:place + int(rng.integers(0, len(word) + 1))] = word
        else:
            # in a JSON text, a number or a name as a whole
            other = int(rng.integers(len(content) or 1))
            content[place:place + 12], content[other:other + 12] = content[other:other + 12], content[place:place + 12]
    return bytes(content)


def hangs(*arguments):
    raise TimeoutError(f"no answer within {SECONDS} s")


def try_damage(name, folder, count, seed):
    """Damage a file `count` times, and read it: how often it was refused."""
    make, read = FILES[name]
    path, rng, refused = make(folder), np.random.default_rng(seed), 0
    sound = path.read_bytes()
    read_sound(name, read, path)
    signal.signal(signal.SIGALRM, hangs)
    tracemalloc.start()
    try:
        for number in range(count):
            path.write_bytes(damaged(sound, rng))
            tracemalloc.reset_peak()
            signal.alarm(SECONDS)
            try:
                read(path)
            except RefsnnError as error:
                assert str(error) and "\n" not in str(error), (number, error)
                refused += 1
            finally:
                signal.alarm(0)
            assert tracemalloc.get_traced_memory()[1] < MEMORY, number
    finally:
        tracemalloc.stop()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return refused


def read_sound(name, read, path):
    """A file that nobody has damaged is read; the archive is cut off from the start."""
    if name == "archive of vectors":
        with pytest.raises(RefsnnError):
            read(path)
    else:
        read(path)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_in_one_line_or_read(name, tmp_path):
    count, _ = COUNTS.get(name, (60, 1000))
    assert try_damage(name, tmp_path, count, 0) > count / 3


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_a_thousand_damaged_files_are_refused_in_one_line_or_read(name, tmp_path):
    _, count = COUNTS.get(name, (60, 1000))
    assert try_damage(name, tmp_path, count, 1) > 0.3 * count
