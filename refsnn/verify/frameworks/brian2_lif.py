"""Brian2: current-based neurons with its exact integration, and the soft reset that its user chooses. It simulates, and has no gradient."""

import brian2 as brian
import numpy as np

from refsnn.verify.frameworks.simulated import Simulator

PACKAGES = ("brian2==2.11.0",)
PYTHON = "3.13"


def layer(drive, tau_mem, tau_syn, threshold, dt):
    """One group for all samples. Inputs arrive in the slot of synapses, after the thresholds; V is recorded where it is compared."""
    T, B, N = drive.shape
    brian.prefs.codegen.target = "numpy"
    brian.start_scope()
    brian.defaultclock.dt = dt * brian.second
    values = {"tau_m": tau_mem * brian.second, "tau_s": tau_syn * brian.second, "theta": threshold,
              "given": brian.TimedArray(drive.reshape(T, B * N), dt=dt * brian.second)}
    group = brian.NeuronGroup(B * N, "dV/dt = (I - V)/tau_m : 1\ndI/dt = -I/tau_s : 1", threshold="V > theta", reset="V -= theta", method="exact",
                              namespace=values)
    arriving = group.run_regularly("I += given(t, i)", when="synapses")
    trace, spikes = brian.StateMonitor(group, "V", record=True, when="after_thresholds"), brian.SpikeMonitor(group)
    brian.Network(group, arriving, trace, spikes).run(T * dt * brian.second)
    S = np.zeros((T, B * N))
    S[np.rint(np.asarray(spikes.t / brian.second) / dt).astype(int), np.asarray(spikes.i)] = 1
    return np.asarray(trace.V).T.reshape(T, B, N), S.reshape(T, B, N)


adapter = Simulator("Brian2", brian.__version__, layer)

DOCUMENTS = ()
