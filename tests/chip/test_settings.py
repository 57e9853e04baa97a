"""C2: what the codes of a chip do to the neurons, and what no code can be."""

from dataclasses import replace

import numpy as np
import pytest

from refsnn import DtypeError, Network, RangeError, ShapeError, Variation
from refsnn.chip.settings import CODES, VOLTAGE_STEP, Settings, apply_settings
from refsnn.chip.variation import draw_pattern

N = 200


def at(**codes):
    """Nominal settings but for some codes, the same for all neurons."""
    return replace(Settings.nominal(N), **{name: np.full(N, code) for name, code in codes.items()})


def test_nominal_settings_change_nothing_and_codes_act_as_the_table_says():
    network = Network.initialise(np.random.default_rng(0), (4, N, 3))
    drawn, settings = draw_pattern(np.random.default_rng(1), network, Variation.uncalibrated())[0], Settings.nominal(N)
    same = apply_settings(drawn, settings, 1.0)
    for name in (*CODES, "converter_offset"):
        np.testing.assert_array_equal(getattr(same, name), getattr(drawn, name))
    moved = apply_settings(drawn, at(tau_mem=1023, tau_exc=256, gain_inh=256, leak=612, threshold=412, converter_trim=7), 2.0)
    np.testing.assert_allclose(moved.tau_mem / drawn.tau_mem, 512 / 1023)
    np.testing.assert_allclose(moved.tau_exc / drawn.tau_exc, 2)
    np.testing.assert_allclose(moved.gain_inh / drawn.gain_inh, 0.5)
    np.testing.assert_allclose(moved.leak - drawn.leak, 100 * 1.7578125e-3 / 0.00469 / 70)
    np.testing.assert_allclose(moved.threshold - drawn.threshold, -100 * VOLTAGE_STEP / 2)      # a share of theta = 2
    np.testing.assert_allclose(moved.converter_offset - drawn.converter_offset, -7)
    for code in (0, 1):                                                                          # 0 would be without end
        np.testing.assert_allclose(apply_settings(drawn, at(tau_mem=code), 1.0).tau_mem / drawn.tau_mem, 512)


def test_the_smallest_and_the_largest_codes_are_settings():
    for code in (0, 1023):
        assert all((getattr(at(**{name: code}), name) == code).all() for name in CODES)
    assert at(converter_trim=-200).converter_trim[0] == -200
    assert replace(Settings.nominal(1), weight_scale=0.5).weight_scale == 0.5
    assert Settings.nominal(1).weight_scale == 240.0 and Settings.nominal(1).membrane_scale.tolist() == [1.0]


@pytest.mark.parametrize(("act", "error", "message"), [
    (lambda s: replace(s, leak=np.full(N, 1024)), RangeError, "leak.*1024.*10 bits"),
    (lambda s: replace(s, reset=np.full(N, -1)), RangeError, "reset"),
    (lambda s: replace(s, tau_mem=np.full(N, 5.0)), DtypeError, "tau_mem.*integers"),
    (lambda s: replace(s, gain_exc=np.full(N - 1, 5)), ShapeError, "gain_exc"),
    (lambda s: replace(s, weight_scale=0.0), RangeError, "weight_scale"),
    (lambda s: replace(s, membrane_scale=np.zeros(N)), RangeError, "membrane_scale"),
    (lambda s: Settings.nominal(-1), RangeError, "N"),
    (lambda s: replace(s, weight_scale="240"), DtypeError, "weight_scale"),
    (lambda s: replace(s, membrane_scale=[1.0] * N), DtypeError, "membrane_scale"),
    (lambda s: replace(s, membrane_scale=np.full(N, np.nan)), RangeError, "membrane_scale"),
    (lambda s: replace(s, leak=[512] * N), DtypeError, "leak is"),
    (lambda s: replace(s, converter_trim=np.zeros(N)), DtypeError, "converter_trim.*integers"),
])
def test_bad_settings_are_named(act, error, message):
    with pytest.raises(error, match=message):
        act(Settings.nominal(N))


def test_small_integers_are_counted_with_as_integers():
    own = at(leak=100)
    small = replace(own, leak=own.leak.astype(np.int8), threshold=(own.threshold // 10).astype(np.int8))
    assert small.leak.dtype == small.threshold.dtype == np.dtype(int) and small.leak.tolist() == own.leak.tolist()
    assert type(Variation(weight_levels=np.uint8(63)).weight_levels) is int
