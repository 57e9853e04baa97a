"""What the real chip can hold, and the time and energy that it takes: not of this emulation (C1, C9).

The paper's operating points are INFERENCE, TRAINING and, of its 2020 version, INFERENCE_2020; `cost` has them for any network.
Energy is power times time: the chip draws about the same power whether it computes or waits.
"""

from dataclasses import dataclass

from refsnn.errors import ShapeError, check_number, check_type
from refsnn.spec.network import Network

NEURONS = 256          # logical neurons, two circuits each
INPUTS = 256           # signed inputs of each, two rows a synapse
OVERHEAD = 1.8e-6      # seconds between the reset of one image, 10 us after its first spike, and the next image
SPACING = 200e-6       # seconds between two images in training
WATTS = 0.200


@dataclass(frozen=True)
class OperatingPoint:
    """seconds between two images, and the power in watts. SPEC C9.

    >>> round(INFERENCE.images_per_second), round(INFERENCE.joules_per_image * 1e6, 2)
    (84746, 2.36)
    """

    seconds_per_image: float
    watts: float = WATTS

    @property
    def images_per_second(self):
        """How many images the chip classifies in a second."""
        return 1 / self.seconds_per_image

    @property
    def joules_per_image(self):
        """Energy of one image in joules."""
        return self.seconds_per_image * self.watts


INFERENCE = OperatingPoint(11.8e-6)               # 2022: reset at 10 us, 84.7 k images/s, 2.4 uJ
INFERENCE_2020 = OperatingPoint(1 / 70e3, 0.300)  # the abstract of the 2020 version: 70 k images/s, below 300 mW
TRAINING = OperatingPoint(SPACING)                # that the power is the same as in inference is an assumption


@dataclass(frozen=True)
class Cost:
    """Of one network: the runs of a chip that an image takes, and the operating points of inference and training. SPEC C9."""

    runs: int
    inference: OperatingPoint
    training: OperatingPoint

    def as_dict(self):
        """Plain numbers, for a results file."""
        return {"runs": self.runs} | {f"{name}_{figure}": getattr(point, figure)
                                      for name, point in (("inference", self.inference), ("training", self.training))
                                      for figure in ("seconds_per_image", "images_per_second", "joules_per_image")}


def cost(network: Network, reset_after: float = 10e-6, spacing: float = SPACING, parts: bool = False) -> Cost:
    """Time and energy of an image on the chip, for any Network. SPEC C9.

    reset_after: seconds from the first spike to the reset that ends an image in inference (the paper: a decision takes less than 10
    us); spacing: seconds between two images in training, 1 ns or more. A network that does not fit takes several runs, one after another, each as long
    (assumption); parts: so does one that would fit. Raises DtypeError, RangeError; ShapeError for what cannot run even in parts, see runs_of.

    >>> import numpy as np
    >>> found = cost(Network.initialise(np.random.default_rng(0), (256, 246, 10)))
    >>> found.runs, found.inference == INFERENCE, found.training == TRAINING
    (1, True, True)
    """
    check_type("network", network, Network)
    check_type("parts", parts, bool)
    runs = runs_of(network, parts)
    inference = check_number("reset_after", reset_after, low=0, strict=True) + OVERHEAD
    return Cost(runs, OperatingPoint(runs * inference), OperatingPoint(runs * check_number("spacing", spacing, low=1e-9)))


def inputs_of(layer):
    """Signed inputs of a neuron: those from below, and those from its own layer where that is recurrent."""
    return layer.W.shape[0] + (0 if layer.R is None else layer.R.shape[0])


def size_of(network):
    """Neurons of a network, and the most signed inputs that one of them has: (int, int)."""
    return sum(layer.W.shape[1] for layer in network.layers), max(map(inputs_of, network.layers))


def runs_of(network, parts=False):
    """How many runs of a chip one image takes: 1 for what fits, else the layers one after another, each in as many parts as it needs. SPEC C1.

    Fits: as the paper joins circuits, two a neuron, for 256 neurons with 256 signed inputs. In parts, a neuron with I inputs may take the
    circuits of ceil(I / 256) such neurons. parts: a network that fits is run in parts as well (refsnn.chip.partition). Raises ShapeError where a
    neuron has too many, and where a recurrent layer would have to be cut: its neurons need each other's spikes while they run.
    """
    neurons, inputs = size_of(network)
    if neurons <= NEURONS and inputs <= INPUTS and not parts:
        return 1
    runs = 0
    for layer in network.layers:
        joined = -(-inputs_of(layer) // INPUTS)
        if joined > NEURONS:
            raise ShapeError(f"a neuron with {inputs_of(layer)} inputs does not fit a chip; all circuits together have {NEURONS * INPUTS}")
        runs_of_layer = -(-layer.W.shape[1] // (NEURONS // joined))
        if layer.R is not None and runs_of_layer > 1:
            raise ShapeError(f"a recurrent layer of {layer.W.shape[1]} neurons with {inputs_of(layer)} inputs does not fit a chip, and cannot be cut in parts")
        runs += runs_of_layer
    return runs


def check_capacity(network):
    """Raise ShapeError where a network needs more than one chip has: 256 neurons in all, and 256 signed inputs a neuron. SPEC C1."""
    neurons, inputs = size_of(network)
    if neurons > NEURONS or inputs > INPUTS:
        try:
            parts = f"in parts, layer by layer (PartedChip, train --parts), an image would take {runs_of(network)} runs"
        except ShapeError as error:
            parts = str(error)
        raise ShapeError(f"the network has {neurons} neurons with up to {inputs} signed inputs each; one chip has {NEURONS} neurons "
                         f"with {INPUTS} inputs each (256-246-10 fits): {parts}")
