"""What reaches the host: membranes through 8-bit converters, spikes in bins (C5, C6, C8).

    symbol    code        unit     shape     meaning
    V[k]      samples     theta    (T,B,N)   membrane at k dt
    -         lsb         theta    scalar    one code: 4.69 mV = 1/70 theta (leak at code 80, threshold at code 150)
    -         gain        1        (N,)      slope of a neuron's converter, nominally 1
    -         offset      LSB      (N,)      its offset, nominally 0
    -         noise       LSB      (T,B,N)   noise of every conversion
    S[k]      spikes      0 or 1   (T,B,N)   1 where a spike fell into [k dt, (k+1) dt)
"""

import numpy as np

LEAK_CODE = 80
LARGEST_CODE = 255


def convert(samples, lsb, gain=None, offset=None, noise=None):
    """Digitise membranes, then subtract from every trace its own first sample. SPEC C5.

    code = clip(round(80 + offset + gain V / lsb + noise), 0, 255);  V = lsb (code[k] - code[0]). samples (T, B, N) in theta;
    lsb in theta, 0 for an ideal converter, which takes off the first sample and does nothing else. The codes reach from -1.14
    to +2.5 theta and saturate.

    >>> convert(np.array([0.0, 1.0, 9.0]), 1 / 64).tolist()     # (255 - 80) / 64 at most
    [0.0, 1.0, 2.734375]
    """
    if lsb == 0:
        return samples - samples[0]
    dtype = samples.dtype
    slope = np.asarray(1 / lsb if gain is None else gain / lsb, dtype)             # () or (N,) codes per theta
    zero = np.asarray(LEAK_CODE if offset is None else LEAK_CODE + offset, dtype)  # () or (N,) codes
    codes = samples * slope + zero                                                 # (T, B, N)
    if noise is not None:
        codes += noise
    np.rint(codes, out=codes)
    np.clip(codes, 0, LARGEST_CODE, out=codes)
    return (codes - codes[0]) * dtype.type(lsb)


def bin_spikes(events, grid, shape, dtype, jitter=0.0, lost=0.0, rng=None):
    """Recorded spikes in time steps, at most one each. SPEC C6, C8.

    events: flat indices into (B, N) for every grid step; grid: the Grid they were made on; shape (T, B, N). A spike in time step k goes
    to bin k: V[k] is the last sample before it. jitter: std in seconds of the recorded time, for which a spike lies anywhere in its
    grid step; lost: share of the spikes that never reach the host; both drawn from rng. A time before 0 counts as 0, one after the
    end is lost. Returns (T, B, N), 0.0 or 1.0.
    """
    T, size = shape[0], shape[1] * shape[2]
    unit = np.concatenate(events)                                                  # (E,) flat index of every spike
    time = np.repeat(np.arange(len(events)), [len(entry) for entry in events])     # (E,) grid step of every spike
    step = time // grid.substeps                                                   # (E,)
    if jitter:
        moved = (time + rng.random(len(time))) * grid.h + jitter * rng.standard_normal(len(time))
        step = np.maximum(np.floor(moved / grid.dt).astype(int), 0)
    recorded = step < T
    if lost:
        recorded &= rng.random(len(time)) >= lost
    spikes = np.zeros((T, size), dtype)                                            # (T, B N)
    spikes[step[recorded], unit[recorded]] = 1
    return spikes.reshape(shape)
