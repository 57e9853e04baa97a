"""How one chip differs from the ideal model: the strength of every imperfection, and one draw of the fixed pattern (C7).

    symbol      code          unit      shape   meaning
    sigma_taum  tau_mem       relative  scalar  std of the membrane time constants from neuron to neuron
    sigma_taus  tau_syn       relative  scalar  std of the synaptic time constants
    sigma_theta threshold     relative  scalar  std of theta - V_leak
    sigma_g     gain          relative  scalar  std of the synaptic gain
    -           read_noise    LSB       scalar  std of the noise of one conversion
    -           weight_levels 1         scalar  largest magnitude of a weight: 63 is 6 bits and a sign; 0: not digitised
    -           converter_lsb theta     scalar  one step of the 8-bit converter: 1/70 theta; 0: not digitised

0 always means "absent". A fixed pattern is drawn once a chip and stays; a noise is drawn anew every time.
"""

from dataclasses import dataclass, fields

import numpy as np

from refsnn.errors import check_count, check_number
from refsnn.spec.network import Network

SMALLEST_FACTOR = 0.1  # assumption: no circuit has less than a tenth of its nominal parameter; bites only at large spreads


@dataclass(frozen=True)
class Variation:
    """The strength of each imperfection; 0 is absent. SPEC C1, C5, C7.

    tau_mem, tau_syn, threshold, gain: relative standard deviation from neuron to neuron. read_noise: std of one conversion in LSB.
    weight_levels: 63 for signed 6-bit weights. converter_lsb: step of the membrane converter in theta. Raises DtypeError, RangeError.
    """

    tau_mem: float = 0.0
    tau_syn: float = 0.0
    threshold: float = 0.0
    gain: float = 0.0
    read_noise: float = 0.0
    weight_levels: int = 63
    converter_lsb: float = 1 / 70

    def __post_init__(self):
        check_count("weight_levels", self.weight_levels, low=0)
        for field in fields(self):
            if field.name != "weight_levels":
                check_number(field.name, getattr(self, field.name), low=0)

    @classmethod
    def ideal(cls):
        """No imperfection at all, not even digital weights and converters."""
        return cls(weight_levels=0, converter_lsb=0.0)

    @classmethod
    def calibrated(cls):
        """A calibrated chip: 5 % on every parameter, read noise 1.2 LSB (typical; published range 1.0-2.5).

        The 5 % are an assumption for the time constants and the gain; the published residual of the threshold is 3.1 %.
        """
        return cls(tau_mem=0.05, tau_syn=0.05, threshold=0.05, gain=0.05, read_noise=1.2)

    @classmethod
    def uncalibrated(cls):
        """A chip before calibration. Assumption: tau_mem 25 %, tau_syn 20 %, threshold 12 %, gain 15 %."""
        return cls(tau_mem=0.25, tau_syn=0.20, threshold=0.12, gain=0.15, read_noise=1.2)

    @classmethod
    def decalibrated(cls, sigma):
        """The paper's decalibration: tau_mem, tau_syn and theta - V_leak with relative std `sigma`, 0 .. 0.5; the rest calibrated."""
        check_number("sigma", sigma, low=0)
        return cls(tau_mem=sigma, tau_syn=sigma, threshold=sigma, gain=0.05, read_noise=1.2)


@dataclass(frozen=True, eq=False)
class FixedPattern:
    """One draw for one layer: the factor on each neuron's nominal parameter, (N,) float64 each."""

    tau_mem: np.ndarray
    tau_syn: np.ndarray
    threshold: np.ndarray
    gain: np.ndarray


def draw_pattern(rng, network: Network, variation):
    """Draw one chip: a tuple with one FixedPattern a layer. Normal factors, mean 1, not below SMALLEST_FACTOR. SPEC C7.

    A readout neuron is drawn a threshold like every other, and never uses it: so a chip's other draws do not depend on which layer spikes.
    """
    def factor(sigma, N):
        return np.maximum(1 + sigma * rng.standard_normal(N), SMALLEST_FACTOR)

    names = [field.name for field in fields(FixedPattern)]
    return tuple(FixedPattern(**{name: factor(getattr(variation, name), layer.W.shape[1]) for name in names})
                 for layer in network.layers)
