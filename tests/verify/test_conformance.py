"""The conformance kit: correct adapters pass, wrong ones fail where they should, and the reports say what somebody can act on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refsnn.__main__ import main
from refsnn.errors import DataError, DtypeError, RangeError, RefsnnError, ShapeError
from refsnn.verify.conformance import search
from refsnn.verify.conformance.byhand import BY_HAND
from refsnn.verify.conformance.cases import Bound, Case, UlpBound, by_hand, bounds_of, generated, make_case, settled, stored
from refsnn.verify.conformance.command import tell
from refsnn.verify.conformance.compare import compare
from refsnn.verify.conformance.examples.minimal import Minimal
from refsnn.verify.conformance.properties import PROPERTIES
from refsnn.verify.conformance.report import as_json, as_markdown, load_failure, read_expected_failures, save_failures, terminal
from refsnn.verify.conformance.rules import flat_peak
from refsnn.verify.conformance.runner import check
from refsnn.verify.conformance.search import smallest_failure
from refsnn.verify.conformance.subject import HarnessError
from refsnn.verify.conformance.wrongdoing import decaying, first_layer, running_again, spikes_again
from refsnn.verify.conventions import FRAMEWORKS, SWITCHES, Conventions
from refsnn.verify.operations import OPERATIONS, Reference
from refsnn.verify.scalar import ScalarLoops
from refsnn.verify.scalar import network as scalar_network
from refsnn.verify.vectors import read

pytest.importorskip("scipy")                   # the reference in continuous time needs it


class Subject(Reference):
    """The reference with some things changed: what it says of itself, and a function that spoils the answers of one operation."""

    def __init__(self, dtype="float64", op=None, spoil=None, **said):
        super().__init__(dtype)
        self.op, self.spoil, self.said = op, spoil, said

    def capabilities(self):
        return super().capabilities() | self.said

    def call(self, op, inputs, params, conventions):
        assert conventions == self.said.get("conventions", {})
        outputs = super().call(op, inputs, params, conventions)
        return self.spoil(outputs, inputs, params) if op == self.op else outputs


def result(run, op):
    return next(own for own in run.operations if own.op == op)


def is_vector(id):
    return id.split("/")[1].startswith(id.split("/")[0])


MUST_BE_REFUSED = {f"{case.op}/{case.id}" for case in read() if case.error}


def spiking_at_ties(outputs, inputs, params):
    return outputs | {"S_next": (outputs["V_next"] >= params["threshold"]).astype(float)}


TIE = Subject(op="lif_step", spoil=spiking_at_ties)
TIES = [case.id for case in by_hand("lif_step", "float64", {}) + stored("lif_step", "float64", {})
        if (case.expected["V_next"] == case.params["threshold"]).any()]


@pytest.mark.parametrize("subject", [Reference(), pytest.param(Reference("float32"), marks=pytest.mark.long), pytest.param(ScalarLoops(), marks=pytest.mark.long)],
                         ids=["float64", "float32", "plain Python"])
def test_correct_adapters_pass_far_within_the_bounds(subject):
    run = check(subject)
    assert run.conforms and {own.status for own in run.operations} == {"pass"}
    skipped = {case.id for own in run.operations for case in own.cases if case.status == "skipped"}
    assert all(case.status == "pass" or case.id in skipped for own in run.operations for case in own.cases)
    assert skipped == (MUST_BE_REFUSED if subject.name == "plain Python" else set())
    # measured, and other platforms sum in other orders: a tenth of the bound is to be left
    assert max((case.headroom for own in run.operations for case in own.cases if case.headroom and not is_vector(case.id)), default=0) < 0.1
    # 8 times the worst that was measured, on this machine or another one: a half is left for one that was not
    assert max((case.headroom for own in run.operations for case in own.cases if case.headroom and is_vector(case.id)), default=0) < 0.5


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("switch", "value"), [(switch, value) for switch in SWITCHES for value in switch.values[1:]])
def test_a_subject_that_declares_a_convention_conforms_under_it(switch, value, dtype):
    conventions = {switch.name: value} | ({"reset_time": "same_step"} if value == "after_reset" else {})
    run = check(Subject(dtype, conventions=conventions), ops=tuple(op for op, own in OPERATIONS.items() if switch.name in own.switches))
    assert run.conforms, terminal(run, {})


def test_a_subject_with_the_rules_of_norse_conforms_when_it_says_so():
    conventions = FRAMEWORKS["norse, lif_feed_forward_step"].others()
    run = check(Subject(conventions=conventions), ops=("decay", "lif_step", "li_step", "forward", "adjoint_step"))
    assert run.conforms
    assert "integrator = euler" in terminal(run, {})


def test_what_presumes_an_operation_that_fails_is_not_run():
    run = check(TIE, ops=("decay", "surrogate", "lif_step", "li_step", "forward", "loss_and_gradient", "clip_weights"))
    assert [own.status for own in run.operations] == ["pass", "pass", "fail", "pass", "not run", "not run", "pass"]
    assert result(run, "forward").reason == "because lif_step failed"
    assert result(run, "loss_and_gradient").reason == "because forward was not run"
    assert not run.conforms


def test_an_operation_waits_through_those_that_are_not_offered():
    subject = Subject(op="decay", spoil=lambda outputs, inputs, params: {"alpha": outputs["alpha"] * 2}, ops=["decay", "forward"])
    assert result(check(subject), "forward").reason == "because decay failed"


def test_operations_that_are_not_offered_or_skipped_do_not_count():
    run = check(Subject(ops=["decay", "lif_step"], skip={"lif_step": "not done yet", "lif_step/tie": "nor this", "forward/tie": "nor this",
                                                         "decay/first": "too easy", "decay/3": "why not"}))
    assert run.conforms and result(run, "lif_step").status == "skipped"
    assert [case.status for case in result(run, "decay").cases[:3]] == ["skipped", "skipped", "pass"]
    assert "not done yet" in terminal(run, {}) and "2 of them skipped" in terminal(run, {})


@pytest.mark.parametrize(("said", "error", "message"), [
    ({"skip": {"fly": "no such operation"}}, RangeError, "skip is 'fly'"),
    ({"skip": {"decay/first": ""}}, RangeError, "skip decay/first, and the reason is ''; it must be a text"),
    ({"skip": {"must-fail": True}}, RangeError, "skip must-fail, and the reason is True"),
    ({"skip": ["decay"]}, DtypeError, "skip of the capabilities is list"),
    ({"ops": None}, DtypeError, "ops of the capabilities is NoneType None; it must be a list of names"),
])
def test_capabilities_that_say_nothing_sensible_are_refused(said, error, message):
    with pytest.raises(error, match=message):
        check(Subject(**said))


def test_a_skipped_case_that_does_not_exist_fails():
    run = check(Subject(skip={"decay/tie": "no such case", "li_step/linear": "a property"}), ops=("decay", "li_step"))
    assert not run.conforms and run.stale == ["decay/tie"]
    assert "decay/tie  is skipped, or in the xfail file, and there is no such case" in terminal(run, {})


@pytest.mark.parametrize("skipped", [["decay"], [case.id for source in (by_hand, stored, generated) for case in source("decay", "float64", {})]])
def test_where_nothing_is_tested_nothing_conforms(skipped):
    run = check(Subject(skip=dict.fromkeys(skipped, "no time")), ops=("decay",))
    assert not run.conforms and result(run, "decay").status == "skipped"
    assert "does not conform: 1 skipped, and nothing was found right" in terminal(run, {})


def test_expected_failures_do_not_count_and_do_not_block():
    run = check(TIE, ops=("lif_step", "forward"), expected_failures=TIES)
    assert run.conforms and result(run, "forward").status == "pass"
    assert f"{len(TIES)} of them fail as expected" in terminal(run, {})


def test_an_expected_failure_that_passes_or_does_not_exist_fails():
    run = check(Minimal(), expected_failures=["lif_step/tie", "surrogate/no-such-case", "decay/first"])
    assert not run.conforms
    assert [case.status for case in result(run, "lif_step").cases if case.id == "lif_step/tie"] == ["xpass"]
    assert run.stale == ["surrogate/no-such-case", "decay/first"]
    assert "take it off" in terminal(run, {})


def test_xfail_files_hold_ids_and_reasons(tmp_path):
    path = tmp_path / "xfail"
    path.write_text("# ours\nlif_step/tie   # we spike\n\nforward/3#why not\n")
    assert read_expected_failures(path) == ["lif_step/tie", "forward/3"]
    for text, message in (("a # once\na # again\n", "a is there twice"), ("a\n", "a has no reason"), ("a #  \n", "a has no reason")):
        path.write_text(text)
        with pytest.raises(RangeError, match=message):
            read_expected_failures(path)


# what a call may not do

@pytest.mark.parametrize(("spoil", "kind", "text"), [
    (lambda outputs, inputs, params: None, "contract", "outputs are NoneType None; they must be a dict of arrays"),
    (lambda outputs, inputs, params: outputs | {"V_next": outputs["V_next"].astype(object)}, "contract", "V_next has dtype object; it must be one of"),
    (lambda outputs, inputs, params: outputs | {"V_next": np.array([[None]])}, "contract", "V_next has dtype object"),
    (lambda outputs, inputs, params: {}, "contract", "lack I_next, V_next, S_next"),
    (lambda outputs, inputs, params: outputs | {"V_next": outputs["V_next"].astype(np.float32)}, "mistake",
     "float32 inside, or a constant with few digits: all errors are below 3.0e-08"),
    (lambda outputs, inputs, params: outputs | {"V_next": outputs["V_next"].tolist()}, "contract", "V_next is list"),
    (lambda outputs, inputs, params: outputs | {"V_next": outputs["V_next"][0, 0]}, "contract", r"V_next has shape (); it must be (B, N)"),
    (lambda outputs, inputs, params: 1 / 0, "raises", "it raises ZeroDivisionError: division by zero"),
    (lambda outputs, inputs, params: sys.exit(1), "raises", "it raises SystemExit"),
    (lambda outputs, inputs, params: params.clear() or outputs, "mutates", "it changes its params"),
    (lambda outputs, inputs, params: outputs | {"V_next": np.random.default_rng().normal(size=outputs["V_next"].shape)}, "unsteady", "another result"),
])
def test_a_call_that_breaks_the_rules_is_told_so(spoil, kind, text):
    own = result(check(Subject(op="lif_step", spoil=spoil), ops=("lif_step",), shrink=False), "lif_step")
    assert own.status == "fail"
    assert text in own.diagnosis.text and own.diagnosis.kind == kind


def test_a_numpy_scalar_is_an_array_without_axes():
    for dtype, kind in (("float64", np.float64), ("float64", float), ("float32", np.float32), ("float32", float)):
        subject = Subject(dtype, "weight_decay", lambda outputs, inputs, params, kind=kind: outputs | {"value": kind(outputs["value"])})
        assert check(subject, ops=("weight_decay",)).conforms


def test_arrays_that_come_back_in_a_buffer_that_is_used_again_are_fine():
    buffer = {}

    def reusing(outputs, inputs, params):
        for name, array in outputs.items():
            kept = buffer.setdefault((name, array.shape), array)
            kept[:] = array
            outputs[name] = kept
        return outputs

    assert check(Subject(op="li_step", spoil=reusing), ops=("li_step",)).conforms


def test_state_is_seen_through_a_buffer_that_is_used_again():
    buffer, calls = {}, []

    def counting(outputs, inputs, params):
        calls.append(1)
        kept = buffer.setdefault(outputs["V_next"].shape, outputs["V_next"])
        kept[:] = outputs["V_next"] + len(calls)
        return outputs | {"V_next": kept}

    own = result(check(Subject(op="li_step", spoil=counting), ops=("li_step",), shrink=False), "li_step")
    assert own.diagnosis.kind == "unsteady"


# cases

def test_the_golden_vectors_are_asked_with_their_own_bounds():
    by_id = {f"{case.op}/{case.id}": case for case in read()}
    asked = {case.id: case for op in OPERATIONS for case in stored(op, "float64", {})}
    assert asked.keys() == {id for id, case in by_id.items() if not case.conventions}
    assert asked["forward/forward-010"].bounds["V0"] == Bound(by_id["forward/forward-010"].tolerance["V0"]["float64"])
    assert asked["forward/forward-010"].bounds["S0"] == Bound(0)
    assert asked["decay/decay-001"].bounds["alpha"] == UlpBound(by_id["decay/decay-001"].tolerance["alpha"]["float64"], "float64")
    narrow = {case.id for op in OPERATIONS for case in stored(op, "float32", {})}
    assert narrow == {id for id in asked if all(own["float32"] is not None for own in by_id[id].tolerance.values())}
    old = [case.id for case in stored("lif_step", "float64", {"current": "old", "weight_rounding": "zero"})]
    assert old == ["lif_step/lif_step-102"]                                # whatever the subject says of switches that the step does not obey


def test_a_bound_in_units_in_the_last_place_is_one_of_every_number():
    assert UlpBound(4, "float64").of(np.array([1.0, -2.0**10, np.inf])).tolist() == [2.0**-50, 2.0**-40, 4 * 5e-324]
    assert UlpBound(4, "float32").of(np.array([1.0])) == 2.0**-21


def test_what_only_a_vector_sees_is_called_rounding_and_not_a_mistake():
    # 1e-14 of the largest value: 100 times less than the cases of the reference allow, 5 times more than the vectors do
    subject = Subject(op="burst", spoil=lambda outputs, inputs, params: outputs | {"gS": outputs["gS"] * (1 + 1e-14)})
    own = result(check(subject, ops=("burst",), shrink=False), "burst")
    assert own.status == "fail" and all(is_vector(case.id) for case in own.cases if case.status == "fail")
    assert own.diagnosis.text.startswith("rounding: no error is above 1.0e-14")


def refusing(error):
    """The reference, but its refusals are other errors, or answers where `error` is None."""
    def call(op, inputs, params, conventions):
        try:
            return Reference().call(op, inputs, params, conventions)
        except RefsnnError:
            if error is None:
                return {"loss": np.array(0.0), "dm": np.zeros_like(inputs["m"])}
            raise error from None

    subject = Subject()
    subject.call = call
    return subject


@pytest.mark.parametrize("error", [ValueError("another length"), RuntimeError("sizes do not match"), IndexError(3), ShapeError("the same class")])
def test_a_wrong_input_may_be_refused_with_any_error(error):
    run = check(refusing(error), ops=("cross_entropy",))
    assert run.conforms and "cross_entropy/cross_entropy-201" in [case.id for case in result(run, "cross_entropy").cases if case.status == "pass"]


@pytest.mark.parametrize(("error", "message"), [
    (RangeError("too few"), "it must be refused with ShapeError, but it raises RangeError: too few: A label too few."),
    (None, "it must be refused with ShapeError or the like, and is answered: A label too few."),
])
def test_a_wrong_input_that_is_answered_or_refused_by_another_class_fails(error, message):
    own = result(check(refusing(error), ops=("cross_entropy",)), "cross_entropy")
    assert own.status == "fail" and own.diagnosis.kind == "accepts" and not own.saved
    assert own.diagnosis.text.startswith(message) and 'skip "must-fail"' in own.diagnosis.text


def test_who_does_not_check_inputs_can_say_so():
    subject = refusing(None)
    subject.said = {"skip": {"must-fail": "inputs are not checked"}}
    assert check(subject, ops=("cross_entropy",)).conforms


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_has_first_cases_and_random_ones(op):
    for dtype in ("float64", "float32"):
        own, drawn = by_hand(op, dtype, {}), generated(op, dtype, {})
        assert own[0].id == f"{op}/first" and own[0].comment and len(drawn) == 10
        for case in own + drawn:
            assert case.level == OPERATIONS[op].level and case.expected.keys() <= case.bounds.keys()
            for array in case.inputs.values():          # a float32 subject gets them without loss
                assert array.dtype != float or (array.astype(dtype) == array).all()


WORKED = {  # by hand, from the comments of the cases
    "decay": {"alpha": [np.exp(-0.5)]}, "latency": {"time": [np.log(1 / 0.8), np.log(0.5 / 0.3)]}, "surrogate": {"sigma": [1, 0.25, 0.25]},
    "surrogate_primitive": {"phi": [0, 0.25, -0.25]}, "lif_step": {"I_next": [[0.5]], "V_next": [[0.75]], "S_next": [[0]]},
    "li_step": {"I_next": [[0.5]], "V_next": [[0.75]]}, "analog_step": {"U_next": [[2 * np.exp(-0.5), -np.exp(-0.25)]]},
    "adjoint_step": {"lam_V": [[3]], "lam_I": [[7]]}, "backward": {"dW1": [[1, 0]], "dW0": [[0]]},
    "scores": {"m": [[5, 0]], "decision": [0]}, "scores_adjoint": {"gV": [[[0]], [[5]], [[0]]]},
    "cross_entropy": {"loss": np.log(2), "dm": [[-0.5, 0.5]]}, "burst": {"value": 2, "gS": [[[2]]] * 3},
    "readout_amplitude": {"value": 2.5, "dm": [[0.5, 1.5]]}, "weight_decay": {"value": 2.5, "dW": [[0.5, 1.5]]},
    "rate_bound": {"value": 0.5, "gS": [[[1]]] * 3}, "adam_step": {"W_next": [[0.5, 1.5]]}, "clip_weights": {"W_next": [[-0.25, -0.25, 0, 0.25, 0.25]]},
    "load_weights": {"codes": [[60, -63, 0]], "scale": 240}, "learning_rate": {"rates": [0.5, 0.25]},
    "forward": {"V0": np.outer([0, 1, 1, 0.75], [0.125, 0.25])[:, None], "S0": np.zeros((4, 1, 2)), "V1": np.zeros((4, 1, 2))},
    "chip_run": {"V0": np.outer([0, 1, 1, 0.75], [0.125, 0.25])[:, None], "S0": np.zeros((4, 1, 2))},
    "exact_spikes": {"spike_times": [], "samples": [[0.5 * np.exp(-0.5)]]}, "train": {"W0_next": [[0.125, 0.25]], "loss": [np.log(2)] * 2},
    "loss_and_gradient_of_trace": {}, "encode": {}, "downscale": {"small": np.full((1, 16, 16), 7)},
    "loss_and_gradient": {"loss": np.log(2), "dW0": [[0, 0]], "dW1": [[0, 0], [0, 0]]},
}


@pytest.mark.parametrize("op", OPERATIONS)
def test_first_cases_are_what_paper_says(op):
    case = by_hand(op, "float64", {})[0]
    for name, worked in WORKED[op].items():
        # 1e-7: Adam's epsilon of 1e-8 beside a gradient of 1/4, which paper leaves out
        np.testing.assert_allclose(case.expected[name], worked, rtol=1e-7, atol=1e-15, err_msg=name)


def test_a_free_run_with_a_membrane_at_its_threshold_is_not_settled():
    tie = dict((name, (inputs, params)) for name, inputs, params, _ in BY_HAND["forward"])["tie"]
    assert not settled("forward", *tie, {})
    assert settled("forward", *((own.inputs, own.params) for own in generated("forward", "float64", {})[:1]).__next__(), {})


def test_another_source_of_cases_can_be_plugged_in():
    wrong = {"alpha": np.array([0.5])}
    stored = [Case("decay/stored", "decay", {"tau": np.array([2.0])}, {"dt": 1.0}, {}, wrong, {"alpha": Bound(1e-12)})]
    run = check(Reference(), sources=(lambda op, dtype, conventions: stored,), ops=("decay",), shrink=False)
    assert result(run, "decay").cases[0].id == "decay/stored" and not run.conforms


def test_what_the_reference_cannot_do_without_scipy_is_skipped(monkeypatch):
    monkeypatch.setattr("refsnn.verify.operations.find_spec", lambda name: None)
    run = check(Reference(), ops=("decay", "exact_spikes"))
    assert run.conforms and (run.operations[1].status, run.operations[1].reason) == ("skipped", "the reference needs scipy")


# comparing

def test_the_first_difference_is_the_earliest_in_time_and_in_words():
    case = generated("forward", "float64", {})[0]
    got = {name: array.copy() for name, array in case.expected.items()}
    got["V0"][-1, 0, 0] += 1
    got["V1"][1, 0, 0] += 1e-3
    headroom, difference = compare("forward", case.params, got, case.expected, {name: 1e-6 for name in got})
    assert difference.field == "V1" and difference.place.startswith(" at t 1, sample 0,") and headroom == pytest.approx(1e6)


def test_where_the_largest_error_is_elsewhere_both_places_are_named():
    case = generated("forward", "float64", {})[0]
    allowed = {name: 0.0 if name[0] == "S" else 1e-6 for name in case.expected}
    got = {name: array.copy() for name, array in case.expected.items()}
    got["V1"][1, 0, 0] += 1e-3
    assert "largest" not in str(compare("forward", case.params, got, case.expected, allowed)[1])
    got["V0"][-1, 0, 0] += 1
    first, _, largest = str(compare("forward", case.params, got, case.expected, allowed)[1]).partition("; largest error: ")
    assert first.startswith("V1 at t 1, sample 0, class 0 is ") and largest.startswith(f"V0 at t {len(got['V0']) - 1}, sample 0, neuron 0 is ")
    got["S0"][-1, 0, 0] = 1 - got["S0"][-1, 0, 0]                      # what must be exact is further off than any number
    assert "; largest error: S0 at t" in str(compare("forward", case.params, got, case.expected, allowed)[1])
    got["V1"][1, 0, 1:] = np.nan
    assert "largest error: V1 at t 1, sample 0, class 1 is nan" in str(compare("forward", case.params, got, case.expected, allowed)[1]) or (
        got["V1"].shape[2] == 1)


def test_two_numbers_have_the_digits_that_they_need_to_differ():
    wanted = np.array([-0.240264174])
    got = wanted * (1 + 2e-12)
    assert str(compare("decay", {}, {"alpha": got}, {"alpha": wanted}, {"alpha": 1e-16})[1]) == (
        "alpha at neuron 0 is -0.2402641740005 where -0.240264174 is expected")
    assert "is 1 where 0.9999999999999999 is" in str(compare("decay", {}, {"alpha": np.ones(1)}, {"alpha": np.nextafter(np.ones(1), 0)}, {"alpha": 0})[1])


def test_infinity_must_be_where_it_is_expected_and_nan_nowhere():
    wanted = {"time": np.array([np.inf, 1.0])}
    for got, headroom in (([np.inf, 1.0], 0), ([1.0, 1.0], np.inf), ([np.inf, np.nan], np.inf), ([-np.inf, 1.0], np.inf), ([np.inf, 1.5], 0.5)):
        assert compare("latency", {}, {"time": np.array(got)}, wanted, {"time": 1.0})[0] == headroom


def test_spikes_and_whole_numbers_must_be_exact():
    params = generated("forward", "float64", {})[0].params
    assert bounds_of("forward", params, "float32")["S0"] == Bound(0) == bounds_of("load_weights", {}, "float32")["codes"]


# what only a large case shows

def samples_after(count):
    """A spoilt answer: nothing for the samples after the first ones."""
    def spoil(outputs, inputs, params):
        return {name: np.where(np.arange(array.shape[1])[:, None] < count, array, 0.0) for name, array in outputs.items()}
    return spoil


@pytest.mark.parametrize(("op", "cause", "spoil"), [
    ("forward", "B = 5", samples_after(4)),
    ("forward", "N0 = 65", lambda out, a, p: out | {name: np.where(np.arange(out[name].shape[2]) < 64, out[name], 0.0) for name in ("V0", "S0")}),
    ("forward", "T = 65", lambda out, a, p: {name: np.where(np.arange(len(v))[:, None, None] < 64, v, 0.0) for name, v in out.items()}),
    ("scores", "T = 21", lambda out, a, p: Reference().call("scores", {"V": a["V"][:20]}, p, {})),
    ("burst", "T = 21", lambda out, a, p: out | {"value": Reference().call("burst", {"S": a["S"][:20]}, p, {})["value"]}),
    ("cross_entropy", "B = 9", lambda out, a, p: out | {"dm": np.where(np.arange(len(a["m"]))[:, None] < 8, out["dm"], 0.0)}),
])
def test_a_mistake_of_large_problems_is_found_with_the_size_from_which_it_is_made(op, cause, spoil):
    own = result(check(Subject(op=op, spoil=spoil), ops=(op,), shrink=False), op)
    assert [case.id for case in own.cases if case.status == "fail"] == [f"{op}/large"] and own.diagnosis.kind == "size"
    assert f"wrong from {cause} on: " in own.diagnosis.text
    inputs = own.saved[0][1]
    assert sum(array.size for array in inputs.values()) < 6000        # R0 has 65 x 65; the large case of backward has 140,000
    again = make_case("again", op, inputs, own.saved[0][2], "float64", {})
    assert any((array != again.expected[name]).any() for name, array in spoil(dict(again.expected), inputs, own.saved[0][2]).items())


def test_the_large_case_can_be_skipped_or_expected_to_fail():
    spoil = samples_after(4)
    assert check(Subject(op="forward", spoil=spoil), ops=("forward",), expected_failures=["forward/large"]).conforms
    run = check(Subject(op="forward", spoil=spoil, skip={"forward/large": "four lanes"}), ops=("forward",))
    assert run.conforms and [case.id for case in run.operations[0].cases if case.status == "skipped"] == ["forward/large"]


def test_a_program_that_dies_while_the_size_is_looked_for_ends_nothing():
    def spoil(outputs, inputs, params):
        T = len(inputs["V"])
        if 20 < T < 70:
            raise HarnessError("it has died 3 times, and is not started again")
        return outputs if T <= 20 else outputs | {"m": outputs["m"] + 1}

    own = result(check(Subject(op="scores", spoil=spoil), ops=("scores",)), "scores")
    assert own.diagnosis.text.startswith("right in all smaller cases, wrong from T = 70 on: m at sample 0, class 0 is")


def test_who_raises_in_large_problems_is_told_from_which_size_on():
    def spoil(outputs, inputs, params):
        return outputs if inputs["V"].shape[1] <= 8 else 1 / 0

    own = result(check(Subject(op="scores", spoil=spoil), ops=("scores",)), "scores")
    assert own.diagnosis.text == "right in all smaller cases, wrong from B = 9 on: it raises ZeroDivisionError: division by zero"


# properties, and the search for small problems

def test_every_property_names_operations_that_exist():
    assert all(op in OPERATIONS for own in PROPERTIES for op in own.ops)
    assert len({own.name for own in PROPERTIES}) == len(PROPERTIES)


def looking_ahead(outputs, inputs, params):
    return outputs | {"V0": outputs["V0"] + 1e-3 * inputs["x"][-1].sum()}


@pytest.mark.parametrize(("name", "op", "spoil"), [
    ("batch-independence", "li_step", lambda outputs, inputs, params: outputs | {"V_next": outputs["V_next"] + outputs["V_next"].mean(axis=0)}),
    ("permuted-samples", "burst", lambda outputs, inputs, params: outputs | {"gS": outputs["gS"] * (1 + np.arange(outputs["gS"].shape[1]))[:, None]}),
    ("sum-of-samples", "backward", lambda outputs, inputs, params: {name: array / inputs["x"].shape[1] for name, array in outputs.items()}),
    ("permuted-neurons", "lif_step", lambda outputs, inputs, params: outputs | {"I_next": np.cumsum(outputs["I_next"], axis=1)}),
    ("prefix", "forward", looking_ahead),
    ("time-shift", "forward", lambda outputs, inputs, params: outputs | {"V0": outputs["V0"] * np.arange(len(outputs["V0"]))[:, None, None]}),
    ("zero-input", "forward", lambda outputs, inputs, params: outputs | {"V0": outputs["V0"] + 0.1}),
    ("linear-below-threshold", "forward", lambda outputs, inputs, params: outputs | {"V0": np.maximum(outputs["V0"], -0.5)}),
    ("linear", "scores_adjoint", lambda outputs, inputs, params: {"gV": np.abs(outputs["gV"])}),
    ("raised-scores", "cross_entropy", lambda outputs, inputs, params: outputs | {"loss": np.array(np.log(np.exp(inputs["m"]).sum()))}),
])
def test_every_property_finds_what_breaks_it_without_a_reference(name, op, spoil, monkeypatch):
    monkeypatch.setattr("refsnn.verify.conformance.runner.PROPERTIES", tuple(own for own in PROPERTIES if own.name == name))
    run = check(Subject(op=op, spoil=spoil), sources=(), ops=(op,))
    assert result(run, op).diagnosis.kind == "property" and result(run, op).saved[0][0] == name


@pytest.mark.parametrize("installed", [True, False])
def test_the_smallest_failure_is_small_with_hypothesis_and_found_without(installed, monkeypatch):
    monkeypatch.setattr(search, "PATIENCE", 60.0)                          # on a busy machine, too
    if not installed:
        monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: None)
    inputs, _ = smallest_failure("forward", "float64", {}, lambda inputs, params: inputs["x"].sum() > 0)
    # found without: the smallest of 20 draws; with: T = 2, one sample, one input, one neuron each, no recurrence
    assert sum(array.size for array in inputs.values()) <= (5 if installed else 30)
    assert smallest_failure("forward", "float64", {}, lambda inputs, params: False) is None


def test_failures_are_saved_and_can_be_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "PATIENCE", 60.0)                          # on a busy machine, too
    run = check(Subject(op="forward", spoil=looking_ahead), ops=("lif_step", "forward"))
    saved = save_failures(run, tmp_path / "new")
    assert [path.name for path in saved["forward"]] == ["forward-case.json"]
    check_, op, inputs, params, conventions = load_failure(saved["forward"][0])
    assert (check_, op, conventions) == ("case", "forward", {}) and sum(array.size for array in inputs.values()) <= 6
    again = make_case("again", op, inputs, params, "float64", {})
    assert all((again.inputs[name] == array).all() for name, array in inputs.items())
    assert not save_failures(check(Minimal()), tmp_path / "none") and not (tmp_path / "none").exists()


@pytest.mark.parametrize(("change", "error", "message"), [
    (lambda text: text[:50], DataError, "this is not JSON"),
    (lambda text: "[]", DataError, "this is not a JSON object"),
    (lambda text: text.replace('"format": 1', '"format": 2'), DataError, "has format 2; it must be 1"),
    (lambda text: text.replace('"check": "case"', '"check": "rhymes"'), RangeError, "check is 'rhymes'"),
    (lambda text: text.replace('"lif_step"', '"fly"'), RangeError, "op is 'fly'"),
    (lambda text: text.replace('"drive"', '"drift"'), RangeError, "must not hold drift"),
    (lambda text: text.replace('"float64"', '"float16"'), DataError, "dtype str 'float16'"),
    (lambda text: text.replace('"check"', '"czech"'), RangeError, "lacks check"),
])
def test_a_damaged_problem_is_refused(change, error, message, tmp_path):
    path = save_failures(check(TIE, ops=("lif_step",)), tmp_path)["lif_step"][0]
    path.write_text(change(path.read_text()))
    with pytest.raises(error, match=message):
        load_failure(path)


# reports

def test_the_reports_say_what_was_checked_and_what_failed():
    run = check(TIE, ops=("decay", "lif_step", "forward"), shrink=False)
    text, given, page = terminal(run, {"lif_step": [Path("x.json")]}), json.loads(as_json(run)), as_markdown(run)
    for report in (text, page):
        assert "tie = 'spike'" in report and "S_next at sample 0, neuron 1 is 1 where 0 is expected" in report and "because lif_step failed" in report
        assert "does not conform: 1 pass, 1 fail, 1 not run, of 3 operations offered (28 in all)" in report
    assert "--replay x.json" in text and len(text.splitlines()) < 12
    assert given["conforms"] is False and given["operations"][1]["diagnosis"]["conventions"] == {"tie": "spike"}
    assert given["operations"][0]["headroom"] == 0 and given["operations"][1]["headroom"] is None
    json.loads(as_json(run), parse_constant=pytest.fail)                   # no NaN or Infinity, which JSON does not have


def command(*arguments, code):
    """Run `refsnn conformance` in this process; the exit code must be as given."""
    assert main(["conformance", *map(str, arguments)]) == code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with adapters, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_the_command_checks_an_adapter_of_the_current_folder_and_writes_reports(folder, capsys):
    (folder / "my_own_adapter.py").write_text(
        "from refsnn.verify.conformance.examples.minimal import Minimal\n"
        "class Mine(Minimal):\n"
        "    def call(self, op, inputs, params, conventions):\n"
        "        outputs = super().call(op, inputs, params, conventions)\n"
        "        if op == 'lif_step':\n"
        "            outputs['S_next'] = (outputs['V_next'] >= params['threshold']).astype(float)\n"
        "        return outputs\n"
        "adapter = Mine()\n")
    who = ("--adapter", "my_own_adapter:adapter")
    command(*who, "--json", "report.json", "--markdown", "report.md", code=1)
    assert "diagnosis  tie = 'spike'" in capsys.readouterr().out
    assert json.loads(Path("report.json").read_text())["subject"]["name"] == "minimal" and "FAIL" in Path("report.md").read_text()
    command(*who, "--replay", "conformance-failures/lif_step-case.json", code=1)
    assert "lif_step, case: S_next at sample 0, neuron" in capsys.readouterr().out
    command("--adapter", "refsnn.verify.conformance.examples.minimal:adapter", "--replay", "conformance-failures/lif_step-case.json", code=0)
    assert "passes" in capsys.readouterr().out
    Path("xfail").write_text("".join(f"{id}  # on purpose\n" for id in TIES))
    command(*who, "--xfail", "xfail", code=0)


@pytest.mark.parametrize(("wrong", "message"), [("os._exit(0)", "it ended, with exit code 0"),
                                                pytest.param("time.sleep(600)", "no answer within 3 s", marks=pytest.mark.long)])
def test_an_adapter_that_ends_its_process_or_hangs_is_found(wrong, message, folder, capsys):
    (folder / "fatal.py").write_text("import os, time\nfrom refsnn.verify.conformance.examples.minimal import Minimal\n"
                                     f"class Fatal(Minimal):\n    def call(self, *given):\n        {wrong}\nadapter = Fatal()\n")
    command("--adapter", "fatal:adapter", "--timeout", "3", code=1)
    assert f"diagnosis  {message} (surrogate/first)" in capsys.readouterr().out


def test_what_an_adapter_prints_is_not_taken_for_an_answer(folder, capsys):
    (folder / "talking.py").write_text("import os\nfrom refsnn.verify.conformance.examples.minimal import Minimal\nprint('hello')\n"
                                       "class Talking(Minimal):\n    def call(self, *given):\n        print('here')\n"
                                       "        os.write(1, b'from C')\n        return super().call(*given)\nadapter = Talking()\n")
    command("--adapter", "talking:adapter", code=0)


@pytest.mark.parametrize(("body", "kind", "message"), [
    ("inputs['V'] *= 2", "mutates", "it raises ValueError: output array is read-only"),
    ("params.clear(); return {}", "mutates", "it changes its params"),
    ("return {'I_next': [1.0]}", "contract", "lif_step: I_next is list [1.0]; it must be an array"),
    ("return [1]", "contract", "lif_step: the outputs are list [1]; they must be a dict of arrays"),
    ("return {'I_next': inputs['I'].astype(object)}", "contract", "lif_step: I_next has dtype object"),
    ("return 1 / 0", "raises", "it raises ZeroDivisionError: division by zero"),
])
def test_what_an_adapter_in_its_own_process_does_wrong_has_its_name(body, kind, message, folder, capsys):
    (folder / "wrong.py").write_text("from refsnn.verify.conformance.examples.minimal import Minimal\nclass Wrong(Minimal):\n"
                                     "    def capabilities(self):\n        return super().capabilities() | {'ops': ['lif_step']}\n"
                                     f"    def call(self, op, inputs, params, conventions):\n        {body}\nadapter = Wrong()\n")
    command("--adapter", "wrong:adapter", "--json", "report.json", code=1)
    diagnosis = json.loads(Path("report.json").read_text())["operations"][6]["diagnosis"]
    assert diagnosis["kind"] == kind and diagnosis["text"].startswith(message)


def test_a_property_that_failed_can_be_run_again(folder, capsys):
    (folder / "restless.py").write_text("from refsnn.verify.conformance.mutants import MUTANTS\n"
                                        "adapter = next(own for own in MUTANTS if own.wrong == 'rest at the wrong time').adapter()\n")
    command("--adapter", "restless:adapter", code=1)
    assert "again: --replay conformance-failures/forward-time-shift.json" in capsys.readouterr().out
    command("--adapter", "restless:adapter", "--replay", "conformance-failures/forward-time-shift.json", code=1)
    assert "by the property" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "place", "message"), [
    ("adapter = 1", "broken_adapter:adapter", "DataError: the adapter broken_adapter:adapter cannot be used: DtypeError: the adapter has no name"),
    ("raise RuntimeError('not\\ntoday')", "broken_adapter:adapter", "RuntimeError: not today"),
    ("import sys; sys.exit(3)", "broken_adapter:adapter", "SystemExit: 3"),
    ("def (", "broken_adapter:adapter", "SyntaxError"),
    ("", "broken_adapter:adapter", "AttributeError"),
    ("", "no_such_module_here:adapter", "ModuleNotFoundError"),
    ("", "broken_adapter", "it must be MODULE:NAME"),
    ("class A: pass", "broken_adapter:A", "it is a class; it must be an object, A()"),
    ("class A:\n name = version = 'x'\n dtype = 'float64'\n call = None\n def capabilities(self): return 1 / 0\na = A()",
     "broken_adapter:a", "ZeroDivisionError"),
    ("class A:\n name = version = 'x'\n dtype = 'float64'\n call = None\n"
     " def capabilities(self): return {'ops': [], 'conventions': {}, 'skip': {}}\na = A()", "broken_adapter:a", "x offers no operation"),
])
def test_an_adapter_that_cannot_be_used_is_one_line_and_exit_code_2(code, place, message, folder, capsys):
    (folder / "broken_adapter.py").write_text(code)
    command("--adapter", place, code=2)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_other_mistakes_on_the_command_line_are_one_line_too(folder, capsys, monkeypatch):
    minimal = ("--adapter", "refsnn.verify.conformance.examples.minimal:adapter")
    (folder / "taken").write_text("")
    for arguments, text in ((("--xfail", "nowhere"), "nowhere"), (("--replay", "nowhere"), "nowhere"), (("--timeout", "0"), "--timeout is 0"),
                            (("--timeout", "nan"), "--timeout is nan"), (("--json", "/proc/nope"), "--json /proc/nope: /proc is no folder"), (("--json", "nowhere/r.json"), "--json nowhere/r.json: nowhere is no folder"),
                            (("--json", "."), "--json .: it is a folder"), (("--markdown", "taken/r.md"), "taken is no folder"),
                            (("--failures", "taken"), "taken is no folder"), (("--failures", "taken/deeper"), "--failures taken/deeper: ")):
        monkeypatch.setattr("refsnn.verify.conformance.command.check", pytest.fail)                # before the run, not after it
        command(*minimal, *arguments, code=2)
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and text in error
    command("--adapter", "", code=2)
    assert "the adapter is ''; it must be MODULE:NAME" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["conformance"])


def test_text_of_an_adapter_is_harmless_on_any_terminal(folder):
    (folder / "foreign.py").write_text("from refsnn.verify.conformance.examples.minimal import Minimal\nclass Foreign(Minimal):\n"
                                       "    name, version = 'k\\u00f6nig \\udcff', '1\\x1b[2J'\n"
                                       "    def capabilities(self):\n        return super().capabilities() | {'skip': {'surrogate/first': '\\u2026\\x07'}}\n"
                                       "    def call(self, *given):\n        raise ValueError('gr\\u00f6\\udc80\\x1b]0;')\nadapter = Foreign()\n")
    arguments = ("--adapter", "foreign:adapter", "--json", "report.json", "--markdown", "report.md")
    for encoding, name in (("ascii", r"k\xf6nig \udcff"), ("utf-8", r"könig \udcff")):
        done = subprocess.run([sys.executable, "-m", "refsnn", "conformance", *arguments], capture_output=True,
                              env={"PYTHONPATH": str(Path(search.__file__).parents[3]), "PYTHONIOENCODING": encoding})
        said = done.stdout.decode(encoding)
        assert done.returncode == 1 and said.startswith(name + r" 1\x1b[2J, float64") and not done.stderr
        assert all(letter.isprintable() for line in said.splitlines() for letter in line)
    assert r"\x1b]0;" in Path("report.md").read_text(encoding="utf-8") and r"\x1b]0;" in said


@pytest.mark.parametrize("name", ["name", "version"])
def test_a_name_that_is_no_text_is_refused(name):
    subject = Reference()
    setattr(subject, name, ["a", 1])
    with pytest.raises(DtypeError, match=f"the adapter's {name} is list"):
        check(subject)


SECTION = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split("## Checking your implementation")[1].split("<!-- mutants -->")[0]


def test_the_section_of_the_readme_is_short_and_names_every_operation():
    assert len(SECTION.strip().splitlines()) <= 44                         # 45 with its heading
    assert all(f"{op} " in SECTION or f"{op}`" in SECTION or f"{op}\n" in SECTION for op in OPERATIONS)


def test_the_adapter_of_the_readme_conforms_and_its_mistake_is_reported_as_it_says(folder, capsys):
    code = SECTION.split("```python\n")[1].split("```")[0]
    (folder / "mine.py").write_text(code)
    (folder / "mistaken.py").write_text(code.replace("(V > params", "(V >= params"))
    command("--adapter", "mine:adapter", code=0)
    assert "conforms: 2 pass" in capsys.readouterr().out
    command("--adapter", "mistaken:adapter", code=1)
    reported = [line.strip() for line in capsys.readouterr().out.splitlines()[1:-1]]
    written = [line.strip() for line in SECTION.split("could not be run):")[1].splitlines() if line.startswith("      ")]
    assert reported == written


def test_the_verb_is_installed_and_finds_an_adapter_beside_it(tmp_path):
    done = subprocess.run([sys.executable, "-m", "refsnn", "conformance", "--adapter", "refsnn.verify.conformance.examples.minimal:adapter"],
                          cwd=tmp_path, env={"PYTHONPATH": str(Path(search.__file__).parents[3])}, capture_output=True, text=True)
    assert not list(tmp_path.iterdir())                                    # nothing is left behind where nothing failed
    assert (done.returncode, done.stderr) == (0, "") and "conforms: 2 pass, of 2 operations offered (28 in all)" in done.stdout


def test_the_examples_conform():
    torch = pytest.importorskip("torch")
    from refsnn.verify.conformance.examples.torch_autograd import adapter

    assert torch and check(adapter).conforms and check(Minimal()).conforms


def test_conventions_that_a_diagnosis_names_make_the_subject_conform():
    hidden = Subject(op=None)
    hidden.call = lambda op, inputs, params, conventions: Reference().call(op, inputs, params, {"reset": "to_value", "reset_time": "same_step"})
    found = result(check(hidden, ops=("decay", "lif_step"), shrink=False), "lif_step").diagnosis.conventions
    assert Conventions(**found).others() == {"reset": "to_value", "reset_time": "same_step"}
    hidden.said = {"conventions": found}
    assert check(hidden, ops=("decay", "lif_step"), shrink=False).conforms


def run_with_reset(a, p, amount):
    """A free run that takes amount(theta) off in a reset."""
    S, outputs, count = a["x"], {}, len(p["tau_mem"])
    for l in range(count):
        alpha, beta = (np.exp(-p["dt"] / np.array(p[tau][l])) for tau in ("tau_syn", "tau_mem"))
        V = np.zeros((len(S), S.shape[1], a[f"W{l}"].shape[1]))
        I, fired, theta = V[0], np.zeros_like(V), np.array(p["threshold"][l])
        for t in range(len(V) - 1):
            I = alpha * I + S[t] @ a[f"W{l}"] + (fired[t] @ a[f"R{l}"] if f"R{l}" in a else 0)
            V[t + 1] = beta * V[t] + I - amount(theta) * fired[t]
            fired[t + 1] = V[t + 1] > theta if l < count - 1 else 0
        S = fired
        outputs |= {f"V{l}": V, f"S{l}": S} if l < count - 1 else {f"V{l}": V + a.get("noise", 0)}
    return outputs


def mistaken_gradient(op, a, p, **names):
    """The gradient of plain Python, in whose module names are others; without any, its surrogate has lost the absolute value."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (names or {"abs": lambda number: number}).items():
            patch.setattr(scalar_network, name, value, raising=False)
        return {name: array for name, array in ScalarLoops().call(op, a, p, {}).items() if name != "loss"}


