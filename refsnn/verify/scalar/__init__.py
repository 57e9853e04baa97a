"""The whole system once more, in plain Python: no array, no vectorised line, one number at a time.

    network.py     levels 0 to 2: encoding, the neuron, a network, the gradient on a given trace
    learning.py    levels 3 to 5: the objective, the update, training
    analog.py      the chip, and the neuron in continuous time

An adapter (refsnn.verify.operations) that shares no code with the library: it was written from the equations, and imports nothing of refsnn
beyond this folder. It says what every index does; whoever ports the system to C can read it in place of the NumPy one. numpy appears in this
file only, where arrays come in and go out. An array (T, B, N) is a list of T lists of B lists of N floats.

Source: the equations are those of the README's table.
"""

import numpy as np

from refsnn.verify.scalar import analog, learning, network

OPERATIONS = {name: getattr(room, name) for room, names in (
    (network, ("decay", "latency", "encode", "downscale", "surrogate", "surrogate_primitive", "lif_step", "li_step", "forward", "adjoint_step",
               "backward")),
    (analog, ("analog_step", "chip_run", "exact_spikes")),
    (learning, ("scores", "scores_adjoint", "cross_entropy", "burst", "readout_amplitude", "weight_decay", "rate_bound", "loss_and_gradient_of_trace",
                "loss_and_gradient", "adam_step", "clip_weights", "load_weights", "learning_rate", "train")),
) for name in names}
WHOLE = {"small": np.uint8, "decision": np.int64, "codes": np.int64, "spike_units": np.int64}    # the outputs that are whole numbers


class ScalarLoops:
    """The adapter: every operation, in float64, under the paper's conventions only."""

    name, version, dtype = "plain Python", "1", "float64"

    def capabilities(self):
        """All operations; the paper's conventions."""
        return {"ops": list(OPERATIONS), "conventions": {}, "skip": {"must-fail": "the equations alone: nobody checks what they are given"}}

    def call(self, op, inputs, params, conventions):
        """Do an operation: arrays to lists, lists to arrays. Raises ValueError if it is asked for other conventions."""
        if conventions:
            raise ValueError(f"plain Python knows the paper's conventions only, not {conventions}")
        outputs = OPERATIONS[op]({name: array.tolist() for name, array in inputs.items()}, params)
        return {name: np.array(nested, WHOLE.get(name, np.float64)) for name, nested in outputs.items()}


adapter = ScalarLoops()
