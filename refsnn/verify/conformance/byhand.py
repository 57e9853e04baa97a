"""Cases written by hand: BY_HAND[op] is a list of (name, inputs, params, comment). The first of an operation can be worked on paper.

Every value is dyadic where a tie is meant, so that it is a tie in float32, too.
"""

import math

import numpy as np

DT = {"dt": 1.0}
HALF = 1 / math.log(2)                                                  # a time constant with exp(-1/tau) = 1/2, to a rounding
STEP = {"tau_mem": HALF, "tau_syn": HALF, "threshold": 1.0, **DT}
PEAK = {"slope": 2.0, "spike_aware": False}
SCORE = {"readout_scale": 10.0, "reduce": "max"}
TERMS = {"burst": 0.5, "weight": 0.1, "readout": 0.25, "rate": 0.125, "rate_limit": 0.0}
NEAR = 2.0 ** -18                                                       # next to the threshold, in float32 too


def layers(count=2):
    """Parameters of a network with the STEP of every layer."""
    return {**{name: [STEP[name]] * count for name in ("tau_mem", "tau_syn", "threshold")}, **DT}


def row(*values):
    """A (1, N) array."""
    return np.array([values], float)


def course(*values):
    """A (T, 1, 1) array."""
    return np.array(values, float).reshape(-1, 1, 1)


def image(*values):
    """A (1, 1, M) image."""
    return np.array([[values]], np.uint8)


TIE = {"W0": np.ones((1, 1)), "W1": row(0.25, -0.25), "x": course(1, 0, 0, 0, 0, 0)}              # V0[1] = 1 = theta
SILENT = {"W0": row(0.125, 0.25), "W1": np.array([[0.5, -0.5], [0.25, 0.5]]), "x": course(1, 0, 0, 0)}
RECURRENT = {"W0": row(2, 0), "R0": np.array([[0.0, 3.0], [0.0, 0.0]]), "W1": np.eye(2), "x": course(1, 0, 0, 0, 0)}
# a spike in bin 0, a sample after a spike that shows a reset, membranes at the threshold: a chip records such a trace
CHIP_TRACE = {"W0": np.ones((1, 1)), "W1": row(0.5, -0.5), "x": course(1, 0, 1, 0), "V0": course(0.75, -0.25, 1, 1.5), "S0": course(1, 0, 0, 1),
              "V1": np.array([0, 0, 0.5, 0, 0.5, -0.25, 0.25, -0.5]).reshape(4, 1, 2)}
