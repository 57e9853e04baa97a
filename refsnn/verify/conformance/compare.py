"""Whether outputs are what was expected: the largest error in units of its bound, and the first place where it is exceeded."""

import math
from dataclasses import dataclass, replace

import numpy as np

from refsnn.verify.operations import OPERATIONS, expected, layers_of

WORDS = {"T": "t", "steps": "step", "B": "sample", "M": "input", "K": "class", "P": "point", "E": "entry", "H*H2": "pixel"}


@dataclass(frozen=True)
class Difference:
    """A place where an output is off: its name, the index in words, both numbers; and the place with the largest error / bound, where that is
    another."""

    field: str
    place: str
    got: float
    expected: float
    largest: object = None

    def __str__(self):
        got, expected = told_apart(self.got, self.expected)
        first = f"{self.field}{self.place} is {got} where {expected} is expected"
        return f"{first}; largest error: {self.largest}" if self.largest else first


def told_apart(one, other, fewest=9):
    """Two numbers as texts of `fewest` digits, or of as many as they need to differ.

    >>> told_apart(0.25, 0.25 + 2**-40)
    ('0.25', '0.250000000001')
    """
    for digits in range(fewest, 18):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def letters_of(op, side, params):
    """{array: letters of its axes} of an operation's inputs or outputs."""
    return {name: letters for name, (_, letters, _) in expected(getattr(OPERATIONS[op], side), layers_of(op, params)).items()}


def compare(op, params, got, wanted, allowed):
    """(headroom, Difference or None): headroom is the largest error / bound, inf where what must be exact is not, or a shape is another.

    got, wanted {output: array}; allowed {output: bound, a number}. The Difference is that of the smallest t, where arrays have a time.
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
            largest = np.unravel_index(ratios.argmax(), ratios.shape)
            found.append((order, -ratios.max(), *(Difference(name, place(letters, at), float(got[name][at]), float(array[at])) for at in (
                index, index if ratios[index] == ratios[largest] else largest))))
    return float(worst), difference_of(found)


def difference_of(found):
    """The first Difference, with the largest; found: (order in time, - error / bound, first, largest) of every output that is off."""
    if not found:
        return None
    order, off, first, largest = min(found, key=lambda item: item[0])
    if min(found, key=lambda item: item[1])[1] < off:
        largest = min(found, key=lambda item: item[1])[3]
    return first if (largest.field, largest.place) == (first.field, first.place) else replace(first, largest=largest)


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
