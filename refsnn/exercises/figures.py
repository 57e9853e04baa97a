"""The figures of `refsnn show`: one image on its way through the system, and three pictures that teach one thing each.

They need matplotlib, and nothing else here does.
"""

import importlib.util
import io

import numpy as np

from refsnn.chip import Chip, Variation
from refsnn.errors import DataError
from refsnn.exercises.show import membrane_adjoint
from refsnn.spec import Layer, Network, NeuronParameters, Surrogate, Trace
from refsnn.spec.bptt import readout_adjoint, spike_adjoint, spiking_adjoint
from refsnn.spec.surrogate import superspike

CHIP, IDEAL, ADJOINT, INPUT, LABEL = "#c8553d", "#1b6ca8", "#5a8f3c", "#555555", "#7a4fa3"      # a red, a blue, a green; grey; a purple
QUIET = "#bbbbbb"
SIZE = (8, 4.6)                                  # inches, of a teaching picture


def check_matplotlib():
    """Raise DataError where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError("a figure needs the extra plot (pip install 'refsnn[plot]')")


def drawn(draw, own, size, format):
    """A figure as bytes, "png" or "svg"; draw(figure, own) fills a matplotlib Figure of `size` inches. Raises DataError without matplotlib."""
    check_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure
    content = io.BytesIO()
    # svg.hashsalt and no date: the same figure gives the same bytes
    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "refsnn", "svg.fonttype": "none"}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, own)
        figure.savefig(content, format=format, dpi=150, metadata={"Date": None} if format == "svg" else None)
    return content.getvalue()


def titled(axes, title, x="", y=""):
    """Title and labels of axes."""
    axes.set_title(title, loc="left", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def overview(figure, own):
    """A Story as one figure, read from left to right and from the top down: image, spikes, membranes, readouts, adjoints."""
    T = len(own.x)
    figure.suptitle(f"label {own.label}, decision {own.decision} on the chip, {int(own.m_ideal.argmax())} in the ideal model. "
                    f"Red: chip, blue: ideal model; a time step is {1e6 * NeuronParameters().dt:g} us", x=0.01, ha="left", fontsize=10)
    grid = figure.add_gridspec(4, 4, height_ratios=(1.25, 1, 1.25, 1.25))
    axes = figure.add_subplot(grid[0, 0])
    axes.imshow(own.image, cmap="gray_r")
    axes.set_axis_off()
    titled(axes, "image")
    axes = figure.add_subplot(grid[0, 1])
    raster(axes, own.x, INPUT, T)
    titled(axes, "input spikes: bright pixels first", "time step t", "pixel")
    axes = figure.add_subplot(grid[0, 2:])
    raster(axes, own.S_ideal, IDEAL, T, hollow=True)
    raster(axes, own.S, CHIP, T)
    titled(axes, f"hidden spikes: chip (dots, {int(own.S.sum())}), ideal model (rings, {int(own.S_ideal.sum())})", "time step t", "neuron")
    for column, n in enumerate(own.neurons(4)):
        membrane(figure.add_subplot(grid[1, column]), own, n, first=column == 0)
    readouts(figure.add_subplot(grid[2, :3]), own)
    bars(figure.add_subplot(grid[2, 3]), own)
    heat(figure, figure.add_subplot(grid[3, :]), own)


def raster(axes, spikes, colour, T, hollow=False):
    """Spikes (T, N) as dots."""
    t, n = np.nonzero(spikes)
    axes.scatter(t, n, s=16 if hollow else 5, color="none" if hollow else colour, edgecolor=colour, linewidth=0.6)
    axes.set(xlim=(-0.6, T - 0.4), ylim=(spikes.shape[1], -1))


def membrane(axes, own, n, first):
    """One neuron's membrane, on the chip and in the ideal model, with the spikes of both."""
    axes.axhline(1, color=QUIET, linewidth=0.8, linestyle="--")
    both = np.concatenate([own.V[:, n], own.V_ideal[:, n]])
    top = max(1.2, both.max())                                                   # spikes are marked above it
    for V, S, colour, label, height in ((own.V_ideal, own.S_ideal, IDEAL, "ideal model", top + 0.12), (own.V, own.S, CHIP, "chip", top + 0.25)):
        axes.plot(V[:, n], "o-", color=colour, markersize=2.5, linewidth=1, label=label)
        axes.plot(np.flatnonzero(S[:, n]), np.full(int(S[:, n].sum()), height), "|", color=colour, markersize=7, markeredgewidth=1.6)
    axes.set_ylim(min(-0.3, both.min()) - 0.1, top + 0.4)
    titled(axes, f"neuron {n}", "time step t", "V / theta" if first else "")
    if first:
        axes.legend(frameon=False, fontsize=7, loc="upper right")


