"""The checks at the boundary: what they let through, at its very edge, and what their messages name."""

import math

import numpy as np
import pytest

from refsnn import DtypeError, RangeError
from refsnn.errors import check_binary, check_count, check_number, check_path, describe


def test_the_first_element_that_is_no_bit_is_named():
    check_binary("x", np.array([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(RangeError, match=r"x\[1, 0\] = 0.5"):
        check_binary("x", np.array([[0.0, 1.0], [0.5, 2.0]]))


def test_a_zero_has_no_sign():
    assert math.copysign(1, check_number("x", -0.0, low=0)) == 1


def test_a_count_is_one_that_a_float_holds():
    assert check_count("n", 2**53) == 2**53
    with pytest.raises(RangeError, match="n is .*at most 9007199254740992"):
        check_count("n", 2**53 + 1)


@pytest.mark.parametrize(("path", "error", "message"), [("a\ud800", RangeError, "letters that no file's name has"), ("a\0b", RangeError, "the letter NUL"),
                                                        (b"bytes", DtypeError, "a path or a text"), (3, DtypeError, "a path or a text")])
def test_what_can_be_no_path_is_refused(path, error, message):
    with pytest.raises(error, match=message):
        check_path("path", path)


def test_a_value_is_shown_if_its_text_has_at_most_forty_letters():
    assert describe("a" * 38) == f"str '{'a' * 38}'" and describe("a" * 39) == "a str"
