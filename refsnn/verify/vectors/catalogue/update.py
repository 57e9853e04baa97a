"""Levels 4 and 5: the update, and ten steps of training."""

import math

import numpy as np

from refsnn.verify.vectors.catalogue.functions import around
from refsnn.verify.vectors.catalogue.objective import ALL
from refsnn.verify.vectors.draft import PLAIN, SUPERSPIKE, Draft, Numbers, layers, network

# drawn again, so many times, until no membrane of any step came too near to a threshold (margins.py)
SEEDS = {"train-002": 2, "train-004": 12, "train-005": 1, "train-006": 9}
ADAM = {"step": 0, "rate": 1.5e-3, "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8}


def drafts():
    """All of them."""
    return (*adam(), *clips(), *codes(), *rates(), *training())


def adam():
    """adam_step."""
    numbers = Numbers("adam_step")
    W, dW, mu = (numbers.normal(0, 1, 3, 4) for _ in range(3))
    nu, zeros = numbers.uniform(0, 1, 3, 4), np.zeros((1, 2))
    return (
        Draft("adam_step-001", "The first step: mu = 0.1 g, nu = 0.001 g^2, unbiased g and g^2: W = 1 - 0.1 g / (|g| + 1e-8) = 1 -+ 0.1, whatever "
                               "|g| is.",
              {"W": np.ones((1, 2)), "dW": np.array([[7.0, -0.5]]), "mu": zeros, "nu": zeros}, {**ADAM, "rate": 0.1}, ("Basic",)),
        Draft("adam_step-002", "The fifth step.", {"W": W, "dW": dW, "mu": mu, "nu": nu}, {**ADAM, "step": 4}),
        Draft("adam_step-003", "No gradient and no past: nothing moves, and 0/0 is not met.",
              {"W": np.ones((1, 2)), "dW": zeros, "mu": zeros, "nu": zeros}, ADAM, ("Silent",)),
        Draft("adam_step-004", "Gradients of the size of epsilon: it is added outside the root.",
              {"W": np.ones((1, 3)), "dW": np.array([[2.0**-27, 2.0**-24, -(2.0**-20)]]), "mu": np.zeros((1, 3)), "nu": np.zeros((1, 3))}, ADAM),
        Draft("adam_step-005", "The thousandth step, other decays.", {"W": W, "dW": dW, "mu": mu, "nu": nu},
              {**ADAM, "step": 999, "decay_first": 0.5, "decay_second": 0.75}),
    )


def clips():
    """clip_weights."""
    return (
        Draft("clip_weights-001", "Within +-1/4: 0.5 becomes 0.25, -1 becomes -0.25, 0.125 stays.", {"W": np.array([[0.5, -1.0, 0.125]])},
              {"limit": 0.25}, ("Basic",)),
        Draft("clip_weights-002", "The published limit, 63/240, and its neighbours.", {"W": np.stack([around(63 / 240, 2), -around(63 / 240, 2)])},
              {"limit": 63 / 240}, ("Boundary", "Float64Only")),
    )


def codes():
    """load_weights."""
    spiking, readout = {"layer": "spiking", "levels": 63}, {"layer": "readout", "levels": 63}
    drawn = Numbers("load_weights").normal(0, 0.1, 4, 5)
    return (
        Draft("load_weights-001", "240 0.125 = 30; 240 0.25 = 60; 240 0.5 = 120, clipped to 63; 240 -0.0625 = -15.",
              {"W": np.array([[0.125, 0.25, 0.5, -0.0625]])}, spiking, ("Basic", "Digitised", "Saturation")),
        Draft("load_weights-002", "max|W| = 63/64, so the scale is 64; 64 times 1.5/64, 2.5/64, 3.5/64 are ties: 2, 2, 4; the negative likewise.",
              {"W": np.array([[63, 1.5, 2.5, 3.5], [-63, -1.5, -2.5, -0.5]]) / 64}, readout, ("Basic", "Digitised", "TieInRounding")),
        Draft("load_weights-003", "A readout with small weights: its scale is capped at 250. 31.25 and -46.875 become 31 and -47.",
              {"W": np.array([[0.125, -0.1875]])}, readout, ("Basic", "Digitised")),
        Draft("load_weights-004", "Drawn weights of a spiking layer.", {"W": drawn}, spiking, ("Digitised",)),
        Draft("load_weights-005", "The same in the readout.", {"W": 4 * drawn}, readout, ("Digitised",)),
        Draft("load_weights-006", "Four bits instead of six.", {"W": drawn}, {**spiking, "levels": 15}, ("Digitised", "Saturation")),
    )


def rates():
    """learning_rate."""
    epochs = np.arange(0, 20, 3)
    return (
        Draft("learning_rate-001", "1.5e-3, 1.455e-3, 1.41135e-3.", {"epoch": np.arange(3)},
              {"schedule": "exponential", "rate": 1.5e-3, "factor": 0.97, "epochs": 100}, ("Basic",)),
        Draft("learning_rate-002", "Half a cosine: 1 at the start, (1 + cos(pi/2)) / 2 = 1/2 in the middle, 3/4 after a third.",
              {"epoch": np.array([0, 2, 3])}, {"schedule": "cosine", "rate": 1.0, "factor": 0.97, "epochs": 6}, ("Basic",)),
        Draft("learning_rate-003", "Every third of twenty epochs.", {"epoch": epochs},
              {"schedule": "cosine", "rate": 2e-3, "factor": 0.97, "epochs": 20}),
    )


def training():
    """train: ten steps."""
    silent = {"x": np.ones((1, 3, 1, 1)), "labels": np.zeros((1, 1), int), "noise": np.zeros((1, 3, 1, 2)), "W0": np.array([[0.25]]),
              "W1": np.array([[1.0, 1.0]])}
    found = [Draft("train-001", "One step in which nothing spikes: the loss is ln 2 + 0.5 0.25^2 = 0.724397, and the gradient is that of the "
                                "decay, 0.25. Adam's first step takes the rate off, whatever the gradient is: W0 = 0.25 - 0.125 = 0.125, but for "
                                "epsilon, 5e-9. W1 does not move.",
                   silent, {**layers(2), **PLAIN, "weight": 0.5, **SUPERSPIKE, "learning_rate": 0.125}, ("Basic", "DeadStart", "Regulariser"))]
    for id, comment, sizes, recurrent, objective, rate, flags in (
            ("train-002", "Scores are maxima over time; the published regularisers.", (5, 6, 3), (),
             {**PLAIN, "readout_scale": 10.0, "burst": 5e-4, "weight": 0.1}, 1.5e-3, ("Regulariser",)),
            ("train-003", "A recurrent layer, and every regulariser.", (4, 5, 3), (0,), ALL, 1.5e-3, ("Recurrent", "Regulariser")),
            ("train-004", "Two spiking layers, and every regulariser.", (4, 5, 4, 2), (), ALL, 1.5e-3, ("MultiLayer", "Regulariser")),
            ("train-005", "Steps so large that hidden weights reach the clip, 63/240.", (4, 5, 3), (),
             {**PLAIN, "readout_scale": 0.25, "reduce": "sum"}, 0.004, ("SumOverTime", "Saturation")),
            ("train-006", "Scores are sums over time; cross-entropy alone.", (4, 5, 3), (), {**PLAIN, "readout_scale": 0.25, "reduce": "sum"}, 1.5e-3,
             ("SumOverTime",))):
        numbers = Numbers(f"{id} {SEEDS.get(id, 0)}")
        weights = {name: array.clip(-0.25, 0.25) if name != f"W{len(sizes) - 2}" else array
                   for name, array in network(numbers, sizes, mean=0.25, recurrent=recurrent).items()}
        inputs = {"x": numbers.spikes(0.6, 10, 12, 3, sizes[0]), "labels": numbers.integers(0, sizes[-1], 10, 3),
                  "noise": numbers.normal(0, math.ldexp(1, -5), 10, 12, 3, sizes[-1]), **weights}
        params = {**layers(len(sizes) - 1, threshold=[0.5] * (len(sizes) - 1)), **objective, **SUPERSPIKE, "learning_rate": rate}
        found.append(Draft(id, comment + " Ten steps.", inputs, params, ("Training", "Noise", *flags)))
    return found