def readouts(axes, own):
    """The readouts: the decision and the label in colour, a ring at the maximum that makes the decision; dashed, those of the ideal model."""
    for k in range(own.V_out.shape[1]):
        colour, width = (CHIP, 1.8) if k == own.decision else (LABEL, 1.8) if k == own.label else (QUIET, 0.8)
        axes.plot(own.V_out[:, k], color=colour, linewidth=width, zorder=2 if width > 1 else 1)
        axes.plot(own.V_out_ideal[:, k], "--", color=IDEAL if k == own.decision else colour, linewidth=0.6 * width, zorder=2 if width > 1 else 1)
    t, k = own.V_out[:, own.decision].argmax(), own.decision
    axes.plot([t], [own.V_out[t, k]], "o", markerfacecolor="none", color=CHIP, markersize=9)
    axes.margins(y=0.12)
    label = "" if own.decision == own.label else f"; purple: the label, {own.label}"
    titled(axes, f"readouts: chip, dashed: ideal model. Red and blue: class {k}, which decides; ring: its maximum, score {own.m[k]:.1f}{label}", "time step t", "V / theta")


def bars(axes, own):
    """The scores of all classes, chip and ideal model."""
    classes = np.arange(len(own.m))
    axes.barh(classes - 0.2, own.m, 0.38, color=CHIP)
    axes.barh(classes + 0.2, own.m_ideal, 0.38, color=IDEAL)
    axes.set(yticks=classes, ylim=(len(classes) - 0.4, -0.6))
    titled(axes, "scores", "m", "class")


def heat(figure, axes, own):
    """The adjoints of the hidden membranes, the neurons with the largest ones, over time; spikes of the chip as rings."""
    chosen = own.neurons(40)
    largest = np.abs(own.lam_V).max() or 1.0
    scaled = own.lam_V[:, chosen].T / largest                                    # (40, T)
    image = axes.imshow(np.sign(scaled) * np.sqrt(np.abs(scaled)), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    t, row = np.nonzero(own.S[:, chosen])
    axes.scatter(t, row, s=14, color="none", edgecolor="black", linewidth=0.7)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"{-largest:.1g}", "0", f"{largest:.1g}"])
    titled(axes, "adjoints lamV = dL/dV of the 40 neurons with the largest ones. Blue: a higher membrane would lower the loss (colour: root of the size); rings: spikes on the chip", "time step t", "neuron")
    axes.set_yticks(range(0, len(chosen), 5), chosen[::5])


class Example:
    """One hidden neuron on a chip, driven by a few spikes, and one readout with a loss: small enough that all of it can be seen.

    x (T, M); V, S, V_out (T,) as the chip recorded them; gV_out, lam_I_out, lam_S, sigma, lam_V, lam_I (T,); W (M, 1), W_out.
    """

    T, W_out = 24, 0.9

    def __init__(self):
        T, unit = self.T, NeuronParameters()
        x = np.zeros((T, 1, 3))
        x[1, 0, 0] = x[3, 0, 1] = x[4, 0, 0] = x[12, 0, 2] = x[14, 0, 1] = x[15, 0, 0] = 1
        self.W = np.array([[0.42], [0.45], [0.30]])
        network = Network((Layer(self.W, None, unit), Layer(np.array([[self.W_out]]), None, unit, spiking=False)))
        hidden, readout = Chip.sample(np.random.default_rng(5), network, Variation.calibrated()).forward(network, x, np.random.default_rng(6))
        self.x, self.V, self.S, self.V_out = x[:, 0], hidden.membrane.ravel(), hidden.spikes.ravel(), readout.membrane.ravel()
        gV_out = np.zeros((T, 1, 1))
        gV_out[-4] = -1                          # a loss that falls as the readout rises near the end
        lam_I_out = readout_adjoint(network.layers[1], gV_out)
        lam_S = spike_adjoint(lam_I_out, network.layers[1].W)
        surrogate = Surrogate(5.0)
        lam_I = spiking_adjoint(network.layers[0], Trace(hidden.membrane, hidden.spikes), 0 * lam_S, lam_S, surrogate)
        self.slope, self.sigma = 5.0, surrogate.derivative(self.V, self.S, 1.0)
        self.gV_out, self.lam_I_out, self.lam_S, self.lam_I = (array.ravel() for array in (gV_out, lam_I_out, lam_S, lam_I))
        self.lam_V = membrane_adjoint(self.lam_I, unit.alpha)


