"""The objective and its derivatives, each written out (E11-E16). It reads a trace; it never looks behind it.

    symbol    code           unit     shape     meaning
    V_k[t]    V              theta    (T,B,K)   membranes of the readout
    S_i[t]    S              0 or 1   (T,B,N)   spikes of a spiking layer
    m_k       m              1        (B,K)     score of class k
    R_out     readout_scale  1        scalar    10
    rho_b     burst          1        scalar    strength of the burst (sparsity) regulariser, 5e-4
    rho_w     weight         1        scalar    strength of the weight decay of spiking layers, 0.1
    rho_a     readout        1        scalar    strength of the readout-amplitude regulariser, 0 (4e-4 in later scripts)
    rho_r, theta_r  rate, rate_limit  1, spikes  scalar  homeostatic upper bound on a layer's spikes per sample, 0
    L         loss           1        scalar    mean over the batch
    dL/dm     dm             1        (B,K)
    gV, gS    gV, gS         1        (T,B,.)   direct derivatives of L, where bptt.py starts

Every regulariser returns (value, derivative). With several spiking layers each adds its own burst, weight and rate terms; the
readout's weights add none.

Source: Cramer, Billaudelle et al., arXiv 2006.07239; R_out, rho_b and rho_w from the authors' training script.
"""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import RangeError, check_choice, check_float_array, check_number, check_type

REDUCTIONS = ("max", "sum")


@dataclass(frozen=True)
class Objective:
    """The strengths of the loss's terms; the defaults are the paper's. SPEC E11-E16.

    reduce is "max" (E11) or "sum" (E12) over time. Raises DtypeError, RangeError.
    """

    readout_scale: float = 10.0
    reduce: str = "max"
    burst: float = 5e-4
    weight: float = 0.1
    readout: float = 0.0
    rate: float = 0.0
    rate_limit: float = 0.0

    def __post_init__(self):
        check_choice("reduce", self.reduce, REDUCTIONS)
        for name in ("readout_scale", "burst", "weight", "readout", "rate", "rate_limit"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=0))


def scores(V: np.ndarray, objective) -> np.ndarray:
    """m_k: R_out times the maximum or the sum of V_k over time; V (T, B, K) -> (B, K). The decision is its argmax. SPEC E11, E12.

    Raises ShapeError, DtypeError, RangeError.

    >>> scores(np.array([[[0.0, 0.0]], [[0.5, -1.0]]]), Objective()).tolist()
    [[5.0, 0.0]]
    """
    check_float_array("V", V, 3)
    check_type("objective", objective, Objective)
    with np.errstate(over="ignore", invalid="ignore"):
        reduced = V.max(axis=0) if objective.reduce == "max" else V.sum(axis=0)  # (B, K)
        m = objective.readout_scale * reduced                                    # (B, K)
    if not np.isfinite(m).all():
        raise RangeError(f"membranes up to {np.abs(V).max():.3g} make scores that are more than {V.dtype} can hold")
    return m


def scores_adjoint(V, dm, objective):
    """gV of the readout from dL/dm: V (T, B, K), dm (B, K) -> (T, B, K). SPEC E11, E12.

    The maximum passes its derivative to one sample, the first of those that tie; the sum to all of them.
    """
    dV = objective.readout_scale * dm                                            # (B, K)
    if objective.reduce == "sum":
        return np.broadcast_to(dV, V.shape)
    gV = np.zeros_like(V)                                                        # (T, B, K)
    sample, k = np.indices(dV.shape, sparse=True)
    gV[V.argmax(axis=0), sample, k] = dV
    return gV


def cross_entropy(m, labels):
    """L = mean over the batch of -log softmax(m)[label], and dL/dm = (softmax(m) - onehot) / B. SPEC E11.

    The largest score is subtracted first: exp(m) overflows from m = 710. m (B, K), labels (B,) integers; returns (float, (B, K)).

    >>> [float(v) for v in cross_entropy(np.zeros((1, 2)), np.array([0]))[1].ravel()]
    [-0.5, 0.5]
    """
    rows = np.arange(len(m))
    shifted = m - m.max(axis=1, keepdims=True)                                   # (B, K)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))   # (B, K)
    dm = np.exp(log_softmax)                                                     # (B, K)
    dm[rows, labels] -= 1
    return -log_softmax[rows, labels].mean(), dm / len(m)


def burst(S, rho):
    """rho_b mean over batch and neurons of n^2, n = sum over t of S[t]; and its derivative 2 rho_b n / (B N), alike for all t.
    SPEC E13.

    S (T, B, N); returns (float, (B, N)).
    """
    n = S.sum(axis=0)                                                            # (B, N)
    return rho * np.mean(n**2), 2 * rho * n / n.size


def readout_amplitude(m, rho):
    """rho_a mean(m^2) over batch and classes, and its derivative by m; m (B, K) -> (float, (B, K)). SPEC E14."""
    return rho * np.mean(m**2), 2 * rho * m / m.size


def weight_decay(W, rho):
    """rho_w mean(W^2) and its derivative by W; W (M, N) -> (float, (M, N)). SPEC E15."""
    return rho * np.mean(W**2), 2 * rho * W / W.size


def rate_bound(S, rho, limit):
    """rho_r mean over the batch of max(0, n - theta_r)^2, n = the layer's spikes in a sample; S (T, B, N) -> (float, (B, 1)).
    SPEC E16.

    The derivative is alike for all neurons and all t. That E16 is averaged over the batch is our assumption.
    """
    excess = np.maximum(S.sum(axis=(0, 2)) - limit, 0)[:, None]                  # (B, 1)
    return rho * np.mean(excess**2), 2 * rho * excess / len(excess)


def objective_and_derivatives(layers, trace, labels, objective):
    """The whole objective on a trace: (loss, gV, gS, dW), the last three tuples with one entry a layer. SPEC E11-E16.

    gV[l] (T, B, N) is 0 but for the readout; gS[l] (T, B, N), None for the readout; dW[l] (M, N) is the weight decay's own
    share of the gradient, None for the readout.
    """
    V = trace[-1].membrane                                                       # (T, B, K)
    m = scores(V, objective)                                                     # (B, K)
    loss, dm = cross_entropy(m, labels)
    amplitude, dm_amplitude = readout_amplitude(m, objective.readout)
    loss += amplitude
    gV, gS, dW = [], [], []
    for layer, recorded in zip(layers[:-1], trace):
        S = recorded.spikes                                                      # (T, B, N)
        burst_value, burst_dS = burst(S, objective.burst)
        rate_value, rate_dS = rate_bound(S, objective.rate, objective.rate_limit)
        decay_value, decay_dW = weight_decay(layer.W, objective.weight)
        loss += burst_value + rate_value + decay_value
        gV.append(np.broadcast_to(np.zeros((), S.dtype), S.shape))
        gS.append(np.broadcast_to(burst_dS + rate_dS, S.shape))
        dW.append(decay_dW)
    gV.append(scores_adjoint(V, dm + dm_amplitude, objective))
    return loss, tuple(gV), (*gS, None), (*dW, None)
