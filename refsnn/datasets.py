"""Images and labels: the sample that ships with refsnn, and files on disk.

Three sources, one result. The sample and the folders of MNIST and Fashion-MNIST are known by sha256; an .npz is the user's own.
Nothing is downloaded here (data_scripts/ does that), nothing is unpickled, and no header is believed: memory follows the bytes
that are in a file, not the size that it claims.

    file in a folder           what it holds                        in Dataset
    train-images-idx3-ubyte    60,000 images of 28 x 28             train_images, reduced to 16 x 16 by SPEC E17
    train-labels-idx1-ubyte    60,000 labels, 0..9                  train_labels
    t10k-images-idx3-ubyte     10,000 images of 28 x 28             test_images, reduced to 16 x 16 by SPEC E17
    t10k-labels-idx1-ubyte     10,000 labels, 0..9                  test_labels

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", which defines the IDX format;
H. Xiao, K. Rasul and R. Vollgraf, arXiv 1708.07747 (Fashion-MNIST).
"""

import gzip
import hashlib
import math
import struct
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from refsnn.errors import DataError, DtypeError, RangeError, ShapeError, check_array, check_path
from refsnn.files import damage_is_data_error, read_exactly, read_npz
from refsnn.spec.encoding import check_images, downscale

SAMPLE = resources.files("refsnn") / "data" / "mnist_sample.npz"
SAMPLE_SHA256 = "454a7ec3dc3814837a7a281aadd086aef9bda1e33b58b7b77333728e4a61c40e"

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SHA256 = {
    "mnist": dict(zip(FILES, (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"))),
    "fashion_mnist": dict(zip(FILES, (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"))),
}
CROP = {"mnist": 2, "fashion_mnist": 0}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Grey images and their classes, for training and for testing.

    train_images (n, H, W) and test_images (m, H, W) uint8; train_labels (n,) and test_labels (m,) int64; H = W = 16 after E17.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load(source: str | Path = "sample") -> Dataset:
    """Load a Dataset from "sample", from a folder with the four IDX files of MNIST or Fashion-MNIST, or from an .npz file.

    The sample is the first 10,000 training and the first 2,000 test images of MNIST at 16 x 16. A folder holds the files of the
    table above, plain or with .gz; they are verified by sha256 and reduced to 16 x 16 (SPEC E17). An .npz holds train_images and
    test_images, uint8 (n, H, W) of any H and W, and train_labels and test_labels, integers >= 0. A folder that is itself called
    sample is Path("sample"). Raises DataError for a file that is missing, damaged, unknown or not of this form, and DtypeError
    for a source that is no path.

    >>> load().train_labels[:10]
    array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    """
    path = check_path("source", source)
    if source == "sample":
        return load_sample()
    if path.suffix == ".npz":
        with damage_is_data_error(path):
            return read_dataset(path, path.stem)
    if path.is_dir():
        return from_idx({file: read_folder_file(path, file) for file in FILES}, path)
    raise DataError(f"{path} is no folder; load takes 'sample', a folder with the four IDX files, or a file ending in .npz")


def read_idx(path):
    """Read an IDX file of unsigned bytes, plain or .gz, into a uint8 array of the shape that its header gives.

    The format: two zero bytes, 8 for unsigned bytes, the number of axes, each axis as a big-endian uint32, the elements in C
    order. Raises DataError; DtypeError and RangeError for what is no path.
    """
    path = check_path("path", path)
    with damage_is_data_error(path):
        return idx_array(read_idx_bytes(path))


def load_sample():
    """Load the sample that ships with refsnn, after its sha256 has been verified."""
    with damage_is_data_error(SAMPLE):
        with SAMPLE.open("rb") as stream:
            found = hashlib.sha256(stream.read()).hexdigest()
            if found != SAMPLE_SHA256:
                raise DataError(f"sha256 is {found} but must be {SAMPLE_SHA256}; install refsnn again")
            return read_dataset(stream, "mnist_sample")


def read_dataset(file, name):
    """Read a Dataset from an .npz, a path or an open file."""
    arrays = read_npz(file, ARRAYS)
    for array in ARRAYS:
        if arrays[array].dtype.kind not in "iu":
            raise DtypeError(f"{array} has dtype {arrays[array].dtype}; it must hold integers")
    return assemble(name, **arrays)


def assemble(name, train_images, train_labels, test_images, test_labels):
    """Check the four arrays against each other and make a Dataset of them."""
    for part, images, labels in (("train", train_images, train_labels), ("test", test_images, test_labels)):
        check_array(f"{part}_images", images, 3)
        check_array(f"{part}_labels", labels, 1)
        check_images(images)
        if len(images) != len(labels):
            raise ShapeError(f"there are {len(images)} {part}_images but {len(labels)} {part}_labels")
        # compared as int64, so that an unsigned label too large for it is caught as well
        if labels.astype(np.int64).min() < 0:
            raise RangeError(f"{part}_labels holds {labels.astype(np.int64).min()}; labels must be at least 0")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ShapeError(f"train_images are {train_images.shape[1:]} but test_images are {test_images.shape[1:]}")
    return Dataset(name, np.ascontiguousarray(train_images), train_labels.astype(np.int64),
                   np.ascontiguousarray(test_images), test_labels.astype(np.int64))


def read_folder_file(folder, file):
    """Return the uncompressed bytes of one of the four IDX files of a folder."""
    for path in (folder / file, folder / (file + ".gz")):
        if path.exists():
            with damage_is_data_error(path):
                return read_idx_bytes(path)
    raise DataError(f"{folder} has neither {file} nor {file}.gz; data_scripts/ fetches them")


def from_idx(contents, where):
    """Make a Dataset from {file: bytes} of the four IDX files, those of MNIST or of Fashion-MNIST; reduced to 16 x 16, SPEC E17.

    `where` names the origin in messages. Raises DataError, with the expected and the found sha256, for any other files.
    """
    found = {file: hashlib.sha256(contents[file]).hexdigest() for file in FILES}
    # the nearest data set, so that one damaged file is compared with what it ought to be
    name = max(SHA256, key=lambda name: sum(found[file] == SHA256[name][file] for file in FILES))
    for file in FILES:
        if found[file] != SHA256[name][file]:
            hint = "only MNIST and Fashion-MNIST are read from folders, other data from an .npz"
            raise DataError(f"{where}: {file} has sha256 {found[file]} but that of {name} has {SHA256[name][file]}; {hint}")
    train_images, train_labels, test_images, test_labels = (idx_array(contents[file]) for file in FILES)
    return assemble(name, shrink(train_images, CROP[name]), train_labels, shrink(test_images, CROP[name]), test_labels)


def shrink(images, crop):
    """Downscale in blocks: all 60,000 images at once would take a gigabyte of float64."""
    return np.concatenate([downscale(images[i:i + 1000], crop) for i in range(0, len(images), 1000)])   # (n, 16, 16)


def read_idx_bytes(path):
    """Return the uncompressed bytes of an IDX file, header included, neither fewer nor more than the header says."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
        content = read_exactly(stream, 4)
        if content[:3] != b"\x00\x00\x08":
            raise DataError(f"it starts with {content.hex(' ')}; an IDX file of unsigned bytes starts with 00 00 08")
        content += read_exactly(stream, 4 * content[3])
        content += read_exactly(stream, math.prod(idx_shape(content)))
        if stream.read(1):
            raise DataError(f"there are bytes after the {len(content)} that its header claims")
    return content


def idx_shape(content):
    """The axes in the header of an IDX file."""
    return struct.unpack_from(f">{content[3]}I", content, 4)


def idx_array(content):
    """The uint8 array in the bytes of an IDX file."""
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(idx_shape(content))