def trace_and_adjoint(figure, own):
    """A neuron's trace, and under it, on the same axis of time, its adjoints: one runs with time, the other against it."""
    above, below = figure.subplots(2, 1, sharex=True)
    above.axhline(1, color=QUIET, linewidth=0.8, linestyle="--")
    for i in range(own.x.shape[1]):
        times = np.flatnonzero(own.x[:, i])
        above.plot(times, np.full(len(times), -0.45 - 0.16 * i), "|", color=INPUT, markersize=7, markeredgewidth=1.5)
    above.plot(own.V, "o-", color=CHIP, markersize=3, linewidth=1.2)
    spikes = np.flatnonzero(own.S)
    above.plot(spikes, np.full(len(spikes), 1.25), "|", color=CHIP, markersize=9, markeredgewidth=2)
    above.annotate("", (9, -0.25), (3, -0.25), arrowprops={"arrowstyle": "->", "color": CHIP})
    above.text(9.3, -0.25, "the membrane remembers what came before", color=CHIP, va="center")
    titled(above, "membrane V[t] as the chip sampled it (the threshold is met in between); spikes above, three inputs below", "", "V / theta")
    below.axhline(0, color=QUIET, linewidth=0.8)
    t = range(1, own.T)                                                          # the recursion ends at t = 1
    below.plot(t, own.lam_S[1:], "s--", color=QUIET, markersize=2.5, linewidth=1, label="lamS: what a spike at t would do to the loss")
    below.bar(t, (own.sigma * own.lam_S)[1:], 0.55, color="#b9d3a8", label="sigma'(V) lamS: what it lets through to the membrane")
    below.plot(t, own.lam_V[1:], "o-", color=ADJOINT, markersize=3, linewidth=1.2, label="lamV: adjoint of the membrane")
    below.set_ylim(1.1 * own.lam_S.min(), 0.4)
    below.annotate("", (3, 0.22), (9, 0.22), arrowprops={"arrowstyle": "->", "color": ADJOINT})
    below.text(9.3, 0.22, "the adjoint knows what comes after", color=ADJOINT, va="center")
    below.legend(frameon=False, fontsize=7, loc="lower left")
    titled(below, "its adjoints, for a loss that looks at the readout at t = 20; slope of the surrogate 5", "time step t", "adjoint")


def surrogate_at_samples(figure, own):
    """The samples of a membrane, and beside them, on the same axis of V, the surrogate derivative that each of them gives."""
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    V = np.linspace(-0.6, 1.8, 500)
    left.plot(own.V, "-", color=QUIET, linewidth=0.8)
    left.scatter(range(own.T), own.V, s=150 * own.sigma, color=ADJOINT, alpha=0.75, linewidth=0)
    right.plot(superspike(V, 1.0, own.slope), V, color=ADJOINT, linewidth=1.2)
    right.plot(superspike(V, 1.0, 50.0), V, color=QUIET, linewidth=0.9)
    right.scatter(own.sigma, own.V, s=14, color=ADJOINT, zorder=3)
    spikes = np.flatnonzero(own.S)
    left.plot(spikes, np.full(len(spikes), 1.15), "|", color=CHIP, markersize=9, markeredgewidth=2)
    left.text(spikes[0] + 0.5, 1.15, "spike", color=CHIP, va="center", fontsize=8)
    left.text(spikes[0] + 1.4, own.V[spikes[0] + 1] - 0.06, "the sample after a spike shows the reset:\nhardly any gradient there", color=INPUT,
              fontsize=7, va="top")
    for axes in (left, right):
        axes.axhline(1, color=QUIET, linewidth=0.8, linestyle="--")
        axes.set_ylim(-0.35, 1.4)
    right.text(0.5, 1.12, "slope 5", color=ADJOINT, fontsize=8)
    right.text(0.97, 0.3, "grey: slope 50,\nthe paper's", color=INPUT, fontsize=7, ha="right")
    titled(left, "samples of a membrane on the chip; area of a dot: its surrogate", "time step t", "V / theta")
    titled(right, "sigma'(V)", "in 1 / theta")


def gradient_as_sum(figure, own):
    """One weight's gradient: its input spikes, the adjoints of the current one step later, their products, and the sum."""
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1.6, 1.6))
    spikes = own.x[:, 0]
    products = np.append(spikes[:-1] * own.lam_I[1:], 0)
    times = np.flatnonzero(spikes)
    axes[0].vlines(times, 0, 1, color=INPUT, linewidth=2)
    axes[0].set(ylim=(0, 1.3), yticks=[])
    titled(axes[0], "S_below[t]: the spikes that came through this weight")
    axes[1].axhline(0, color=QUIET, linewidth=0.8)
    axes[1].plot(own.lam_I, "o-", color=ADJOINT, markersize=3, linewidth=1.2)
    for t in times:
        axes[1].plot([t + 1], [own.lam_I[t + 1]], "o", markerfacecolor="none", color=CHIP, markersize=9)
    titled(axes[1], "lamI[t]: adjoint of the current; ringed where a spike of the step before meets it")
    axes[2].axhline(0, color=QUIET, linewidth=0.8)
    axes[2].bar(range(own.T), products, 0.6, color=CHIP)
    total = np.cumsum(products)
    axes[2].step(range(own.T), total, where="post", color=INPUT, linewidth=1.2)
    axes[2].annotate(f"dW = {total[-1]:.3f}", (own.T - 1, total[-1]), xytext=(0, 7), textcoords="offset points", ha="right", color=INPUT)
    titled(axes[2], "S_below[t] lamI[t+1] (bars), and their sum so far: at the end it is dW", "time step t")


PICTURES = {                                     # name: (page of the derivation, title, draw)
    "adjoint": ("adjoint", "a neuron's trace, and under it its adjoints", trace_and_adjoint),
    "surrogate": ("surrogate", "the surrogate derivative at the samples of a measured membrane", surrogate_at_samples),
    "weight": ("adjoint", "one weight's gradient as a sum over time", gradient_as_sum),
}
