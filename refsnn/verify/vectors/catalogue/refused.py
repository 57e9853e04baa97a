"""Drafts that must fail: one fault each, the class of error that names it, and what is right in its place."""

import math

import numpy as np

from refsnn.verify.vectors.catalogue import forward, gradient, objective, update
from refsnn.verify.vectors.draft import varied


def flat(nested):
    """All numbers of nested lists."""
    return [number for entry in nested for number in flat(entry)] if isinstance(nested, list) else [nested]


def changed(array, position, value):
    """A copy of an array with one entry changed."""
    array = array.copy()
    array[position] = value
    return array


def drafts():
    """All of them."""
    bases = {draft.id: draft for room in (forward, gradient, objective, update) for draft in room.drafts()}
    run, back = bases["forward-010"].inputs, bases["backward-010"].inputs
    learn, m = bases["loss_and_gradient-003"].inputs, bases["cross_entropy-004"].inputs
    # id: (base, class, changed arrays or params, what a plain check of (inputs as lists, params) sees, comment)
    table = {
        "forward-201": ("forward-010", "RangeError", {"x": changed(run["x"], (0, 0, 0), 0.5)}, lambda a, p: 0.5 in flat(a["x"]), "x is half a spike."),
        "forward-202": ("forward-010", "RangeError", {"W0": changed(run["W0"], (0, 0), math.nan)}, lambda a, p: any(w != w for w in flat(a["W0"])), "A weight is NaN."),
        "forward-203": ("forward-010", "RangeError", {"W1": changed(run["W1"], (0, 0), math.inf)}, lambda a, p: math.inf in flat(a["W1"]), "A weight is infinite."),
        "forward-204": ("forward-010", "ShapeError", {"W1": run["W1"][:-1].copy()}, lambda a, p: len(a["W1"]) != len(a["W0"][0]),
                        "W1 has a row less than the layer below has neurons."),
        "forward-205": ("forward-010", "ShapeError", {"x": run["x"][:, :0].copy()}, lambda a, p: len(a["x"][0]) == 0, "A batch without samples."),
        "forward-206": ("forward-010", "ShapeError", {"x": run["x"][:1].copy()}, lambda a, p: len(a["x"]) < 2, "One time step: nothing can arrive."),
        "forward-207": ("forward-010", "RangeError", {"tau_mem": [6e-6, 0.0]}, lambda a, p: 0.0 in p["tau_mem"], "A time constant is 0."),
        "forward-208": ("forward-010", "RangeError", {"tau_syn": [-6e-6, 6e-6]}, lambda a, p: min(p["tau_syn"]) < 0, "A time constant is negative."),
        "forward-209": ("forward-010", "RangeError", {"dt": 0.0}, lambda a, p: p["dt"] == 0, "The time step is 0."),
        "forward-210": ("forward-014", "ShapeError", {"threshold": [[1.0, 1.0], 1.0]}, lambda a, p: len(p["threshold"][0]) != len(a["W0"][0]),
                        "Two thresholds for three neurons."),
        "backward-201": ("backward-010", "RangeError", {"S0": changed(back["S0"], (1, 0, 0), 2.0)}, lambda a, p: 2.0 in flat(a["S0"]), "A recorded spike is 2."),
        "backward-202": ("backward-010", "RangeError", {"V1": changed(back["V1"], (1, 0, 0), math.nan)}, lambda a, p: any(v != v for v in flat(a["V1"])),
                         "A recorded membrane is NaN."),
        "backward-203": ("backward-010", "ShapeError", {"V0": back["V0"][:-1].copy()}, lambda a, p: len(a["V0"]) != len(a["x"]), "A trace that is a step shorter than x."),
        "loss_and_gradient-201": ("loss_and_gradient-003", "RangeError", {"labels": changed(learn["labels"], 0, 3)}, lambda a, p: max(a["labels"]) >= len(a["W1"][0]),
                                  "A label that is no class: 3, with three classes."),
        "loss_and_gradient-202": ("loss_and_gradient-003", "RangeError", {"labels": changed(learn["labels"], 1, -1)}, lambda a, p: min(a["labels"]) < 0, "A negative label."),
        "loss_and_gradient-203": ("loss_and_gradient-003", "ShapeError", {"noise": learn["noise"][:, :, :2].copy()}, lambda a, p: len(a["noise"][0][0]) != len(a["W1"][0]),
                                  "Noise for two of three readouts."),
        "loss_and_gradient-204": ("loss_and_gradient-003", "RangeError", {"reduce": "mean"}, lambda a, p: p["reduce"] not in ("max", "sum"), "A reduction that is none."),
        "cross_entropy-201": ("cross_entropy-004", "ShapeError", {"labels": m["labels"][:-1].copy()}, lambda a, p: len(a["labels"]) != len(a["m"]), "A label too few."),
    }
    found = []
    for id, (base, error, changes, fault, comment) in table.items():
        own = bases[base]
        arrays = {name: value for name, value in changes.items() if isinstance(value, np.ndarray)}
        params = {name: value for name, value in changes.items() if name not in arrays}
        right = {**{name: own.inputs[name] for name in arrays}, **{name: own.params[name] for name in params}}
        draft = varied(own, id, comment, ("MustFail",), params, **arrays)
        found.append(type(draft)(draft.id, draft.comment, draft.inputs, draft.params, draft.flags, {}, error, right, fault))
    return found