@pytest.mark.parametrize(("op", "text", "spoil"), [
    ("lif_step", "the reset takes 1 off, whatever the threshold", lambda out, a, p: Reference().call(
        "lif_step", a | {"S": a["S"] / np.array(p["threshold"])}, p, {})),
    ("adjoint_step", "the absolute value left out of the surrogate", lambda out, a, p: {
        name: array + np.where((a["S"] > 0) & p["spike_aware"], 0, 1) * (a["lam_S"] + (a["lam_I_next"] @ a["R"].T if "R" in a else 0)) * (
            1 / (1 + p["slope"] * (a["V"] - p["threshold"])) ** 2 - 1 / (1 + p["slope"] * np.abs(a["V"] - p["threshold"])) ** 2)
        for name, array in out.items()}),
    ("forward", "the reset takes theta squared off", lambda out, a, p: run_with_reset(a, p, lambda theta: theta**2)),
    ("forward", "the reset takes 1 off, whatever the threshold", lambda out, a, p: run_with_reset(a, p, lambda theta: 1.0)),
    ("backward", "the absolute value left out of the surrogate", lambda out, a, p: mistaken_gradient("backward", a, p)),
    ("loss_and_gradient_of_trace", "the absolute value left out of the surrogate", lambda out, a, p: {
        "loss": out["loss"], **mistaken_gradient("loss_and_gradient_of_trace", a, p)}),
    ("backward", "the surrogate not squared", lambda out, a, p: mistaken_gradient("backward", a, p, peak=flat_peak)),
    ("loss_and_gradient", "the surrogate not squared", lambda out, a, p: {
        "loss": out["loss"], **mistaken_gradient("loss_and_gradient", a, p, peak=flat_peak)}),
    ("loss_and_gradient", "weight decay of R and of the readout, too", lambda out, a, p: decaying("W")(decaying("R")(out, a, p), a, p)),
    ("loss_and_gradient_of_trace", "the spikes taken from the membranes", lambda out, a, p: Reference().call(
        "loss_and_gradient_of_trace", *spikes_again(a, p), {})),
    ("loss_and_gradient_of_trace", "the network run again", lambda out, a, p: running_again("loss_and_gradient_of_trace", a, p, {})),
    ("backward", "the first layer's parameters used for all", lambda out, a, p: Reference().call("backward", *first_layer(a, p), {})),
    ("lif_step", "a dt of 1.7 us whatever is asked for", lambda out, a, p: Reference().call("lif_step", a, p | {"dt": 1.7e-6}, {})),
    ("backward", "the surrogate is 0 more than 0.5 from the threshold", lambda out, a, p: Reference().call("backward", a | {
        f"V{l}": np.where(np.abs(a[f"V{l}"] - np.array(theta)) > 0.5, 1e12, a[f"V{l}"]) for l, theta in enumerate(p["threshold"][:-1])}, p, {})),
    ("cross_entropy", "labels one class too low", lambda out, a, p: Reference().call(
        "cross_entropy", a | {"labels": (a["labels"] - 1) % a["m"].shape[1]}, p, {})),
    ("loss_and_gradient", "the label of the sample before", lambda out, a, p: Reference().call(
        "loss_and_gradient", a | {"labels": np.roll(a["labels"], 1)}, p, {})),
    ("train", "noise added twice", lambda out, a, p: Reference().call("train", a | {"noise": 2 * a["noise"]}, p, {})),
    ("burst", "of a neuron's spikes 1 count at most, with no derivative beyond", lambda out, a, p: {
        "value": np.array(p["rho"] * np.mean(a["S"].sum(axis=0) > 0)),
        "gS": np.where(a["S"].sum(axis=0) > 1, 0, out["gS"])}),
    ("adam_step", "epsilon added before the correction of the bias", lambda out, a, p: out | {
        "W_next": a["W"] - p["rate"] * out["mu_next"] / (1 - p["decay_first"] ** (p["step"] + 1))
        * np.sqrt(1 - p["decay_second"] ** (p["step"] + 1)) / (np.sqrt(out["nu_next"]) + p["epsilon"])}),
    ("clip_weights", "clipped from below only", lambda out, a, p: {"W_next": np.maximum(a["W"], -p["limit"])}),
])
def test_a_natural_mistake_has_a_name(op, text, spoil):
    own = result(check(Subject(op=op, spoil=spoil), ops=(op,), shrink=False), op)
    assert text in own.diagnosis.text


