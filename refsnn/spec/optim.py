"""From a gradient to new weights: Adam, the clip of hidden weights, and the learning-rate schedule.

    symbol    code        unit     shape     meaning
    lr        rate        1        scalar    learning rate, 1.5e-3 at the start, times 0.97 an epoch
    g         gradient    1        as W      gradient of the loss
    mu, nu    first, second  1, 1  as W      running means of g and g^2
    -         WEIGHT_LIMIT  1      scalar    63/240: the largest hidden weight that the chip's 6 bits hold

Source: Kingma & Ba 2015 (Adam); numbers from the training script of Cramer, Billaudelle et al., arXiv 2006.07239.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from refsnn.errors import DtypeError, RangeError, ShapeError, check_array, check_count, check_float_dtype, check_number, check_same_dtype, check_type, describe
from refsnn.spec.bptt import LayerGradient
from refsnn.spec.network import Layer, Network, parameters

WEIGHT_LIMIT = 63 / 240
LARGEST_DECAY = 0.999999


@dataclass(frozen=True, eq=False)
class AdamState:
    """What Adam remembers: the number of steps so far, and the running means of g and g^2, one array a parameter."""

    step: int
    first: tuple
    second: tuple


def adam_start(arrays: list[np.ndarray]) -> AdamState:
    """The state before the first step: zeros like every parameter. Raises DtypeError."""
    check_arrays("arrays", arrays)
    zeros = tuple(np.zeros_like(array) for array in arrays)
    return AdamState(0, zeros, zeros)


def adam_step(arrays: list[np.ndarray], gradients: list[np.ndarray], state: AdamState, rate: float = 1.5e-3, decay_first: float = 0.9,
              decay_second: float = 0.999, epsilon: float = 1e-8) -> tuple[list[np.ndarray], AdamState]:
    """One step of Adam: lists of arrays and of their gradients -> (new arrays, new state). Kingma & Ba 2015, algorithm 1.

        mu <- b1 mu + (1 - b1) g          nu <- b2 nu + (1 - b2) g^2
        w  <- w - rate (mu / (1 - b1^n)) / (sqrt(nu / (1 - b2^n)) + epsilon)     in the n-th step

    b1, b2: decay_first, decay_second, from 0 to 0.999999. Raises ShapeError, DtypeError, RangeError.

    >>> float(round(adam_step([np.array([1.0])], [np.array([7.0])], adam_start([np.zeros(1)]), 0.1)[0][0][0], 6))
    0.9
    """
    check_adam(arrays, gradients, state)
    rate, epsilon = check_number("rate", rate, low=0), check_number("epsilon", epsilon, low=0, strict=True)
    decay_first = check_number("decay_first", decay_first, low=0, high=LARGEST_DECAY)
    decay_second = check_number("decay_second", decay_second, low=0, high=LARGEST_DECAY)
    step = int(state.step) + 1
    new, first, second = [], [], []
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for w, g, mu, nu in zip(arrays, gradients, state.first, state.second):
            mu = decay_first * mu + (1 - decay_first) * g
            nu = decay_second * nu + (1 - decay_second) * g**2
            unbiased_mu, unbiased_nu = mu / (1 - decay_first**step), nu / (1 - decay_second**step)
            new.append(w - rate * unbiased_mu / (np.sqrt(unbiased_nu) + epsilon))
            first.append(mu)
            second.append(nu)
    if not all(np.isfinite(array).all() for array in (*new, *second)):
        raise RangeError("an array, a gradient or what Adam remembers is NaN, or what Adam makes of them is more than their dtype can hold")
    return new, AdamState(step, tuple(first), tuple(second))


def check_arrays(name, arrays):
    """Raise unless `arrays` is a list of arrays of floats."""
    if not isinstance(arrays, (list, tuple)):
        raise DtypeError(f"{name} is {describe(arrays)}; it must be a list of arrays")
    for index, array in enumerate(arrays):
        check_array(f"{name}[{index}]", array, None)
        check_float_dtype(array.dtype, f"the dtype of {name}[{index}]")


def check_adam(arrays, gradients, state):
    """Raise unless the arrays, their gradients and the state are of one network."""
    check_type("state", state, AdamState)
    check_count("state.step", state.step, low=0)
    check_arrays("arrays", arrays)
    for name, own in (("gradients", gradients), ("state.first", state.first), ("state.second", state.second)):
        check_arrays(name, own)
        if [array.shape for array in own] != [array.shape for array in arrays]:
            raise ShapeError(f"{name} has shapes {[array.shape for array in own]} and the arrays {[array.shape for array in arrays]}; "
                             "network, gradient and state must be of one network")
        for index, (array, weights) in enumerate(zip(own, arrays)):
            check_same_dtype(f"{name}[{index}]", array, weights.dtype, "the weights")


def clip_weights(network, limit=WEIGHT_LIMIT):
    """Clip W and R of every spiking layer to +-limit; the readout is not clipped (the chip scales it, C1).

    limit: weights above it cannot be written to the chip. Returns a new Network.
    """
    clipped = [replace(layer, W=layer.W.clip(-limit, limit), R=None if layer.R is None else layer.R.clip(-limit, limit))
               for layer in network.layers[:-1]]
    return Network((*clipped, network.layers[-1]))


def update(network: Network, gradient, state: AdamState, rate: float) -> tuple[Network, AdamState]:
    """One training step after the gradient: Adam on every weight, then the clip. Returns (network, state).

    gradient: as loss_and_gradient returns it, one LayerGradient a layer, or Layers that hold its arrays. Raises ShapeError, DtypeError, RangeError.
    """
    check_type("network", network, Network)
    if not isinstance(gradient, (tuple, list)) or not all(isinstance(entry, (LayerGradient, Layer)) for entry in gradient):
        raise DtypeError(f"gradient is {describe(gradient)}; it must be one LayerGradient a layer")
    arrays, state = adam_step(parameters(network.layers), parameters(gradient), state, rate)
    return clip_weights(network.with_parameters(arrays)), state


def exponential_rate(epoch, rate=1.5e-3, factor=0.97):
    """The published schedule: rate times factor^epoch, epoch counted from 0.

    >>> round(exponential_rate(1), 6)
    0.001455
    """
    return rate * factor**epoch


def cosine_rate(epoch, epochs, rate=1.5e-3):
    """Half a cosine from `rate` in epoch 0 towards 0 after the last of `epochs`. Not in the paper.

    >>> round(cosine_rate(5, 10, 1.0), 6)
    0.5
    """
    return rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
