"""C7, C8: the strengths that a chip has by name are those of the table, each has its limits, and what is drawn has them."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest

import refsnn.chip.variation as room
from refsnn import Chip, DtypeError, Network, RangeError, Variation
from refsnn.chip.variation import draw_pattern, drift_pattern

NAMES = [field.name for field in fields(Variation)]
SHARES = {"dead_neurons", "dead_synapses", "lost_events", "sample_time"}


def number(text):
    """A number of the table, which may be a quotient."""
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def table():
    """{field: (uncalibrated, calibrated)} from the head of the file; noise and digital values are the same on both."""
    rows = {}
    for line in room.__doc__.splitlines():
        name, _, *numbers = [*line.split(), "", ""][:4]
        if name in NAMES:
            first, second = number(numbers[0]), numbers[1]
            rows[name] = (first, number(second) if re.match(r"\d", second) else first)
    return rows


def test_chips_by_name_are_those_of_the_table():
    rows = table()
    assert list(rows) == NAMES
    for name in NAMES:
        assert (getattr(Variation.uncalibrated(), name), getattr(Variation.calibrated(), name)) == rows[name], name


def test_an_ideal_chip_has_no_imperfection_and_a_plain_one_only_digital_ones():
    assert not any(getattr(Variation.ideal(), name) for name in NAMES)
    assert Variation() == replace(Variation.ideal(), weight_levels=63, converter_lsb=1 / 70)


def test_a_decalibrated_chip_is_a_calibrated_one_but_for_three_spreads():
    assert Variation.decalibrated(0.4) == replace(Variation.calibrated(), tau_mem=0.4, tau_syn=0.4, threshold=0.4)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "weight_levels"])
def test_a_strength_has_limits(name):
    highest = 1 if name in SHARES else 1000
    for allowed in (0, highest):
        assert getattr(Variation(**{name: allowed}), name) == allowed
    for refused in (-1e-9, highest * (1 + 1e-9)):
        with pytest.raises(RangeError, match=name):
            Variation(**{name: refused})


def test_weights_have_a_whole_number_of_levels():
    assert Variation(weight_levels=0).weight_levels == 0
    for refused, error in ((-1, RangeError), (1.5, DtypeError)):
        with pytest.raises(error, match="weight_levels"):
            Variation(weight_levels=refused)


FACTORS = {"tau_mem": ["tau_mem"], "tau_syn": ["tau_exc", "tau_inh"], "threshold": ["threshold"], "gain": ["gain_exc", "gain_inh"],
           "refractory": ["refractory"], "converter_gain": ["converter_gain"], "synapse": ["synapse_exc", "synapse_inh"]}
ADDENDS = {"leak": 1, "reset": 1, "converter_offset": 1}


@pytest.mark.parametrize("field", [*FACTORS, *ADDENDS])
def test_a_spread_is_as_wide_as_configured_and_alone(field):
    network = Network.initialise(np.random.default_rng(0), (2, 20000, 2))
    pattern = draw_pattern(np.random.default_rng(1), network, replace(Variation.ideal(), **{field: 0.06}))[0]
    calm = draw_pattern(np.random.default_rng(1), network, Variation.ideal())[0]
    moved = FACTORS.get(field, [field])
    for name in moved:
        values = getattr(pattern, name).ravel()
        mean = 0.0 if field in ADDENDS else 1.0
        assert abs(values.mean() - mean) < 5 * 0.06 / np.sqrt(len(values))    # five standard errors: a false alarm in 10^6
        assert abs(values.std() / 0.06 - 1) < 5 / np.sqrt(2 * len(values))
    for name in (f.name for f in fields(pattern) if f.name not in moved):
        np.testing.assert_array_equal(getattr(pattern, name), getattr(calm, name))


def test_shares_and_uniform_spreads_are_as_configured():
    network = Network.initialise(np.random.default_rng(0), (30, 2000, 2))
    variation = Variation(dead_neurons=0.1, dead_synapses=0.2, sample_time=0.4, threshold_shift=0.05)
    pattern = draw_pattern(np.random.default_rng(1), network, variation)[0]
    assert abs((~pattern.alive).mean() - 0.1) < 5 * np.sqrt(0.09 / 2000)
    assert abs((pattern.synapse_exc == 0).mean() - 0.2) < 5 * np.sqrt(0.16 / 60000)
    assert pattern.sample_time.min() >= 0 and pattern.sample_time.max() <= 0.4
    assert abs(pattern.sample_time.mean() - 0.2) < 5 * 0.4 / np.sqrt(12 * 2000)
    np.testing.assert_allclose(pattern.threshold, 1.05)


def test_no_parameter_falls_below_a_tenth_however_wide_the_spread():
    network = Network.initialise(np.random.default_rng(0), (2, 5000, 2))
    pattern = draw_pattern(np.random.default_rng(1), network, Variation.decalibrated(0.5))[0]
    assert pattern.tau_mem.min() == 0.1 and pattern.threshold.min() == 0.1


def test_a_chip_that_has_drifted_far_still_has_circuits():
    network = Network.initialise(np.random.default_rng(0), (3, 40, 2))
    chip = Chip.sample(np.random.default_rng(0), network, replace(Variation.ideal(), drift=1000.0))
    for _ in range(4):
        chip = chip.drifted(np.random.default_rng(1))
    pattern = chip.pattern[0]
    assert pattern.gain_exc.max() == 1e6 and pattern.gain_exc.min() == 0.1 and np.abs(pattern.leak).max() > 1000
    drifted = drift_pattern(np.random.default_rng(1), replace(pattern, leak=np.full(40, 1e6), reset=np.full(40, -1e6)), 10.0)
    assert drifted.leak.max() == 1e6 and drifted.reset.min() == -1e6 and drifted.leak.min() < 1e6


class AtTheBorder:
    """In the place of a numpy Generator: uniform draws are a half, where the shares of these tests lie, normal ones are 0."""

    @staticmethod
    def random(size):
        return np.full(size, 0.5)

    @staticmethod
    def standard_normal(size):
        return np.zeros(size)


def test_what_is_drawn_at_the_share_of_the_dead_lives():
    network = Network.initialise(np.random.default_rng(0), (3, 4, 2), recurrent=True)
    pattern = draw_pattern(AtTheBorder, network, replace(Variation.ideal(), dead_neurons=0.5, dead_synapses=0.5))[0]
    assert pattern.alive.all() and pattern.synapse_exc.all() and pattern.recurrent_inh.all()
    dead = draw_pattern(AtTheBorder, network, replace(Variation.ideal(), dead_neurons=0.51, dead_synapses=0.51))[0]
    assert not (dead.alive.any() or dead.synapse_exc.any() or dead.recurrent_inh.any())


def test_a_pattern_is_drawn_in_the_order_of_its_fields():
    """Another order would change what every seed gives."""
    network = Network.initialise(np.random.default_rng(0), (4, 3, 2), recurrent=True)
    strengths = replace(Variation.uncalibrated(), **{name: 0.25 for name in NAMES if name != "weight_levels"})
    rng = np.random.default_rng(1)
    for layer, pattern in zip(network.layers, draw_pattern(np.random.default_rng(1), network, strengths)):
        for field in fields(pattern):
            drawn = getattr(pattern, field.name)
            if drawn is None:
                continue
            if field.name in ("sample_time", "alive"):
                uniform = rng.random(drawn.shape)
                expected = 0.25 * uniform if field.name == "sample_time" else uniform >= 0.25
            elif field.name in ("leak", "reset", "converter_offset"):
                expected = 0.25 * rng.standard_normal(drawn.shape)
            else:
                mean = 1.25 if field.name == "threshold" else 1.0
                expected = np.maximum(mean + 0.25 * rng.standard_normal(drawn.shape), room.SMALLEST_FACTOR)
                if drawn.ndim == 2:
                    expected = expected * (rng.random(drawn.shape) >= 0.25)
            np.testing.assert_allclose(drawn, expected, rtol=1e-14, err_msg=field.name)
