"""Two hidden layers, and networks larger than one chip, whose parts run one after another (refsnn.chip.partition)."""

from dataclasses import replace

from refsnn.experiments.figures import dots
from refsnn.experiments.table import percent, spikes
from refsnn.training import PRESETS

FULL = {**PRESETS["long"], "epochs": 5}
QUICK = {"epochs": 4}
CHOOSES = ("hidden",)
SIZE = (7, 3.6)

# hidden layers, whether in parts; all have 256 inputs and 10 classes
NETWORKS = {
    "256-246-10, one chip": ((246,), False),
    "256-246-10, in parts": ((246,), True),
    "256-123-123-10, one chip": ((123, 123), False),
    "256-492-10, in parts": ((492,), True),
    "256-246-246-10, in parts": ((246, 246), True),
}


def jobs(base):
    """The runs, by label."""
    return {label: replace(base, hidden=hidden, parts=parts) for label, (hidden, parts) in NETWORKS.items()}


def report(runs, base):
    """The table: accuracy, spikes of all hidden layers, and the runs of the chip that an image takes."""
    rows = [("network", "accuracy / %", "hidden spikes", "weights", "runs an image", "us an image")]
    for label, own in runs.items():
        cost = own.results[0]["chip"]
        weights = sum(layer.W.size for layer in own.networks()[0].layers)
        microseconds = 1e6 * cost["inference_seconds_per_image"]
        rows.append((label, percent(*own.figure("accuracy")), spikes(own), f"{weights:,}", str(cost["runs"]), f"{microseconds:.1f}"))
    return rows, {}


def draw(figure, results):
    """The accuracies."""
    dots(figure.subplots(), results["runs"])
