"""Level 3: scores, loss, regularisers, and the whole objective on a given trace and on a free run."""

import numpy as np

from refsnn.verify.vectors.catalogue.gradient import AWARE
from refsnn.verify.vectors.draft import DT, HALVING, PLAIN, SUPERSPIKE, Draft, Numbers, column, layers, network, row, trace

MAX, SUM = {"readout_scale": 10.0, "reduce": "max"}, {"readout_scale": 10.0, "reduce": "sum"}
ALL = {**PLAIN, "burst": 0.02, "weight": 0.1, "readout": 0.01, "rate": 1e-3, "rate_limit": 3.0}


def drafts():
    """All of them."""
    return (*scores(), *adjoints(), *entropies(), *regularisers(), *on_traces(), *on_runs())


def scores():
    """scores."""
    V = Numbers("scores").normal(0, 1, 7, 3, 4)
    pair = np.array([[[0.0, 0.25]], [[1.0, -1.0]], [[0.5, 1.5]]])                            # (3, 1, 2)
    return (
        Draft("scores-001", "Class 0: 0, 1, 0.5; class 1: 0.25, -1, 1.5. Maxima 1 and 1.5, times 10: 10 and 15; decision 1.", {"V": pair}, MAX,
              ("Basic",)),
        Draft("scores-002", "The same as sums: 10 1.5 = 15 and 10 0.75 = 7.5; decision 0.", {"V": pair}, SUM, ("Basic", "SumOverTime")),
        Draft("scores-003", "Classes 1 and 2 tie at 1: the decision is 1.", {"V": np.array([[[0.0, 0.0, 0.0]], [[0.5, 1.0, 1.0]]])}, MAX,
              ("Basic", "TieInScores")),
        Draft("scores-004", "Below zero everywhere: the maximum is what it is, not 0.", {"V": -np.abs(V) - 0.25}, MAX),
        Draft("scores-005", "Random membranes.", {"V": V}, MAX),
    )


def adjoints():
    """scores_adjoint."""
    numbers = Numbers("scores_adjoint")
    V, dm = numbers.normal(0, 1, 7, 3, 4), numbers.normal(0, 1, 3, 4)
    return (
        Draft("scores_adjoint-001", "V = 0, 1, 1: the maximum is reached at t = 1 first, which takes 10 dm = 5; t = 2 gets nothing.",
              {"V": column(0, 1, 1), "dm": row(0.5)}, MAX, ("Basic", "TieInTime")),
        Draft("scores_adjoint-002", "A sum: every t takes 10 dm = 5.", {"V": column(0, 1, 1), "dm": row(0.5)}, SUM, ("Basic", "SumOverTime")),
        Draft("scores_adjoint-003", "All zero: t = 0 takes everything.", {"V": np.zeros((4, 2, 3)), "dm": dm[:2, :3].copy()}, MAX,
              ("TieInTime", "DeadStart")),
        Draft("scores_adjoint-004", "Random membranes.", {"V": V, "dm": dm}, MAX),
        Draft("scores_adjoint-005", "Membranes in halves: ties everywhere.", {"V": np.rint(2 * V) / 2, "dm": dm}, MAX, ("TieInTime",)),
    )


def entropies():
    """cross_entropy."""
    numbers = Numbers("cross_entropy")
    return (
        Draft("cross_entropy-001", "Two equal scores: ln 2 = 0.693147, and softmax less one-hot: (1/2 - 1, 1/2).",
              {"m": row(3, 3), "labels": np.array([0])}, {}, ("Basic",)),
        Draft("cross_entropy-002", "Two samples, both of two equal scores: the mean is ln 2 again, the derivatives are halved.",
              {"m": np.array([[3.0, 3.0], [0.0, 0.0]]), "labels": np.array([0, 1])}, {}, ("Basic",)),
        Draft("cross_entropy-003", "Scores of +-1000, where exp overflows: the losses are 0, 2000 and 0.",
              {"m": np.array([[1000.0, -1000.0], [1000.0, -1000.0], [-1000.0, 1000.0]]),
              "labels": np.array([0, 1, 1])}, {}, ("LargeScores",)),
        Draft("cross_entropy-004", "Random scores.", {"m": numbers.normal(0, 3, 5, 4), "labels": numbers.integers(0, 4, 5)}),
    )


