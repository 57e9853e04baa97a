"""Every public function, given something else in the place of one or two of its arguments: an error of the declared classes, or a result without NaN.

What a constructor makes of them goes on to those that use it: it may be refused there as well.
A function that is exported and has no entry in CALLS fails the first test, so that new ones are taken in.
"""

import inspect
import itertools
import math
import signal
import warnings
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

import refsnn
import refsnn.chip
import refsnn.spec
from refsnn import fast
from refsnn.chip import Chip, PartedChip, Variation, cost
from refsnn.chip.noise import Noise
from refsnn.chip.settings import Settings
from refsnn.chip.variation import FixedPattern
from refsnn.errors import RefsnnError
from refsnn.events import Events, encode_events
from refsnn.exchange import recordings
from refsnn.spec import Layer, Network, NeuronParameters, Objective, Surrogate, Trace, adam_start, encode, forward, loss_and_gradient, parameters
from refsnn.training import Recipe, Shard, Split, Substrate, start
from refsnn.verify import check

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 4, 4)).astype(np.uint8)
LABELS = np.array([0, 1, 1])
NETWORK = Network.initialise(np.random.default_rng(1), (16, 5, 2))
X = encode(IMAGES)
TRACE = forward(NETWORK, X)
GRADIENT = loss_and_gradient(NETWORK, X, LABELS)[1]
CHIP = Chip.sample(np.random.default_rng(2), NETWORK)
W, V = NETWORK.layers[0].W, TRACE[-1].membrane
VARIATION = Variation.calibrated()


def generator():
    """A fresh generator, in its default state."""
    return np.random.default_rng(3)


def learn(network=NETWORK, x=X, labels=LABELS, **options):
    """Loss and gradient, by the specification and by its fast twin."""
    return [room.loss_and_gradient(network, x, labels, **options) for room in (refsnn.spec, fast)]


def run_on(chip, network=NETWORK):
    """The trace that a chip makes."""
    return chip.forward(network, X.astype(network.layers[0].W.dtype), generator())


def run_layer(layer):
    """A network of a layer: what it does, ideal and on a chip."""
    dtype, (M, N) = layer.W.dtype, layer.W.shape
    network = Network((layer, Layer(np.ones((N, 2), dtype), neuron=NeuronParameters(dt=layer.neuron.dt), spiking=False)))
    x = np.ones((5, 3, M), dtype)
    chip = Chip.sample(generator(), network, VARIATION, substeps=2) if M + (N if layer.R is not None else 0) <= 256 else None
    return learn(network, x, LABELS), chip and chip.forward(network, x, generator())


def run_network(network):
    """What a network of any size does."""
    return learn(network, np.ones((5, 3, network.layers[0].W.shape[0]), network.layers[0].W.dtype), np.zeros(3, int))


def one_step(recipe):
    """One batch of a training run."""
    data = Split(IMAGES, LABELS, IMAGES, LABELS)
    network = start(recipe, data.images, data.labels).network
    shard = Shard(recipe, Substrate(recipe, network), data, 0)
    shard.begin(0)
    return shard.step(network, 0)


# what is done with what a constructor has made
USERS = {
    "Layer": run_layer, "Network": run_network, "Network.initialise": run_network,
    "NeuronParameters": lambda neuron: run_layer(Layer(np.full((4, max(map(np.size, (neuron.tau_mem, neuron.tau_syn, neuron.threshold)))), 0.2), neuron=neuron)),
    "Objective": lambda objective: learn(objective=objective), "Surrogate": lambda surrogate: learn(surrogate=surrogate),
    "Trace": lambda trace: learn(trace=(trace, TRACE[1])),
    "Variation": lambda variation: run_on(Chip.sample(generator(), NETWORK, variation, substeps=2)),
    "Variation.named": lambda variation: run_on(Chip.sample(generator(), NETWORK, variation, substeps=2)),
    "Variation.decalibrated": lambda variation: run_on(Chip.sample(generator(), NETWORK, variation, substeps=2)),
    "Events": lambda events: [fast.loss_and_gradient(NETWORK, events, LABELS), CHIP.forward(NETWORK, events, generator()), fast.classify(NETWORK, events, 1)],
    "FixedPattern": lambda pattern: run_on(replace(CHIP, pattern=(pattern, CHIP.pattern[1]))),
    "Settings": lambda settings: run_on(replace(CHIP, settings=(settings, CHIP.settings[1]))),
    "Noise": lambda noise: STEADY.forward(NETWORK, X, [noise, Noise()]),
    "Chip": run_on, "Chip.sample": run_on, "PartedChip": run_on, "PartedChip.sample": run_on, "calibrate": run_on, "Recipe": one_step,
}

