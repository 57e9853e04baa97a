"""One image on its way through the system: spikes, membranes on the chip and in the ideal model, readouts, decision, adjoints.

Here as numbers and as text.

The weights are those of a training run, or of a short one made on the spot. figures.py draws the same.
"""

import tempfile
from dataclasses import dataclass, replace

import numpy as np

from refsnn.datasets import load
from refsnn.errors import check_count
from refsnn.runs import Silence, newest_checkpoint, recipe_of, train
from refsnn.spec import Objective, encode, forward, scores
from refsnn.spec.bptt import readout_adjoint, spike_adjoint, spiking_adjoint, weight_gradient
from refsnn.spec.loss import objective_and_derivatives
from refsnn.training import Recipe, Substrate

SHORT = Recipe(epochs=2, evaluate_every=2)       # some seconds, and most images are right
SHADES = " .:-=+*#%@"
ROWS = 12                                        # neurons in a text


@dataclass(frozen=True, eq=False)
class Story:
    """Everything about one image. Without the batch: T time steps, M pixels, N hidden neurons (the last spiking layer), K classes.

    image (H, W); x (T, M); V, S: of the chip, (T, N); V_ideal, S_ideal: of the ideal model; V_out, V_out_ideal (T, K); m, m_ideal (K,);
    lam_V, lam_I (T, N), lam_I_out (T, K): adjoints on the chip's trace; sigma (T, N); dW (M, N), dW_out (N, K): what this image alone adds to
    the gradient, without weight decay.
    """

    image: np.ndarray
    label: int
    recipe: Recipe
    x: np.ndarray
    V: np.ndarray
    S: np.ndarray
    V_ideal: np.ndarray
    S_ideal: np.ndarray
    V_out: np.ndarray
    V_out_ideal: np.ndarray
    m: np.ndarray
    m_ideal: np.ndarray
    loss: float
    lam_V: np.ndarray
    lam_I: np.ndarray
    lam_I_out: np.ndarray
    sigma: np.ndarray
    dW: np.ndarray
    dW_out: np.ndarray

    @property
    def decision(self):
        """The class with the largest score on the chip."""
        return int(self.m.argmax())

    def neurons(self, count):
        """The hidden neurons that the loss is most concerned with: those with the largest adjoints, in falling order."""
        return np.argsort(-np.abs(self.lam_V).max(axis=0), kind="stable")[:count]


def trained(folder=None, report=Silence()):
    """(Recipe, Network) of the newest checkpoint in a run's folder; None trains a short run first. Raises DataError, OSError."""
    if folder is not None:
        saved, progress = newest_checkpoint(folder, report)
        return recipe_of(saved, folder), progress.network
    with tempfile.TemporaryDirectory() as scratch:
        train(SHORT, scratch)
        return trained(scratch, report)


def check_image(recipe, number):
    """The Dataset of a recipe. Raises RangeError where it has no test image `number`."""
    data = load(recipe.data)
    check_count("image", number, low=0, high=len(data.test_images) - 1)
    return data


def story(recipe, network, number):
    """The Story of test image `number` of the recipe's data. Raises RangeError."""
    data = check_image(recipe, number)
    image, labels = data.test_images[number:number + 1], data.test_labels[number:number + 1]
    x = encode(image, dtype=network.layers[0].W.dtype)                           # (T, 1, M)
    chip = Substrate(replace(recipe, substrate="chip"), network).chip
    trace, ideal = chip.forward(network, x, recipe.generator("evaluation")), forward(network, x)
    objective, layers = Objective(burst=recipe.burst), network.layers
    loss, gV, gS, _ = objective_and_derivatives(layers, trace, labels, objective)
    lam_I_out = readout_adjoint(layers[-1], gV[-1])                              # (T, 1, K)
    lam_S = gS[-2] + spike_adjoint(lam_I_out, layers[-1].W)                      # (T, 1, N)
    lam_I = spiking_adjoint(layers[-2], trace[-2], gV[-2], lam_S, recipe.surrogate)
    alpha, _, theta = layers[-2].neuron.constants(lam_I.dtype)
    below = x if len(layers) == 2 else trace[-3].spikes
    sigma = recipe.surrogate.derivative(trace[-2].membrane, trace[-2].spikes, theta)
    courses = (x, trace[-2].membrane, trace[-2].spikes, ideal[-2].membrane, ideal[-2].spikes, trace[-1].membrane, ideal[-1].membrane)
    m = (scores(run[-1].membrane, objective)[0] for run in (trace, ideal))
    return Story(image[0], int(labels[0]), recipe, *(array[:, 0] for array in courses), *m, float(loss),
                 membrane_adjoint(lam_I[:, 0], alpha), lam_I[:, 0], lam_I_out[:, 0], sigma[:, 0],
                 weight_gradient(below, lam_I), weight_gradient(trace[-2].spikes, lam_I_out))


