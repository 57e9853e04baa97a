"""The smallest useful adapter: two operations, numpy, and nothing of refsnn."""

import numpy as np


def lif_step(inputs, params):
    """Current, membrane and spike one step later."""
    alpha, beta = (np.exp(-params["dt"] / np.asarray(params[tau])) for tau in ("tau_syn", "tau_mem"))
    theta = np.asarray(params["threshold"])
    I = alpha * inputs["I"] + inputs["drive"]                            # (B, N)
    V = beta * inputs["V"] + I - theta * inputs["S"]                     # (B, N)
    return {"I_next": I, "V_next": V, "S_next": (V > theta).astype(float)}


def surrogate(inputs, params):
    """The surrogate derivative."""
    return {"sigma": 1 / (1 + params["slope"] * np.abs(inputs["V"] - params["threshold"])) ** 2}


class Minimal:
    """What `refsnn conformance` asks for."""

    name, version, dtype = "minimal", "1.0", "float64"
    operations = {"lif_step": lif_step, "surrogate": surrogate}

    def capabilities(self):
        """What there is to check."""
        return {"ops": list(self.operations), "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """Do one operation: dicts of arrays in and out."""
        return self.operations[op](inputs, params)


adapter = Minimal()
