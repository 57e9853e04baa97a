"""Training of one spiking layer, recurrent or not, on recordings that are spikes already (SPEC E12, E16, E19): what refsnn.training is for images.

Differences to images: the input is many spikes a channel, over ten times as many time steps; the membranes' sum over time decides (E12);
both time constants are 10 us; augmentation moves every spike's channel by a normal draw.
"""

import time
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from refsnn.errors import DataError, RangeError, check_choice, check_number
from refsnn.events import Events
from refsnn.fast import loss_and_gradient
from refsnn.runs import Silence, Task, carry_out, followed, last_checkpoint
from refsnn.spec import Network, NeuronParameters, Objective, adam_start, drop_units, parameters, scores, update
from refsnn.spec.bptt import LayerGradient
from refsnn.speech import load
from refsnn.training import Progress, Recipe, Split, Substrate

NEURON = NeuronParameters(tau_mem=10e-6, tau_syn=10e-6)
READOUT_SCALE = 0.05          # R_out of E12: 10 / 200 time steps, so that scores are about as large as those of images; an assumption
RATE, RATE_LIMIT = 1e-6, 600  # rho_r and theta_r of E16: spikes of the layer in one recording; assumptions
EVALUATION_BATCH = 250


@dataclass(frozen=True)
class SpokenRecipe(Recipe):
    """A Recipe for speech; rotation and shift must be 0.

    recurrence: "trained", "none", or "fixed": then it is the one that the run in the folder ../../recurrence_of/seed-.. has learned, shuffled.
    jitter: std in channels of what augmentation moves every spike by. Raises DtypeError, RangeError.
    """

    hidden: tuple = (186,)
    rotation: float = 0.0
    shift: float = 0.0
    recurrence: str = "trained"
    recurrence_of: str = ""
    jitter: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        check_choice("recurrence", self.recurrence, ("trained", "none", "fixed"))
        self.normalise("jitter", check_number("jitter", self.jitter, low=0, high=70))
        if len(self.hidden) > 1 or self.rotation or self.shift or self.parts:
            given = ", ".join(f"{name} {getattr(self, name)}" for name in ("hidden", "rotation", "shift", "parts"))
            raise RangeError(f"speech takes one spiking layer, without rotation, shift or parts; got {given}")

    @property
    def objective(self):
        """The Objective of this recipe. SPEC E12, E13, E16."""
        return Objective(READOUT_SCALE, "sum", burst=self.burst, rate=RATE, rate_limit=RATE_LIMIT)


@lru_cache(maxsize=1)
def load_once(source):
    """The recordings of a sweep; every run of it asks for the same."""
    return load(source)


def data_of(recipe):
    """The recipe's Split; its images are spikes (n, T, 70)."""
    spoken = load_once(recipe.data)
    spikes, labels, kept = spoken.train_spikes, spoken.train_labels, len(spoken.train_spikes) - recipe.holdout
    if kept < 1:
        raise RangeError(f"holdout is {recipe.holdout} but there are only {len(spikes)} recordings to train on")
    if recipe.holdout:
        return Split(spikes[:kept], labels[:kept], spikes[kept:], labels[kept:])
    return Split(spikes, labels, spoken.test_spikes, spoken.test_labels)


def train(recipe, folder, resume=False):
    """Train a SpokenRecipe in a folder, or go on there: what results.json holds, as of refsnn.runs.train."""
    data = data_of(recipe)
    substrate = Substrate(recipe, fresh(recipe, data))
    task = Task(load_once(recipe.data).name, data, partial(start, recipe, data), partial(next_epoch, recipe, data, substrate))
    return carry_out(task, recipe, folder, resume, Silence())


def fresh(recipe, data):
    """The network before training, with a recurrence that is trained, or none."""
    sizes = (data.images.shape[2], *recipe.hidden, int(data.labels.max()) + 1)
    return Network.initialise(recipe.generator("weights"), sizes, recipe.recurrence != "none", NEURON, np.float32)


