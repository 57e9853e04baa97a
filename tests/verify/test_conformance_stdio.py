"""Programs over stdio: one in node conforms, and whatever one does wrong is an error of one line, never a hang and never a traceback."""

import json
import re
import shlex
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from refsnn.__main__ import main
from refsnn.errors import DataError
from refsnn.verify.conformance import examples
from refsnn.verify.conformance.runner import check
from refsnn.verify.conformance.subject import PROTOCOL, AnswerError, Harness, HarnessError
from refsnn.verify.conformance.wire import decode_array, decode_line, encode_array

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sessions and signals of POSIX")

HELLO = {"name": "mine", "version": "1", "dtype": "float64", "ops": ["decay"], "conventions": {}, "skip": {}}
# a correct program, with a place for what is to go wrong: `wrong` is called with (line, seq)
PROGRAM = """
import json, math, os, sys, time
def say(**answer):
    print(json.dumps(answer), flush=True)
def answer(given):
    tau = given["inputs"]["tau"]
    return {{"alpha": {{**tau, "data": [math.exp(-given["params"]["dt"] / t) for t in tau["data"]]}}}}
for line in sys.stdin:
    given = json.loads(line)
    if given["cmd"] == "stop":
        break
    if given["cmd"] == "start":
        say(**{hello})
        continue
    seq = given["seq"]
    {wrong}
    say(seq=seq, outputs=answer(given))
"""


