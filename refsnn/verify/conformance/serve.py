"""A Python adapter as a program over stdio: `--adapter MODULE:NAME` runs main() in a process of its own, and speaks with it as with any other
program. So whatever the adapter does, it does not end, block or change the process that checks it.
"""

import importlib
import json
import os
import sys

from refsnn.errors import DataError
from refsnn.verify.conformance.subject import ask_once, check_adapter
from refsnn.verify.conformance.wire import decode_arrays, encode_arrays


def load_adapter(place):
    """The adapter at "package.module:name", found from the current folder, too. Raises DataError."""
    module, _, name = place.partition(":")
    # foreign code: whatever it raises while it is imported or asked about itself is to be one line
    try:
        adapter = getattr(importlib.import_module(module), name)
        if isinstance(adapter, type):
            raise DataError(f"it is a class; it must be an object, {name}()")
        check_adapter(adapter)
    except (Exception, SystemExit) as error:
        raise DataError(f"{type(error).__name__}: {error}") from error
    return adapter


def introduction(adapter):
    """The answer to start."""
    said = adapter.capabilities()
    return {"name": adapter.name, "version": adapter.version, "dtype": adapter.dtype, "ops": list(said["ops"]),
            "conventions": said["conventions"], "skip": said["skip"]}


def answer(adapter, given):
    """The answer to run."""
    outputs, trouble = ask_once(adapter, given["op"], decode_arrays("the inputs", given["inputs"]), given["params"], given["conventions"])
    if trouble:
        kind, message = trouble
        return {"seq": given["seq"], "error": message, "kind": kind}
    return {"seq": given["seq"], "outputs": encode_arrays(outputs)}


def serve(place, lines, say):
    """Answer every line until stop; say writes an object."""
    adapter = None
    for given in map(json.loads, lines):
        if given["cmd"] == "stop":
            return
        if given["cmd"] == "run":
            say(answer(adapter, given))
            continue
        try:
            adapter = load_adapter(place)
            say(introduction(adapter))
        except DataError as error:
            say({"error": str(error)})


def main():
    """Serve the adapter that is named on the command line."""
    # standard input and output are for questions and answers: what the adapter, or a library of it, prints goes to standard error
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(sys.argv[1], questions, lambda said: print(json.dumps(said), file=answers, flush=True))
