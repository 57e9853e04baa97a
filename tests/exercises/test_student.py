"""What students write: right answers written otherwise, mistakes that nobody foresaw, numbers with few digits."""

import re

import pytest

from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.checker import CRASHES, FEW_DIGITS, NO_CASE, RIGHT, WRONG, Feedback, judge
from refsnn.exercises.pupil import Pupil
from refsnn.exercises.report import as_text

NUMBER = {exercise.name: number for number, exercise in enumerate(EXERCISES, 1)}
STEP = "def lif_step(I, V, S, drive, alpha, beta, theta):\n"


@pytest.fixture(autouse=True)
def no_folder_of_hypothesis(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path))


def judged(name, code):
    """The feedback on a piece of code for an exercise."""
    return judge(NUMBER[name], Pupil("import numpy as np\n" + code, EXERCISES[NUMBER[name] - 1]))


OTHERWISE = {
    "a step in loops, in lists, spikes as booleans": ("lif_step", STEP + """
    new = [[], [], []]
    for b in range(len(V)):
        rows = [[], [], []]
        for n in range(V.shape[1]):
            a, be, th = (np.broadcast_to(c, V.shape[1])[n] for c in (alpha, beta, theta))
            i = drive[b, n] + a * I[b, n]
            v = i - th * S[b, n] + be * V[b, n]
            for row, value in zip(rows, (i, v, bool(v > th))):
                row.append(value)
        for out, row in zip(new, rows):
            out.append(row)
    return new
"""),
    "a gradient by einsum": ("weight_gradient", """
def weight_gradient(S_below, lam_I):
    return np.einsum("tbm,tbn->mn", S_below[:-1], lam_I[1:])
"""),
    "a gradient as a loop over time and batch": ("weight_gradient", """
def weight_gradient(S, lam):
    total = np.zeros((S.shape[2], lam.shape[2]))
    for t in reversed(range(1, len(S))):
        for b in range(S.shape[1]):
            total += np.outer(S[t - 1, b], lam[t, b])
    return total
"""),
    "a recursion backwards over copies": ("spiking_adjoint", """
def spiking_adjoint(layer, trace, gV, lam_S, surrogate):
    a, b, th = layer.neuron.constants(float)
    V, S = trace.membrane, trace.spikes
    lv, li = {len(V): 0 * V[0]}, {len(V): 0 * V[0]}
    for t in sorted(range(1, len(V)), reverse=True):
        back = 0 if layer.R is None else np.einsum("bj,ij->bi", li[t + 1], layer.R)
        lv[t] = surrogate.derivative(V[t], S[t], th) * (back + lam_S[t]) + (b * lv[t + 1] + gV[t])
        li[t] = a * li[t + 1] + lv[t]
    return np.array([0 * V[0]] + [li[t] for t in range(1, len(V))])
"""),
    "the maximum by a loop": ("scores", """
def scores(V, objective):
    best = V[0].copy()
    for t in range(1, len(V)):
        best = np.where(V[t] > best, V[t], best)
    return objective.readout_scale * (best if objective.reduce == "max" else sum(V))
def scores_adjoint(V, dm, objective):
    g = np.zeros(V.shape)
    for b in range(V.shape[1]):
        for k in range(V.shape[2]):
            ts = range(len(V)) if objective.reduce == "sum" else [list(V[:, b, k]).index(max(V[:, b, k]))]
            for t in ts:
                g[t, b, k] = dm[b, k] * objective.readout_scale
    return g
"""),
    "the latency solved the other way round": ("latency", """
def latency(intensity, tau_in=8e-6):
    bright = intensity > 0.2
    safe = np.where(bright, intensity, 1.0)
    return np.where(bright, -tau_in * np.log1p(-0.2 / safe), np.inf)
"""),
    "softmax by its definition, shifted": ("cross_entropy", """
def cross_entropy(m, labels):
    loss, dm = 0.0, []
    for scores, label in zip(m, labels):
        e = np.exp(scores - max(scores))
        p = e / sum(e)
        loss -= scores[label] - max(scores) - np.log(sum(e))
        dm.append((p - np.eye(len(p))[label]) / len(m))
    return loss / len(m), np.array(dm)
"""),
    "the analog step by a series": ("transfer", """
def transfer(h, tau_mem, tau_syn):
    p, q = h / np.asarray(tau_mem, float), h / np.asarray(tau_syn, float)
    d = abs(p - q)
    far = np.where(d < 1e-3, 1.0, d)
    return h * np.exp(-np.minimum(p, q)) * np.where(d < 1e-3, 1 - d / 2 + d**2 / 6 - d**3 / 24 + d**4 / 120, (1 - np.exp(-far)) / far)
"""),
    "the peak by comparing values": ("psp_peak", """
def psp_peak(alpha):
    values = [(n * alpha ** (n - 1), -n) for n in range(1, 200)]
    best = max(values)
    return [-best[1], best[0]]
"""),
    "a property by a random state": ("property", """
def step_property(step):
    rng = np.random.default_rng(0)
    I, V, drive = rng.normal(0.5, 1, (3, 4, 5))
    S = (rng.random((4, 5)) < 0.5) * 1.0
    i, v, s = step(I, V, S, drive, 0.5, 0.25, 0.75)
    zero = 0 * I
    parts = step(I, zero, zero, drive, 0.5, 0.25, 0.75)[1] + step(zero, V, zero, zero, 0.5, 0.25, 0.75)[1]
    return np.allclose(v - parts, -0.75 * S) and np.array_equal(s, v > 0.75) and np.allclose(parts - i, 0.25 * V)
"""),
}


