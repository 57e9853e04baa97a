"""The paper's table 1: the chip, the ideal model in software, and a ReLU network of the same size, each without and with dropout and rotation."""

from dataclasses import asdict, replace

from refsnn.experiments.figures import OTHER, OURS, THIRD, dots, tidy
from refsnn.experiments.table import beside_paper
from refsnn.relu import ReluRecipe
from refsnn.training import PRESETS

FULL = {**PRESETS["long"], "dropout": 0.1}
QUICK = {"epochs": 6, "dropout": 0.1}
CHOOSES = ()
SIZE = (10, 4.6)

# (train, test) in percent, mean as in the paper; None where it gives no number
PAPER = {
    "mnist": {"chip": (100.0, 97.2), "chip, dropout and rotation": (97.3, 97.6), "software": (100.0, 97.5),
              "software, dropout and rotation": (97.7, 98.0), "ReLU": (100.0, 98.1), "ReLU, dropout and rotation": (None, 98.7)},
    "fashion_mnist": {"chip": (90.1, 84.2), "software": (95.2, 85.5), "ReLU": (97.9, 88.0)},
}


def jobs(base):
    """The runs, by label: with the dropout, the rotation and the shift of `base`, whose names the label has, and without."""
    return {**kinds(replace(base, rotation=0.0, shift=0.0, dropout=0.0)), **augmented(base)}


def augmented(base):
    """Those of the runs with dropout, rotation or shift; none where `base` has none of them."""
    names = " and ".join(name for name, used in (("dropout", base.dropout), ("rotation", base.rotation or base.shift)) if used)
    return kinds(base, ", " + names) if names else {}


def kinds(recipe, suffix=""):
    """Chip, software and ReLU network with the settings of one recipe."""
    return {"chip" + suffix: recipe, "software" + suffix: replace(recipe, substrate="ideal"), "ReLU" + suffix: ReluRecipe(**asdict(recipe))}


def report(runs, base):
    """The table: accuracy on the training and the test images, and the paper's."""
    paper = PAPER.get(next(iter(runs.values())).results[0]["dataset"]["name"].removesuffix("_sample"), {})
    histories = {label: [[record["train_accuracy"] for record in result["history"]] for result in own.results] for label, own in runs.items()}
    return beside_paper(runs, paper), {"paper": paper, "train_accuracy": histories}


def draw(figure, results):
    """Left: the training error over the epochs; right: the accuracies beside the paper's."""
    left, right = figure.subplots(1, 2)
    colours = {"chip": OURS, "software": OTHER, "ReLU": THIRD}
    for label, histories in results["train_accuracy"].items():
        errors = [100 * (1 - sum(accuracies) / len(accuracies)) for accuracies in zip(*histories)]
        kind, _, augmented = label.partition(", ")
        left.plot(range(1, len(errors) + 1), errors, "--" if augmented else "-", color=colours[kind], label=label)
    left.set_yscale("symlog", linthresh=0.1)
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    tidy(left, "epoch", "training error / %")
    dots(right, results["runs"], {label: test for label, (_, test) in results["paper"].items()})
