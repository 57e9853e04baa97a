"""Whether outputs are what was expected: the largest error in units of its bound, and the first place where it is exceeded."""

import math
from dataclasses import dataclass

import numpy as np

from refsnn.verify.operations import OPERATIONS, expected, layers_of

WORDS = {"T": "t", "steps": "step", "B": "sample", "M": "input", "K": "class", "P": "point", "E": "entry", "H*H2": "pixel"}


@dataclass(frozen=True)
class Difference:
    """The first place where an output is off: its name, the index in words, and both numbers."""

    field: str
    place: str
    got: float
    expected: float

    def __str__(self):
        return f"{self.field}{self.place} is {self.got:.9g} where {self.expected:.9g} is expected"


def letters_of(op, side, params):
    """{array: letters of its axes} of an operation's inputs or outputs."""
    return {name: letters for name, (_, letters, _) in expected(getattr(OPERATIONS[op], side), layers_of(op, params)).items()}


def compare(op, params, got, wanted, allowed):
    """(headroom, Difference or None): headroom is the largest error / bound, inf where what must be exact is not, or a shape is another.

    got, wanted {output: array}; allowed {output: bound, a number}. The first difference is that of the smallest t, where arrays have a time.
    """
    axes = letters_of(op, "outputs", params)
    worst, found = 0.0, []
    for rank, (name, array) in enumerate(wanted.items()):
        if name not in got or np.shape(got[name]) != array.shape:
            return math.inf, Difference(name, f", of shape {np.shape(got.get(name))},", math.nan, math.nan)
        ratios = ratio(got[name], array, allowed[name])
        worst = max(worst, ratios.max(initial=0))
        if ratios.max(initial=0) > 1:
            letters, index = axes[name], tuple(np.argwhere(ratios > 1)[0])
            # before others of the same t come those that were listed first: V0 before S0
            order = (index[0] if letters[:1] in (["T"], ["steps"]) else 0, rank)
            found.append((order, Difference(name, place(letters, index), float(got[name][index]), float(array[index]))))
    return float(worst), min(found, key=lambda item: item[0])[1] if found else None


def ratio(got, wanted, allowed):
    """Error / bound of every element; inf for what should be finite and is not, or must be exact and is not."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        off = np.abs(got.astype(float) - wanted.astype(float))
        ratios = np.where(got == wanted, 0.0, off / allowed)
    return np.where(np.isnan(ratios), np.inf, ratios)


def place(letters, index):
    """An index in words: " at t 3, sample 0, neuron 1"."""
    words = [f"{WORDS.get(letter, 'neuron' if letter[0] == 'N' else 'row')} {number}" for letter, number in zip(letters, index)]
    return f" at {', '.join(words)}" if words else ""
