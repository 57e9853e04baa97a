"""What the host sets on a chip and believes of it: 10-bit codes for every neuron, and two scales (C1, C2, C5).

    code                  effect, from the nominal value at code 512            kind
    tau_mem               tau_m = nominal * 512 / code                          current: a conductance sets the time constant
    tau_exc, tau_inh      tau_s = nominal * 512 / code                          current
    gain_exc, gain_inh    gain = nominal * code / 512                           current
    threshold, leak, reset    nominal + (code - 512) * VOLTAGE_STEP             voltage

The chip has 8 voltages and 16 currents a neuron, of 10 bits each; these are the eight that its model needs. "Nominal" is the
neuron's own value of the fixed pattern: the host knows the codes, not what they do to a neuron. That currents act in
proportion, that voltages are exact, and the size of their step (1.8 V / 1024 = 1.76 mV) are assumptions.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsnn.errors import DtypeError, RangeError, ShapeError, check_array, check_count, check_float_array, check_number

NOMINAL = 512
LARGEST = 1023
VOLTAGE_STEP = 1.8 / 1024 / 0.00469 / 70    # theta: 4.69 mV is one code of the membrane converter, of which 70 make theta
CODES = ("tau_mem", "tau_exc", "tau_inh", "threshold", "leak", "reset", "gain_exc", "gain_inh")
CURRENTS = {"tau_mem": -1, "tau_exc": -1, "tau_inh": -1, "gain_exc": 1, "gain_inh": 1}    # the power with which each acts


@dataclass(frozen=True, eq=False)
class Settings:
    """The settings of one layer of N neurons. SPEC C1, C2, C5.

    tau_mem .. gain_inh (N,): integers 0 .. 1023, see the table. converter_trim (N,): codes that each converter takes off, integers.
    weight_scale: LSB a unit of weight in spiking layers. membrane_scale (N,): what the host multiplies recorded membranes with, to have
    the threshold at 1. Raises DtypeError, RangeError, ShapeError.
    """

    tau_mem: np.ndarray
    tau_exc: np.ndarray
    tau_inh: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    reset: np.ndarray
    gain_exc: np.ndarray
    gain_inh: np.ndarray
    converter_trim: np.ndarray
    membrane_scale: np.ndarray
    weight_scale: float = 240.0

    def __post_init__(self):
        object.__setattr__(self, "weight_scale", check_number("weight_scale", self.weight_scale, low=0, strict=True))
        check_float_array("membrane_scale", self.membrane_scale, 1)
        if self.membrane_scale.min() <= 0:
            raise RangeError(f"membrane_scale reaches down to {self.membrane_scale.min()}; it must be above 0")
        for name in (*CODES, "converter_trim"):
            array = getattr(self, name)
            check_array(name, array, 1)
            if array.dtype.kind != "i":
                raise DtypeError(f"{name} has dtype {array.dtype}; settings are integers")
            if array.shape != self.membrane_scale.shape:
                raise ShapeError(f"{name} has shape {array.shape} but membrane_scale has {self.membrane_scale.shape}")
            if name in CODES and (array.min() < 0 or array.max() > LARGEST):
                raise RangeError(f"{name} reaches from {array.min()} to {array.max()}; a setting has 10 bits, 0 .. {LARGEST}")
            object.__setattr__(self, name, array.astype(int))                            # an int8 could not be counted with

    @classmethod
    def nominal(cls, N):
        """Every code in the middle: the neurons are as they were drawn.

        >>> Settings.nominal(2).leak.tolist()
        [512, 512]
        """
        codes = {name: np.full(check_count("N", N), NOMINAL) for name in CODES}
        return cls(**codes, converter_trim=np.zeros(N, int), membrane_scale=np.ones(N))


def apply_settings(pattern, settings, theta):
    """The FixedPattern that the neurons have at these settings; theta: the nominal threshold, to which its factors refer. SPEC C2."""
    changed = {name: getattr(pattern, name) * (np.maximum(getattr(settings, name), 1) / NOMINAL)**power for name, power in CURRENTS.items()}
    for name in ("threshold", "leak", "reset"):
        moved = (getattr(settings, name) - NOMINAL) * VOLTAGE_STEP
        changed[name] = getattr(pattern, name) + (moved / theta if name == "threshold" else moved)
    changed["converter_offset"] = pattern.converter_offset - settings.converter_trim
    return replace(pattern, **changed)
