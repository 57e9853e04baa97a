"""Spikes as lists of events, their products with weights, and large arrays that are used again: what the fast forms share.

Works with numpy alone; with scipy the products are sparse, and faster by an order of magnitude.
"""

from dataclasses import dataclass
from sys import getrefcount
from threading import local

import numpy as np

from refsnn.errors import check_type
from refsnn.spec.encoding import pixel_bins
from refsnn.spec.network import Network, check_input


class Buffers(local):
    """Arrays that are used again once nobody else holds them; each thread has its own.

    An array of megabytes is given back to the operating system when it is dropped, and getting a new one costs more than a pass over
    it: every page is mapped and zeroed. So take() looks for one that it gave out before and that only it still knows.
    """

    KEPT = 12
    LARGEST, TOTAL = 2**26, 2**28      # bytes of one array that is kept, and of all

    def __init__(self):
        self.arrays = []

    def take(self, shape, dtype):
        """An array of any content that nobody else holds."""
        for index in range(len(self.arrays)):
            # two references: the list's and the argument's
            if self.arrays[index].shape == shape and self.arrays[index].dtype == dtype and getrefcount(self.arrays[index]) == 2:
                self.arrays.append(self.arrays.pop(index))
                return self.arrays[-1]
        array = np.empty(shape, dtype)
        if array.nbytes <= self.LARGEST:
            self.arrays.append(array)
        while len(self.arrays) > self.KEPT or sum(kept.nbytes for kept in self.arrays) > self.TOTAL:
            del self.arrays[0]
        return array


buffers = Buffers()


@dataclass(frozen=True, eq=False)
class Events:
    """Binary spikes (T, B, M) as a list: row pointers (T B + 1,) and columns (E,), int32, rows being t B + b; values (E,), all 1."""

    shape: tuple
    pointers: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, x):
        """The events of a dense x (T, B, M) of floats, or None where it holds anything but 0.0 and 1.0."""
        flat = np.ascontiguousarray(x).reshape(-1)
        bits = flat.view(f"u{x.itemsize}")           # compared as integers, which is faster and takes NaN for what it is
        indices = np.flatnonzero(np.not_equal(bits, 0, out=buffers.take(bits.shape, bool)))
        return cls.at(indices, x.shape, x.dtype) if (flat[indices] == 1).all() else None

    @classmethod
    def at(cls, indices, shape, dtype):
        """The events at ascending flat indices (E,) into (T, B, M)."""
        T, B, M = shape
        pointers = np.searchsorted(indices, np.arange(T * B + 1) * M).astype(np.int32)
        return cls(shape, pointers, (indices % M).astype(np.int32), np.ones(len(indices), dtype))

    def indices(self):
        """The flat indices into (T, B, M): (E,), ascending."""
        rows = np.repeat(np.arange(len(self.pointers) - 1), np.diff(self.pointers))
        return rows * self.shape[2] + self.columns

    def per_sample(self):
        """How often each unit spikes in each sample, sum over t: (B, M)."""
        _, B, M = self.shape
        return np.bincount(self.indices() % (B * M), minlength=B * M).astype(self.values.dtype).reshape(B, M)

    def dense(self):
        """x (T, B, M), 0.0 or 1.0."""
        x = np.zeros(self.shape, self.values.dtype)
        x.reshape(-1)[self.indices()] = 1
        return x

    def times(self, W, out):
        """x[t] W for the first time steps, as many as out (n, B, N) has, into out."""
        routines, (_, B, M), (n, _, N) = sparse_routines(), self.shape, out.shape
        if routines is None:
            np.matmul(self.dense()[:n], W, out=out)
            return
        out[:] = 0
        routines.csr_matvecs(n * B, M, N, self.pointers[:n * B + 1], self.columns, self.values, W.reshape(-1), out.reshape(-1))

    def gradient(self, lam):
        """sum over t = 0 .. T-2 of x[t]^T lam[t+1]: lam (T, B, N) -> (M, N). SPEC E10."""
        routines, (T, B, M), N = sparse_routines(), self.shape, lam.shape[2]
        if routines is None:
            return self.dense()[:-1].reshape(-1, M).T @ lam[1:].reshape(-1, N)
        dW, rows = np.zeros((M, N), lam.dtype), (T - 1) * B
        routines.csc_matvecs(M, rows, N, self.pointers[:rows + 1], self.columns, self.values, lam[1:].reshape(-1), dW.reshape(-1))
        return dW


def input_events(network, x, noise=None):
    """The input x (T, B, M) of a network, dense or Events already, as Events; checked as spec.network.check_input does.

    Most of that check falls out of making them. Raises ShapeError, DtypeError, RangeError.
    """
    check_type("network", network, Network)
    W = network.layers[0].W
    fits = len(getattr(x, "shape", ())) == 3 and x.shape[0] > 1 and x.shape[1] > 0 and x.shape[2] == W.shape[0] and noise is None
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


def encode_events(images, steps=20, dt=1.7e-6, tau_in=8e-6, dtype=np.float64):
    """spec.encoding.encode, as Events. SPEC E18."""
    bins = pixel_bins(images, steps, dt, tau_in, dtype)                          # (B, M)
    B, M = bins.shape
    spiking = np.flatnonzero(bins < steps)                                       # (E,) into (B, M)
    return Events.at(np.sort(bins.reshape(-1)[spiking] * (B * M) + spiking), (steps, B, M), dtype)


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
