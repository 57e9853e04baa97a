"""Rockpool: its LIFTorch, at most one spike a step; its surrogate StepPWL is not among the switches. float32, as its parameters are."""

from importlib.metadata import version

import torch
from rockpool.nn.modules.torch.lif_torch import LIFTorch, StepPWL
from rockpool.parameters import Constant

from refsnn.verify.frameworks.torch_network import TorchNetwork

PACKAGES = ("torch==2.13.0", "rockpool==3.1.0")


def module(N, tau_mem, tau_syn, threshold, dt):
    """A layer of N neurons with one synapse each."""
    return LIFTorch((N,), tau_mem=Constant(tau_mem), tau_syn=Constant(tau_syn), threshold=Constant(threshold), dt=dt,
                    max_spikes_per_dt=torch.tensor(1.0))


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """A LIFTorch has the batch first; what it records is the membrane after the reset."""
    S, _, recorded = module(drive.shape[2], tau_mem, tau_syn, threshold, dt)(drive.swapaxes(0, 1), record=True)          # (B, T, N)
    return recorded["vmem"].swapaxes(0, 1), S.swapaxes(0, 1)


def spike(distance, slope):
    """The spike function, at a threshold of 1."""
    return StepPWL.apply(distance + 1, torch.tensor(1.0), torch.tensor(0.5), torch.tensor(1.0))


def by_euler():
    """Whether a membrane decays by 1 - dt/tau, as a forward Euler step would have it."""
    own = module(1, 2e-3, 1e-3, 1e6, 1e-3)
    return abs(own.alpha.item() - 0.5) < 1e-3


adapter = TorchNetwork("Rockpool", version("rockpool"), layer, spike, dtype="float32")

DOCUMENTS = (
    ("LIFTorch", "spikes when V exceeds the threshold, V > V_thr", "it spikes at V = V_thr", lambda: spike(torch.zeros(1), 1.0).item() == 0),
    ("LIFTorch, dt", "the time step for the forward-Euler ODE solver (one line of the docstring)", "it decays by exp(-dt/tau)", by_euler),
)
