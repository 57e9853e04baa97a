"""Level 1, status may: the analog membrane, a chip with all its draws given, spike times in continuous time."""

import math

import numpy as np

from refsnn.verify.reference import PATTERN
from refsnn.verify.vectors.draft import Draft, Numbers, column, layers, network, row, varied

NOMINAL = {"substeps": 4, "refractory": 2e-6, "weight_levels": 0, "converter_lsb": 0.0, "read_noise": 0.0, "membrane_noise": 0.0,
           "batch_threshold": 0.0}
DIGITAL = {"weight_levels": 63, "converter_lsb": 1 / 70}


def drafts():
    """All of them."""
    return (*steps(), *ideal_chips(), *chips(), *times(), *layer_times())


def steps():
    """analog_step."""
    numbers = Numbers("analog_step")
    state = {"U": numbers.normal(0, 1, 2, 4), "I_exc": numbers.uniform(0, 1, 2, 4), "I_inh": numbers.uniform(-1, 0, 2, 4)}
    taus = {"tau_mem": numbers.uniform(1, 8, 4), "tau_exc": numbers.uniform(1, 8, 4), "tau_inh": numbers.uniform(1, 8, 4)}
    five, some = np.full(4, 5.0), np.array([5.0, 5.0 * (1 + 1e-8), 5.0 * (1 - 1e-10), 5.0 * (1 + 1e-15)])
    return (
        Draft("analog_step-001", "h = tau ln 2: U and the currents halve, and a current of 1 leaves h exp(-h/tau) = ln 2 / 2 = 0.34657 where "
                                 "tau_mem = tau_exc = 1. U = 1 / 2 + 0.34657.",
              {"U": row(1), "I_exc": row(1), "I_inh": row(0), **dict.fromkeys(("tau_mem", "tau_exc", "tau_inh"), np.array([1.0]))},
              {"h": math.log(2)}, ("Basic", "EqualTimeConstants", "Chip")),
        Draft("analog_step-002", "Random states and time constants.", {**state, **taus}, {"h": 0.75}, ("Chip",)),
        Draft("analog_step-003", "Time constants that are equal or nearly so: the difference quotient has lost its digits.",
              {**state, "tau_mem": five, "tau_exc": some, "tau_inh": some[::-1].copy()}, {"h": 0.75},
              ("NearlyEqualTimeConstants", "Float64Only", "Chip")),
        Draft("analog_step-004", "A step of many time constants.", {**state, **taus}, {"h": 40.0}, ("Chip",)),
    )


def ideal_chips():
    """chip_run, without imperfections."""
    silent = {"x": column(1, 0, 0, 1, 0, 0), "W0": np.array([[0.25]]), "W1": np.array([[1.0]])}
    loud = {"x": column(1, 0, 0, 0, 0, 0, 0, 0), "W0": np.array([[1.5]]), "W1": np.array([[0.5]])}
    params = {**layers(2), **NOMINAL}
    return (
        Draft("chip_run-001", "While nothing spikes the membrane of an ideal chip is the model's at every k dt: 0, 0.25, 0.25 2 0.75327 = 0.37664, "
                              ".. and the second spike adds to it.", silent, params, ("Basic", "Chip", "Silent")),
        Draft("chip_run-002", "One strong spike: the membrane passes 1 within the first dt, so the spike is in bin 0, V[1] already shows the "
                              "reset, and 2 us later the current that is left lifts it again.", loud, params, ("Chip", "Refractory")),
        Draft("chip_run-003", "The same on a grid of one step a dt: the crossing is seen at the end of the step.", loud, {**params, "substeps": 1},
              ("Chip", "Refractory")),
        Draft("chip_run-004", "6-bit weights: 0.1875 becomes 45/240, exactly; 0.375 becomes 63/240, clipped; the readout's are scaled by 63/0.5. "
                              "8-bit converters.",
              {**loud, "W0": np.array([[0.1875, 0.375]]), "W1": np.array([[0.5], [-0.125]]), "x": column(1, 1, 1, 1, 0, 0, 0, 0)},
              {**params, **DIGITAL}, ("Chip", "Digitised", "Saturation")),
    )


def pattern(numbers, inputs, count):
    """A fixed pattern for all layers: factors about 1, potentials about 0."""
    drawn = {}
    for l in range(count):
        N = inputs[f"W{l}"].shape[1]
        for name in PATTERN:
            low, high = {"leak": (-0.1, 0.1), "reset": (-0.1, 0.1), "converter_offset": (-3, 3), "sample_time": (0, 0.9)}.get(name, (0.85, 1.2))
            drawn[f"{name}{l}"] = numbers.uniform(low, high, N)
        for kind, letter in (("synapse", "W"), ("recurrent", "R")):
            if f"{letter}{l}" in inputs:
                drawn |= {f"{kind}_{sign}{l}": numbers.uniform(0.75, 1.25, *inputs[f"{letter}{l}"].shape) for sign in ("exc", "inh")}
    return drawn


def noise(numbers, inputs, T, B, count):
    """Noise for all layers."""
    sizes = [inputs[f"W{l}"].shape[1] for l in range(count)]
    return {f"noise_{kind}{l}": numbers.normal(0, 1, *(() if kind == "threshold" else (T, B)), N) for l, N in enumerate(sizes)
            for kind in ("read", "membrane", "threshold")}


