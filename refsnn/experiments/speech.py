"""Spoken digits: a recurrent layer against a feed-forward one and against fixed, shuffled recurrence; SHD, or MFCCs turned into spikes (E19)."""

from dataclasses import asdict, replace

from refsnn.experiments.figures import dots
from refsnn.experiments.spoken import SpokenRecipe
from refsnn.experiments.sweep import folder_of
from refsnn.experiments.table import beside_paper

# the published surrogate: with a spike-aware one, whose derivative is 1 at every spike, the gradient grows from spike to spike along the recurrence
USUAL = {"hidden": (186,), "rotation": 0.0, "shift": 0.0, "slope": 50.0, "spike_aware": False, "burst": 5e-4}
FULL = {**USUAL, "epochs": 20, "evaluate_every": 10}
QUICK = {**USUAL, "epochs": 5, "substeps": 2}
CHOOSES = ("hidden", "rotation", "shift")
SIZE = (7, 3.6)
JITTER = 1.0                  # channels; an assumption
PLACES = {"software": "ideal", "chip": "chip"}
PAPER = {"shd": {"chip, recurrent": (96.6, 76.2), "chip, recurrent, augmented": (None, 80.6), "software, recurrent": (100.0, 71.2),
                 "software, recurrent, augmented": (None, 79.9), "software, shuffled recurrence": (None, 64.3)}}


def jobs(base):
    """The runs, by label, but for those that need others: see later."""
    found = {}
    for place, substrate in PLACES.items():
        recipe = SpokenRecipe(**asdict(base) | {"substrate": substrate})
        found[f"{place}, recurrent"] = recipe
        found[f"{place}, recurrent, augmented"] = replace(recipe, jitter=JITTER)
        found[f"{place}, feed-forward"] = replace(recipe, recurrence="none")
    return found


def later(base):
    """The runs that start from finished ones: the recurrence that a recurrent run of the same seed has learned, shuffled, and then kept."""
    first = jobs(base)
    return {f"{place}, shuffled recurrence": replace(first[f"{place}, recurrent"], recurrence="fixed", recurrence_of=folder_of(f"{place}, recurrent"))
            for place in PLACES}


def report(runs, base):
    """The table: accuracy on the training and the test recordings, and the paper's."""
    paper = PAPER.get(next(iter(runs.values())).results[0]["dataset"]["name"], {})
    return beside_paper(runs, paper), {"paper": paper}


def draw(figure, results):
    """The accuracies beside the paper's."""
    dots(figure.subplots(), results["runs"], {label: test for label, (_, test) in results["paper"].items()})
