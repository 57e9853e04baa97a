"""The ideal neuron in discrete time: one step, and a whole run of a layer (E1-E4).

    symbol    code        unit     shape     meaning
    tau_mem   tau_mem     s        (), (N,)  membrane time constant, 6 us
    tau_syn   tau_syn     s        (), (N,)  synaptic time constant, 6 us
    theta     theta       1        (), (N,)  threshold (NeuronParameters.threshold), 1
    dt        dt          s        ()        length of a time step, 1.7 us: the period of the chip's converters
    alpha     alpha       1        (), (N,)  exp(-dt/tau_syn), decay of the current in a step
    beta      beta        1        (), (N,)  exp(-dt/tau_mem), decay of the membrane in a step
    W, R      W, R        1        (M,N), (N,N)  weights [from, to]: a column is a neuron's column of synapses
    I[t]      I           1        (B,N)     synaptic current
    V[t]      V           1        (B,N)     membrane; leak and reset are at 0
    S[t]      S           0 or 1   (B,N)     spikes
    -         drive       1        (B,N)     S_below[t] W + S[t] R, what arrives in a step

Between spikes tau_syn dI/dt = -I and tau_mem dV/dt = -V + (current); a step is their transition over dt, with the input not
scaled by (1 - beta). The membrane takes the updated current I[t+1]: so does the code that made the paper's numbers (its text
prints I[t]). One spike through a weight w gives V = w, 1.507 w, 1.702 w, 1.710 w after 1, 2, 3, 4 steps: n alpha^(n-1) where
alpha = beta.

Source: Cramer, Billaudelle et al., arXiv 2006.07239, Eqs. 1-3.
"""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import RangeError, ShapeError, check_float_array, check_number
from refsnn.spec.trace import Trace


SMALLEST, LARGEST = 1e-300, 1e300        # of a time or a threshold: products of them with the factors of a chip are numbers still


@dataclass(frozen=True, eq=False)
class NeuronParameters:
    """Time constants and threshold of a layer's neurons: scalars, or (N,) arrays for one value a neuron. SPEC E1-E3.

    tau_mem, tau_syn, dt in seconds; threshold in the membrane's own unit; all from 1e-300 to 1e300. dt is one number.
    Raises DtypeError, ShapeError, RangeError.

    >>> float(round(NeuronParameters().alpha, 5))
    0.75327
    """

    tau_mem: float | np.ndarray = 6e-6
    tau_syn: float | np.ndarray = 6e-6
    threshold: float | np.ndarray = 1.0
    dt: float = 1.7e-6

    def __post_init__(self):
        object.__setattr__(self, "dt", check_number("dt", self.dt, SMALLEST, LARGEST))
        for name in ("tau_mem", "tau_syn", "threshold"):
            value = getattr(self, name)
            if not isinstance(value, np.ndarray):
                object.__setattr__(self, name, check_number(name, value, SMALLEST, LARGEST))
                continue
            check_float_array(name, value, 1)
            wide = value.astype(float)                                           # a float32 cannot be compared with 1e300
            wrong = (wide < SMALLEST) | (wide > LARGEST)
            if wrong.any():
                raise RangeError(f"{name}[{wrong.argmax()}] is {value[wrong.argmax()]}; it must lie in {SMALLEST:g}..{LARGEST:g}")

    @property
    def alpha(self) -> np.ndarray:
        """exp(-dt/tau_syn): what is left of the current after a step; float64, scalar or (N,)."""
        return decay(self.dt, self.tau_syn)

    @property
    def beta(self) -> np.ndarray:
        """exp(-dt/tau_mem): what is left of the membrane after a step; float64, scalar or (N,)."""
        return decay(self.dt, self.tau_mem)

    def constants(self, dtype):
        """(alpha, beta, theta) in `dtype`, so that a float32 network computes in float32 throughout."""
        return tuple(np.asarray(value, dtype) for value in (self.alpha, self.beta, self.threshold))

    def check_neurons(self, N):
        """Raise ShapeError unless every per-neuron array has N entries."""
        for name in ("tau_mem", "tau_syn", "threshold"):
            if np.shape(getattr(self, name)) not in ((), (N,)):
                raise ShapeError(f"{name} has shape {np.shape(getattr(self, name))} but the layer has {N} neurons")