LABEL = {"labels": np.array([0])}
LEARN = {**layers(), **SCORE, **TERMS, **PEAK}
ADAM = {"step": 0, "rate": 0.5, "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8}
CHIP = {**layers(), "substeps": 2, "refractory": 2.0, "weight_levels": 0, "converter_lsb": 0.0, "read_noise": 0.0, "membrane_noise": 0.0,
        "batch_threshold": 0.0}
ANALOG = {name: np.array([2.0, 4.0]) for name in ("tau_mem", "tau_inh")} | {"tau_exc": np.array([2.0, 1.0])}
LAYER = {"tau_mem": 1.0, "tau_exc": 1.0, "tau_inh": 1.0, "threshold": 1.0, "leak": 0.0, "reset": 0.0, "refractory": 1.0}
EXACT = {**{name: np.array([value]) for name, value in LAYER.items()}, "times": np.array([0.5]), "units": np.array([0]),
         "sample_times": np.array([1.0])}

BY_HAND = {
    "decay": [
        ("first", {"tau": np.array([2.0])}, DT, "exp(-1/2) = 0.6065"),
        ("extremes", {"tau": np.array([0.03125, 1e6])}, DT, "a fast one, and one that hardly decays")],
    "latency": [
        ("first", {"intensity": np.array([1.0, 0.5])}, {"tau_in": 1.0}, "ln(1/0.8) = 0.2231, ln(0.5/0.3) = 0.5108"),
        ("dark", {"intensity": np.array([0.0, 0.125, 0.25])}, {"tau_in": 8e-6}, "below 0.2 no spike: inf")],
    "encode": [
        ("first", {"images": image(255, 128, 60, 40)}, {"steps": 20, "dt": 1.7e-6, "tau_in": 8e-6}, "bins 0, 1, 7, none"),
        ("edges", {"images": image(255, 0, 51, 52, 53)}, {"steps": 8, "dt": 1.7e-6, "tau_in": 8e-6}, "51/255 = 0.2 is silent; late bins are dropped")],
    "downscale": [
        ("first", {"images": np.full((1, 28, 28), 7, np.uint8)}, {"crop": 2, "size": 16}, "a grey image stays grey"),
        ("overshoot", {"images": np.repeat(np.array([[[0, 255, 255, 0]]], np.uint8), 4, 1)}, {"crop": 0, "size": 7}, "splines overshoot: clipped")],
    "surrogate": [
        ("first", {"V": np.array([1.0, 1.5, 0.5])}, {"threshold": 1.0, "slope": 2.0}, "1, 1/4, 1/4"),
        ("far", {"V": np.array([-1024.0, 4096.0])}, {"threshold": 1.0, "slope": 64.0}, "hardly anything, but not 0")],
    "surrogate_primitive": [
        ("first", {"V": np.array([1.0, 1.5, 0.5])}, {"threshold": 1.0, "slope": 2.0}, "0, 1/4, -1/4"),
        ("far", {"V": np.array([-1024.0, 4096.0])}, {"threshold": 1.0, "slope": 2.0}, "towards -1/2 and 1/2")],
    "lif_step": [
        ("first", {"I": row(0.5), "V": row(0.5), "S": row(0), "drive": row(0.25)}, STEP, "I = 1/2, V = 3/4, no spike"),
        ("tie", {"I": row(0, 0, 0), "V": row(0, 0, 0), "S": row(0, 0, 0), "drive": row(1 - NEAR, 1, 1 + NEAR)}, STEP, "only V > theta spikes"),
        ("reset", {"I": row(0, 0), "V": row(1.5, 3), "S": row(1, 1), "drive": row(0, 0)}, STEP, "theta is subtracted after the decay: -1/4, 1/2")],
    "li_step": [
        ("first", {"I": row(0.5), "V": row(0.5), "drive": row(0.25)}, {"tau_mem": HALF, "tau_syn": HALF, **DT}, "I = 1/2, V = 3/4"),
        ("large", {"I": row(0, 0), "V": row(8, -8), "drive": row(0, 0)}, {"tau_mem": HALF, "tau_syn": HALF, **DT}, "a readout does not spike")],
    "forward": [
        ("first", SILENT, layers(), "V0 = w (0, 1, 1, 3/4); no spike"),
        ("tie", TIE, layers(), "V0[1] = theta: no spike, so the readout stays at 0"),
        ("recurrent", RECURRENT, layers(), "unit 0 spikes at 1 and drives unit 1, which spikes at 2"),
        ("two-steps", {**SILENT, "x": course(1, 1)}, layers(), "the shortest run: T = 2")],
    "analog_step": [
        ("first", {"U": row(1, 0), "I_exc": row(1, 0), "I_inh": row(0, -1), **ANALOG}, {"h": 1.0}, "equal time constants: h exp(-h/tau)")],
    "chip_run": [
        ("first", SILENT, CHIP, "while nothing spikes, the ideal chip is the model"),
        ("spike", RECURRENT, CHIP, "hard reset, then held for two steps")],
    "exact_spikes": [
        ("first", {**EXACT, "weights": np.array([[1.0]])}, {"duration": 2.0}, "V = t exp(-t) stays below 1"),
        ("spike", {**EXACT, "weights": np.array([[4.0]])}, {"duration": 4.0}, "4 t exp(-t) = 1 at t = 0.3574; held for 1, then again")],
    "adjoint_step": [
        ("first", {"V": row(1.5), "S": row(0), "gV": row(1), "lam_S": row(4), "lam_V_next": row(2), "lam_I_next": row(8)}, {**STEP, **PEAK},
         "lamV = 1 + 4/4 + 2/2 = 3, lamI = 3 + 8/2 = 7"),
        ("threshold", {"V": row(1, 1), "S": row(0, 1), "gV": row(0, 0), "lam_S": row(1, 1), "lam_V_next": row(0, 1), "lam_I_next": row(0, 0)},
         {**STEP, **PEAK}, "height 1 at the threshold; a spike does not cut the membrane's adjoint")],
    "backward": [
        ("first", {**CHIP_TRACE, "gV0": course(0, 0, 0, 0), "gS0": course(0, 0, 0, 0), "gV1": np.array([0, 0, 1, 0, 0, 0, 0, 0.0]).reshape(4, 1, 2)},
         {**layers(), **PEAK}, "dL/dV1[1] = 1: the spike of bin 0 counts, dW1 = (1, 0)"),
        ("bin-0", {**CHIP_TRACE, "gV0": course(8, 0, 0, 0), "gS0": course(8, 0, 0, 0), "gV1": np.ones((4, 1, 2))}, {**layers(), **PEAK},
         "what depends on the states at t = 0 depends on no weight")],
    "scores": [
        ("first", {"V": np.array([[[0.0, 0.0]], [[0.5, -1.0]]])}, SCORE, "5, 0; the maximum includes t = 0"),
        ("tie", {"V": np.array([[[0.0, 0.5, 0.5]]])}, SCORE, "the first of the largest: class 1")],
    "scores_adjoint": [
        ("first", {"V": course(0, 1, 0), "dm": row(0.5)}, SCORE, "5 at t = 1"),
        ("tie", {"V": course(0, 1, 1, 1, 0), "dm": row(0.5)}, SCORE, "5 at t = 1, the first"),
        ("silent", {"V": course(0, 0, 0), "dm": row(0.5)}, SCORE, "5 at t = 0, where no weight has influence")],
    "cross_entropy": [
        ("first", {"m": row(0, 0), **LABEL}, {}, "ln 2; -1/2, 1/2"),
        ("large", {"m": np.array([[1000.0, 0, -1000], [2048, 2048, 0]]), "labels": np.array([1, 0])}, {}, "exp(1000) overflows")],
    "burst": [
        ("first", {"S": course(1, 0, 1)}, {"rho": 0.5}, "n = 2: 2; 2 at every t"),
        ("silent", {"S": np.zeros((3, 2, 2))}, {"rho": 0.5}, "0")],
    "readout_amplitude": [("first", {"m": row(1, 3)}, {"rho": 0.5}, "mean 5: 2.5; 0.5, 1.5")],
    "weight_decay": [("first", {"W": row(1, 3)}, {"rho": 0.5}, "mean 5: 2.5; 0.5, 1.5")],
    "rate_bound": [
        ("first", {"S": course(1, 0, 1)}, {"rho": 0.5, "limit": 1.0}, "n - limit = 1: 0.5; 1"),
        ("below", {"S": course(1, 0, 1)}, {"rho": 0.5, "limit": 3.0}, "below the limit: 0"),
        ("at", {"S": course(1, 0, 1)}, {"rho": 0.5, "limit": 2.0}, "at the limit: 0")],
    "loss_and_gradient_of_trace": [("first", {**CHIP_TRACE, **LABEL}, LEARN, "one hidden unit, with every regulariser")],
    "loss_and_gradient": [
        ("first", {**SILENT, **LABEL}, {**LEARN, "weight": 0.0}, "dead start: ln 2, and every gradient is 0"),
        ("tie", {**TIE, **LABEL}, LEARN, "no spike at V = theta")],
    "adam_step": [
        ("first", {"W": row(1, 1), "dW": row(7, -0.25), "mu": row(0, 0), "nu": row(0, 0)}, ADAM, "the first step is the rate, whatever the gradient"),
        ("still", {"W": row(1), "dW": row(0), "mu": row(0), "nu": row(0)}, ADAM, "no gradient, no step: 0/epsilon"),
        ("small", {"W": row(1), "dW": row(2.0 ** -26), "mu": row(0), "nu": row(0)}, ADAM, "a gradient like epsilon: epsilon is outside the root")],
    "clip_weights": [("first", {"W": row(-2, -0.25, 0, 0.25, 2)}, {"limit": 0.25}, "both sides, and the limits themselves")],
    "load_weights": [
        ("first", {"W": row(0.25, -0.5, 0)}, {"layer": "spiking", "levels": 63}, "60, -63 (clipped), 0"),
        ("ties", {"W": row(1, 3, 5, -1, -3, 126) / 128}, {"layer": "readout", "levels": 63}, "scale 64: 0.5, 1.5, 2.5, .. go to the even ones")],
    "learning_rate": [
        ("first", {"epoch": np.array([0, 1])}, {"schedule": "exponential", "rate": 0.5, "factor": 0.5, "epochs": 10}, "1/2, 1/4"),
        ("cosine", {"epoch": np.array([0, 5, 9])}, {"schedule": "cosine", "rate": 1.0, "factor": 0.5, "epochs": 10}, "1, 1/2, 0.0245")],
    "train": [
        ("first", {"W0": SILENT["W0"], "W1": SILENT["W1"], "x": np.repeat(SILENT["x"][None], 2, 0), "labels": np.zeros((2, 1), int),
                  "noise": np.zeros((2, 4, 1, 2))}, {**LEARN, "weight": 0.0, "learning_rate": 0.5}, "nothing moves")],
}
