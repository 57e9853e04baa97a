"""norse: its LIFCell, with SuperSpike."""

from importlib.metadata import version

import norse
import torch
from norse.torch.functional.lif import LIFFeedForwardState, LIFParameters
from norse.torch.functional.threshold import threshold as norse_threshold

from refsnn.verify.frameworks.torch_network import TorchNetwork, over_time

PACKAGES = ("torch==2.13.0", "norse==1.1.0")


def layer(drive, tau_mem, tau_syn, threshold, dt, slope):
    """A LIFCell is told inverse time constants."""
    numbers = {name: torch.tensor(value, dtype=drive.dtype) for name, value in
               {"tau_syn_inv": 1 / tau_syn, "tau_mem_inv": 1 / tau_mem, "v_leak": 0.0, "v_th": threshold, "v_reset": 0.0, "alpha": slope}.items()}
    cell = norse.torch.LIFCell(LIFParameters(**numbers, method="super"), dt=dt)

    def step(drive_t, state):
        S, state = cell(drive_t, state)
        return state.v, S, state

    return over_time(step, drive, LIFFeedForwardState(v=torch.zeros_like(drive[0]), i=torch.zeros_like(drive[0])))


def spike(distance, slope):
    """The spike function."""
    return norse_threshold(distance, "super", torch.tensor(slope))


def slope_matters():
    """Whether the surrogate derivative half a threshold below it depends on alpha."""
    V = torch.full((2,), -0.5, requires_grad=True)
    (spike(V[:1], 1.0) + spike(V[1:], 100.0)).backward()
    return V.grad[0].item() != V.grad[1].item()


def inverse_milliseconds():
    """Whether the default 1/tau_mem of 100 with the default dt of 0.001 decays by 1 - dt/tau with 1/tau in 1/ms: not at all, but for rounding."""
    _, state = norse.torch.LIFCell()(torch.zeros(1, 1), LIFFeedForwardState(v=torch.full((1, 1), 0.5), i=torch.zeros(1, 1)))
    return abs(state.v.item() - 0.5 * (1 - 0.1)) > 1e-6


adapter = TorchNetwork("norse", version("norse"), layer, spike)

DOCUMENTS = (
    ("LIFParameters, alpha", "a parameter of the surrogate gradient", "SuperSpike has a slope of 1 whatever alpha is", slope_matters),
    ("LIFParameters, tau_mem_inv", "in 1/ms", "it is in 1/s, if dt is in seconds as by default", inverse_milliseconds),
)
