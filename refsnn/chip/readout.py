"""What reaches the host: membranes through 8-bit converters, spikes in bins (C5, C6).

    symbol    code        unit     shape     meaning
    V[k]      samples     theta    (T,B,N)   membrane at k dt
    -         lsb         theta    scalar    one code: 4.69 mV = 1/70 theta (leak at code 80, threshold at code 150)
    -         noise       LSB      (T,B,N)   noise of every conversion
    S[k]      spikes      0 or 1   (T,B,N)   1 where a spike fell into [k dt, (k+1) dt)
"""

import numpy as np

LEAK_CODE = 80
LARGEST_CODE = 255


def convert(samples, noise, lsb):
    """Digitise membranes, then subtract from every trace its own first sample. SPEC C5.

    code = clip(round(80 + V / lsb + noise), 0, 255);  V = lsb (code[k] - code[0]). samples (T, B, N) in theta; noise: likewise in LSB, or None;
    lsb in theta, 0 for an ideal converter, which returns the samples as they are. The codes reach from -1.14 to +2.5 theta and saturate.

    >>> convert(np.array([0.0, 1.0, 9.0]), None, 1 / 64).tolist()     # (255 - 80) / 64 at most
    [0.0, 1.0, 2.734375]
    """
    if lsb == 0:
        return samples
    codes = samples * (1 / lsb) + LEAK_CODE                       # (T, B, N)
    if noise is not None:
        codes += noise
    np.rint(codes, out=codes)
    np.clip(codes, 0, LARGEST_CODE, out=codes)
    return (codes - codes[0]) * samples.dtype.type(lsb)


def bin_spikes(events, substeps, shape, dtype):
    """Spikes on the grid into time steps, at most one each. SPEC C6.

    events: flat indices into (B, N) for every grid step; shape (T, B, N). A spike in [k dt, (k+1) dt) goes to bin k: V[k] is the last sample before
    it. Returns (T, B, N), 0.0 or 1.0.
    """
    spikes = np.zeros(shape, dtype)                               # (T, B, N)
    for g, spiked in enumerate(events):
        spikes[g // substeps].ravel()[spiked] = 1
    return spikes
