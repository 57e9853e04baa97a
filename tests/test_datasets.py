"""refsnn.datasets: the sample is what it says, files are read exactly, and damage of any kind is a DataError of one line."""

import gzip
import hashlib
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsnn import datasets
from refsnn.datasets import FILES, load, read_idx
from refsnn.errors import DataError, DtypeError
from refsnn.spec.encoding import downscale

ARRAYS = {
    "train_images": np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4),
    "train_labels": np.array([3, 1, 4, 1, 5], np.int16),
    "test_images": np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4),
    "test_labels": np.array([9, 2], np.uint8),
}


def idx_bytes(array):
    """The IDX file of a uint8 array."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_npz(path, **changes):
    """Write the small arrays with some of them replaced; None leaves one out."""
    np.savez_compressed(path, **{name: array for name, array in {**ARRAYS, **changes}.items() if array is not None})
    return path


def write_member(path, name, npy):
    """Write the small arrays, but with other bytes for one of the npy members."""
    write_npz(path, **{name: None})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name + ".npy", npy)
    return path


def npy_header(dtype, shape):
    """The header of an .npy file of version 1.0."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def message_of(function, *arguments):
    """The message of the DataError that a call raises; it is one line."""
    with pytest.raises(DataError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four small IDX files which the module takes for MNIST; returns the folder and the arrays."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (7, 28, 28), np.uint8), rng.integers(0, 10, 7, np.uint8),
              rng.integers(0, 256, (3, 28, 28), np.uint8), rng.integers(0, 10, 3, np.uint8)]
    folder = tmp_path / "mnist"
    folder.mkdir()
    for file, array in zip(FILES, arrays):
        (folder / file).write_bytes(idx_bytes(array))
    hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    monkeypatch.setitem(datasets.SHA256, "mnist", hashes)
    return folder, arrays


# the sample

def test_the_sample_holds_10000_training_and_2000_test_images_of_16_by_16():
    data = load()
    assert (data.train_images.shape, data.train_labels.shape) == ((10_000, 16, 16), (10_000,))
    assert (data.test_images.shape, data.test_labels.shape) == ((2_000, 16, 16), (2_000,))
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64


def test_the_sample_begins_with_the_labels_of_canonical_mnist():
    data = load("sample")
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert set(data.train_labels) == set(data.test_labels) == set(range(10))


def test_the_sample_is_small_enough_to_ship():
    assert len(datasets.SAMPLE.read_bytes()) <= 1_400_000


@pytest.mark.parametrize("position", [0, 40, 1000, -1000, -1])
def test_a_flipped_byte_in_the_sample_is_a_data_error(position, tmp_path, monkeypatch):
    content = bytearray(datasets.SAMPLE.read_bytes())
    content[position] ^= 1
    (tmp_path / "copy.npz").write_bytes(content)
    monkeypatch.setattr(datasets, "SAMPLE", tmp_path / "copy.npz")
    assert datasets.SAMPLE_SHA256 in message_of(load)


def test_a_missing_sample_is_a_data_error(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "SAMPLE", tmp_path / "gone.npz")
    assert "gone.npz" in message_of(load)


# IDX files

@pytest.mark.parametrize("shape", [(6,), (2, 3), (4, 5, 3), (0,)])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_idx_file_is_read_back_as_it_was_written(shape, ending, tmp_path):
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    path = tmp_path / ("array-ubyte" + ending)
    path.write_bytes(gzip.compress(idx_bytes(array)) if ending else idx_bytes(array))
    result = read_idx(str(path))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, array, strict=True)
    result[...] = 0   # the caller's own memory


@pytest.mark.parametrize("kept", [0, 3, 4, 9, 15, 16, 39])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_truncated_idx_file_is_a_data_error(kept, ending, tmp_path):
    content = idx_bytes(ARRAYS["test_images"])[:kept]
    path = tmp_path / ("array" + ending)
    path.write_bytes(gzip.compress(content) if ending else content)
    assert "truncated" in message_of(read_idx, path)


def test_a_truncated_gz_is_a_data_error(tmp_path):
    path = tmp_path / "array.gz"
    path.write_bytes(gzip.compress(idx_bytes(ARRAYS["test_images"]))[:-9])
    message_of(read_idx, path)


