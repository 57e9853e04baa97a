"""Files: written whole or not at all, and read without believing their headers.

Writing goes to a temporary name in the same folder, which is then renamed. Reading never unpickles, and memory follows the
bytes that are in a file once it is unpacked, not the size that a header claims, and more than 2 GiB in one file are refused. Pipes and
devices, which might never end, are not read.
"""

import contextlib
import errno
import io
import math
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from refsnn.errors import DataError, DtypeError, ShapeError, check_path

# What reading a damaged file can raise: from zipfile BadZipFile, struct.error, OverflowError and RuntimeError (encrypted, or an
# unknown compression), from numpy's parser of npy headers TypeError, SyntaxError, MemoryError, RecursionError and TokenError.
UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, RuntimeError,
              OverflowError, MemoryError,
              zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError)

LARGEST = 1 << 31          # bytes of one array, and of all that are read from an npz: the images of MNIST have 47 million
TEMPORARY = r"\.refsnn-[0-9a-f]{8}"      # what follows a file's name while it is being written, a regular expression
LONGEST_HEADER = 10_000    # bytes; numpy's own limit, which it looks at when they have been read


def write_atomically(path, content):
    """Write `content` (bytes or str, str as UTF-8) to `path`; a reader, or a kill at any instant, finds the old file or the new
    one.

    A link is followed. Raises OSError, with the name `path`, for example where the disk is full; then the old file is still there
    and the temporary one is gone. Raises DataError for a pipe or a device, in whose place a file must not be put.
    """
    refuse_special(path)
    if Path(path).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    data = content.encode() if isinstance(content, str) else content
    try:
        replace_whole(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace_whole(path, data):
    """Write bytes to a temporary name beside `path`, and rename it."""
    temporary = path.with_name(f"{path.name}.refsnn-{os.urandom(4).hex()}")     # as TEMPORARY
    file = open(temporary, "xb")
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def npz_bytes(arrays):
    """The bytes of an uncompressed .npz with these named arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            npy = io.BytesIO()
            np.lib.format.write_array(npy, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0)), npy.getvalue())
    return buffer.getvalue()


def read_npz(file, names=None):
    """Read arrays of numbers from an .npz, a path or an open file: {name: array}, those in `names`, or all of them.

    Raises DataError where one is missing, ShapeError or DtypeError where a header does not fit; call it within
    damage_is_data_error.
    """
    with zipfile.ZipFile(file) as archive:
        present = [member[:-4] for member in archive.namelist() if member.endswith(".npy")]
        missing = set(names or ()) - set(present)
        if missing:
            raise DataError(f"there is no {min(missing)}.npy; it must hold {', '.join(names)}")
        wanted = names or present
        total = sum(archive.getinfo(name + ".npy").file_size for name in wanted)
        if total > LARGEST:
            raise DataError(f"its arrays claim {total:,} bytes; at most {LARGEST:,} are read, for a small archive can unpack to any size")
        return {name: read_npy(archive, name) for name in wanted}


def read_npy(archive, name):
    """Read one array of an open .npz; its header must agree with the size of the member before anything is read."""
    info = archive.getinfo(name + ".npy")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{name} has version {version} of the npy format; it must be (1, 0) or (2, 0)")
        shape, is_fortran, dtype = read_header(member, version)
        if dtype.kind not in "iuf":
            raise DtypeError(f"{name} has dtype {dtype}; it must hold integers or floats")
        count = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0:
            raise ShapeError(f"{name} claims the shape {shape}; no axis can be negative")
        if member.tell() + count != info.file_size:
            raise ShapeError(f"{name} claims {count} bytes, shape {shape}, but {info.file_size - member.tell()} follow its header")
        content = read_exactly(member, count)
    return np.ndarray(shape, dtype, content, order="F" if is_fortran else "C")


def read_header(member, version):
    """(shape, whether in Fortran order, dtype) from the header of an .npy, of a length that every array has."""
    size, read = ("<H", np.lib.format.read_array_header_1_0) if version == (1, 0) else ("<I", np.lib.format.read_array_header_2_0)
    length = read_exactly(member, struct.calcsize(size))
    if (claimed := struct.unpack(size, length)[0]) > LONGEST_HEADER:
        raise DataError(f"the header of an array claims {claimed:,} bytes; at most {LONGEST_HEADER:,} are read")
    return read(io.BytesIO(length + read_exactly(member, claimed)))


def read_exactly(stream, count):
    """Read `count` bytes piece by piece, so that a file that claims more than it holds costs no more memory than it holds; and no more than LARGEST."""
    if count > LARGEST:
        raise DataError(f"it claims {count:,} bytes; at most {LARGEST:,} are read, for a small archive can unpack to any size")
    content = bytearray()
    while len(content) < count:
        piece = stream.read(min(count - len(content), 1 << 20))
        if not piece:
            raise EOFError(f"it is truncated: {len(content)} bytes where {count} should follow")
        content += piece
    return content


def bytes_of_hdf5(group, known=None):
    """The bytes that all arrays of an open HDF5 file or group claim. Raises DataError for more than LARGEST, and for what lies in other files.

    Needs h5py. A file of a few bytes can name any other file of this machine as part of itself. It can also give one group 2^n names, under each of
    which it will be read, or make it part of itself; known: the bytes of the groups at some addresses, None of those that are being counted.
    """
    import h5py

    total, known, address = 0, {} if known is None else known, h5py.h5o.get_info(group.id).addr
    if address in known:
        if known[address] is None:
            raise DataError(f"{group.name} is part of itself")
        return known[address]
    known[address] = None
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DataError(f"{name} in {group.name} is a link; only what lies there itself is read")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise DataError(f"{item.name} lies in another file, which is not read")
            total += item.nbytes
        elif isinstance(item, h5py.Group):
            total += bytes_of_hdf5(item, known)
    if total > LARGEST:
        raise DataError(f"its arrays claim {total:,} bytes; at most {LARGEST:,} are read, for a small file can unpack to any size")
    known[address] = total
    return total


@contextlib.contextmanager
def damage_is_data_error(path, remedy=""):
    """Turn whatever reading a damaged file raises into a DataError of one line: the path, what is wrong, and what to do; refuse_special first."""
    refuse_special(path)
    try:
        yield
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"there is no {reason} in it"
        raise DataError(f"{path}: {' '.join(reason.split())}{remedy and '; ' + remedy}") from error


def refuse_special(path):
    """Raise DataError for a path that is there and is neither file nor folder: a pipe or a device, on which reading could wait for ever; DtypeError and RangeError for
    what is no path."""
    path = check_path("path", path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is no file, but a pipe or a device")