PARTED = PartedChip.sample(np.random.default_rng(2), NETWORK)
STEADY = Chip.sample(np.random.default_rng(2), NETWORK, replace(VARIATION, spike_jitter=0.0, lost_events=0.0))
OF_CHIPS = {"substeps": 4, "refractory": 2e-6, "sample_offset": 0.0, "spike_shift": 0.0}

# name: (function, arguments that are right)
CALLS = {
    "downscale": (refsnn.downscale, {"images": np.repeat(np.repeat(IMAGES, 7, 1), 7, 2), "crop": 2, "size": 16}),
    "encode": (encode, {"images": IMAGES, "steps": 20, "dt": 1.7e-6, "tau_in": 8e-6, "dtype": np.float64}),
    "encode_events": (encode_events, {"images": IMAGES, "steps": 20, "dt": 1.7e-6, "tau_in": 8e-6, "dtype": np.float64}),
    "rotate": (refsnn.spec.rotate, {"images": IMAGES, "degrees": np.zeros(3), "shifts": np.zeros((3, 2))}),
    "forward": (forward, {"network": NETWORK, "x": X, "noise": np.zeros(V.shape)}),
    "loss_and_gradient": (loss_and_gradient, {"network": NETWORK, "x": X, "labels": LABELS, "trace": TRACE, "objective": Objective(),
                                              "surrogate": Surrogate(), "noise": None}),
    "fast.forward": (fast.forward, {"network": NETWORK, "x": X, "noise": np.zeros(V.shape)}),
    "fast.loss_and_gradient": (fast.loss_and_gradient, {"network": NETWORK, "x": X, "labels": LABELS, "trace": TRACE, "objective": Objective(),
                                                        "surrogate": Surrogate(), "noise": None}),
    "fast.classify": (fast.classify, {"network": NETWORK, "x": X, "threads": 1}),
    "scores": (refsnn.spec.scores, {"V": V, "objective": Objective()}),
    "drop_units": (refsnn.spec.drop_units, {"network": NETWORK, "keep": [np.ones(5, bool)]}),
    "parameters": (parameters, {"items": NETWORK.layers}),
    "adam_start": (adam_start, {"arrays": parameters(NETWORK.layers)}),
    "adam_step": (refsnn.spec.adam_step, {"arrays": parameters(NETWORK.layers), "gradients": parameters(GRADIENT),
                                          "state": adam_start(parameters(NETWORK.layers)), "rate": 1e-3, "decay_first": 0.9, "decay_second": 0.999,
                                          "epsilon": 1e-8}),
    "update": (refsnn.spec.update, {"network": NETWORK, "gradient": GRADIENT, "state": adam_start(parameters(NETWORK.layers)), "rate": 1e-3}),
    "Layer": (Layer, {"W": W, "R": np.zeros((5, 5)), "neuron": NeuronParameters(), "spiking": True}),
    "Network": (Network, {"layers": NETWORK.layers}),
    "Network.initialise": (Network.initialise, {"rng": generator, "sizes": (16, 5, 2), "recurrent": True, "neuron": NeuronParameters(), "dtype": np.float64}),
    "NeuronParameters": (NeuronParameters, {"tau_mem": 6e-6, "tau_syn": 6e-6, "threshold": 1.0, "dt": 1.7e-6}),
    "Objective": (Objective, {"readout_scale": 10.0, "reduce": "max", "burst": 5e-4, "weight": 0.1, "readout": 0.0, "rate": 0.0, "rate_limit": 0.0}),
    "Surrogate": (Surrogate, {"slope": 50.0, "spike_aware": False}),
    "Trace": (Trace, {"membrane": TRACE[0].membrane, "spikes": TRACE[0].spikes}),
    "Variation": (Variation, {field.name: getattr(VARIATION, field.name) for field in fields(Variation)}),
    "Variation.named": (Variation.named, {"text": "calibrated,tau_mem=0.1"}),
    "Variation.decalibrated": (Variation.decalibrated, {"sigma": 0.1}),
    "Chip": (Chip, {"pattern": CHIP.pattern, "variation": VARIATION, "settings": CHIP.settings, **OF_CHIPS}),
    "Chip.sample": (Chip.sample, {"rng": generator, "network": NETWORK, "variation": VARIATION, **OF_CHIPS}),
    "Chip.forward": (CHIP.forward, {"network": NETWORK, "x": X, "rng": generator}),
    "PartedChip": (PartedChip, {"parts": PARTED.parts, "variation": VARIATION}),
    "PartedChip.sample": (PartedChip.sample, {"rng": generator, "network": NETWORK, "variation": VARIATION, **OF_CHIPS}),
    "PartedChip.forward": (PARTED.forward, {"network": NETWORK, "x": X, "rng": generator}),
    "calibrate": (refsnn.chip.calibrate, {"chip": CHIP, "network": NETWORK, "rng": generator}),
    "cost": (cost.cost, {"network": NETWORK, "reset_after": 1e-5, "spacing": 2e-4, "parts": False}),
    "bin_events": (recordings.bin_events, {"times": np.array([1e-6, 2e-6]), "units": np.array([0, 1]), "samples": np.array([0, 0]), "shape": (20, 2, 3),
                                           "dt": 1.7e-6, "dtype": np.float64}),
    "list_events": (recordings.list_events, {"S": TRACE[0].spikes, "dt": 1.7e-6}),
    "smooth_twin": (check.smooth_twin, {"network": NETWORK, "x": X, "labels": LABELS, "rng": generator, "objective": Objective(),
                                        "surrogate": Surrogate(), "directions": 1, "step": 1e-6}),
    "adjoint": (check.adjoint, {"network": NETWORK, "x": X, "trace": TRACE, "rng": generator, "surrogate": Surrogate()}),
    "Events": (Events, {field.name: getattr(Events.of(X), field.name) for field in fields(Events)}),
    "Events.of": (Events.of, {"x": X}),
    "FixedPattern": (FixedPattern, {field.name: getattr(CHIP.pattern[0], field.name) for field in fields(FixedPattern)}),
    "Settings": (Settings, {field.name: getattr(CHIP.settings[0], field.name) for field in fields(Settings)}),
    "Noise": (Noise, {"read": np.zeros((20, 3, 5)), "membrane": np.zeros((20, 3, 5)), "threshold": np.zeros(5)}),
    "reference": (CHIP.reference, {"index": 0, "level": 1.0, "rng": generator}),
    "with_parameters": (NETWORK.with_parameters, {"arrays": parameters(NETWORK.layers)}),
    "Recipe": (Recipe, {field.name: field.default for field in fields(Recipe)}),
}

