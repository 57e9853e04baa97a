"""More cases that can be worked on paper, as a source for conformance: what the exercises need beyond refsnn.verify.conformance.byhand.

alpha = 1/2 and beta = 1/4, so that one cannot be taken for the other; the slope of the surrogate is 2, so it is 1/4 at a distance of 1/2.
"""

import math

import numpy as np

from refsnn.verify.conformance.byhand import course, row
from refsnn.verify.conformance.cases import make_case

NEURON = {"tau_mem": 1 / math.log(4), "tau_syn": 1 / math.log(2), "threshold": 1.0}
STEP = {**NEURON, "dt": 1.0, "slope": 2.0, "spike_aware": False}
HIGH = {**NEURON, "threshold": 2.0, "dt": 1.0}
HIGH_LAYERS = {**{name: [HIGH[name]] * 2 for name in NEURON}, "dt": 1.0}
LAYERS = {**{name: [value, value] for name, value in NEURON.items()}, "dt": 1.0, "slope": 2.0, "spike_aware": False}
ONE = {"W0": np.ones((1, 1)), "W1": np.array([[2.0]]), "x": course(1, 0, 0, 0), "V0": course(0, 1.5, 1, 0.5), "S0": course(0, 1, 0, 0),
       "V1": course(0, 0, 0, 0),
       "gV0": course(0, 0, 0, 0)}
ARROW = np.array([[0.0, 2.0], [0.0, 0.0]])                              # from neuron 0 to neuron 1
TWO = {"W0": row(1, 1), "R0": ARROW, "W1": np.ones((2, 1)), "x": course(1, 0, 0, 0), "V0": np.ones((4, 1, 2)),
       "S0": np.array([0, 0, 1, 0, 0, 0, 0, 0.0]).reshape(4, 1, 2),
       "V1": course(0, 0, 0, 0), "gV0": np.zeros((4, 1, 2)), "gS0": np.array([0, 0, 0, 0, 0, 0, 0, 1.0]).reshape(4, 1, 2), "gV1": course(0, 0, 0, 0)}
