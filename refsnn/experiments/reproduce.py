"""One experiment from its name to its table and its file of results."""

import json
from dataclasses import asdict
from pathlib import Path

from refsnn.errors import check_choice
from refsnn.experiments import ablation, surrogate
from refsnn.experiments.sweep import sweep
from refsnn.files import write_atomically
from refsnn.runs import versions

EXPERIMENTS = {"ablation": ablation, "surrogate": surrogate}


def reproduce(name, base, seeds, folder, executor, note=lambda text: None):
    """Run the experiment `name` from the Recipe `base` with every seed, write folder/results.json, and return the rows of its table.

    executor and note: see refsnn.experiments.sweep. Raises RangeError for an unknown name, and what a run raises.
    """
    check_choice("experiment", name, EXPERIMENTS)
    folder = Path(folder)
    runs = sweep(EXPERIMENTS[name].jobs(base), seeds, folder, executor, note)
    rows, further = EXPERIMENTS[name].report(runs, base)
    results = {"experiment": name, "versions": versions(), "recipe": asdict(base) | {"hidden": list(base.hidden)}, "seeds": list(seeds),
               "table": [list(row) for row in rows], **further,
               "runs": {label: [{"accuracy": result["accuracy"], "hidden_spikes": result["hidden_spikes"], "recipe": result["recipe"],
                                 "seconds": result["timing"]["seconds"]} for result in own.results] for label, own in runs.items()}}
    write_atomically(folder / "results.json", json.dumps(results, indent=1) + "\n")
    return rows
