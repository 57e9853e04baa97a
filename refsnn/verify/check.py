"""How a surrogate gradient is tested. Both tests are needed.

Finite differences of a spiking loss are 0 almost everywhere, so the ordinary gradient check says nothing. Two others do:

smooth twin       A network that "spikes" with the primitive of the surrogate, not with a step, is smooth, and the hand-written
                  adjoint recursion is its exact gradient: central differences must agree. Misses a wrong gradient of the
                  reset, for the twin has none.
adjoint identity  On any trace, a recorded one included, <J u, c> = <u, J^T c>: J is the surrogate Jacobian, written here in the
                  forward mode and independently of bptt.py, and J^T is backward. Misses an error that both directions share.

    symbol    code        unit     shape     meaning
    u         direction   1        as W, R   a change of the weights, one LayerGradient a layer
    c         gV, gS      1        (T,B,N)   a weight on every membrane and every spike
    J u       dV, dS      theta    (T,B,N)   change of the trace along u, to first order
"""

import numpy as np

from refsnn.errors import RangeError, check_count, check_labels, check_number, check_result, check_type
from refsnn.spec.bptt import LayerGradient, backward
from refsnn.spec.loss import Objective, objective_and_derivatives
from refsnn.spec.network import Network, check_input, gradient_of_trace, parameters
from refsnn.spec.surrogate import Surrogate, superspike_primitive
from refsnn.spec.trace import Trace, check_trace


@np.errstate(over="ignore", divide="ignore", invalid="ignore")           # what is no number in the end is refused
def smooth_twin(network: Network, x: np.ndarray, labels: np.ndarray, rng: "np.random.Generator", objective: Objective = Objective(),
                surrogate: Surrogate = Surrogate(), directions: int = 4, step: float = 1e-6) -> float:
    """Largest error of the hand-written gradient on the smooth twin, relative to the largest slope. SPEC E5-E16, section 7.

    Compares the gradient's slope with the central difference of order 4 of the twin's loss, along directions in the space of
    all weights that are half random and half along the gradient (a random one alone is nearly at right angles to it). network
    float64; x (T, B, M); labels (B,); rng: a numpy Generator; step: length of the difference along a unit direction. The
    surrogate must not be spike-aware: that rule is the derivative of no function. Returns a float, about 1e-9 where all is
    well: the twin's loss has a kink of the second derivative where V = theta, and of the first where two samples tie for the
    maximum. Raises ShapeError, DtypeError, RangeError.
    """
    check_input(network, x)
    check_labels(labels, x.shape[1], network.layers[-1].W.shape[1])
    check_type("rng", rng, np.random.Generator)
    check_type("objective", objective, Objective)
    check_type("surrogate", surrogate, Surrogate)
    directions, step = check_count("directions", directions, high=10_000), check_number("step", step, low=0, high=1, strict=True)
    if surrogate.spike_aware or network.layers[0].W.dtype != np.float64:
        raise RangeError("the smooth twin needs float64 weights and a surrogate that is not spike-aware")
    trace = twin_forward(network.layers, x, surrogate)
    loss, gradient = gradient_of_trace(network.layers, x, labels, trace, objective, surrogate)
    arrays, gradient = parameters(network.layers), parameters(gradient)
    check_result(loss, gradient)

    def loss_at(distance, direction):
        layers = network.with_parameters([w + distance * u for w, u in zip(arrays, direction)]).layers
        return objective_and_derivatives(layers, twin_forward(layers, x, surrogate), labels, objective)[0]

    slopes, differences = [], []
    for _ in range(directions):
        direction = unit([a + b for a, b in zip(unit([rng.standard_normal(w.shape) for w in arrays]), unit(gradient))])
        slopes.append(inner(gradient, direction))
        near = loss_at(step, direction) - loss_at(-step, direction)
        far = loss_at(2 * step, direction) - loss_at(-2 * step, direction)
        differences.append((8 * near - far) / (12 * step))
    return relative(np.abs(np.subtract(slopes, differences)).max(), np.abs(differences).max())


