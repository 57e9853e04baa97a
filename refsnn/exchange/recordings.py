"""Traces from anywhere: an .npz that loss_and_gradient's trace is read from, and spikes as lists of events.

A recording is one .npz file (numpy.savez; nothing in it is unpickled). For every layer l = 0, 1, .. of the network, the last being the readout:

    array                           shape     unit     what
    V{l}                            (T,B,N)   theta    membranes, float; of a spiking layer V[k], the last sample before a spike in bin k
    S{l}                            (T,B,N)   0 or 1   spikes of bin k, in the dtype of V; none for the readout
      or, in the place of S{l}, as hardware and simulators list them, in any order:
    times{l}, units{l}, samples{l}  (E,)      s, 1, 1  float64, integer, integer: when, which neuron, which sample of the batch
    dt                              ()        s        length of a bin, where there are lists

Time 0 of every sample is the time of its bin 0; an input spike of x[k] is given to the hardware at k dt, and V[k] is sampled at k dt. Membranes
are counted from the leak, in units in which the nominal threshold is NeuronParameters.threshold: volts are brought here as (V - V_leak) /
(V_threshold - V_leak).
"""

import numpy as np

from refsnn.errors import (DataError, DtypeError, RangeError, ShapeError, check_binary, check_count, check_float_array, check_number,
                           check_same_dtype, check_type, describe)
from refsnn.files import damage_is_data_error, npz_bytes, read_npz, refuse_special, write_atomically
from refsnn.spec.trace import Trace

EDGE = 1e-6          # of a bin: a time so little before k dt is k dt, which as a float64 may lie below itself; a float32 by more, from bin 16 on
LISTS = ("times", "units", "samples")


def bin_events(times: np.ndarray, units: np.ndarray, samples: np.ndarray, shape: tuple[int, int, int], dt: float,
               dtype=np.float64) -> np.ndarray:
    """Spikes (T, B, N) from a list of events: a spike in [k dt, (k + 1) dt) goes to bin k, at most one per bin. SPEC C6.

    times (E,) float64, seconds; units, samples (E,) integers below N and B; shape (T, B, N); dtype float32 or float64, of S. Events after the end,
    from T dt on, are left out, as a chip's are; a time before 0 is an error. Times that were float32 once and are float64 now cannot be told: one
    that was k dt may be in bin k - 1. Raises ShapeError, DtypeError, RangeError.

    >>> bin_events(np.array([0.5, 2.25, 2.5]), np.array([0, 1, 1]), np.array([0, 0, 0]), (3, 1, 2), dt=1.0)[:, 0].tolist()
    [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(shape, (list, tuple)) or len(shape) != 3:
        raise ShapeError(f"shape is {describe(shape)}; it must be (T, B, N)")
    T, B, N = (check_count("a size of the shape", size) for size in shape)
    dt = check_number("dt", dt, low=0, strict=True)
    check_events(times, units, samples, B, N)
    S = no_spikes((T, B, N), dtype)                                               # (T, B, N)
    with np.errstate(over="ignore"):                                              # beyond all bins: infinite
        bins = np.floor(times / dt + EDGE)                                        # (E,)
    if len(bins) and bins.min() < 0:
        first = times.argmin()
        raise RangeError(f"times[{first}] is {times[first]:g} s, before the sample's bin 0")
    kept = bins < T
    S[bins[kept].astype(int), samples[kept], units[kept]] = 1
    return S


def no_spikes(shape, dtype):
    """Zeros (T, B, N). Raises DtypeError, and RangeError where they do not fit into memory."""
    if not isinstance(dtype, (type, np.dtype)) or dtype not in (float, np.float32, np.float64):
        raise DtypeError(f"dtype is {describe(dtype)}; spikes are numpy.float32 or numpy.float64, as the membranes")
    try:
        return np.zeros(shape, dtype)
    except (MemoryError, ValueError) as error:                                    # ValueError: more bytes than a number of bytes can be
        raise RangeError(f"spikes of shape {shape} do not fit into memory") from error


def check_events(times, units, samples, B, N):
    """Raise unless these are three lists (E,) of one length, E = 0 allowed: finite float64, integers below N, integers below B."""
    for name, array in (("times", times), ("units", units), ("samples", samples)):
        check_type(name, array, np.ndarray)
        if name == "times" and array.dtype != np.float64:
            raise DtypeError(f"times have dtype {array.dtype}; they must be float64, because a float32 of k dt may lie in bin k - 1")
        if name != "times" and array.dtype.kind not in "iu":
            raise DtypeError(f"{name} have dtype {array.dtype}; they must be integers")
        if array.ndim != 1 or len(array) != len(times):
            raise ShapeError(f"{name} has shape {array.shape} but there are {np.shape(times)} times; all must be (E,)")
    if not np.isfinite(times).all():
        raise RangeError(f"times hold {np.count_nonzero(~np.isfinite(times))} values that are NaN or infinite")
    for name, array, size in (("units", units, N), ("samples", samples, B)):
        if len(array) and (array.min() < 0 or array.max() >= size):
            raise RangeError(f"{name} run from {array.min()} to {array.max()}; they must lie in 0..{size - 1}")


def list_events(S: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, units, samples) of spikes (T, B, N): those of bin k at k dt, ordered by time. How an input x is given to hardware. SPEC C6.

    >>> [array.tolist() for array in list_events(np.array([[[0.0]], [[1.0]]]), dt=0.5)]
    [[0.5], [0], [0]]
    """
    check_float_array("S", S, 3)
    check_binary("S", S)
    dt = check_number("dt", dt, low=0, high=1e200, strict=True)
    bins, samples, units = np.nonzero(S)
    return bins * dt, units, samples


