"""The verbs of `refsnn vectors`: generate, copy, check, list, explain, export. Exit codes: 0, 1 where check finds differences, 2 after an error."""

from pathlib import Path


def add_vectors(verbs):
    """Add `vectors` with its own verbs to the subparsers of the command line."""
    vectors = verbs.add_parser("vectors", help="golden vectors: answers that any implementation can be compared with", allow_abbrev=False)
    own = vectors.add_subparsers(title="verbs", required=True, metavar="VERB")
    for name, run, text in (("generate", run_generate, "answer every case, ask all oracles, write the folder (needs scipy)"),
                            ("copy", run_copy, "copy the vectors that ship to a folder, for implementations in other languages"),
                            ("check", run_check, "check every hash, generate every case again, compare; without scipy, all but exact spike times"),
                            ("list", run_list, "one line a case"),
                            ("explain", run_explain, "what a case is about, and what a failure of it says"),
                            ("export", run_export, "print a case for another language")):
        verb = own.add_parser(name, help=text, allow_abbrev=False)
        verb.set_defaults(command=run, go_on="the same command starts again")
        if name in ("generate", "copy"):
            verb.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
        elif name == "check":
            verb.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="a folder of vectors (default: those that ship with refsnn)")
        elif name == "explain":
            verb.add_argument("id", metavar="ID")
        elif name == "export":
            verb.add_argument("--c-header", dest="id", required=True, metavar="ID", help="print this case as a C99 header")


def run_generate(chosen):
    """Write all vectors to a folder."""
    from refsnn.verify.vectors.collection import generate
    print(f"{generate(chosen.to)} cases written to {chosen.to}; all oracles agree. Their last digits may be other than those of another machine, "
          "within the bounds: vectors check compares")
    return 0


def run_copy(chosen):
    """Copy those that ship."""
    from refsnn.verify.vectors.archive import copy
    copy(chosen.to)
    print(f"copied to {chosen.to}")
    return 0


def run_check(chosen):
    """Check a folder, and print what differs."""
    from refsnn.verify.vectors.collection import check, only_read, read_manifest
    from refsnn.verify.vectors.archive import shipped
    folder = chosen.folder or shipped()
    differences, left = check(folder), only_read(folder)
    again = f"all answers the same, within their bounds{f', but for {len(left)} that were not generated again' if left else ''}"
    result = f"{len(differences)} difference{'s' * (len(differences) > 1)}" if differences else f"all hashes right, {again}"
    left = [f"not generated again, since exact spike times need scipy: {', '.join(left)}"] if left else []
    print(*differences, *left, f"{len(read_manifest(folder)['cases'])} cases in {chosen.folder or 'refsnn'}: {result}", sep="\n")
    return 1 if differences else 0


def run_list(chosen):
    """Print all cases."""
    from refsnn.verify.vectors.collection import read_manifest
    from refsnn.verify.vectors.archive import shipped
    print("\n".join(f"{id:31} L{entry['level']}  {entry['status']:4}  {' '.join(entry['flags'])}" for id, entry in read_manifest(shipped())["cases"].items()))
    return 0


def run_explain(chosen):
    """Print one case for a reader."""
    from refsnn.verify.vectors.export import explanation
    from refsnn.verify.vectors.collection import read_one
    print("\n".join(explanation(read_one(chosen.id))))
    return 0


def run_export(chosen):
    """Print one case as a C header."""
    from refsnn.verify.vectors.export import c_header
    from refsnn.verify.vectors.collection import read_one
    print(c_header(read_one(chosen.id)), end="")
    return 0