def twin_forward(layers, x, surrogate):
    """The smooth twin's trace: E1 and E2 without reset, and the surrogate's primitive in the place of E3. x (T, B, M)."""
    trace, S_below = [], x
    for layer in layers:
        alpha, beta, theta = layer.neuron.constants(layer.W.dtype)
        shape = (*x.shape[:2], layer.W.shape[1])
        V, S, I = np.zeros(shape), np.zeros(shape), np.zeros(shape[1:])           # (T, B, N), (T, B, N), (B, N)
        for t in range(len(x) - 1):
            I = alpha * I + S_below[t] @ layer.W + (0 if layer.R is None else S[t] @ layer.R)
            V[t + 1] = beta * V[t] + I
            S[t + 1] = superspike_primitive(V[t + 1], theta, surrogate.slope) if layer.spiking else 0
        trace.append(Trace(V, S if layer.spiking else None))
        S_below = S
    return tuple(trace)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def adjoint(network: Network, x: np.ndarray, trace: tuple[Trace, ...], rng: "np.random.Generator", surrogate: Surrogate = Surrogate()) -> float:
    """The mismatch |<J u, c> - <u, J^T c>| for random u and c, relative to the sizes of the two vectors. SPEC E6-E10, section 7.

    network; x (T, B, M); trace: one Trace a layer, from the ideal model, a chip or anywhere; rng: a numpy Generator. Returns a
    float, about 1e-16 in float64 and 1e-7 in float32 where all is well. Raises ShapeError, DtypeError, RangeError.
    """
    check_input(network, x)
    check_trace(trace, network.layers, x)
    check_type("rng", rng, np.random.Generator)
    check_type("surrogate", surrogate, Surrogate)
    layers, dtype = network.layers, x.dtype

    def draw(shape):
        return rng.standard_normal(shape).astype(dtype)

    direction = [LayerGradient(draw(layer.W.shape), None if layer.R is None else draw(layer.R.shape)) for layer in layers]
    gV = [draw(recorded.membrane.shape) for recorded in trace]
    gS = [None if recorded.spikes is None else draw(recorded.spikes.shape) for recorded in trace]
    tangent = tangent_forward(layers, x, trace, direction, surrogate)
    image = [array for pair in tangent for array in pair if array is not None]
    weights = [array for pair in zip(gV, gS) for array in pair if array is not None]
    pulled_back = parameters(backward(layers, x, trace, gV, gS, surrogate))
    u = parameters(direction)
    scale = max(np.sqrt(inner(image, image) * inner(weights, weights)), np.sqrt(inner(u, u) * inner(pulled_back, pulled_back)))
    return relative(abs(inner(image, weights) - inner(u, pulled_back)), scale)


def tangent_forward(layers, x, trace, direction, surrogate):
    """J u: how the trace changes, to first order, when the weights move along `direction`. SPEC E1-E6, differentiated forward
    in time.

        dI[t+1] = alpha dI[t] + dS_below[t] W + S_below[t] dW + dS[t] R + S[t] dR
        dV[t+1] = beta dV[t] + dI[t+1],     dS[t+1] = sigma'(V[t+1]) dV[t+1],     all 0 at t = 0

    Values are the recorded ones, derivatives the model's. Returns one (dV, dS) a layer, dS None for the readout.
    """
    tangent, S_below, dS_below = [], x, np.zeros_like(x)
    for layer, recorded, u in zip(layers, trace, direction):
        alpha, beta, theta = layer.neuron.constants(layer.W.dtype)
        V, S = recorded.membrane, recorded.spikes                                  # (T, B, N)
        dV, dS, dI = np.zeros_like(V), np.zeros_like(V), np.zeros_like(V[0])       # (T, B, N), (T, B, N), (B, N)
        for t in range(len(x) - 1):
            dI = alpha * dI + dS_below[t] @ layer.W + S_below[t] @ u.W             # (B, N)
            if layer.R is not None:
                dI = dI + dS[t] @ layer.R + S[t] @ u.R                             # (B, N)
            dV[t + 1] = beta * dV[t] + dI
            if layer.spiking:
                dS[t + 1] = surrogate.derivative(V[t + 1], S[t + 1], theta) * dV[t + 1]
        tangent.append((dV, dS if layer.spiking else None))
        S_below, dS_below = S, dS
    return tangent


def inner(left, right):
    """The inner product of two lists of arrays, summed in float64."""
    return float(sum(np.vdot(a.astype(float), b.astype(float)) for a, b in zip(left, right)))


def unit(arrays):
    """A list of arrays scaled to length 1, or as it is where it is all zero."""
    length = np.sqrt(inner(arrays, arrays))
    return [array / (length or 1.0) for array in arrays]


def relative(error, scale):
    """error / scale, and 0 where both vanish. Raises RangeError where one of them is no number."""
    if not (np.isfinite(error) and np.isfinite(scale)):
        raise RangeError("weights, a trace or an objective of this size make numbers that the dtype cannot hold, so there is nothing to compare")
    return float(error / scale) if scale else float(error)
