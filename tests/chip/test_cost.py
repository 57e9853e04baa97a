"""C1, C9: what a chip holds, and the time and energy of an image."""

import numpy as np
import pytest

from refsnn import DtypeError, Layer, Network, RangeError, ShapeError
from refsnn.chip.cost import INFERENCE, INFERENCE_2020, TRAINING, cost, runs_of


def test_the_papers_operating_points():
    assert round(INFERENCE.images_per_second, -2) == 84700 and round(INFERENCE.joules_per_image * 1e6, 1) == 2.4
    assert round(INFERENCE_2020.images_per_second) == 70000 and round(INFERENCE_2020.joules_per_image * 1e6, 1) == 4.3
    assert TRAINING.seconds_per_image == 200e-6


@pytest.mark.parametrize(("sizes", "recurrent", "runs"), [((256, 246, 10), False, 1), ((257, 30, 4), False, 2), ((784, 200, 10), False, 5),
                                                         ((256, 512, 10), False, 3), ((512, 256, 10), False, 3), ((70, 186, 20), True, 1)])
def test_the_cost_of_a_network_counts_the_runs_of_its_parts(sizes, recurrent, runs):
    # (784, 200, 10): four circuits a neuron, 64 neurons a run, 4 runs, and one for the readout
    found = cost(Network.initialise(np.random.default_rng(0), sizes, recurrent=recurrent))
    assert found.runs == runs and found.inference.seconds_per_image == runs * INFERENCE.seconds_per_image
    assert found.as_dict()["training_joules_per_image"] == pytest.approx(runs * TRAINING.joules_per_image)


def test_what_cannot_run_even_in_parts_has_no_cost():
    with pytest.raises(ShapeError, match="cut in parts"):
        cost(Network.initialise(np.random.default_rng(0), (10, 300, 4), recurrent=True))
    with pytest.raises(ShapeError, match="65792 inputs"):
        cost(Network((Layer(np.zeros((65792, 1))), Layer(np.zeros((1, 1)), spiking=False))))
    with pytest.raises(ShapeError, match="cut in parts"):              # 350 inputs, so 128 neurons a run: two runs
        cost(Network.initialise(np.random.default_rng(0), (100, 250, 4), recurrent=True))


def test_a_neuron_with_all_the_inputs_of_a_chip_has_a_run_for_itself():
    assert cost(Network((Layer(np.zeros((65536, 2), np.float32)), Layer(np.zeros((2, 1), np.float32), spiking=False)))).runs == 3


def test_a_network_that_fits_takes_a_run_a_layer_in_parts():
    for sizes, recurrent in (((4, 3, 2), False), ((70, 186, 20), True)):
        network = Network.initialise(np.random.default_rng(0), sizes, recurrent=recurrent)
        assert runs_of(network) == 1 and runs_of(network, True) == 2


def test_what_the_cost_cannot_be_asked_is_refused():
    network = Network.initialise(np.random.default_rng(0), (4, 3, 2))
    for arguments, error, message in (((None,), DtypeError, "Network"), ((network, 0), RangeError, "reset_after"), ((network, 1e-5, 9e-10), RangeError, "spacing"),
                                      ((network, 1e-5, 1e-4, 1), DtypeError, "parts")):
        with pytest.raises(error, match=message):
            cost(*arguments)
    assert cost(network, 1e-5, 1e-9).training.seconds_per_image == 1e-9