@pytest.mark.parametrize("content", [b"\x00\x00\x0d\x01\x00\x00\x00\x00", b"\x89PNG", b"\x1f\x8b\x08\x00rubbish"])
def test_a_wrong_magic_number_is_a_data_error(content, tmp_path):
    (tmp_path / "array").write_bytes(content)
    assert "starts with" in message_of(read_idx, tmp_path / "array")


def test_bytes_after_the_end_of_an_idx_file_are_a_data_error(tmp_path):
    (tmp_path / "array").write_bytes(idx_bytes(ARRAYS["test_images"]) + b"x")
    assert "after" in message_of(read_idx, tmp_path / "array")


def test_a_missing_idx_file_or_a_folder_in_its_place_is_a_data_error(tmp_path):
    assert "absent" in message_of(read_idx, tmp_path / "absent")
    message_of(read_idx, tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_idx_header_that_claims_2_to_the_60_elements_allocates_nothing(ending, tmp_path):
    content = b"\x00\x00\x08\x02" + struct.pack(">2I", 2**30, 2**30) + bytes(100)
    path = tmp_path / ("array" + ending)
    path.write_bytes(gzip.compress(content) if ending else content)
    assert peak_memory(read_idx, path) < 10e6


# folders

def test_a_folder_is_recognised_verified_and_downscaled_with_the_crop_of_its_dataset(small_mnist):
    folder, arrays = small_mnist
    data = load(folder)
    assert data.name == "mnist"
    np.testing.assert_array_equal(data.train_images, downscale(arrays[0], crop=2), strict=True)
    np.testing.assert_array_equal(data.train_labels, arrays[1].astype(np.int64), strict=True)
    np.testing.assert_array_equal(data.test_images, downscale(arrays[2], crop=2), strict=True)
    np.testing.assert_array_equal(data.test_labels, arrays[3].astype(np.int64), strict=True)


def test_fashion_mnist_is_not_cropped(small_mnist, monkeypatch):
    folder, arrays = small_mnist
    monkeypatch.setitem(datasets.SHA256, "fashion_mnist", datasets.SHA256["mnist"])
    monkeypatch.delitem(datasets.SHA256, "mnist")
    data = load(str(folder))
    assert data.name == "fashion_mnist"
    np.testing.assert_array_equal(data.train_images, downscale(arrays[0], crop=0), strict=True)


def test_downscaling_in_blocks_changes_nothing():
    images = np.random.default_rng(2).integers(0, 256, (2001, 28, 28), np.uint8)
    np.testing.assert_array_equal(datasets.shrink(images, 2), downscale(images, 2), strict=True)


def test_gz_files_in_a_folder_are_verified_by_the_hash_of_what_is_in_them(small_mnist):
    folder, arrays = small_mnist
    for file in FILES:
        (folder / (file + ".gz")).write_bytes(gzip.compress((folder / file).read_bytes()))
        (folder / file).unlink()
    np.testing.assert_array_equal(load(folder).test_labels, arrays[3])


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_byte_in_a_folder_is_named_with_both_hashes(file, small_mnist):
    folder, _ = small_mnist
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    message = message_of(load, folder)
    assert file in message and datasets.SHA256["mnist"][file] in message and hashlib.sha256(content).hexdigest() in message


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_in_a_folder_is_named(file, small_mnist):
    folder, _ = small_mnist
    (folder / file).unlink()
    assert file in message_of(load, folder)


def test_a_path_that_does_not_exist_is_a_data_error(tmp_path):
    assert "nowhere" in message_of(load, tmp_path / "nowhere")
    message_of(load, tmp_path / "nowhere.npz")


def test_a_source_that_is_no_path_is_a_dtype_error():
    with pytest.raises(DtypeError):
        load(7)


# npz files

@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64, ">i4"])
def test_an_npz_of_the_user_is_read_whatever_its_size_and_its_integers(dtype, tmp_path):
    path = write_npz(tmp_path / "own.npz", train_labels=ARRAYS["train_labels"].astype(dtype))
    data = load(path)
    assert data.name == "own"
    np.testing.assert_array_equal(data.train_images, ARRAYS["train_images"], strict=True)
    np.testing.assert_array_equal(data.train_labels, ARRAYS["train_labels"].astype(np.int64), strict=True)
    np.testing.assert_array_equal(data.test_images, ARRAYS["test_images"], strict=True)
    np.testing.assert_array_equal(data.test_labels, ARRAYS["test_labels"].astype(np.int64), strict=True)


