"""The operations of operations.py, done by this library: by refsnn.spec and refsnn.chip at the paper's conventions, by general.py at others.

Each function takes inputs (a dict of arrays), params (a dict of plain values) and Conventions, as the contract of its name in operations.py
says, and returns a dict of arrays. Nothing is computed here that has a place in the rooms below; these functions give names to arguments.
"""

from dataclasses import replace

import numpy as np

from refsnn.chip import Chip, Variation
from refsnn.chip.dynamics import transfer
from refsnn.chip.noise import Noise
from refsnn.chip.settings import Settings
from refsnn.chip.synapses import load_weights as spec_load_weights
from refsnn.chip.synapses import weight_scale
from refsnn.chip.variation import FixedPattern
from refsnn.spec import (Layer, Network, NeuronParameters, Objective, Surrogate, Trace, adam_start, bptt, encoding, loss, network, neuron, optim,
                         parameters)
from refsnn.spec.surrogate import superspike, superspike_primitive
from refsnn.verify import general
from refsnn.verify.conventions import Conventions
from refsnn.verify.exact import Neurons, simulate

PAPER = Conventions()
PATTERN = ("tau_mem", "tau_exc", "tau_inh", "threshold", "leak", "reset", "gain_exc", "gain_inh", "refractory", "converter_gain",
           "converter_offset", "sample_time")


def value(given):
    """A number as it is, a list of numbers as a float64 array (N,): one value a neuron."""
    return np.array(given, float) if isinstance(given, list) else given


def neuron_of(params, N):
    """The NeuronParameters of an operation on one layer of N neurons."""
    own = NeuronParameters(*(value(params[name]) for name in ("tau_mem", "tau_syn", "threshold")), params["dt"])
    own.check_neurons(N)
    return own


def network_of(inputs, params):
    """The Network of an operation on several layers: the last is the readout."""
    layers, count = [], len(params["tau_mem"])
    for l in range(count):
        W, own = inputs[f"W{l}"], {**{name: params[name][l] for name in ("tau_mem", "tau_syn", "threshold")}, "dt": params["dt"]}
        layers.append(Layer(W, inputs.get(f"R{l}"), neuron_of(own, W.shape[1]), spiking=l < count - 1))
    return Network(tuple(layers))


def trace_of(inputs, count):
    """The trace of `count` layers among the inputs."""
    return tuple(Trace(inputs[f"V{l}"], inputs.get(f"S{l}")) for l in range(count))


def objective_of(params):
    """The Objective of an operation."""
    return Objective(*(params[name] for name in ("readout_scale", "reduce", "burst", "weight", "readout", "rate", "rate_limit")))


def surrogate_of(params):
    """The Surrogate of an operation."""
    return Surrogate(params["slope"], params["spike_aware"])


def named(arrays):
    """A dict without what is None."""
    return {name: array for name, array in arrays.items() if array is not None}


def named_trace(trace):
    """A trace as outputs V0, S0, V1, .."""
    return named({f"{letter}{l}": array for l, recorded in enumerate(trace) for letter, array in (("V", recorded.membrane), ("S", recorded.spikes))})


def named_gradient(gradient):
    """A gradient as outputs dW0, dR0, dW1, .."""
    return named({f"d{letter}{l}": array for l, own in enumerate(gradient) for letter, array in (("W", own.W), ("R", own.R))})


# L0: functions of a number

def decay(inputs, params, conventions):
    """exp(-dt/tau). SPEC E1, E2."""
    own = NeuronParameters(tau_syn=inputs["tau"].astype(float), dt=params["dt"])
    return {"alpha": general.decays(own, conventions, inputs["tau"].dtype)[0]}


def latency(inputs, params, conventions):
    """When a pixel spikes. SPEC E18."""
    return {"time": encoding.latency(inputs["intensity"], params["tau_in"])}


def encode(inputs, params, conventions):
    """Images to spikes. SPEC E18."""
    return {"x": encoding.encode(inputs["images"], params["steps"], params["dt"], params["tau_in"])}


