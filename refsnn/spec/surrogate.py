"""The surrogate derivative of a spike, and the smooth function of which it is the true derivative (E5).

    symbol    code        unit     shape     meaning
    V         V           theta    any       membrane, as recorded
    S         S           0 or 1   as V      spikes, as recorded
    theta     theta       theta    (), (N,)  threshold of the ideal model
    beta_s    slope       1/theta  scalar    steepness, 50
    sigma'    derivative  1/theta  as V      surrogate of dS/dV

S = [V > theta] has the derivative 0 almost everywhere. The surrogate (SuperSpike, Zenke & Ganguli 2018) is a peak of height 1
at the threshold, not scaled by beta_s. Without the "+ 1" in E5 it would be singular there.

Source: Cramer, Billaudelle et al., arXiv 2006.07239; beta_s and height from the authors' training script. `spike_aware` is ours.
"""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import DtypeError, check_number, describe


def superspike(V, theta, slope=50.0):
    """The surrogate derivative dS/dV := 1 / (slope |V - theta| + 1)^2; shape as V. SPEC E5.

    >>> float(superspike(np.array(1.5), 1.0, slope=2))             # 1 / (2 * 0.5 + 1)^2
    0.25
    """
    return 1 / (slope * np.abs(V - theta) + 1) ** 2


def superspike_primitive(V, theta, slope=50.0):
    """The function whose exact derivative is superspike: (V - theta) / (1 + slope |V - theta|). SPEC E5.

    A network that "spikes" with this instead of E3, and has no reset, is smooth, and the hand-written gradient is exact for it: the
    smooth twin of refsnn.verify.check. With the reset it is not, for that gradient takes the reset for a constant.

    >>> float(superspike_primitive(np.array(1.5), 1.0, slope=2))   # 0.5 / (1 + 2 * 0.5)
    0.25
    """
    return (V - theta) / (1 + slope * np.abs(V - theta))


def crossing_membrane(V, S, theta):
    """The membrane at the instant that matters: theta where a spike was recorded, the sample V elsewhere.

    A chip samples the membrane once a step and resets within it: the sample of a bin with a spike lies before the crossing, and
    the next one shows the reset, far from the threshold, where the surrogate has nearly vanished. But a recorded spike proves
    that V passed through theta in that bin, so the surrogate may be taken there. Shape as V. Not in the paper.

    >>> crossing_membrane(np.array([0.5, 0.5]), np.array([0.0, 1.0]), 1.0).tolist()
    [0.5, 1.0]
    """
    return np.where(S > 0, theta, V)


@dataclass(frozen=True)
class Surrogate:
    """Which surrogate the backward pass uses: SuperSpike with a slope, at the recorded sample or spike-aware. SPEC E5.

    slope = 50, spike_aware = False is the published rule. With spike_aware = True the derivative is taken at the threshold
    (height 1) wherever a spike was recorded: see crossing_membrane. slope: from 1e-6 to 1e6. Raises DtypeError, RangeError.
    """

    slope: float = 50.0
    spike_aware: bool = False

    def __post_init__(self):
        object.__setattr__(self, "slope", check_number("slope", self.slope, low=1e-6, high=1e6))
        if not isinstance(self.spike_aware, bool):
            raise DtypeError(f"spike_aware is {describe(self.spike_aware)}; it must be True or False")

    def derivative(self, V: np.ndarray, S: np.ndarray, theta) -> np.ndarray:
        """sigma' at every sample of a layer's trace: V, S (T, B, N), theta scalar or (N,); returns (T, B, N)."""
        if self.spike_aware:
            V = crossing_membrane(V, S, theta)
        return superspike(V, theta, self.slope)