def decay(dt, tau):
    """exp(-dt/tau), float64: dt a number, tau a number or (N,), both in seconds."""
    with np.errstate(over="ignore"):                                             # nothing is left after infinitely many tau
        return np.exp(-dt / np.asarray(tau, float))


def lif_step(I, V, S, drive, alpha, beta, theta):
    """One step of a spiking layer, from the state at t to the state at t + 1. SPEC E1-E3; arXiv 2006.07239 Eqs. 1-3.

        I[t+1] = alpha I[t] + drive[t]
        V[t+1] = beta V[t] + I[t+1] - theta S[t]
        S[t+1] = 1 if V[t+1] > theta else 0

    The reset is subtractive and one step late: V[t+1] is recorded before the reset that its own spike causes. A tie, V = theta,
    does not spike. I, V, S, drive (B, N); alpha, beta, theta scalar or (N,). Returns new arrays (I, V, S).

    >>> [float(v) for v in lif_step(np.float64(1), np.float64(1), np.float64(1), 0.5, 0.5, 0.5, 1.0)]   # 1 = 1: a tie
    [1.0, 0.5, 0.0]
    """
    # decay, integrate
    I = alpha * I + drive                    # (B, N)
    # decay, integrate, reset for the spike of t
    V = beta * V + I - theta * S             # (B, N)
    # threshold
    S = (V > theta).astype(V.dtype)          # (B, N)
    return I, V, S


def li_step(I, V, drive, alpha, beta):
    """One step of the readout layer, from t to t + 1: no threshold, no reset. SPEC E4.

        I[t+1] = alpha I[t] + drive[t]
        V[t+1] = beta V[t] + I[t+1]

    I, V, drive (B, K); alpha, beta scalar or (K,). Returns new arrays (I, V).

    >>> [float(v) for v in li_step(2.0, 4.0, 1.0, 0.5, 0.25)]
    [2.0, 3.0]
    """
    # decay, integrate
    I = alpha * I + drive                    # (B, K)
    # decay, integrate
    V = beta * V + I                         # (B, K)
    return I, V


def run_spiking(x, W, R, neuron):
    """A spiking layer over all time steps: x (T, B, M) -> Trace of (T, B, N). SPEC E1-E3.

    All states are 0 at t = 0, so S[0] = 0; x[t] reaches V at t + 1, and a spike of t its neighbours (through R) at t + 1.
    """
    T, B, _ = x.shape
    membrane = np.zeros((T, B, W.shape[1]), W.dtype)     # (T, B, N)
    spikes = np.zeros_like(membrane)                     # (T, B, N)
    alpha, beta, theta = neuron.constants(W.dtype)
    I = np.zeros_like(membrane[0])                       # (B, N)
    for t in range(T - 1):
        drive = x[t] @ W                                 # (B, N)
        if R is not None:
            drive = drive + spikes[t] @ R                # (B, N)
        I, membrane[t + 1], spikes[t + 1] = lif_step(I, membrane[t], spikes[t], drive, alpha, beta, theta)
    return Trace(membrane, spikes)


def run_readout(x, W, neuron):
    """The readout layer over all time steps: spikes x (T, B, M) -> Trace of (T, B, K) without spikes. SPEC E4."""
    T, B, _ = x.shape
    membrane = np.zeros((T, B, W.shape[1]), W.dtype)     # (T, B, K)
    alpha, beta, _ = neuron.constants(W.dtype)
    I = np.zeros_like(membrane[0])                       # (B, K)
    for t in range(T - 1):
        I, membrane[t + 1] = li_step(I, membrane[t], x[t] @ W, alpha, beta)
    return Trace(membrane)
