"""Level 2: one step backwards, and the gradient on a given trace."""

import numpy as np

from refsnn.verify.vectors.catalogue.forward import ODD
from refsnn.verify.vectors.draft import DT, HALVING, PUBLISHED, SUPERSPIKE, Draft, Numbers, column, direct, layers, network, row, trace

TWO = {"slope": 2.0, "spike_aware": False}
AWARE = {"slope": 50.0, "spike_aware": True}


def drafts():
    """All of them."""
    return (*steps(), *by_hand(), *drawn(), *edges())


def state(id, B, N, recurrent=False):
    """V, S and adjoints for a step."""
    numbers = Numbers(id)
    inputs = {"V": numbers.normal(0.9, 0.3, B, N), "S": numbers.spikes(0.4, B, N)}
    inputs |= {name: numbers.normal(0, 1, B, N) for name in ("gV", "lam_S", "lam_V_next", "lam_I_next")}
    return {**inputs, "R": numbers.normal(0, 0.5, N, N)} if recurrent else inputs


def steps():
    """adjoint_step."""
    hand = {"V": row(1.5), "S": row(1), "gV": row(0.5), "lam_S": row(2), "lam_V_next": row(1), "lam_I_next": row(4)}
    return (
        Draft("adjoint_step-001", "alpha = beta = 1/2, slope 2: sigma' at 1.5 is 1 / (2 0.5 + 1)^2 = 1/4. lam_V = 1/2 + 1/4 2 + 1/2 1 = 1.5, lam_I "
                                  "= 1.5 + 1/2 4 = 3.5. The spike at t does not block lam_V_next.", hand, {**HALVING, **TWO},
              ("Basic", "ResetGradient")),
        Draft("adjoint_step-002", "The same with R = 3: lam_S = 2 + 4 3 = 14, lam_V = 1/2 + 14/4 + 1/2 = 4.5, lam_I = 4.5 + 2 = 6.5.",
              {**hand, "R": np.array([[3.0]])}, {**HALVING, **TWO}, ("Basic", "Recurrent")),
        Draft("adjoint_step-003", "The same as the first, spike-aware: sigma' is 1, lam_V = 1/2 + 2 + 1/2 = 3, lam_I = 5.",
              hand, {**HALVING, "slope": 2.0, "spike_aware": True}, ("Basic", "SpikeAware")),
        Draft("adjoint_step-004", "Random states.", state("adjoint_step-004", 3, 4), {**PUBLISHED, **SUPERSPIKE}),
        Draft("adjoint_step-005", "Random states, each neuron with parameters of its own, and R.", state("adjoint_step-005", 2, 3, True),
              {**ODD, **SUPERSPIKE}, ("PerNeuron", "Recurrent")),
        Draft("adjoint_step-006", "At the threshold: the peak, 1, whether there is a spike or not.",
              {**state("adjoint_step-006", 2, 3), "V": np.ones((2, 3))}, {**PUBLISHED, **SUPERSPIKE}, ("TieAtThreshold",)),
    )


def by_hand():
    """backward, by hand."""
    hand = {"x": column(1, 0, 0), "W0": np.array([[1.0]]), "W1": np.array([[2.0]]), "V0": column(0, 1, 0), "S0": column(0, 1, 0),
            "V1": column(0, 0, 1), "gV0": column(0, 0, 0), "gS0": column(0, 0, 0), "gV1": column(0, 0, 1)}
    return (
        Draft("backward-001", "alpha = beta = 1/2. Three steps, one neuron a layer, gV1 = 1 at t = 2. Readout: lamI1[2] = 1; lamV1[1] = 1/2, "
                              "lamI1[1] = 1/2 + 1/2 = 1. dW1 = S0[1] lamI1[2] = 1. Below: lamS0[1] = lamI1[2] W1 = 2, sigma' = 1 at V0[1] = theta, "
                              "lamI0[1] = 2; dW0 = x[0] lamI0[1] = 2.", hand, {**layers(2, HALVING), **TWO}, ("Basic", "InjectedTrace")),
        Draft("backward-002", "The same with S0[0] = 1 as well, a spike in the first bin: dW1 = S0[0] lamI1[1] + S0[1] lamI1[2] = 1 + 1 = 2; dW0 "
                              "stays 2.",
              {**hand, "S0": column(1, 1, 0)}, {**layers(2, HALVING), **TWO}, ("Basic", "InjectedTrace", "SpikeInFirstBin")),
        Draft("backward-003", "gV0 = 1 at t = 2 and nothing else: lamV0[2] = 1, lamV0[1] = 1/2 1 although a spike at t = 1 resets the membrane; "
                              "lamI0[1] = 1/2 + 1/2 = 1, dW0 = 1. A reset with a gradient would add -1 sigma' = -1, a blocked one would lose the "
                              "1/2.",
              {**hand, "gV0": column(0, 0, 1), "gV1": column(0, 0, 0)}, {**layers(2, HALVING), **TWO}, ("Basic", "ResetGradient")),
        Draft("backward-004", "A spike that was recorded far from the threshold, V = 5, spike-aware: the derivative is 1 all the same, and dW0 = 2.",
              {**hand, "V0": column(0, 5, 0)}, {**layers(2, HALVING), "slope": 2.0, "spike_aware": True}, ("Basic", "SpikeAware", "InjectedTrace")),
    )


