"""Recordings: traces to files and back to the bit, lists of events in bins as a chip's, and damaged files as one line."""

import io

import numpy as np
import pytest

from refsnn import DataError, DtypeError, Network, RangeError, ShapeError, forward, loss_and_gradient
from refsnn.exchange.recordings import bin_events, list_events, load_trace, save_trace
from refsnn.files import npz_bytes

RNG = np.random.default_rng(0)
NET = Network.initialise(RNG, (4, 6, 3))
X = (RNG.random((12, 5, 4)) < 0.5).astype(float)
TRACE = forward(Network(tuple(NET.layers)).with_parameters([8 * NET.layers[0].W, NET.layers[1].W]), X)
DT = NET.layers[0].neuron.dt


def test_a_trace_comes_back_from_its_file_to_the_bit(tmp_path):
    save_trace(tmp_path / "trace.npz", TRACE)
    back = load_trace(tmp_path / "trace.npz")
    assert TRACE[0].spikes.sum() > 5
    for own, read in zip(TRACE, back, strict=True):
        assert (own.membrane == read.membrane).all()
        assert (own.spikes is None) == (read.spikes is None) and (own.spikes is None or (own.spikes == read.spikes).all())


def test_a_recording_with_events_gives_the_gradient_of_the_trace_that_it_holds(tmp_path):
    times, units, samples = list_events(TRACE[0].spikes, DT)
    order = RNG.permutation(len(times))
    lists = {"times0": times[order] + 0.3 * DT, "units0": units[order], "samples0": samples[order].astype(np.int32)}
    np.savez(tmp_path / "recording.npz", V0=TRACE[0].membrane, V1=TRACE[1].membrane, dt=DT, **lists)
    labels = np.arange(5) % 3
    one, other = (loss_and_gradient(NET, X, labels, trace)[1] for trace in (TRACE, load_trace(tmp_path / "recording.npz")))
    assert all((a.W == b.W).all() for a, b in zip(one, other)) and np.abs(one[0].W).max() > 0


def test_every_bin_edge_goes_to_its_own_bin_whatever_the_rounding_of_k_dt():
    k = np.arange(1000)
    for dt in (1.7e-6, 1e-3, 0.1):
        times = np.concatenate([k * dt, np.cumsum(np.full(1000, dt)) - dt])              # both ways to come to k dt
        S = bin_events(times, np.repeat([0, 1], 1000), np.zeros(2000, int), (1000, 1, 2), dt)
        assert S.all()


def test_a_bin_holds_one_spike_at_most_and_the_end_is_the_end():
    times = np.array([0.1, 0.9, 1.0, 3.0, 99.0])
    S = bin_events(times, np.zeros(5, int), np.zeros(5, int), (3, 1, 1), 1.0, np.float32)
    assert S[:, 0, 0].tolist() == [1, 1, 0] and S.dtype == np.float32


def test_no_events_are_no_spikes():
    none = np.zeros(0), np.zeros(0, int), np.zeros(0, int)
    assert not bin_events(*none, (3, 1, 2), 1.0).any()


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"times": np.array([-0.5])}, RangeError, "before the sample's bin 0"),
    ({"times": np.array([np.nan])}, RangeError, "NaN"),
    ({"times": np.array([1])}, DtypeError, "floats"),
    ({"units": np.array([0.0])}, DtypeError, "integers"),
    ({"units": np.array([2])}, RangeError, r"from 2 to 2; they must lie in 0..1"),
    ({"samples": np.array([-1])}, RangeError, "must lie in 0..0"),
    ({"samples": np.array([0, 0])}, ShapeError, r"samples has shape \(2,\)"),
])
def test_events_that_fit_nothing_are_refused(changes, error, message):
    given = {"times": np.array([0.5]), "units": np.array([1]), "samples": np.array([0]), **changes}
    with pytest.raises(error, match=message):
        bin_events(*given.values(), (3, 1, 2), 1.0)


V = np.zeros((3, 2, 4))


@pytest.mark.parametrize(("arrays", "message"), [
    ({}, "it holds nothing"),
    ({"V1": V}, "holds V0, V1"),
    ({"V0": V, "S0": V + 2}, "0 and 1 only"),
    ({"V0": V, "S0": V[:2]}, "shape"),
    ({"V0": V, "S0": V.astype(np.float32)}, "float32"),
    ({"V0": V, "S0": V, "times0": np.zeros(1)}, "both S0 and a list"),
    ({"V0": V, "times0": np.zeros(1), "units0": np.zeros(1, int), "samples0": np.zeros(1, int)}, "and dt"),
    ({"V0": V, "times0": np.zeros(1), "dt": np.ones(())}, "units0"),
    ({"V0": V, "W0": V}, "W0"),
    ({"V0": V * np.nan}, "NaN"),
])
def test_a_file_that_is_no_recording_is_a_data_error_that_names_it(tmp_path, arrays, message):
    (tmp_path / "recording.npz").write_bytes(npz_bytes(arrays))
    with pytest.raises(DataError, match=f"recording.npz.*{message}"):
        load_trace(tmp_path / "recording.npz")


def test_a_file_with_pickles_or_cut_short_is_a_data_error(tmp_path):
    content = io.BytesIO()
    np.savez(content, V0=np.array([{}], object))
    for data in (content.getvalue(), npz_bytes({"V0": V})[:-30], b""):
        (tmp_path / "recording.npz").write_bytes(data)
        with pytest.raises(DataError, match="recording.npz"):
            load_trace(tmp_path / "recording.npz")