def downscale(inputs, params, conventions):
    """Images to small ones. SPEC E17."""
    return {"small": encoding.downscale(inputs["images"], params["crop"], params["size"])}


def surrogate(inputs, params, conventions):
    """sigma'. SPEC E5."""
    V, theta, slope = inputs["V"], params["threshold"], params["slope"]
    if conventions == PAPER:
        return {"sigma": superspike(V, theta, slope)}
    return {"sigma": general.surrogate_derivative(V, None, theta, Surrogate(slope), conventions)}


def surrogate_primitive(inputs, params, conventions):
    """What sigma' is the derivative of. SPEC E5."""
    return {"phi": superspike_primitive(inputs["V"], params["threshold"], params["slope"])}


# L1: forward

def lif_step(inputs, params, conventions):
    """One step of a spiking layer. SPEC E1-E3."""
    I, V, S, drive = (inputs[name] for name in ("I", "V", "S", "drive"))
    own = neuron_of(params, V.shape[1])
    if conventions == PAPER:
        after = neuron.lif_step(I, V, S, drive, *own.constants(V.dtype))
    else:
        after = general.step(I, V, S, drive, own, conventions)
    return dict(zip(("I_next", "V_next", "S_next"), after))


def li_step(inputs, params, conventions):
    """One step of a readout. SPEC E4."""
    I, V, drive = (inputs[name] for name in ("I", "V", "drive"))
    own = neuron_of({**params, "threshold": 1.0}, V.shape[1])
    if conventions == PAPER:
        after = neuron.li_step(I, V, drive, *own.constants(V.dtype)[:2])
    else:
        after = general.step(I, V, np.zeros_like(V), drive, own, conventions, spiking=False)[:2]
    return dict(zip(("I_next", "V_next"), after))


def forward(inputs, params, conventions):
    """A free run. SPEC E1-E4."""
    net, x, noise = network_of(inputs, params), inputs["x"], inputs.get("noise")
    network.check_input(net, x, noise)
    return named_trace(network.forward(net, x, noise) if conventions == PAPER else general.forward(net.layers, x, conventions, noise))


def analog_step(inputs, params, conventions):
    """The exact step of the analog membrane between events. SPEC C3."""
    h, dtype = params["h"], inputs["U"].dtype
    tau_mem, tau_exc, tau_inh = (inputs[name].astype(float) for name in ("tau_mem", "tau_exc", "tau_inh"))
    b, a_exc, a_inh = (np.exp(-h / tau).astype(dtype) for tau in (tau_mem, tau_exc, tau_inh))
    c_exc, c_inh = (transfer(h, tau_mem, tau).astype(dtype) for tau in (tau_exc, tau_inh))
    U, I_exc, I_inh = (inputs[name] for name in ("U", "I_exc", "I_inh"))
    return {"U_next": b * U + c_exc * I_exc + c_inh * I_inh, "I_exc_next": a_exc * I_exc, "I_inh_next": a_inh * I_inh}


def chip_run(inputs, params, conventions):
    """A chip whose every draw is given. SPEC C1-C8."""
    net = network_of(inputs, params)
    patterns, noises = [], []
    for l, layer in enumerate(net.layers):
        (M, N), R = layer.W.shape, layer.R
        nominal = {name: np.full(N, float(name not in ("leak", "reset", "converter_offset", "sample_time"))) for name in PATTERN}
        drawn = {name: inputs.get(f"{name}{l}", nominal[name]).astype(float) for name in PATTERN}
        strength = [inputs.get(f"synapse_{sign}{l}", np.ones((M, N))).astype(float) for sign in ("exc", "inh")]
        recurrent = [None if R is None else inputs.get(f"recurrent_{sign}{l}", np.ones(R.shape)).astype(float) for sign in ("exc", "inh")]
        patterns.append(FixedPattern(*drawn.values(), np.ones(N, bool), *strength, *recurrent))
        noises.append(Noise(*(inputs.get(f"{name}{l}") for name in ("noise_read", "noise_membrane", "noise_threshold"))))
    variation = Variation(weight_levels=params["weight_levels"], converter_lsb=params["converter_lsb"], read_noise=params["read_noise"],
                          membrane_noise=params["membrane_noise"], batch_threshold=params["batch_threshold"])
    settings = tuple(Settings.nominal(layer.W.shape[1]) for layer in net.layers)
    trace = Chip(tuple(patterns), variation, settings, params["substeps"], params["refractory"]).forward(net, inputs["x"], noises)
    return {name: array.copy() for name, array in named_trace(trace).items()}