def given(id, comment, T, B, sizes, flags, own=None, peak=SUPERSPIKE, recurrent=(), quarters=False):
    """A draft on a drawn trace."""
    numbers = Numbers(id)
    inputs = {"x": numbers.spikes(0.3, T, B, sizes[0]), **network(numbers, sizes, recurrent=recurrent), **trace(numbers, T, B, sizes, quarters)}
    return Draft(id, comment, {**inputs, **direct(numbers, inputs)}, {**(own or layers(len(sizes) - 1)), **peak}, ("InjectedTrace", *flags))


def drawn():
    """backward, drawn."""
    by_layer = {"tau_mem": [ODD["tau_mem"], 10e-6], "tau_syn": [ODD["tau_syn"], 3e-6], "threshold": [ODD["threshold"], 1.0], "dt": DT}
    return (
        given("backward-010", "A trace of anywhere.", 8, 2, (4, 5, 3), ("SpikeInFirstBin",)),
        given("backward-011", "A recurrent layer.", 8, 2, (3, 4, 2), ("Recurrent", "SpikeInFirstBin"), recurrent=(0,)),
        given("backward-012", "Three spiking layers.", 7, 2, (3, 4, 3, 3, 2), ("MultiLayer",)),
        given("backward-013", "Two recurrent layers.", 7, 1, (3, 3, 4, 2), ("MultiLayer", "Recurrent"), recurrent=(0, 1)),
        given("backward-014", "Membranes in quarters of a threshold: many are exactly at it.", 8, 2, (3, 4, 2), ("TieAtThreshold",), quarters=True),
        given("backward-015", "Spike-aware.", 8, 2, (3, 4, 2), ("SpikeAware",), peak=AWARE),
        given("backward-016", "Every neuron has its own parameters, the readout others.", 8, 2, (4, 3, 2), ("PerNeuron",), by_layer),
        given("backward-017", "A flat surrogate.", 8, 2, (3, 4, 2), (), peak={"slope": 1.0, "spike_aware": False}),
        given("backward-018", "20 steps of 16-12-10.", 20, 2, (16, 12, 10), ("Realistic",)),
        given("backward-019", "Spike-aware, recurrent, membranes in quarters.", 9, 2, (3, 4, 2), ("SpikeAware", "Recurrent", "TieAtThreshold"),
              peak=AWARE, recurrent=(0,), quarters=True),
        given("backward-020", "The shortest run: the readout gets what was recorded at t = 0, the hidden layer nothing.", 2, 2, (3, 3, 2),
              ("Edge", "SpikeInFirstBin")),
    )


def edges():
    """backward, where most of it vanishes."""
    base = given("backward-030", "", 6, 2, (3, 3, 2), ())
    zeros = {name: np.zeros_like(array) for name, array in base.inputs.items() if name[0] == "g"}
    first, last = np.zeros((6, 2, 2)), np.zeros((6, 2, 2))
    first[0], last[-1] = 1, 1
    return (
        Draft("backward-030", "Derivatives by V at t = 0 alone: that state is fixed, the gradient is exactly 0.",
              base.inputs | zeros | {"gV1": first}, base.params, ("InjectedTrace", "Edge")),
        Draft("backward-031", "Derivatives by the readout at the last step alone.", base.inputs | zeros | {"gV1": last}, base.params,
              ("InjectedTrace", "Edge")),
        Draft("backward-032", "Membranes a million thresholds off: sigma' is 4e-16, and nothing overflows.",
              base.inputs | {"V0": 1048576.0 * np.sign(base.inputs["V0"] - 0.5)}, base.params, ("InjectedTrace", "Saturation")),
    )