def test_a_factor_near_1_has_the_digits_that_tell_it_from_1():
    subject = Subject(op="weight_decay", spoil=lambda outputs, inputs, params: outputs | {"dW": outputs["dW"] * (1 + 1e-7)})
    assert result(check(subject, ops=("weight_decay",), shrink=False), "weight_decay").diagnosis.text.startswith("dW: times 1.0000001: explains all")


def test_a_run_says_what_it_is_doing(capsys, monkeypatch):
    said = []
    check(TIE, ops=("decay", "lif_step"), note=said.append)
    assert said == ["decay: cases", "decay: properties", "lif_step: cases", "lif_step: which convention or mistake explains 3 wrong answers",
                    "lif_step: the smallest problem that is answered wrongly"]
    tell("nobody reads this")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    tell("decay: cases")
    assert capsys.readouterr().err == "\r\x1b[Kdecay: cases"


def test_what_is_expected_to_fail_neither_hides_nor_blurs_another_mistake():
    def twice(outputs, inputs, params):
        return outputs | spiking_at_ties(outputs, inputs, params) | {"I_next": outputs["I_next"] * 2}

    own = result(check(Subject(op="lif_step", spoil=twice), ops=("lif_step",), expected_failures=TIES, shrink=False), "lif_step")
    assert own.diagnosis.text.startswith("I_next: times 2: explains all")
