"""Where a framework stands: its adapter is asked, and every combination of conventions is tried until one explains all that it answered.

    python -m refsnn.verify.frameworks.survey snntorch_synaptic --json FILE        in an environment where snnTorch is installed

Nothing is taken from a document. V = theta is met by setting the threshold to the very value that the membrane reaches; the other conventions of the
forward pass are those under which refsnn.verify.general gives the same membranes and spikes in every question, those of the backward pass the ones
that give the same gradient. Where no combination explains the answers, a factor of the weights is allowed, the one that the first membrane gives:
sinabs lets an input decay before it arrives. Then the adapter declares what was found, and the conformance kit asks it its cases, at the slope that
was found where it cannot be set.

A question is a network without recurrence, one time constant a layer: (inputs, params) of the operations forward and loss_and_gradient.
"""

import argparse
import functools
import importlib
import itertools
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from refsnn.errors import RangeError
from refsnn.files import write_atomically
from refsnn.verify.conformance.cases import make_case, settled
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.runner import check
from refsnn.verify.conventions import SWITCHES, Conventions
from refsnn.verify.operations import Reference

FORWARD = ("integrator", "current", "input_scale", "reset", "reset_time", "recorded_membrane", "input_delay")
BACKWARD = ("reset_gradient", "surrogate", "surrogate_slope")
NEURON = {"tau_mem": 10e-3, "tau_syn": 5e-3}                 # s; norse's defaults
DT = 1e-3                                                    # s
OBJECTIVE = {"readout_scale": 10.0, "reduce": "sum", "burst": 0.02, "weight": 0.0, "readout": 0.01, "rate": 1e-3, "rate_limit": 3.0}
CLOSE = {"float64": 1e-9, "float32": 1e-3}                   # of the largest value; wrong conventions are off by 1e-2 and more
STRENGTHS = (0.4, 3.0, 20.0)                                 # of the weights: gains of the input differ by a factor of 50
CASES = 10
SLOPE = 5.0


def question(strength, seed=0):
    """(inputs, params) of loss_and_gradient: 4-6-3 neurons, 40 steps, 2 samples, weights times `strength`."""
    rng, sizes = np.random.default_rng([seed, 8]), (4, 6, 3)
    inputs = {f"W{l}": strength * rng.normal(0.3, 0.7, pair) for l, pair in enumerate(zip(sizes, sizes[1:]))}
    inputs |= {"x": (rng.random((40, 2, sizes[0])) < 0.25).astype(float), "labels": rng.integers(0, sizes[-1], 2)}
    layers = {name: [value, value] for name, value in {**NEURON, "threshold": 1.0}.items()}
    return inputs, {**layers, "dt": DT, **OBJECTIVE, "slope": SLOPE, "spike_aware": False}


def of_forward(inputs, params):
    """The same question of the operation forward."""
    return ({name: array for name, array in inputs.items() if name != "labels"},
            {name: params[name] for name in ("tau_mem", "tau_syn", "threshold", "dt")})


def ask(adapter, op, inputs, params, conventions):
    """The answer of an adapter, in float64."""
    given = {name: array.astype(adapter.dtype) if array.dtype == float else array for name, array in inputs.items()}
    return {name: np.asarray(array, float) for name, array in adapter.call(op, given, params, conventions).items()}


def one_neuron(weight=4.4, steps=100, threshold=1.0):
    """forward for one neuron, an input spike every 4th step: the question whose answers are counted."""
    x = np.zeros((steps, 1, 1))
    x[::4] = 1
    layers = {name: [value, value] for name, value in {**NEURON, "threshold": threshold}.items()}
    return {"x": x, "W0": np.array([[weight]]), "W1": np.zeros((1, 1))}, {**layers, "dt": DT}


def first_membrane(adapter, conventions):
    """What a unit weight gives in the first step in which it gives anything, and that step: an input at t = 0, and nothing spikes."""
    inputs, params = one_neuron(weight=1.0, steps=4, threshold=1e6)
    V = ask(adapter, "forward", inputs, params, conventions)["V0"][:, 0, 0]
    first = np.flatnonzero(V)[0]
    return float(V[first]), int(first)


