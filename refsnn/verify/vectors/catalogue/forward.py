"""Level 1: steps and free runs."""

import numpy as np

from refsnn.verify.vectors.catalogue.functions import around
from refsnn.verify.vectors.draft import DT, HALF, HALVING, PUBLISHED, TAU, Draft, Numbers, column, layers, network, row

ODD = {"tau_mem": [4e-6, 9e-6, 30e-6], "tau_syn": [6e-6, 2e-6, 9e-6], "threshold": [0.75, 1.0, 1.5], "dt": DT}         # three neurons
CLOSE = {"tau_mem": [TAU, TAU, TAU], "tau_syn": [TAU * (1 + 1e-8), TAU * (1 - 1e-9), TAU * (1 + 1e-12)], "threshold": 1.0, "dt": DT}


def drafts():
    """All of them."""
    return (*steps(), *readout_steps(), *runs_by_hand(), *runs(), *edges())


def state(id, B, N):
    """I, V, S and drive for a step."""
    numbers = Numbers(id)
    return {"I": numbers.normal(0.5, 1, B, N), "V": numbers.normal(0.5, 1, B, N), "S": numbers.spikes(0.4, B, N),
            "drive": numbers.normal(0.3, 1, B, N)}


def steps():
    """lif_step."""
    edge = around(1.0, 2)[None]
    rest = {name: np.zeros_like(edge) for name in ("I", "V", "S")}
    return (
        Draft("lif_step-001", "alpha = beta = 1/2. I = 0.5 1 + 0.5 = 1. V = 0.5 1 + 1 - 1 for the spike of t = 0.5. 0.5 < 1: no spike.",
              {"I": row(1), "V": row(1), "S": row(1), "drive": row(0.5)}, HALVING, ("Basic",)),
        Draft("lif_step-002", "From rest with a drive of 1: I = V = 1 = theta. A tie does not spike.",
              {"I": row(0), "V": row(0), "S": row(0), "drive": row(1)}, PUBLISHED, ("Basic", "TieAtThreshold")),
        Draft("lif_step-003", "The threshold and its neighbours: the first that spikes is the next float above it.",
              {**rest, "drive": edge}, PUBLISHED, ("Boundary", "TieAtThreshold", "Float64Only")),
        Draft("lif_step-004", "Far above the threshold: one theta comes off, the membrane stays above and spikes again.",
              {"I": row(2, 3), "V": row(4, 6), "S": row(1, 1), "drive": row(1, 0)}, HALVING),
        Draft("lif_step-005", "Random states of four samples.", state("lif_step-005", 4, 5), PUBLISHED, ("EqualTimeConstants",)),
        Draft("lif_step-006", "Every neuron has its own time constants and threshold.", state("lif_step-006", 3, 3), ODD, ("PerNeuron",)),
        Draft("lif_step-007", "Time constants that differ in the 9th digit and beyond.", state("lif_step-007", 2, 3), CLOSE,
              ("NearlyEqualTimeConstants",)),
        Draft("lif_step-008", "No spike at t, so no reset, however high the membrane is.",
              {"I": row(0), "V": row(8), "S": row(0), "drive": row(0)}, HALVING),
    )


def readout_steps():
    """li_step."""
    halves = {"tau_mem": HALF / 2, "tau_syn": HALF, "dt": 1.0}
    own = {name: ODD[name] for name in ("tau_mem", "tau_syn", "dt")}
    wide = {name: array for name, array in state("li_step-002", 3, 3).items() if name != "S"}
    return (
        Draft("li_step-001", "alpha = 1/2, beta = 1/4. I = 0.5 2 + 1 = 2. V = 0.25 4 + 2 = 3: above 1, and nothing happens.",
              {"I": row(2), "V": row(4), "drive": row(1)}, halves, ("Basic",)),
        Draft("li_step-002", "Every neuron has its own time constants.", wide, own, ("PerNeuron",)),
        Draft("li_step-003", "Large values: a readout never resets.", {name: 64 * array for name, array in wide.items()}, own),
    )


def runs_by_hand():
    """forward, by hand."""
    one = {"x": column(1, 0, 0, 0, 0, 0)}
    return (
        Draft("forward-001", "alpha = beta = 0.75327. A spike at t = 0 through 0.5 gives V = 0.5 n alpha^(n-1) after n steps: 0, 0.5, 0.75327, "
                             "0.85112, .. below 1 everywhere: no spike, and the readout stays 0.",
              {**one, "W0": np.array([[0.5]]), "W1": np.array([[1.0]])}, layers(2), ("Basic", "EqualTimeConstants")),
        Draft("forward-002", "alpha = beta = 1/2, W0 = 2, W1 = 1. I0 = 0, 2, 1, 1/2; V0 = 0, 2, 1 + 1 - 1 = 1, 1/2 + 1/2 = 1, ..; a spike at t = 1 "
                             "only, for the 1 of t = 2, 3 is a tie. The readout gets it at t = 2: V1 = 0, 0, 1, 1/2 + 1/2 = 1, 1/4 + 1/2 = 3/4, ..",
              {**one, "W0": np.array([[2.0]]), "W1": np.array([[1.0]])}, layers(2, HALVING), ("Basic", "TieAtThreshold", "Float64Only")),
        Draft("forward-003", "W0 = theta: V0 = 1 at t = 1, a tie, no spike; then 2 alpha = 1.507 at t = 2: a spike. With >= it comes a step earlier.",
              {**one, "W0": np.array([[1.0]]), "W1": np.array([[0.5]])}, layers(2), ("Basic", "TieAtThreshold")),
        Draft("forward-004", "alpha = beta = 1/2. Unit 0 spikes at t = 1 (V = 1.5) and drives unit 1 through R[0, 1] = 3: V = 3 at t = 2, a spike; "
                             "unit 0 is not driven back, R[1, 0] = 0. R transposed leaves unit 1 silent.",
              {**one, "W0": np.array([[1.5, 0.0]]), "R0": np.array([[0.0, 3.0], [0.0, 0.0]]), "W1": np.array([[1.0], [0.5]])},
              layers(2, HALVING), ("Basic", "Recurrent")),
        Draft("forward-005", "Through two spiking layers, with weights of 1.5: V0 passes 1 at t = 1, V1 at t = 2, and the readout moves at t = 3.",
              {**one, "W0": np.array([[1.5]]), "W1": np.array([[1.5]]), "W2": np.array([[0.5]])}, layers(3), ("Basic", "MultiLayer")),
    )


