"""Training in the loop: images -> spikes -> chip -> trace -> gradient -> weights -> chip, epoch after epoch.

What lives here: the recipe (every setting of a run), one epoch, and the evaluation. No equation does: they are in refsnn.spec
and refsnn.chip; and no file: refsnn.runs writes checkpoints and results.

Each epoch draws from generators made anew from (seed, purpose, epoch), so the epochs of a run need nothing from the past but
weights, Adam's state and the number of epochs done.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from refsnn.chip import Chip, PartedChip, Variation, calibrate
from refsnn.errors import DtypeError, RangeError, check_choice, check_count, check_number, check_type, describe
from refsnn.events import encode_events
from refsnn.fast import forward, loss_and_gradient
from refsnn.spec import Network, Objective, Surrogate, Trace, adam_start, drop_units, parameters, rotate, scores, update
from refsnn.spec.optim import AdamState, cosine_rate, exponential_rate

TIE_BREAKING_NOISE = 1e-5      # theta; the authors' software run adds it to the readout's membranes in training
EVALUATION_BATCH = 250
SHARDS = 2                     # parts of every batch, see Shard
PURPOSES = ("weights", "chip", "order", "augmentation", "noise", "evaluation", "calibration", "dropout")


@dataclass(frozen=True)
class Recipe:
    """Every setting of a training run; the defaults were chosen on held-out training images, PRESETS has the paper's.

    data: "sample", a folder or an npz (refsnn.datasets.load). substrate: "chip" or "ideal". hidden: neurons of each spiking
    layer. rotation in degrees to either side; shift in pixels; dropout: share of hidden units; burst: rho_b. rate: first
    learning rate; schedule "cosine" or "exponential". slope and spike_aware: the surrogate. variation: the chip's
    imperfections as Variation.named takes them. calibrate: the chip is calibrated first, from recordings. parts: it
    runs the network in parts, see refsnn.chip.partition. substeps: the chip's grid steps in a
    dt. sample_offset, spike_shift: see Chip. holdout: that many of the
    last training images are kept out and evaluated instead of the test set. Raises DtypeError, RangeError.
    """

    data: str = "sample"
    substrate: str = "chip"
    hidden: tuple = (246,)
    epochs: int = 16
    batch: int = 100
    seed: int = 0
    rotation: float = 12.0
    shift: float = 0.7
    dropout: float = 0.0
    burst: float = 2e-3
    rate: float = 2e-3
    schedule: str = "cosine"
    slope: float = 20.0
    spike_aware: bool = True
    variation: str = "calibrated"
    calibrate: bool = False
    parts: bool = False
    substeps: int = 4
    sample_offset: float = 0.0
    spike_shift: float = 0.0
    holdout: int = 0
    evaluate_every: int = 4

    def __post_init__(self):
        check_choice("substrate", self.substrate, ("chip", "ideal"))
        check_choice("schedule", self.schedule, ("cosine", "exponential"))
        Variation.named(self.variation)
        check_type("calibrate", self.calibrate, bool)
        if self.calibrate and self.substrate != "chip":
            raise RangeError("calibrate is for substrate chip; the ideal model has nothing to calibrate")
        check_type("parts", self.parts, bool)
        if self.parts and (self.calibrate or self.substrate != "chip"):
            raise RangeError("parts is for substrate chip, and without calibrate")
        if not isinstance(self.data, str) or not self.data:
            raise DtypeError(f"data is {describe(self.data)}; it must be 'sample' or a path as text")
        if not isinstance(self.hidden, (list, tuple)) or not self.hidden:
            raise RangeError(f"hidden is {describe(self.hidden)}; it must be the numbers of neurons of one or more layers")
        # plain numbers only, so that a recipe can be written to a file and compared with the one read from it
        self.normalise("hidden", tuple(check_count("hidden", size, high=100_000) for size in self.hidden))
        for name, low, high in (("epochs", 1, 9999), ("batch", 1, 10**6), ("substeps", 1, 1000), ("evaluate_every", 1, 9999),
                                ("seed", 0, 2**63), ("holdout", 0, 2**53)):
            self.normalise(name, check_count(name, getattr(self, name), low, high))
        for name, high in (("rotation", 180), ("shift", 16), ("dropout", 0.99), ("burst", 1e3), ("rate", 1)):
            self.normalise(name, check_number(name, getattr(self, name), low=0, high=high))
        self.normalise("sample_offset", check_number("sample_offset", self.sample_offset, low=0, high=1))
        self.normalise("spike_shift", check_number("spike_shift", self.spike_shift, low=-1, high=1))
        self.normalise("slope", check_number("slope", self.slope, low=1e-6, high=1e6))
        self.surrogate  # checks spike_aware

    def normalise(self, name, value):
        """Set a field of this frozen dataclass while it is being made."""
        object.__setattr__(self, name, value)

    @property
    def surrogate(self):
        """The Surrogate of this recipe."""
        return Surrogate(self.slope, self.spike_aware)

    def generator(self, purpose, epoch=0, shard=0):
        """The numpy Generator for one purpose in one epoch and shard; no two of them share a stream."""
        return np.random.default_rng([self.seed, PURPOSES.index(purpose), epoch, shard])

    def learning_rate(self, epoch):
        """The learning rate of an epoch, counted from 0."""
        return exponential_rate(epoch, self.rate) if self.schedule == "exponential" else cosine_rate(epoch, self.epochs, self.rate)


PRESETS: dict[str, dict] = {
    "default": {},
    "long": {"epochs": 50, "slope": 10.0, "rate": 1e-3, "evaluate_every": 10},        # for all of MNIST or Fashion-MNIST
    "published": {"epochs": 100, "rotation": 0.0, "shift": 0.0, "dropout": 0.0, "burst": 5e-4, "rate": 1.5e-3, "schedule": "exponential",
                  "slope": 50.0, "spike_aware": False},
}


@dataclass(frozen=True, eq=False)
class Split:
    """The images that a run trains on, and those that it is evaluated on: images (n, H, W) uint8, labels (n,)."""

    images: np.ndarray
    labels: np.ndarray
    evaluation_images: np.ndarray
    evaluation_labels: np.ndarray

    def sha256(self):
        """The sha256 over all images and labels, as hexadecimal digits."""
        total = hashlib.sha256()
        for array in (self.images, self.labels, self.evaluation_images, self.evaluation_labels):
            total.update(f"{array.shape}".encode() + array.tobytes())
        return total.hexdigest()


def split(recipe, dataset):
    """The recipe's Split of a dataset: evaluated on the test set, or on `holdout` training images that are then not trained on."""
    n = len(dataset.train_images)
    if recipe.holdout >= n:
        raise RangeError(f"holdout is {recipe.holdout} but there are only {n} training images")
    images, labels, kept = dataset.train_images, dataset.train_labels, n - recipe.holdout
    data = Split(images, labels, dataset.test_images, dataset.test_labels)
    if recipe.holdout:
        data = Split(images[:kept], labels[:kept], images[kept:], labels[kept:])
    largest, evaluated = data.labels.max(), data.evaluation_labels.max()
    if evaluated > largest:
        raise RangeError(f"there is an image of class {evaluated} to be evaluated, and none above class {largest} to train on: no neuron would stand for it")
    return data


