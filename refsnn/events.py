"""Spikes as lists of events, their products with weights, and what the allocator is told: what the fast forms share.

Works with numpy alone; with scipy the products are sparse, and faster by an order of magnitude.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from refsnn.errors import DtypeError, RangeError, RefsnnError, ShapeError, check_array, check_count, check_float_dtype, check_type, describe
from refsnn.spec.encoding import LARGEST_INPUT, pixel_bins
from refsnn.spec.network import Network, check_input

SLICE = 2**17    # bytes of one (b, N) array: five of them and the weights fit into 1 MB of cache

# An array of megabytes is given back to the operating system when it is dropped, and getting a new one costs more than a pass over it: every page is
# mapped and zeroed anew. The allocator of glibc stops doing so up to the size of the largest array that it has seen dropped, if that is not over 32
# MB; so it is shown one, of which no page is ever touched. Elsewhere this does nothing.
np.empty(2**25 - 2**14, np.uint8)


def parts(B, N, dtype, bytes=SLICE, multiple=1):
    """Slices that cut a batch of B into equal parts with at most so many bytes of (b, N) each; a multiple of so many parts, if B allows."""
    count = min(B, multiple * -(-B * N * np.dtype(dtype).itemsize // (bytes * multiple)))
    edges = [B * i // count for i in range(count + 1)]
    return [slice(first, last) for first, last in zip(edges, edges[1:])]


@dataclass(frozen=True, eq=False)
class Events:
    """Binary spikes (T, B, M) as a list: where they lie, `indices` (E,), ascending and flat into (T, B, M); and the same by rows.

    A row is one sample in one time step: row t B + b has the columns[pointers[row]:pointers[row + 1]]. pointers (T B + 1,) and columns
    (E,) are int32; values (E,), all 1, has the dtype. Made by `of`, `listed` and encode_events, which see to all of this.
    """

    shape: tuple
    indices: np.ndarray
    pointers: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "Events | None":
        """The events of a dense x (T, B, M) of floats, or None where it holds anything but 0.0 and 1.0. Raises ShapeError, DtypeError."""
        check_array("x", x, 3)
        check_float_dtype(x.dtype, "the dtype of x")
        flat = np.ascontiguousarray(x).reshape(-1)
        bits = flat.view(f"u{x.itemsize}")           # compared as integers, which is faster and takes NaN for what it is
        indices = np.flatnonzero(np.not_equal(bits, 0, out=np.empty(bits.shape, bool)))
        return cls.listed(indices, x.shape, x.dtype) if (flat[indices] == 1).all() else None

    @classmethod
    def listed(cls, indices: np.ndarray, shape: tuple[int, int, int], dtype) -> "Events":
        """The events at ascending flat indices (E,) into (T, B, M). Raises ShapeError, DtypeError, RangeError."""
        T, B, M = shape = shape_of(shape)
        check_float_dtype(dtype)
        if not isinstance(indices, np.ndarray) or isinstance(indices, np.ma.MaskedArray) or indices.dtype.kind not in "iu" or indices.ndim != 1:
            raise DtypeError(f"indices are {describe(indices)}; they must be an array of integers with one axis")
        if len(indices) and (indices.min() < 0 or indices.max() >= T * B * M):
            raise RangeError(f"indices run from {indices.min()} to {indices.max()}; they must lie in 0..{T * B * M - 1}")
        indices = np.asarray(indices, np.int64)
        rows = indices // M                          # with `%` by hand below, in half the time of divmod
        pointers = np.zeros(T * B + 1, np.int32)
        np.cumsum(np.bincount(rows, minlength=T * B), out=pointers[1:])
        rows *= M
        columns = np.subtract(indices, rows, out=rows)
        return cls(shape, indices, pointers, columns.astype(np.int32), np.ones(len(indices), dtype))

    @cached_property
    def sound(self) -> bool:
        """Whether the lists belong together, as those of others need not: the sparse routines would read what is not theirs.

        If so, they are replaced by copies that cannot be written to: it stays so, but for one who goes out of his way.
        """
        if not all(isinstance(array, np.ndarray) for array in (self.indices, self.pointers, self.columns, self.values)):
            return False
        try:
            made = Events.listed(self.indices.copy(), self.shape, self.values.dtype)
        except RefsnnError:
            return False
        pairs = [(self.pointers, made.pointers), (self.columns, made.columns), (self.values, made.values)]
        same = self.shape == made.shape and all(one.dtype == other.dtype and np.array_equal(one, other) for one, other in pairs)
        if not same or not (made.indices[1:] > made.indices[:-1]).all():
            return False
        for name in ("indices", "pointers", "columns", "values"):
            array = getattr(made, name)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        return True

    def __getstate__(self):
        """What copies and pickles take along: not whether it is sound, for the arrays of a copy can be written to."""
        return {name: value for name, value in vars(self).items() if name != "sound"}

    def per_sample(self):
        """How often each unit spikes in each sample, sum over t: (B, M)."""
        _, B, M = self.shape
        return np.bincount(self.indices % (B * M), minlength=B * M).astype(self.values.dtype).reshape(B, M)

    def end(self):
        """The time step from which on there are no more of them."""
        return int(self.indices[-1]) // math.prod(self.shape[1:]) + 1 if len(self.indices) else 0

    def rows(self, t, samples):
        """The rows of some samples, a slice of the batch, in time step t: a slice of the T B rows."""
        first = t * self.shape[1]
        return slice(first + samples.start, first + samples.stop)

    def at(self, rows):
        """Where the spikes of some rows lie: flat indices into (n, M)."""
        return self.indices[self.pointers[rows.start]:self.pointers[rows.stop]] - rows.start * self.shape[2]

    def dense_rows(self, rows):
        """Some rows of x (T B, M), 0.0 or 1.0: (n, M)."""
        x = np.zeros((rows.stop - rows.start, self.shape[2]), self.values.dtype)
        x.reshape(-1)[self.at(rows)] = 1
        return x

    def add_product(self, rows, W, out):
        """Add x[rows] W to out (n, N), which lies in memory without gaps, as W (M, N) does; x (T B, M), rows: a slice. SPEC E1."""
        routines, pointers = sparse_routines(), self.pointers[rows.start:rows.stop + 1]
        if routines is None:
            out += self.dense_rows(rows) @ W
        elif pointers[0] < pointers[-1]:
            routines.csr_matvecs(len(out), *W.shape, pointers, self.columns, self.values, W.reshape(-1), out.reshape(-1))

    def add_outer(self, rows, lam, out):
        """Add x[rows]^T lam to out (M, N), which lies in memory without gaps, as lam (n, N) does; x (T B, M), rows: a slice. SPEC E10."""
        routines, pointers = sparse_routines(), self.pointers[rows.start:rows.stop + 1]
        if routines is None:
            out += self.dense_rows(rows).T @ lam
        elif pointers[0] < pointers[-1]:
            routines.csc_matvecs(len(out), *lam.shape, pointers, self.columns, self.values, lam.reshape(-1), out.reshape(-1))


def shape_of(shape):
    """(T, B, M) as plain integers. Raises ShapeError, DtypeError, RangeError."""
    if not isinstance(shape, (list, tuple)) or len(shape) != 3:
        raise ShapeError(f"shape is {describe(shape)}; it must be (T, B, M)")
    T, B, M = (check_count("a size of the shape", size) for size in shape)
    if T * B > LARGEST_INPUT:
        raise RangeError(f"{T} steps of {B} samples are more than {LARGEST_INPUT:,} rows")
    return T, B, M


def input_events(network, x, noise=None):
    """The input x (T, B, M) of a network, dense or Events already, as Events; checked as spec.network.check_input does.

    Most of that check falls out of making them. Raises ShapeError, DtypeError, RangeError.
    """
    check_type("network", network, Network)
    W = network.layers[0].W
    if isinstance(x, Events) and not x.sound:
        raise ShapeError("the lists of these Events do not belong together; Events.of and encode_events make them, Events.listed of ascending indices")
    fits = isinstance(x, (np.ndarray, Events)) and len(x.shape) == 3 and x.shape[0] > 1 and x.shape[1] > 0 and x.shape[2] == W.shape[0] and noise is None
    if isinstance(x, Events):
        if not (fits and x.values.dtype == W.dtype):
            check_input(network, np.broadcast_to(x.values.dtype.type(0), x.shape), noise)
        return x
    if fits and isinstance(x, np.ndarray) and x.dtype == W.dtype:
        events = Events.of(x)
        if events is not None:
            return events
    check_input(network, x, noise)
    return Events.of(np.abs(x))                      # a zero with a sign is a zero


def encode_events(images: np.ndarray, steps: int = 20, dt: float = 1.7e-6, tau_in: float = 8e-6, dtype=np.float64) -> Events:
    """spec.encoding.encode, as Events. SPEC E18."""
    bins = pixel_bins(images, steps, dt, tau_in, dtype)                          # (B, M)
    B, M = bins.shape
    spiking = np.flatnonzero(bins < steps)                                       # (E,) into (B, M)
    return Events.listed(np.sort(bins.reshape(-1)[spiking] * (B * M) + spiking), (int(steps), B, M), dtype)


@cache
def sparse_routines():
    """The inner routines of scipy's sparse products, or None without them.

    They add to a given array, where scipy's public product returns a new one, which costs as much as the product. They are not public: where
    a scipy has them no longer, or there is no scipy, dense products serve.
    """
    try:
        from scipy.sparse import _sparsetools
    except ImportError:
        return None
    return _sparsetools
