"""Accuracy against hidden spikes per image, over the strength rho_b of the burst regulariser (E13)."""

from dataclasses import replace

from refsnn.experiments.figures import OTHER, OURS, PAPER, plain_log, tidy
from refsnn.experiments.table import mean_and_spread, percent
from refsnn.training import PRESETS

FULL = {**PRESETS["long"], "epochs": 10}
QUICK = {"epochs": 4}
CHOOSES = ("burst",)
SIZE = (6.5, 4)
# the published surrogate (slope 50, not spike-aware) leaves more spikes than the spike-aware one at any strength: two points show where it is
STRENGTHS = {"spike-aware": (0.0, 0.1, 0.3, 1.0, 3.0, 10.0), "published": (5e-4, 0.1)}
HEADLINE = (20, 97.5)                 # spikes an image, accuracy in percent: the abstract of 2020
ELBOW = (20, 97.2)                    # of 2022: to here without a loss


def jobs(base):
    """The runs, by label."""
    surrogates = {"spike-aware": base, "published": replace(base, spike_aware=False, slope=50.0)}
    return {f"{name}, rho_b = {strength:g}": replace(surrogates[name], burst=strength) for name in STRENGTHS for strength in STRENGTHS[name]}


def report(runs, base):
    """The table: hidden spikes and accuracy of every strength."""
    rows = [("surrogate, strength", "hidden spikes", "accuracy / %")]
    for label, own in runs.items():
        mean, spread = own.figure("hidden_spikes")
        rows.append((label, f"{mean:.1f}" + ("" if spread is None else f" +- {spread:.1f}"), percent(*own.figure("accuracy"))))
    return rows, {"headline_2020": HEADLINE, "paper_2022": ELBOW}


def draw(figure, results):
    """Accuracy over spikes, one point a strength, with the paper's two."""
    axes = figure.subplots()
    for name, colour in zip(STRENGTHS, (OURS, OTHER)):
        points = [[mean_and_spread([run[figure] for run in own]) for figure in ("hidden_spikes", "accuracy")]
                  for label, own in results["runs"].items() if label.startswith(name)]
        x, y = zip(*points)
        axes.errorbar([mean for mean, _ in x], [100 * mean for mean, _ in y], [100 * (spread or 0) for _, spread in y], [spread or 0 for _, spread in x],
                      fmt="o-", color=colour, markersize=4, capsize=2, label=f"chip, {name} surrogate")
    axes.plot(*results["headline_2020"], "*", color=PAPER, markersize=12, linestyle="", label="the paper, abstract of 2020")
    axes.plot(*results["paper_2022"], "o", color=PAPER, markerfacecolor="none", markersize=9, linestyle="", label="the paper, 2022")
    plain_log(axes, "x", (2, 3, 5, 10, 20, 30, 50, 100, 200))
    axes.legend(frameon=False)
    tidy(axes, "hidden spikes per image", "test accuracy / %")
