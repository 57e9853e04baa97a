"""Numbers as the tables show them."""


def percent(mean, spread=None):
    """A mean and its spread in percent, as text.

    >>> percent(0.972, 0.001), percent(0.5)
    ('97.20 +- 0.10', '50.00')
    """
    return f"{100 * mean:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}")


def spikes(runs):
    """The mean number of hidden spikes of some runs; a network that does not spike has none."""
    return "-" if runs.results[0]["hidden_spikes"] is None else f"{runs.figure('hidden_spikes')[0]:.1f}"
