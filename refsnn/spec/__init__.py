"""The specification: surrogate-gradient learning in the loop, one equation a function, in pure NumPy.

Read in this order: encoding, trace, neuron, surrogate, loss, bptt, network, optim. Nothing here knows a chip, a training
loop or a file.
"""

from refsnn.spec.encoding import downscale, encode, rotate
from refsnn.spec.loss import Objective, scores
from refsnn.spec.network import Layer, Network, drop_units, forward, loss_and_gradient, parameters
from refsnn.spec.neuron import NeuronParameters
from refsnn.spec.optim import adam_start, adam_step, update
from refsnn.spec.surrogate import Surrogate
from refsnn.spec.trace import Trace

__all__ = ["Layer", "Network", "NeuronParameters", "Objective", "Surrogate", "Trace", "adam_start", "adam_step", "downscale",
           "drop_units", "encode", "forward", "loss_and_gradient", "parameters", "rotate", "scores", "update"]
