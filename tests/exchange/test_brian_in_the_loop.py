"""A Brian2 simulation as the hardware: without mismatch it is the model where nothing spikes; with it, training in the loop learns."""

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

from refsnn import Layer, Network, NeuronParameters, forward
from refsnn.exchange.examples import brian_in_the_loop
from refsnn.exchange.recordings import load_trace

FOREIGN = pytest.mark.filterwarnings("ignore::DeprecationWarning")         # what Brian2 imports deprecates what Brian2 uses


def example():
    """The module, where Brian2 is usable."""
    try:
        importlib.import_module("brian2")
        return brian_in_the_loop
    except (ImportError, AttributeError) as error:                         # AttributeError: Brian2 2.9 does not know the ndarray of numpy 2.4
        pytest.skip(f"no usable Brian2: {error}")


class Nominal:
    """A generator whose normal numbers are 0: no mismatch."""

    def standard_normal(self, N):
        return np.zeros(N)


@FOREIGN
def test_hardware_without_mismatch_is_the_model_while_nothing_spikes(tmp_path):
    rng = np.random.default_rng(0)
    neuron = NeuronParameters(tau_mem=6e-6, tau_syn=5e-6, threshold=1e6)   # Brian2's exact method takes no equal time constants
    network = Network((Layer(rng.normal(0, 0.3, (10, 4)), None, neuron), Layer(rng.normal(0, 0.3, (4, 3)), None, neuron, spiking=False)))
    x, _ = example().patterns(rng, 2)
    example().Hardware(network, 2, Nominal()).record(network, x, tmp_path / "recording.npz")
    recorded, expected = load_trace(tmp_path / "recording.npz"), forward(network, x)
    assert np.abs(expected[0].membrane).max() > 0.1 and not recorded[0].spikes.any()
    np.testing.assert_allclose(recorded[0].membrane, expected[0].membrane, rtol=0, atol=1e-12)         # 80 grid steps of rounding


@FOREIGN
def test_a_spike_is_in_the_bin_after_the_sample_that_it_followed(tmp_path):
    neuron = NeuronParameters(tau_mem=6e-6, tau_syn=5e-6)
    network = Network((Layer(np.full((10, 1), 3.0), None, neuron), Layer(np.ones((1, 3)), None, replace(neuron), spiking=False)))
    x = np.zeros((20, 1, 10))
    x[3, 0, 0] = 1
    example().Hardware(network, 1, Nominal()).record(network, x, tmp_path / "recording.npz")
    V, S = (array[:, 0, 0] for array in (load_trace(tmp_path / "recording.npz")[0].membrane, load_trace(tmp_path / "recording.npz")[0].spikes))
    # 3 after a dt: the threshold is crossed in bin 3, whose sample is from before the input; that of bin 4 shows what came after the reset
    assert S[:3].sum() == 0 and S[3] == 1 and V[3] == 0 and V[4] < 1


def test_without_brian2_the_example_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "brian2", None)
    assert brian_in_the_loop.main() == 2
    assert capsys.readouterr().err == "this example needs Brian2: pip install brian2\n"


@pytest.mark.long
@FOREIGN
def test_training_in_the_loop_with_brian2_learns():
    accuracies, _ = example().train(steps=25)
    assert accuracies[0] < 0.55 and np.mean(accuracies[-5:]) > 0.9         # chance is 1/3; 0.37 and 1 were seen
