"""C7, C8: the strengths that a chip has by name are those of the table, and each has its limits."""

import re
from dataclasses import fields, replace

import pytest

import refsnn.chip.variation as variation
from refsnn import DtypeError, RangeError, Variation

NAMES = [field.name for field in fields(Variation)]
SHARES = {"dead_neurons", "dead_synapses", "lost_events", "sample_time"}


def number(text):
    """A number of the table, which may be a quotient."""
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def table():
    """{field: (uncalibrated, calibrated)} from the head of the file; noise and digital values are the same on both."""
    rows = {}
    for line in variation.__doc__.splitlines():
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
