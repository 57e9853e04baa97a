"""Lava: the floating-point model of its LIF process, stepped without the runtime that passes its messages. It has no gradient."""

import math
from importlib.metadata import version

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer
from lava.proc.lif.models import PyLifModelFloat
from lava.proc.lif.process import LIF

from refsnn.verify.frameworks.simulated import Simulator
from refsnn.verify.frameworks.survey import one_neuron

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


def spikes_in_a_network():
    """The spikes of the survey's one neuron under Lava's runtime: RingBuffer -> Dense -> LIF -> RingBuffer."""
    inputs, params = one_neuron()
    steps, (tau_mem, _), (tau_syn, _) = len(inputs["x"]), params["tau_mem"], params["tau_syn"]
    source, seen = RingBuffer(data=inputs["x"][:, 0].T), Sink(shape=(1,), buffer=steps)
    neuron = LIF(shape=(1,), du=1 - math.exp(-params["dt"] / tau_syn), dv=1 - math.exp(-params["dt"] / tau_mem), vth=params["threshold"][0])
    synapses = Dense(weights=inputs["W0"])
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neuron.a_in)
    neuron.s_out.connect(seen.a_in)
    neuron.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi1SimCfg(select_tag="floating_pt"))
    spikes = int(seen.data.get().sum())
    neuron.stop()
    return spikes


adapter = Simulator("Lava", version("lava-nc"), layer)

DOCUMENTS = ()

FURTHER = {"spikes under its own runtime, RingBuffer -> Dense -> LIF with Loihi1SimCfg": spikes_in_a_network}
