"""refsnn: the executable specification of surrogate-gradient learning on analog neuromorphic hardware, in NumPy.

The specification is refsnn.spec, the emulated chip refsnn.chip; the checks are in refsnn.verify, training in refsnn.training.
Importing refsnn needs NumPy only.
"""

from refsnn.chip import Chip, Variation
from refsnn.errors import DataError, DtypeError, RangeError, RefsnnError, ShapeError
from refsnn.spec import (Layer, Network, NeuronParameters, Objective, Surrogate, Trace, downscale, encode, forward,
                         loss_and_gradient)

__version__ = "0.1.0"

__all__ = ["Chip", "DataError", "DtypeError", "Layer", "Network", "NeuronParameters", "Objective", "RangeError", "RefsnnError",
           "ShapeError", "Surrogate", "Trace", "Variation", "downscale", "encode", "forward", "loss_and_gradient"]
