"""What tests send to other processes: it must be importable there."""

import os

from refsnn import RangeError


class Troublesome:
    """A shard that can fail or go away."""

    def __init__(self, number):
        self.number = number

    def add(self, value):
        return self.number + value

    def fail(self, number):
        if self.number == number:
            raise RangeError(f"shard {number} failed")

    def leave(self):
        if self.number:
            os._exit(3)


def die(recipe, folder):
    """A run whose process dies."""
    os._exit(3)
