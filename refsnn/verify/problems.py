"""A random problem for every operation of the contract: problem(op, rng) -> (inputs, params), with numpy alone.

The values are chosen to reach what matters: neurons that spike often and ones that do not, layers with and without recurrence, equal and
unequal time constants, scalar and per-neuron ones, traces that no model would give, with ties everywhere. A
problem is small: the reference needs a millisecond, plain Python a few. refsnn.verify.strategies is the counterpart for Hypothesis.
"""

import numpy as np

from refsnn.errors import check_choice
from refsnn.verify.operations import OPERATIONS, cast
from refsnn.verify.reference import PATTERN

DT = 1.7e-6


def problem(op, rng, dtype="float64"):
    """(inputs, params) for an operation, drawn from a numpy Generator; its float arrays in `dtype`. Raises RangeError.

    >>> inputs, params = problem("weight_decay", np.random.default_rng(0))
    >>> sorted(inputs), sorted(params)
    (['W'], ['rho'])
    """
    check_choice("op", op, tuple(OPERATIONS))
    inputs, params = MAKERS.get(op, elementwise)(op, rng)
    return cast(inputs, dtype), params


def one_of(rng, *choices):
    """One of some values, as it is."""
    return choices[rng.integers(len(choices))]


def per_neuron(rng, low, high, N):
    """A number, or a list with one a neuron, log-uniform."""
    values = np.exp(rng.uniform(np.log(low), np.log(high), N)).tolist()
    return one_of(rng, values[0], values)


def neuron(rng, N):
    """Parameters of one layer: time constants from 1.2 to 35 steps, often equal ones."""
    tau_mem = per_neuron(rng, 2e-6, 60e-6, N)
    return {"tau_mem": tau_mem, "tau_syn": one_of(rng, tau_mem, per_neuron(rng, 2e-6, 60e-6, N)), "threshold": per_neuron(rng, 0.5, 2.0, N)}


def spikes(rng, *shape):
    """0.0 and 1.0, with a density that is drawn, too."""
    return (rng.random(shape) < one_of(rng, 0.05, 0.3, 0.6)).astype(float)


def sizes(rng):
    """T, B, and a list M, N0, .., K of two or three layers."""
    return int(rng.integers(2, 13)), int(rng.integers(1, 4)), rng.integers(1, 6, rng.integers(3, 5)).tolist()


def network(rng, layer_sizes):
    """Weights that make spikes, and the parameters of all layers: (inputs, params)."""
    inputs, layers = {}, [neuron(rng, N) for N in layer_sizes[1:]]
    for l, (M, N) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        inputs[f"W{l}"] = rng.normal(0.3, 1 / np.sqrt(M), (M, N))
        if l < len(layers) - 1 and rng.random() < 0.5:
            inputs[f"R{l}"] = rng.normal(0, 0.5 / np.sqrt(N), (N, N))
    return inputs, {**{name: [layer[name] for layer in layers] for name in layers[0]}, "dt": DT}


def trace(rng, T, B, layer_sizes):
    """V and S of every layer as no model would give them: a spike in bin 0, membranes far off, or in quarters of a threshold."""
    inputs, quarters = {}, rng.random() < 0.5
    for l, N in enumerate(layer_sizes[1:]):
        V = rng.normal(0.5, 1.0, (T, B, N))
        inputs[f"V{l}"] = np.rint(4 * V) / 4 if quarters else V
        if l < len(layer_sizes) - 2:
            inputs[f"S{l}"] = spikes(rng, T, B, N)
    return inputs


def surrogate(rng):
    """Parameters of a surrogate."""
    return {"slope": one_of(rng, 2.0, 10.0, 50.0), "spike_aware": one_of(rng, False, True)}


def score(rng):
    """Parameters of the scores."""
    return {"readout_scale": one_of(rng, 1.0, 10.0), "reduce": one_of(rng, "max", "sum")}


def objective(rng):
    """Parameters of an objective, with every regulariser."""
    return {**score(rng), "burst": 0.02, "weight": 0.1, "readout": 0.01, "rate": 1e-3, "rate_limit": one_of(rng, 0.0, 3.0)}


def step_problem(op, rng):
    """lif_step, li_step, adjoint_step: any values of the state."""
    B, N = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    params = {**neuron(rng, N), "dt": DT}
    inputs = {name: rng.normal(0.5, 1.0, (B, N)) for name in OPERATIONS[op].inputs if name != "R?"}
    if "S" in inputs:
        inputs["S"] = spikes(rng, B, N)
    if op == "li_step":
        del params["threshold"]
    if op == "adjoint_step":
        params |= surrogate(rng)
        if rng.random() < 0.5:
            inputs["R"] = rng.normal(0, 1, (N, N))
    return inputs, params


