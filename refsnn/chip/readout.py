"""What reaches the host: membranes through 8-bit converters, spikes in bins (C5, C6, C8).

    symbol    code        unit     shape     meaning
    V[k]      samples     theta    (T,B,N)   membrane at k dt, or a little later
    -         lsb         theta    scalar    one code: 4.69 mV = 1/70 theta (leak at code 80, threshold at code 150)
    -         gain        1        (N,)      slope of a neuron's converter, nominally 1
    -         offset      LSB      (N,)      its offset, nominally 0
    -         noise       LSB      (T,B,N)   noise of every conversion
    S[k]      spikes      0 or 1   (T,B,N)   1 where a spike fell into [k dt, (k+1) dt)

A Recording is what the chip sends; the host makes the Trace of it, with every membrane counted from its own first sample.
"""

from dataclasses import dataclass

import numpy as np

from refsnn.spec.trace import Trace

LEAK_CODE = 80
LARGEST_CODE = 255


@dataclass(frozen=True, eq=False)
class Recording:
    """What the chip sends of one layer: codes (T, B, N), 0 .. 255 as floats (theta from an ideal converter), and spikes (T, B, N) or None."""

    codes: np.ndarray
    spikes: np.ndarray | None

    def trace(self, lsb, scale):
        """The Trace that the host makes of it: membranes in theta, every one less its own first sample. SPEC C5.

        lsb: theta a code; scale (N,): the host's own correction. Changes codes in place.
        """
        membrane = self.codes
        membrane -= membrane[0].copy()
        membrane *= ((lsb or 1) * scale).astype(membrane.dtype)
        return Trace(membrane, self.spikes)


def convert(samples, lsb, gain=None, offset=None, noise=None):
    """Digitise membranes. SPEC C5.

    clip(round(80 + offset + gain V / lsb + noise), 0, 255); samples (T, B, N) in theta; lsb in theta, 0 for an ideal converter, which
    returns the samples. The codes reach from -1.14 to +2.5 theta and saturate.

    >>> convert(np.array([0.0, 1.0, 9.0]), 1 / 64).tolist()
    [80.0, 144.0, 255.0]
    """
    if lsb == 0:
        return samples
    dtype = samples.dtype
    slope = np.asarray(1 / lsb if gain is None else gain / lsb, dtype)             # () or (N,) codes per theta
    zero = np.asarray(LEAK_CODE if offset is None else LEAK_CODE + offset, dtype)  # () or (N,) codes
    codes = np.multiply(samples, slope, out=np.empty(samples.shape, dtype))    # (T, B, N)
    codes += zero
    if noise is not None:
        codes += noise
    np.rint(codes, out=codes)
    np.clip(codes, 0, LARGEST_CODE, out=codes)
    return codes


def bin_spikes(spikes, grid, shape, dtype, shift, jitter, lost, rng):
    """Recorded spikes in time steps, at most one each. SPEC C6, C8.

    spikes: the Spikes of a layer on grid, a Grid; shape (T, B, N). A spike in time step k goes to bin k: V[k] is the last sample before it.
    shift: dt that every recorded time is moved by, for which a spike lies in the middle of its grid step. jitter: std in seconds of the
    recorded time, for which it lies anywhere in its grid step; lost: share of the spikes that never reach the host; both drawn from rng. A
    time before 0 counts as 0, one after the end is lost. Returns (T, B, N), 0.0 or 1.0.
    """
    T, size = shape[0], shape[1] * shape[2]
    within = 0.5
    if jitter:
        within = rng.random(len(spikes.step)) + jitter / grid.h * rng.standard_normal(len(spikes.step))
    step = np.floor((spikes.step + within) / grid.substeps + shift).clip(0, T).astype(int)       # (E,)
    recorded = step < T
    if lost:
        recorded &= rng.random(len(step)) >= lost
    bins = np.empty(shape, dtype)                                              # (T, B, N)
    bins[:] = 0
    bins.reshape(-1)[step[recorded] * size + spikes.index[recorded]] = 1
    return bins
