"""What is measured of finished networks: early decisions, silenced units, chips made worse; which runs the other experiments make, and what they report."""

from dataclasses import replace

import numpy as np
import pytest

from refsnn import RangeError, Variation
from refsnn.chip import PartedChip
from refsnn.datasets import load
from refsnn.events import encode_events
from refsnn.experiments import ablation, deeper, latency, robustness, selfcalibration, sparsity, table1
from refsnn.experiments.evaluation import accuracy, recordings
from refsnn.experiments.sweep import Runs
from refsnn.relu import ReluRecipe
from refsnn.spec import Network, Objective, encode, forward, scores
from refsnn.training import Recipe, Split, Substrate

SAMPLE = load()
DATA = Split(SAMPLE.train_images[:10], SAMPLE.train_labels[:10], SAMPLE.test_images[:300], SAMPLE.test_labels[:300])
CHIP = Recipe(hidden=(42,), epochs=1, substeps=2)
SOFTWARE = replace(CHIP, substrate="ideal")


@pytest.fixture(scope="module")
def network():
    """A network that spikes, and decides something."""
    drawn = Network.initialise(np.random.default_rng(0), (256, 42, 10), dtype=np.float32)
    return drawn.with_parameters([8 * drawn.layers[0].W, 20 * drawn.layers[1].W])


def test_an_accuracy_is_that_of_all_images_in_their_order(network):
    decisions = scores(forward(network, encode(DATA.evaluation_images, dtype=np.float32))[-1].membrane, Objective()).argmax(axis=1)
    assert accuracy(SOFTWARE, network, Substrate(SOFTWARE, network), DATA) == pytest.approx((decisions == DATA.evaluation_labels).mean())
    labels = np.concatenate([labels for _, labels in recordings(SOFTWARE, network, Substrate(SOFTWARE, network), DATA)])
    np.testing.assert_array_equal(labels, DATA.evaluation_labels)


def test_the_noise_of_a_measurement_is_that_of_no_epochs_evaluation(network):
    recipe, x = replace(CHIP, epochs=3), encode_events(DATA.evaluation_images[:250], dtype=np.float32)
    substrate = Substrate(recipe, network)
    V = next(recordings(recipe, network, substrate, DATA))[0][-1].membrane
    for shard in (0, 1):
        for epoch in range(3):
            assert (V != substrate.forward(network, x, recipe.generator("evaluation", epoch, shard))[-1].membrane).any()
    np.testing.assert_array_equal(V, substrate.forward(network, x, recipe.generator("evaluation", 3))[-1].membrane)      # and it repeats


def test_an_early_decision_takes_the_maximum_up_to_t_and_no_further(network):
    found = latency.measure(SOFTWARE, network, DATA)
    V = forward(network, encode(DATA.evaluation_images, dtype=np.float32))[-1].membrane            # (T, B, K)
    by_hand = np.stack([np.stack([V[:t + 1, b].max(axis=0).argmax() for b in range(V.shape[1])]) for t in range(len(V))])
    assert found["accuracy"] == pytest.approx((by_hand == DATA.evaluation_labels).mean(axis=1))
    # what comes after t has no influence
    later = V.copy()
    later[8:] += np.random.default_rng(0).normal(size=later[8:].shape)
    np.testing.assert_array_equal(latency.decisions_up_to(later)[:8], by_hand[:8])
    settled = [min(t for t in range(len(V)) if (by_hand[t:, b] == by_hand[-1, b]).all()) for b in range(V.shape[1])]
    np.testing.assert_array_equal(latency.settled_at(by_hand), settled)
    assert found["settled"] == pytest.approx([np.mean(np.array(settled) <= t) for t in range(len(V))]) and found["settled"][-1] == 1
    assert found["settled"][0] < 0.5          # this network does take its time


def test_an_accuracy_is_reached_when_it_is_near_its_last_value():
    assert latency.reached([0.1, 0.8, 0.9491, 0.95, 0.95]) == 2
    assert latency.times(3) == pytest.approx([0, 1.7, 3.4])


@pytest.mark.parametrize("share", robustness.SHARES)
def test_the_right_share_of_units_is_silenced_and_the_others_are_untouched(network, share):
    rng = np.random.default_rng(0)
    found = robustness.silenced(network, share, rng)
    gone = ~found.layers[0].W.any(axis=0)
    assert gone.sum() == round(share * 42)     # 42 so that shares are no whole numbers of units
    np.testing.assert_array_equal(gone, ~found.layers[1].W.any(axis=1))
    np.testing.assert_array_equal(found.layers[0].W[:, ~gone], network.layers[0].W[:, ~gone])
    np.testing.assert_array_equal(found.layers[1].W[~gone], network.layers[1].W[~gone])
    trace = Substrate(CHIP, network).forward(found, encode_events(DATA.evaluation_images[:20], dtype=np.float32), rng)
    assert not trace[0].spikes[:, :, gone].any() and trace[0].spikes[:, :, ~gone].any()
    others = robustness.silenced(network, share, rng)
    assert share == 0 or (~others.layers[0].W.any(axis=0) != gone).any()      # every draw chooses anew