def network_problem(op, rng):
    """forward, backward, loss_and_gradient, with a trace or without."""
    T, B, layer_sizes = sizes(rng)
    inputs, params = network(rng, layer_sizes)
    inputs["x"] = spikes(rng, T, B, layer_sizes[0])
    if op in ("backward", "loss_and_gradient_of_trace"):
        inputs |= trace(rng, T, B, layer_sizes)
    elif rng.random() < 0.5:
        inputs["noise"] = rng.normal(0, 1e-3, (T, B, layer_sizes[-1]))
    if op == "backward":
        inputs |= {f"g{name}": rng.normal(0, 1, array.shape) for name, array in inputs.items() if name[0] in "VS"}
    if op.startswith("loss"):
        inputs["labels"] = rng.integers(0, layer_sizes[-1], B)
        params |= objective(rng)
    return inputs, params if op == "forward" else {**params, **surrogate(rng)}


def train_problem(op, rng):
    """Three steps with three batches."""
    T, B, layer_sizes = sizes(rng)
    inputs, params = network(rng, layer_sizes)
    inputs |= {"x": spikes(rng, 3, T, B, layer_sizes[0]), "labels": rng.integers(0, layer_sizes[-1], (3, B)),
               "noise": rng.normal(0, 1e-3, (3, T, B, layer_sizes[-1]))}
    return inputs, {**params, **objective(rng), **surrogate(rng), "learning_rate": 1.5e-3}


def chip_problem(op, rng):
    """A chip with a pattern and noise, digitised or not."""
    T, B, layer_sizes = sizes(rng)
    inputs, params = network(rng, layer_sizes)
    inputs["x"] = spikes(rng, T, B, layer_sizes[0])
    for name, array in [(name, array) for name, array in inputs.items() if name[0] in "WR"]:
        l, (M, N), kind = name[1:], array.shape, "synapse" if name[0] == "W" else "recurrent"
        inputs |= {f"{kind}_{sign}{l}": np.maximum(rng.normal(1, 0.1, (M, N)), 0.1) for sign in ("exc", "inh")}
        if kind == "synapse":
            drawn = {factor: rng.uniform(0.8, 1.25, N) for factor in PATTERN}
            drawn |= {"leak": rng.normal(0, 0.1, N), "reset": rng.normal(0, 0.1, N), "converter_offset": rng.normal(0, 3, N),
                      "sample_time": rng.uniform(0, 0.9, N)}
            inputs |= {f"{factor}{l}": values for factor, values in drawn.items() if rng.random() < 0.8}
            inputs |= {f"noise_{kind}{l}": rng.normal(size=(T, B, N)) for kind in ("read", "membrane")} | {f"noise_threshold{l}": rng.normal(size=N)}
    digital = one_of(rng, {"weight_levels": 63, "converter_lsb": 1 / 70}, {"weight_levels": 0, "converter_lsb": 0.0})
    return inputs, {**params, **digital, "substeps": one_of(rng, 1, 2, 5), "refractory": 2e-6, "read_noise": 1.2, "membrane_noise": 0.05,
                    "batch_threshold": 0.02}


def analog_problem(op, rng):
    """Currents of both signs; time constants equal in one neuron, nearly so in another."""
    B, N = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    tau = np.exp(rng.uniform(np.log(2e-6), np.log(60e-6), (3, N)))
    tau[1, 0], tau[2, 1] = tau[0, 0], tau[0, 1] * (1 + 1e-9)
    inputs = {"U": rng.normal(0, 1, (B, N)), "I_exc": rng.exponential(1e6, (B, N)), "I_inh": -rng.exponential(1e6, (B, N))}
    return {**inputs, "tau_mem": tau[0], "tau_exc": tau[1], "tau_inh": tau[2]}, {"h": rng.uniform(1e-7, 5e-6)}


def exact_problem(op, rng):
    """A small layer that spikes, times in units of the time constants."""
    M, N, E = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 7))
    tau = np.exp(rng.uniform(-1, 1, (3, N)))
    inputs = {"tau_mem": tau[0], "tau_exc": tau[1], "tau_inh": tau[2], "threshold": rng.uniform(0.5, 1.5, N), "leak": rng.uniform(-0.5, 0.4, N),
              "reset": rng.uniform(-0.5, 0.4, N), "refractory": rng.uniform(0.1, 0.5, N), "weights": rng.normal(1.0, 1.0, (M, N)),
              "times": rng.uniform(0, 5, E), "units": rng.integers(0, M, E), "sample_times": rng.uniform(0, 8, 3)}
    if rng.random() < 0.5:
        inputs["recurrent"] = rng.normal(0, 0.7, (N, N))
    return inputs, {"duration": 8.0}