def run(id, comment, T, B, sizes, flags, own=None, density=0.3, recurrent=(), noise=0.0, **shape):
    """A draft of a free run with drawn weights and spikes."""
    numbers = Numbers(id)
    inputs = {"x": numbers.spikes(density, T, B, sizes[0]), **network(numbers, sizes, recurrent=recurrent, **shape)}
    if noise:
        inputs["noise"] = numbers.normal(0, noise, T, B, sizes[-1])
    return Draft(id, comment, inputs, own or layers(len(sizes) - 1), flags)


def runs():
    """forward, drawn."""
    by_layer = {"tau_mem": [ODD["tau_mem"], 10e-6], "tau_syn": [ODD["tau_syn"], 3e-6], "threshold": [ODD["threshold"], 1.0], "dt": DT}
    close = {"tau_mem": [CLOSE["tau_mem"], TAU], "tau_syn": [CLOSE["tau_syn"], TAU * (1 + 1e-8)], "threshold": [1.0, 1.0], "dt": DT}
    slow = layers(2, {**PUBLISHED, "tau_mem": 60e-6, "tau_syn": 2e-6})
    return (
        run("forward-010", "A small network of published constants.", 12, 3, (4, 5, 2), ("EqualTimeConstants",)),
        run("forward-011", "A recurrent layer.", 12, 2, (4, 5, 2), ("Recurrent",), recurrent=(0,)),
        run("forward-012", "Three spiking layers.", 14, 2, (4, 5, 4, 3, 2), ("MultiLayer",), mean=0.5),
        run("forward-013", "Two recurrent layers.", 12, 2, (3, 4, 4, 2), ("Recurrent", "MultiLayer"), mean=0.4, recurrent=(0, 1)),
        run("forward-014", "Every neuron has its own parameters, the readout others.", 12, 2, (4, 3, 2), ("PerNeuron",), by_layer),
        run("forward-015", "Time constants that differ in the 9th digit and beyond.", 12, 2, (4, 3, 2), ("NearlyEqualTimeConstants",), close),
        run("forward-016", "A slow membrane with a fast current.", 12, 2, (4, 4, 2), (), slow, density=0.2),
        run("forward-017", "Noise on the readout: added to what is recorded, not to the state.", 10, 2, (4, 4, 3), ("Noise",), noise=0.05),
        run("forward-018", "All inputs spike at every step.", 8, 1, (3, 4, 2), (), density=1.0, mean=0.5),
        run("forward-019", "Strong inhibition.", 10, 2, (4, 5, 2), (), mean=-0.3, spread=2.0),
        run("forward-020", "20 steps of a network of 24-16-10.", 20, 3, (24, 16, 10), ("Realistic",), density=0.1, mean=0.1),
        run("forward-021", "20 steps of a recurrent network of 20-16-10.", 20, 2, (20, 16, 10), ("Realistic", "Recurrent"), density=0.15, mean=0.1,
            recurrent=(0,)),
    )


def edges():
    """forward, where nothing happens or nothing more can."""
    numbers = Numbers("forward-edges")
    weights = network(numbers, (3, 4, 2), mean=0.5)
    last = np.zeros((6, 1, 3))
    last[-1] = 1
    return (
        Draft("forward-030", "No input: everything is 0, and no spike at a membrane of 0.", {"x": np.zeros((6, 2, 3)), **weights}, layers(2),
              ("Silent",)),
        Draft("forward-031", "The shortest run: the input of t = 0 reaches the first layer at t = 1, and nothing reaches the readout.",
              {"x": np.ones((2, 1, 3)), **weights}, layers(2), ("Edge",)),
        Draft("forward-032", "Input at the last step alone: it would arrive after the end.", {"x": last, **weights}, layers(2), ("Edge", "Silent")),
        Draft("forward-033", "A neuron that drives itself hard goes on by itself.",
              {"x": column(1, 0, 0, 0, 0, 0, 0, 0), "W0": np.array([[1.25]]), "R0": np.array([[1.5]]), "W1": np.array([[0.25]])}, layers(2),
              ("Recurrent",)),
    )
