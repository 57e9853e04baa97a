"""Arrays and cases as JSON: what goes over stdio, and what is saved for a later replay.

An array is {"dtype": "float64", "shape": [2, 3], "data": [..]}; dtype is float64, float32, int64 or uint8; data is flat, in C order (the last axis
runs fastest), and not base64. A float is written with as many digits as give the same float again. JSON has no word for the others: they
are written "nan", "inf" and "-inf"; null is read as nan, since that is what many languages write for it.
"""

import json
import math

import numpy as np

from refsnn.errors import DataError, describe

DTYPES = ("float64", "float32", "int64", "uint8")
WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode_array(array):
    """An array as a JSON object.

    >>> encode_array(np.array([[1.5, -np.inf]]))
    {'dtype': 'float64', 'shape': [1, 2], 'data': [1.5, '-inf']}
    """
    data = array.ravel().tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        data = [value if math.isfinite(value) else str(value) for value in data]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def decode_array(name, given):
    """A JSON object as an array. Raises DataError where it is none."""
    if not isinstance(given, dict) or set(given) != {"dtype", "shape", "data"}:
        raise DataError(f"{name} is {describe(given)}; it must be an object with dtype, shape and data")
    dtype, shape, data = given["dtype"], given["shape"], given["data"]
    if dtype not in DTYPES:
        raise DataError(f"{name} has dtype {describe(dtype)}; it must be one of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise DataError(f"{name} has shape {describe(shape)}; it must be a list of whole numbers")
    if not isinstance(data, list) or len(data) != math.prod(shape):
        raise DataError(f"{name} has shape {shape}, but its data are {f'{len(data)} numbers' if isinstance(data, list) else describe(data)}")
    return np.array([number(name, dtype, value) for value in data], dtype).reshape(shape)


def number(name, dtype, value):
    """One number of an array. Raises DataError."""
    if dtype.startswith("float"):
        value = math.nan if value is None else WORDS.get(value, value) if isinstance(value, str) else value
        if type(value) is float or type(value) is int and abs(value) <= 2**1023:
            return value
    elif (type(value) is int or type(value) is float and value.is_integer()) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        return int(value)
    raise DataError(f"{name} holds {describe(value)}, which is no {dtype}")


def encode_arrays(arrays):
    """A dict of arrays, of the dtypes above, as JSON objects."""
    return {name: encode_array(array) for name, array in arrays.items()}


def decode_arrays(what, given):
    """A dict of JSON objects as arrays. Raises DataError."""
    if not isinstance(given, dict):
        raise DataError(f"{what} are {describe(given)}; they must be an object of arrays")
    return {name: decode_array(name, array) for name, array in ((printable(name), array) for name, array in given.items())}


def printable(text):
    r"""Text of a subject as it can be shown: what is no printable character (ESC, a newline, half a surrogate pair) as an escape.

    >>> print(printable("no membrane" + chr(27) + "[2J"))
    no membrane\x1b[2J
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def one_line(message):
    """What a subject says of an error as one printable line."""
    return printable(" ".join(str(message).split()))


def printable_object(given):
    """A JSON value with all its texts printable."""
    if isinstance(given, dict):
        return {printable(name): printable_object(value) for name, value in given.items()}
    if isinstance(given, list):
        return [printable_object(value) for value in given]
    return printable(given) if isinstance(given, str) else given


def decode_line(text):
    """The JSON object that a line holds. Raises DataError."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"this is not JSON: {text.strip()[:80]!r}") from None
    if not isinstance(given, dict):
        raise DataError(f"this is not a JSON object: {text.strip()[:80]!r}")
    return given
