"""How early the decision is made: accuracy when the maximum over time (E11) is taken up to t, and the time after which an image's decision stays."""

import numpy as np

from refsnn.experiments import table1
from refsnn.experiments.evaluation import recordings
from refsnn.experiments.figures import OTHER, OURS, PAPER, curve, tidy
from refsnn.experiments.table import mean_and_spread, percent
from refsnn.spec import NeuronParameters
from refsnn.training import Substrate

RUNS_OF = "table1"
FULL, QUICK = table1.FULL, table1.QUICK
CHOOSES = ()
SIZE = (9, 3.6)
CLOSE = 0.001                 # an accuracy within so much of the last one counts as reached
PAPER_BEST, PAPER_DECISION = 8, 10     # us: best accuracy after the first input spike; a decision takes less than


def jobs(base):
    """The runs, by label: table1's with dropout and rotation, or what `base` has of them, on the chip and in software."""
    runs = table1.augmented(base) or table1.kinds(base)
    return {label: recipe for label, recipe in runs.items() if not label.startswith("ReLU")}


def measure(recipe, network, data):
    """accuracy: when the maximum is taken over 0 .. t, one a t; settled: of how many images the decision is final from t on, one a t, as a share."""
    substrate, right, final = Substrate(recipe, network), [], []
    for trace, labels in recordings(recipe, network, substrate, data):
        decisions = decisions_up_to(trace[-1].membrane)                          # (T, B)
        right.append(decisions == labels)
        final.append(settled_at(decisions))
    right, final = np.concatenate(right, axis=1), np.concatenate(final)          # (T, n), (n,)
    return {"accuracy": right.mean(axis=1).tolist(), "settled": [float((final <= t).mean()) for t in range(len(right))]}


def decisions_up_to(V):
    """argmax_k of max over 0 .. t of V_k, for every t: V (T, B, K) -> (T, B). SPEC E11.

    >>> decisions_up_to(np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]])).ravel().tolist()
    [0, 0, 1]
    """
    return np.maximum.accumulate(V, axis=0).argmax(axis=2)


def settled_at(decisions):
    """The first time step from which on a decision stays what it is at the end: (T, B) -> (B,).

    >>> settled_at(np.array([[1], [0], [1], [1]])).tolist()
    [2]
    """
    other = decisions != decisions[-1]                                           # (T, B)
    return np.where(other.any(axis=0), len(other) - other[::-1].argmax(axis=0), 0)


def times(steps):
    """The times of so many time steps in us, counted from time step 0, in which the brightest possible pixel spikes."""
    return [1e6 * NeuronParameters().dt * t for t in range(steps)]


def reached(accuracy):
    """The first time step at which an accuracy is within CLOSE of the last one."""
    return next(t for t, value in enumerate(accuracy) if value >= accuracy[-1] - CLOSE)


def report(runs, base):
    """The table: when the accuracy is reached, and when half and nearly all decisions are made."""
    rows = [("network", "accuracy / %", f"within {100 * CLOSE:g} % after", "half decided after", "99 % decided after")]
    t = times(len(next(iter(runs.values())).measured[0]["accuracy"]))
    for label, own in runs.items():
        found = [[t[reached(one["accuracy"])], *(t[next(i for i, share in enumerate(one["settled"]) if share >= part)] for part in (0.5, 0.99))]
                 for one in own.measured]
        accuracy = mean_and_spread([one["accuracy"][-1] for one in own.measured])
        rows.append((label, percent(*accuracy), *(f"{mean:.1f} us" for mean in np.mean(found, axis=0))))
    rows.append(("the paper, chip", "-", f"{PAPER_BEST} us", "-", f"< {PAPER_DECISION} us"))
    return rows, {"us": t, "paper": {"best_us": PAPER_BEST, "decision_us": PAPER_DECISION}}


def draw(figure, results):
    """Left: accuracy over the time up to which the maximum is taken; right: the share of images that are decided."""
    axes = figure.subplots(1, 2)
    for (label, own), colour in zip(results["measured"].items(), (OURS, OTHER)):
        for part, name in zip(axes, ("accuracy", "settled")):
            curve(part, results["us"], [mean_and_spread(list(values)) for values in zip(*(one[name] for one in own))], colour, label)
    axes[0].axvline(results["paper"]["best_us"], color=PAPER, linestyle=":", label="the paper: best after 8 us")
    axes[1].axvline(results["paper"]["decision_us"], color=PAPER, linestyle=":", label="the paper: within 10 us")
    for part, y in zip(axes, ("test accuracy / %", "decided images / %")):
        part.legend(frameon=False, fontsize="small")
        tidy(part, "time after the first possible input spike / us", y)