def image_problem(op, rng):
    """encode, downscale."""
    H = int(rng.integers(8, 29))
    images = rng.integers(0, 256, (2, H, H if op == "downscale" else H + 1), np.uint8)
    return {"images": images}, {"crop": int(rng.integers(0, 3)), "size": 16} if op == "downscale" else {"steps": 20, "dt": DT, "tau_in": 8e-6}


SHAPES = {"T": 7, "B": 3, "M": 4, "N": 5, "K": 3, "P": 40, "E": 6}
LARGE = {"T": 70, "B": 9, "M": 20, "N": 65, "K": 11}         # beyond 64, 8, 16, 64 and 10: sizes at which programs have been found to change
LONG = {"tau_mem": 30e-6, "tau_syn": 15e-6, "threshold": 1.0}            # what happens in one step is seen 20 steps later, in float32 too
VALUES = {"threshold": 1.0, "slope": 50.0, "dt": DT, "tau_in": 8e-6, "rho": 0.3, "limit": 0.8, "step": 4, "rate": 1.5e-3, "decay_first": 0.9,
          "decay_second": 0.999, "epsilon": 1e-8, "factor": 0.97, "epochs": 20, "levels": 63}


def elementwise(op, rng, sizes=SHAPES):
    """All the others: arrays of fixed shapes, filled by what their names mean."""
    contract, inputs = OPERATIONS[op], {}
    for name, text in contract.inputs.items():
        shape = [sizes[letter] for letter in text.split()[1:]]
        inputs[name] = {"tau": lambda: rng.uniform(2e-6, 60e-6, shape), "intensity": lambda: rng.uniform(0, 1, shape), "S": lambda: spikes(rng, *shape),
                        "labels": lambda: rng.integers(0, sizes["K"], shape), "epoch": lambda: rng.integers(0, 20, shape),
                        "nu": lambda: rng.exponential(1.0, shape)}.get(name, lambda: rng.normal(0.5, 1.0, shape))()
    if op == "scores_adjoint":
        inputs["V"] = np.rint(2 * inputs["V"]) / 2                              # ties in time
    if op == "load_weights":
        inputs["W"] *= 0.15                                                     # most of them within 63/240
    chosen = {"layer": one_of(rng, "spiking", "readout"), "schedule": one_of(rng, "exponential", "cosine"), **score(rng)}
    return inputs, {name: chosen[name] if name in chosen else VALUES[name] for name in contract.params}


def large_problem(op, rng, dtype="float64"):
    """As problem, for LARGE_OPS: one whose sizes are LARGE. Its input is sparse, and all neurons of a layer have the same parameters."""
    check_choice("op", op, LARGE_OPS)
    inputs, params = large_network(op, rng) if op in MAKERS else elementwise(op, rng, LARGE)
    return cast(inputs, dtype), params


def large_network(op, rng):
    """forward, backward, loss_and_gradient, with a trace or without: a recurrent layer and a readout."""
    T, B, M, N, K = LARGE.values()
    inputs = {"W0": rng.normal(0.02, 0.05, (M, N)), "R0": rng.normal(0, 0.01, (N, N)), "W1": rng.normal(0, 0.005, (N, K)),
              "x": (rng.random((T, B, M)) < 0.03).astype(float)}
    params = {**{name: [value] * 2 for name, value in LONG.items()}, "dt": DT}
    if op in ("backward", "loss_and_gradient_of_trace"):
        inputs |= {**trace(rng, T, B, [M, N, K]), "S0": (rng.random((T, B, N)) < 0.05).astype(float)}
    if op == "backward":
        inputs |= {f"g{name}": rng.normal(0, 1, array.shape) for name, array in inputs.items() if name[0] in "VS"}
    if op.startswith("loss"):
        inputs["labels"] = rng.integers(0, K, B)
        params |= {**objective(rng), "rate": 1e-7}                              # of hundreds of spikes, which are squared
    return inputs, params if op == "forward" else {**params, **surrogate(rng)}


MAKERS = {**dict.fromkeys(("lif_step", "li_step", "adjoint_step"), step_problem), "train": train_problem, "chip_run": chip_problem,
          **dict.fromkeys(("forward", "backward", "loss_and_gradient", "loss_and_gradient_of_trace"), network_problem), "analog_step": analog_problem,
          "exact_spikes": exact_problem, **dict.fromkeys(("encode", "downscale"), image_problem)}
LARGE_OPS = ("forward", "backward", "scores", "scores_adjoint", "cross_entropy", "burst", "readout_amplitude", "weight_decay", "rate_bound",
             "loss_and_gradient_of_trace", "loss_and_gradient")