def exact_spikes(inputs, params, conventions):
    """Spike times in continuous time. SPEC C3, C4."""
    names = ("tau_mem", "tau_exc", "tau_inh", "threshold", "leak", "reset", "refractory")
    result = simulate(Neurons(*(inputs[name].astype(float) for name in names)), inputs["weights"], (inputs["times"], inputs["units"]),
                      params["duration"], inputs.get("recurrent"), inputs["sample_times"])
    return {"spike_times": result.times, "spike_units": result.units, "samples": result.samples}


# L2: backward, on a given trace

def adjoint_step(inputs, params, conventions):
    """One step of the recursion. SPEC E7-E9."""
    V, S, R = inputs["V"], inputs["S"], inputs.get("R")
    layer = Layer(np.zeros((1, V.shape[1]), V.dtype), R, neuron_of(params, V.shape[1]))
    end = inputs["lam_V_next"], inputs["lam_I_next"]
    # a trace of one step, in which the input of a step arrives at once: then that step is not the fixed first state
    alone = replace(conventions, input_delay="none")
    lam_I, lam_V = general.layer_adjoint(layer, Trace(V[None], S[None]), inputs["gV"][None], inputs["lam_S"][None], surrogate_of(params), alone, end)
    return {"lam_V": lam_V, "lam_I": lam_I[0]}


def backward(inputs, params, conventions):
    """The in-the-loop core: trace and direct derivatives in, gradient out. SPEC E5-E10."""
    net, x = network_of(inputs, params), inputs["x"]
    count = len(net.layers)
    trace, gV, gS = trace_of(inputs, count), [inputs[f"gV{l}"] for l in range(count)], [inputs.get(f"gS{l}") for l in range(count)]
    network.check_input(net, x)
    network.check_trace(trace, net.layers, x)
    if conventions == PAPER:
        return named_gradient(bptt.backward(net.layers, x, trace, gV, gS, surrogate_of(params)))
    return named_gradient(general.backward(net.layers, x, trace, gV, gS, surrogate_of(params), conventions))


# L3: the objective

def scores(inputs, params, conventions):
    """Scores and decision. SPEC E11, E12."""
    m = loss.scores(inputs["V"], Objective(params["readout_scale"], params["reduce"]))
    return {"m": m, "decision": m.argmax(axis=1)}


def scores_adjoint(inputs, params, conventions):
    """From dL/dm to the direct derivatives of the readout. SPEC E11, E12."""
    objective = Objective(params["readout_scale"], params["reduce"])
    return {"gV": general.maximum_adjoint(inputs["V"], inputs["dm"], objective, conventions)}


def cross_entropy(inputs, params, conventions):
    """The loss of the scores. SPEC E11."""
    return dict(zip(("loss", "dm"), general.entropy(inputs["m"], inputs["labels"], conventions)))


def burst(inputs, params, conventions):
    """The burst regulariser. SPEC E13."""
    value_, dS = loss.burst(inputs["S"], params["rho"])
    return {"value": value_, "gS": np.broadcast_to(dS, inputs["S"].shape)}


def readout_amplitude(inputs, params, conventions):
    """The amplitude regulariser. SPEC E14."""
    return dict(zip(("value", "dm"), loss.readout_amplitude(inputs["m"], params["rho"])))


