"""snnTorch: its layer Synaptic with its defaults, and its fast_sigmoid, which is SuperSpike. float32, as its spikes are, so their derivatives too."""

import math

import snntorch
import torch
from snntorch import surrogate

from refsnn.verify.frameworks.torch_network import TorchNetwork, over_time

PACKAGES = ("torch==2.13.0", "snntorch==1.0.0")


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """Synaptic is told its decays; a reset of one step's delay is its default."""
    alpha, beta = (torch.tensor(math.exp(-dt / tau), dtype=drive.dtype) for tau in (tau_syn, tau_mem))
    neuron = snntorch.Synaptic(alpha, beta, threshold=threshold, spike_grad=surrogate.fast_sigmoid(slope)).to(drive.dtype)

    def step(drive_t, I, V):
        S, I, V = neuron(drive_t, I, V)
        return V, S, I, V

    return over_time(step, drive, torch.zeros_like(drive[0]), torch.zeros_like(drive[0]))


def spike(distance, slope):
    """The spike function."""
    return surrogate.fast_sigmoid(slope)(distance)


adapter = TorchNetwork("snnTorch", snntorch.__version__, layer, spike, dtype="float32")

DOCUMENTS = (("surrogate.FastSigmoid", "S = 1 if U >= U_thr", "U = U_thr gives no spike", lambda: spike(torch.zeros(1), 25.0).item() == 1),)
