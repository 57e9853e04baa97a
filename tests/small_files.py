"""Small files in the form of the real ones: the first images of the sample, and made-up recordings."""

import hashlib

import numpy as np

from refsnn import speech
from refsnn.datasets import load
from refsnn.files import npz_bytes


def images_file(path, train, test):
    """An .npz with the first `train` training and the first `test` test images of the sample; its path as text."""
    sample = load()
    path.write_bytes(npz_bytes({"train_images": sample.train_images[:train], "train_labels": sample.train_labels[:train],
                                "test_images": sample.test_images[:test], "test_labels": sample.test_labels[:test]}))
    return str(path)


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
