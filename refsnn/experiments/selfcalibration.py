"""Chips made worse on purpose: weights trained on each in the loop, against weights trained in software and loaded onto the same chips.

Decalibration adds a relative spread sigma_d to what a calibrated chip has left over of time constants, of theta - V_leak, or of both.
"""

import math
from dataclasses import replace

from refsnn.chip import Variation
from refsnn.experiments.evaluation import accuracy
from refsnn.experiments.figures import OTHER, OURS, curve, plain_log, tidy
from refsnn.experiments.table import mean_and_spread, percent
from refsnn.training import PRESETS, Substrate

FULL = {**PRESETS["long"], "epochs": 6}
QUICK = {"epochs": 3}
CHOOSES = ()
SIZE = (11, 3.6)
SIGMAS = (0.1, 0.3, 0.5)
KINDS = {"time constants": ("tau_mem", "tau_syn"), "theta - V_leak": ("threshold",), "all": ("tau_mem", "tau_syn", "threshold")}
CALIBRATED, SOFTWARE = "calibrated", "software"


def decalibrated(kind, sigma):
    """The variation of a calibrated chip to whose parameters a spread sigma is added: spreads add as squares.

    >>> decalibrated("time constants", 0.12)
    'calibrated,tau_mem=0.13,tau_syn=0.13'
    """
    usual = Variation.calibrated()
    return ",".join(["calibrated", *(f"{name}={round(math.hypot(getattr(usual, name), sigma), 6)!r}" for name in KINDS[kind])])


def chips(recipe):
    """The recipes of all chips, by label: those of one seed draw the same pattern, more or less strong."""
    worse = {f"{kind}, sigma_d = {100 * sigma:g} %": decalibrated(kind, sigma) for kind in KINDS for sigma in SIGMAS}
    return {label: replace(recipe, substrate="chip", variation=text) for label, text in {CALIBRATED: "calibrated", **worse}.items()}


def jobs(base):
    """The runs, by label: one in software, one in the loop on every chip."""
    return {SOFTWARE: replace(base, substrate="ideal"), **chips(base)}


def measure(recipe, network, data):
    """Of weights trained in software: {label: accuracy} on every chip on which a run of the same seed is trained in the loop; else nothing."""
    if recipe.substrate == "chip":
        return {}
    return {label: accuracy(chip, network, Substrate(chip, network), data) for label, chip in chips(recipe).items()}


def report(runs, base):
    """The table: both arms on every chip, and the error in the loop relative to that on the calibrated chip."""
    usual = 1 - runs[CALIBRATED].figure("accuracy")[0]
    rows = [("chip", "in the loop / %", "error, relative", "software weights loaded / %")]
    rows.append((f"none: {SOFTWARE}", percent(*runs[SOFTWARE].figure("accuracy")), "-", "-"))
    loaded = {label: mean_and_spread([one[label] for one in runs[SOFTWARE].measured]) for label in chips(base)}
    for label in chips(base):
        mean, spread = runs[label].figure("accuracy")
        relative = f"{(1 - mean) / usual:.2f}" if usual else "-"
        rows.append((label, percent(mean, spread), relative, percent(*loaded[label])))
    return rows, {"sigmas": [0.0, *SIGMAS], "loaded": loaded}


def draw(figure, results):
    """One panel a kind of decalibration: the test error of both arms over sigma_d."""
    panels = figure.subplots(1, len(KINDS), sharey=True)
    sigmas = [100 * sigma for sigma in results["sigmas"]]
    for axes, kind in zip(panels, KINDS):
        labels = [CALIBRATED, *(f"{kind}, sigma_d = {sigma:g} %" for sigma in sigmas[1:])]
        arms = {"trained in the loop": [mean_and_spread([run["accuracy"] for run in results["runs"][label]]) for label in labels],
                "software weights loaded": [results["loaded"][label] for label in labels]}
        for (arm, points), colour in zip(arms.items(), (OURS, OTHER)):
            curve(axes, sigmas, [(1 - mean, spread) for mean, spread in points], colour, arm)
        tidy(axes, "sigma_d / %", "test error / %" if axes is panels[0] else "", kind)
    plain_log(panels[0], "y", (1, 2, 3, 5, 10, 20, 30, 50, 100))         # the panels share it
    panels[0].legend(frameon=False)
