"""C5, C6: what the converters make of membranes, and into which bins recorded spikes fall."""

import numpy as np
import pytest

from refsnn.chip.dynamics import Grid, Spikes
from refsnn.chip.readout import Recording, bin_spikes, convert

GRID = Grid(4, 4, 1.7e-6)


def recorded(V, lsb, **converter):
    """What the host makes of membranes V (T, B, N): in theta, less the first sample."""
    return Recording(convert(V, lsb, **converter), None).trace(lsb, np.ones(V.shape[2])).membrane


def test_the_converter_saturates_rounds_and_takes_off_the_first_sample():
    lsb = 1 / 70
    V = np.array([0.0, 0.5, 1.0, 1.006, 5.0, -5.0]).reshape(6, 1, 1)
    np.testing.assert_allclose(recorded(V, lsb).ravel() * 70, [0, 35, 70, 70, 175, -80])
    for shifted in (recorded(V, lsb, noise=np.full(V.shape, 3.0)), recorded(V, lsb, offset=np.array([3.0]))):
        np.testing.assert_allclose(shifted.ravel() * 70, [0, 35, 70, 70, 172, -83])     # goes away, but for saturation
    np.testing.assert_allclose(recorded(V, lsb, gain=np.array([0.5])).ravel()[:3] * 70, [0, 18, 35])
    np.testing.assert_allclose(recorded(V + 0.25, 0.0), V, atol=1e-12)


def binned(steps, shift=0.0, jitter=0.0, lost=0.0):
    """Spikes of one neuron on 4 grid steps a dt, in 4 bins."""
    spikes = Spikes(np.array(steps), np.zeros(len(steps), int))
    return bin_spikes(spikes, GRID, (4, 1, 1), np.dtype(float), shift, jitter, lost, np.random.default_rng(0)).ravel().tolist()


@pytest.mark.parametrize(("step", "bin"), [(0, 0), (3, 0), (4, 1), (7, 1), (8, 2), (15, 3)])
def test_a_spike_goes_to_the_bin_of_its_grid_step(step, bin):
    assert binned([step]) == [float(k == bin) for k in range(4)]


def test_a_bin_holds_one_spike_however_many_fall_into_it():
    assert binned([0, 1, 5, 6, 7]) == [1, 1, 0, 0] and binned([]) == [0, 0, 0, 0]


@pytest.mark.parametrize(("step", "shift", "bin"), [(3, 0.12, 0), (3, 0.13, 1), (4, -0.12, 1), (4, -0.13, 0), (0, -1.0, 0), (15, -1.0, 2)])
def test_a_shifted_spike_lies_in_the_middle_of_its_grid_step(step, shift, bin):
    assert binned([step], shift) == [float(k == bin) for k in range(4)]


def test_a_spike_that_is_moved_beyond_the_end_is_lost():
    assert binned([15], 0.13) == [0, 0, 0, 0] and binned([12], 1.0) == [0, 0, 0, 0]


def test_a_spike_is_lost_that_is_drawn_below_the_share_not_at_it():
    class Half:
        random = staticmethod(lambda size: np.full(size, 0.5))

    spikes = Spikes(np.array([1, 6]), np.array([0, 0]))
    for lost, kept in ((0.5, 2), (0.51, 0)):
        assert bin_spikes(spikes, GRID, (4, 1, 1), np.dtype(float), 0.0, 0.0, lost, Half).sum() == kept


def test_every_sample_and_neuron_has_bins_of_its_own():
    spikes = Spikes(np.array([1, 6, 6]), np.array([5, 0, 2]))                    # flat indices into (2, 3)
    bins = bin_spikes(spikes, GRID, (4, 2, 3), np.dtype(np.float32), 0.0, 0.0, 0.0, None)
    assert bins.dtype == np.float32 and np.argwhere(bins).tolist() == [[0, 1, 2], [1, 0, 0], [1, 0, 2]] and bins.max() == 1


def test_jitter_is_a_normal_time_in_seconds_and_a_share_is_lost():
    steps, size = np.full(20000, 6), (4, 100, 200)
    def share(jitter, lost):
        spikes = Spikes(steps, np.arange(20000))
        return bin_spikes(spikes, GRID, size, np.dtype(float), 0.0, jitter, lost, np.random.default_rng(0)).sum(axis=(1, 2)) / 20000
    # grid step 6 lies half a dt and a quarter behind the start of bin 1, and ends a quarter before that of bin 2
    late = share(0.5 * 1.7e-6, 0.0)
    uniform = np.random.default_rng(1).random(10**6)
    from_start = (6 + uniform) / 4 + 0.5 * np.random.default_rng(2).standard_normal(10**6)
    expected = np.array([(from_start < 1).mean(), ((from_start >= 1) & (from_start < 2)).mean(), ((from_start >= 2) & (from_start < 3)).mean()])
    np.testing.assert_allclose(late[:3], expected, atol=5 * np.sqrt(0.25 / 20000))
    assert abs(share(0.0, 0.3)[1] - 0.7) < 5 * np.sqrt(0.21 / 20000)


def test_jitter_is_drawn_before_losses():
    """Another order would change what every seed gives."""
    steps, rng = np.full(1000, 6), np.random.default_rng(3)
    bins = bin_spikes(Spikes(steps, np.arange(1000)), GRID, (4, 1, 1000), np.dtype(float), 0.0, 1.7e-6, 0.4, np.random.default_rng(3))
    within, jitter, kept = rng.random(1000), rng.standard_normal(1000), rng.random(1000) >= 0.4
    expected = np.floor((steps + within) / 4 + jitter).clip(min=0)
    for bin in range(4):
        np.testing.assert_array_equal(bins[bin, 0], (expected == bin) & kept)
