"""One experiment from its name to its table and its file of results."""

import json
from dataclasses import asdict
from pathlib import Path

from refsnn.errors import RangeError, check_choice, check_type
from refsnn.experiments import ablation, surrogate
from refsnn.experiments.sweep import sweep
from refsnn.files import write_atomically
from refsnn.runs import versions
from refsnn.training import Recipe

EXPERIMENTS = {"ablation": ablation, "surrogate": surrogate}
FIXED = ("substrate", "variation", "calibrate", "sample_offset", "spike_shift", "slope", "spike_aware")    # the experiments choose these


def reproduce(name, base, seeds, folder, executor, note=lambda text: None):
    """Run the experiment `name` from the Recipe `base` with every seed, write folder/NAME.json, and return the rows of its table.

    executor and note: see refsnn.experiments.sweep. Raises RangeError for an unknown name or a base that differs from the default recipe in
    what the experiment chooses, and what a run raises.
    """
    check_choice("experiment", name, EXPERIMENTS)
    check_type("base", base, Recipe)
    usual = Recipe()
    for field in FIXED:
        if getattr(base, field) != getattr(usual, field):
            raise RangeError(f"{field} is {getattr(base, field)!r}; the experiment {name} chooses it itself, so it must be left at {getattr(usual, field)!r}")
    runs = sweep(EXPERIMENTS[name].jobs(base), seeds, folder, executor, note)
    rows, further = EXPERIMENTS[name].report(runs, base)
    results = {"experiment": name, "versions": versions(), "recipe": asdict(base) | {"hidden": list(base.hidden)}, "seeds": list(seeds),
               "table": [list(row) for row in rows], **further,
               "runs": {label: [{figure: result[figure] for figure in ("accuracy", "hidden_spikes", "recipe", "dataset")}
                                | {"seconds": result["timing"]["seconds"]} for result in own.results] for label, own in runs.items()}}
    write_atomically(Path(folder) / f"{name}.json", json.dumps(results, indent=1) + "\n")
    return rows
