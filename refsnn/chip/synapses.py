"""Synapses as the chip has them: signed weights of 6 bits from an excitatory and an inhibitory row, each synapse a little
different (C1, C7).

    symbol    code        unit     shape     meaning
    W         W           1        (M,N)     the float master copy
    w_hw      -           LSB      (M,N)     integers, -63 .. 63
    -         scale       LSB      scalar    w_hw = round(scale W)

The sign of a synapse belongs to its row (Dale), so a signed input takes two rows, and a positive and a negative weight pass
through different synapses. One LSB is 1/240 of the model's unit in spiking layers; the readout's synapses are taken to be set so that
its membrane is that of the float weights, whatever the scale (assumption). The gradient ignores the rounding (straight-through): it is the ideal model's, and the update goes
to the floats.
"""

import numpy as np

LEVELS = 63                 # 6 bits
SPIKING_SCALE = 240.0
LARGEST_READOUT_SCALE = 250.0


def weight_scale(W, spiking, levels):
    """LSB a unit of weight: 240 for spiking layers, min(63 / max|W|, 250) for the readout, set anew for every W. SPEC C1.

    >>> weight_scale(np.array([[0.5]]), False, 63)
    126.0
    """
    if spiking:
        return SPIKING_SCALE
    largest = float(np.abs(W).max())
    return LARGEST_READOUT_SCALE if largest * LARGEST_READOUT_SCALE <= levels else levels / largest


def load_weights(W, spiking, levels):
    """The weights that the chip works with, in the model's unit: clip(round(scale W), -levels, levels) / scale. SPEC C1.

    W (M, N); levels 63, or 0 to leave the weights as they are. Ties round to even. Returns (M, N) in the dtype of W.

    >>> (load_weights(np.array([[0.1, 0.9]]), True, 63) * 240).round(6).tolist()
    [[24.0, 63.0]]
    """
    if levels == 0:
        return W
    scale = weight_scale(W, spiking, levels)
    return (np.rint(scale * W).clip(-levels, levels) / scale).astype(W.dtype)


def split_rows(W, strength_exc, strength_inh):
    """Signed weights (M, N) as an excitatory and an inhibitory row each, times the strengths of their synapses (M, N): (2, M,
    N). SPEC C7.

    >>> split_rows(np.array([[2.0, -3.0]]), np.array([[1.0, 1.0]]), np.array([[1.0, 0.5]])).tolist()
    [[[2.0, 0.0]], [[0.0, -1.5]]]
    """
    rows = np.empty((2, *W.shape), W.dtype)
    np.multiply(W.clip(min=0), strength_exc.astype(W.dtype), out=rows[0])
    np.multiply(W.clip(max=0), strength_inh.astype(W.dtype), out=rows[1])
    return rows
