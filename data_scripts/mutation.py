"""Mutation testing: would the tests notice if a line of the specification, of the chip or of the fast twin were another?

    python data_scripts/mutation.py --work DIR [--only refsnn/spec/bptt.py ..] [--workers 2] [--seconds 20]

A mutant is the source with one change (CHANGES): an operator of comparison, arithmetic or logic, a number, a sign, a condition, or a statement taken away (a raise, a
break, a call, an assignment to a part of an array). What cannot even be executed counts as killed at import.
Texts and decorators are left alone. Nothing is written into the checkout: pytest collects the tests once, a first run notes which test calls which function, and
then every mutant has a forked process of its own, in which the functions get their code from the changed source, and the numbers of modules and classes
their values. The tests that call the changed function run, those of its own file and room and the quick ones first, until one fails; so "killed" says by which.

A mutant that outlives all of them, or `--seconds` of them, is a survivor, unless EQUIVALENT says why no test could tell it from the original. Progress is
in DIR, one line a mutant, and a run that was stopped goes on; the summary is data_scripts/results/mutation.json, in which `--only` replaces what it
has done the whole of.
"""

import argparse
import ast
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import is_dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "data_scripts" / "results" / "mutation.json"
EQUIVALENT = ROOT / "data_scripts" / "mutation_equivalent.json"
TARGETS = ("refsnn/spec", "refsnn/chip", "refsnn/fast.py", "refsnn/events.py")
ROOMS = {"refsnn/spec": ("tests/spec", "tests/verify/test_check.py"), "refsnn/chip": ("tests/chip",), "refsnn/fast.py": ("tests/test_fast.py",),
         "refsnn/events.py": ("tests/test_fast.py",)}
# of the default suite, those that are quick and about the targets; what others would kill beside counts as survived
TESTS = ("tests/spec", "tests/chip", "tests/edges", "tests/test_fast.py", "tests/fuzz", "tests/test_doctests.py", "tests/test_equations.py", "tests/verify/test_check.py",
         "tests/verify/test_vectors.py", "tests/verify/test_exact.py", "tests/test_training.py", "tests/exercises/test_derivation.py")
MEMORY = 8 * 2**30           # bytes that a mutant may ask for
LONGEST = 40                 # seconds that the test which is running may go on
OTHER = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==", ast.Is: "is not", ast.IsNot: "is", ast.In: "not in",
         ast.NotIn: "in", ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*", ast.BitAnd: "|",
         ast.BitOr: "&", ast.And: "or", ast.Or: "and"}


def text_of(source, node):
    """The source of a node."""
    return ast.get_source_segment(source, node)


def between(source, left, right, new):
    """Two operands with another operator between them."""
    return f"({text_of(source, left)}) {new} ({text_of(source, right)})"