def tie_of(adapter):
    """The convention for V = theta: the threshold is what a unit weight gives in the first step."""
    V, first = first_membrane(adapter, {})
    inputs, params = one_neuron(weight=1.0, steps=4)
    spikes = ask(adapter, "forward", inputs, {**params, "threshold": [V, V]}, {})["S0"][first, 0, 0]
    return {0.0: "silent", 1.0: "spike", 0.5: "half"}[float(spikes)]


def combinations(names, base):
    """Every valid Conventions with any values of the switches `names`, the other switches as in the dict `base`; the fewest changes first."""
    switches = [switch for switch in SWITCHES if switch.name in names]
    chosen = []
    for values in itertools.product(*(switch.values for switch in switches)):
        try:
            chosen.append(Conventions(**base, **dict(zip((switch.name for switch in switches), values))))
        except RangeError:
            continue                                         # two that exclude each other
    return sorted(chosen, key=lambda own: len(own.others()))


def agrees(answer, wanted, dtype):
    """Whether two answers are the same but for rounding."""
    return all(np.abs(answer[name] - wanted[name]).max() <= CLOSE[dtype] * max(np.abs(wanted[name]).max(), 1e-30) for name in answer)


def referred(op, inputs, params, conventions, unit):
    """The reference's answer for weights in a unit: W of the question are `unit` W here, and the gradient goes with them."""
    scaled = {name: unit * array if name[0] == "W" else array for name, array in inputs.items()}
    return {name: unit * array if name[0] == "d" else array for name, array in Reference().call(op, scaled, params, conventions).items()}


def explained(op, questions, answers, choices, dtype, unit_of):
    """Those of the Conventions `choices` under which the reference gives all answers; unit_of(choice): the unit of the weights."""
    for (inputs, params), answer in zip(questions, answers):
        choices = [own for own in choices if agrees(answer, referred(op, inputs, params, own.others(), unit_of(own)), dtype)]
    return choices


def survey(adapter):
    """What is found out about an adapter, as plain values for JSON."""
    learns = "loss_and_gradient" in adapter.capabilities()["ops"]
    questions = [question(strength) for strength in STRENGTHS]
    asked, base, unit, both = [of_forward(*own) for own in questions], {"tie": tie_of(adapter)}, 1.0, []
    answers, choices = [ask(adapter, "forward", *own, {}) for own in asked], combinations(FORWARD, base)
    forward = explained("forward", asked, answers, choices, adapter.dtype, lambda own: 1.0)
    if not forward:
        V, _ = first_membrane(adapter, {})
        units = {own: V / first_membrane(Reference(), own.others())[0] for own in choices}
        forward = explained("forward", asked, answers, choices, adapter.dtype, units.get)
        unit = units[forward[0]] if forward else 1.0
    gradients = [ask(adapter, "loss_and_gradient", *own, {}) for own in questions] if learns and forward else []
    # the slope that is asked for, or 1 whatever is asked for
    for slope in (SLOPE, 1.0) if gradients else ():
        meant = [(inputs, {**params, "slope": slope}) for inputs, params in questions]
        both = explained("loss_and_gradient", meant, gradients, combinations(BACKWARD, forward[0].others()), adapter.dtype, lambda own: unit)
        if both:
            break
    own = (both or forward or [None])[0]
    said, fixed = own.others() if own else {}, slope if both and slope != SLOPE else None
    return {
        "name": adapter.name, "version": str(adapter.version), "dtype": adapter.dtype, "python": platform.python_version(),
        "conventions": said if own else None, "tie": base["tie"], "unit": unit, "gradient_explained": bool(both), "learns": learns,
        "also": [other.others() for other in forward[1:]],
        "spikes": int(ask(adapter, "forward", *one_neuron(), {})["S0"].sum()),
        "gradient": gradient_difference(adapter, questions[0], {}, 1.0) if learns else None,
        "slope": slope if both else None,
        "cases_paper": passed(adapter, {}, 1.0), "cases_own": passed(adapter, said, unit, fixed) if own else None}