@pytest.mark.parametrize("case", OTHERWISE, ids=lambda case: case.replace(" ", "-"))
def test_a_right_answer_is_right_however_it_is_written(case):
    feedback = judged(*OTHERWISE[case])
    assert feedback.verdict == RIGHT, feedback


UNFORESEEN = {
    "beta for alpha": ("lif_step", STEP + "    I = beta * I + drive\n    V = beta * V + I - theta * S\n    return I, V, V > theta",
                       "tau_mem used for both"),
    "two conventions at once": ("lif_step", STEP + "    I = alpha * I + drive\n    V = beta * V + I\n    return I, V, V >= theta",
                                "tie = 'spike' and reset = 'none'"),
    "half the input": ("lif_step", STEP + "    I = alpha * I + drive / 2\n    V = beta * V + I - theta * S\n    return I, V, V > theta",
                       "none of the mistakes that are known"),
    "a third of the reset": ("lif_step", STEP + "    I = alpha * I + drive\n    V = beta * V + I - theta * S / 3\n    return I, V, V > theta",
                             "Right in every case: I_next."),
    "a division by 0": ("spiking_adjoint", "def spiking_adjoint(layer, trace, gV, lam_S, surrogate):\n    return gV + lam_S / (0 * gV)\n", "NaN"),
    "a negative surrogate": ("surrogate", "def superspike(V, theta, slope=50.0):\n    return -1 / (slope * np.abs(V - theta) + 1) ** 2\n"
                             "def superspike_primitive(V, theta, slope=50.0):\n    return (V - theta) / (1 + slope * np.abs(V - theta))", "times -1"),
    "twice the gradient": ("weight_gradient", "def weight_gradient(S, lam):\n    return 2 * np.einsum('tbm,tbn->mn', S[:-1], lam[1:])", "times 2"),
}


@pytest.mark.parametrize("case", UNFORESEEN, ids=lambda case: case.replace(" ", "-"))
def test_a_mistake_that_is_in_no_list_fails_with_a_true_statement(case):
    name, code, part = UNFORESEEN[case]
    feedback = judged(name, code)
    assert feedback.verdict == WRONG and feedback.mistake is None
    assert part in feedback.meaning and feedback.yours != feedback.expected, feedback


def test_an_argument_changed_in_place_is_said_to_be_one():
    feedback = judged("lif_step", STEP + "    I *= alpha\n    return I, V, S\n")
    assert feedback.verdict == WRONG and "line 3: it changes an array that it is given" in feedback.what


def test_what_crashes_in_one_case_and_is_wrong_in_another_is_said_to_crash():
    feedback = judged("spiking_adjoint", "def spiking_adjoint(layer, trace, gV, lam_S, surrogate):\n    return gV if layer.R is None else nothing\n")
    assert feedback.verdict == CRASHES and feedback.what == "line 3: NameError: name 'nothing' is not defined"