def regularisers():
    """burst, readout_amplitude, weight_decay, rate_bound."""
    numbers, none = Numbers("regularisers"), ("Regulariser",)
    S, m, W = numbers.spikes(0.4, 6, 3, 4), numbers.normal(0, 3, 3, 4), numbers.normal(0, 1, 3, 5)
    two = np.array([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])                               # (3, 1, 2): unit 0 spikes twice, unit 1 once
    return (
        Draft("burst-001", "n = 2 and 1: 0.5 (4 + 1) / 2 = 1.25; derivatives 0.5 2 n / 2 = 1 and 0.5, at every t.", {"S": two}, {"rho": 0.5},
              ("Basic", *none)),
        Draft("burst-002", "Random spikes: a mean over batch and neurons, squares of sums over time.", {"S": S}, {"rho": 0.3}, none),
        Draft("burst-003", "No spikes: 0, without a derivative.", {"S": 0 * S}, {"rho": 0.3}, ("Silent", *none)),
        Draft("readout_amplitude-001", "0.5 (9 + 1) / 2 = 2.5; derivatives 0.5 2 m / 2 = 1.5 and -0.5.", {"m": row(3, -1)}, {"rho": 0.5},
              ("Basic", *none)),
        Draft("readout_amplitude-002", "Random scores.", {"m": m}, {"rho": 4e-4}, none),
        Draft("weight_decay-001", "0.5 (4 + 1) / 2 = 1.25; derivatives 0.5 2 W / 2 = 1 and -0.5.", {"W": row(2, -1)}, {"rho": 0.5}, ("Basic", *none)),
        Draft("weight_decay-002", "Random weights.", {"W": W}, {"rho": 0.1}, none),
        Draft("rate_bound-001", "3 spikes, limit 1: 0.5 2^2 = 2; the derivative is 0.5 2 2 = 2, for every unit at every t.", {"S": two},
              {"rho": 0.5, "limit": 1.0}, ("Basic", *none)),
        Draft("rate_bound-002", "3 spikes, limit 3: exactly at the bound, 0 without a derivative.", {"S": two}, {"rho": 0.5, "limit": 3.0},
              ("Boundary", *none)),
        Draft("rate_bound-003", "Random spikes, some samples below the limit, some above.", {"S": S}, {"rho": 0.3, "limit": 9.5}, none),
    )


def given(id, comment, objective, flags, sizes=(4, 5, 3), peak=SUPERSPIKE, recurrent=(), quarters=False, **changes):
    """loss_and_gradient_of_trace, on a drawn trace."""
    numbers, T, B = Numbers(id), 8, 3
    inputs = {"x": numbers.spikes(0.3, T, B, sizes[0]), "labels": numbers.integers(0, sizes[-1], B), **network(numbers, sizes, recurrent=recurrent),
              **trace(numbers, T, B, sizes, quarters)}
    return Draft(id, comment, {**inputs, **changes}, {**layers(len(sizes) - 1), **objective, **peak}, ("InjectedTrace", *flags))


