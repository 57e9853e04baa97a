"""What the figures share: one experiment's results, drawn by its own `draw` and written as a PNG. Needs matplotlib, and only here."""

import io
from pathlib import Path

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
    get_limits, set_scale, set_ticks = {"x": (axes.get_xlim, axes.set_xscale, axes.set_xticks), "y": (axes.get_ylim, axes.set_yscale, axes.set_yticks)}[which]
    set_scale("log")
    low, high = get_limits()
    inside = [tick for tick in ticks if low <= tick <= high]
    set_ticks(inside, [f"{tick:g}" for tick in inside])
    axes.tick_params(axis=which, which="minor", labelbottom=False, labelleft=False)


def curve(axes, x, points, colour, label, style="o-"):
    """A line through (mean, spread or None) in percent, with bars of the spread; what is None is left out."""
    kept = [(place, *point) for place, point in zip(x, points) if point is not None]
    axes.errorbar([place for place, _, _ in kept], [100 * mean for _, mean, _ in kept], [100 * (spread or 0) for *_, spread in kept],
                  fmt=style, color=colour, label=label, markersize=4, capsize=2)


def dots(axes, points, paper=None, quantity="test accuracy / %"):
    """One line a label, top down: (mean, spread or None) of `points`, {label: point}, as a dot with a bar, and the paper's as a ring, all in percent."""
    for row, (label, (mean, spread)) in enumerate(points.items()):
        axes.errorbar([100 * mean], [row], xerr=[100 * (spread or 0)], fmt="o", color=OURS, capsize=2, label="this emulation" if row == 0 else None)
        if paper and label in paper:
            axes.plot([paper[label]], [row], "o", markerfacecolor="none", color=PAPER, markersize=9)
    if paper and set(paper) & set(points):
        axes.plot([], [], "o", markerfacecolor="none", color=PAPER, markersize=9, label="the paper")
        axes.legend(frameon=False)
    axes.set_yticks(range(len(points)), list(points))
    axes.set_ylim(len(points) - 0.5, -0.5)
    tidy(axes, quantity, "")
