"""Images to spikes: a bright pixel spikes early (E17, E18), and the rotation used for augmentation.

    symbol    code        unit     shape     meaning
    -         images      0..255   (B,H,W)   uint8 grey values
    A         A           1        (16,n)    cubic-spline sampling matrix, n = 24 or 28
    x         intensity   1        any       grey value / 255
    theta_in  THRESHOLD_IN 1       scalar    pixels below it stay silent, 0.2
    tau_in    tau_in      s        scalar    time constant of the latency code, 8 us
    t         latency     s        any       time of the pixel's spike
    dt        dt          s        scalar    length of a time step, 1.7 us
    x[t]      x           0 or 1   (T,B,M)   input spikes; M = H W, pixels row by row

Source: Cramer, Billaudelle et al., arXiv 2006.07239, section "Spike latency encoding"; the numbers are those of the
authors' training script.
"""

import numpy as np

from refsnn.errors import DtypeError, RangeError, ShapeError, check_array, check_count, check_float_array, check_float_dtype, check_number

THRESHOLD_IN = 0.2
LARGEST_INPUT = 2**30        # elements of a dense x, or rows of one that is listed


def downscale(images: np.ndarray, crop: int = 2, size: int = 16) -> np.ndarray:
    """Reduce square images to `size` x `size` by cubic-spline interpolation. SPEC E17.

    out = clip(floor(A img A^T + 1/2), 0, 255), after `crop` rows and columns are dropped on every side.

    images (B, n, n) uint8; returns (B, size, size) uint8. crop = 2 for MNIST, 0 for Fashion-MNIST. No antialiasing: the corner
    pixels of input and output coincide. What scipy.ndimage.zoom(order=3) gives, bit for bit at the sizes
    used here; where a value falls half-way between two grey levels, as in tiny images, rounding may differ. Raises ShapeError,
    DtypeError, RangeError.

    >>> downscale(np.full((1, 28, 28), 7, np.uint8))[0, 0, :3]
    array([7, 7, 7], dtype=uint8)
    """
    check_images(images)
    crop, size = check_count("crop", crop, low=0), check_count("size", size, low=2, high=1024)
    n = images.shape[1] - 2 * crop
    if images.shape[1] != images.shape[2] or n < 4:
        raise ShapeError(f"images has shape {images.shape}; downscale needs square images with at least 4 pixels left after crop={crop}")
    A = spline_matrix(n, size)                                     # (size, n)
    kept = images[:, crop:crop + n, crop:crop + n].astype(float)   # (B, n, n)
    out = np.floor(A @ kept @ A.T + 0.5)                           # (B, size, size)
    return np.clip(out, 0, 255).astype(np.uint8)


def spline_matrix(n, size):
    """The (size, n) matrix that samples the cubic spline through n points at `size` points, end to end. SPEC E17.

    A = B C^-1, where B holds the cubic B-spline at the sampling points o (n-1)/(size-1) and C = (1, 4, 1)/6 turns
    spline coefficients into samples; both continue beyond the edges by whole-sample mirroring.
    """
    B, C = np.zeros((size, n)), np.zeros((n, n))
    for matrix, points in ((B, np.arange(size) * (n - 1) / (size - 1)), (C, np.arange(n))):
        for row, point in enumerate(points):
            first = int(np.floor(point)) - 1
            for knot in range(first, first + 4):
                matrix[row, mirror(knot, n)] += cubic_b_spline(point - knot)
    return B @ np.linalg.inv(C)


def mirror(index, n):
    """Reflect an index at the centres of the first and the last sample: -1 -> 1, n -> n - 2."""
    index = abs(index)
    return index if index < n else 2 * (n - 1) - index


def cubic_b_spline(distance):
    """The cubic B-spline within its support: 2/3 - d^2 + d^3/2 for d < 1, (2 - d)^3/6 for 1 <= d <= 2; d = |distance|."""
    d = abs(distance)
    return 2 / 3 - d**2 + d**3 / 2 if d < 1 else (2 - d) ** 3 / 6


