"""Recordings: traces to files and back to the bit, lists of events in bins as a chip's, and damaged files as one line."""

import io

import numpy as np
import pytest

from refsnn import DataError, DtypeError, Network, RangeError, ShapeError, Trace, forward, loss_and_gradient
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


def test_a_float32_time_at_every_bin_edge_is_refused_because_it_would_land_in_the_bin_below():
    times = (np.arange(1000) * 1.7e-6).astype(np.float32)
    units, samples = np.zeros(1000, int), np.zeros(1000, int)
    with pytest.raises(DtypeError, match="float32; they must be float64"):
        bin_events(times, units, samples, (1000, 1, 1), 1.7e-6)
    assert not bin_events(times.astype(float), units, samples, (1000, 1, 1), 1.7e-6).all()              # what the cast hides, and the docstring says


def test_a_time_beyond_all_floats_of_bins_is_after_the_end():
    assert not bin_events(np.array([1e300]), np.array([0]), np.array([0]), (3, 1, 1), 1e-300).any()


@pytest.mark.parametrize(("shape", "dtype", "error", "message"), [
    (None, float, ShapeError, "shape is NoneType None"),
    ((3, 1), float, ShapeError, r"\(3, 1\); it must be \(T, B, N\)"),
    ((3, 1, 0), float, RangeError, "at least 1"),
    ((2**50, 2**5, 2**5), float, RangeError, "do not fit into memory"),                                  # 2**63 bytes
    ((2**50, 1, 1), float, RangeError, "do not fit into memory"),                                        # 8 PiB, more than an address space
    ((3, 1, 2), str, DtypeError, "dtype is"),
    ((3, 1, 2), None, DtypeError, "dtype is NoneType None"),
    ((3, 1, 2), int, DtypeError, "numpy.float32 or numpy.float64"),
])
def test_a_shape_or_a_dtype_that_no_spikes_have_is_refused(shape, dtype, error, message):
    with pytest.raises(error, match=message):
        bin_events(np.array([0.5]), np.array([0]), np.array([0]), shape, 1.0, dtype)


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
    ({"times": np.array([1])}, DtypeError, "int64; they must be float64"),
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
EVENTS = {"times0": np.zeros(1), "units0": np.zeros(1, int), "samples0": np.zeros(1, int)}


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
    ({"V0": V, "S0": V}, "layer 0 has spikes, but it is the last of 1"),
    ({"V0": V, "V1": V}, "layer 0 has no spikes; only the last of 2"),
    ({"V0": V, "S0": V, "V1": V[:2]}, "V1 has shape .* same T and B"),
    ({"V0": V, "S0": V, "V1": V[:, :1]}, "V1 has shape .* same T and B"),
    ({"V0": V, "S0": V, "V1": V.astype(np.float32)}, "V1 is float32 but the membranes V0 are float64"),
    ({"V0": V, "S0": V > 0, "V1": V}, "S0 has dtype bool; .* V and S of a recording hold floats"),
    ({"V0": V, "S0": V.astype(int), "V1": V}, "S0 has dtype int64; it must be float32 or float64"),
    ({"V0": V[0], **EVENTS, "dt": np.ones(())}, "V0 has shape .* 3 axes"),
    ({"V0": V, **EVENTS, "dt": np.ones(2)}, r"dt has shape \(2,\)"),
    ({"V0": V, **EVENTS, "times0": np.zeros(1, np.float32), "dt": np.ones(())}, "times have dtype float32"),
])
def test_a_file_that_is_no_recording_is_a_data_error_that_names_it(tmp_path, arrays, message):
    (tmp_path / "recording.npz").write_bytes(npz_bytes(arrays))
    with pytest.raises(DataError, match=f"recording.npz.*{message}"):
        load_trace(tmp_path / "recording.npz")


@pytest.mark.parametrize(("trace", "error", "message"), [
    ((Trace(V, V + 2), Trace(V)), RangeError, "0 and 1 only"),
    ((Trace(V, V[:2]), Trace(V)), ShapeError, "S0 has shape"),
    ((Trace(V, V), Trace(V, V)), ShapeError, "layer 1 has spikes"),
    ((Trace(V), Trace(V)), ShapeError, "layer 0 has no spikes"),
    ((Trace(V, V), Trace(V[:2])), ShapeError, "same T and B"),
    ((Trace(V, V), Trace(V.astype(np.float32))), DtypeError, "V1 is float32"),
    ((), DtypeError, "tuple with one Trace a layer"),
])
def test_a_trace_that_is_no_recording_is_refused_and_nothing_is_written(tmp_path, trace, error, message):
    with pytest.raises(error, match=message):
        save_trace(tmp_path / "trace.npz", trace)
    assert not list(tmp_path.iterdir())


def test_a_file_with_pickles_or_cut_short_is_a_data_error(tmp_path):
    content = io.BytesIO()
    np.savez(content, V0=np.array([{}], object))
    for data in (content.getvalue(), npz_bytes({"V0": V})[:-30], b""):
        (tmp_path / "recording.npz").write_bytes(data)
        with pytest.raises(DataError, match="recording.npz"):
            load_trace(tmp_path / "recording.npz")
