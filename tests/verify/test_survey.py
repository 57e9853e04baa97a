"""The survey of frameworks: it finds the conventions of a subject that follows known ones; those on file hold where a framework is installed."""

import importlib
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from refsnn.verify.conventions import FRAMEWORKS
from refsnn.verify.frameworks import paper
from refsnn.verify.frameworks.simulated import require_plain
from refsnn.verify.frameworks.survey import STRENGTHS, agrees, ask, combinations, main, of_forward, question, referred, survey, tie_of
from refsnn.verify.frameworks.table import counted, table
from refsnn.verify.operations import Reference

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "data_scripts" / "results" / "frameworks.json").read_text(encoding="utf-8"))


class Known(Reference):
    """The reference under conventions that it does not declare, with weights in a unit."""

    def __init__(self, conventions, unit=1.0):
        super().__init__()
        self.conventions, self.unit = conventions, unit

    def capabilities(self):
        return {"ops": ["surrogate", "forward", "loss_and_gradient"], "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        if op == "surrogate":
            return super().call(op, inputs, params, self.conventions)
        return referred(op, inputs, params, self.conventions, self.unit)


@pytest.mark.parametrize(("conventions", "unit"), [
    ({}, 1.0),
    ({"tie": "half", "reset": "to_value", "reset_gradient": "stop", "surrogate": "triangle"}, 1.0),
    ({"integrator": "euler", "reset_time": "same_step", "reset_gradient": "flow", "recorded_membrane": "after_reset", "input_delay": "none",
      "surrogate_slope": "outside"}, 0.7),
], ids=["the paper's", "other ones", "others, in another unit"])
def test_the_survey_finds_what_a_subject_follows(conventions, unit):
    found = survey(Known(conventions, unit))
    assert found["conventions"] == {name: value for name, value in conventions.items() if value != "stop"}
    assert abs(found["unit"] - unit) < 1e-12 and found["gradient_explained"]
    assert all(passed == asked for passed, asked in found["cases_own"].values())
    assert (found["cases_paper"] == found["cases_own"]) == (conventions == {})


def test_a_subject_that_no_combination_explains_is_said_to_be_one():
    class Refractory(Known):
        def call(self, op, inputs, params, conventions):
            outputs = super().call(op, inputs, params, conventions)
            if "S0" in outputs:
                outputs["S0"][20:] = 0
            return outputs

    found = survey(Refractory({}))
    assert found["conventions"] is None and found["cases_own"] is None


def test_what_a_failed_operation_blocks_is_not_counted_as_asked():
    found = survey(Known({"reset": "to_value"}))
    assert found["cases_paper"] == {"surrogate": [10, 10], "forward": [found["cases_paper"]["forward"][0], 10], "loss_and_gradient": [0, 0]}
    assert found["cases_paper"]["forward"][0] < 10
    assert counted(found["cases_paper"]).endswith(" of 20, 10 not asked") and counted(found["cases_own"]) == "30 of 30"


def test_a_slope_that_cannot_be_set_is_found_and_the_cases_are_asked_at_it():
    class Fixed(Known):
        def call(self, op, inputs, params, conventions):
            return super().call(op, inputs, params if op == "forward" else {**params, "slope": 1.0}, conventions)

    found = survey(Fixed({}))
    assert found["slope"] == 1.0 and found["cases_paper"]["surrogate"][0] < 10
    assert counted(found["cases_own"]) == "30 of 30"


def test_an_adapter_without_its_framework_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "norse", None)
    monkeypatch.delitem(sys.modules, "refsnn.verify.frameworks.norse_lif", raising=False)
    for name in ("nowhere", "norse_lif"):
        assert main([name, "--json", str(tmp_path / "found.json")]) == 2
        assert capsys.readouterr().err.startswith(f"{name} cannot be imported here: ") and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "nothing to do: give --envs DIR"),
    (["--only", "norse_lif"], "nothing to do: give --envs DIR"),
    (["--envs", "envs", "--only", "foo"], "there is no adapter foo; there are bindsnet_current_lif, "),
])
def test_the_script_says_what_it_cannot_do_and_makes_nothing(arguments, message, monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "data_scripts"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module("frameworks").main(arguments)
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_every_tie_is_told_apart():
    assert [tie_of(Known({"tie": tie})) for tie in ("silent", "spike", "half")] == ["silent", "spike", "half"]


def test_combinations_that_exclude_each_other_are_left_out():
    chosen = combinations(("reset_time", "recorded_membrane"), {})
    assert len(chosen) == 3 and chosen[0].others() == {}


@pytest.mark.parametrize("name", RESULTS)
def test_a_framework_that_is_installed_stands_where_the_file_says(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            adapter = importlib.import_module(f"refsnn.verify.frameworks.{name}").adapter
        except (ImportError, AttributeError) as error:                     # AttributeError: what was made for another numpy
            pytest.skip(f"not usable here: {error}")
        found = RESULTS[name]
        if adapter.version != found["version"]:
            pytest.skip(f"{adapter.version} is installed, the file is about {found['version']}")
        for strength in STRENGTHS:
            asked = question(strength)
            answer = ask(adapter, "forward", *of_forward(*asked), {})
            assert agrees(answer, referred("forward", *of_forward(*asked), found["conventions"], found["unit"]), adapter.dtype)
            if found["gradient_explained"]:
                meant = asked[0], {**asked[1], "slope": found["slope"]}
                wanted = referred("loss_and_gradient", *meant, found["conventions"], found["unit"])
                assert agrees(ask(adapter, "loss_and_gradient", *asked, {}), wanted, adapter.dtype) and np.abs(wanted["dW0"]).max() > 0


def test_at_least_six_frameworks_are_on_file_and_each_is_explained():
    assert len(RESULTS) >= 6 and all(found["conventions"] is not None for found in RESULTS.values())


def test_the_readme_has_the_table_of_the_results_on_file():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search("(?<=<!-- frameworks -->\n).*?(?=<!-- end of frameworks -->)", text, re.DOTALL).group() == table(RESULTS)


def test_the_papers_column_is_what_the_survey_finds_of_the_reference():
    found, here = RESULTS["paper"], survey(paper.adapter)
    assert {name: here[name] for name in here if name not in ("version", "python")} == {name: found[name] for name in here if name not in ("version", "python")}
    assert here["conventions"] == {} and here["gradient"] == 0 and all(passed == asked for passed, asked in here["cases_paper"].values())


@pytest.mark.parametrize(("name", "adapter"), [("snnTorch, Synaptic", "snntorch_synaptic"), ("norse, lif_feed_forward_step", "norse_lif")])
def test_the_vectors_of_a_framework_follow_what_the_survey_found(name, adapter):
    found, declared = RESULTS[adapter], FRAMEWORKS[name].others()
    declared.pop("recurrent_weights", None)                                # its networks have no recurrence
    if declared.get("integrator") == "euler" and declared.get("input_scale") == "dt_over_tau_mem":
        declared["input_scale"] = "one_minus_beta"                         # the same under Euler
    assert found["conventions"] == declared


def torch_and(name):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch, pytest.importorskip(name)


def test_by_hand_norses_superspike_is_4_9ths_half_a_threshold_away_whatever_alpha_is():
    torch, norse = torch_and("norse.torch.functional.threshold")
    for alpha in (1.0, 100.0):
        V = torch.tensor([-0.5], dtype=torch.float64, requires_grad=True)
        norse.threshold(V, "super", torch.tensor(alpha)).backward()
        assert abs(V.grad.item() - 4 / 9) < 1e-12                          # 1 / (1 + 1/2)^2; with alpha = 100 it would be 1 / 51^2


def test_by_hand_an_input_of_sinabs_decays_before_it_arrives():
    torch, layers = torch_and("sinabs.layers")
    layer = layers.LIF(10.0, 5.0, spike_threshold=torch.tensor(100.0), norm_input=False, record_states=True)
    layer(torch.tensor([[[1.0], [0.0]]]))
    I = np.exp(-1 / 5)
    np.testing.assert_allclose(layer.recordings["v_mem"].detach().numpy().ravel(), [I, np.exp(-1 / 10) * I + I * I], rtol=1e-6)        # float32


def test_by_hand_the_reset_of_spikingjelly_carries_a_gradient():
    torch, neuron = torch_and("spikingjelly.activation_based.neuron")
    surrogate = importlib.import_module("spikingjelly.activation_based.surrogate")
    node = neuron.CUBALIFNode(0.5, 0.5, v_threshold=1.0, v_reset=None, surrogate_function=surrogate.SuperSpike(3.0))
    x = torch.tensor([[1.5]], dtype=torch.float64, requires_grad=True)
    node(x)                                # V = 1.5, a spike: dS/dx = 3 / (1 + 1/2)^2 = 4/3, what the reset leaves has 1 - 4/3 = -1/3
    assert node(0 * x).item() == 1         # V = 0.5 (0.5) + 0.75 = 1 = theta: a spike; dV/dx = -1/6 + 1/2 = 1/3, times 1 - 3
    node.v.sum().backward()
    assert abs(x.grad.item() + 2 / 3) < 1e-12


def test_every_adapter_pins_its_packages_and_the_script_reads_the_pins_without_importing(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "data_scripts"))
    script = importlib.import_module("frameworks")
    pins = {path.stem: script.pins_of(path) for path in script.FOLDER.glob("*.py")}
    assert {name for name, own in pins.items() if own} == set(RESULTS)
    assert all("==" in package for own in pins.values() for package in own.get("PACKAGES", ()))


def test_adapters_refuse_what_not_all_frameworks_have():
    inputs, params = question(1.0)
    for changed in (({**inputs, "R0": np.zeros((6, 6))}, params), (inputs, {**params, "tau_mem": [[1e-2] * 6, 1e-2]}),
                    (inputs, {**params, "spike_aware": True})):
        with pytest.raises(NotImplementedError):
            require_plain(*changed)
    require_plain(inputs, params)
