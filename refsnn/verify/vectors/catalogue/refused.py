"""Drafts that must fail: one fault each, the class of error that names it, and what is right in its place."""

import math

from refsnn.verify.vectors.catalogue import forward, gradient, objective
from refsnn.verify.vectors.draft import Draft


def drafts():
    """All of them."""
    bases = {draft.id: draft for room in (forward, gradient, objective) for draft in room.drafts()}
    return (*runs(bases["forward-010"], bases["forward-014"]), *traces(bases["backward-010"]), *losses(bases["loss_and_gradient-003"]),
            *labels(bases["cross_entropy-004"]))


def flat(nested):
    """All numbers of nested lists."""
    return [number for entry in nested for number in flat(entry)] if isinstance(nested, list) else [nested]


def changed(array, position, value):
    """A copy of an array with one entry changed."""
    array = array.copy()
    array[position] = value
    return array


def refused(base, number, error, comment, fault, **changes):
    """A draft like `base`, with changes to its inputs and params for which it must be refused; fault sees them in (inputs as lists, params)."""
    inputs = base.inputs | {name: value for name, value in changes.items() if name in base.inputs}
    params = base.params | {name: value for name, value in changes.items() if name in base.params}
    right = {name: (base.inputs | base.params)[name] for name in changes}
    return Draft(f"{base.op}-{number}", comment, inputs, params, ("MustFail",), {}, error, right, fault)


def runs(base, per_neuron):
    """forward: x, weights and params."""
    x, W0, W1 = (base.inputs[name] for name in ("x", "W0", "W1"))
    return (
        refused(base, 201, "RangeError", "x is half a spike.", lambda a, p: 0.5 in flat(a["x"]), x=changed(x, (0, 0, 0), 0.5)),
        refused(base, 202, "RangeError", "A weight is NaN.", lambda a, p: any(w != w for w in flat(a["W0"])), W0=changed(W0, (0, 0), math.nan)),
        refused(base, 203, "RangeError", "A weight is infinite.", lambda a, p: math.inf in flat(a["W1"]), W1=changed(W1, (0, 0), math.inf)),
        refused(base, 204, "ShapeError", "W1 has a row less than the layer below has neurons.", lambda a, p: len(a["W1"]) != len(a["W0"][0]),
                W1=W1[:-1].copy()),
        refused(base, 205, "ShapeError", "A batch without samples.", lambda a, p: len(a["x"][0]) == 0, x=x[:, :0].copy()),
        refused(base, 206, "ShapeError", "One time step: nothing can arrive.", lambda a, p: len(a["x"]) < 2, x=x[:1].copy()),
        refused(base, 207, "RangeError", "A time constant is 0.", lambda a, p: 0.0 in p["tau_mem"], tau_mem=[6e-6, 0.0]),
        refused(base, 208, "RangeError", "A time constant is negative.", lambda a, p: min(p["tau_syn"]) < 0, tau_syn=[-6e-6, 6e-6]),
        refused(base, 209, "RangeError", "The time step is 0.", lambda a, p: p["dt"] == 0, dt=0.0),
        refused(per_neuron, 210, "ShapeError", "Two thresholds for three neurons.", lambda a, p: len(p["threshold"][0]) != len(a["W0"][0]),
                threshold=[[1.0, 1.0], 1.0]),
    )


def traces(base):
    """backward: the trace."""
    V0, S0, V1 = (base.inputs[name] for name in ("V0", "S0", "V1"))
    return (
        refused(base, 201, "RangeError", "A recorded spike is 2.", lambda a, p: 2.0 in flat(a["S0"]), S0=changed(S0, (1, 0, 0), 2.0)),
        refused(base, 202, "RangeError", "A recorded membrane is NaN.", lambda a, p: any(v != v for v in flat(a["V1"])),
                V1=changed(V1, (1, 0, 0), math.nan)),
        refused(base, 203, "ShapeError", "A trace that is a step shorter than x.", lambda a, p: len(a["V0"]) != len(a["x"]), V0=V0[:-1].copy()),
    )


def losses(base):
    """loss_and_gradient: labels, noise, objective."""
    given, noise = base.inputs["labels"], base.inputs["noise"]
    return (
        refused(base, 201, "RangeError", "A label that is no class: 3, with three classes.", lambda a, p: max(a["labels"]) >= len(a["W1"][0]),
                labels=changed(given, 0, 3)),
        refused(base, 202, "RangeError", "A negative label.", lambda a, p: min(a["labels"]) < 0, labels=changed(given, 1, -1)),
        refused(base, 203, "ShapeError", "Noise for two of three readouts.", lambda a, p: len(a["noise"][0][0]) != len(a["W1"][0]),
                noise=noise[:, :, :2].copy()),
        refused(base, 204, "RangeError", "A reduction that is none.", lambda a, p: p["reduce"] not in ("max", "sum"), reduce="mean"),
    )


def labels(base):
    """cross_entropy: labels."""
    return (refused(base, 201, "ShapeError", "A label too few.", lambda a, p: len(a["labels"]) != len(a["m"]),
                    labels=base.inputs["labels"][:-1].copy()),)
