"""The contract: every operation by which an implementation is compared with this one.

A subject, in whatever language, is an adapter: an object with

    name, version, dtype           text; dtype is "float64" or "float32", the dtype of all its float arrays
    capabilities()                 {"ops": [names], "conventions": {switch: value}, "skip": {what: reason}}
    call(op, inputs, params, conventions) -> outputs

ops are names of OPERATIONS. conventions, of refsnn.verify.conventions, only those where it is not the paper's: there as what it follows, in a
call as what is asked for. What is skipped is an operation, a case (an id of the report), or "must-fail": wrong inputs, which are to be refused
with any error; a subject that does not check its inputs skips them. inputs and outputs are dicts of arrays, params a dict of plain JSON values
(numbers, text, booleans, lists). An adapter needs nothing of refsnn. Names, shapes and dtypes are those of the table; times are in seconds,
membranes in units in which the nominal threshold is 1. Letters of shapes:

    T  time steps      B  batch      M  inputs       N  neurons of a layer, N0, N1, .. by layer       K  classes, the last of them
    E  events          P  points     H, H2  the two sides of an image

{l} stands for the number of a layer, 0, 1, ..: W{l} is W0, W1, ..; V{l} and W{l} are there for all layers, S{l} and gS{l} for all but the
readout, which is the last. A name with a question mark may be missing: R{l}? is there where layer l is recurrent. "per layer" is a list
with one entry a layer; "per neuron" is a number, or a list with one a neuron; "per layer and neuron" both.

Levels: 0 functions of a number; 1 one step, then a free run; 2 the gradient on a given trace; 3 the objective; 4 the update; 5 training. An
operation presumes those of `requires`: where they fail, its own failure says nothing. Status "may": not every subject models a chip.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

import refsnn
from refsnn.errors import DtypeError, RangeError, ShapeError, check_choice, check_type, describe
from refsnn.verify import reference
from refsnn.verify.conventions import Conventions


@dataclass(frozen=True)
class Operation:
    """One operation: its place in the order of checks, and what goes in and out.

    inputs and outputs: {name: "dtype shape"}, dtype being float, int64 or uint8, shape a list of letters, products (H*H2), or nothing for one
    number. params: {name: "kind, unit or meaning"}. switches: the conventions that it obeys; the others do not touch it.
    """

    level: int
    spec: str
    meaning: str
    inputs: dict
    params: dict
    outputs: dict
    requires: tuple = ()
    switches: tuple = ()
    status: str = "must"


def floats(shape, names):
    """The entries of a contract for float arrays of one shape; names with blanks between them."""
    return {name: f"float {shape}" for name in names.split()}


DT = {"dt": "number, s: a time step"}
ONE_LAYER = {"tau_mem": "per neuron, s", "tau_syn": "per neuron, s", **DT}
ONE_SPIKING_LAYER = {**ONE_LAYER, "threshold": "per neuron, theta"}
LAYERS = {"tau_mem": "per layer and neuron, s", "tau_syn": "per layer and neuron, s", "threshold": "per layer and neuron, theta", **DT}
SURROGATE = {"slope": "number, beta_s", "spike_aware": "boolean: taken at the threshold wherever a spike was recorded"}
SCORES = {"readout_scale": "number, R_out", "reduce": "max | sum, over time"}
OBJECTIVE = {**SCORES, "burst": "number, rho_b", "weight": "number, rho_w", "readout": "number, rho_a", "rate": "number, rho_r",
             "rate_limit": "number, theta_r, spikes"}

WEIGHTS = {"W{l}": "float below own", "R{l}?": "float own own"}
GRADIENT = {"dW{l}": "float below own", "dR{l}?": "float own own"}
TRACE = floats("T B own", "V{l} S{l}")
X = {"x": "float T B M"}
PATTERN = floats("own", " ".join(name + "{l}?" for name in reference.PATTERN))
SYNAPSES = {**floats("below own", "synapse_exc{l}? synapse_inh{l}?"), **floats("own own", "recurrent_exc{l}? recurrent_inh{l}?")}
NOISE = {**floats("T B own", "noise_read{l}? noise_membrane{l}?"), "noise_threshold{l}?": "float own"}
CHIP = {"substeps": "integer, grid steps in a dt", "refractory": "number, s", "weight_levels": "integer, 0 is not digitised",
        "converter_lsb": "number, theta, 0 is not digitised", "read_noise": "number, LSB", "membrane_noise": "number, theta",
        "batch_threshold": "number, relative"}

NEURON = ("integrator", "current", "input_scale", "tie", "reset", "reset_time", "recorded_membrane")
WIRING = ("recurrence_delay", "input_delay", "recurrent_weights")
PEAK = ("surrogate", "surrogate_slope")
BACKWARD = ("integrator", "current", "input_scale", "reset", "reset_time", "reset_gradient", *PEAK, *WIRING)
LEARNING = ("time_maximum", "batch_loss")

OPERATIONS = {
    "decay": Operation(
        0, "E1, E2", "alpha = exp(-dt/tau)",
        {"tau": "float N"}, DT, {"alpha": "float N"}, switches=("integrator",)),
    "latency": Operation(
        0, "E18", "the time of a pixel's spike, tau_in ln(x / (x - 0.2)), inf for x <= 0.2",
        {"intensity": "float P"}, {"tau_in": "number, s"}, {"time": "float P"}),
    "encode": Operation(
        0, "E18", "images to input spikes, pixels row by row, in the bin floor((t - t_white) / dt), t_white being latency(1); from T on none",
        {"images": "uint8 B H H2"}, {"steps": "integer, T", **DT, "tau_in": "number, s"}, {"x": "float steps B H*H2"},
        ("latency",)),
    "downscale": Operation(
        0, "E17", "square images by cubic splines to size x size, after a crop on every side",
        {"images": "uint8 B H H"}, {"crop": "integer, pixels", "size": "integer, pixels"}, {"small": "uint8 B size size"}),
    "surrogate": Operation(
        0, "E5", "sigma' at given membranes",
        {"V": "float P"}, {"threshold": "number, theta", "slope": "number, beta_s"}, {"sigma": "float P"}, switches=PEAK),
    "surrogate_primitive": Operation(
        0, "E5", "(V - theta) / (1 + slope |V - theta|), of which sigma' is the derivative",
        {"V": "float P"}, {"threshold": "number, theta", "slope": "number, beta_s"}, {"phi": "float P"}),

    "lif_step": Operation(
        1, "E1-E3", "a step of a spiking layer from t to t + 1; drive is S_below W + S R at t",
        floats("B N", "I V S drive"), ONE_SPIKING_LAYER,
        floats("B N", "I_next V_next S_next"), ("decay",), NEURON),
    "li_step": Operation(
        1, "E4", "a step of a readout",
        floats("B N", "I V drive"), ONE_LAYER, floats("B N", "I_next V_next"), ("decay",),
        ("integrator", "current", "input_scale")),
    "forward": Operation(
        1, "E1-E4", "a free run from rest: V[0] = S[0] = 0; noise is added to the readout's V as recorded, at t = 0 too, and does not decay with it",
        {**X, **WEIGHTS, "noise?": "float T B K"}, LAYERS, TRACE, ("lif_step", "li_step"), (*NEURON, *WIRING, "axes")),
    "analog_step": Operation(
        1, "C3", "the exact step of duration h between events; U above rest, theta; currents in theta/s",
        {**floats("B N", "U I_exc I_inh"), **floats("N", "tau_mem tau_exc tau_inh")}, {"h": "number, s"},
        floats("B N", "U_next I_exc_next I_inh_next"), status="may"),
    "chip_run": Operation(
        1, "C1-C8", "a chip with every draw given: the fixed pattern as factors (leak, reset in theta; converter_offset in LSB; "
        "sample_time in dt), noises standard normal; what is missing is nominal",
        {**X, **WEIGHTS, **PATTERN, **SYNAPSES, **NOISE},
        {**LAYERS, **CHIP}, TRACE, ("analog_step", "load_weights"), status="may"),
    "exact_spikes": Operation(
        1, "C3, C4", "a layer in continuous time: spikes in [0, duration) in order of (time, unit), and V just before sample_times",
        {**floats("N", "tau_mem tau_exc tau_inh threshold leak reset refractory"), "weights": "float M N", "recurrent?": "float N N",
         "times": "float E", "units": "int64 E", "sample_times": "float P"},
        {"duration": "number, s"}, {"spike_times": "float spikes", "spike_units": "int64 spikes", "samples": "float P N"},
        status="may"),

    "adjoint_step": Operation(
        2, "E7-E9", "from the adjoints at t + 1 to those at t; lam_S is the adjoint of S[t] without the layer's own recurrence",
        {**floats("B N", "V S gV lam_S lam_V_next lam_I_next"), "R?": "float N N"},
        {**ONE_SPIKING_LAYER, **SURROGATE}, floats("B N", "lam_V lam_I"), ("decay", "surrogate"),
        ("integrator", "input_scale", "reset_time", "reset_gradient", "recurrent_weights", *PEAK)),
    "backward": Operation(
        2, "E5-E10", "the gradient on a given trace, from the direct derivatives gV, gS of a loss by it: the core of training in the loop",
        {**X, **WEIGHTS, **TRACE, **floats("T B own", "gV{l} gS{l}")}, {**LAYERS, **SURROGATE}, GRADIENT,
        ("adjoint_step",), (*BACKWARD, "axes")),

    "scores": Operation(
        3, "E11, E12", "m_k = R_out max or sum over t of V_k, and the first class with the largest",
        {"V": "float T B K"}, SCORES, {"m": "float B K", "decision": "int64 B"}),
    "scores_adjoint": Operation(
        3, "E11, E12", "gV of the readout from dL/dm; a tie in time takes the first",
        {"V": "float T B K", "dm": "float B K"}, SCORES, {"gV": "float T B K"}, ("scores",), ("time_maximum",)),
    "cross_entropy": Operation(
        3, "E11", "mean over the batch of -log softmax(m)[label], and its derivative by m",
        {"m": "float B K", "labels": "int64 B"}, {}, {"loss": "float", "dm": "float B K"}, switches=("batch_loss",)),
    "burst": Operation(
        3, "E13", "rho mean over batch and neurons of n^2, n = sum over t of S, and its derivative by every S",
        {"S": "float T B N"}, {"rho": "number"}, {"value": "float", "gS": "float T B N"}),
    "readout_amplitude": Operation(
        3, "E14", "rho mean(m^2), and its derivative",
        {"m": "float B K"}, {"rho": "number"}, {"value": "float", "dm": "float B K"}),
    "weight_decay": Operation(
        3, "E15", "rho mean(W^2), and its derivative",
        {"W": "float M N"}, {"rho": "number"}, {"value": "float", "dW": "float M N"}),
    "rate_bound": Operation(
        3, "E16", "rho mean over the batch of max(0, n - limit)^2, n = a sample's spikes in the layer, and its derivative by every S",
        {"S": "float T B N"}, {"rho": "number", "limit": "number, spikes"}, {"value": "float", "gS": "float T B N"}),
    "loss_and_gradient_of_trace": Operation(
        3, "E5-E16", "objective and gradient on a given trace; regularisers are summed over the spiking layers, weight decay is of their W alone",
        {**X, "labels": "int64 B", **WEIGHTS, **TRACE}, {**LAYERS, **OBJECTIVE, **SURROGATE}, {"loss": "float", **GRADIENT},
        ("backward", "scores_adjoint", "cross_entropy", "burst", "readout_amplitude", "weight_decay", "rate_bound"),
        (*BACKWARD, *LEARNING)),
    "loss_and_gradient": Operation(
        3, "E1-E16", "the same on a free run",
        {**X, "labels": "int64 B", **WEIGHTS, "noise?": "float T B K"}, {**LAYERS, **OBJECTIVE, **SURROGATE},
        {"loss": "float", **GRADIENT}, ("forward", "loss_and_gradient_of_trace"), (*BACKWARD, "tie", *LEARNING)),

    "adam_step": Operation(
        4, "section 4", "one step of Adam after `step` earlier ones",
        floats("M N", "W dW mu nu"),
        {"step": "integer", "rate": "number", "decay_first": "number", "decay_second": "number", "epsilon": "number, outside the root"},
        floats("M N", "W_next mu_next nu_next")),
    "clip_weights": Operation(
        4, "section 4", "hidden weights clipped to +-limit",
        {"W": "float M N"}, {"limit": "number"}, {"W_next": "float M N"}),
    "load_weights": Operation(
        4, "C1", "signed integer weights, round(scale W) clipped to +-levels; scale is 240 in a spiking layer and "
        "min(levels / max|W|, 250) in the readout",
        {"W": "float M N"}, {"layer": "spiking | readout", "levels": "integer"}, {"codes": "int64 M N", "scale": "float"},
        switches=("weight_rounding",)),
    "learning_rate": Operation(
        4, "section 4", "rate factor^epoch, or rate (1 + cos(pi epoch / epochs)) / 2",
        {"epoch": "int64 E"}, {"schedule": "exponential | cosine", "rate": "number", "factor": "number", "epochs": "integer"},
        {"rates": "float E"}),

    "train": Operation(
        5, "E1-E16, section 4", "steps of training from fresh Adam (0.9, 0.999, epsilon 1e-8): free run with the given noise, gradient, Adam, "
        "clip of hidden W and R to +-63/240",
        {"x": "float steps T B M", "labels": "int64 steps B", "noise": "float steps T B K", **WEIGHTS},
        {**LAYERS, **OBJECTIVE, **SURROGATE, "learning_rate": "number"},
        {"loss": "float steps", "W{l}_next": "float below own", "R{l}_next?": "float own own"},
        ("loss_and_gradient", "adam_step", "clip_weights"), (*BACKWARD, "tie", *LEARNING)),
}

NOT_IN_THE_READOUT = {"S", "gS", "R", "dR", "recurrent_exc", "recurrent_inh"}
DTYPES = {"int64": np.int64, "uint8": np.uint8}


def expected(declared, layers):
    """{name: (dtype, shape letters, whether it may be missing)} of declared arrays, written out for so many layers.

    >>> expected({"W{l}": "float below own"}, 2)
    {'W0': ('float', ['M', 'N0'], False), 'W1': ('float', ['N0', 'K'], False)}
    """
    arrays = {}
    for name, text in declared.items():
        name, optional = name.removesuffix("?"), name.endswith("?")
        dtype, *letters = text.split()
        if "{l}" not in name:
            arrays[name] = dtype, letters, optional
            continue
        for l in range(layers - (name.split("{")[0] in NOT_IN_THE_READOUT)):
            sides = {"below": f"N{l - 1}" if l else "M", "own": f"N{l}" if l < layers - 1 else "K"}
            arrays[name.replace("{l}", str(l))] = dtype, [sides.get(letter, letter) for letter in letters], optional
    return arrays


def check_params(op, params):
    """Raise unless `params` has exactly the names of the contract, and values of their kinds."""
    declared = OPERATIONS[op].params
    check_names(f"{op}: the params", params, declared, declared)
    for name, text in declared.items():
        given, kind = params[name], text.split(",")[0].split(":")[0]
        if kind.startswith("per layer"):
            if not isinstance(given, list) or len(given) < 2:
                raise DtypeError(f"{op}: param {name} is {describe(given)}; it must be a list with one entry a layer")
            for entry in given:
                check_kind(op, name, entry, "per neuron")
        elif "|" in kind:
            check_choice(f"{op}: param {name}", given, tuple(kind.split(" | ")))
        else:
            check_kind(op, name, given, kind)


def check_kind(op, name, given, kind):
    """Raise DtypeError unless a value is a number, integer or boolean; or, "per neuron", a number or a list of numbers."""
    kinds = {"number": (int, float), "integer": int, "boolean": bool, "per neuron": (int, float)}[kind]
    values = given if kind == "per neuron" and isinstance(given, list) and given else [given]
    if not all(isinstance(entry, kinds) and isinstance(entry, bool) == (kind == "boolean") for entry in values):
        raise DtypeError(f"{op}: param {name} is {describe(given)}; it must be {'a number, or a list of numbers' if kind == 'per neuron' else kind}")


def check_names(what, given, required, allowed, verb="lack"):
    """Raise unless `given` is a dict with all required names, and no others than those allowed; verb: "lacks" where `what` is one thing."""
    check_type(what, given, dict)
    missing, unknown = [name for name in required if name not in given], [name for name in given if name not in allowed]
    if missing or unknown:
        lacking, too_many = f"{verb} {', '.join(missing)}", f"must not hold {', '.join(map(str, unknown))}"
        raise RangeError(f"{what} " + " and ".join([lacking] * bool(missing) + [too_many] * bool(unknown)))


def layers_of(op, params):
    """How many layers the network of an operation has; 0 where it has none."""
    return len(params["tau_mem"]) if OPERATIONS[op].params.get("tau_mem", "").startswith("per layer") else 0


def check_arrays(op, side, arrays, required, contract, dtype, sizes):
    """Raise unless the arrays are those of the contract; sizes, {letter: size}, is filled on the way."""
    check_names(f"{op}: the {side}", arrays, required, contract)
    for name, array in arrays.items():
        kind, letters, _ = contract[name]
        check_type(f"{op}: {name}", array, np.ndarray)
        if array.dtype != DTYPES.get(kind, dtype):
            raise DtypeError(f"{op}: {name} has dtype {array.dtype}; it must be {np.dtype(DTYPES.get(kind, dtype))}")
        if array.ndim != len(letters):
            raise ShapeError(f"{op}: {name} has shape {array.shape}; it must be ({', '.join(letters)})")
        for letter, size in zip(letters, array.shape):
            wanted = np.prod([sizes[factor] for factor in letter.split("*")]) if "*" in letter else sizes.setdefault(letter, size)
            if size != wanted:
                raise ShapeError(f"{op}: {name} has shape {array.shape}; it must be ({', '.join(letters)}), and {letter} is {wanted}")


def check_inputs(op, inputs, params, dtype):
    """Raise unless inputs and params are those of the contract of `op`: {letter: size}. Raises DtypeError, RangeError, ShapeError."""
    check_choice("op", op, tuple(OPERATIONS))
    check_params(op, params)
    sizes = {name: given for name, given in params.items() if isinstance(given, int) and not isinstance(given, bool)}
    contract = expected(OPERATIONS[op].inputs, layers_of(op, params))
    check_arrays(op, "inputs", inputs, [name for name in contract if not contract[name][2]], contract, dtype, sizes)
    return sizes


def check_outputs(op, outputs, inputs, params, dtype, sizes):
    """Raise unless outputs are those of the contract, for checked inputs and the sizes that check_inputs returned."""
    contract = expected(OPERATIONS[op].outputs, layers_of(op, params))
    # what may be missing, dR1 or R1_next, is there exactly where R1 is
    present = [name for name, (_, _, optional) in contract.items() if not optional or name.removeprefix("d").removesuffix("_next") in inputs]
    check_arrays(op, "outputs", outputs, present, {name: contract[name] for name in present}, dtype, dict(sizes))


def cast(inputs, dtype):
    """Inputs with their float64 arrays in a dtype."""
    return {name: array.astype(dtype) if array.dtype == float else array for name, array in inputs.items()}


def missing_package(op):
    """The package that the reference needs for an operation and that is not installed here, or None."""
    return "scipy" if op == "exact_spikes" and find_spec("scipy") is None else None


def checked_call(adapter, op, inputs, params, conventions):
    """adapter.call, with inputs, params and outputs held to the contract. Raises DtypeError, RangeError, ShapeError, and whatever the adapter
    raises."""
    sizes = check_inputs(op, inputs, params, adapter.dtype)
    outputs = adapter.call(op, inputs, params, conventions)
    check_outputs(op, outputs, inputs, params, adapter.dtype, sizes)
    return outputs


def conventions_for(op, conventions):
    """The Conventions of a call, from a dict: those switches that `op` obeys. Raises RangeError for an unknown switch or value, or where two do not
    go together."""
    check_names("the conventions", conventions, (), Conventions.__dataclass_fields__)
    Conventions(**conventions)
    return Conventions(**{name: chosen for name, chosen in conventions.items() if name in OPERATIONS[op].switches})


class Reference:
    """The adapter of this library: every operation, under any conventions.

    >>> dt = {"dt": 1.0}
    >>> {name: array.tolist() for name, array in Reference().call("decay", {"tau": np.array([2.0])}, dt, {"integrator": "euler"}).items()}
    {'alpha': [0.5]}
    """

    name, version = "refsnn", refsnn.__version__

    def __init__(self, dtype="float64"):
        check_choice("dtype", dtype, ("float64", "float32"))
        self.dtype = dtype

    def capabilities(self):
        """All operations; the paper's conventions; nothing skipped."""
        return {"ops": list(OPERATIONS), "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """Do an operation; the arrays returned are the caller's. Raises DtypeError, RangeError, ShapeError."""
        check_inputs(op, inputs, params, self.dtype)
        outputs = getattr(reference, op)(inputs, params, conventions_for(op, conventions))
        kinds = expected(OPERATIONS[op].outputs, layers_of(op, params))
        return {name: np.array(array, DTYPES.get(kinds[name][0], self.dtype), order="C") for name, array in outputs.items()}
