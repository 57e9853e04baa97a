"""The derivative and its primitive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import RangeError, Surrogate
from refsnn.spec.surrogate import superspike, superspike_primitive


@given(st.floats(-3, 3), st.floats(0.1, 2), st.floats(0.5, 100))
def test_the_primitive_has_the_surrogate_as_its_derivative(distance, theta, slope):
    V, h = np.array([theta + distance]), 1e-30                                   # a complex step, away from the kink of |V - theta|
    side = np.where(distance < 0, -1, 1)
    primitive = (V + 1j * h - theta) / (1 + slope * side * (V + 1j * h - theta))
    np.testing.assert_allclose(superspike_primitive(V, theta, slope), primitive.real, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(superspike(V, theta, slope), primitive.imag / h, rtol=1e-12)


@pytest.mark.parametrize(("V", "derivative", "primitive"), [(1.0, 1.0, 0.0), (1.5, 0.25, 0.25), (0.5, 0.25, -0.25), (2.5, 0.0625, 0.375)])
def test_by_hand_at_a_slope_of_2(V, derivative, primitive):
    assert superspike(np.array(V), 1.0, 2.0) == derivative and superspike_primitive(np.array(V), 1.0, 2.0) == primitive


@pytest.mark.parametrize("slope", [1e-300, 9e-7, 1.1e6, 1e155])
def test_slopes_whose_square_leaves_float32_are_refused(slope):
    with pytest.raises(RangeError, match="slope"):
        Surrogate(slope)
    assert (Surrogate(1e-6).slope, Surrogate(1e6).slope) == (1e-6, 1e6)
