"""The network that does not spike: layers of rectified linear units, trained by hand too, to compare the spiking ones with.

    symbol    code        unit     shape      meaning
    x         x           0..1     (B,M)      pixels / 255
    W         W           1        (M+1,N)    weights; the last row is the bias, the weight of an input that is always 1
    a         a           1        (B,N)      what arrives, [x, 1] W
    h         h           1        (B,N)      max(a, 0); the last layer has none: its a are the scores m
    L         loss        1        scalar     mean cross-entropy of softmax(m), as of the spiking networks
    dL/da     da          1        (B,N)      its derivative; dW likewise

The chain rule, from the scores down; [h, 1] is what a layer receives:

    a = [h, 1] W          ->   dW = [h, 1]^T da,  dh = da W^T without the bias
    h = max(a, 0)         ->   da = dh where a > 0, else 0

Optimisation and augmentation are those of the spiking networks, so that the difference is the spikes. There is no weight decay and no clip, and
dropout enlarges the units that stay by 1 / (1 - p), as is usual: without that the bias would be too small beside all units in evaluation.
"""

import time
from dataclasses import dataclass

import numpy as np

from refsnn.datasets import load
from refsnn.errors import ShapeError
from refsnn.runs import Silence, Task, carry_out, followed
from refsnn.spec import adam_start, adam_step, parameters, rotate
from refsnn.spec.loss import cross_entropy
from refsnn.training import Progress, Recipe, split

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class ReluRecipe(Recipe):
    """A Recipe of which data, hidden, epochs, batch, seed, rotation, shift, dropout, rate, schedule, holdout and evaluate_every are used."""


@dataclass(frozen=True, eq=False)
class Dense:
    """One layer: W (M + 1, N), the last row being the bias. R is None, as in a spiking layer without recurrence."""

    W: np.ndarray
    R: None = None


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    """A tuple of Dense layers; the last one gives the scores."""

    layers: tuple

    @classmethod
    def initialise(cls, rng, sizes, dtype=np.float32):
        """Normal weights of std sqrt(2 / fan_in), which keep the size of h from layer to layer (He et al., arXiv 1502.01852), without bias.

        sizes (M, N1, .., K); rng: a numpy Generator.
        """
        def draw(M, N):
            """W (M + 1, N) of one layer."""
            return np.vstack([rng.normal(0, np.sqrt(2 / M), (M, N)), np.zeros((1, N))]).astype(dtype)

        return cls(tuple(Dense(draw(M, N)) for M, N in zip(sizes, sizes[1:])))

    def with_parameters(self, arrays):
        """The same network with other weights: one array a layer."""
        return ReluNetwork(tuple(Dense(W) for W in arrays))


def with_one(h):
    """[h, 1]: the input that is always 1 is appended; (B, N) -> (B, N + 1)."""
    return np.hstack([h, np.ones((len(h), 1), h.dtype)])


def forward(network, x, keep=None):
    """Run the network: x (B, M) -> the list of what each layer received, [h, 1] (B, N + 1), and the scores m (B, K).

    keep: None, or one array (N,) a hidden layer, which its h is multiplied with: 0 for the units that are dropped. Raises ShapeError.

    >>> two = ReluNetwork((Dense(np.array([[1.0, -1.0], [0.0, 0.0]])), Dense(np.array([[2.0], [3.0], [0.5]]))))
    >>> forward(two, np.array([[4.0]]))[1].tolist()                # 2 max(4, 0) + 3 max(-4, 0) + 0.5
    [[8.5]]
    """
    if x.ndim != 2 or x.shape[1] + 1 != len(network.layers[0].W):
        raise ShapeError(f"x has shape {x.shape}; this network takes (B, {len(network.layers[0].W) - 1})")
    received = [with_one(x)]                                             # (B, M+1)
    for index, layer in enumerate(network.layers[:-1]):
        h = np.maximum(received[-1] @ layer.W, 0)                        # (B, N)
        received.append(with_one(h if keep is None else h * keep[index]))    # (B, N+1)
    return received, received[-1] @ network.layers[-1].W                 # (B, K)


