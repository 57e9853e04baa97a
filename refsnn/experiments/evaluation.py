"""Finished networks run again on the images that they were evaluated on: what latency, robustness and loaded weights are measured with."""

import numpy as np

from refsnn.events import encode_events
from refsnn.spec import Objective, scores
from refsnn.training import EVALUATION_BATCH


def recordings(recipe, network, substrate, data):
    """Yield (trace, labels) of all evaluation images of a Split, batch by batch, with noise that no training has seen."""
    noise = recipe.generator("evaluation", recipe.epochs)
    for first in range(0, len(data.evaluation_images), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        x = encode_events(data.evaluation_images[part], dtype=np.float32)        # (T, B, M)
        yield substrate.forward(network, x, noise), data.evaluation_labels[part]


def accuracy(recipe, network, substrate, data):
    """The share of correct decisions. SPEC E11."""
    right = [scores(trace[-1].membrane, Objective()).argmax(axis=1) == labels for trace, labels in recordings(recipe, network, substrate, data)]
    return float(np.concatenate(right).mean())
