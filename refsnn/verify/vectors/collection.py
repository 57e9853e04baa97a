"""From drafts to golden vectors, and back: generate writes them, read reads them all, check does both and compares.

generate refuses a draft (RangeError) that comes too near to a threshold, on which two oracles disagree, that has fewer than two of them, or none that
is independent of the library; and a draft that must be refused and is not, or not because of the fault that it is about.
"""

import platform
import tempfile
from pathlib import Path

import numpy as np

import refsnn
from refsnn import errors
from refsnn.errors import DataError, RangeError, RefsnnError, check_path
from refsnn.verify.operations import Reference, checked_call, missing_package
from refsnn.verify.vectors.archive import shipped
from refsnn.verify.vectors.case import FORMAT, ID, Case, case_files, json_bytes, read_bytes, read_case, read_json, require, sha256
from refsnn.verify.vectors.catalogue import RETIRED, all_drafts
from refsnn.verify.vectors.flags import FLAGS
from refsnn.verify.vectors.margins import margin_of
from refsnn.verify.vectors.oracles import ORACLES, opinions
from refsnn.verify.vectors.tolerance import error, tolerance

MEASURED = "measured.json"
LICENCE = "MIT, as refsnn"


def build(draft, measured):
    """The Case of a draft, answered by the reference; no oracle is asked. Raises RangeError for one that cannot be a case."""
    common = {"id": draft.id, "op": draft.op, "status": draft.status, "comment": draft.comment, "flags": list(draft.flags),
              "conventions": dict(draft.conventions),
              "params": draft.params, "inputs": draft.inputs}
    if draft.error:
        return Case(**common, outputs={}, tolerance={}, error=draft.error, threshold_margin=None, ties=0, oracles=list(REFUSALS))
    outputs = checked_call(Reference(), draft.op, draft.inputs, draft.params, draft.conventions)
    margin, ties = margin_of(draft)
    names = [oracle.name for oracle in ORACLES if oracle.applies(draft)]
    if len(names) < 2 or not any(oracle.independent for oracle in ORACLES if oracle.applies(draft)):
        raise RangeError(f"{draft.id}: its oracles are {', '.join(names) or 'none'}; it needs two, one of them independent of the library")
    return Case(**common, outputs=outputs, tolerance={name: tolerance(draft, name, array, measured) for name, array in outputs.items()}, error=None,
                threshold_margin=margin, ties=ties, oracles=names)


REFUSALS = ("the same without the fault is answered", "a plain check of the fault")


def examine(draft, case):
    """Raise RangeError unless all oracles of a case agree with it."""
    if draft.error:
        return examine_refusal(draft)
    for name, outputs in opinions(draft, case.outputs).items():
        for output in (output for output in case.outputs if output in outputs):
            own = case.tolerance[output]
            found = error(own["kind"], outputs[output], case.outputs[output])
            if found > own["float64"]:
                raise RangeError(f"{draft.id}: {name} disagrees on {output} by {found:.1e}; the bound is {own['float64']}")


def examine_refusal(draft):
    """Raise RangeError unless a draft is refused by its class of error, because of its fault and of nothing else."""
    inputs = {name: array.tolist() for name, array in draft.inputs.items()}
    repaired = {name: draft.repaired.get(name, array) for name, array in draft.inputs.items()}, {name: draft.repaired.get(name, value)
                                                                                                for name, value in draft.params.items()}
    Reference().call(draft.op, *repaired, draft.conventions)
    seen = draft.fault({name: array.tolist() for name, array in repaired[0].items()}, repaired[1])
    if seen or not draft.fault(inputs, draft.params):
        raise RangeError(f"{draft.id}: the plain check of the fault does not tell it from the same without it")
    try:
        Reference().call(draft.op, draft.inputs, draft.params, draft.conventions)
    except RefsnnError as refusal:
        if type(refusal) is getattr(errors, draft.error):
            return
        raise RangeError(f"{draft.id}: refused with {type(refusal).__name__}, not {draft.error}") from refusal
    raise RangeError(f"{draft.id}: it is not refused")