def gradient_difference(adapter, asked, conventions, unit):
    """The largest difference of the gradient of the spiking layer's weights from the reference's, by the largest value of the latter."""
    got, wanted = ask(adapter, "loss_and_gradient", *asked, {})["dW0"], referred("loss_and_gradient", *asked, conventions, unit)["dW0"]
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


class Declaring:
    """An adapter that declares conventions, and the unit of its weights."""

    def __init__(self, adapter, conventions, unit):
        self.adapter, self.conventions, self.unit = adapter, conventions, unit
        self.name, self.version, self.dtype = adapter.name, str(adapter.version), adapter.dtype

    def capabilities(self):
        """What the adapter says, with the conventions."""
        # their problems have recurrence, and one time constant a neuron
        skip = {f"{op}/{own.name}": "its problems are not what frameworks have in common" for own in PROPERTIES for op in own.ops}
        return {**self.adapter.capabilities(), "conventions": self.conventions, "skip": skip}

    def call(self, op, inputs, params, conventions):
        """What the adapter answers."""
        own = {name: (array / self.unit).astype(array.dtype) if name[0] == "W" else array for name, array in inputs.items()}
        outputs = self.adapter.call(op, own, params, conventions)
        return {name: (array / self.unit).astype(array.dtype) if name[0] == "d" else array for name, array in outputs.items()}


def without_recurrence(op, dtype, conventions, slope=None):
    """The cases: what frameworks have in common, networks without recurrence, one time constant a layer; and surrogates at 40 membranes.

    slope: of the surrogate in all cases; None for several.
    """
    cases = []
    for seed in itertools.count():
        if len(cases) == CASES:
            return cases
        rng, inputs_params = np.random.default_rng([seed, 88]), question(STRENGTHS[seed % 3], seed + 1)
        if op == "surrogate":
            inputs, params = {"V": rng.normal(1, 0.5, 40)}, {"threshold": 1.0, "slope": float(rng.choice([1, 5, 25]))}
        else:
            inputs, params = of_forward(*inputs_params) if op == "forward" else inputs_params
        if slope is not None and op != "forward":
            params = {**params, "slope": slope}
        if settled(op, inputs, params, conventions):
            cases.append(make_case(f"{op}/feed-forward-{seed}", op, inputs, params, dtype, conventions))


def passed(adapter, conventions, unit, slope=None):
    """{operation: [cases passed, cases asked]} when the adapter declares some conventions; slope: see without_recurrence.

    What an operation that fails blocks is not asked: 0 of 0.
    """
    run = check(Declaring(adapter, conventions, unit), (functools.partial(without_recurrence, slope=slope),), shrink=False)
    asked = {own.op: [case for case in own.cases if "feed-forward" in case.id] for own in run.operations}
    return {op: [sum(case.status == "pass" for case in asked[op]), len(asked[op])] for op in adapter.capabilities()["ops"]}


def main(arguments=None):
    """Survey one framework, and write what was found as JSON."""
    parser = argparse.ArgumentParser(description="survey one framework")
    parser.add_argument("module", help="a module of this folder, as in snntorch_synaptic")
    parser.add_argument("--json", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        module = importlib.import_module(f"refsnn.verify.frameworks.{chosen.module}")
    except ImportError as error:
        print(f"{chosen.module} cannot be imported here: {error}. The versions of its framework are in its file, as PACKAGES", file=sys.stderr)
        return 2
    found = survey(module.adapter)
    found["packages"] = {name: version(name) for name in (package.split("==")[0] for package in module.PACKAGES)}
    found["further"] = {what: measure() for what, measure in getattr(module, "FURTHER", {}).items()}
    found["documents"] = [{"where": where, "says": says, "does": does, "true": bool(holds())} for where, says, does, holds in module.DOCUMENTS]
    write_atomically(chosen.json, json.dumps(found, indent=1) + "\n")
    print(f"{found['name']} {found['version']}: {found['conventions']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
