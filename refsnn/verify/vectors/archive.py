"""Where the vectors that ship are: a folder in a checkout; in an installed package, of which 2,000 small files would be a third, an archive of it.

`python data_scripts/pack_vectors.py` writes the archive anew from the folder; a test holds one to the other.
"""

import atexit
import io
import lzma
import re
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from refsnn.errors import DataError, RangeError, check_path
from refsnn.verify.vectors.case import LARGEST

FOLDER = Path(__file__).parent / "data"
ARCHIVE = Path(__file__).parent / "data.tar.xz"
NAME = re.compile(r"([a-z_]+-[0-9]{3}/)?[A-Za-z0-9_]+\.(json|npy)")


def shipped() -> Path:
    """The folder of the vectors that ship; where there is only the archive, a temporary one, which ends with this process. Raises DataError."""
    return FOLDER if FOLDER.is_dir() else Path(unpacked().name)


@cache
def unpacked():
    """The archive's folder, unpacked once a process: a TemporaryDirectory."""
    temporary = tempfile.TemporaryDirectory(prefix="refsnn-vectors-")
    atexit.register(temporary.cleanup)     # and not when it is dropped, of which Python warns
    for name, content in contents(ARCHIVE).items():
        path = Path(temporary.name) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return temporary


def contents(archive):
    """The files of an archive, {name: bytes}. Raises DataError where it is damaged, or holds anything but small files with the names of vectors."""
    found = {}
    try:
        with tarfile.open(archive, "r:xz") as files:
            for entry in files:
                if not (entry.isfile() and NAME.fullmatch(entry.name) and entry.size <= LARGEST):
                    raise DataError(f"{archive}: {entry.name!r} is no file of a vector")
                found[entry.name] = files.extractfile(entry).read()
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        raise DataError(f"{archive}: {error or 'it is cut off'}; install refsnn again") from None
    return found


def archive_of(folder):
    """The archive of a folder of vectors, as bytes: sorted, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=6 | lzma.PRESET_EXTREME) as files:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            files.addfile(entry, io.BytesIO(path.read_bytes()))
    return buffer.getvalue()


def copy(to) -> None:
    """Copy the vectors that ship to a folder, which must be new or empty. Raises RangeError, DataError, OSError."""
    to = check_path("to", to)
    if to.exists() and any(to.iterdir()):
        raise RangeError(f"{to} is not empty; nothing is written over")
    shutil.copytree(shipped(), to, dirs_exist_ok=True)