SINGLE = {
    "the decay in single precision": ("decay", "def decay(tau, dt):\n    return np.exp(-np.float32(dt) / tau.astype(np.float32))\n"),
    "a constant of ten digits": ("decay", "def decay(tau, dt):\n    return 2.718281828 ** (-dt / tau)\n"),
    "a step in single precision, asked by questions": ("straight_through", """
def straight_through_step(W, target, rate, scale):
    W, target = W.astype(np.float32), target.astype(np.float32)
    return W - np.float32(rate) * (np.rint(scale * W) / np.float32(scale) - target)
"""),
    "a run in single precision": ("run_spiking", """
from refsnn.spec.neuron import lif_step
from refsnn.spec.trace import Trace
def run_spiking(x, W, R, neuron):
    alpha, beta, theta = neuron.constants(np.float32)
    V = np.zeros((*x.shape[:2], W.shape[1]), np.float32)
    S, I = V.copy(), V[0].copy()
    for t in range(len(x) - 1):
        drive = (x[t] @ W + (0 if R is None else S[t] @ R)).astype(np.float32)
        I, V[t + 1], S[t + 1] = lif_step(I, V[t], S[t], drive, alpha, beta, theta)
    return Trace(V, S)
"""),
}


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.replace(" ", "-"))
def test_single_precision_inside_is_right_with_a_remark(case):
    feedback = judged(*SINGLE[case])
    assert (feedback.verdict, feedback.meaning) == (RIGHT, FEW_DIGITS), feedback
    assert "remark" in as_text(feedback)


def test_where_digits_are_the_matter_single_precision_is_wrong():
    code = "def transfer(h, tau_mem, tau_syn):\n    p, q = np.float32(h / tau_mem), np.float32(h / tau_syn)\n    d = abs(p - q)\n" \
           "    return h * np.exp(-np.minimum(p, q)) * np.where(d > 0, -np.expm1(-d) / np.where(d > 0, d, 1), 1)\n"
    assert judged("transfer", code).verdict == WRONG


def test_three_digits_are_wrong_and_called_nearly_right():
    feedback = judged("decay", "def decay(tau, dt):\n    return np.round(np.exp(-dt / tau), 3)\n")
    assert feedback.verdict == WRONG and "Some digits are lost" in feedback.meaning


SWAPPED = """
from refsnn.spec.neuron import lif_step
from refsnn.spec.trace import Trace
def run_spiking(x, W, R, neuron):
    beta, alpha, theta = neuron.constants(W.dtype)
    V = np.zeros((*x.shape[:2], W.shape[1]))
    S, I = np.zeros_like(V), np.zeros_like(V[0])
    for t in range(len(x) - 1):
        drive = x[t] @ W + (0 if R is None else S[t] @ R)
        I, V[t + 1], S[t + 1] = lif_step(I, V[t], S[t], drive, alpha, beta, theta)
    return Trace(V, S)
"""


def test_alpha_and_beta_exchanged_in_a_run_are_found_and_can_be_printed():
    feedback = judged("run_spiking", SWAPPED)
    assert feedback.verdict == WRONG and "tau_mem and tau_syn exchanged" in feedback.meaning
    assert "so that alpha" in as_text(feedback)


def test_layers_of_unlike_time_constants_can_be_printed():
    feedback = Feedback(4, "run_spiking", WRONG, given={"tau_mem": [[1.0, 2.0], 4.0], "dt": 1.0}, field="V0", yours=1.0, expected=2.0)
    assert "beta = exp(-dt/tau) = [[0.367879, 0.606531], 0.778801]" in " ".join(as_text(feedback).split())


def test_returned_codes_are_shown_as_they_were_returned():
    feedback = judged("load_weights", "def load_weights(W, spiking, levels):\n"
                      "    return W if levels == 0 else np.rint(240 * W).clip(-levels, levels)\n")
    assert (feedback.verdict, feedback.yours, feedback.expected) == (WRONG, 60, 0.25)
    assert feedback.mistake is None and feedback.meaning.startswith("In 4 of the") and "You return codes" in feedback.meaning


def test_a_missing_field_is_not_called_a_missing_return():
    text = EXERCISES[NUMBER["injection"] - 1].solution(NUMBER["injection"])
    code = text + "\n\nright = backward\ndef backward(*given):\n    return tuple(LayerGradient(own.W, None) for own in right(*given))\n"
    feedback = judge(NUMBER["injection"], Pupil(code, EXERCISES[NUMBER["injection"] - 1]))
    assert feedback.verdict == WRONG and "None; it must be numbers" in feedback.what and "return at the end" not in feedback.what


def test_no_case_is_referred_to_where_there_is_none():
    feedback = judged("find_the_bug", "def buggy_lines():\n    return {'A': 1, 'B': 1, 'C': 1, 'D': 1}\n")
    assert feedback.verdict == WRONG and feedback.meaning == NO_CASE


def test_digits_are_shown_until_the_difference_is_seen():
    feedback = Feedback(1, "decay", WRONG, field="alpha", yours=0.6065306597126334, expected=0.6065306597126335)
    yours, should = re.search(r"yours is (\S+), it should be (\S+)", as_text(feedback)).groups()
    assert yours != should