def latency(intensity, tau_in=8e-6):
    """Time of the spike of a pixel, t = tau_in ln(x / (x - 0.2)), in seconds; inf where x <= 0.2. SPEC E18.

    It is the time at which a leaky integrator charged with the constant current x crosses 0.2.

    >>> float(round(latency(np.array(1.0)) * 1e6, 3))
    1.785
    """
    charged = np.maximum(intensity - THRESHOLD_IN, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(charged > 0, tau_in * np.log(intensity / charged), np.inf)


def encode(images: np.ndarray, steps: int = 20, dt: float = 1.7e-6, tau_in: float = 8e-6, dtype=np.float64) -> np.ndarray:
    """Turn grey images into input spikes, at most one a pixel. SPEC E18.

    bin = floor((t - t_first) / dt), where t_first = 1.785 us is the latency of a white pixel: the brightest possible spike falls
    into bin 0. The shift is a constant, so a sample's spikes never depend on its batch. Bins >= steps are dropped.

    images (B, H, W) uint8; returns x (T, B, H W), 0.0 or 1.0 in `dtype`. steps = T >= 2, dt and tau_in in seconds.
    Raises ShapeError, DtypeError, RangeError.

    >>> encode(np.array([[[255, 128, 60, 40]]], np.uint8)).argmax(axis=0)   # 1.0, 0.5, 0.235 and one below 0.2
    array([[0, 1, 7, 0]])
    """
    pixel_bin = pixel_bins(images, steps, dt, tau_in, dtype)                     # (B, M)
    if int(steps) * pixel_bin.size > LARGEST_INPUT:
        raise RangeError(f"{steps} steps of {pixel_bin.size} pixels are more than {LARGEST_INPUT:,} elements of x; encode fewer images at once")
    return (pixel_bin == np.arange(steps)[:, None, None]).astype(dtype)          # (T, B, M)


def pixel_bins(images, steps, dt, tau_in, dtype):
    """The time step of every pixel's spike, `steps` where it has none: images (B, H, W) -> (B, H W). Arguments as of encode. SPEC E18."""
    check_images(images)
    steps = check_count("steps", steps, low=2, high=2**24)
    dt, tau_in = check_number("dt", dt, low=0, strict=True), check_number("tau_in", tau_in, low=0, strict=True)
    check_float_dtype(dtype)
    if steps * len(images) > LARGEST_INPUT:
        raise RangeError(f"{steps} steps of {len(images)} images are more than {LARGEST_INPUT:,} rows of x; encode fewer images at once")
    t = latency(np.arange(256) / 255, tau_in)                                    # (256,) one latency a grey level
    with np.errstate(over="ignore"):                                             # inf is late
        bins = np.minimum(np.floor((t - t[255]) / dt), steps).astype(int)        # (256,) silent and late ones: `steps`
    return bins[images].reshape(len(images), -1)


def rotate(images: np.ndarray, degrees: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
    """Turn each image about its centre, nearest neighbour, zero fill: the paper's augmentation draws +-15 degrees.

    images (B, H, W) uint8; degrees (B,) float, counter-clockwise; returns (B, H, W) uint8. shifts: None, or (B, 2) float, by
    how many pixels the turned image is then moved down and to the right (not in the paper). Raises ShapeError, DtypeError,
    RangeError.

    >>> rotate(np.array([[[1, 2], [3, 4]]], np.uint8), np.array([90.0]))[0].tolist()
    [[2, 4], [1, 3]]
    """
    check_images(images)
    check_float_array("degrees", degrees, 1)
    B, H, W = images.shape
    if len(degrees) != B:
        raise ShapeError(f"degrees has shape {degrees.shape} but there are {B} images")
    if shifts is None:
        shifts = np.zeros((B, 2))
    check_float_array("shifts", shifts, 2)
    if shifts.shape != (B, 2):
        raise ShapeError(f"shifts has shape {shifts.shape}; for {B} images it must be {(B, 2)}")
    angle = np.deg2rad(degrees)[:, None, None]                                   # (B, 1, 1)
    y, x = np.mgrid[:H, :W]
    shifts = shifts.clip(-(H + W), H + W)                                        # out of sight, and numbers still
    y = y - (H - 1) / 2 - shifts[:, 0, None, None]                               # (B, H, W) relative to the moved centre
    x = x - (W - 1) / 2 - shifts[:, 1, None, None]                               # (B, H, W)
    source_x = np.cos(angle) * x - np.sin(angle) * y + (W - 1) / 2               # (B, H, W)
    source_y = np.sin(angle) * x + np.cos(angle) * y + (H - 1) / 2               # (B, H, W)
    column, row = np.rint(source_x).astype(int), np.rint(source_y).astype(int)
    inside = (column >= 0) & (column < W) & (row >= 0) & (row < H)
    turned = images[np.arange(B)[:, None, None], row.clip(0, H - 1), column.clip(0, W - 1)]
    return np.where(inside, turned, np.uint8(0))


def check_images(images):
    """Raise unless `images` is a uint8 array (B, H, W)."""
    check_array("images", images, 3)
    if images.dtype != np.uint8:
        raise DtypeError(f"images have dtype {images.dtype}; grey values are uint8, 0..255")
