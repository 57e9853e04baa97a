"""What tests send to other processes: it must be importable there."""

import os

from refsnn import RangeError


class Troublesome:
    """A member of a crew that can fail or go away."""

    def __init__(self, number, arrays):
        self.number, self.arrays = number, arrays

    def add_up(self, exchange, times, count=None):
        """The sum of what `times` exchanges bring, this member's arrays having been multiplied by 1, 2, .."""
        total = {}
        for factor in range(1, times + 1):
            for number, arrays in exchange({self.number: [factor * array for array in self.arrays[:count]]}).items():
                total[number] = [a + b for a, b in zip(total.get(number, [0] * len(arrays)), arrays)]
        return total

    def fail(self, exchange, number):
        exchange({self.number: self.arrays})
        if self.number == number:
            raise RangeError(f"member {number} failed")
        exchange({self.number: self.arrays})

    def leave(self, exchange):
        if self.number:
            os._exit(3)
        exchange({self.number: self.arrays})


def die(recipe, folder):
    """A run whose process dies."""
    os._exit(3)