NESTED = []
for _ in range(100_000):
    NESTED = [NESTED]
NAN_TRACE = (Trace(np.full_like(TRACE[0].membrane, np.nan), TRACE[0].spikes), TRACE[1])
STRANGE = {
    "None": None, "True": True, "a text": "max", "an empty text": "", "0": 0, "-1": -1, "1": 1, "2": 2, "a half": 0.5, "-0.0": -0.0, "nan": math.nan, "inf": math.inf,
    "-inf": -math.inf, "1e308": 1e308, "1e-320": 1e-320, "2**40": 2**40, "2**70": 2**70, "a complex number": 1j, "bytes": b"x", "a list": [1, 2],
    "a list of lists": [[1.0], [1.0, 2.0]], "a tuple": (), "a dict": {}, "a function": len, "a class": int, "an empty array": np.zeros(0),
    "an array of objects": np.array([None, "a"]), "an array of texts": np.array(["a", "b"]), "a scalar array": np.array(1.0), "ints": np.arange(6).reshape(2, 3),
    "booleans": np.ones((3, 2), bool), "float32": np.ones((16, 5), np.float32), "float16": np.ones((16, 5), np.float16), "NaN in an array": np.full((16, 5), np.nan),
    "inf in an array": np.full((20, 3, 16), np.inf), "one row": np.ones((1, 16)), "four axes": np.ones((2, 2, 2, 2)), "no samples": np.zeros((20, 0, 16)),
    "no time": np.zeros((0, 3, 16)), "one step": np.zeros((1, 3, 16)), "half spikes": np.full((20, 3, 16), 0.5), "negative": -np.ones((20, 3, 16)),
    "large": np.full((16, 5), 1e300), "small": np.full((16, 5), 1e-320), "a label too many": np.array([0, 1, 2]), "a negative label": np.array([0, -1, 1]),
    "labels as floats": np.array([0.0, 1.0, 1.0]), "uint8 images of another size": np.zeros((3, 2, 2), np.uint8), "not in C order": np.asfortranarray(X),
    "a view": X[:, ::-1, ::-1], "a masked array": np.ma.masked_array(X, X > 0), "a matrix of one": np.ones((1, 1)), "a network": NETWORK, "layers": NETWORK.layers,
    "a trace": TRACE, "a trace with NaN": NAN_TRACE, "half a trace": TRACE[:1], "a generator": generator, "an objective": Objective(), "a type": np.float32,
    "a longdouble": np.longdouble(1), "an int8": np.int8(100), "a uint8": np.uint8(20), "a uint64": np.uint64(3), "a float16": np.float16(0.5),
    "a time": np.timedelta64(1, "s"), "a time without unit": np.timedelta64(7), "times": np.array([1, 0, 1], "m8[s]"), "5000 digits": 10**5000,
    "lists in lists": NESTED, "longdoubles": np.ones((16, 5), np.longdouble), "an int8 of codes": np.full(5, 100, np.int8), "five halves": np.full(5, 0.5),
    "five NaN": np.full(5, np.nan), "five large": np.full(5, 1e300), "five small": np.full(5, 1e-300), "0.0": 0.0, "1e300": 1e300, "1e-300": 1e-300,
    "a dtype": np.dtype("int8"), "a date": np.datetime64("2020-01-01"),
}


