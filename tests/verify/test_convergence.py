"""The chip's grid against exact continuous time."""

from dataclasses import replace

import numpy as np
import pytest

from refsnn import Chip, Layer, Network, RangeError, Variation
from refsnn.verify.convergence import chip_run, errors, exact_run, example, main


@pytest.mark.parametrize("substeps", [2, 8, 32])
def test_a_first_spike_is_late_by_less_than_one_grid_step_and_by_half_of_it_on_average(substeps):
    chip, network, x = example(substeps)
    found, h = errors(chip, network, x), 1.7e-6 / substeps
    assert len(found["late"]) > 300
    # a spike is seen at the first grid point after its crossing; 1e-9 of a step for the oracle's rounding
    assert found["late"].min() > -1e-9 * h and found["late"].max() < (1 + 1e-9) * h
    assert abs(found["late"].mean() / h - 0.5) < 5 / np.sqrt(12 * len(found["late"]))


def test_counts_and_membranes_converge():
    coarse, fine = (errors(*example(substeps)) for substeps in (4, 64))
    assert abs(fine["spikes"][0] / fine["spikes"][1] - 1) < 0.02 < abs(coarse["spikes"][0] / coarse["spikes"][1] - 1)
    # a reset that is late by h shows in a share h / dt of the samples: the root mean square falls with the root of h, here by 4
    assert 2 < coarse["membrane"] / fine["membrane"] < 8


@pytest.mark.parametrize("seed", range(3))
def test_without_spikes_the_membranes_of_a_mismatched_chip_are_exact(seed):
    chip, network, x = example(8, seed)
    quiet = network.with_parameters([network.layers[0].W * 0.05, network.layers[1].W])
    for own, exact in zip(chip_run(chip, quiet, x), exact_run(chip, quiet, x)):
        assert len(own[0]) == len(exact[0]) == 0
        np.testing.assert_allclose(own[2], exact[2], rtol=0, atol=1e-12)


def test_a_recurrent_chip_makes_the_spikes_of_exact_time():
    rng = np.random.default_rng(1)
    network = Network((Layer(rng.normal(0.1, 0.2, (10, 8)), rng.normal(0, 0.1, (8, 8))), Layer(np.ones((8, 2)), spiking=False)))
    x = (rng.random((20, 6, 10)) < 0.15).astype(float)
    chip = Chip.sample(rng, network, replace(Variation.calibrated(), sample_time=0.0), substeps=256)
    own, exact = chip_run(chip, network, x), exact_run(chip, network, x)
    counts = sum(len(run[0]) for run in own), sum(len(run[0]) for run in exact)
    assert counts[1] > 100 and abs(counts[0] - counts[1]) <= 0.02 * counts[1]


def test_the_table_is_printed(capsys, monkeypatch):
    found = errors(*example(2))
    monkeypatch.setattr("refsnn.verify.convergence.errors", lambda *arguments: found)
    main()
    assert capsys.readouterr().out.count("\n") == 7


def test_a_chip_that_samples_late_cannot_be_compared():
    chip, network, x = example(2)
    with pytest.raises(RangeError, match="sample_offset"):
        errors(replace(chip, sample_offset=0.5), network, x)