def test_an_npz_in_fortran_order_is_read_in_the_right_order(tmp_path):
    data = load(write_npz(tmp_path / "own.npz", train_images=np.asfortranarray(ARRAYS["train_images"])))
    np.testing.assert_array_equal(data.train_images, ARRAYS["train_images"])
    assert data.train_images.flags.c_contiguous


@pytest.mark.parametrize("changes, words", [
    ({"train_images": ARRAYS["train_images"].astype(float)}, "float64"),
    ({"train_images": ARRAYS["train_images"].astype(np.int32)}, "int32"),
    ({"test_labels": np.array([1.0, 2.0])}, "test_labels has dtype float64"),
    ({"test_labels": np.array([True, False])}, "test_labels has dtype bool"),
    ({"test_labels": np.array([1, -1])}, "-1"),
    ({"test_labels": np.array([1, 2**63], np.uint64)}, "at least 0"),
    ({"test_labels": np.array([1, 2, 3])}, "2 test_images but 3 test_labels"),
    ({"train_labels": ARRAYS["train_labels"][:, None]}, "train_labels has shape (5, 1)"),
    ({"train_images": ARRAYS["train_images"].reshape(5, 12)}, "train_images has shape (5, 12)"),
    ({"train_images": ARRAYS["train_images"].reshape(5, 4, 3)}, "(4, 3)"),
    ({"train_images": ARRAYS["train_images"][:0], "train_labels": ARRAYS["train_labels"][:0]}, "empty"),
    ({"train_labels": None}, "there is no train_labels"),
])
def test_arrays_that_are_no_dataset_are_a_data_error(changes, words, tmp_path):
    message = message_of(load, write_npz(tmp_path / "own.npz", **changes))
    assert words in message and "own.npz" in message


def test_a_pickled_array_is_refused_and_not_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("an object was unpickled",))

    labels = np.empty(5, dtype=object)
    labels[:] = Trap()
    assert "object" in message_of(load, write_npz(tmp_path / "own.npz", train_labels=labels))


@pytest.mark.parametrize("shape", [(2**60,), (2**20, 2**20, 2**20), (-5,), (-1, -5)])
def test_an_npy_header_that_claims_another_size_allocates_nothing(shape, tmp_path):
    path = write_member(tmp_path / "own.npz", "train_labels", npy_header("|u1", shape) + bytes(5))
    assert peak_memory(load, path) < 10e6


@pytest.mark.parametrize("npy", [
    b"", b"\x93NUMPY", b"\x93NUMPY\x03\x00" + bytes(9), b"\x93NUMPY\x01\x00\xff\xff{", b"no npy at all",
    npy_header("|u1", "(5,"), npy_header("|u1", "{[]: 1}"), npy_header("|u1", "(" * 5000), npy_header("nonsense", (5,)),
    npy_header("|u1", "-" * 9000 + "1"), npy_header("|u1", "(5.0,)"),
])
def test_a_damaged_npy_header_is_a_data_error(npy, tmp_path):
    message_of(load, write_member(tmp_path / "own.npz", "train_labels", npy))


@pytest.mark.filterwarnings("ignore:Reading")   # numpy's hint that a damaged header looks like one of Python 2
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_an_npz_raises_anything_but_a_data_error(tmp_path_factory, data):
    path = write_npz(tmp_path_factory.mktemp("damage") / "own.npz")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[:data.draw(st.one_of(st.none(), st.integers(0, len(content))))])
    try:
        result = load(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:   # the damage hit a byte that carries no data, such as a time stamp
        np.testing.assert_array_equal(result.train_images, ARRAYS["train_images"])
        np.testing.assert_array_equal(result.test_labels, ARRAYS["test_labels"])


def test_a_zip_whose_directory_claims_2_to_the_60_bytes_allocates_nothing(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in ARRAYS.items():
            with archive.open(name + ".npy", "w") as member:
                np.lib.format.write_array(member, array)
        info = archive.getinfo("train_labels.npy")
        info.file_size = info.compress_size = 2**60
    (tmp_path / "own.npz").write_bytes(buffer.getvalue())
    assert peak_memory(load, tmp_path / "own.npz") < 10e6


def peak_memory(function, *arguments):
    """The most memory, in bytes, that a call takes which must end with a DataError."""
    tracemalloc.start()
    try:
        message_of(function, *arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