def start(recipe, data, folder):
    """The Progress before the first epoch of the run in `folder`."""
    network = fresh(recipe, data)
    if recipe.recurrence == "fixed":
        _, learned = last_checkpoint(folder.parent.parent / recipe.recurrence_of / folder.name, network)
        if learned.network is None:
            raise DataError(f"{recipe.recurrence_of} has no recurrence of the size that {folder} needs")
        network = with_recurrence(network, shuffled(learned.network.layers[0].R, recipe.generator("weights", 1)))
    return Progress(network, adam_start(parameters(network.layers)))


def with_recurrence(network, R):
    """The network with another R (N, N) in its first layer."""
    W, _, *above = parameters(network.layers)
    return network.with_parameters([W, R, *above])


def shuffled(R, rng):
    """R (N, N) with its entries in another order: the same weights, another wiring."""
    return rng.permutation(R.reshape(-1)).reshape(R.shape)


def next_epoch(recipe, data, substrate, progress):
    """The Progress after one epoch more."""
    started, epoch, network, adam = time.perf_counter(), len(progress.history), progress.network, progress.adam
    order, augmentation, noise, dropout = (recipe.generator(purpose, epoch) for purpose in ("order", "augmentation", "noise", "dropout"))
    order, totals = order.permutation(len(data.images)), np.zeros(3)             # loss, correct decisions, hidden spikes
    for first in range(0, len(order), recipe.batch):
        chosen = order[first:first + recipe.batch]
        spikes, labels = data.images[chosen], data.labels[chosen]
        thinned = drop_units(network, [dropout.random(size) >= recipe.dropout for size in recipe.hidden]) if recipe.dropout else network
        x = events_of(move_channels(spikes, recipe.jitter, augmentation) if recipe.jitter else spikes)     # (T, B, 70)
        trace = substrate.forward(thinned, x, noise, training=True)
        loss, gradient, _ = loss_and_gradient(thinned, x, labels, trace, recipe.objective, recipe.surrogate)
        network, adam = update(network, held(gradient) if recipe.recurrence == "fixed" else gradient, adam, recipe.learning_rate(epoch))
        totals += len(chosen) * loss, *judged(trace, labels, recipe.objective)
    means = dict(zip(("loss", "train_accuracy", "train_hidden_spikes"), (totals / len(order)).tolist()))
    return followed(recipe, progress, network, adam, means, lambda: evaluate(recipe, network, substrate, data, epoch), started)


def held(gradient):
    """The gradient without that of the recurrence: Adam, which has never seen another, then leaves R as it is."""
    hidden, readout = gradient
    return LayerGradient(hidden.W, np.zeros_like(hidden.R)), readout


def events_of(spikes):
    """Recordings (B, T, 70) uint8 as Events (T, B, 70)."""
    return Events.of(np.ascontiguousarray(spikes.transpose(1, 0, 2)).astype(np.float32))


def move_channels(spikes, sigma, rng):
    """Move the channel i of every spike to round(i + sigma z), z standard normal; what leaves the channels is lost, and of two that meet one remains.

    spikes (B, T, 70) uint8; returns the like. SPEC E19.
    """
    sample, step, channel = np.nonzero(spikes)                                   # (E,)
    moved = np.rint(channel + sigma * rng.standard_normal(len(channel))).astype(int)
    inside = (moved >= 0) & (moved < spikes.shape[2])
    x = np.zeros_like(spikes)
    x[sample[inside], step[inside], moved[inside]] = 1
    return x


def judged(trace, labels, objective):
    """Correct decisions and hidden spikes of a trace: (int, float)."""
    decision = scores(trace[-1].membrane, objective).argmax(axis=1)              # (B,)
    return int((decision == labels).sum()), float(trace[0].spikes.sum())


def evaluate(recipe, network, substrate, data, epoch):
    """Accuracy and mean number of hidden spikes a recording on the evaluation recordings: (float, float)."""
    noise, totals = recipe.generator("evaluation", epoch), np.zeros(2)
    for first in range(0, len(data.evaluation_images), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        trace = substrate.forward(network, events_of(data.evaluation_images[part]), noise)
        totals += judged(trace, data.evaluation_labels[part], recipe.objective)
    return tuple((totals / len(data.evaluation_images)).tolist())
