"""Golden vectors: questions with answers that any implementation can be compared with, read without this library, or without numpy.

    draft.py        what a vector asks, and numbers that are the same on any machine
    catalogue/      all drafts, by level; conventions beyond the paper's; what must be refused
    oracles.py      the second opinions; precise.py, complexstep.py and propagator.py are three of them
    margins.py      how near a run is to being another one
    measure.py      how far apart correct answers are: python -m refsnn.verify.vectors.measure
    tolerance.py    kinds of tolerance, errors, bounds
    flags.py        what a failure says
    case.py         the format, and a reader that believes nothing
    collection.py   all of them: generate, read, check
    archive.py      where those that ship are: a folder in a checkout, an archive of it in an installed package
    export.py       a case as a C header; commands.py has the verbs
    data/           the vectors that ship, as data.tar.xz too; examples/ reads one in C

`refsnn conformance` asks a subject all that hold for it. By hand it is compared with a case so: skip it where its bound for the subject's dtype is
None; cast float inputs to that dtype; and for every output take tolerance.error(kind, got, reference, dtype), which must not exceed that bound.
"""

from refsnn.verify.vectors.archive import copy, shipped
from refsnn.verify.vectors.case import Case, read_case
from refsnn.verify.vectors.collection import check, generate, read, read_one

__all__ = ["Case", "check", "copy", "generate", "read", "read_case", "read_one", "shipped"]
