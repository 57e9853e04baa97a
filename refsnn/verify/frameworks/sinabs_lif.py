"""sinabs: its layer LIF with synapses, at most one spike a step; its default surrogate is not among the switches. float32, as its parameters are."""

from importlib.metadata import version

import torch
from sinabs.activation import MembraneReset, SingleExponential, SingleSpike
from sinabs.layers import LIF

from refsnn.verify.frameworks.torch_network import TorchNetwork

PACKAGES = ("torch==2.13.0", "sinabs==3.1.3")


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """A LIF counts its time constants in steps, and has the batch first; what it records is the membrane after the reset."""
    own = LIF(tau_mem / dt, tau_syn / dt, spike_threshold=torch.tensor(threshold), spike_fn=SingleSpike, surrogate_grad_fn=SingleExponential(),
              norm_input=False, record_states=True)
    S = own(drive.swapaxes(0, 1))                                            # (B, T, N)
    return own.recordings["v_mem"].swapaxes(0, 1), S.swapaxes(0, 1)


def spike(distance, slope):
    """The spike function, at a threshold of 1: its surrogate's width goes with it."""
    return SingleSpike.apply(distance + 1, torch.tensor(1.0), SingleExponential())


def only_spikes_reset():
    """Whether MembraneReset leaves a membrane that did not spike as it is."""
    after = MembraneReset(reset_value=0.5)(torch.zeros(1), {"v_mem": torch.full((1,), 0.25)}, 1.0)
    return after["v_mem"].item() == 0.25


adapter = TorchNetwork("sinabs", version("sinabs"), layer, spike, dtype="float32")

DOCUMENTS = (("MembraneReset", "resets the membrane to a given value after a spike", "reset_value is added to every membrane, without a spike too",
              only_spikes_reset),)