def on_traces():
    """loss_and_gradient_of_trace."""
    op, alone = "loss_and_gradient_of_trace", ("Regulariser",)
    tied = np.zeros((8, 3, 3))
    tied[2:5] = 0.5
    hand = {"x": column(1, 0, 0), "labels": np.array([0]), "W0": np.array([[1.0]]), "W1": np.array([[2.0, 0.0]]), "V0": column(0, 1, 0),
            "S0": column(0, 1, 0), "V1": np.array([[[0.0, 0.0]], [[0.0, 0.0]], [[1.0, 1.0]]])}
    by_hand = {**layers(2, HALVING), **PLAIN, **SUPERSPIKE}
    return (
        Draft(f"{op}-001", "Scores 1 and 1: loss ln 2, dm = (-1/2, 1/2), all of it at t = 2. dW1 = S0[1] lamI1[2] = (-1/2, 1/2). Below: lamS0[1] = "
                           "-1/2 2 + 1/2 0 = -1, sigma' = 1 at V0[1] = theta, dW0 = x[0] lamI0[1] = -1.", hand, by_hand, ("Basic", "InjectedTrace")),
        given(f"{op}-013", "Cross-entropy alone, of maxima.", PLAIN, ()),
        given(f"{op}-002", "Cross-entropy alone, of sums.", {**PLAIN, "reduce": "sum"}, ("SumOverTime",)),
        given(f"{op}-003", "With the burst regulariser.", {**PLAIN, "burst": 0.02}, alone),
        given(f"{op}-004", "With weight decay: of W of spiking layers, not of R, not of the readout's W.", {**PLAIN, "weight": 0.1},
              ("Recurrent", *alone), recurrent=(0,)),
        given(f"{op}-005", "With the readout's amplitude.", {**PLAIN, "readout": 0.01}, alone),
        given(f"{op}-006", "With the bound of the rate.", {**PLAIN, "rate": 1e-3, "rate_limit": 10.0}, alone),
        given(f"{op}-007", "Everything, two spiking layers, both recurrent.", ALL, ("MultiLayer", "Recurrent", *alone), (3, 4, 4, 3),
              recurrent=(0, 1)),
        given(f"{op}-008", "Everything, three spiking layers, sums.", {**ALL, "reduce": "sum"}, ("MultiLayer", "SumOverTime", *alone),
              (3, 4, 3, 4, 3)),
        given(f"{op}-009", "The readout is at its maximum, 1/2, from t = 2 to 4: the first takes the derivative.", PLAIN, ("TieInTime",), V1=tied),
        given(f"{op}-010", "Spike-aware, membranes in quarters of a threshold, as a coarse converter has them.", ALL,
              ("SpikeAware", "TieAtThreshold", "TieInTime", *alone), peak=AWARE, quarters=True),
        given(f"{op}-011", "A readout that never moved: all maxima at t = 0, the gradient is that of the regularisers.",
              {**PLAIN, "readout_scale": 10.0, "burst": 5e-4, "weight": 0.1}, ("DeadStart", *alone), V1=np.zeros((8, 3, 3))),
        given(f"{op}-012", "16-12-10, the published objective.", {**PLAIN, "readout_scale": 10.0, "burst": 5e-4, "weight": 0.1},
              ("Realistic", *alone), (16, 12, 10)),
    )


def free(id, comment, objective, flags, sizes=(4, 5, 3), T=12, recurrent=(), noise=0.0, own=None, **shape):
    """loss_and_gradient, drawn."""
    numbers, B = Numbers(f"{id} 0"), 3
    inputs = {"x": numbers.spikes(0.3, T, B, sizes[0]), "labels": numbers.integers(0, sizes[-1], B),
              **network(numbers, sizes, recurrent=recurrent, **shape)}
    if noise:
        inputs["noise"] = numbers.normal(0, noise, T, B, sizes[-1])
    return Draft(id, comment, inputs, {**(own or layers(len(sizes) - 1)), **objective, **SUPERSPIKE}, flags)


def on_runs():
    """loss_and_gradient."""
    op = "loss_and_gradient"
    mixed = {"tau_mem": [[4e-6, 9e-6, 30e-6], 10e-6], "tau_syn": [[6e-6, 2e-6, 9e-6], 3e-6], "threshold": [[0.75, 1.0, 1.5], 1.0], "dt": DT}
    tie = {"x": column(1, 0, 0, 0, 0, 0), "labels": np.array([1]), "W0": np.array([[1.0]]), "W1": np.array([[0.25, -0.5]])}
    return (
        free(f"{op}-001", "No hidden neuron reaches the threshold: all scores 0, the loss is ln 3 = 1.098612, the gradient exactly 0, for ever.",
             PLAIN, ("Basic", "DeadStart", "Silent"), mean=0.0, spread=0.0625),
        free(f"{op}-002", "The published objective.", {**PLAIN, "readout_scale": 10.0, "burst": 5e-4, "weight": 0.1}, ("Regulariser",)),
        free(f"{op}-003", "With noise on the readout.", PLAIN, ("Noise",), noise=0.03),
        free(f"{op}-004", "A recurrent layer.", PLAIN, ("Recurrent",), recurrent=(0,)),
        free(f"{op}-005", "Sums over time, every neuron with its own parameters.", {**ALL, "reduce": "sum"},
             ("SumOverTime", "PerNeuron", "Regulariser"), (4, 3, 2), own=mixed),
        free(f"{op}-006", "Everything, two spiking layers.", ALL, ("MultiLayer", "Regulariser"), (4, 5, 4, 2), mean=0.4),
        Draft(f"{op}-007", "A membrane exactly at the threshold at t = 1: no spike there, but the surrogate is 1; the spike comes at t = 2.", tie,
              {**layers(2), **PLAIN, **SUPERSPIKE}, ("TieAtThreshold",)),
        free(f"{op}-008", "20 steps of 20-16-10.", {**PLAIN, "burst": 5e-4, "weight": 0.1}, ("Realistic", "Regulariser"), (20, 16, 10), T=20,
             mean=0.1),
    )
