"""Back-propagation through time by hand: a trace in, the gradient out (E7-E10). Nothing here knows who made the trace.

    symbol    code        unit     shape     meaning
    gV, gS    gV, gS      L        (T,B,N)   direct derivative of the loss with respect to V[t], S[t]
    lamS[t]   lam_S       L        (T,B,N)   adjoint of the spikes: total derivative of the loss by S[t]
    lamV[t]   lam_V       L        (B,N)     adjoint of the membrane
    lamI[t]   lam_I       L        (T,B,N)   adjoint of the current
    sigma'    sigma       1        (T,B,N)   surrogate derivative at the recorded membranes
    dW, dR    W, R        L        as W, R   gradient, in a LayerGradient

Each line is the transpose of a line of the forward step, read backwards in time (d/d recorded = 0, d/d model = 1: E6):

    I[t+1] = alpha I[t] + S_below[t] W + S[t] R      ->   lamI[t] takes alpha lamI[t+1];  lamS_below[t] takes lamI[t+1] W^T;
                                                          lamS[t] takes lamI[t+1] R^T
    V[t+1] = beta V[t] + I[t+1]                      ->   lamV[t] takes beta lamV[t+1];  lamI[t] takes lamV[t]
    S[t] = [V[t] > theta]                            ->   lamV[t] takes sigma'(V[t]) lamS[t]

The reset term -theta S[t] has no transpose: it carries no gradient, so dV[t+1]/dV[t] = beta even across a spike. The states at
t = 0 are constants: the recursion stops at t = 1.

Source: Cramer, Billaudelle et al., arXiv 2006.07239, methods; the recursion written out is ours.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LayerGradient:
    """The gradient of one layer: W (M, N), and R (N, N), None where the layer has no recurrence."""

    W: np.ndarray
    R: np.ndarray | None = None


def backward(layers, x, trace, gV, gS, surrogate):
    """The gradient of a loss whose direct derivatives by the recorded trace are gV and gS. SPEC E7-E10.

    layers: as in Network; x (T, B, M); trace: one Trace a layer; gV: one (T, B, N) array a layer; gS: likewise, None for the
    readout. Returns a tuple with one LayerGradient a layer. From the readout down: each layer hands the layer below its share
    of lamS.
    """
    below = (x, *(recorded.spikes for recorded in trace[:-1]))        # what each layer receives, (T, B, M) each
    gradient = []
    from_above = None                                                 # lamI[t+1] W^T of the layer above
    for layer, S_below, recorded, gV_l, gS_l in reversed(list(zip(layers, below, trace, gV, gS))):
        if layer.spiking:
            lam_I = spiking_adjoint(layer, recorded, gV_l, gS_l + from_above, surrogate)
        else:
            lam_I = readout_adjoint(layer, gV_l)
        dR = None if layer.R is None else weight_gradient(recorded.spikes, lam_I)
        gradient.append(LayerGradient(weight_gradient(S_below, lam_I), dR))
        from_above = spike_adjoint(lam_I, layer.W) if layer is not layers[0] else None
    return tuple(reversed(gradient))


def spiking_adjoint(layer, trace, gV, lam_S, surrogate):
    """lamI of a spiking layer for all t, from lam_S without the layer's own recurrence. SPEC E7-E9.

    For t = T-1 .. 1, with zeros beyond the end:
        lamS[t] = lam_S[t] + lamI[t+1] R^T
        lamV[t] = gV[t] + sigma'(V[t]) lamS[t] + beta lamV[t+1]
        lamI[t] = lamV[t] + alpha lamI[t+1]
    gV, lam_S (T, B, N); returns (T, B, N), in which entry 0 stays 0.
    """
    alpha, beta, theta = layer.neuron.constants(layer.W.dtype)
    sigma = surrogate.derivative(trace.membrane, trace.spikes, theta)     # (T, B, N)
    lam_I = np.zeros_like(trace.membrane)                                 # (T, B, N)
    lam_I_next = np.zeros_like(lam_I[0])                                  # (B, N) lamI[t+1]
    lam_V = np.zeros_like(lam_I[0])                                       # (B, N) lamV[t+1]
    for t in range(len(lam_I) - 1, 0, -1):
        # threshold
        lam_S_t = lam_S[t]                                                # (B, N)
        if layer.R is not None:
            lam_S_t = lam_S_t + lam_I_next @ layer.R.T                    # (B, N)
        # membrane
        lam_V = gV[t] + sigma[t] * lam_S_t + beta * lam_V                 # (B, N)
        # current
        lam_I_next = lam_V + alpha * lam_I_next                           # (B, N)
        # record
        lam_I[t] = lam_I_next
    return lam_I


def readout_adjoint(layer, gV):
    """lamI of the readout layer for all t: E8 without the spike term, and E9. gV (T, B, K); returns (T, B, K). SPEC E8, E9."""
    alpha, beta, _ = layer.neuron.constants(layer.W.dtype)
    lam_I = np.zeros_like(gV)                                             # (T, B, K)
    lam_I_next = np.zeros_like(gV[0])                                     # (B, K) lamI[t+1]
    lam_V = np.zeros_like(gV[0])                                          # (B, K) lamV[t+1]
    for t in range(len(gV) - 1, 0, -1):
        # membrane
        lam_V = gV[t] + beta * lam_V                                      # (B, K)
        # current
        lam_I_next = lam_V + alpha * lam_I_next                           # (B, K)
        # record
        lam_I[t] = lam_I_next
    return lam_I


def spike_adjoint(lam_I, W):
    """What a layer adds to lamS of the layer below: lamI[t+1] W^T at t, and nothing at the last step. SPEC E7.

    lam_I (T, B, N), W (M, N); returns (T, B, M).

    >>> spike_adjoint(np.array([[[0.0]], [[5.0]]]), np.array([[2.0]])).ravel().tolist()
    [10.0, 0.0]
    """
    lam_S = np.zeros((*lam_I.shape[:2], W.shape[0]), W.dtype)             # (T, B, M)
    lam_S[:-1] = lam_I[1:] @ W.T
    return lam_S


def weight_gradient(S_below, lam_I):
    """dW = sum over t = 0 .. T-2 and the batch of S_below[t]^T lamI[t+1]. SPEC E10.

    S_below (T, B, M), the spikes recorded below (x for the first layer, the layer's own for R); lam_I (T, B, N); returns (M,
    N). Bin 0 counts: a chip can spike in it.

    >>> weight_gradient(np.array([[[1.0]], [[1.0]]]), np.array([[[0.0]], [[5.0]]])).tolist()
    [[5.0]]
    """
    M, N = S_below.shape[2], lam_I.shape[2]
    return S_below[:-1].reshape(-1, M).T @ lam_I[1:].reshape(-1, N)       # (M, N)
