"""Functions of the library with one wrong line each, for the exercise "find the bug"; and steps, right and wrong, for the exercise "a property"."""

import inspect
from functools import cache

import numpy as np

from refsnn.exercises.catalogue.forward import FORWARD
from refsnn.exercises.exercise import original, stub_of
from refsnn.spec.neuron import lif_step

LIF = next(own for own in FORWARD if own.name == "lif_step")
BUGS = {
    "A": ("spec.bptt.spiking_adjoint", "layer.R.T ", "layer.R "),
    "B": ("spec.neuron.run_spiking", "spikes[t] @ R", "spikes[t - 1] @ R"),
    "C": ("spec.bptt.weight_gradient", "S_below[:-1]", "S_below[1:]"),
    "D": ("spec.loss.burst", "2 * rho * n / n.size", "rho * n / n.size"),
}


def listing(letter):
    """The lines of a wrong function: its signature, and its body without the docstring and without comments."""
    place, old, new = BUGS[letter]
    function = original(place)
    source = inspect.getsource(function).replace(old, new)
    lines = source.splitlines()
    kept = [lines[0], *lines[len(stub_of(function).splitlines()) - 1:]]
    return [line.split("  #")[0].rstrip() for line in kept if not line.lstrip().startswith("#")]


def numbered():
    """All listings, numbered, as a text."""
    return "\n\n".join("\n".join(f"{letter} {number:3}  {line}" for number, line in enumerate(listing(letter), 1)) for letter in BUGS)


def in_loops(I, V, S, drive, alpha, beta, theta):
    """lif_step as a loop over neurons, the sums in another order."""
    results = np.empty((3, *np.shape(V)))
    for at in np.ndindex(np.shape(V)):
        current = drive[at] + I[at] * alpha
        membrane = (current - S[at] * theta) + V[at] * beta
        results[(slice(None), *at)] = current, membrane, membrane > theta
    return tuple(results)


def wrong_step(mistake):
    """lif_step with a mistake of its exercise."""
    names = {}
    exec(compile(LIF.wrong_answer(0, mistake), mistake.name, "exec"), names)      # our own source
    return names["lif_step"]


RIGHT = {"right": lif_step, "right, in loops": in_loops}


@cache
def steps():
    """All steps by name: the right ones, and one for each mistake of the exercise lif_step."""
    return {**RIGHT, **{mistake.name: wrong_step(mistake) for mistake in LIF.mistakes}}