CHARGED = {"U": row(0), "I_exc": row(1), "I_inh": row(0)}
FAST, ONCE = np.array([1e-4]), np.array([1.0])
PAPER = {
    "lif_step": [
        ("unequal", {"I": row(4), "V": row(4), "S": row(1), "drive": row(2)}, HIGH, "theta = 2: I = 2 + 2 = 4, V = 1 + 4 - 2 = 3, a spike"),
        ("around-theta", {"I": row(0, 0), "V": row(0, 0), "S": row(0, 0), "drive": row(1.5, 2.5)}, HIGH, "theta = 2: 3/2 is silent, 5/2 spikes"),
        ("next-to-theta", {"I": row(0, 0), "V": row(0, 0), "S": row(0, 0), "drive": row(np.nextafter(2, 1), np.nextafter(2, 3))}, HIGH,
         "theta = 2: the number before it is silent, the one after it spikes")],
    "forward": [
        ("two-samples",
         {"W0": row(4), "W1": row(1), "x": np.array([[1, 0], [0, 1], [0, 0], [0, 0.0]])[:, :, None]},
         HIGH_LAYERS,
         "V0 = 0, 4, 1, 5/4 and, a step later, 0, 0, 4, 1; the spike of 4 is in V1 a step after it"),
        ("onto-itself", {"W0": row(4), "R0": row(2), "W1": row(1), "x": course(1, 0, 0, 0)}, HIGH_LAYERS, "V0 = 0, 4, 2 + 2 + 1 - 2 = 3, 2 + 2 + 3/4 - 2 = 11/4")],
    "scores": [
        ("sum", {"V": np.array([[[0, 0.5]], [[1, 0.25]], [[0.5, 0.5]]])}, {"readout_scale": 2.0, "reduce": "sum"}, "2 (0 + 1 + 1/2) = 3, 2 (5/4) = 5/2")],
    "scores_adjoint": [
        ("sum", {"V": course(0, 1, 0.5), "dm": row(0.5)}, {"readout_scale": 2.0, "reduce": "sum"}, "2/2 = 1 at every t"),
        ("negative", {"V": course(0, -2, 1), "dm": row(0.5)}, {"readout_scale": 2.0, "reduce": "max"}, "the largest is 1, at t = 2: 2/2 = 1 there")],
    "adjoint_step": [
        ("unequal", {"V": row(1.5), "S": row(0), "gV": row(1), "lam_S": row(4), "lam_V_next": row(8), "lam_I_next": row(8)}, STEP,
         "lamV = 1 + 4/4 + 8/4 = 4, lamI = 4 + 8/2 = 8"),
        ("recurrent",
         {"V": row(1.5, 1.5), "S": row(0, 0), "gV": row(0, 0), "lam_S": row(0, 0), "lam_V_next": row(4, 0), "lam_I_next": row(0, 1), "R": ARROW}, STEP,
         "neuron 0 acts on 1: lamV = (2/4 + 4/4, 0), lamI = (3/2, 1/2)")],
    "backward": [
        ("one-neuron", {**ONE, "gS0": course(0, 4, 0, 4), "gV1": course(0, 0, 0, 0)}, LAYERS,
         "for t = 3, 2, 1: lamV = 1, 1/4, 17/16 and lamI = 1, 3/4, 23/16 = dW0"),
        ("from-above", {**ONE, "gS0": course(0, 0, 0, 0), "gV1": course(0, 0, 0, 1)}, LAYERS,
         "lamI of the readout, for t = 3, 2, 1: 1, 3/4, 7/16; lamI of the neuron: 0, 2, 15/8 = dW0; dW1 = 3/4"),
        ("inhibiting", {**ONE, "W1": row(-2), "gV0": course(0, 1, 0, 0), "gS0": course(0, 0, 0, 0), "gV1": course(0, 0, 0, 1)}, LAYERS,
         "for t = 3, 2, 1: lamI of the readout 1, 3/4, 7/16; lamS = 0, -2, -3/2; lamV = 0, -2, 1/8; lamI = 0, -2, -7/8 = dW0"),
        ("recurrent", TWO, LAYERS, "lamI, for t = 3, 2, 1: (0, 1), (2, 3/4), (3, 7/16) = dW0; the spike of neuron 0 at t = 1 gives dR")],
    "burst": [
        ("two-neurons", {"S": np.array([1, 0, 1, 0.0]).reshape(2, 1, 2)}, {"rho": 1.0},
         "n = 2, 0: the mean of the squares is 2; 2 n / 2 at every t"),
        ("two-samples", {"S": np.array([1, 0, 1, 0.0]).reshape(2, 2, 1)}, {"rho": 1.0}, "one neuron, n = 2, 0 in two samples: the mean is 2; 2 n / 2")],
    "surrogate": [
        ("theta-2", {"V": np.array([2.0, 2.5, 1.0])}, {"threshold": 2.0, "slope": 2.0}, "theta = 2: 1, 1/4, 1/9")],
    "surrogate_primitive": [
        ("theta-2", {"V": np.array([2.0, 2.5, 1.0])}, {"threshold": 2.0, "slope": 2.0}, "theta = 2: 0, 1/4, -1/3")],
    "analog_step": [
        ("unequal",
         {"U": row(0), "I_exc": row(1), "I_inh": row(0), "tau_mem": np.array([2.0]), "tau_exc": np.array([1.0]), "tau_inh": np.array([1.0])},
         {"h": 2 * math.log(2)}, "decays 1/2 and 1/4: c = (1/2 - 1/4) / (1 - 1/2) = 1/2"),
        ("fast-membrane", {**CHARGED, "tau_mem": FAST, "tau_exc": ONCE, "tau_inh": ONCE}, {"h": 1.0}, "c = exp(-1) / 9999: exp(9999) overflows"),
        ("fast-synapse", {**CHARGED, "tau_mem": ONCE, "tau_exc": FAST, "tau_inh": FAST}, {"h": 1.0}, "c = exp(-1) / 9999: exp(9999) overflows")],
}


def on_paper(op, dtype, conventions):
    """The cases of PAPER, as a source of cases (refsnn.verify.conformance.cases)."""
    return [make_case(f"{op}/{name}", op, inputs, params, dtype, conventions, comment) for name, inputs, params, comment in PAPER.get(op, ())]
