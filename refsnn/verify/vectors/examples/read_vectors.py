"""Read all golden vectors with json and struct alone: no numpy, nothing of refsnn. Copy it to where you need it.

    python read_vectors.py DIR          DIR: a folder of vectors, with manifest.json

Checks every hash, and what is given twice. A subject takes `inputs` and `params` of read_case, and compares with `outputs`.
"""

import hashlib
import json
import math
import struct
import sys
from pathlib import Path

LETTERS = {"<f8": "d", "<i8": "q", "|u1": "B"}


def checked(path, sha256):
    """The bytes of a file, if they have the hash that they must have."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path}: wrong sha256")
    return content


def read_array(folder, record):
    """An array as a flat list, in C order; record["shape"] has the sizes of its axes."""
    content = checked(folder / record["file"], record["sha256"])
    count = math.prod(record["shape"])
    numbers = list(struct.unpack_from(f"<{count}{LETTERS[record['dtype']]}", content, record["payload_offset"]))
    if record.get("values", numbers) != numbers or len(content) != record["payload_offset"] + record["nbytes"]:
        raise ValueError(f"{folder / record['file']}: it is not what case.json says")
    if any(float.fromhex(text) != number for text, number in zip(record.get("hex", ()), numbers) if number == number):
        raise ValueError(f"{folder / record['file']}: the hex floats are not its numbers")
    return numbers


def read_case(folder, sha256):
    """A case: what case.json says, and its inputs and outputs as {name: flat list}."""
    case = json.loads(checked(folder / "case.json", sha256))
    return case, *({name: read_array(folder, record) for name, record in case[side].items()} for side in ("inputs", "outputs"))


def main(folder):
    """Read everything, and count."""
    arrays, manifest = 0, json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for id, entry in manifest["cases"].items():
        _, inputs, outputs = read_case(folder / id, entry["sha256"])
        arrays += len(inputs) + len(outputs)
    print(f"{len(manifest['cases'])} cases, {arrays} arrays, all hashes right")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "manifest.json").is_file():
        sys.exit("usage: python read_vectors.py DIR, a folder of vectors, with manifest.json")
    main(Path(sys.argv[1]))
