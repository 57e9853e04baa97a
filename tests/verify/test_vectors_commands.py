"""The verbs of `refsnn vectors`, and the C program that reads a vector and checks itself."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import refsnn
from refsnn.__main__ import main
from refsnn.verify.vectors import read, read_one
from refsnn.verify.vectors import collection as collection_module
from refsnn.verify.vectors.archive import ARCHIVE, shipped
from refsnn.verify.vectors.case import json_bytes, sha256
from refsnn.verify.vectors.catalogue import all_drafts
from refsnn.verify.vectors.collection import read_manifest
from refsnn.verify.vectors.export import c_header, explanation

CASES = read()
VECTORS = shipped()


def run(capsys, *arguments):
    """(exit code, standard output, standard error) of a command."""
    code = main(["vectors", *map(str, arguments)])
    return (code, *capsys.readouterr())


@pytest.mark.long
def test_generate_writes_what_check_accepts(tmp_path, capsys):
    code, said, _ = run(capsys, "generate", "--to", tmp_path / "new" / "vectors")
    assert code == 0 and said.startswith(f"{len(CASES)} cases written")
    code, said, _ = run(capsys, "check", tmp_path / "new" / "vectors")
    assert code == 0 and said.endswith("all hashes right, all answers the same, within their bounds\n")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vectors"]        # nothing temporary is left
    code, _, complaint = run(capsys, "generate", "--to", tmp_path / "new" / "vectors")
    assert code == 2 and "is not empty" in complaint and complaint.count("\n") == 1


def test_check_finds_what_changed(tmp_path, capsys, monkeypatch):
    shutil.copytree(VECTORS, tmp_path / "vectors")
    (tmp_path / "vectors" / "decay-001" / "notes.txt").write_text("mine")
    code, said, _ = run(capsys, "check", tmp_path / "vectors")
    assert code == 1 and "decay-001/notes.txt: no case names this file" in said and said.endswith(": 1 difference\n")
    other = [replace(draft, inputs={"tau": draft.inputs["tau"] * 2}) if draft.id == "decay-001" else draft for draft in all_drafts()
             if draft.id != "decay-002"] + [replace(all_drafts()[0], id="decay-999")]
    monkeypatch.setattr(collection_module, "all_drafts", lambda: other)
    code, said, _ = run(capsys, "check")
    assert code == 1 and said.count("\n") == 5                                        # two of decay-001, one of either, the sum
    for line in ("decay-001: tau differs from what is stored", "decay-001: alpha differs from what is stored by more than its bound, 8.0",
                 "decay-002: not among the drafts any more", "decay-999: missing in the folder"):
        assert line in said


def test_check_names_what_belongs_to_no_case(tmp_path, capsys):
    shutil.copytree(VECTORS, tmp_path / "vectors")
    (tmp_path / "vectors" / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "vectors" / "link").symlink_to(tmp_path)
    code, said, _ = run(capsys, "check", tmp_path / "vectors")
    assert code == 1 and said.splitlines()[:-1] == ["empty/deeper: no case names this folder", "link: no case names this file"]


@pytest.mark.parametrize(("change", "line"), [({"retired": {"decay-999": "it was wrong"}}, "retired is not what it is here"),
                                              ({"flags": {}}, "flags is not what it is here"),
                                              ({"measured": None}, "measured names 'other.json', not measured.json")])
def test_check_compares_what_the_manifest_says_beside_its_cases(change, line, tmp_path, capsys):
    shutil.copytree(VECTORS, tmp_path / "vectors")
    found = read_manifest(VECTORS)
    change = {name: value if value is not None else found[name] | {"file": "other.json"} for name, value in change.items()}
    hashed = {key: value for key, value in (found | change).items() if key not in ("sha256", "generated_by")}
    (tmp_path / "vectors" / "manifest.json").write_bytes(json_bytes(hashed | {"sha256": sha256(json_bytes(hashed)), "generated_by": {}}))
    code, said, _ = run(capsys, "check", tmp_path / "vectors")
    assert code == 1 and said.splitlines()[0] == f"manifest.json: {line}"


def test_check_names_a_damaged_file_and_exits_with_2(tmp_path, capsys):
    shutil.copytree(VECTORS, tmp_path / "vectors")
    file = tmp_path / "vectors" / "forward-010" / "V0.npy"
    file.write_bytes(file.read_bytes()[:-1])
    code, _, complaint = run(capsys, "check", tmp_path / "vectors")
    assert code == 2 and "V0.npy has" in complaint and complaint.count("\n") == 1
    code, _, complaint = run(capsys, "check", tmp_path / "nothing")
    assert code == 2 and "manifest.json: there is no such file" in complaint


def test_check_without_scipy_checks_every_hash_and_all_other_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("refsnn.verify.operations.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    code, said, _ = run(capsys, "check")
    assert code == 0 and "not generated again, since exact spike times need scipy: exact_spikes-001, exact_spikes-002" in said
    assert said.endswith("all hashes right, all answers the same, within their bounds, but for 8 that were not generated again\n")
    shutil.copytree(VECTORS, tmp_path / "vectors")
    file = tmp_path / "vectors" / "exact_spikes-004" / "samples.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    code, _, complaint = run(capsys, "check", tmp_path / "vectors")
    assert code == 2 and "the sha256 of samples.npy" in complaint
    code, _, complaint = run(capsys, "generate", "--to", tmp_path / "new")
    assert code == 2 and "exact spike times and some of the oracles need scipy" in complaint and complaint.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("verb", ["list", "explain backward-015", "export --c-header backward-015"])
def test_a_reader_that_has_seen_enough_is_no_error(verb):
    command = f"{sys.executable} -m refsnn vectors {verb} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env={"PYTHONPATH": str(Path(refsnn.__file__).parents[1])}, capture_output=True, text=True)
    assert done.returncode in (0, 141) and done.stderr == ""              # 0 where all was written before the reader went away


def test_list_names_every_case(capsys):
    code, said, _ = run(capsys, "list")
    assert code == 0 and [line.split()[0] for line in said.splitlines()] == [case.id for case in CASES]


def test_every_case_can_be_explained_and_exported():
    for case in CASES:
        said = "\n".join(explanation(case))
        assert all(text in said for text in (case.comment, *case.inputs, *case.outputs, *case.flags, *case.oracles)), case.id
        assert all(f" {name}[] = {{" in c_header(case) for name in (*case.inputs, *case.outputs)), case.id


def test_explain_and_export_print_a_case(capsys):
    case = read_one("backward-001")
    assert run(capsys, "explain", case.id) == (0, "\n".join(explanation(case)) + "\n", "")
    assert run(capsys, "export", "--c-header", case.id) == (0, c_header(case), "")


def test_an_id_that_is_none_is_an_error(capsys):
    code, _, complaint = run(capsys, "explain", "forward-000")
    assert code == 2 and "there is no case 'forward-000'" in complaint


def test_a_header_has_every_bit():
    case = read_one("latency-002")
    lines = {line.split("[]")[0].split()[-1]: line for line in c_header(case).splitlines() if "[] = " in line}
    numbers = re.search(r"\{(.*)\}", lines["time"])[1].replace("INFINITY", "inf").split(", ")
    assert [float.fromhex(text) for text in numbers] == case.outputs["time"].tolist()


@pytest.fixture(scope="module")
def compiler():
    """The C compiler, or a skip."""
    found = shutil.which("cc")
    if found is None:
        pytest.skip("there is no cc")
    return found


def compiled(compiler, folder, header):
    """Compile the C example with a header, to folder/check."""
    (folder / "vector.h").write_text(header)
    source = ARCHIVE.parent / "examples" / "check_vector.c"
    options = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I", folder, "-o", folder / "check"]
    subprocess.run([compiler, *options, source, "-lm"], check=True, capture_output=True)


@pytest.mark.parametrize("id", ["forward-003", "forward-010", "forward-019", "forward-020"])
def test_a_c_program_of_less_than_100_lines_reads_a_vector_and_checks_itself(id, compiler, tmp_path, capsys):
    assert len((ARCHIVE.parent / "examples" / "check_vector.c").read_text(encoding="utf-8").splitlines()) < 100
    _, header, _ = run(capsys, "export", "--c-header", id)
    compiled(compiler, tmp_path, header)
    done = subprocess.run([tmp_path / "check", VECTORS / id], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(f"{id}: all right\n"), done.stdout
    assert all(f"/{name}.npy holds the same bytes" in done.stdout for name in ("x", "W0", "W1", "V0", "S0", "V1"))
    wrong = subprocess.run([tmp_path / "check", VECTORS / "forward-018"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "DIFFERS" in wrong.stdout


def test_the_c_program_sees_a_wrong_membrane(compiler, tmp_path, capsys):
    _, header, _ = run(capsys, "export", "--c-header", "forward-010")
    compiled(compiler, tmp_path, header.replace("tau_mem[] = {0x1.9", "tau_mem[] = {0x1.a"))
    done = subprocess.run([tmp_path / "check"], capture_output=True, text=True)
    assert done.returncode == 1 and "V0 DIFFERS" in done.stdout
