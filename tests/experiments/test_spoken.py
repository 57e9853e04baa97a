"""Training on recordings: what reaches the network, what stays fixed, and runs that stop and go on."""

from dataclasses import replace

import numpy as np
import pytest
from small_files import digits_file

import refsnn.experiments.spoken as spoken
from refsnn import DataError, RangeError, ShapeError
from refsnn.experiments import speech
from refsnn.experiments.executors import Serial
from refsnn.experiments.reproduce import settings
from refsnn.experiments.sweep import sweep
from refsnn.runs import checkpoints, load_checkpoint
from refsnn.spec import Trace, parameters
from refsnn.training import Recipe, Split, Substrate


@pytest.fixture()
def recipe(tmp_path, monkeypatch):
    """A recipe of a fifth of a second."""
    data = digits_file(tmp_path / "digits.npz", monkeypatch)
    return spoken.SpokenRecipe(data=data, hidden=(20,), epochs=2, batch=15, substrate="ideal", slope=50.0, spike_aware=False)


def weights(recipe, folder, number=-1):
    """The weights of a run at one of its checkpoints."""
    return parameters(load_checkpoint(checkpoints(folder)[number], spoken.fresh(recipe, spoken.data_of(recipe)))[1].network.layers)


def test_all_of_a_recurrent_network_is_trained_and_its_run_goes_on_to_the_same_bits(recipe, tmp_path, monkeypatch):
    whole = spoken.train(recipe, tmp_path / "whole")
    assert whole["dataset"]["name"] == "digits" and whole["chip"] is None and whole["hidden_spikes"] > 0
    for before, after in zip(parameters(spoken.fresh(recipe, spoken.data_of(recipe)).layers), weights(recipe, tmp_path / "whole")):
        assert (before != after).any()
    step, done = spoken.next_epoch, []

    def stopping(*arguments):
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(spoken, "next_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        spoken.train(recipe, tmp_path / "stopped")
    assert spoken.train(recipe, tmp_path / "stopped", resume=True)["history"] == whole["history"]
    for one, other in zip(weights(recipe, tmp_path / "whole"), weights(recipe, tmp_path / "stopped")):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("substrate", ["ideal", "chip"])
def test_shuffled_recurrence_is_the_learned_one_in_another_order_and_stays_fixed(recipe, tmp_path, substrate):
    recipe = replace(recipe, substrate=substrate, substeps=1)
    fixed = replace(recipe, recurrence="fixed", recurrence_of="learned")
    sweep({"learned": recipe}, [5], tmp_path, Serial())
    sweep({"shuffled": fixed}, [5], tmp_path, Serial())
    _, learned, _ = weights(replace(recipe, seed=5), tmp_path / "learned" / "seed-5")
    (W, first, _), (W_later, last, _) = (weights(replace(fixed, seed=5), tmp_path / "shuffled" / "seed-5", number) for number in (0, 1))
    np.testing.assert_array_equal(first, last)
    np.testing.assert_array_equal(np.sort(first, axis=None), np.sort(learned, axis=None))
    assert (first != learned).mean() > 0.9 and (W != W_later).any()


def test_the_source_of_a_shuffled_recurrence_must_be_there_and_fit(recipe, tmp_path):
    fixed = replace(recipe, recurrence="fixed", recurrence_of="learned")
    with pytest.raises(DataError, match="learned"):
        sweep({"shuffled": fixed}, [0], tmp_path, Serial())
    sweep({"learned": replace(recipe, hidden=(21,))}, [0], tmp_path, Serial())
    with pytest.raises(DataError, match="learned"):
        sweep({"shuffled": fixed}, [0], tmp_path, Serial())


def test_the_runs_differ_in_recurrence_substrate_and_jitter_only():
    base = Recipe(**settings("speech"))
    jobs = speech.jobs(base) | speech.later(base)
    kinds = {"recurrent": "trained", "feed-forward": "none", "shuffled recurrence": "fixed"}
    assert len(jobs) == 8
    for label, job in jobs.items():
        place, kind, *augmented = label.split(", ")
        assert (job.recurrence, job.substrate, bool(job.jitter)) == (kinds[kind], speech.PLACES[place], bool(augmented))
        assert replace(job, recurrence="trained", recurrence_of="", jitter=0.0, substrate="chip") == jobs["chip, recurrent"]
    assert spoken.fresh(jobs["chip, feed-forward"], fake_data()).layers[0].R is None


def fake_data(channels=70, classes=20):
    """A Split of two recordings, whose labels say how many classes there are."""
    spikes, labels = np.zeros((2, 200, channels), np.uint8), np.array([0, classes - 1])
    return Split(spikes, labels, spikes, labels)


def test_the_networks_of_the_paper_fit_the_chip_to_the_last_input():
    recipe = spoken.SpokenRecipe(data="x", substeps=1)
    network = spoken.fresh(recipe, fake_data())
    assert [array.shape for array in parameters(network.layers)] == [(70, 186), (186, 186), (186, 20)]
    Substrate(recipe, network)
    with pytest.raises(ShapeError, match="257"):
        Substrate(recipe, spoken.fresh(recipe, fake_data(channels=71)))


def test_moved_channels_keep_sample_and_time_and_spread_by_sigma():
    rng = np.random.default_rng(0)
    spikes = np.zeros((3, 4000, 70), np.uint8)
    spikes[1, :, 35] = 1
    moved = spoken.move_channels(spikes, 3.0, rng)
    assert not moved[[0, 2]].any() and (moved.sum(axis=2) == spikes.sum(axis=2)).all()
    distance = np.argwhere(moved)[:, 2] - 35
    assert distance.std() == pytest.approx(np.sqrt(9 + 1 / 12), rel=5 / np.sqrt(8000))      # rounding adds 1/12; five standard errors
    spikes[:] = 0
    spikes[0, :, 0] = 1
    assert int(spoken.move_channels(spikes, 3.0, rng).sum()) == pytest.approx(2264, abs=5 * 31)  # those below -1/2 are lost: 43.4 % of 4000


def test_the_sum_over_time_decides():
    V = np.zeros((3, 1, 2))
    V[1, 0] = 1, 3
    V[2, 0] = 1.5, -2
    trace = (Trace(np.zeros((3, 1, 4)), np.zeros((3, 1, 4))), Trace(V))
    assert spoken.judged(trace, np.array([0]), spoken.SpokenRecipe().objective) == (1, 0.0)


@pytest.mark.parametrize("changes", [{"rotation": 1.0}, {"hidden": (10, 10)}, {"recurrence": "some"}, {"jitter": -1.0}, {"parts": True}])
def test_what_speech_cannot_be_trained_with_is_refused(changes):
    with pytest.raises(RangeError):
        spoken.SpokenRecipe(**changes)
