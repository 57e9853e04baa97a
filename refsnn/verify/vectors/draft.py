"""A draft: what a golden vector asks, before anybody has answered; and the numbers that drafts are made of.

The numbers are the same on any machine and with any version of numpy: they come from random.Random, whose random() Python promises to keep,
and they are whole multiples of 2^-12 of small size, so no rounding enters, and float32 holds them as they are: a subject in float32 starts
from the same values.
"""

import random
from dataclasses import dataclass, field, replace

import numpy as np

from refsnn.verify.operations import OPERATIONS

GRID = 2.0**12
DT = 1.7e-6                                # s; the published time step
TAU = 6e-6                                 # s; the published time constants
HALF = 1.4426950408889634                  # s; 1 / ln 2: with it and dt = 1 s, exp(-dt/tau) is 1/2
PUBLISHED = {"tau_mem": TAU, "tau_syn": TAU, "threshold": 1.0, "dt": DT}
HALVING = {"tau_mem": HALF, "tau_syn": HALF, "threshold": 1.0, "dt": 1.0}
SUPERSPIKE = {"slope": 50.0, "spike_aware": False}
PLAIN = {"readout_scale": 1.0, "reduce": "max", "burst": 0.0, "weight": 0.0, "readout": 0.0, "rate": 0.0,
         "rate_limit": 0.0}     # no regulariser; scores of the size at which a softmax is not 0 or 1


@dataclass(frozen=True)
class Draft:
    """One question: an operation with inputs, params and conventions; and what there is to say about it.

    error: None, or the class of refsnn.errors with which it must be refused. repaired: the inputs and params that replace the faulty ones, and
    fault: a plain check, of (inputs as lists, params), that sees the fault; both None unless it must be refused.
    """

    id: str
    comment: str
    inputs: dict
    params: dict = field(default_factory=dict)
    flags: tuple = ()
    conventions: dict = field(default_factory=dict)
    error: str | None = None
    repaired: dict | None = None
    fault: object = None

    @property
    def op(self):
        """The operation, which is the first part of the id."""
        return self.id.rpartition("-")[0]

    @property
    def status(self):
        """must, or may where the operation or a convention is not everybody's."""
        return "may" if self.conventions else OPERATIONS[self.op].status


class Numbers:
    """Numbers for the draft with an id, one after the other."""

    def __init__(self, id):
        self.source = random.Random(f"refsnn {id}")

    def filled(self, shape, draw):
        """An array of draws, as near as multiples of 2^-12 come to them."""
        count = int(np.prod(shape))
        return np.array([round(draw() * GRID) / GRID for _ in range(count)]).reshape(shape)

    def uniform(self, low, high, *shape):
        """Evenly between low and high."""
        return self.filled(shape, lambda: low + (high - low) * self.source.random())

    def normal(self, mean, deviation, *shape):
        """Nearly normal: the sum of twelve uniform numbers, less 6. Products and sums only, so that every machine gets the same."""
        return self.filled(shape, lambda: mean + deviation * (sum(self.source.random() for _ in range(12)) - 6))

    def spikes(self, density, *shape):
        """1.0 with a probability of `density`, else 0.0."""
        return self.filled(shape, lambda: float(self.source.random() < density))

    def integers(self, low, high, *shape, dtype=np.int64):
        """Integers from low to high - 1."""
        return self.filled(shape, lambda: int(low + (high - low) * self.source.random())).astype(dtype)


def layers(count, own=PUBLISHED, **lists):
    """The params of `count` layers that are all alike, but for those given as lists with one entry a layer."""
    return {**{name: value if name == "dt" else [value] * count for name, value in own.items()}, **lists}


def network(numbers, sizes, mean=0.15, spread=1.0, recurrent=()):
    """Weights of a network, sizes M, N0, .., K; R of the layers that are named in `recurrent`."""
    inputs = {}
    for l, (M, N) in enumerate(zip(sizes, sizes[1:])):
        inputs[f"W{l}"] = numbers.normal(mean, spread / M**0.5, M, N)
        if l in recurrent:
            inputs[f"R{l}"] = numbers.normal(0, 0.5 / N**0.5, N, N)
    return inputs


def trace(numbers, T, B, sizes, quarters=False):
    """A trace that no model would give: membranes anywhere, or in quarters of a threshold; spikes anywhere, in bin 0 too."""
    inputs = {}
    for l, N in enumerate(sizes[1:]):
        V = numbers.normal(0.5, 1.0, T, B, N)
        inputs[f"V{l}"] = np.rint(4 * V) / 4 if quarters else V
        if l < len(sizes) - 2:
            inputs[f"S{l}"] = numbers.spikes(0.3, T, B, N)
    return inputs


def direct(numbers, inputs):
    """gV and gS for a trace among inputs."""
    return {f"g{name}": numbers.normal(0, 1, *array.shape) for name, array in inputs.items() if name[0] in "VS"}


def column(*values):
    """An array (T, 1, 1) of a single neuron of a single sample."""
    return np.array(values, float).reshape(-1, 1, 1)


def row(*values):
    """An array (1, N)."""
    return np.array([values], float)


def varied(draft, id, comment, flags=(), params={}, conventions={}, **arrays):
    """A draft like another one, with some things changed."""
    return replace(draft, id=id, comment=comment, flags=tuple(flags), params=draft.params | params, conventions=conventions,
                   inputs=draft.inputs | arrays)
