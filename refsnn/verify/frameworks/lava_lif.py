"""Lava: the floating-point model of its LIF process, stepped without the runtime that passes its messages. It has no gradient."""

import math
from importlib.metadata import version

import numpy as np
from lava.proc.lif.models import PyLifModelFloat

from refsnn.verify.frameworks.simulated import Simulator

PACKAGES = ("lava-nc==0.10.0",)
PYTHON = "3.10"


def layer(drive, tau_mem, tau_syn, threshold, dt):
    """du and dv are 1 less the decays. The steps are those of run_spk: dynamics, activation, reset; v is the membrane after it."""
    model = PyLifModelFloat(proc_params={})
    model.du, model.dv, model.vth, model.bias_mant = 1 - math.exp(-dt / tau_syn), 1 - math.exp(-dt / tau_mem), threshold, 0.0
    model.u, model.v = np.zeros(drive.shape[1:]), np.zeros(drive.shape[1:])
    membranes, spikes = [], []
    for drive_t in drive:
        model.subthr_dynamics(activation_in=drive_t)
        S = model.spiking_activation()
        model.reset_voltage(spike_vector=S)
        membranes.append(model.v.copy())
        spikes.append(S)
    return np.stack(membranes), np.stack(spikes)


adapter = Simulator("Lava", version("lava-nc"), layer)

DOCUMENTS = ()
