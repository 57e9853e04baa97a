"""Made-up recordings in the form of the real files, for the tests of speech."""

import hashlib

import numpy as np

from refsnn import speech
from refsnn.files import npz_bytes


def mfcc_of(S):
    """The MFCCs of a smooth spectrum S (70,) in dB, one frame: the forward cosine transform, by sums over the places of the channels."""
    u = (np.arange(70) + 0.5) / 70
    scale = np.full(13, np.sqrt(2 / 128)) * 128 / 70
    scale[0] = np.sqrt(1 / 128) * 128 / 70
    return np.array([[scale[k] * np.sum(S * np.cos(np.pi * k * u)) for k in range(13)]])


def digits_file(path, monkeypatch, recordings=40, seed=0):
    """A made-up digits.npz which is taken for the real one: two classes with one loud band each, and a background."""
    rng, frames, labels = np.random.default_rng(seed), [], np.arange(recordings) % 2
    u = (np.arange(70) + 0.5) / 70
    for label in labels:
        S = 60 * np.exp(-((u - (0.25, 0.75)[label]) / 0.15) ** 2) + rng.normal(0, 2)
        frames.append(np.repeat(mfcc_of(S), rng.integers(6, 12), axis=0) + rng.normal(0, 2, 13))
    content = npz_bytes({"X": np.concatenate(frames).astype(np.float32), "y": labels, "lengths": np.array([len(c) for c in frames])})
    path.write_bytes(content)
    monkeypatch.setattr(speech, "DIGITS_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(speech, "DIGITS_TEST", recordings // 4)
    return str(path)
