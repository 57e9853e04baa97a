"""E17 against scipy, E18 against its formula, and the rotation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import zoom

from refsnn import DtypeError, Network, RangeError, ShapeError, downscale, encode
from refsnn.datasets import load
from refsnn.events import encode_events
from refsnn.spec import encoding
from refsnn.spec.encoding import cubic_b_spline, latency, pixel_bins, rotate
from refsnn.verify.strategies import generators


@pytest.mark.parametrize(("crop", "side"), [(2, 24), (0, 28)])
@given(rng=generators(), smooth=st.booleans())
def test_downscale_equals_scipy_zoom_bit_for_bit(crop, side, rng, smooth):
    images = rng.integers(0, 256, (5, 28, 28), np.uint8)
    if smooth:  # strokes on a black ground, as digits are
        images[rng.random(images.shape) < 0.7] = 0
    expected = [zoom(image[crop:crop + side, crop:crop + side], 16 / side, order=3) for image in images]
    np.testing.assert_array_equal(downscale(images, crop), expected)


def test_downscale_crops_two_pixels_unless_told_and_gives_any_size_from_2_to_1024():
    images = np.random.default_rng(0).integers(0, 256, (1, 28, 28), np.uint8)
    np.testing.assert_array_equal(downscale(images), downscale(images, 2))
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    for size in (2, 1024):
        np.testing.assert_array_equal(downscale(images, 0, size)[:, [0, 0, -1, -1], [0, -1, 0, -1]], corners)


def test_a_white_pixel_spikes_first_and_the_code_shifts_by_a_constant():
    assert latency(np.array(1.0)) == 8e-6 * np.log(1 / 0.8)
    images = np.array([[[255, 200]], [[200, 150]]], np.uint8)
    together, alone = encode(images), encode(images[1:])
    assert together[0, 0, 0] == 1
    np.testing.assert_array_equal(together[:, 1:], alone)


@pytest.mark.parametrize("pixel", range(256))
def test_the_bin_of_a_pixel_is_the_floor_of_its_latency(pixel):
    x = encode(np.full((1, 1, 1), pixel, np.uint8), steps=200)
    intensity = pixel / 255
    if pixel <= 51:                 # 51 / 255 = 0.2: the integrator reaches the threshold after infinite time
        assert x.sum() == 0
    else:
        t = 8e-6 * (np.log(intensity / (intensity - 0.2)) - np.log(1 / 0.8))
        assert x.sum() == 1 and x[int(np.floor(t / 1.7e-6 + 1e-12)), 0, 0] == 1


def test_the_fewest_and_the_most_steps():
    images = np.array([[[255, 60, 0]]], np.uint8)
    np.testing.assert_array_equal(encode(images, steps=2)[:, 0], [[1, 0, 0], [0, 0, 0]])
    assert pixel_bins(images, 2**24, 1.7e-6, 8e-6, np.float64).tolist() == [[0, 7, 2**24]]
    with pytest.raises(RangeError, match="steps is 16777217"):
        pixel_bins(images, 2**24 + 1, 1.7e-6, 8e-6, np.float64)


def test_an_input_larger_than_any_memory_is_refused(monkeypatch):
    with pytest.raises(RangeError, match="16777216 steps of 129 pixels are more than 1,073,741,824"):
        encode(np.zeros((1, 3, 43), np.uint8), steps=2**24)
    monkeypatch.setattr(encoding, "LARGEST_INPUT", 24)
    assert encode(np.zeros((2, 2, 2), np.uint8), steps=3).shape == (3, 2, 4)
    with pytest.raises(RangeError, match="4 steps of 8 pixels are more than 24"):
        encode(np.zeros((2, 2, 2), np.uint8), steps=4)


def test_late_spikes_are_dropped():
    dim = np.full((1, 1, 1), 60, np.uint8)              # bin 7
    assert encode(dim, steps=8).sum() == 1
    assert encode(dim, steps=7).sum() == 0


@given(generators(), st.sampled_from([np.float32, np.float64]))
def test_encode_gives_at_most_one_spike_a_pixel_in_the_dtype_asked_for(rng, dtype):
    images = rng.integers(0, 256, (4, 5, 6), np.uint8)
    x = encode(images, dtype=dtype)
    assert x.shape == (20, 4, 30) and x.dtype == dtype
    assert set(np.unique(x)) <= {0.0, 1.0} and x.sum(axis=0).max() <= 1


def test_the_sample_has_56_input_spikes_an_image():
    x = encode(load("sample").train_images[:2000], dtype=np.float32)
    assert abs(x.sum() / 2000 - 56.4) < 1.5  # 56.4 over the whole training set; std of this mean is 0.4


def test_rotation_by_quarter_turns_is_exact():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    for turns in range(4):
        turned = rotate(images, np.full(3, 90.0 * turns))
        np.testing.assert_array_equal(turned, np.rot90(images, turns, axes=(1, 2)))


def test_rotation_fills_with_zero_and_takes_the_nearest_pixel():
    images = np.full((1, 16, 16), 9, np.uint8)
    turned = rotate(images, np.array([45.0]))
    assert turned[0, 0, 0] == 0 and turned[0, 8, 8] == 9
    assert set(np.unique(turned)) == {0, 9}


@given(generators(), st.integers(1, 6), st.integers(1, 6))
def test_every_pixel_of_a_rotated_image_is_the_nearest_of_the_original_or_zero(rng, H, W):
    image, angle = rng.integers(1, 256, (H, W), np.uint8), float(rng.uniform(-180, 180))
    down, right = rng.uniform(-1, 1, 2)
    turned = rotate(image[None], np.array([angle]), np.array([[down, right]]))[0]
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    for i in range(H):
        for j in range(W):
            y, x = i - (H - 1) / 2 - down, j - (W - 1) / 2 - right
            row, column = s * x + c * y + (H - 1) / 2, c * x - s * y + (W - 1) / 2
            if abs(row % 1 - 0.5) > 1e-9 and abs(column % 1 - 0.5) > 1e-9:       # not half-way between two pixels
                row, column = round(row), round(column)
                assert turned[i, j] == (image[row, column] if 0 <= row < H and 0 <= column < W else 0)


def test_half_way_between_two_pixels_the_even_one_is_taken():
    row = np.arange(1, 6, dtype=np.uint8).reshape(1, 1, 5)
    for images, shift in ((row, [0.0, 0.5]), (row.swapaxes(1, 2), [0.5, 0.0])):
        assert rotate(images, np.zeros(1), np.array([shift])).ravel().tolist() == [1, 1, 3, 3, 5]


def test_the_pieces_of_the_spline_meet_at_one():
    assert cubic_b_spline(1.0) == cubic_b_spline(-1) == 1 / 6            # by the outer piece; the inner one is off by a rounding
    assert cubic_b_spline(0.0) == 2 / 3 and cubic_b_spline(2.0) == 0


def test_an_image_is_moved_after_it_was_turned():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 1, 2] = 9                                                  # above the centre: a quarter turn takes it to its left
    moved = rotate(image, np.array([90.0]), np.array([[1.0, 2.0]]))     # and then it goes one down, two to the right
    assert np.argwhere(moved[0]).tolist() == [[3, 3]]
    gone = rotate(image, np.zeros(1), np.array([[-2.0, 0.0]]))
    assert not gone.any()


def test_images_turn_by_their_own_angles():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16), np.uint8)
    both = rotate(images, np.array([10.0, -7.0]))
    np.testing.assert_array_equal(both[1:], rotate(images[1:], np.array([-7.0])))


@pytest.mark.parametrize(("function", "arguments", "error", "message"), [
    (encode, (np.zeros((2, 4), np.uint8),), ShapeError, "3 axes"),
    (encode, (np.zeros((2, 4, 4)),), DtypeError, "uint8"),
    (encode, ([[[1]]],), DtypeError, "numpy array"),
    (encode, (np.zeros((0, 4, 4), np.uint8),), ShapeError, "empty"),
    (encode, (np.zeros((1, 4, 4), np.uint8), 1), RangeError, "steps is 1"),
    (encode, (np.zeros((1, 4, 4), np.uint8), 20, 0.0), RangeError, "dt"),
    (encode, (np.zeros((1, 4, 4), np.uint8), 20, 1e-6, 0.0), RangeError, "tau_in"),
    (encode, (np.zeros((1, 4, 4), np.uint8), 20, 1e-6, 1e-6, np.int64), DtypeError, "int64"),
    (encode, (np.zeros((1, 4, 4), np.uint8), 20, 1e-6, 1e-6, None), DtypeError, "None"),
    (downscale, (np.zeros((1, 28, 20), np.uint8),), ShapeError, "square"),
    (downscale, (np.zeros((1, 7, 7), np.uint8),), ShapeError, "4 pixels"),
    (downscale, (np.zeros((1, 28, 28), np.uint8), -1), RangeError, "crop"),
    (downscale, (np.zeros((1, 28, 28), np.uint8), 2, 1), RangeError, "size is 1"),
    (downscale, (np.zeros((1, 28, 28), np.uint8), 2, 1025), RangeError, "size is 1025"),
    (rotate, (np.zeros((2, 4, 4)), np.zeros(2)), DtypeError, "uint8"),
    (rotate, (np.zeros((2, 4, 4), np.uint8), np.zeros(3)), ShapeError, "2 images"),
    (rotate, (np.zeros((1, 4, 4), np.uint8), np.array([np.nan])), RangeError, "NaN"),
    (rotate, (np.zeros((1, 4, 4), np.uint8), np.zeros(1), np.zeros((2, 2))), ShapeError, "shifts"),
    (rotate, (np.zeros((1, 4, 4), np.uint8), np.zeros(1), np.full((1, 2), np.nan)), RangeError, "shifts"),
])
def test_bad_input_is_named(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


@pytest.mark.parametrize("far", [1e19, -1e19, 1e300])
def test_an_image_that_is_moved_out_of_sight_is_black(far):
    images = np.full((1, 5, 5), 9, np.uint8)
    with np.errstate(all="raise"):
        for shift in ([far, 0.0], [0.0, far], [far, far]):
            assert not rotate(images, np.array([30.0]), np.array([shift])).any()
    row = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 9)
    assert rotate(row, np.zeros(1), np.array([[0.0, 8.0]]))[0, 0].tolist() == [0] * 8 + [1]
    assert rotate(row, np.zeros(1), np.array([[0.0, -8.0]]))[0, 0].tolist() == [9] + [0] * 8


def test_small_integers_are_counted_with_as_integers():
    images = np.full((3, 16, 16), 255, np.uint8)
    np.testing.assert_array_equal(encode(images, steps=np.uint8(200)), encode(images, steps=200))
    events = encode_events(images, steps=np.int8(100))
    assert events.shape == (100, 3, 256) and len(events.pointers) == 301
    with pytest.raises(ShapeError, match="crop=127"):
        downscale(np.zeros((1, 250, 250), np.uint8), np.uint8(127))
    one, other = (Network.initialise(np.random.default_rng(0), (kind(16), kind(5), kind(2))) for kind in (int, np.int8))
    np.testing.assert_array_equal(one.layers[0].W, other.layers[0].W)


def test_a_long_list_of_events_is_refused_as_a_dense_input_is(monkeypatch):
    with pytest.raises(RangeError, match="16777216 steps of 65 images are more than 1,073,741,824 rows"):
        encode_events(np.zeros((65, 1, 1), np.uint8), steps=2**24)
    monkeypatch.setattr(encoding, "LARGEST_INPUT", 24)
    assert encode_events(np.full((8, 5, 5), 255, np.uint8), steps=3).shape == (3, 8, 25)
    with pytest.raises(RangeError, match="4 steps of 8 images are more than 24 rows"):
        encode_events(np.zeros((8, 5, 5), np.uint8), steps=4)
