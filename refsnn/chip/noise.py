"""Everything that differs from run to run: the noise of converters, membranes and thresholds (C5, C8).

What belongs to single spikes, jitter and loss, is drawn where spikes are recorded (readout.py).

    symbol    code        unit     shape     meaning
    -         read        1        (T,B,N)   noise of every conversion, in units of Variation.read_noise
    -         membrane    1        (T,B,N)   noise of the membrane, in units of Variation.membrane_noise
    -         threshold   1        (N,)      change of the thresholds in this run, in units of Variation.batch_threshold
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from refsnn.errors import DtypeError, RangeError, ShapeError, check_float_array, check_same_dtype, describe


LARGEST_NOISE = 1e6


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise of one layer in one run: standard normal arrays in the dtype of the weights, None where the chip has none of it.

    read and membrane (T, B, N), threshold (N,).
    """

    read: np.ndarray | None = None
    membrane: np.ndarray | None = None
    threshold: np.ndarray | None = None


@cache
def quantiles(dtype):
    """65,536 equally likely values of the standard normal distribution, scaled to a standard deviation of exactly 1. The largest is 4.3."""
    from statistics import NormalDist  # not at the top: it would double the time that importing refsnn takes

    half = np.array([NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(32768)])
    values = np.concatenate([half, -half[::-1]])
    return (values / values.std()).astype(dtype)


def normal(rng, shape, dtype):
    """Standard normal draws to 16 bits: six times as fast as rng.standard_normal, and noise is a large part of an emulated run."""
    size = math.prod(shape)
    draws = rng.integers(0, 2**64, -(-size // 4), np.uint64).view(np.uint16)[:size].reshape(shape)         # four of a generator's 64 bits
    return quantiles(np.dtype(dtype)).take(draws, out=np.empty(shape, np.dtype(dtype)), mode="wrap")   # "raise" would copy


def draw_noise(rng, shapes, dtype, variation):
    """One Noise a layer from a numpy Generator; shapes: (T, B, N) of each layer. What the chip does not have is not drawn. SPEC C5, C8."""
    def draw(strength, shape):
        return normal(rng, shape, dtype) if strength else None

    return [Noise(draw(variation.read_noise, shape), draw(variation.membrane_noise, shape), draw(variation.batch_threshold, shape[2:]))
            for shape in shapes]


def check_noise(noises, shapes, dtype, variation):
    """Raise unless `noises` is a list with one Noise a layer that fits, and the chip has no noise besides."""
    if not isinstance(noises, (list, tuple)) or not all(isinstance(noise, Noise) for noise in noises):
        raise DtypeError(f"rng is {describe(noises)}; it must be a numpy Generator, or a list with one Noise a layer")
    if variation.spike_jitter or variation.lost_events:
        raise RangeError("spike_jitter and lost_events are drawn for single spikes: with given noise they must be 0")
    if len(noises) != len(shapes):
        raise ShapeError(f"there are {len(noises)} noises but the network has {len(shapes)} layers")
    for index, (noise, shape) in enumerate(zip(noises, shapes)):
        for name, wanted in (("read", shape), ("membrane", shape), ("threshold", shape[2:])):
            array = getattr(noise, name)
            if array is None:
                continue
            check_float_array(f"noise[{index}].{name}", array, len(wanted))
            check_same_dtype(f"noise[{index}].{name}", array, dtype)
            if array.shape != wanted:
                raise ShapeError(f"noise[{index}].{name} has shape {array.shape}; it must be {wanted}")
            if (largest := np.abs(array).max()) > LARGEST_NOISE:
                raise RangeError(f"noise[{index}].{name} reaches {largest:g}; standard normal numbers do not, and more than {LARGEST_NOISE:g} is refused")