def changes(source, node):
    """The CHANGES of one node: texts that may stand in its place."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER:
        yield between(source, node.left, node.comparators[0], OTHER[type(node.ops[0])])
    elif isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        yield between(source, node.left, node.right, OTHER[type(node.op)])
    elif isinstance(node, ast.BoolOp):
        yield f" {OTHER[type(node.op)]} ".join(f"({text_of(source, value)})" for value in node.values)
    elif isinstance(node, ast.UnaryOp):
        yield f"({text_of(source, node.operand)})"
    elif isinstance(node, ast.AugAssign) and type(node.op) in OTHER:
        yield f"{text_of(source, node.target)} {OTHER[type(node.op)]}= {text_of(source, node.value)}"
        yield "pass"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield repr(node.value + 1) if isinstance(node.value, int) or not node.value else repr(2 * node.value)
    elif isinstance(node, (ast.IfExp, ast.If)):
        yield f"not ({text_of(source, node.test)})"                          # in the place of the condition
    elif isinstance(node, (ast.Raise, ast.Break, ast.Continue)):
        yield "pass"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield "pass"


def mutants_of(path):
    """All mutants of a file: dicts with file, function, line, old, new, the place of the change, and which of those with the same file .. new it is."""
    source = (ROOT / path).read_text(encoding="utf-8")
    found, lines = [], source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))

    def visit(node, function):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            function = f"{function}.{node.name}" if function else node.name
        if isinstance(node, ast.JoinedStr):
            return
        place = node.test if isinstance(node, (ast.IfExp, ast.If)) else node
        for new in changes(source, node):
            first, last = (starts[line - 1] + column for line, column in ((place.lineno, place.col_offset), (place.end_lineno, place.end_col_offset)))
            found.append({"file": path, "function": function, "line": place.lineno, "old": text_of(source, place), "new": new, "place": [first, last]})
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            return                                                           # of -1 the sign goes; -2 is the same to numpy, where a size is to be found
        decorators = getattr(node, "decorator_list", ())                     # what a dataclass may do is left alone
        for child in ast.iter_child_nodes(node):
            if child not in decorators:
                visit(child, function)

    visit(ast.parse(source), "")
    # a condition that is a comparison is negated as such already; of two mutants with the same source one is enough
    unique = {}
    for mutant in found:
        unique.setdefault(changed(source, mutant), mutant)
    unique.pop(source, None)
    alike = Counter()
    for mutant in unique.values():
        key = mutant["function"], mutant["old"], mutant["new"]
        mutant["nth"] = alike[key]
        alike[key] += 1
    return list(unique.values())


def changed(source, mutant):
    """The source of a mutant."""
    first, last = mutant["place"]
    whole = source.encode()
    return (whole[:first] + mutant["new"].encode() + whole[last:]).decode()


def functions_in(names, module, prefix="", seen=None):
    """{qualified name: function} of a namespace, methods, properties and what is wrapped included."""
    found = {}
    for name, value in list(names.items()):
        if isinstance(value, type) and value.__module__ == module and value.__qualname__ == prefix + name:
            found |= functions_in(vars(value), module, f"{prefix}{name}.")
        for own in (value, *(getattr(value, name, None) for name in ("__func__", "fget", "func"))):      # of methods of a class, properties, cached ones
            own = getattr(own, "__wrapped__", own)
            if isinstance(own, types.FunctionType) and own.__module__ == module and own.__qualname__ == prefix + name:
                found[prefix + name] = own
    return found


def plain(value):
    """Whether a value is a number or made of numbers and texts: a constant."""
    return isinstance(value, (int, float, str)) or isinstance(value, (tuple, list, dict, set)) and all(map(plain, value))


def transplant(mutant):
    """Give the functions of the mutated module, wherever they are referred to, the code of the mutant; and the constants of module and classes its values."""
    name = mutant["file"].removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    module = importlib.import_module(name)
    source = changed((ROOT / mutant["file"]).read_text(encoding="utf-8"), mutant)
    new = types.ModuleType(name)
    new.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    original = sys.modules[name]
    sys.modules[name] = new                                                  # where dataclasses look up the annotations
    try:
        exec(compile(source, module.__file__, "exec"), new.__dict__)
    finally:
        sys.modules[name] = original
    theirs = functions_in(vars(new), name)
    for path, own in functions_in(vars(module), name).items():
        if path in theirs and len(own.__code__.co_freevars) == len(theirs[path].__code__.co_freevars):
            own.__code__, own.__defaults__, own.__kwdefaults__ = theirs[path].__code__, theirs[path].__defaults__, theirs[path].__kwdefaults__
    holders = [own for key, own in sys.modules.items() if key.startswith("refsnn") and own is not None]
    for key, value in vars(new).items():
        if plain(value) and not key.startswith("__") and vars(module).get(key) != value:
            old = vars(module)[key]
            for holder in holders:
                if vars(holder).get(key) is old:
                    setattr(holder, key, value)
        if isinstance(value, type) and value.__module__ == name:
            for attribute, inner in list(vars(value).items()):
                if plain(inner) and not attribute.startswith("__") and vars(vars(module)[key]).get(attribute) != inner:
                    setattr(vars(module)[key], attribute, inner)
        if is_dataclass(value) and not isinstance(value, type) and type(value).__module__ == name:
            vars(vars(module)[key]).update(vars(value))
    forget()


def forget():
    """Empty every cache of the library: whoever calls a cached function next calls it indeed."""
    for holder in [own for key, own in sys.modules.items() if key.startswith("refsnn") and own is not None]:
        for value in list(vars(holder).values()):
            for own in (value, *(vars(value).values() if isinstance(value, type) else ())):
                if callable(getattr(getattr(own, "__func__", own), "cache_clear", None)):
                    getattr(own, "__func__", own).cache_clear()


class Tests:
    """The collected tests: how long each takes, and which functions of the targets it calls."""

    def __init__(self, session):
        self.session, self.items, self.seconds, self.calls = session, [], {}, {}

    def passes(self, item, following=None):
        """Run a test; whether it passed or was skipped."""
        reports = []

        class Listener:
            @staticmethod
            def pytest_runtest_logreport(report):
                reports.append(report)

        manager = item.config.pluginmanager
        manager.register(Listener, "listener")
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        finally:
            manager.unregister(name="listener")
        return not any(report.failed for report in reports)

    def measure(self):
        """Run all tests once on the original, each with a profiler that notes the functions of the targets; leave out what fails or starts processes."""
        targets = {str(ROOT / path): path for path in files()}
        for item in self.session.items:
            called = set()

            def note(frame, event, argument, called=called):
                code = frame.f_code
                if event == "call" and code.co_filename in targets:
                    called.add((targets[code.co_filename], code.co_qualname.split(".<locals>")[0]))

            forget()
            sys.setprofile(note)
            started = time.perf_counter()
            try:
                good = self.passes(item)
            finally:
                sys.setprofile(None)
            if good:
                self.items.append(item)
                self.seconds[item.nodeid], self.calls[item.nodeid] = time.perf_counter() - started, called

    def for_mutant(self, mutant):
        """The tests that call the changed function, or, for what is in none, anything of its file: the file's own first, the room's next, the quick ones first."""
        path = Path(mutant["file"])
        mirror = str(Path("tests", *path.parts[1:-1], f"test_{path.name}"))
        room = next(own for target, own in ROOMS.items() if mutant["file"].startswith(target))

        def touches(item):
            return any(path == mutant["file"] and name in (mutant["function"], *class_of) for path, name in self.calls[item.nodeid])

        # a class stands for all its methods: its body, and what dataclass writes for it, are nobody's function
        class_of = [name for path, name in set().union(*self.calls.values()) if path == mutant["file"] and name.startswith(mutant["function"] + ".")]
        chosen = [item for item in self.items if touches(item)]
        if not chosen or mutant["function"][:1].isupper() and "." not in mutant["function"] or not mutant["function"]:
            chosen = [item for item in self.items if any(path == mutant["file"] for path, _ in self.calls[item.nodeid])]
        return sorted(chosen, key=lambda item: (not item.nodeid.startswith(mirror), not item.nodeid.startswith(room), self.seconds[item.nodeid]))


def files():
    """The files that are mutated."""
    return [str(path.relative_to(ROOT)) for target in TARGETS for path in
            ([ROOT / target] if target.endswith(".py") else sorted((ROOT / target).glob("*.py")))]


def fate(tests, mutant, seconds):
    """Fork, mutate, run the tests: what became of the mutant, {"fate": "killed" | "survived" | "ended", "by", "seconds"}."""
    chosen, limit = tests.for_mutant(mutant), seconds + LONGEST
    read, write = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        verdict = {"fate": "survived", "by": ""}
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            transplant(mutant)
            for item in chosen:
                os.write(write, (json.dumps({"fate": "ended", "by": item.nodeid}) + "\n").encode())
                if not tests.passes(item):
                    verdict = {"fate": "killed", "by": item.nodeid}
                    break
                if time.monotonic() - started > seconds:
                    break
        except BaseException as error:                                       # the source cannot be executed: killed before any test
            verdict = {"fate": "killed", "by": f"import: {type(error).__name__}"}
        os.write(write, (json.dumps(verdict) + "\n").encode())
        os._exit(0)
    os.close(write)
    said = b""
    while time.monotonic() - started < limit:
        if select.select([read], [], [], 1.0)[0]:
            part = os.read(read, 65536)
            if not part:
                break
            said += part
    else:
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    last = json.loads(said.decode().splitlines()[-1]) if said else {"fate": "ended", "by": ""}
    return {**last, "tests": len(chosen), "seconds": round(time.monotonic() - started, 2)}


def key_of(mutant):
    """What tells a mutant from all others, whatever line it is in."""
    return [mutant["file"], mutant["function"], mutant["old"], mutant["new"], mutant["nth"]]


class Run:
    """The pytest plugin: in the place of the tests, the mutants."""

    def __init__(self, chosen):
        self.chosen = chosen

    def pytest_runtestloop(self, session):
        """Measure the tests, then run every mutant that is not done."""
        done = self.chosen.work / "mutants.jsonl"
        before = [json.loads(line) for line in done.read_text().splitlines()] if done.exists() else []
        known = {json.dumps(key_of(own)) for own in before}
        mutants = [mutant for path in files() if not self.chosen.only or path in self.chosen.only for mutant in mutants_of(path)]
        left = [mutant for mutant in mutants if json.dumps(key_of(mutant)) not in known]
        session.config.pluginmanager.unregister(name="terminalreporter")       # of a million dots
        tests = Tests(session)
        tests.measure()
        print(f"{len(tests.items)} tests, {sum(tests.seconds.values()):.0f} s; {len(mutants)} mutants, {len(left)} to do", flush=True)
        with done.open("a") as record, ThreadPoolExecutor(self.chosen.workers) as pool:
            for mutant, found in zip(left, pool.map(lambda own: fate(tests, own, self.chosen.seconds), left)):
                record.write(json.dumps({**mutant, **found}) + "\n")
                record.flush()
        return True


def summary(lines):
    """The counts a target, and the survivors, from the lines of a complete run."""
    equivalent = [tuple(own["mutant"]) for own in json.loads(EQUIVALENT.read_text(encoding="utf-8"))] if EQUIVALENT.exists() else []
    counts, survivors = {}, []
    for target in TARGETS:
        own = [line for line in lines if line["file"].startswith(target)]
        left = [line for line in own if line["fate"] == "survived"]
        excused = [line for line in left if tuple(key_of(line)) in equivalent]
        survivors += [{name: line[name] for name in ("file", "line", "function", "old", "new", "nth")} for line in left if line not in excused]
        counts[target] = {"mutants": len(own), "killed by a test": sum(line["fate"] == "killed" and not line["by"].startswith("import") for line in own),
                          "killed at import": sum(line["by"].startswith("import") for line in own),
                          "ended the process, or did not end": sum(line["fate"] == "ended" for line in own),
                          "equivalent": len(excused), "survived": len(left) - len(excused)}
    return {"counts": counts, "survivors": survivors}


def main(arguments=None):
    """Run the mutants that are not done, and write the summary of every target of which all are."""
    parser = argparse.ArgumentParser(description="mutation testing")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder for the progress")
    parser.add_argument("--only", nargs="+", metavar="FILE", help="only these files")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help=f"the tests that are tried (default: {' '.join(TESTS)})")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20, help="of tests, after which a mutant counts as a survivor (default: 20)")
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    code = pytest.main([*chosen.tests, "-q", "-p", "no:cacheprovider", "-p", "no:faulthandler"], plugins=[Run(chosen)])
    lines = [json.loads(line) for line in (chosen.work / "mutants.jsonl").read_text().splitlines()]
    latest = {json.dumps(key_of(line)): line for line in lines}
    found = summary([latest[key] for mutant in (own for path in files() for own in mutants_of(path)) if (key := json.dumps(key_of(mutant))) in latest])
    for target, own in found["counts"].items():
        print(f"{target}: {own}")
    whole = [target for target in TARGETS if not chosen.only or all(path in chosen.only for path in files() if path.startswith(target))]
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"counts": {}, "survivors": []}
    kept = [own for own in before["survivors"] if not own["file"].startswith(tuple(whole))]
    written = {"counts": before["counts"] | {target: found["counts"][target] for target in whole},
               "survivors": kept + [own for own in found["survivors"] if own["file"].startswith(tuple(whole))]}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
