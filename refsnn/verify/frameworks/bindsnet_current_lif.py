"""BindsNET: its CurrentLIFNodes without a refractory time. It learns by plasticity, not by a gradient. float32, as its state is."""

from importlib.metadata import version

import torch
from bindsnet.network.nodes import CurrentLIFNodes

from refsnn.verify.frameworks.simulated import Simulator

PACKAGES = ("bindsnet==0.3.4",)


def layer(drive, tau_mem, tau_syn, threshold, dt):
    """Nodes are stepped one by one; v is the membrane after the reset."""
    nodes = CurrentLIFNodes(n=drive.shape[2], thresh=float(threshold), rest=0.0, reset=0.0, refrac=0, tc_decay=float(tau_mem),
                            tc_i_decay=float(tau_syn))
    nodes.set_batch_size(drive.shape[1])
    nodes.compute_decays(dt)
    membranes, spikes = [], []
    for drive_t in torch.tensor(drive):
        nodes(drive_t)
        membranes.append(nodes.v.clone())
        spikes.append(nodes.s.float())
    return torch.stack(membranes).numpy(), torch.stack(spikes).numpy()


adapter = Simulator("BindsNET", version("bindsnet"), layer, dtype="float32")

DOCUMENTS = ()
