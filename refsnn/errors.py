"""The errors of refsnn, and the checks made once, at its boundary.

A public function checks what it is given and raises one of the classes below, with the numbers in the message; the inner
functions it calls do not check again. Each class is also the built-in exception a Python reader would expect, so that
``except ValueError`` works as well.
"""

import os
from pathlib import Path

import numpy as np


class RefsnnError(Exception):
    """Base of every error that refsnn raises on purpose."""


class ShapeError(RefsnnError, ValueError):
    """An array has the wrong number of axes, or two arrays do not fit each other."""


class DtypeError(RefsnnError, TypeError):
    """An array has the wrong kind of number; nothing is cast silently."""


class RangeError(RefsnnError, ValueError):
    """A value lies outside what it may be: NaN, a negative time constant, a label that is no class."""


class DataError(RefsnnError, ValueError):
    """A file is missing, damaged, has the wrong hash, or is not what it says it is."""


def check_float_array(name, array, ndim):
    """Raise unless `array` is a finite float32 or float64 ndarray with `ndim` axes, none of them empty."""
    check_array(name, array, ndim)
    if array.dtype not in (np.float32, np.float64):
        raise DtypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64")
    # the sum is finite wherever all elements are, short of overflow: one pass, no temporary
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious and not np.isfinite(array).all():
        raise RangeError(f"{name} holds {np.count_nonzero(~np.isfinite(array))} values that are NaN or infinite")


def check_result(loss, arrays):
    """Raise RangeError unless a loss and the arrays of its gradient are finite: large weights make numbers that the dtype cannot hold."""
    if not (np.isfinite(loss) and all(np.isfinite(array).all() for array in arrays)):
        raise RangeError(f"the loss is {loss}, and it or its gradient is more than {arrays[0].dtype} can hold; weights, trace, noise or objective "
                         "are too large for it")


def check_array(name, array, ndim):
    """Raise unless `array` is an ndarray with `ndim` axes, None for one or more, none of them empty."""
    if not isinstance(array, np.ndarray) or isinstance(array, (np.ma.MaskedArray, np.matrix)):
        raise DtypeError(f"{name} is {describe(array)}; it must be a numpy array, neither masked nor a matrix")
    if (not array.ndim if ndim is None else array.ndim != ndim):
        raise ShapeError(f"{name} has shape {array.shape}; it must have {'one or more' if ndim is None else ndim} axes")
    if array.size == 0:
        raise ShapeError(f"{name} has shape {array.shape}: an axis is empty")


def check_same_dtype(name, array, dtype, owner="the network's weights"):
    """Raise unless `array` has `dtype`, the dtype of `owner`."""
    if array.dtype != dtype:
        raise DtypeError(f"{name} is {array.dtype} but {owner} are {np.dtype(dtype)}; convert one of them")


def check_float_dtype(dtype, name="dtype"):
    """Raise unless `dtype`, that of `name`, means float32 or float64."""
    if not isinstance(dtype, (type, str, np.dtype)) or dtype not in (np.float32, np.float64, "float32", "float64"):
        raise DtypeError(f"{name} is {describe(dtype)}; it must be float32 or float64")


def check_binary(name, array):
    """Raise unless every element of `array` is exactly 0 or 1."""
    if np.count_nonzero(array != 0) != np.count_nonzero(array == 1):
        where = tuple(int(i) for i in np.argwhere((array != 0) & (array != 1))[0])
        raise RangeError(f"{name} must hold 0 and 1 only, but {name}{list(where)} = {array[where]}")


def check_labels(labels, batch, classes):
    """Raise unless `labels` is an integer (B,) array with values from 0 to K - 1."""
    check_array("labels", labels, 1)
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"labels have dtype {labels.dtype}; they must be integers")
    if len(labels) != batch:
        raise ShapeError(f"labels has shape {labels.shape} but x has a batch of {batch}")
    if labels.min() < 0 or labels.max() >= classes:
        raise RangeError(f"labels run from {labels.min()} to {labels.max()}; with {classes} classes they must lie in 0..{classes - 1}")


def check_number(name, value, low=-np.inf, high=np.inf, strict=False):
    """The `value` as a float; raise unless it is a finite real number in [low, high], or in (low, high] if `strict`.

    A float, because a numpy float64 scalar would turn float32 arrays into float64 ones.
    """
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise DtypeError(f"{name} is {describe(value)}; it must be a number")
    try:
        value = float(value)
    except OverflowError:
        raise RangeError(f"{name} is an integer of {value.bit_length()} bits; it must be a number that a float can hold") from None
    if not np.isfinite(value) or value < low or value > high or (strict and value == low):
        bound = f"{'above' if strict else 'at least'} {low:g}" + (f" and at most {high:g}" if np.isfinite(high) else "")
        raise RangeError(f"{name} is {value}; it must be " + (bound if np.isfinite(low) else "finite"))
    return value + 0.0                                                   # -0.0 is 0.0


def check_count(name, value, low=1, high=2**53):
    """The `value` as an int, whose arithmetic is exact; raise unless it is an integer from `low` to `high`."""
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, (int, np.integer)):
        raise DtypeError(f"{name} is {describe(value)}; it must be an integer")
    if value < low:
        raise RangeError(f"{name} is {describe(value, kind='')}; it must be at least {low}")
    if value > high:
        raise RangeError(f"{name} is {describe(value, kind='')}; it must be at most {high}")
    return int(value)


def check_choice(name, value, choices):
    """Raise unless `value` is one of the named `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise RangeError(f"{name} is {describe(value, kind='')}; it must be one of {', '.join(choices)}")


def check_type(name, value, kind):
    """Raise DtypeError unless `value` is an instance of the class `kind`."""
    if not isinstance(value, kind):
        raise DtypeError(f"{name} is {describe(value)}; it must be a {kind.__name__}")


def check_path(name, path):
    """The `path` as a Path; raise unless it is a text or a path, and one that a file can have."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise DtypeError(f"{name} is {describe(path)}; it must be a path or a text")
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise RangeError(f"{name} is {describe(path)}; it has letters that no file's name has") from None
    if b"\0" in encoded:
        raise RangeError(f"{name} is {describe(path)}; no file's name has the letter NUL")
    return Path(text)


def describe(value, kind="{} "):
    """A short name of any object for a message: its type, where the message is to have it, and its text if that is short."""
    name = type(value).__name__
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of a number with too many digits, lists in lists in lists, or an object whose repr fails
        return f"a {name}"
    return kind.format(name) + text if len(text) <= 40 else f"a {name}"