def examined():
    """All cases, generated and examined. Raises RangeError."""
    ids = [draft.id for draft in all_drafts()]
    twice = {id for id in ids if ids.count(id) > 1 or id in RETIRED}
    if twice:
        raise RangeError(f"the ids {', '.join(sorted(twice))} are used twice, or are retired")
    record, cases = read_json(shipped(), MEASURED), []
    for draft in all_drafts():
        cases.append(build(draft, record))
        examine(draft, cases[-1])
    return cases


def generate(folder) -> int:
    """Answer and examine every draft, and write the cases and the manifest to a folder, which must be new or empty. Returns the number of cases.

    The folder appears whole, or not at all.
    """
    if missing_package("exact_spikes"):
        raise DataError("exact spike times and some of the oracles need scipy: pip install 'refsnn[fast]'")
    folder = check_path("folder", folder).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise RangeError(f"{folder} is not empty; ids are never used again, so nothing is written over")
    entries, files = {}, {MEASURED: read_bytes(shipped(), MEASURED)}
    for case in examined():
        own = case_files(case)
        files |= {f"{case.id}/{name}": content for name, content in own.items()}
        entries[case.id] = {"op": case.op, "level": case.level, "status": case.status, "flags": case.flags, "sha256": sha256(own["case.json"])}
    files["manifest.json"] = json_bytes(manifest(entries, sha256(files[MEASURED])))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name + ".") as temporary:
        whole = Path(temporary) / "whole"
        for name, content in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).write_bytes(content)
        whole.replace(folder)
    return len(entries)


def manifest(entries, measured):
    """The manifest: its sha256 is that of all of it but `sha256` and `generated_by`."""
    hashed = {"format": FORMAT, "licence": LICENCE, "cases": entries, "retired": RETIRED, "flags": FLAGS,
              "measured": {"file": MEASURED, "sha256": measured}}
    return {**hashed, "sha256": sha256(json_bytes(hashed)),
            "generated_by": {"refsnn": refsnn.__version__, "python": platform.python_version(), "numpy": np.__version__,
                             "machine": platform.machine()}}


def given_or_shipped(folder):
    """The Path of a folder of vectors, of those that ship for None. Raises DtypeError, RangeError."""
    return shipped() if folder is None else check_path("folder", folder)


def read_manifest(folder):
    """The manifest of a folder of vectors, checked. Raises DataError."""
    found = read_json(folder, "manifest.json")
    hashed = {key: value for key, value in found.items() if key not in ("sha256", "generated_by")}
    require(found.get("sha256") == sha256(json_bytes(hashed)),
            f"{folder}/manifest.json: its sha256 is {sha256(json_bytes(hashed))}; it says {found.get('sha256')}")
    require(found.get("format") == FORMAT and isinstance(found.get("cases"), dict) and isinstance(found.get("measured"), dict),
            f"{folder}/manifest.json: it is of no format that is known here")
    for id, entry in found["cases"].items():
        require(ID.fullmatch(id) and isinstance(entry, dict) and isinstance(entry.get("sha256"), str),
                f"{folder}/manifest.json: {id!r} is no id, or has no sha256")
        require(isinstance(found.get("retired"), (dict, list)) and id not in found["retired"], f"{folder}/manifest.json: {id} is there, and is retired")
    return found


def read(folder=None) -> tuple[Case, ...]:
    """All cases of a folder of vectors, by default of those that ship, in the order of the manifest; every hash is checked.

    Raises DataError; DtypeError and RangeError for what is no path.

    >>> read()[0].id
    'decay-001'
    """
    folder = given_or_shipped(folder)
    return tuple(read_listed(folder, id, entry) for id, entry in read_manifest(folder)["cases"].items())


def read_one(id: str, folder=None) -> Case:
    """One case of a folder of vectors, by default of those that ship. Raises DataError where it is damaged, RangeError where there is none;
    DtypeError and RangeError for what is no path.
    """
    folder = given_or_shipped(folder)
    cases = read_manifest(folder)["cases"]
    if id not in cases:
        raise RangeError(f"there is no case {id!r}; refsnn vectors list names them all")
    return read_listed(folder, id, cases[id])


