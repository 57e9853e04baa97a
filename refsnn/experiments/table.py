"""Numbers as the tables and figures show them."""

import numpy as np


def mean_and_spread(values):
    """(mean, standard deviation from seed to seed, or None for one seed)."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def percent(mean, spread=None):
    """A mean and its spread in percent, as text.

    >>> percent(0.972, 0.001), percent(0.5)
    ('97.20 +- 0.10', '50.00')
    """
    return f"{100 * mean:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}")


def spikes(runs):
    """The mean number of hidden spikes of some runs; a network that does not spike has none."""
    return "-" if runs.results[0]["hidden_spikes"] is None else f"{runs.figure('hidden_spikes')[0]:.1f}"


def beside_paper(runs, paper):
    """The table of accuracies on training and test data, with the paper's: {label: (train, test)} in percent, None where it gives none."""
    rows = [("network", "train / %", "test / %", "hidden spikes", "paper: train", "paper: test")]
    for label, own in runs.items():
        train = mean_and_spread([result["history"][-1]["train_accuracy"] for result in own.results])
        theirs = ["-" if value is None else f"{value:.1f}" for value in paper.get(label, (None, None))]
        rows.append((label, percent(*train), percent(*own.figure("accuracy")), spikes(own), *theirs))
    return rows
