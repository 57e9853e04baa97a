"""Files are whole or not there, and are not believed beyond what they hold."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from refsnn import DataError, files
from refsnn.files import damage_is_data_error, npz_bytes, read_exactly, read_npz, write_atomically


def test_a_file_is_renamed_within_its_folder_once_it_is_on_the_disk(tmp_path, monkeypatch):
    """From another file system it could not be renamed at all, or not at once."""
    done, fsync, rename = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(f"{os.fstat(handle).st_size} bytes on the disk"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append((Path(old).parent, Path(old).read_bytes(), Path(new))), rename(old, new)))
    write_atomically(tmp_path / "some.json", "{}")
    assert done == ["2 bytes on the disk", (tmp_path, b"{}", tmp_path / "some.json")]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_atomically(path, "old")

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"] and path.read_text() == "old"


def test_a_file_can_be_read_by_those_whom_the_process_lets(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "results.json", "{}")
    finally:
        os.umask(before)
    assert (tmp_path / "results.json").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_names_the_file_that_was_to_be_written(tmp_path):
    for path in (tmp_path / "nowhere" / "report.json", tmp_path, Path("/")):
        with pytest.raises(OSError) as raised:
            write_atomically(path, "x")
        assert raised.value.filename == str(path) and raised.value.strerror
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_from_an_npz_and_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], np.uint8)}
    path = tmp_path / "a.npz"
    path.write_bytes(npz_bytes(arrays))
    back = read_npz(path)
    assert list(back) == ["a", "b"] and npz_bytes(back) == npz_bytes(arrays)
    with np.load(path) as loaded:
        np.testing.assert_array_equal(loaded["a"], arrays["a"])


def test_all_arrays_of_an_npz_together_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(npz_bytes({"a": np.zeros(8), "b": np.zeros(8)}))
    size = 2 * (128 + 64)                                                            # header and content of both
    monkeypatch.setattr(files, "LARGEST", size)
    assert list(read_npz(path)) == ["a", "b"]
    monkeypatch.setattr(files, "LARGEST", size - 1)
    with pytest.raises(DataError, match="its arrays claim 384 bytes; at most 383 are read"):
        read_npz(path)
    assert list(read_npz(path, ["a"])) == ["a"]


def test_as_much_is_read_as_was_asked_for_or_an_error_says_what_is_missing(monkeypatch):
    stream = io.BytesIO(bytes(range(10)))
    assert read_exactly(stream, 4) == bytes(range(4)) and read_exactly(stream, 4) == bytes(range(4, 8))
    with pytest.raises(EOFError, match="2 bytes where 3 should follow"):
        read_exactly(stream, 3)
    monkeypatch.setattr(files, "LARGEST", 10)
    assert len(read_exactly(io.BytesIO(bytes(11)), 10)) == 10
    with pytest.raises(DataError, match="claims 11 bytes; at most 10"):
        read_exactly(io.BytesIO(bytes(11)), 11)


def test_the_format_for_names_of_fields_is_not_read(tmp_path):
    npy = io.BytesIO()
    np.lib.format.write_array(npy, np.zeros(3), version=(3, 0))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", npy.getvalue())
    with pytest.raises(DataError, match=r"a has version \(3, 0\)"):
        read_npz(tmp_path / "a.npz")


def test_what_is_missing_is_named_as_missing():
    for error, message in ((KeyError("weights"), "there is no 'weights' in it"), (ValueError("weights"), "a.npz: weights$")):
        with pytest.raises(DataError, match=message), damage_is_data_error("a.npz"):
            raise error


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe or a device"), damage_is_data_error(tmp_path / "pipe"):
        pytest.fail("it was to be refused before")


@pytest.mark.parametrize("claim", [(2**60,), (2**62, 8), (-1,), (3,)])
def test_a_header_that_claims_other_than_what_follows_is_refused(claim):
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"descr": "<f8", "fortran_order": False, "shape": claim})
    npy.write(bytes(16))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", npy.getvalue())
    with pytest.raises(DataError, match="claims"), damage_is_data_error("a.npz"):
        read_npz(file)


def test_objects_are_never_unpickled():
    file = io.BytesIO()
    np.savez(file, a=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="dtype object"), damage_is_data_error("a.npz"):
        read_npz(file)


def test_what_is_no_file_is_not_replaced_and_a_link_is_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe or a device"):
        write_atomically(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(Path("there") / "target")
    write_atomically(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "target").read_text() == "text"


@pytest.mark.parametrize(("version", "form", "longest"), [(b"\x01\x00", "<H", 10_000), (b"\x02\x00", "<I", 10_000)])
def test_a_header_has_a_length_that_arrays_have(version, form, longest, tmp_path):
    def archive(length):
        text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }"
        with zipfile.ZipFile(tmp_path / "one.npz", "w") as file:
            file.writestr("x.npy", b"\x93NUMPY" + version + struct.pack(form, length) + text.ljust(length - 1) + b"\n" + bytes(3))
        return tmp_path / "one.npz"

    assert read_npz(archive(118))["x"].tolist() == [0, 0, 0]
    assert read_npz(archive(longest))["x"].tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="claims 10,001 bytes; at most 10,000"):
        read_npz(archive(longest + 1))
