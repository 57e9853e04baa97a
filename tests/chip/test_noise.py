"""C5, C8: the draws that noise is made of."""

from statistics import NormalDist

import numpy as np

from refsnn import Variation
from refsnn.chip.noise import draw_noise, normal, quantiles


def test_the_table_of_normal_quantiles_has_the_moments_of_a_normal():
    values = quantiles(np.dtype(float))
    assert len(values) == 65536 and abs(values.mean()) < 1e-15 and abs(values.std() - 1) < 1e-15
    assert abs((values**4).mean() - 3) < 2e-3 and (values == -values[::-1]).all()
    assert np.abs(np.searchsorted(values, [-1.0, 0.0, 1.96]) / 65536 - [0.158655, 0.5, 0.975002]).max() < 2e-5
    tail = [NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(3)]
    np.testing.assert_allclose(values[:2] / values[2], np.array(tail[:2]) / tail[2], rtol=1e-12)


def test_every_one_of_the_quantiles_can_be_drawn():
    class Extreme:
        """A numpy Generator that draws the least, or the largest, of what it may."""

        def __init__(self, least):
            self.integers = lambda low, high, size, dtype: np.full(size, low if least else high - 1, dtype)

    values = quantiles(np.dtype(float))
    assert (normal(Extreme(True), (3, 2), float) == values[0]).all() and (normal(Extreme(False), (3, 2), float) == values[-1]).all()


def test_noise_is_drawn_in_the_order_of_its_fields_layer_by_layer():
    """Another order would change what every seed gives."""
    shapes, rng = [(3, 2, 4), (3, 2, 5)], np.random.default_rng(0)
    for noise, shape in zip(draw_noise(np.random.default_rng(0), shapes, float, Variation.calibrated()), shapes):
        for name, own in (("read", shape), ("membrane", shape), ("threshold", shape[2:])):
            np.testing.assert_array_equal(getattr(noise, name), normal(rng, own, float), err_msg=name)