def numbers_in(result):
    """All floats of a result, wherever they are in it."""
    if isinstance(result, np.ndarray):
        return [result] if result.dtype.kind == "f" else []
    if isinstance(result, float):
        return [np.array(result)]
    if is_dataclass(result):
        result = [getattr(result, field.name) for field in fields(result)]
    return [number for own in result for number in numbers_in(own)] if isinstance(result, (list, tuple)) else []


class Hangs(Exception):
    """A call took longer than it may."""


def alarm(*arguments):
    raise Hangs


def attempt(name, changes):
    """Call a function with some arguments replaced: "refused" or "answered". Any other outcome is a failure of the test."""
    function, right = CALLS[name]
    arguments = {**right, **changes}
    arguments = {key: value() if value is generator else value for key, value in arguments.items()}
    before = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(20)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = function(**arguments)
            if name in USERS:
                result = [result, USERS[name](result)]
    except RefsnnError as error:
        assert str(error) and "\n" not in str(error)
        return "refused"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    strange = [number for value in changes.values() for number in numbers_in(value) if not np.isfinite(number).all()]
    if not strange and not any(value is NAN_TRACE for value in changes.values()):
        assert not any(np.isnan(number).any() for number in numbers_in(result)), "NaN in the result of finite arguments"
    return "answered"


def test_every_public_function_is_fuzzed():
    exported = {name: getattr(room, name) for room in (refsnn, refsnn.spec, refsnn.chip) for name in room.__all__}
    callables = {name for name, value in exported.items() if callable(value) and not (inspect.isclass(value) and issubclass(value, Exception))}
    assert callables <= {name.split(".")[0] for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_the_right_arguments_are_answered(name):
    assert attempt(name, {}) == "answered"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] if name == "Recipe" else []) for name in CALLS])
def test_something_else_in_the_place_of_an_argument_is_refused_or_answered(name):
    outcomes = [outcome(name, {argument: value}, strange) for argument in CALLS[name][1] for strange, value in STRANGE.items()]
    assert outcomes.count("refused") > len(outcomes) / 3


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_something_else_in_the_place_of_two_arguments_is_refused_or_answered(name):
    rng, pairs = np.random.default_rng(len(name)), list(itertools.combinations(CALLS[name][1], 2))
    for _ in range(600 if pairs else 0):
        one, other = pairs[rng.integers(len(pairs))]
        first, second = (list(STRANGE)[rng.integers(len(STRANGE))] for _ in range(2))
        outcome(name, {one: STRANGE[first], other: STRANGE[second]}, f"{first}, {second}")


def outcome(name, changes, strange):
    """attempt, which says what it was about where it fails."""
    try:
        return attempt(name, changes)
    except BaseException as error:
        raise AssertionError(f"{name}({', '.join(changes)} = {strange}): {type(error).__name__}: {error}") from error
