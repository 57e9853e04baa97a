"""Reading golden vectors: with json and struct alone, and without believing a damaged or a malicious file."""

import json
import shutil
import subprocess
import sys

import pytest

from refsnn.errors import DataError
from refsnn.verify.vectors import read, read_case
from refsnn.verify.vectors.archive import ARCHIVE, shipped
from refsnn.verify.vectors.case import json_bytes, npy_header, sha256
from refsnn.verify.vectors.collection import read_manifest

VECTORS = shipped()
READER = ARCHIVE.parent / "examples" / "read_vectors.py"


def test_every_vector_is_read_without_numpy():
    # -S: no site-packages, so numpy could not be imported
    done = subprocess.run([sys.executable, "-I", "-S", READER, VECTORS], capture_output=True, text=True, check=True)
    arrays = sum(len(case.inputs) + len(case.outputs) for case in read())
    assert done.stdout == f"{len(read())} cases, {arrays} arrays, all hashes right\n"


@pytest.mark.parametrize("arguments", [[], [VECTORS, VECTORS], ["nowhere"], [VECTORS / "decay-001"]])
def test_the_reader_says_how_it_is_called(arguments):
    done = subprocess.run([sys.executable, "-I", "-S", READER, *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("usage: python read_vectors.py DIR") and done.stderr.count("\n") == 1


@pytest.fixture
def vectors(tmp_path):
    """A copy of some vectors, with a manifest of their own."""
    return copied(tmp_path / "vectors", ("decay-001", "latency-001", "forward-010", "forward-202"))


def copied(folder, ids):
    """A folder with some of the cases, whose manifest names them alone."""
    folder.mkdir()
    for id in ids:
        shutil.copytree(VECTORS / id, folder / id)
    manifest = read_manifest(VECTORS)
    write_manifest(folder, manifest | {"cases": {id: manifest["cases"][id] for id in ids}})
    return folder


def write_manifest(folder, manifest):
    """Write a manifest with the hash that it must have."""
    hashed = {key: value for key, value in manifest.items() if key not in ("sha256", "generated_by")}
    (folder / "manifest.json").write_bytes(json_bytes(hashed | {"sha256": sha256(json_bytes(hashed)), "generated_by": manifest["generated_by"]}))


def test_a_part_of_the_vectors_is_read(vectors):
    assert [case.id for case in read(vectors)] == ["decay-001", "latency-001", "forward-010", "forward-202"]


@pytest.mark.parametrize("name", ["manifest.json", "forward-010/case.json", "forward-010/W0.npy", "latency-001/time.npy"])
def test_one_flipped_bit_anywhere_is_found(vectors, name):
    content = (vectors / name).read_bytes()
    # of the manifest all but who generated it, which is no data
    end = content.index(b'"sha256": "', content.index(b'"measured"') + 120) if name == "manifest.json" else len(content)
    for position in range(0, end, max(1, end // 60)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        (vectors / name).write_bytes(flipped)
        with pytest.raises(DataError):
            read(vectors)


@pytest.mark.parametrize("name", ["manifest.json", "forward-010/case.json", "forward-010/W0.npy"])
def test_a_truncated_or_missing_file_is_named(vectors, name):
    content = (vectors / name).read_bytes()
    for size in (0, 5, 127, len(content) - 2):
        (vectors / name).write_bytes(content[:size])
        with pytest.raises(DataError, match=name.split("/")[-1]):
            read(vectors)
    (vectors / name).unlink()
    with pytest.raises(DataError, match="there is no such file"):
        read(vectors)


def forged(vectors, change, id="forward-010"):
    """Change case.json as somebody does who can change its hash, too; return its folder."""
    record = json.loads((vectors / id / "case.json").read_bytes())
    change(record)
    (vectors / id / "case.json").write_text(json.dumps(record))
    return vectors / id


def put(*path, value):
    """A change: record[path] = value."""
    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value
    return change


W0 = ("inputs", "W0")


@pytest.mark.parametrize(("change", "message"), [
    (put(*W0, "shape", value=[5, 4]), "the header of W0.npy is not that of an array <f8 of shape"),
    (put(*W0, "shape", value=[4, 6]), r"shape \[4, 6\] and dtype <f8 make 192 bytes, but nbytes is 160"),
    (put(*W0, "shape", value=[2**30, 2**30]), "make 9223372036854775808 bytes, but nbytes is 160"),
    (put(*W0, "shape", value=[-4, -5]), "is no shape"),
    (put(*W0, "shape", value=[4.0, 5]), "is no shape"),
    (put(*W0, "shape", value=20), "20 is no shape"),
    (put(*W0, "shape", value=[True, 20]), "is no shape"),
    (put(*W0, "nbytes", value=168), "but nbytes is 168"),
    (put(*W0, "nbytes", value="160"), "but nbytes is 160"),
    (put(*W0, "dtype", value="|O"), "its dtype is '|O'"),
    (put(*W0, "dtype", value=["<f8"]), "its dtype is"),
    (put(*W0, "dtype", value="<i8"), "the header of W0.npy is not that of an array <i8"),
    (put(*W0, "payload_offset", value=64), "payload_offset is 64; it must be 128"),
    (put(*W0, "file", value="../decay-001/tau.npy"), "no name of a file in this folder"),
    (put(*W0, "file", value="/etc/passwd"), "no name of a file in this folder"),
    (put(*W0, "file", value=".."), "no name of a file in this folder"),
    (put(*W0, "file", value="W9.npy"), "W9.npy: there is no such file"),
    (put(*W0, "file", value="W1.npy"), "W1.npy has 208 bytes; it must have 288"),
    (put(*W0, "file", value=7), "7 is no name of a file"),
    (put(*W0, "sha256", value="0" * 64), "the sha256 of W0.npy is"),
    (put(*W0, value=[]), "its entry must have file"),
    (put("inputs", "x", "values", value=[1.0]), "the inline values are not those of x.npy"),
    (put("inputs", "x", "hex", value=["0x1p+0"]), "the hex floats are not those of x.npy"),
    (put("format", value=2), "its format is 2"),
    (put("id", value="../../etc"), "is no id of the operation"),
    (put("op", value="backward"), "is no id of the operation 'backward'"),
    (put("level", value=2), "level 2 or status"),
    (put("status", value="perhaps"), "status 'perhaps' is wrong"),
    (put("conventions", value={"tie": "maybe"}), "tie is 'maybe'"),
    (put("conventions", value=[1]), "must be a mapping"),
    (put("params", "dt", value="1.7 us"), "param dt is str '1.7 us'"),
    (put("error", value="RangeError"), "it must have outputs, or the class of an error"),
    (put("outputs", value={}), "it must have outputs, or the class of an error"),
    (put("inputs", value=[]), "its inputs or params are no JSON object"),
    (put("outputs", "V0", "tolerance", "kind", value="about"), "the tolerance of V0 is 'about'"),
    (put("outputs", "V0", "tolerance", "float64", value=-1.0), "with the bounds"),
    (put("outputs", "V0", "tolerance", value=None), "NoneType"),
    (lambda record: record.pop("oracles"), "case.json lacks oracles"),
    (lambda record: record["inputs"].pop("W1"), "the inputs lack W1"),
    (lambda record: record["outputs"].pop("S0"), "the outputs lack S0"),
])
def test_a_forged_case_is_refused_by_name(vectors, change, message):
    folder = forged(vectors, change)
    with pytest.raises(DataError, match=message) as raised:
        read_case(folder)
    assert str(raised.value).count("\n") == 0 and str(folder) in str(raised.value)


def test_an_array_of_2_to_the_60_elements_costs_nothing(vectors):
    shape = [2**30, 2**30]

    def change(record):
        record["inputs"]["W0"] |= {"shape": shape, "nbytes": 8 * 2**60, "payload_offset": len(npy_header("<f8", shape))}

    file = vectors / "forward-010" / "W0.npy"
    file.write_bytes(npy_header("<f8", shape) + file.read_bytes()[128:])
    with pytest.raises(DataError, match=r"W0.npy has 288 bytes; it must have 9223372036854775936"):
        read_case(forged(vectors, change))


def test_a_header_that_is_not_the_expected_one_is_refused_even_with_the_right_hash(vectors):
    file = vectors / "forward-010" / "W0.npy"
    content = file.read_bytes().replace(b"False", b"True ")                          # Fortran order: other numbers in the same bytes
    file.write_bytes(content)
    with pytest.raises(DataError, match="the header of W0.npy is not that of"):
        read_case(forged(vectors, put(*W0, "sha256", value=sha256(content))))


def test_a_link_out_of_the_folder_is_not_followed(vectors, tmp_path):
    file = vectors / "forward-010" / "W0.npy"
    file.rename(tmp_path / "elsewhere.npy")
    file.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(DataError, match="or it is a link"):
        read(vectors)


def test_a_case_that_is_a_link_is_not_followed(vectors, tmp_path):
    (vectors / "forward-010").rename(tmp_path / "elsewhere")
    (vectors / "forward-010").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="forward-010: it is a link"):
        read(vectors)


@pytest.mark.parametrize(("name", "value"), [("op", "decay"), ("level", 2), ("status", "may"), ("flags", []), ("flags", None)])
def test_a_manifest_that_disagrees_with_a_case_is_refused(name, value, vectors):
    manifest = read_manifest(vectors)
    manifest["cases"]["forward-010"][name] = value
    write_manifest(vectors, manifest)
    with pytest.raises(DataError, match=f"manifest.json: {name} of forward-010 is"):
        read(vectors)


def test_a_case_that_is_retired_is_refused(vectors):
    write_manifest(vectors, read_manifest(vectors) | {"retired": {"decay-001": "it was wrong"}})
    with pytest.raises(DataError, match="decay-001 is there, and is retired"):
        read(vectors)


def test_a_huge_file_is_not_read(vectors):
    with open(vectors / "forward-010" / "case.json", "r+b") as file:
        file.truncate(1 << 40)                                                       # a hole: no bytes on the disk
    with pytest.raises(DataError, match="no file of a case has more than"):
        read(vectors)


@pytest.mark.parametrize("text", ['{"a": NaN}', "[]", "{", "[" * 100_000, '{"a": "\udcff"}'.encode("utf-8", "surrogateescape"),
                                  '{"cases": {"\\ud800": {}}}'])
def test_what_is_no_json_object_is_named(vectors, text):
    for path in (vectors / "forward-010" / "case.json", vectors / "manifest.json"):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match="case.json"):
        read_case(vectors / "forward-010")
    with pytest.raises(DataError, match="manifest.json"):
        read_manifest(vectors)


@pytest.mark.parametrize("cases", [{"../decay-001": {"sha256": ""}}, {"decay-001": {}}, {"decay-001": None}, []])
def test_a_manifest_that_leads_elsewhere_is_refused(vectors, cases):
    write_manifest(vectors, read_manifest(vectors) | {"cases": cases})
    with pytest.raises(DataError, match="manifest.json"):
        read(vectors)


def test_a_case_in_anothers_folder_is_refused(vectors):
    shutil.rmtree(vectors / "decay-001")
    shutil.copytree(vectors / "latency-001", vectors / "decay-001")
    manifest = read_manifest(vectors)
    manifest["cases"]["decay-001"] = manifest["cases"]["latency-001"]
    write_manifest(vectors, manifest)
    with pytest.raises(DataError, match="decay-001: it calls itself latency-001"):
        read(vectors)
