"""The network: layers, the forward pass of the ideal model, and loss_and_gradient, where all rooms of the specification meet.

    images -> encode -> x -> forward -> trace -> objective_and_derivatives -> backward -> gradient -> adam_step -> weights
                             (or a chip)  ^ the only thing between forward and backward

    symbol    code        unit     shape         meaning
    W, R      W, R        1        (M,N), (N,N)  weights from below, and from the layer itself
    x         x           0 or 1   (T,B,M)       input spikes
    -         noise       theta    (T,B,K)       added to the readout's membranes in training with the ideal model

Source: Cramer, Billaudelle et al., arXiv 2006.07239; initial weights from the authors' training script.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.errors import (DtypeError, RangeError, ShapeError, check_array, check_binary, check_count, check_float_array, check_float_dtype,
                           check_labels, check_result, check_same_dtype, check_type, describe)
from refsnn.spec.bptt import LayerGradient, backward
from refsnn.spec.loss import Objective, objective_and_derivatives
from refsnn.spec.neuron import NeuronParameters, run_readout, run_spiking
from refsnn.spec.surrogate import Surrogate
from refsnn.spec.trace import Trace, check_trace


LARGEST_WEIGHT = {"float32": 1e12, "float64": 1e100}      # sums of more, and their squares, may overflow; thresholds lie between one over it and it
MOST_WEIGHTS = 2**30                                      # of one array that initialise draws


def check_weights(name, array):
    """Raise RangeError for weights with which membranes would overflow."""
    largest = np.abs(array).max()
    if largest > LARGEST_WEIGHT[array.dtype.name]:
        raise RangeError(f"{name} holds values up to {largest:.3g}; in {array.dtype} they may be up to {LARGEST_WEIGHT[array.dtype.name]:g}")


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer and the synapses onto it: W (M, N) from below, R (N, N) from itself or None. SPEC E1-E4.

    W and R are float64, or both float32: the whole network then computes in that dtype. Raises ShapeError, DtypeError,
    RangeError.
    """

    W: np.ndarray
    R: np.ndarray | None = None
    neuron: NeuronParameters = NeuronParameters()
    spiking: bool = True

    def __post_init__(self):
        check_type("neuron", self.neuron, NeuronParameters)
        check_type("spiking", self.spiking, bool)
        check_float_array("W", self.W, 2)
        check_weights("W", self.W)
        N = self.W.shape[1]
        self.neuron.check_neurons(N)
        threshold, largest = np.asarray(self.neuron.threshold), LARGEST_WEIGHT[self.W.dtype.name]
        if threshold.max() > largest or threshold.min() < 1 / largest:
            raise RangeError(f"threshold is {threshold.min():g} to {threshold.max():g}; in {self.W.dtype} it may be {1 / largest:g} to {largest:g}")
        if self.R is None:
            return
        check_float_array("R", self.R, 2)
        check_weights("R", self.R)
        check_same_dtype("R", self.R, self.W.dtype, "W")
        if self.R.shape != (N, N):
            raise ShapeError(f"R has shape {self.R.shape} but W has shape {self.W.shape}: R must be ({N}, {N})")
        if not self.spiking:
            raise ShapeError("a readout layer does not spike, so it cannot have recurrent weights R")


