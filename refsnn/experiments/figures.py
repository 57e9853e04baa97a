"""What the figures share: one experiment's results, drawn by its own `draw` and written as a PNG.

The only place that needs matplotlib; without it `save` says so.
"""

import io
from pathlib import Path

from refsnn.experiments.table import mean_and_spread
from refsnn.files import write_atomically

MISSING = "no figure: it needs the extra plot (pip install 'refsnn[plot]'); the same command draws it then, and trains nothing again"
OURS, OTHER, THIRD, PAPER = "#1b6ca8", "#c8553d", "#5a8f3c", "#777777"     # a blue, a red, a green; grey for the paper's numbers


def save(draw, size, results, path):
    """Write the figure of an experiment to `path`, PNG, and return a line that says so, or that matplotlib is missing.

    draw(figure, results): fills a matplotlib Figure of `size` inches from what NAME.json holds.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return MISSING
    figure = Figure(figsize=size, layout="constrained")
    draw(figure, results)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    write_atomically(path, content.getvalue())
    return f"figure    {Path(path)}"


def tidy(axes, x, y, title=""):
    """Label axes, and take away what carries no information."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def plain_log(axes, which, ticks):
    """Make the axis `which`, "x" or "y", logarithmic, with numbers as they are at `ticks`, and leave out those beyond what is drawn."""
    get_limits, set_scale, set_ticks = (getattr(axes, name) for name in (f"get_{which}lim", f"set_{which}scale", f"set_{which}ticks"))
    set_scale("log")
    low, high = get_limits()
    inside = [tick for tick in ticks if low <= tick <= high]
    set_ticks(inside, [f"{tick:g}" for tick in inside])
    axes.tick_params(axis=which, which="minor", labelbottom=False, labelleft=False)


def curve(axes, x, points, colour, label):
    """A line through (mean, spread or None) of `points` in percent, with bars of the spread."""
    axes.errorbar(x, [100 * mean for mean, _ in points], [100 * (spread or 0) for _, spread in points],
                  fmt="o-", color=colour, label=label, markersize=4, capsize=2)


def dots(axes, runs, paper=None):
    """One line a label, top down: the accuracy of runs, {label: [run of each seed]}, as a dot with a bar, and the paper's, in percent, as a ring."""
    for row, (label, own) in enumerate(runs.items()):
        mean, spread = mean_and_spread([run["accuracy"] for run in own])
        axes.errorbar([100 * mean], [row], xerr=[100 * (spread or 0)], fmt="o", color=OURS, capsize=2, label=None if row else "this emulation")
        if paper and label in paper:
            axes.plot([paper[label]], [row], "o", markerfacecolor="none", color=PAPER, markersize=9)
    if paper and set(paper) & set(runs):
        axes.plot([], [], "o", markerfacecolor="none", color=PAPER, markersize=9, label="the paper")
        axes.legend(frameon=False)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.set_ylim(len(runs) - 0.5, -0.5)
    tidy(axes, "test accuracy / %", "")
