"""SpikingJelly: its CUBALIFNode with a soft reset and the gradient that its defaults give, and its SuperSpike."""

from importlib.metadata import version

import torch
from spikingjelly.activation_based import neuron, surrogate

from refsnn.verify.frameworks.survey import SLOPE, STRENGTHS, gradient_difference, question
from refsnn.verify.frameworks.torch_network import TorchNetwork, over_time

PACKAGES = ("torch==2.13.0", "spikingjelly==2.0.0")


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """A CUBALIFNode is told its decays; v_reset=None is the soft reset. Its v is the membrane after it."""
    alpha, beta = (torch.exp(torch.tensor(-dt / tau, dtype=drive.dtype)).item() for tau in (tau_syn, tau_mem))
    node = neuron.CUBALIFNode(alpha, beta, v_threshold=threshold, v_reset=None, surrogate_function=surrogate.SuperSpike(alpha=slope))

    def step(drive_t):
        S = node(drive_t)
        return node.v, S

    return over_time(step, drive)


def spike(distance, slope):
    """The spike function."""
    return surrogate.SuperSpike(alpha=slope)(distance)


def has_a_primitive():
    """Whether SuperSpike(spiking=False) gives the primitive of its gradient."""
    try:
        surrogate.SuperSpike(spiking=False)(torch.zeros(1))
    except NotImplementedError:
        return False
    return True


adapter = TorchNetwork("SpikingJelly", version("spikingjelly"), layer, spike)

DOCUMENTS = (
    ("SuperSpike", "spiking=False: the primitive of its gradient", "it raises NotImplementedError", has_a_primitive),
    ("SuperSpike", "the gradient is alpha / (1 + |x|)^2", "it is not", lambda: surrogate_at(0.5, 3.0) == 3.0 / 2.25),
)


def differences(slope):
    """How far its gradient is off in the three questions of the survey, at a slope."""
    asked = [(inputs, {**params, "slope": slope}) for inputs, params in map(question, STRENGTHS)]
    return ", ".join(f"{gradient_difference(adapter, own, {}, 1.0):.2g}" for own in asked)


times = f"{STRENGTHS[1] / STRENGTHS[0]:g} and {STRENGTHS[2] / STRENGTHS[0]:g} times as strong"
FURTHER = {f"gradient off by, for the weak weights of the table and for weights {times}": lambda: differences(SLOPE),
           "the same at a slope of 1, its default": lambda: differences(1.0)}


def surrogate_at(distance, slope):
    """The surrogate derivative."""
    V = torch.tensor([distance], dtype=torch.float64, requires_grad=True)
    spike(V, slope).sum().backward()
    return V.grad.item()