def test_silencing_is_measured_share_by_share_as_the_mean_of_five_draws(network, monkeypatch):
    monkeypatch.setattr(robustness, "SHARES", (0.0, 0.5))
    recipe, substrate, rng = replace(CHIP, seed=7), Substrate(replace(CHIP, seed=7), network), np.random.default_rng([7, 5])
    robustness.silenced(network, 0.0, rng)                       # draws too
    by_hand = [accuracy(recipe, robustness.silenced(network, 0.5, rng), substrate, DATA) for _ in range(5)]
    assert robustness.measure(recipe, network, DATA) == [accuracy(recipe, network, substrate, DATA), pytest.approx(np.mean(by_hand))]
    assert len(set(by_hand)) > 1


def test_the_increase_of_the_error_is_relative():
    accuracies = [0.9] * len(robustness.SHARES)
    accuracies[robustness.SHARES.index(0.15)] = 0.87
    assert robustness.increase(accuracies) == pytest.approx(30)
    assert np.isnan(robustness.increase([1.0] * len(robustness.SHARES)))


def pattern(recipe, network):
    """The hidden layer of the chip of a recipe."""
    return Substrate(recipe, network).chip.pattern[0]


def test_both_arms_meet_the_same_chips(network, monkeypatch):
    jobs = selfcalibration.jobs(CHIP)
    in_loop = {label: replace(recipe, seed=3) for label, recipe in jobs.items() if recipe.substrate == "chip"}
    met = {}

    def meet(recipe, network, substrate, data):
        met[recipe.variation] = substrate.chip
        return 0.5

    monkeypatch.setattr(selfcalibration, "accuracy", meet)
    found = selfcalibration.measure(replace(jobs["software"], seed=3), network, DATA)
    assert set(found) == set(in_loop) and set(found.values()) == {0.5}
    for recipe in in_loop.values():
        fresh = Network.initialise(recipe.generator("weights"), (256, 42, 10), dtype=np.float32)      # a run draws its chip for its own first weights
        for one, other in zip(Substrate(recipe, fresh).chip.pattern, met[recipe.variation].pattern):
            for name in vars(one):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert not selfcalibration.measure(in_loop["calibrated"], network, DATA)


def test_decalibration_spreads_what_it_says_and_nothing_else(network):
    usual = pattern(CHIP, network)
    assert selfcalibration.chips(CHIP)["calibrated"] == CHIP
    for kind, changed in (("time constants", {"tau_mem", "tau_exc", "tau_inh"}), ("theta - V_leak", {"threshold"}),
                          ("all", {"tau_mem", "tau_exc", "tau_inh", "threshold"})):
        worse = pattern(selfcalibration.chips(CHIP)[f"{kind}, sigma_d = 30 %"], network)
        differing = {name for name in vars(usual) if getattr(usual, name) is not None and (getattr(usual, name) != getattr(worse, name)).any()}
        assert differing == changed
        variation = Variation.named(selfcalibration.decalibrated(kind, 0.3))
        added = {name: np.sqrt(getattr(variation, name) ** 2 - getattr(Variation.calibrated(), name) ** 2) for name in selfcalibration.KINDS[kind]}
        assert list(added.values()) == pytest.approx([0.3] * len(added), abs=1e-5)


def test_loaded_weights_run_on_the_chip_and_not_in_software(network):
    found = selfcalibration.measure(SOFTWARE, network, DATA)
    chip = selfcalibration.chips(SOFTWARE)["all, sigma_d = 50 %"]
    assert found["all, sigma_d = 50 %"] == accuracy(chip, network, Substrate(chip, network), DATA)
    assert len(set(found.values())) > 5


def test_the_runs_of_table1_differ_in_what_their_labels_say():
    base = Recipe(dropout=0.3, rotation=10.0, shift=0.5)
    jobs = table1.jobs(base)
    for label, recipe in jobs.items():
        assert (recipe.dropout, recipe.rotation, recipe.shift) == ((0.3, 10.0, 0.5) if "dropout" in label else (0.0, 0.0, 0.0))
    assert {label.partition(",")[0]: (type(recipe), recipe.substrate) for label, recipe in jobs.items()} == {
        "chip": (Recipe, "chip"), "software": (Recipe, "ideal"), "ReLU": (ReluRecipe, "chip")}
    assert set(table1.PAPER["mnist"]) == set(jobs)
    assert list(table1.jobs(replace(base, rotation=0.0, shift=0.0)))[3:] == ["chip, dropout", "software, dropout", "ReLU, dropout"]
    assert list(table1.jobs(replace(base, dropout=0.0)))[3:] == ["chip, rotation", "software, rotation", "ReLU, rotation"]
    assert list(latency.jobs(replace(base, dropout=0.0, rotation=0.0, shift=0.0))) == ["chip", "software"] == list(table1.jobs(replace(base, dropout=0.0, rotation=0.0, shift=0.0)))[:2]