@dataclass(frozen=True, eq=False)
class Network:
    """A tuple of layers: any number of spiking ones, recurrent or not, and a readout at the end.

    Raises ShapeError where two layers do not fit, DtypeError where they mix dtypes, RangeError where their dt differ.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self):
        if not isinstance(self.layers, (list, tuple)):
            raise DtypeError(f"layers is {describe(self.layers)}; it must be a tuple of Layer")
        object.__setattr__(self, "layers", tuple(self.layers))
        for index, layer in enumerate(self.layers):
            check_type(f"layers[{index}]", layer, Layer)
        if len(self.layers) < 2 or [layer.spiking for layer in self.layers] != [True] * (len(self.layers) - 1) + [False]:
            raise ShapeError("a network is one or more spiking layers and then one readout layer (spiking=False)")
        for index, (below, above) in enumerate(zip(self.layers, self.layers[1:])):
            if below.W.shape[1] != above.W.shape[0]:
                raise ShapeError(f"layers[{index}].W has shape {below.W.shape} but layers[{index + 1}].W has shape {above.W.shape}: "
                                 f"{below.W.shape[1]} neurons do not fit {above.W.shape[0]} inputs")
            check_same_dtype(f"layers[{index + 1}].W", above.W, below.W.dtype, f"the weights of layers[{index}]")
            if below.neuron.dt != above.neuron.dt:
                raise RangeError(f"layers[{index}] has dt {below.neuron.dt} but layers[{index + 1}] has {above.neuron.dt}")

    @classmethod
    def initialise(cls, rng: "np.random.Generator", sizes, recurrent: bool = False, neuron: NeuronParameters = NeuronParameters(),
                   dtype=np.float64) -> "Network":
        """A network with normal random weights; sizes (M, N1, .., K), the last being the readout, for example (256, 246, 10).

        std 0.7 (1 - beta) / sqrt(fan_in), mean 1e-3 for spiking layers and 0 for the readout. R, where `recurrent`: same rule,
        mean 0, fan_in N (our assumption). rng: a numpy Generator. neuron: scalar parameters, the same for all layers.
        """
        check_type("rng", rng, np.random.Generator)
        check_type("neuron", neuron, NeuronParameters)
        check_type("recurrent", recurrent, bool)
        check_float_dtype(dtype)
        if not isinstance(sizes, (list, tuple)) or len(sizes) < 3:
            raise ShapeError(f"sizes is {describe(sizes)}; it needs inputs, one or more spiking layers, and the readout")
        sizes = [check_count(f"sizes[{index}]", size) for index, size in enumerate(sizes)]
        if max(M * N for M, N in zip(sizes, sizes[1:])) > MOST_WEIGHTS:
            raise RangeError(f"sizes is {describe(sizes)}; between two layers there may be {MOST_WEIGHTS:,} weights")
        if np.ndim(neuron.beta) or np.ndim(neuron.alpha) or np.ndim(neuron.threshold):
            raise ShapeError("initialise takes scalar neuron parameters; arrays belong to one layer: build it with Layer")

        def draw(shape, mean):
            """Weights (fan_in, N) of one kind."""
            return rng.normal(mean, 0.7 * (1 - neuron.beta) / np.sqrt(shape[0]), shape).astype(dtype)

        layers = []
        for M, N in zip(sizes, sizes[1:-1]):
            layers.append(Layer(draw((M, N), 1e-3), draw((N, N), 0.0) if recurrent else None, neuron))
        return cls((*layers, Layer(draw(tuple(sizes[-2:]), 0.0), None, neuron, spiking=False)))

    def with_parameters(self, arrays) -> "Network":
        """The same network with other weights: `arrays` in the order of parameters(network.layers). Raises ShapeError, DtypeError, RangeError."""
        try:
            arrays = list(arrays)
        except TypeError:
            raise DtypeError(f"arrays is {describe(arrays)}; it must be a list of arrays") from None
        if len(arrays) != len(parameters(self.layers)):
            raise ShapeError(f"there are {len(arrays)} arrays; the network has {len(parameters(self.layers))}")
        arrays = iter(arrays)
        return Network(tuple(replace(layer, W=next(arrays), R=None if layer.R is None else next(arrays)) for layer in self.layers))


def parameters(items) -> list[np.ndarray]:
    """The arrays W, R of every entry of network.layers, or of a gradient, in one flat list without the missing R. Raises DtypeError."""
    if not isinstance(items, (list, tuple)) or not all(hasattr(item, "W") and hasattr(item, "R") for item in items):
        raise DtypeError(f"items is {describe(items)}; it must be the layers of a network, or a gradient")
    return [array for item in items for array in (item.W, item.R) if array is not None]


def forward(network: Network, x: np.ndarray, noise: np.ndarray | None = None) -> tuple[Trace, ...]:
    """Run the ideal model: x (T, B, M) -> a tuple with one Trace a layer. SPEC E1-E4.

    x: 0.0 or 1.0 in the dtype of the weights, T >= 2. noise: None, or an array (T, B, K) added to the readout's membranes: with
    silent hidden layers every readout is exactly 0, the maximum over time ties at t = 0, where no weight has influence, and the
    gradient is zero for ever; noise of 1e-5 breaks the tie (a chip brings its own). Raises ShapeError, DtypeError, RangeError.
    """
    check_input(network, x, noise)
    trace, S = [], x
    for layer in network.layers[:-1]:
        trace.append(run_spiking(S, layer.W, layer.R, layer.neuron))
        S = trace[-1].spikes
    readout = run_readout(S, network.layers[-1].W, network.layers[-1].neuron)
    if noise is not None:
        readout = Trace(readout.membrane + noise)
    return (*trace, readout)


def loss_and_gradient(network: Network, x: np.ndarray, labels: np.ndarray, trace: tuple[Trace, ...] | None = None,
                      objective: Objective = Objective(), surrogate: Surrogate = Surrogate(),
                      noise: np.ndarray | None = None) -> tuple[float, tuple[LayerGradient, ...], tuple[Trace, ...]]:
    """The objective and its surrogate gradient: returns (loss, gradient, trace). SPEC E5-E16.

    trace: a tuple with one Trace a layer, recorded anywhere (a chip, another simulator): its membranes and spikes are injected,
    every derivative is the ideal model's. Or None: then the ideal model runs first, with `noise` as in forward. x (T, B, M),
    labels (B,) integers below K. loss: a float. gradient: a tuple, one entry a layer, with fields W and R (R None where the
    layer has none), in the dtype of the weights. Raises ShapeError, DtypeError, RangeError.
    """
    check_type("objective", objective, Objective)
    check_type("surrogate", surrogate, Surrogate)
    if trace is None:
        trace = forward(network, x, noise)
    else:
        if noise is not None:
            raise RangeError("noise belongs to the free run of the ideal model; a recorded trace brings its own")
        check_input(network, x)
        check_trace(trace, network.layers, x)
    check_labels(labels, x.shape[1], network.layers[-1].W.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradient = gradient_of_trace(network.layers, x, labels, trace, objective, surrogate)
    check_result(loss, parameters(gradient))
    return loss, gradient, trace


def gradient_of_trace(layers, x, labels, trace, objective, surrogate):
    """Loss and gradient on a trace that has been checked, or that holds what no chip would give (refsnn.verify.check)."""
    loss, gV, gS, dW_decay = objective_and_derivatives(layers, trace, labels, objective)
    gradient = backward(layers, x, trace, gV, gS, surrogate)
    regularised = (g if decay is None else LayerGradient(g.W + decay, g.R) for g, decay in zip(gradient, dW_decay))
    return float(loss), tuple(regularised)


def drop_units(network: Network, keep) -> Network:
    """The sub-network without some hidden units, for dropout: their columns of W and R and their rows above become 0.

    keep: one boolean array (N,) a spiking layer, True for the units that stay. Kept weights are not rescaled. The dropped units
    receive nothing and drive nothing, so the gradient of the data by their weights is zero. Raises ShapeError, DtypeError.
    """
    check_type("network", network, Network)
    if not isinstance(keep, (list, tuple)):
        raise DtypeError(f"keep is {describe(keep)}; it must be a list with one array a spiking layer")
    if len(keep) != len(network.layers) - 1:
        raise ShapeError(f"keep has {len(keep)} entries but the network has {len(network.layers) - 1} spiking layers")
    for index, (mask, layer) in enumerate(zip(keep, network.layers)):
        check_array(f"keep[{index}]", mask, 1)
        if mask.dtype != bool:
            raise DtypeError(f"keep[{index}] has dtype {mask.dtype}; it must be bool")
        if len(mask) != layer.W.shape[1]:
            raise ShapeError(f"keep[{index}] has shape {mask.shape} but the layer has {layer.W.shape[1]} neurons")
    masks = [np.ones(network.layers[0].W.shape[0], bool), *keep, np.ones(network.layers[-1].W.shape[1], bool)]
    layers = []
    for layer, below, own in zip(network.layers, masks, masks[1:]):
        R = None if layer.R is None else layer.R * np.outer(own, own)
        layers.append(replace(layer, W=layer.W * np.outer(below, own), R=R))
    return Network(tuple(layers))


def check_input(network, x, noise=None):
    """Raise unless x (T, B, M) is what the network's first layer takes, and noise (T, B, K) what its readout takes."""
    check_type("network", network, Network)
    W = network.layers[0].W
    check_float_array("x", x, 3)
    check_same_dtype("x", x, W.dtype)
    if x.shape[2] != W.shape[0]:
        raise ShapeError(f"W has shape {W.shape} but x has {x.shape[2]} inputs (last axis)")
    if len(x) < 2:
        raise ShapeError(f"x has {len(x)} time step; at least 2 are needed for an input to have an effect")
    check_binary("x", x)
    if noise is not None:
        check_float_array("noise", noise, 3)
        check_same_dtype("noise", noise, W.dtype)
        if noise.shape != (*x.shape[:2], network.layers[-1].W.shape[1]):
            raise ShapeError(f"noise has shape {noise.shape}; it must be {(*x.shape[:2], network.layers[-1].W.shape[1])}")