@dataclass(frozen=True, eq=False)
class Progress:
    """A run between two epochs: the weights, Adam's state, and one record an epoch so far, with the seconds that it took."""

    network: Network
    adam: AdamState
    history: tuple = ()
    seconds: tuple = ()


class Substrate:
    """What runs the network forward: an emulated chip, or the ideal model. Both give a trace."""

    def __init__(self, recipe, network):
        self.chip = None
        if recipe.substrate == "chip":
            kind = PartedChip if recipe.parts else Chip
            self.chip = kind.sample(recipe.generator("chip"), network, Variation.named(recipe.variation), substeps=recipe.substeps,
                                    sample_offset=recipe.sample_offset, spike_shift=recipe.spike_shift)
            if recipe.calibrate:
                self.chip = calibrate(self.chip, network, recipe.generator("calibration"))

    def forward(self, network, x, rng, training=False):
        """x (T, B, M), Events -> one Trace a layer. In training a substrate without noise of its own gets the tie-breaking noise: see spec.forward."""
        trace = forward(network, x) if self.chip is None else self.chip.forward(network, x, rng)
        if training and (self.chip is None or self.chip.variation.read_noise == 0):
            V = trace[-1].membrane
            trace = (*trace[:-1], Trace(V + rng.normal(0, TIE_BREAKING_NOISE, V.shape).astype(V.dtype)))
        return trace


def start(recipe, images, labels):
    """The Progress before the first epoch: fresh weights for the size of the images and the number of classes."""
    classes = check_count("the number of classes, the largest label + 1,", int(labels.max()) + 1, high=10_000)
    sizes = (images[0].size, *recipe.hidden, classes)
    network = Network.initialise(recipe.generator("weights"), sizes, dtype=np.float32)
    return Progress(network, adam_start(parameters(network.layers)))


