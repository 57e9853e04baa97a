"""The archive of an installed package is the folder of a checkout, and a damaged one is refused."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from refsnn.__main__ import main
from refsnn.errors import DataError
from refsnn.verify.vectors import check, read
from refsnn.verify.vectors import archive as archive_module
from refsnn.verify.vectors.archive import ARCHIVE, archive_of, contents, shipped

FOLDER = Path(__file__).parents[2] / "refsnn/verify/vectors/data"      # of the checkout: there is none where the package is installed
FILES = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """As in an installed package: no folder, nothing unpacked yet."""
    monkeypatch.setattr(archive_module, "FOLDER", tmp_path / "nothing")
    archive_module.unpacked.cache_clear()
    yield
    archive_module.unpacked().cleanup()
    archive_module.unpacked.cache_clear()


def packed(path, *entries):
    """An archive of the given (TarInfo, bytes)."""
    with tarfile.open(path, "w:xz") as files:
        for entry, content in entries:
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return path


def test_the_archive_is_the_folder():
    assert contents(ARCHIVE) == FILES, "python data_scripts/pack_vectors.py writes it anew"


def test_packing_twice_gives_the_same_bytes_whatever_the_files_times(tmp_path):
    for name in ("a-001/case.json", "manifest.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(FILES["manifest.json"])
    first = archive_of(tmp_path)
    (tmp_path / "manifest.json").touch()
    assert archive_of(tmp_path) == first


def test_without_the_folder_all_is_read_from_the_archive_and_the_copy_is_the_folder(installed, tmp_path, capsys):
    assert shipped() != FOLDER and shipped() == shipped()
    assert [case.id for case in read()] == [case.id for case in read(FOLDER)]
    assert main(["vectors", "copy", "--to", str(tmp_path / "copy")]) == 0
    assert {path.relative_to(tmp_path / "copy").as_posix(): path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == FILES
    assert main(["vectors", "copy", "--to", str(tmp_path / "copy")]) == 2 and "is not empty" in capsys.readouterr().err


def test_what_was_unpacked_is_gone_when_the_process_ends(tmp_path):
    program = "from pathlib import Path; from refsnn.verify.vectors import archive; archive.FOLDER = Path('nothing'); print(archive.shipped())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert "refsnn-vectors-" in done.stdout and not Path(done.stdout.strip()).exists()


@pytest.mark.parametrize("name", ["../escaped.json", "/tmp/absolute.json", "a-001/../../x.json", "a-001/b/c.json", "a-001/x.py"])
def test_a_name_that_is_none_of_a_vector_is_refused(name, tmp_path):
    with pytest.raises(DataError, match="is no file of a vector"):
        contents(packed(tmp_path / "x.tar.xz", (tarfile.TarInfo(name), b"{}")))


def test_links_and_large_files_are_refused(tmp_path):
    link = tarfile.TarInfo("a-001/case.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for entry, content in ((link, b""), (tarfile.TarInfo("a-001/case.json"), bytes((1 << 20) + 1))):
        with pytest.raises(DataError, match="is no file of a vector"):
            contents(packed(tmp_path / "x.tar.xz", (entry, content)))


@pytest.mark.parametrize("damage", [lambda whole: whole[:len(whole) // 2], lambda whole: whole[:1000] + bytes(9) + whole[1009:], lambda whole: b"",
                                    lambda whole: b"no archive"])
def test_a_damaged_archive_is_named(damage, tmp_path):
    (tmp_path / "data.tar.xz").write_bytes(damage(ARCHIVE.read_bytes()))
    with pytest.raises(DataError, match="data.tar.xz.*install refsnn again"):
        contents(tmp_path / "data.tar.xz")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        contents(tmp_path / "nowhere")


def test_check_of_the_unpacked_finds_no_difference(installed):
    assert check() == []