def program(tmp_path, wrong="pass", **hello):
    """The command of a program that goes wrong."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(wrong=wrong, hello=repr({name: value for name, value in (HELLO | hello).items() if value is not None})))
    return shlex.join([sys.executable, str(path)])


def harness_of(command, timeout=60.0):
    """The Harness of a command."""
    return Harness(shlex.split(command), "it", timeout)


def first_message(command, timeout=60.0):
    """What the first case of decay comes to."""
    with harness_of(command) as harness:
        harness.timeout = timeout                       # to start Python takes longer on a busy machine than the answers that are waited for
        run = check(harness, ops=("decay",), shrink=False)
    return run.operations[0].cases[0].message if not run.conforms else None


def test_a_correct_program_conforms(tmp_path):
    assert first_message(program(tmp_path)) is None


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_program_in_javascript_conforms(capsys):
    script = Path(examples.__file__).parent / "harness.js"
    assert main(["conformance", "--adapter-cmd", shlex.join(["node", str(script)])]) == 0
    assert "conforms: 4 pass, of 4 operations offered" in capsys.readouterr().out


@pytest.mark.parametrize(("wrong", "message"), [
    ("sys.exit(3)", "it ended, with exit code 3"),
    ("raise RuntimeError('no membrane left')", "on standard error: .*no membrane left"),
    ("sys.stderr.write('x' * 10**7 + ' the end'); sys.exit(5)", "exit code 5; on standard error: x{192} the end$"),
    ("print('debugging', flush=True)", "this is not JSON: 'debugging'; standard output is for answers"),
    ("print('[' * 100000, flush=True)", "this is not JSON"),
    ("print(b'\\\\xff\\\\xfe', flush=True)", "this is not JSON"),
    ("print('[1]', flush=True)", "this is not a JSON object"),
    ("say(seq=seq + 1, outputs={})", "must have its seq, and outputs or error"),
    ("say(seq=seq)", "must have its seq, and outputs or error"),
    ("say(seq=seq, error='my tau is gone'); continue", "^it answers with an error: my tau is gone$"),
    ("say(seq=seq, outputs=[]); continue", "the outputs are list"),
    ("say(seq=seq, outputs={'alpha': [0.5]}); continue", "alpha is list"),
    ("say(seq=seq, outputs={}); continue", "the outputs lack alpha"),
    ("os.close(1); time.sleep(60)", "it closed its standard output"),
])
def test_what_a_program_does_wrong_is_said_in_one_line(wrong, message, tmp_path):
    found = first_message(program(tmp_path, wrong))
    assert re.search(message, found) and "\n" not in found


@pytest.mark.parametrize("wrong", [
    "time.sleep(60)",
    "sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)",          # a line that does not end
    "os.fork() or time.sleep(60); time.sleep(60)",                        # a child that holds the pipes open
])
def test_a_program_that_hangs_is_ended_in_time(wrong, tmp_path):
    started = time.monotonic()
    assert first_message(program(tmp_path, wrong), timeout=0.5) == "no answer within 0.5 s"
    assert time.monotonic() - started < 40              # with starting Python on a busy machine; it would sleep for 60


def test_the_time_for_an_answer_holds_for_the_start_too(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text("import time\ntime.sleep(60)\n")
    started = time.monotonic()
    with pytest.raises(DataError, match="it cannot be used: no answer within 0.5 s"):
        harness_of(shlex.join([sys.executable, str(path)]), 0.5)
    assert time.monotonic() - started < 9              # on a busy machine, too


def test_a_program_that_does_not_read_blocks_nobody(tmp_path):
    path = tmp_path / "deaf.py"
    path.write_text(f"import sys, time\nsys.stdin.readline()\nprint({json.dumps(HELLO)!r}, flush=True)\ntime.sleep(60)\n")
    with harness_of(shlex.join([sys.executable, str(path)])) as harness:
        harness.timeout = 0.5
        with pytest.raises(HarnessError, match="no answer within 0.5 s"):       # 8 MB do not fit into a pipe
            harness.call("decay", {"tau": np.zeros(1_000_000)}, {"dt": 1.0}, {})


def test_a_program_that_died_is_started_again_but_not_for_ever(tmp_path):
    with harness_of(program(tmp_path, "if given['params']['dt'] > 1: sys.exit(1)")) as harness:
        call = harness.call, {"tau": np.array([2.0])}
        for _ in range(3):
            with pytest.raises(HarnessError, match="exit code 1"):
                call[0]("decay", call[1], {"dt": 2.0}, {})
            if harness.deaths < 3:
                assert call[0]("decay", call[1], {"dt": 1.0}, {})["alpha"] == np.exp(-0.5)
        with pytest.raises(HarnessError, match="it has died 3 times"):
            call[0]("decay", call[1], {"dt": 1.0}, {})


def test_a_program_that_ends_after_every_answer_is_started_again(tmp_path):
    with harness_of(program(tmp_path, "say(seq=seq, outputs=answer(given)); break")) as harness:
        for _ in range(4):
            assert harness.call("decay", {"tau": np.array([2.0])}, {"dt": 1.0}, {})["alpha"] == np.exp(-0.5)
            harness.process.wait(10)


def test_an_error_that_a_program_answers_does_not_end_it(tmp_path):
    with harness_of(program(tmp_path, "if given['params']['dt'] > 1: say(seq=seq, error='dt'); continue")) as harness:
        with pytest.raises(AnswerError, match="dt"):
            harness.call("decay", {"tau": np.array([2.0])}, {"dt": 2.0}, {})
        assert harness.call("decay", {"tau": np.array([2.0])}, {"dt": 1.0}, {})["alpha"] == np.exp(-0.5)


def test_a_byte_order_mark_before_the_first_line_is_no_error(tmp_path):
    path = tmp_path / "program.py"
    command = program(tmp_path)
    path.write_text("import sys\nsys.stdout.buffer.write(b'\\xef\\xbb\\xbf')\nsys.stdout.flush()\n" + path.read_text())
    assert first_message(command) is None


@pytest.mark.parametrize(("end", "message"), [
    ("print('disk full', file=sys.stderr); sys.exit(4)", "told to stop, it ended with exit code 4; on standard error: disk full"),
    ("time.sleep(60)", "told to stop, it did not end within 2 s"),
    ("pass", None),
])
def test_a_program_that_does_not_end_well_is_mentioned(end, message, tmp_path, capsys):
    command = program(tmp_path)
    path = tmp_path / "program.py"
    path.write_text(path.read_text().replace("        break\n", f"        {end}\n        break\n"))
    assert main(["conformance", "--adapter-cmd", command]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (f"mine: {message}" if message else "conforms: 1 pass, of 1 operations offered (28 in all)")


@pytest.mark.parametrize(("hello", "message"), [
    ({"name": 7}, "the adapter's name is int 7; it must be text"),
    ({"dtype": "float16"}, "dtype is 'float16'"),
    ({"dtype": None}, "the answer to start lacks dtype"),
    ({"ops": "decay"}, "ops of the capabilities is str 'decay'"),
    ({"error": "no such network"}, "cannot be used: no such network"),
    ({"ops": ["fly"]}, "an operation of the capabilities is 'fly'"),
    ({"conventions": {"tie": "maybe"}}, "tie is 'maybe'"),
])
def test_a_program_that_says_nothing_sensible_of_itself_cannot_be_used(hello, message, tmp_path, capsys):
    assert main(["conformance", "--adapter-cmd", program(tmp_path, **hello)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("command", ["", "'", "/nowhere/to/be/found", "false", "echo hello", "cat"])
def test_a_command_that_is_no_harness_cannot_be_used(command, capsys):
    assert main(["conformance", "--adapter-cmd", command]) == 2
    error = capsys.readouterr().err
    assert "cannot be used" in error and error.count("\n") == 1


def test_the_protocol_is_what_the_readme_shows(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Checking your implementation")[1].split("<!-- mutants -->")[0]
    lines = [line.strip() for line in section.splitlines() if line.strip().startswith(("<- {", "-> {"))]
    answer, error = (part.strip() for part in lines[3].removeprefix("-> ").split(" or "))
    said = json.loads(lines[1].removeprefix("-> "))
    command = program(tmp_path, f"open({str(tmp_path / 'heard')!r}, 'a').write(line)", **said)
    with harness_of(command) as harness:
        outputs = harness.call("decay", {"tau": np.array([2.0])}, {"dt": 1.0}, {})
    assert said == HELLO | said and set(said) == set(HELLO)
    assert (tmp_path / "heard").read_text().strip() == lines[2].removeprefix("<- ")
    assert json.loads(answer) == {"seq": 1, "outputs": {"alpha": encode_array(outputs["alpha"])}}
    assert json.loads(error) == {"seq": 1, "error": "what went wrong"}
    assert json.loads(lines[0].removeprefix("<- ")) == {"cmd": "start", "protocol": PROTOCOL}
    assert json.loads(lines[4].removeprefix("<- ")) == {"cmd": "stop"}


# arrays as JSON

@pytest.mark.parametrize("array", [np.array([[0.1, -1e300], [5e-324, 2 / 3]]), np.array([np.nan, np.inf, -np.inf]), np.array(1.5, np.float32),
                                   np.array([[1, 2]], np.uint8), np.array([-2**62]), np.zeros((0, 3))])
def test_arrays_come_back_with_the_same_bits(array):
    again = decode_array("x", json.loads(json.dumps(encode_array(array), allow_nan=False)))
    assert again.dtype == array.dtype and again.shape == array.shape and again.tobytes() == array.tobytes()


@pytest.mark.parametrize(("change", "message"), [
    ({"dtype": "float16"}, "dtype str 'float16'"), ({"dtype": ["float64"]}, "dtype list"), ({"shape": [3]}, "its data are 2 numbers"),
    ({"shape": [-2]}, "a list of whole numbers"), ({"shape": 2}, "shape int 2"), ({"data": "AAAA"}, "its data are str"),
    ({"data": [1, "x"]}, "which is no float64"),
    ({"data": [1, True]}, "which is no float64"), ({"data": [[1], [2]]}, "which is no float64"),
    ({"dtype": "int64", "data": [1, 0.5]}, "which is no int64"),
    ({"dtype": "uint8", "data": [1, 256]}, "which is no uint8"), ({"dtype": "int64", "data": [1, 1e300]}, "which is no int64"),
    ({"dtype": "int64", "data": [1, float("nan")]}, "which is no int64"), ({"data": [1, 10**400]}, "which is no float64"),
    ({"more": 1}, "dtype, shape and data"),
])
def test_what_is_no_array_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        decode_array("x", {"dtype": "float64", "shape": [2], "data": [1, 2]} | change)


def test_null_is_nan_as_javascript_writes_it():
    assert np.isnan(decode_array("x", decode_line('{"dtype": "float32", "shape": [1], "data": [null]}'))).all()
