"""Speech as spikes: the channels and times of SHD, the encoding of MFCCs, and files that are not what they say."""

import sys

import numpy as np
import pytest
from small_files import digits_file, mfcc_of

from refsnn import DataError, speech


def test_shd_keeps_every_ninth_channel_after_the_first_70_two_thousand_times_as_fast():
    units = np.arange(700)
    x = speech.select_channels(np.full(700, 0.0340001), units)           # 17 us: ten time steps
    assert x.shape == (300, 70) and x.sum() == 70 and x[10].all()
    for channel, unit in enumerate(range(70, 700, 9)):
        alone = speech.select_channels(np.array([0.0]), np.array([unit]))
        assert np.argwhere(alone).tolist() == [[0, channel]]
    late = speech.select_channels(np.array([300.5, 299.5]) * 1.7e-6 * 2000, np.array([70, 70]))
    assert np.argwhere(late).tolist() == [[299, 0]]                      # what comes after the last time step is dropped
    with pytest.raises(DataError, match="699"):
        speech.select_channels(np.array([0.0]), np.array([700]))


def test_the_spectrum_is_the_inverse_of_the_cosine_transform():
    u = (np.arange(70) + 0.5) / 70
    S = -20 + 10 * np.cos(np.pi * 3 * u) - 4 * np.cos(np.pi * 11 * u)
    np.testing.assert_allclose(speech.spectrum(mfcc_of(S))[0], S, rtol=0, atol=1e-10)


def test_a_channel_spikes_where_and_as_often_as_its_level_says():
    S = np.where(np.arange(70) < 35, 0.0, -80.0)
    c = np.repeat(mfcc_of(S), 20, axis=0)
    x, level = speech.encode_mfcc(c), speech.levels(speech.spectrum(c))[0]
    quiet, loud = level < 0.2, level > 0.9
    assert quiet.any() and not x[:, quiet].any()                         # a leaky integrator below its threshold never gets there
    # the interval of a level L is -tau_in ln(1 - 0.2 / L), in whole steps and not less
    expected = np.ceil(-speech.TAU_IN * np.log(1 - 0.2 / level[loud]) / speech.DT)
    for channel, interval in zip(np.flatnonzero(loud), expected):
        assert set(np.diff(np.flatnonzero(x[:int(19.5 * speech.FRAME / 2000 / 1.7e-6), channel]))) == {interval}


def test_a_recording_is_silent_after_its_last_frame_and_its_loudness_does_not_matter():
    c = np.repeat(mfcc_of(np.linspace(0, -40, 70)), 8, axis=0)
    x = speech.encode_mfcc(c)
    last = np.flatnonzero(x.any(axis=1)).max()
    end = 8 * speech.FRAME / speech.ACCELERATION / speech.DT             # 54.6 time steps
    assert end - 8 < last < end
    louder = c + np.eye(13)[0] * 30 * np.sqrt(128)                       # by 30 dB
    np.testing.assert_array_equal(speech.encode_mfcc(louder), x)


def test_levels_count_from_the_loudest_place_of_the_whole_recording():
    S = np.zeros((3, 70))
    S[1], S[2, 5] = -20, -50
    level = speech.levels(S)
    np.testing.assert_allclose(level[:2], np.repeat([[1.0], [0.5]], 70, axis=1))
    assert level[2, 5] == 0


def test_the_digits_are_split_into_training_and_the_last_for_testing(tmp_path, monkeypatch):
    spoken = speech.load(digits_file(tmp_path / "digits.npz", monkeypatch))
    assert spoken.train_spikes.shape == (30, 200, 70) and spoken.test_spikes.shape == (10, 200, 70)
    assert spoken.train_labels.tolist() + spoken.test_labels.tolist() == [0, 1] * 20
    low, high = (spoken.train_spikes[spoken.train_labels == label].sum(axis=(0, 1)) for label in (0, 1))
    assert low.argmax() < 35 < high.argmax()
    assert speech.load(str(tmp_path)).name == "digits"                   # the folder that the script writes to


def test_files_that_are_missing_or_not_what_they_say_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="fetch_digits"):
        speech.load("sample")
    path = digits_file(tmp_path / "digits.npz", monkeypatch)
    with open(path, "ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="sha256"):
        speech.load(path)


def write_shd(path, times, units, labels):
    """An HDF5 file of the form of SHD."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["labels"] = np.asarray(labels, np.uint16)
        for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            data = file.create_dataset(f"spikes/{name}", (len(values),), dtype=h5py.vlen_dtype(kind))
            for index, value in enumerate(values):
                data[index] = np.asarray(value, kind)


def test_the_hdf5_files_of_shd_are_read(tmp_path):
    write_shd(tmp_path / "shd_train.h5", [[0.0, 0.25], [0.5]], [[70, 79], [699]], [3, 19])
    write_shd(tmp_path / "shd_test.h5", [[0.0]], [[691]], [0])
    spoken = speech.load(str(tmp_path))
    assert spoken.name == "shd" and spoken.train_labels.tolist() == [3, 19] and spoken.test_labels.tolist() == [0]
    # 0.25 s are 125 us, 73.5 time steps; channel 699 is none of the 70, 691 the last
    assert np.argwhere(spoken.train_spikes).tolist() == [[0, 0, 0], [0, 73, 1]] and np.argwhere(spoken.test_spikes).tolist() == [[0, 0, 69]]


def test_a_damaged_hdf5_file_is_named(tmp_path):
    pytest.importorskip("h5py")
    for file in speech.SHD_FILES:
        (tmp_path / file).write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="shd_train.h5"):
        speech.load(str(tmp_path))


def test_without_h5py_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "shd_train.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"refsnn\[speech\]"):
        speech.load(str(tmp_path))