def save_trace(path, trace: tuple[Trace, ...]) -> None:
    """Write a trace, a tuple with one Trace a layer, as a recording: V{l}, and S{l} but for the last. Whole or not at all.

    Raises ShapeError, DtypeError, RangeError.
    """
    if not isinstance(trace, (list, tuple)) or not trace:
        raise DtypeError(f"trace is {describe(trace)}; it must be a tuple with one Trace a layer")
    for l, recorded in enumerate(trace):
        check_type(f"trace[{l}]", recorded, Trace)
    check_layers(trace)
    arrays: dict = {f"V{l}": recorded.membrane for l, recorded in enumerate(trace)}
    arrays |= {f"S{l}": recorded.spikes for l, recorded in enumerate(trace[:-1])}
    write_atomically(path, npz_bytes(arrays))


def check_layers(trace):
    """Raise unless all layers have the same T, B and dtype, and all but the last have spikes, of the shape of their membranes."""
    for l, recorded in enumerate(trace):
        V, S = recorded.membrane, recorded.spikes
        check_float_array(f"V{l}", V, 3)
        check_same_dtype(f"V{l}", V, trace[0].membrane.dtype, "the membranes V0")
        if V.shape[:2] != trace[0].membrane.shape[:2]:
            raise ShapeError(f"V{l} has shape {V.shape} but V0 has shape {trace[0].membrane.shape}: all layers have the same T and B")
        if S is not None:
            check_float_array(f"S{l}", S, 3)
            check_same_dtype(f"S{l}", S, V.dtype, f"the membranes V{l}")
            check_binary(f"S{l}", S)
            if S.shape != V.shape:
                raise ShapeError(f"S{l} has shape {S.shape} but V{l} has shape {V.shape}")
        if (S is None) != (l == len(trace) - 1):
            raise ShapeError(f"layer {l} has no spikes; only the last of {len(trace)} layers, the readout, has none" if S is None else
                             f"layer {l} has spikes, but it is the last of {len(trace)} layers, the readout")


def load_trace(path) -> tuple[Trace, ...]:
    """The trace of a recording, as the head of this file lays it out: a tuple with one Trace a layer, ready for loss_and_gradient.

    Raises DataError, with the path, for whatever is wrong with the file; OSError where there is none.
    """
    refuse_special(path)
    with open(path, "rb") as file, damage_is_data_error(path):
        try:
            arrays = read_npz(file)
        except DtypeError as error:                                               # it knows nothing of recordings
            raise DtypeError(f"{error}; V and S of a recording hold floats") from None
        count = sum(name.startswith("V") for name in arrays)
        if not count or any(f"V{l}" not in arrays for l in range(count)):
            raise DataError(f"it holds {', '.join(arrays) or 'nothing'}; a recording holds V0, V1, .. of all layers")
        trace = tuple(layer_of(arrays, l) for l in range(count))
        check_layers(trace)
        left = set(arrays) - {"dt"}
        if left:
            raise DataError(f"it holds {min(left)}, which is no array of a recording of {count} layers")
        return trace


def layer_of(arrays, l):
    """The Trace of layer l; what belongs to it is taken out of `arrays`."""
    V = arrays.pop(f"V{l}")
    lists = [arrays.pop(f"{name}{l}") for name in LISTS if f"{name}{l}" in arrays]
    S = arrays.pop(f"S{l}", None)
    if S is not None and lists:
        raise DataError(f"it holds both S{l} and a list of events of layer {l}")
    if lists:
        if len(lists) != len(LISTS) or "dt" not in arrays:
            raise DataError(f"the events of layer {l} need times{l}, units{l}, samples{l} and dt")
        check_float_array(f"V{l}", V, 3)
        if arrays["dt"].shape != ():
            raise ShapeError(f"dt has shape {arrays['dt'].shape}; it must be one number, ()")
        S = bin_events(*lists, V.shape, float(arrays["dt"]), V.dtype)
    return Trace(V, S)
