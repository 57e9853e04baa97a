"""Level 0: decays, the latency code, images, the surrogate."""

import math

import numpy as np

from refsnn.verify.vectors.draft import DT, HALF, TAU, Draft, Numbers


def around(value, steps):
    """A value and its neighbours among the floats, `steps` to either side, in order."""
    below, above = [value], [value]
    for _ in range(steps):
        below.append(math.nextafter(below[-1], -math.inf))
        above.append(math.nextafter(above[-1], math.inf))
    return np.array(below[:0:-1] + above)


def drafts():
    """All of them."""
    return (*decays(), *latencies(), *encodings(), *images(), *surrogates())


def decays():
    """decay."""
    return (
        Draft("decay-001", "dt = 1, tau = 1/ln 2, so alpha = exp(-ln 2) = 1/2; and twice that tau gives 1/sqrt 2 = 0.70710678.",
              {"tau": np.array([HALF, 2 * HALF])}, {"dt": 1.0}, ("Basic",)),
        Draft("decay-002", "The published constants, 1.7 us and 6 us: exp(-0.28333) = 0.75327; and time constants on either side.",
              {"tau": np.array([TAU, 1e-6, 2e-6, 5e-6, 10e-6, 60e-6])}, {"dt": DT}),
        Draft("decay-003", "From exp(-3.4), where little is left, to 1 - 1.7e-6, where 1 - alpha loses digits.",
              {"tau": np.array([5e-7, 1e-3, 1.0])}, {"dt": DT}, ("Boundary", "Float64Only")),
    )


def latencies():
    """latency."""
    eight = {"tau_in": 8e-6}
    return (
        Draft("latency-001", "x = 1: 8 us ln(1 / 0.8) = 8 us 0.223144 = 1.78515 us; x = 0.4: 8 us ln 2 = 5.54518 us; x = 0: never.",
              {"intensity": np.array([1.0, 0.4, 0.0])}, eight, ("Basic",)),
        Draft("latency-002", "0.2 and its neighbours: the first that spikes is the next float above 0.2.",
              {"intensity": around(0.2, 2)}, eight, ("Boundary", "Float64Only")),
        Draft("latency-003", "Pixels of a dark to bright row.", {"intensity": np.arange(33) / 32}, eight),
        Draft("latency-004", "Another tau_in: times are proportional to it.", {"intensity": np.arange(33) / 32}, {"tau_in": 2.0}),
    )


def encodings():
    """encode."""
    code = {"steps": 20, "dt": DT, "tau_in": 8e-6}
    return (
        Draft("encode-001", "A white pixel, 255, spikes in bin 0, for the shift is its own latency. 51 is x = 0.2 and 0 is dark: no spike. 102 is "
                            "x = 0.4: (5.54518 - 1.78515) us / 1.7 us = 2.21, bin 2.",
              {"images": np.array([[[255, 0], [51, 102]]], np.uint8)}, {**code, "steps": 4}, ("Basic",)),
        Draft("encode-002", "Every value that a pixel can have; the latest of those above 51 fall beyond the last bin and are dropped.",
              {"images": np.arange(256, dtype=np.uint8).reshape(1, 16, 16)}, code, ("Boundary",)),
        Draft("encode-003", "A dark image beside a white one: the shift is a constant, so the dark one's first spike is not in bin 0.",
              {"images": np.array([[[100, 90], [80, 70]], [[255, 254], [253, 252]]], np.uint8)}, code),
        Draft("encode-004", "Two steps: only the brightest pixels come in time. An image that is not square: pixels row by row.",
              {"images": Numbers("encode-004").integers(0, 256, 2, 3, 4, dtype=np.uint8)}, {**code, "steps": 2}, ("Edge",)),
    )


def images():
    """downscale."""
    pair = Numbers("downscale").integers(0, 256, 2, 28, 28, dtype=np.uint8)
    board = np.where(np.add.outer(np.arange(13) // 3, np.arange(13) // 3) % 2, 250, 3).astype(np.uint8)[None]
    return (
        Draft("downscale-001", "A spline through equal values is flat: every pixel stays 100.",
              {"images": np.full((1, 4, 4), 100, np.uint8)}, {"crop": 0, "size": 3}, ("Basic",)),
        Draft("downscale-002", "Two images of MNIST's size, 28 to 24 to 16.", {"images": pair}, {"crop": 2, "size": 16}),
        Draft("downscale-003", "The same without a crop, as for Fashion-MNIST.", {"images": pair}, {"crop": 0, "size": 16}),
        Draft("downscale-004", "Squares of 3 and 250: the spline overshoots, and is clipped to 0..255.", {"images": board},
              {"crop": 0, "size": 11}, ("Saturation",)),
        Draft("downscale-005", "A size that is the image's own: the spline passes through its samples, nothing changes.",
              {"images": pair[:, :9, :9].copy()}, {"crop": 0, "size": 9}),
    )


def surrogates():
    """surrogate and its primitive, at the same membranes."""
    near = np.concatenate([around(1.0, 3), [0.0, -0.0, 2.0, -1e6, 1e6, 1e150]])
    texts = {
        "surrogate": ("2 |1.5 - 1| = 1: 1 / (1 + 1)^2 = 1/4; 2 |0 - 1| = 2: 1/9; at the threshold 1.",
                      "The threshold, where the peak is 1 and not infinite, its neighbours, and membranes far off."),
        "surrogate_primitive": ("0.5 / (1 + 2 0.5) = 1/4; -1 / (1 + 2) = -1/3; at the threshold 0.",
                                "The threshold, its neighbours, and membranes far off, where it tends to +-1/slope."),
    }
    found = []
    for op, (basic, boundary) in texts.items():
        found += [
            Draft(f"{op}-001", basic, {"V": np.array([1.5, 0.0, 1.0])}, {"threshold": 1.0, "slope": 2.0}, ("Basic",)),
            Draft(f"{op}-002", "The published slope, 50, from -1 to 3 thresholds.", {"V": np.arange(-16, 49) / 16.0},
                  {"threshold": 1.0, "slope": 50.0}),
            Draft(f"{op}-003", boundary, {"V": near}, {"threshold": 1.0, "slope": 50.0}, ("Boundary", "Float64Only")),
            Draft(f"{op}-004", "Another threshold and another slope.", {"V": Numbers(op).normal(0.5, 1.0, 40)}, {"threshold": 0.75, "slope": 10.0}),
        ]
    return found