def read_listed(folder, id, entry):
    """The case that an entry of the manifest is about. Raises DataError."""
    own = folder / id
    require(not own.is_symlink(), f"{own}: it is a link")
    case = read_case(own, entry["sha256"])
    require(case.id == id, f"{own}: it calls itself {case.id}")
    for name in ("op", "level", "status", "flags"):
        require(entry.get(name) == getattr(case, name), f"{folder}/manifest.json: {name} of {id} is {entry.get(name)!r}, but the case has {getattr(case, name)!r}")
    return case


def check(folder=None) -> list[str]:
    """Read every case of a folder, by default of those that ship, generate it again, compare: a list of differences, one line each, empty where all is well.

    Inputs, params, texts and whole numbers must be the same. Other outputs may differ by the case's own bound: exp, log and the products of
    matrices are not the same to the last bit on all machines. Those that only_read names are not generated again. Raises DataError for a
    damaged file; DtypeError and RangeError for what is no path.
    """
    folder = given_or_shipped(folder)
    found, files = read_manifest(folder), {MEASURED, "manifest.json"}
    measured = read_json(folder, MEASURED, found["measured"].get("sha256"))
    drafts, differences = {draft.id: draft for draft in all_drafts()}, []
    for id, entry in found["cases"].items():
        case = read_listed(folder, id, entry)
        files |= {f"{id}/{name}" for name in ("case.json", *(f"{name}.npy" for name in (*case.inputs, *case.outputs)))}
        if id not in drafts:
            differences.append(f"{id}: not among the drafts any more")
        elif not missing_package(case.op):
            differences += compare(case, build(drafts[id], measured))
    differences += [f"{id}: missing in the folder" for id in drafts if id not in found["cases"]]
    return differences + manifest_differences(found) + foreign(folder, files)


def manifest_differences(found):
    """What a manifest says beside its cases, and is not as it is here: lines."""
    here = {"retired": RETIRED, "flags": FLAGS, "licence": LICENCE}
    lines = [f"manifest.json: {name} is not what it is here" for name, own in here.items() if found.get(name) != own]
    return lines + [f"manifest.json: measured names {found['measured'].get('file')!r}, not {MEASURED}"] * (found["measured"].get("file") != MEASURED)


def foreign(folder, files):
    """What is in a folder of vectors and belongs to no case, links and empty folders too: lines. files: the names of what belongs there."""
    lines = []
    for path in sorted(folder.rglob("*")):
        name, is_folder = path.relative_to(folder).as_posix(), path.is_dir() and not path.is_symlink()
        if is_folder and not any(path.iterdir()):
            lines.append(f"{name}: no case names this folder")
        elif not is_folder and name not in files:
            lines.append(f"{name}: no case names this file")
    return lines


def only_read(folder):
    """The ids of the cases of a folder that cannot be generated again here: exact spike times need scipy. Their hashes can be checked."""
    return [id for id in read_manifest(folder)["cases"] if missing_package(id.rpartition("-")[0])]


def compare(stored, again):
    """What differs between a case as it is stored and as it is generated again: lines."""
    lines = []
    for key in ("op", "status", "comment", "flags", "conventions", "params", "tolerance", "error", "threshold_margin", "ties", "oracles"):
        if getattr(stored, key) != getattr(again, key):
            lines.append(f"{stored.id}: {key} is {getattr(stored, key)!r}; again it is {getattr(again, key)!r}")
    for side in ("inputs", "outputs"):
        old, new = getattr(stored, side), getattr(again, side)
        if old.keys() != new.keys():
            lines.append(f"{stored.id}: the {side} are {', '.join(old)}; again they are {', '.join(new)}")
        for name in old.keys() & new.keys():
            own = stored.tolerance[name] if side == "outputs" else {"kind": "exact", "float64": 0.0}
            same = old[name].dtype == new[name].dtype and (old[name].tobytes() == new[name].tobytes() or
                                                           side == "outputs" and error(own["kind"], new[name], old[name]) <= own["float64"])
            if not same:
                lines.append(f"{stored.id}: {name} differs from what is stored by more than its bound, {own['float64']}")
    return lines