class Shard:
    """One of the equal parts into which every batch is cut, with noise of its own: what one process can do of an epoch.

    The parts are always SHARDS, however many processes there are, so that the results are the same for any number of them.
    """

    def __init__(self, recipe, substrate, data, number):
        self.recipe, self.substrate, self.data, self.number = recipe, substrate, data, number
        self.objective = Objective(burst=recipe.burst)

    def begin(self, epoch):
        """Go to the first batch of an epoch."""
        self.augmentation, self.noise = (self.recipe.generator(purpose, epoch, self.number) for purpose in ("augmentation", "noise"))
        self.dropout = self.recipe.generator("dropout", epoch)                   # every part drops the same units
        order = self.recipe.generator("order", epoch).permutation(len(self.data.images))
        self.batches = [np.array_split(order[first:first + self.recipe.batch], SHARDS)[self.number]
                        for first in range(0, len(order), self.recipe.batch)]

    def step(self, network, index):
        """Batch number `index` of the epoch, after those before it: [sums over this part's images, gradient of their mean, ...].

        The sums are images, loss, correct decisions, hidden spikes: (4,). The gradient is one array a parameter, in the order of `parameters`.
        """
        chosen, recipe = self.batches[index], self.recipe
        thinned = network
        if recipe.dropout:
            thinned = drop_units(network, [self.dropout.random(size) >= recipe.dropout for size in recipe.hidden])
        if not len(chosen):
            return [np.zeros(4), *(np.zeros_like(array) for array in parameters(network.layers))]
        batch, labels = self.data.images[chosen], self.data.labels[chosen]
        if recipe.rotation or recipe.shift:
            degrees = self.augmentation.uniform(-recipe.rotation, recipe.rotation, len(batch))
            batch = rotate(batch, degrees, self.augmentation.uniform(-recipe.shift, recipe.shift, (len(batch), 2)))
        x = encode_events(batch, dtype=np.float32)                               # (T, B, M)
        trace = self.substrate.forward(thinned, x, self.noise, training=True)
        loss, gradient, _ = loss_and_gradient(thinned, x, labels, trace, self.objective, recipe.surrogate)
        return [np.array([len(chosen), loss * len(chosen), *judged(trace, labels)]), *parameters(gradient)]

    def evaluate(self, network, epoch):
        """This part of the evaluation images, without dropout or augmentation: [sums as of step, but for the loss, which is 0]."""
        noise, sums = self.recipe.generator("evaluation", epoch, self.number), np.zeros(4)
        images, labels = (np.array_split(array, SHARDS)[self.number] for array in (self.data.evaluation_images, self.data.evaluation_labels))
        for first in range(0, len(images), EVALUATION_BATCH):
            part = slice(first, first + EVALUATION_BATCH)
            trace = self.substrate.forward(network, encode_events(images[part], dtype=np.float32), noise)
            sums += len(labels[part]), 0, *judged(trace, labels[part])
        return [sums]


def judged(trace, labels):
    """Correct decisions and hidden spikes of a trace: (int, float)."""
    decision = scores(trace[-1].membrane, Objective()).argmax(axis=1)            # (B,)
    return int((decision == labels).sum()), sum(float(layer.spikes.sum()) for layer in trace[:-1])


class Member:
    """The shards of one process, and the loop over the batches of an epoch, which every process runs (refsnn.crew).

    exchange: {number of a shard: its arrays}, of this process -> of all. report(images done, images in all) is called after every batch.
    """

    report = staticmethod(lambda done, total: None)

    def __init__(self, shards):
        self.shards = shards

    def train_epoch(self, exchange, network, adam, epoch):
        """One epoch: returns (network, adam, record of means)."""
        recipe, n, totals = self.shards[0].recipe, len(self.shards[0].data.images), np.zeros(4)
        for shard in self.shards:
            shard.begin(epoch)
        for index in range(len(self.shards[0].batches)):
            parts = exchange({shard.number: shard.step(network, index) for shard in self.shards})
            sums, *gradients = zip(*(parts[number] for number in range(SHARDS)))
            images = sum(part[0] for part in sums)
            shares = [np.float32(part[0] / images) for part in sums]
            # the weighted sum, in the order of the shards whoever was first
            mean = [sum(share * array for share, array in zip(shares, arrays)) for arrays in gradients]
            network, adam = update(network, network.with_parameters(mean).layers, adam, recipe.learning_rate(epoch))
            totals += sum(sums)
            self.report(int(totals[0]), n)
        return network, adam, dict(zip(("loss", "train_accuracy", "train_hidden_spikes"), (totals[1:] / n).tolist()))

    def evaluate(self, exchange, network, epoch):
        """Accuracy and mean number of hidden spikes an image on the evaluation images: (float, float)."""
        parts = exchange({shard.number: shard.evaluate(network, epoch) for shard in self.shards})
        sums = sum(parts[number][0] for number in range(SHARDS))
        return tuple((sums[2:] / sums[0]).tolist())


def members(recipe, substrate, data, workers):
    """One Member with all shards for one worker, else two with one each."""
    shards = [Shard(recipe, substrate, data, number) for number in range(SHARDS)]
    return [Member(shards)] if workers == 1 else [Member([shard]) for shard in shards]