def test_the_runs_of_sparsity_differ_in_rho_b_and_surrogate_only():
    base = Recipe()
    for label, recipe in sparsity.jobs(base).items():
        assert label.endswith(f"rho_b = {recipe.burst:g}") and label.startswith("spike-aware" if recipe.spike_aware else "published")
        assert replace(recipe, burst=base.burst, spike_aware=base.spike_aware, slope=base.slope) == base


def test_the_larger_networks_run_in_parts():
    for label, recipe in deeper.jobs(Recipe()).items():
        assert label.startswith("-".join(map(str, (256, *recipe.hidden, 10)))) and recipe.parts == label.endswith("in parts")
        network = Network.initialise(np.random.default_rng(0), (256, *recipe.hidden, 10), dtype=np.float32)
        assert isinstance(Substrate(recipe, network).chip, PartedChip) == recipe.parts


@pytest.mark.parametrize("changes", [{"substrate": "ideal"}, {"calibrate": True}])
def test_parts_are_for_a_chip_without_calibration(changes):
    with pytest.raises(RangeError, match="parts"):
        Recipe(parts=True, **changes)


def done(accuracies, spikes=(20.0, 22.0), **further):
    """Runs of two seeds that came to these."""
    results = tuple({"accuracy": accuracy, "hidden_spikes": count, "history": [{"train_accuracy": 0.1}, {"train_accuracy": accuracy + 0.01}],
                     "dataset": {"name": "mnist"}, **further} for accuracy, count in zip(accuracies, spikes))
    return Runs((), results, ())


def test_a_table_beside_the_papers_has_means_and_sample_standard_deviations_of_the_last_epoch():
    rows, further = table1.report({"chip": done((0.96, 0.98)), "other": done((0.5, 0.5))}, None)
    assert rows[1] == ("chip", "98.00 +- 1.41", "97.00 +- 1.41", "21.0", "100.0", "97.2") and rows[2] == ("other", "51.00 +- 0.00", "50.00 +- 0.00", "21.0", "-", "-")
    assert further["paper"]["software"] == (100.0, 97.5)


def test_the_price_of_an_imperfection_is_what_it_changes_from_the_chip_without_any():
    rows, _ = ablation.report({"chip without imperfections": done((0.95, 0.95)), "leaks alone": done((0.93, 0.94))}, None)
    assert [row[3] for row in rows[1:]] == ["+0.00", "-1.50"] and rows[2][:3] == ("leaks alone", "93.50 +- 0.71", "21.0")


def test_errors_in_the_loop_are_relative_to_those_of_the_calibrated_chip():
    base = Recipe()
    runs = {label: done((0.94, 0.94)) for label in selfcalibration.chips(base)} | {"calibrated": done((0.95, 0.97))}
    loaded = {label: 0.5 for label in selfcalibration.chips(base)}
    runs["software"] = replace(done((0.98, 0.98)), measured=(loaded, loaded | {"calibrated": 0.7}))
    rows, further = selfcalibration.report(runs, base)
    found = {row[0]: row[1:] for row in rows}
    assert found["none: software"] == ("98.00 +- 0.00", "-", "-") and found["calibrated"] == ("96.00 +- 1.41", "1.00", "60.00 +- 14.14")
    assert found["all, sigma_d = 30 %"] == ("94.00 +- 0.00", "1.50", "50.00 +- 0.00") and further["sigmas"] == [0.0, 0.1, 0.3, 0.5]


def test_sparsity_reports_spikes_and_accuracy_of_every_strength():
    rows, _ = sparsity.report({"spike-aware, rho_b = 1": done((0.97, 0.99), (12.0, 14.0))}, None)
    assert rows[1] == ("spike-aware, rho_b = 1", "13.0 +- 1.4", "98.00 +- 1.41")


def test_the_size_and_the_time_of_a_deeper_network_are_its_own(monkeypatch):
    network = Network.initialise(np.random.default_rng(0), (256, 123, 123, 10), dtype=np.float32)
    monkeypatch.setattr(Runs, "networks", lambda self: [network])
    rows, _ = deeper.report({"two": done((0.97, 0.97), chip={"inference_seconds_per_image": 2.36e-5, "runs": 2})}, None)
    assert rows[1] == ("two", "97.00 +- 0.00", "21.0", "47,847", "2", "23.6")
