"""One experiment from its name to its table, its file of results and its figure."""

import json
from dataclasses import asdict
from pathlib import Path

from refsnn.errors import RangeError, check_choice, check_type
from refsnn.experiments import ablation, deeper, latency, robustness, selfcalibration, sparsity, speech, surrogate, table1
from refsnn.experiments.figures import save
from refsnn.experiments.sweep import measure, sweep
from refsnn.files import write_atomically
from refsnn.runs import versions
from refsnn.training import Recipe

EXPERIMENTS = {"table1": table1, "sparsity": sparsity, "latency": latency, "selfcalibration": selfcalibration, "robustness": robustness,
               "ablation": ablation, "surrogate": surrogate, "deeper": deeper, "speech": speech}
FIXED = ("substrate", "variation", "calibrate", "parts", "sample_offset", "spike_shift", "spike_aware")    # the experiments choose these


def settings(name, quick=False):
    """The settings in which the base of an experiment differs from the default Recipe: {field: value}; quick: for some minutes on the sample."""
    check_choice("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name].QUICK if quick else EXPERIMENTS[name].FULL


def listed():
    """Of every experiment its name with the first line of what it says of itself, and the settings in which it differs from `refsnn train`."""
    lines = []
    for name, experiment in EXPERIMENTS.items():
        lines.append(f"{name:17}{experiment.__doc__.splitlines()[0]}")
        for form, changes in (("in full", experiment.FULL), ("--quick", experiment.QUICK)):
            lines.append(f"{'':19}{form}: " + (", ".join(f"{field} {value}" for field, value in changes.items()) or "the default settings"))
    return lines


def reproduce(name, base, seeds, folder, executor, note=lambda text: None):
    """Run the experiment `name` from the Recipe `base` with every seed, write folder/NAME.json and NAME.png, and return the rows of its table.

    Its runs are in folder/NAME, or those of the experiment whose runs it reads.

    base: Recipe(**settings(name)), with changes. executor and note: see refsnn.experiments.sweep. Raises RangeError for an unknown name or a
    base that changes what the experiment chooses, and what a run raises.
    """
    check_base(name, base)
    experiment = EXPERIMENTS[name]
    place = Path(folder) / getattr(experiment, "RUNS_OF", name)
    runs = sweep(experiment.jobs(base), seeds, place, executor, note)
    if hasattr(experiment, "later"):
        runs |= sweep(experiment.later(base), seeds, place, executor, note)
    if hasattr(experiment, "measure"):
        runs = measure(name, experiment.measure, runs, executor)
    rows, further = experiment.report(runs, base)
    results = {"experiment": name, "versions": versions(), "recipe": asdict(base) | {"hidden": list(base.hidden)}, "seeds": list(seeds),
               "table": [list(row) for row in rows], **further,
               "measured": {label: list(own.measured) for label, own in runs.items() if own.measured},
               "runs": {label: list(map(summary, own.results)) for label, own in runs.items()}}
    text = json.dumps(results, indent=1)
    write_atomically(Path(folder) / f"{name}.json", text + "\n")
    note(save(experiment.draw, experiment.SIZE, json.loads(text), Path(folder) / f"{name}.png"))
    return rows


def check_base(name, base):
    """Raise unless `base` may be the base of the experiment `name`."""
    check_type("base", base, Recipe)
    usual = Recipe(**settings(name))
    for field in (*FIXED, *EXPERIMENTS[name].CHOOSES):
        given, needed = getattr(base, field), getattr(usual, field)
        if given != needed:
            raise RangeError(f"{field} is {given!r}; the experiment {name} chooses it itself, so it must be left at {needed!r}")


def summary(result):
    """What the results of an experiment hold of a run."""
    return {figure: result[figure] for figure in ("accuracy", "hidden_spikes", "recipe", "dataset")} | {
        "train_accuracy": result["history"][-1]["train_accuracy"], "seconds": result["timing"]["seconds"]}
