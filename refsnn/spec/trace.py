"""The trace: the only thing that passes from the forward direction to the backward one.

The ideal model (network.py) and the chip (refsnn/chip) both return one Trace a layer; the adjoint recursion (bptt.py) reads it
and cannot tell who made it. So a recording of real hardware, or of another simulator, can be brought here as well: wrap its
membranes and spikes in Trace and hand them to loss_and_gradient. That replacement of the model's values by recorded ones, while
every derivative stays the model's, is the injection of SPEC E6 and the idea of the paper.

    symbol    code        unit     shape     meaning
    V[t]      membrane    theta    (T,B,N)   membrane; of a spiking layer the last sample before a spike in bin t
    S[t]      spikes      0 or 1   (T,B,N)   spikes of bin t; None for the readout layer
"""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import DtypeError, ShapeError, check_binary, check_float_array, check_same_dtype, check_type, describe


@dataclass(frozen=True, eq=False)
class Trace:
    """What one layer did: its membranes (T, B, N), and its spikes (T, B, N) or None for a readout. SPEC E6.

    Both in the dtype of the network's weights, time on axis 0, membranes in units in which the nominal threshold is
    NeuronParameters.threshold. Checked when it enters loss_and_gradient.
    """

    membrane: np.ndarray
    spikes: np.ndarray | None = None


def check_trace(trace, layers, x):
    """Raise unless `trace` holds, for each layer, arrays that fit x (T, B, M) and the layer's N neurons."""
    if not isinstance(trace, (list, tuple)):
        raise DtypeError(f"trace is {describe(trace)}; it must be a tuple with one Trace a layer")
    if len(trace) != len(layers):
        raise ShapeError(f"the trace has {len(trace)} layers but the network has {len(layers)}")
    for index, (recorded, layer) in enumerate(zip(trace, layers)):
        check_type(f"trace[{index}]", recorded, Trace)
        shape = (*x.shape[:2], layer.W.shape[1])
        if (recorded.spikes is None) == layer.spiking:
            raise ShapeError(f"trace[{index}].spikes is {'missing' if layer.spiking else 'given'} but layer {index} is "
                             f"{'a spiking layer' if layer.spiking else 'the readout'}")
        for field in ("membrane", "spikes") if layer.spiking else ("membrane",):
            name, array = f"trace[{index}].{field}", getattr(recorded, field)
            check_float_array(name, array, 3)
            check_same_dtype(name, array, layer.W.dtype)
            if array.shape != shape:
                raise ShapeError(f"{name} has shape {array.shape}; for this x and layer it must be {shape}")
        if layer.spiking:
            check_binary(f"trace[{index}].spikes", recorded.spikes)
