"""The emulated analog chip: where the imperfections live, one file a kind.

    variation.py   how neurons and synapses differ, and how strong each noise is: one draw is one chip (C7)
    synapses.py    weights as the chip holds them: 6 bits, sign and scale, single synapses (C1, C7)
    settings.py    what the host sets: 10-bit codes for every neuron, and two scales (C2)
    dynamics.py    the continuous-time membrane, threshold, reset and refractory time (C3, C4)
    leaps.py       the same, fast, for layers that need not walk the grid
    noise.py       what differs from run to run (C5, C8)
    readout.py     converters and spike recording: what reaches the host (C5, C6, C8)
    cost.py        capacity, time and energy (C1, C9)
    substrate.py   Chip puts them together: the same trace as the ideal model's, made by analog neurons
    partition.py   a network larger than one chip: parts one after another, the trace passing between them (C1)
    calibration.py settings for a given chip, from recordings alone

A chip knows nothing of losses and gradients. It takes an ideal Network and returns a Trace.

Source of the numbers: Cramer, Billaudelle et al., PNAS 119(4) e2109194119 (2022), its methods and training script. What had to
be assumed is called an assumption where it stands.
"""

from refsnn.chip.calibration import calibrate
from refsnn.chip.partition import PartedChip
from refsnn.chip.substrate import Chip
from refsnn.chip.variation import Variation

__all__ = ["Chip", "PartedChip", "Variation", "calibrate"]
