"""Time and energy of the real chip, not of this emulation (C9).

The paper's operating points; an image is one run of the network. Energy is power times time: the chip draws about the same
power whether it computes or waits.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class OperatingPoint:
    """seconds between two images, and the power in watts. SPEC C9.

    >>> round(INFERENCE.images_per_second), round(INFERENCE.joules_per_image * 1e6, 2)
    (84746, 2.36)
    """

    seconds_per_image: float
    watts: float

    @property
    def images_per_second(self):
        """How many images the chip classifies in a second."""
        return 1 / self.seconds_per_image

    @property
    def joules_per_image(self):
        """Energy of one image in joules."""
        return self.seconds_per_image * self.watts


INFERENCE = OperatingPoint(11.8e-6, 0.200)        # 2022: reset at 10 us, 84.7 k images/s, 2.4 uJ
INFERENCE_2020 = OperatingPoint(1 / 70e3, 0.300)  # the abstract of the 2020 version: 70 k images/s, below 300 mW
TRAINING = OperatingPoint(200e-6, 0.200)          # images 200 us apart; that the power is the same is an assumption