def weight_decay(inputs, params, conventions):
    """The weight decay. SPEC E15."""
    return dict(zip(("value", "dW"), loss.weight_decay(inputs["W"], params["rho"])))


def rate_bound(inputs, params, conventions):
    """The upper bound on the rate. SPEC E16."""
    value_, dS = loss.rate_bound(inputs["S"], params["rho"], params["limit"])
    return {"value": value_, "gS": np.broadcast_to(dS[None], inputs["S"].shape)}


def loss_and_gradient_of_trace(inputs, params, conventions):
    """Loss and gradient on a given trace. SPEC E5-E16."""
    net = network_of(inputs, params)
    total, gradient = learnt(net, inputs["x"], inputs["labels"], params, conventions, trace=trace_of(inputs, len(net.layers)))
    return {"loss": total, **named_gradient(gradient)}


def loss_and_gradient(inputs, params, conventions):
    """Loss and gradient of a free run. SPEC E1-E16."""
    total, gradient = learnt(network_of(inputs, params), inputs["x"], inputs["labels"], params, conventions, noise=inputs.get("noise"))
    return {"loss": total, **named_gradient(gradient)}


def learnt(net, x, labels, params, conventions, trace=None, noise=None):
    """(loss, gradient), by the specification or under other conventions."""
    objective, surrogate_ = objective_of(params), surrogate_of(params)
    total, gradient, _ = network.loss_and_gradient(net, x, labels, trace, objective, surrogate_, noise)
    if conventions != PAPER:                # after the specification has checked what it was given
        total, gradient, _ = general.loss_and_gradient(net.layers, x, labels, trace, objective, surrogate_, conventions, noise)
    return total, gradient


# L4: the update

def adam_step(inputs, params, conventions):
    """One step of Adam."""
    state = optim.AdamState(params["step"], (inputs["mu"],), (inputs["nu"],))
    constants = (params[name] for name in ("rate", "decay_first", "decay_second", "epsilon"))
    (W,), after = optim.adam_step([inputs["W"]], [inputs["dW"]], state, *constants)
    return {"W_next": W, "mu_next": after.first[0], "nu_next": after.second[0]}


def clip_weights(inputs, params, conventions):
    """The clip of hidden weights."""
    readout = Layer(np.zeros((inputs["W"].shape[1], 1), inputs["W"].dtype), spiking=False)
    return {"W_next": optim.clip_weights(Network((Layer(inputs["W"]), readout)), params["limit"]).layers[0].W}


def load_weights(inputs, params, conventions):
    """Float weights to 6 bits and a sign. SPEC C1."""
    W, spiking, levels = inputs["W"], params["layer"] == "spiking", params["levels"]
    scale = weight_scale(W, spiking, levels)
    if conventions == PAPER:
        codes = np.rint(spec_load_weights(W, spiking, levels).astype(float) * scale)
    else:
        codes = general.rounded(scale * W, conventions).clip(-levels, levels)
    return {"codes": codes.astype(np.int64), "scale": scale}


def learning_rate(inputs, params, conventions):
    """The schedules."""
    if params["schedule"] == "exponential":
        return {"rates": [optim.exponential_rate(int(epoch), params["rate"], params["factor"]) for epoch in inputs["epoch"]]}
    return {"rates": [optim.cosine_rate(int(epoch), params["epochs"], params["rate"]) for epoch in inputs["epoch"]]}


# L5: training

def train(inputs, params, conventions):
    """Some steps of training with given batches and given noise. SPEC E1-E16, section 4."""
    net, losses = network_of(inputs, params), []
    state = adam_start(parameters(net.layers))
    for x, labels, noise in zip(inputs["x"], inputs["labels"], inputs["noise"]):
        total, gradient = learnt(net, x, labels, params, conventions, noise=noise)
        losses.append(total)
        net, state = optim.update(net, gradient, state, params["learning_rate"])
    weights = {f"{letter}{l}_next": array for l, layer in enumerate(net.layers) for letter, array in (("W", layer.W), ("R", layer.R))}
    return {"loss": losses, **named(weights)}
