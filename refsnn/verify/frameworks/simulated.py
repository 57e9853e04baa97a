"""What the adapters of simulators without a gradient share, a network of their layers; and what all adapters leave out. It needs numpy only."""

import numpy as np

NEVER = 1e15         # the threshold of a readout: so far that even the gradient through a reset, threshold times surrogate, is below rounding


def require_plain(inputs, params):
    """Raise NotImplementedError for what not all frameworks have: recurrence, parameters of single neurons, a spike-aware surrogate."""
    lists = [name for name in ("tau_mem", "tau_syn", "threshold") if any(isinstance(value, list) for value in params[name])]
    if lists or params.get("spike_aware") or any(name[0] == "R" for name in inputs):
        raise NotImplementedError("these adapters have no recurrence, one parameter a layer, and the surrogate at the membrane")


class Simulator:
    """An adapter, as refsnn.verify.operations asks for, from a function

    layer(drive, tau_mem, tau_syn, threshold, dt) -> (V, S)     its own spiking layer over all time steps; drive (T, B, N) = S_below W
    """

    def __init__(self, name, version, layer, dtype="float64"):
        self.name, self.version, self.dtype, self.layer = name, version, dtype, layer

    def capabilities(self):
        """A free run."""
        return {"ops": ["forward"], "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """All layers over all time steps."""
        require_plain(inputs, params)
        below, outputs, count = inputs["x"], {}, len(params["tau_mem"])
        for l in range(count):
            readout = l == count - 1
            V, S = self.layer(below @ inputs[f"W{l}"], params["tau_mem"][l], params["tau_syn"][l], NEVER if readout else params["threshold"][l],
                              params["dt"])
            V, below = np.asarray(V, self.dtype), np.asarray(S, self.dtype)
            outputs |= {f"V{l}": V + inputs.get("noise", 0)} if readout else {f"V{l}": V, f"S{l}": below}
        return outputs