def membrane_adjoint(lam_I, alpha):
    """lamV of all t from lamI (T, ..): E9 read the other way, lamV[t] = lamI[t] - alpha lamI[t+1]; 0 at t = 0, where nothing can be changed. SPEC E9.

    >>> membrane_adjoint(np.array([0.0, 3.0, 2.0]), 0.5).tolist()
    [0.0, 2.0, 2.0]
    """
    later = np.concatenate([lam_I[1:], np.zeros_like(lam_I[:1])])                # lamI[t+1]
    return np.concatenate([np.zeros_like(lam_I[:1]), (lam_I - alpha * later)[1:]])


def as_text(own):
    """A Story for the terminal."""
    picture = ["".join(2 * SHADES[int(grey) * (len(SHADES) - 1) // 255] for grey in row) for row in own.image]
    ruler = "t = " + "".join(str(t % 10) for t in range(len(own.x)))
    decisions = f"decision {own.decision} on the chip, {int(own.m_ideal.argmax())} in the ideal model"
    lines = [f"label {own.label}, {decisions}; loss {own.loss:.4f}", "", *picture, ""]
    counts = own.x.sum(axis=1).astype(int)
    lines += ["input spikes, by time step:  " + " ".join(map(str, counts)), "",
              "hidden neurons with the largest adjoints. Membranes in tenths of theta (- below 0, ^ above theta), | a spike:",
              f"{'':14}{ruler:28}{ruler:28}{ruler}", f"{'neuron':14}{'on the chip':28}{'ideal model':28}adjoint lamV: 9 the largest, a-i below 0, a dot nearly 0"]
    largest = np.abs(own.lam_V).max() or 1.0
    for n in own.neurons(ROWS):
        cells = (course(own.V[:, n], own.S[:, n]), course(own.V_ideal[:, n], own.S_ideal[:, n]), signed(own.lam_V[:, n] / largest))
        lines.append(f"{n:6}{'':8}" + "".join(f"{'':4}{cell:24}" for cell in cells).rstrip())
    lines += ["", "readouts, in tenths of theta:", f"{'class':6}{'score':>8}    {ruler:24}{'ideal':>8}"]
    for k in range(len(own.m)):
        roles = [role for role, of in (("decision", own.decision), ("label", own.label)) if k == of]
        mark = f"  <- {', '.join(roles)}" if roles else ""
        lines.append(f"{k:5} {own.m[k]:8.2f}        {course(own.V_out[:, k]):20}{own.m_ideal[k]:8.2f}{mark}")
    lines += ["", f"hidden spikes: {int(own.S.sum())} on the chip, {int(own.S_ideal.sum())} in the ideal model"]
    return "\n".join(lines)


def course(V, S=None):
    """A membrane over time, one character a step: its tenths of theta.

    >>> course(np.array([0.0, 0.35, -0.2, 1.3]), np.array([0, 0, 0, 1.0]))
    '03-|'
    """
    tenths = np.floor(10 * V)
    letters = ["-" if tenth < 0 else "^" if tenth > 9 else str(int(tenth)) for tenth in tenths]
    return "".join("|" if S is not None and S[t] else letter for t, letter in enumerate(letters))


def signed(values):
    """Numbers from -1 to 1, one character each: 1-9 above 0, a-i below, a dot for less than a tenth.

    >>> signed(np.array([0.0, 0.55, -1.0]))
    '.5i'
    """
    ninths = np.rint(9 * values).astype(int)
    return "".join("." if ninth == 0 else str(ninth) if ninth > 0 else " abcdefghi"[-ninth] for ninth in ninths)
