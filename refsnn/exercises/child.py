"""The process in which a student's file runs: it reads questions and writes answers, one JSON object a line.

The protocol is that of refsnn.verify.conformance.subject.

So an endless loop, a crash or sys.exit of the file ends this process, and not the one that checks. What the file prints does not reach the answers.
"""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np

from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.pupil import Pupil, PupilError
from refsnn.verify.conformance.wire import decode_arrays, decode_line, encode_arrays

PRINTED = "printed"                        # the call that asks for what the file has printed
KEPT = 300                                 # so many characters of it


class Printed(io.TextIOBase):
    """Standard output of the student's file: its beginning is kept, the rest forgotten."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        """Keep what still fits."""
        self.text += text[:KEPT - len(self.text)]
        return len(text)


def main():
    """Answer until told to stop. Arguments: the file, and the number of the exercise."""
    path, number = Path(sys.argv[1]), int(sys.argv[2])
    questions, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    # the file may read standard input, or write to standard output past sys.stdout: neither is the protocol's any more
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = Printed()
    pupil = Pupil(path.read_text(encoding="utf-8-sig", errors="replace"), EXERCISES[number - 1], str(path))
    for line in questions:
        question = decode_line(line)
        if question["cmd"] == "stop":
            return
        answers.write(json.dumps(answer(pupil, question)) + "\n")
        answers.flush()


def answer(pupil, question):
    """The object that answers a question."""
    if question["cmd"] == "start":
        return {"name": pupil.name, "version": pupil.version, "dtype": pupil.dtype, **pupil.capabilities()}
    if question["op"] == PRINTED:
        return {"seq": question["seq"], "outputs": encode_arrays({"text": np.frombuffer(sys.stdout.text.encode(), np.uint8)})}
    try:
        outputs = pupil.call(question["op"], decode_arrays("inputs", question["inputs"]), question["params"], question["conventions"])
    except PupilError as error:
        return {"seq": question["seq"], "kind": "raises", "error": str(error)}
    return {"seq": question["seq"], "outputs": encode_arrays(outputs)}