def chips():
    """chip_run, with imperfections."""
    found, T, B = [], 10, 2
    for id, comment, sizes, recurrent, params, flags in (
            ("chip_run-010", "A fixed pattern, nothing digitised, no noise.", (4, 5, 2), (), {}, ("PerNeuron",)),
            ("chip_run-011", "A fixed pattern, digitised.", (4, 5, 2), (), DIGITAL, ("PerNeuron", "Digitised")),
            ("chip_run-012", "Noise of all kinds, digitised.", (4, 5, 2), (), {**DIGITAL, "read_noise": 1.25, "membrane_noise": 0.0625,
                                                                               "batch_threshold": 0.03125},
             ("PerNeuron", "Digitised", "Noise")),
            ("chip_run-013", "A recurrent layer.", (4, 5, 2), (0,), {}, ("PerNeuron", "Recurrent")),
            ("chip_run-014", "Two spiking layers.", (4, 5, 4, 2), (), {"substeps": 2}, ("PerNeuron", "MultiLayer")),
            ("chip_run-015", "A recurrent layer, digitised, with noise, on a grid of 5.", (3, 4, 2), (0,),
             {**DIGITAL, "substeps": 5, "read_noise": 1.25, "membrane_noise": 0.0625, "batch_threshold": 0.03125},
             ("PerNeuron", "Recurrent", "Digitised", "Noise"))):
        numbers, count = Numbers(id), len(sizes) - 1
        inputs = {"x": numbers.spikes(0.3, T, B, sizes[0]), **network(numbers, sizes, mean=0.25, recurrent=recurrent)}
        inputs |= pattern(numbers, inputs, count)
        if "Noise" in flags:
            inputs |= noise(numbers, inputs, T, B, count)
        found.append(Draft(id, comment, inputs, {**layers(count), **NOMINAL, **params}, ("Chip", "Refractory", *flags)))
    return found


def times():
    """exact_spikes."""
    one = {name: np.array([given]) for name, given in
           {"tau_mem": 1.0, "tau_exc": 1.0, "tau_inh": 1.0, "threshold": 1.0, "leak": 0.0, "reset": 0.0, "refractory": 0.5}.items()}
    event = {"weights": np.array([[4.0]]), "times": np.array([0.5]), "units": np.array([0]), "sample_times": np.array([0.5, 1.0, 2.0])}
    five = {"duration": 5.0}
    base = Draft("exact_spikes-002", "A current of 2 decays with tau = 1: V = 2 s exp(-s), at most 2/e = 0.7358 at s = 1: no spike.",
                 {**one, **event, "weights": np.array([[2.0]])}, five, ("Basic", "ContinuousTime", "EqualTimeConstants", "Silent"))
    return (
        Draft("exact_spikes-001", "The leak, 2, is above the threshold, 1: a spike at 0 at once; held at 0 until 0.5; then V = 2 - 2 exp(-s) "
                                  "reaches 1 after ln 2 = 0.693147: spikes at 0, 1.193147, 2.386294, 3.579442, 4.772589.",
              {**one, "leak": np.array([2.0]), **event, "weights": np.array([[0.0]])}, five,
              ("Basic", "ContinuousTime", "Refractory")),
        base,
        varied(base, "exact_spikes-003", "A current of 4: V = 4 s exp(-s) reaches 1 at s = 0.3574; and again, from the reset, with what is left of "
                                         "the current.", ("ContinuousTime", "EqualTimeConstants", "Refractory"), weights=np.array([[4.0]])),
        varied(base, "exact_spikes-007", "A membrane slower than its current, tau_mem = 2: V = 8 (exp(-s/2) - exp(-s)), which is 1 where u = "
                                         "exp(-s/2) solves u - u^2 = 1/8: s = -2 ln((1 + sqrt(1/2)) / 2) = 0.316694.", ("Basic", "ContinuousTime"),
               tau_mem=np.array([2.0]), weights=np.array([[4.0]])),
        varied(base, "exact_spikes-008", "Inhibition that comes later cuts the rise short.", ("ContinuousTime",), weights=np.array([[3.0], [-8.0]]),
               times=np.array([0.5, 0.75]), units=np.array([0, 1]), tau_inh=np.array([1.5])),
    )


def layer_times():
    """exact_spikes, of a layer of three neurons that are all different."""
    numbers = Numbers("exact_spikes")
    taus = {name: numbers.uniform(0.5, 2, 3) for name in ("tau_mem", "tau_exc", "tau_inh")}
    levels = {"threshold": numbers.uniform(0.75, 1.25, 3), "leak": numbers.uniform(-0.25, 0.25, 3), "reset": numbers.uniform(-0.5, 0, 3),
              "refractory": numbers.uniform(0.25, 0.5, 3)}
    layer = {**taus, **levels, "weights": numbers.normal(2, 1.5, 2, 3), "times": numbers.uniform(0, 4, 6), "units": numbers.integers(0, 2, 6),
             "sample_times": numbers.uniform(0, 6, 4)}
    nearly = {"tau_exc": taus["tau_mem"] * (1 + 1e-9), "tau_inh": taus["tau_mem"] * (1 - 1e-12)}
    odd = ("ContinuousTime", "PerNeuron", "Refractory")
    return (
        Draft("exact_spikes-004", "Three neurons, all of them different, currents of both signs.", layer, {"duration": 6.0}, odd),
        Draft("exact_spikes-005", "The same, each driving the others.", {**layer, "recurrent": numbers.normal(0, 0.75, 3, 3)}, {"duration": 6.0},
              ("Recurrent", *odd)),
        Draft("exact_spikes-006", "Time constants that differ in the 9th digit or the 12th.", {**layer, **nearly}, {"duration": 6.0},
              ("NearlyEqualTimeConstants", "Float64Only", *odd)),
    )
