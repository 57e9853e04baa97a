"""BindsNET: its CurrentLIFNodes without a refractory time. It learns by plasticity, not by a gradient. float32, as its state is."""

from importlib.metadata import version

import torch
from bindsnet.network import Network
from bindsnet.network.monitors import Monitor
from bindsnet.network.nodes import CurrentLIFNodes, Input
from bindsnet.network.topology import Connection

from refsnn.verify.frameworks.simulated import Simulator
from refsnn.verify.frameworks.survey import one_neuron

PACKAGES = ("bindsnet==0.3.4",)


def nodes_of(N, tau_mem, tau_syn, threshold):
    """N neurons that rest at 0 and are reset to it."""
    return CurrentLIFNodes(n=N, thresh=float(threshold), rest=0.0, reset=0.0, refrac=0, tc_decay=float(tau_mem), tc_i_decay=float(tau_syn))


def layer(drive, tau_mem, tau_syn, threshold, dt):
    """Nodes are stepped one by one; v is the membrane after the reset."""
    nodes = nodes_of(drive.shape[2], tau_mem, tau_syn, threshold)
    nodes.set_batch_size(drive.shape[1])
    nodes.compute_decays(dt)
    membranes, spikes = [], []
    for drive_t in torch.tensor(drive):
        nodes(drive_t)
        membranes.append(nodes.v.clone())
        spikes.append(nodes.s.float())
    return torch.stack(membranes).numpy(), torch.stack(spikes).numpy()


def spikes_in_a_network(one_step):
    """The spikes of the survey's one neuron in BindsNET's own Network, behind its Input and a Connection."""
    inputs, params = one_neuron()
    network, nodes = Network(dt=params["dt"]), nodes_of(1, params["tau_mem"][0], params["tau_syn"][0], params["threshold"][0])
    source, steps = Input(n=1), len(inputs["x"])
    network.add_layer(source, name="input")
    network.add_layer(nodes, name="neuron")
    network.add_connection(Connection(source, nodes, w=torch.tensor(inputs["W0"], dtype=torch.float32)), source="input", target="neuron")
    network.add_monitor(Monitor(nodes, ["s"], time=steps), name="spikes")
    network.run({"input": torch.tensor(inputs["x"], dtype=torch.float32)}, time=steps * params["dt"], one_step=one_step)
    return int(network.monitors["spikes"].get("s").sum())


adapter = Simulator("BindsNET", version("bindsnet"), layer, dtype="float32")

DOCUMENTS = ()

FURTHER = {"spikes in its Network.run with one_step=False, its default": lambda: spikes_in_a_network(False),
           "the same with one_step=True": lambda: spikes_in_a_network(True)}
