"""C1: weights of six bits and a sign, and the scale of the readout's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn.chip import synapses
from refsnn.chip.synapses import load_weights, weight_scale
from refsnn.verify.strategies import generators


@given(generators(), st.booleans())
def test_weights_on_the_chip_are_integers_of_six_bits_and_a_sign(rng, spiking):
    W = rng.normal(0, rng.choice([0.01, 0.1, 1.0]), (7, 5))
    codes = load_weights(W, spiking, 63) * weight_scale(W, spiking, 63)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() <= 63 + 1e-9
    if not spiking and np.abs(W).max() > 63 / 250:
        assert np.isclose(np.abs(codes).max(), 63)               # the readout uses the whole range
    representable = W.clip(-63 / 240, 63 / 240) if spiking else W
    assert np.abs(load_weights(W, spiking, 63) - representable).max() <= 0.5 / weight_scale(W, spiking, 63) + 1e-12


def test_the_readout_scale_is_at_most_250():
    assert weight_scale(np.array([[0.1]]), False, 63) == 250
    assert weight_scale(np.array([[-0.63]]), False, 63) == pytest.approx(100)
    assert weight_scale(np.zeros((1, 1)), False, 63) == 250
    assert weight_scale(np.array([[9.0]]), True, 63) == 240


def test_ties_round_to_even():
    W = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 63.0]])                   # whose largest weight makes the scale 1
    assert load_weights(W, False, 63).tolist() == [[0, 2, 2, 0, -2, 63]]


def test_the_largest_weight_of_six_bits_is_63():
    assert load_weights(np.ones((1, 1)), True, synapses.LEVELS).tolist() == [[63 / 240]]


def test_the_largest_readout_scale_is_itself_where_both_are_equal():
    """levels / 0.936 is 249.99999999999997."""
    assert weight_scale(np.array([[0.936]]), False, 234) == 250