def loss_and_gradient(network, x, labels, keep=None):
    """(loss, gradient, scores): the gradient a tuple with one Dense a layer, by the chain rule at the head of this file."""
    received, m = forward(network, x, keep)
    loss, da = cross_entropy(m, labels)                                  # (B, K)
    gradient = [Dense(received[-1].T @ da)]                              # (N+1, K)
    for index in reversed(range(len(network.layers) - 1)):
        dh = da @ network.layers[index + 1].W[:-1].T                     # (B, N)
        if keep is not None:
            dh = dh * keep[index]                                        # (B, N)
        da = dh * (received[index + 1][:, :-1] > 0)                      # (B, N)
        gradient.append(Dense(received[index].T @ da))                   # (M+1, N)
    return float(loss), tuple(reversed(gradient)), m


def train(recipe, folder, resume=False):
    """Train a ReluRecipe in a folder, or go on there: what results.json holds, as of refsnn.runs.train; hidden_spikes are None."""
    dataset = load(recipe.data)
    data = split(recipe, dataset)
    task = Task(dataset.name, data, lambda folder: start(recipe, data), lambda progress: next_epoch(recipe, progress, data))
    return carry_out(task, recipe, folder, resume, Silence())


def start(recipe, data):
    """The Progress before the first epoch."""
    sizes = (data.images[0].size, *recipe.hidden, int(data.labels.max()) + 1)
    network = ReluNetwork.initialise(recipe.generator("weights"), sizes)
    return Progress(network, adam_start(parameters(network.layers)))


def pixels(images):
    """Grey values (B, H, W) uint8 as x (B, H W), 0 .. 1."""
    return (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)


def draw_keep(rng, size, share):
    """What dropout multiplies the units of a layer with: 0, or 1 / (1 - share); (size,)."""
    return (rng.random(size) >= share).astype(np.float32) / np.float32(1 - share)


def next_epoch(recipe, progress, data):
    """The Progress after one epoch more."""
    started, epoch, network, adam = time.perf_counter(), len(progress.history), progress.network, progress.adam
    order, augmentation, dropout = (recipe.generator(purpose, epoch) for purpose in ("order", "augmentation", "dropout"))
    order, totals = order.permutation(len(data.images)), np.zeros(2)     # loss, correct decisions
    for first in range(0, len(order), recipe.batch):
        chosen = order[first:first + recipe.batch]
        images, labels = data.images[chosen], data.labels[chosen]
        if recipe.rotation or recipe.shift:
            degrees = augmentation.uniform(-recipe.rotation, recipe.rotation, len(images))
            images = rotate(images, degrees, augmentation.uniform(-recipe.shift, recipe.shift, (len(images), 2)))
        keep = [draw_keep(dropout, size, recipe.dropout) for size in recipe.hidden] if recipe.dropout else None
        loss, gradient, m = loss_and_gradient(network, pixels(images), labels, keep)
        arrays, adam = adam_step(parameters(network.layers), parameters(gradient), adam, recipe.learning_rate(epoch))
        network = network.with_parameters(arrays)
        totals += len(chosen) * loss, (m.argmax(axis=1) == labels).sum()
    means = dict(zip(("loss", "train_accuracy"), (totals / len(order)).tolist()))
    return followed(recipe, progress, network, adam, means, lambda: (accuracy(network, data), None), started)


def accuracy(network, data):
    """The share of correct decisions on the evaluation images of a Split, all units present."""
    images, labels, correct = data.evaluation_images, data.evaluation_labels, 0
    for first in range(0, len(images), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        correct += int((forward(network, pixels(images[part]))[1].argmax(axis=1) == labels[part]).sum())
    return correct / len(images)
