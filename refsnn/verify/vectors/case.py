"""The format of a golden vector: a folder with case.json and an .npy file for every array; and a reader that believes none of it.

    case.json       everything that is no array, and for every array its file, dtype, shape, axes, payload_offset, nbytes and sha256 (of the
                    whole file); small arrays also inline as `values`, those at edges also as `hex`: hex floats, which C and Python read
    NAME.npy        version 1.0, little-endian, C order, dtype <f8, <i8 or |u1; the payload starts at payload_offset, so that fread is enough

The header of an .npy file is written here, not by numpy, which writes it differently from version to version.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsnn.errors import DataError, check_path
from refsnn.files import damage_is_data_error
from refsnn.verify.conventions import Conventions
from refsnn.verify.operations import OPERATIONS, check_inputs, check_outputs, expected, layers_of

FORMAT = 1
INLINE = 24                                # an array with no more numbers is given inline, too
DESCRIBED = {np.dtype(np.float64): "<f8", np.dtype(np.int64): "<i8", np.dtype(np.uint8): "|u1"}
DTYPES = {text: np.dtype(text) for text in DESCRIBED.values()}
ID = re.compile(r"[a-z_]+-[0-9]{3}")
KEYS = ("format", "id", "op", "level", "status", "comment", "spec_ref", "flags", "conventions", "params", "units", "inputs", "outputs", "error",
        "threshold_margin", "ties", "oracles")
ARRAY_KEYS = ("file", "dtype", "shape", "axes", "payload_offset", "nbytes", "sha256")
LARGEST = 1 << 20                          # bytes of any file of a case


@dataclass(frozen=True, eq=False)
class Case:
    """A golden vector, read or generated. Arrays are numpy's; what else there is is plain JSON.

    tolerance: {output: {"kind", "float64", "float32", "why"}}, empty where it must be refused with `error`, a class of refsnn.errors;
    a bound of None: a subject in that dtype leaves the case out. threshold_margin, in theta, None where nothing is compared; ties: how
    often a membrane is exactly at its threshold. oracles: the names of those that agreed.
    """

    id: str
    op: str
    status: str
    comment: str
    flags: list
    conventions: dict
    params: dict
    inputs: dict
    outputs: dict
    tolerance: dict
    error: str | None
    threshold_margin: float | None
    ties: int
    oracles: list

    @property
    def level(self) -> int:
        """The level of its operation."""
        return OPERATIONS[self.op].level


def sha256(content):
    """The hash of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def npy_header(dtype, shape):
    """The first bytes of an .npy file, version 1.0, up to the payload: a multiple of 64.

    >>> len(npy_header("<f8", (2, 3))), npy_header("<f8", (2,))[:8]
    (128, b'\\x93NUMPY\\x01\\x00')
    """
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    size = -(-(10 + len(text) + 1) // 64) * 64
    return b"\x93NUMPY\x01\x00" + (size - 10).to_bytes(2, "little") + text.encode().ljust(size - 11) + b"\n"


def npy_bytes(array):
    """An array as the bytes of an .npy file."""
    dtype = DESCRIBED[array.dtype]
    return npy_header(dtype, array.shape) + np.ascontiguousarray(array).astype(dtype).tobytes()


def json_bytes(content):
    """JSON as it is written here: keys in their order, one line for each key of the first two levels; the same content gives the same bytes."""
    def line(value):
        return json.dumps(value, allow_nan=False, ensure_ascii=False)

    def block(value):
        if not isinstance(value, dict) or not value:
            return line(value)
        return "{\n" + ",\n".join(f"  {line(key)}: {line(entry)}" for key, entry in value.items()) + "\n }"

    return ("{\n" + ",\n".join(f" {line(key)}: {block(value)}" for key, value in content.items()) + "\n}\n").encode()


def array_record(name, array, axes, hexadecimal):
    """(entry of case.json, bytes of the file) of an array."""
    content, dtype = npy_bytes(array), DESCRIBED[array.dtype]
    record = {"file": f"{name}.npy", "dtype": dtype, "shape": list(array.shape), "axes": axes, "payload_offset": len(npy_header(dtype, array.shape)),
              "nbytes": array.nbytes, "sha256": sha256(content)}
    if array.size <= INLINE and np.isfinite(array).all():
        record["values"] = array.ravel().tolist()
    if array.size <= INLINE and array.dtype == float and (hexadecimal or "values" not in record):
        record["hex"] = [number.hex() for number in array.ravel().tolist()]
    return record, content


def case_files(case):
    """{file name: bytes} of a case."""
    operation, files, records = OPERATIONS[case.op], {}, {}
    for side, arrays in (("inputs", case.inputs), ("outputs", case.outputs)):
        declared, records[side] = expected(getattr(operation, side), layers_of(case.op, case.params)), {}
        for name, array in arrays.items():
            record, content = array_record(name, array, declared[name][1], "Boundary" in case.flags)
            records[side][name] = record | ({"tolerance": case.tolerance[name]} if side == "outputs" else {})
            files[f"{name}.npy"] = content
    record = {"format": FORMAT, "id": case.id, "op": case.op, "level": case.level, "status": case.status, "comment": case.comment,
              "spec_ref": operation.spec, "flags": list(case.flags), "conventions": case.conventions, "params": case.params,
              "units": operation.params, **records, "error": case.error, "threshold_margin": case.threshold_margin, "ties": case.ties,
              "oracles": list(case.oracles)}
    return {"case.json": json_bytes(record), **files}


# reading

def require(true, text):
    """Raise DataError with a text unless something is true."""
    if not true:
        raise DataError(text)


def read_bytes(folder, name):
    """The bytes of a file in a folder: a plain file there, of at most LARGEST bytes, and nowhere else."""
    path = check_path("folder", folder) / name
    require(re.fullmatch(r"[A-Za-z0-9_.-]+", name) and name not in (".", ".."), f"{folder}: {name!r} is no name of a file in this folder")
    require(path.is_file() and not path.is_symlink(), f"{path}: there is no such file, or it is a link")
    require(path.stat().st_size <= LARGEST, f"{path}: it has {path.stat().st_size} bytes; no file of a case has more than {LARGEST}")
    return path.read_bytes()


def no_constant(text):
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"{text} is no JSON")


