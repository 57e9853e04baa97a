"""Accuracy when a share of the hidden units is silenced after training, with and without dropout in training."""

from dataclasses import replace

import numpy as np

from refsnn.experiments.evaluation import accuracy
from refsnn.experiments.figures import OTHER, OURS, curve, tidy
from refsnn.experiments.table import mean_and_spread, percent
from refsnn.spec import drop_units
from refsnn.training import PRESETS, Substrate

# no burst regulariser: where spikes are few, each of them, and each unit, has more to say; no augmentation, as in the first row of table 1
FULL = {**PRESETS["long"], "epochs": 12, "rotation": 0.0, "shift": 0.0, "burst": 0.0}
QUICK = {"epochs": 6}
CHOOSES = ("dropout",)
SIZE = (6, 4)
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
JUDGED = 0.15                                                    # the share of the paper's two figures
DRAWS = 5                                                        # of the units that are silenced, a share
CHOICE = 5                                                       # the stream of random numbers that they are drawn from
PAPER = {"chip, 40 % dropout": 10, "chip, no dropout": 37}       # percent by which JUDGED raises the test error


def jobs(base):
    """The runs, by label."""
    return {"chip, no dropout": base, "chip, 40 % dropout": replace(base, dropout=0.4)}


def measure(recipe, network, data):
    """The accuracy for each of SHARES: the mean over DRAWS choices of units.

    Networks of one seed lose the same units: they are drawn from a generator of their own, as often for each.
    """
    substrate, rng = Substrate(recipe, network), np.random.default_rng([recipe.seed, CHOICE])
    found = []
    for share in SHARES:
        draws = DRAWS if share else 1                            # nobody to choose
        found.append(float(np.mean([accuracy(recipe, silenced(network, share, rng), substrate, data) for _ in range(draws)])))
    return found


def silenced(network, share, rng):
    """The network without round(share N) of the N units of every hidden layer, chosen at random: they receive nothing and drive nothing."""
    keep = []
    for layer in network.layers[:-1]:
        N = layer.W.shape[1]
        mask = np.ones(N, bool)                                  # (N,)
        mask[rng.permutation(N)[:round(share * N)]] = False
        keep.append(mask)
    return drop_units(network, keep)


def increase(accuracies):
    """By how many percent JUDGED raises the test error; nan where there is no error to begin with."""
    whole, judged = (1 - accuracies[SHARES.index(share)] for share in (0.0, JUDGED))
    return 100 * (judged / whole - 1) if whole else float("nan")


def report(runs, base):
    """The table: accuracy over the share of silenced units, and the increase of the error at JUDGED beside the paper's."""
    rows = [("silenced", *runs)]
    curves = {label: [mean_and_spread(list(values)) for values in zip(*own.measured)] for label, own in runs.items()}
    for index, share in enumerate(SHARES):
        rows.append((f"{100 * share:g} %", *(percent(*curves[label][index]) for label in runs)))
    increases = {label: mean_and_spread([increase(one) for one in own.measured])[0] for label, own in runs.items()}
    rows.append((f"error at {100 * JUDGED:g} %", *(f"{increases[label]:+.0f} %" for label in runs)))
    rows.append(("the paper", *(f"{PAPER[label]:+.0f} %" for label in runs)))
    return rows, {"shares": list(SHARES), "curves": curves, "increase_percent": increases, "paper_increase_percent": PAPER}


def draw(figure, results):
    """Test error over the share of silenced units."""
    axes = figure.subplots()
    for (label, points), colour in zip(results["curves"].items(), (OTHER, OURS)):
        curve(axes, [100 * share for share in results["shares"]], [(1 - mean, spread) for mean, spread in points], colour,
              f"{label}: {results['increase_percent'][label]:+.0f} % (the paper {PAPER[label]:+.0f} %)")
    axes.axvline(100 * JUDGED, color="0.85", zorder=0)
    axes.legend(frameon=False, title=f"increase of the error at {100 * JUDGED:g} %")
    tidy(axes, "silenced hidden units / %", "test error / %")