def read_json(folder, name, hashed=None):
    """A JSON object out of a file; `hashed`: the sha256 that the file must have, if there is one."""
    content = read_bytes(folder, name)
    require(hashed in (None, sha256(content)), f"{Path(folder) / name}: its sha256 is {sha256(content)}; it must be {hashed}")
    with damage_is_data_error(Path(folder) / name):
        found = json.loads(content.decode(), parse_constant=no_constant)
        require(isinstance(found, dict), "it holds no JSON object")
        json_bytes(found)                                                # which a text with half a surrogate pair has not
    return found


def read_array(folder, name, record):
    """An array, as its entry in case.json says it is: sizes first, then the hash, the header, the inline values."""
    where = f"{folder}, array {name}"
    require(isinstance(record, dict) and set(ARRAY_KEYS) <= set(record), f"{where}: its entry must have {', '.join(ARRAY_KEYS)}")
    shape, dtype = record["shape"], record["dtype"]
    require(isinstance(dtype, str) and dtype in DTYPES, f"{where}: its dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    require(isinstance(shape, list) and len(shape) < 9 and all(type(size) is int and size >= 0 for size in shape), f"{where}: {shape!r} is no shape")
    count = math.prod(shape)
    require(record["nbytes"] == count * DTYPES[dtype].itemsize,
            f"{where}: shape {shape} and dtype {dtype} make {count * DTYPES[dtype].itemsize} bytes, but nbytes is {record['nbytes']}")
    header = npy_header(dtype, shape)
    require(record["payload_offset"] == len(header), f"{where}: payload_offset is {record['payload_offset']}; it must be {len(header)}")
    require(isinstance(record["file"], str), f"{where}: {record['file']!r} is no name of a file")
    content = read_bytes(folder, record["file"])
    require(len(content) == len(header) + record["nbytes"],
            f"{where}: {record['file']} has {len(content)} bytes; it must have {len(header) + record['nbytes']}")
    require(content.startswith(header),
            f"{where}: the header of {record['file']} is not that of an array {dtype} of shape {shape}, npy version 1.0, C order")
    require(sha256(content) == record["sha256"], f"{where}: the sha256 of {record['file']} is {sha256(content)}; it must be {record['sha256']}")
    array = np.frombuffer(content, DTYPES[dtype], offset=len(header)).reshape(shape).astype(DTYPES[dtype].newbyteorder("="))
    numbers = array.ravel().tolist()
    require(record.get("values", numbers) == numbers, f"{where}: the inline values are not those of {record['file']}")
    require("hex" not in record or dtype == "<f8" and record["hex"] == [number.hex() for number in numbers],
            f"{where}: the hex floats are not those of {record['file']}")
    return array


def read_case(folder, hashed: str | None = None) -> Case:
    """The Case in a folder; `hashed`: the sha256 of its case.json, if it is known. Raises DataError with what is wrong with it."""
    record = read_json(folder, "case.json", hashed)
    missing = [key for key in KEYS if key not in record]
    require(not missing, f"{folder}: case.json lacks {', '.join(missing)}")
    with damage_is_data_error(folder):
        check_record(record)
    arrays = {side: {name: read_array(folder, name, entry) for name, entry in record[side].items()} for side in ("inputs", "outputs")}
    if record["error"] is None:
        with damage_is_data_error(folder):
            sizes = check_inputs(record["op"], arrays["inputs"], record["params"], "float64")
            check_outputs(record["op"], arrays["outputs"], arrays["inputs"], record["params"], "float64", sizes)
    tolerance = {name: entry["tolerance"] for name, entry in record["outputs"].items()}
    own = ("id", "op", "status", "comment", "flags", "conventions", "params", "error", "threshold_margin", "ties", "oracles")
    return Case(**{key: record[key] for key in own}, inputs=arrays["inputs"], outputs=arrays["outputs"], tolerance=tolerance)


def check_record(record):
    """Raise unless what case.json says beside its arrays is what a case can say: DataError, or what looking into other JSON raises."""
    id, op, error = record["id"], record["op"], record["error"]
    require(record["format"] == FORMAT, f"its format is {record['format']}; this reader knows {FORMAT}")
    require(isinstance(id, str) and ID.fullmatch(id) and op in OPERATIONS and id.startswith(f"{op}-"), f"{id!r} is no id of the operation {op!r}")
    require(record["level"] == OPERATIONS[op].level and record["status"] in ("must", "may"),
            f"level {record['level']} or status {record['status']!r} is wrong")
    require(error is None and record["outputs"] or isinstance(error, str) and not record["outputs"], "it must have outputs, or the class of an error")
    require(all(isinstance(record[name], dict) for name in ("inputs", "params")), "its inputs or params are no JSON object")
    Conventions(**record["conventions"])
    for name, entry in record["outputs"].items():
        kind, bounds = entry["tolerance"]["kind"], [entry["tolerance"][dtype] for dtype in ("float64", "float32")]
        require(kind in ("exact", "ulp", "scaled") and all(bound is None or type(bound) is float and 0 <= bound < 1e9 for bound in bounds),
                f"the tolerance of {name} is {kind!r} with the bounds {bounds}")
