"""The verbs `refsnn exercises`, `refsnn explain` and `refsnn show`. Exit codes: 0, 1 where an exercise is not right yet, 2 after an error."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

from refsnn.errors import DataError, RangeError, check_number
from refsnn.files import write_atomically


def add_classroom(verbs):
    """Add the three verbs to the subparsers of the command line."""
    exercises = verbs.add_parser("exercises", help="derive it, write it, be checked at once", allow_abbrev=False)
    own = exercises.add_subparsers(title="verbs", required=True, metavar="VERB")
    for name, run, text in (("list", run_list, "one line an exercise"),
                            ("start", run_start, "write the file of an exercise"),
                            ("check", run_check, "say whether a file is right, and if not, what is wrong"),
                            ("hint", run_hint, "a hint, of three levels"),
                            ("explain", run_explain_exercise, "the derivation that an exercise belongs to")):
        verb = own.add_parser(name, help=text, allow_abbrev=False)
        verb.set_defaults(command=run, go_on="the same command starts again")
        if name in ("start", "hint", "explain"):
            verb.add_argument("exercise", metavar="N", help="its number, or its name")
        if name == "start":
            verb.add_argument("--dir", type=Path, required=True, metavar="DIR", help="folder for the file; it is made if it does not exist")
        elif name == "check":
            verb.add_argument("file", type=Path, metavar="FILE", help="the file that start wrote, with your lines in it")
            verb.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS",
                              help="how long one call may take (default: 10); all together may take twelve times that")
            verb.add_argument("--json", action="store_true", help="print the feedback as JSON, for graders")
        elif name == "hint":
            verb.add_argument("--level", type=int, choices=(1, 2, 3), default=1, help="how much it says (default: 1)")
    verb = verbs.add_parser("explain", help="the derivation, from the differential equations to the gradient", allow_abbrev=False)
    verb.set_defaults(command=run_explain, go_on="the same command starts again")
    verb.add_argument("topic", metavar="TOPIC", nargs="?", help="a topic, or what belongs to one: an equation (E8), a function, "
                                                                "a golden vector, a test, an exercise (default: all)")
    verb.add_argument("--html", type=Path, metavar="FILE", help="write a page with formulas in place of printing; with pictures where matplotlib is")
    verb = verbs.add_parser("show", help="one image on its way through chip and ideal model", allow_abbrev=False)
    verb.set_defaults(command=run_show, go_on="the same command starts again")
    verb.add_argument("--image", type=int, default=0, metavar="N", help="number of the test image (default: 0)")
    verb.add_argument("--run", type=Path, metavar="DIR", help="folder of a training run, whose weights are used (default: two epochs on the sample, "
                                                              "trained for this)")
    verb.add_argument("--picture", choices=("adjoint", "surrogate", "weight"), help="draw one of the teaching pictures instead: a trace and its "
                                                                                   "adjoint, the surrogate at samples, a gradient as a sum")
    verb.add_argument("--out", type=Path, metavar="FILE", help="draw a figure, .png or .svg, in place of printing")


def number_of(text):
    """The number of an exercise, given by its number or its name."""
    from refsnn.exercises.catalogue import EXERCISES
    names = [exercise.name for exercise in EXERCISES]
    if text in names:
        return names.index(text) + 1
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= len(names):
        raise RangeError(f"there is no exercise {text!r}; they are 1 to {len(names)}, see refsnn exercises list")
    return int(text)


def run_explain(chosen):
    """Print the derivation of a topic, or write it as a page."""
    from refsnn.exercises.derivation import TOPICS
    from refsnn.exercises.derivation.page import as_page, topic_text, topics_of
    topics = TOPICS if chosen.topic is None else topics_of(chosen.topic)
    if chosen.html:
        write_atomically(chosen.html, as_page(topics, pictures()))
        print(f"page      {chosen.html}")
    else:
        print("\n\n\n".join("\n".join(topic_text(topic)) for topic in topics))
    return 0


def pictures():
    """The teaching pictures for a page: {topic: [(title, SVG)]}; empty without matplotlib."""
    import importlib.util
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    from refsnn.exercises.figures import PICTURES, SIZE, Example, drawn
    found, example = {}, Example()
    for name, (topic, title, draw) in PICTURES.items():
        svg = drawn(draw, example, SIZE, "svg").decode()
        svg = re.sub(r"""( id="|href="#|url\(#)""", rf"\1{name}-", svg[svg.index("<svg"):])       # two pictures of a page share no id
        found.setdefault(topic, []).append((title, svg))
    return found


def run_show(chosen):
    """Show one image as text, or draw it, or draw a teaching picture."""
    if chosen.out is None and chosen.picture:
        raise RangeError("--picture draws a figure: it needs --out FILE, .png or .svg")
    if chosen.out is not None and chosen.out.suffix.lower() not in (".png", ".svg"):
        raise RangeError(f"--out is {chosen.out}; it must end in .png or .svg")
    if chosen.out is not None:
        from refsnn.exercises.figures import check_matplotlib
        check_matplotlib()                                                     # before a training, not after it
    if chosen.picture:
        from refsnn.exercises.figures import PICTURES, SIZE, Example
        return write_figure(PICTURES[chosen.picture][2], Example(), SIZE, chosen.out)
    from refsnn.exercises.show import SHORT, as_text, check_image, story, trained
    if chosen.run is None:
        check_image(SHORT, chosen.image)                                       # before the training, not after it
        print("training for two epochs on the sample; --run DIR takes the weights of a run", file=sys.stderr, flush=True)
    own = story(*trained(chosen.run), chosen.image)
    if chosen.out is None:
        print(as_text(own))
        return 0
    from refsnn.exercises.figures import overview
    return write_figure(overview, own, (12, 11), chosen.out)


def write_figure(draw, own, size, path):
    """Draw a figure into a file, and say so."""
    from refsnn.exercises.figures import drawn
    write_atomically(path, drawn(draw, own, size, path.suffix[1:].lower()))
    print(f"figure    {path}")
    return 0


def run_explain_exercise(chosen):
    """Print the task of an exercise and the derivation that it belongs to."""
    from refsnn.exercises.catalogue import EXERCISES
    from refsnn.exercises.derivation.page import topic_text, topics_of
    from refsnn.exercises.report import title_line, wrapped
    number = number_of(chosen.exercise)
    print("\n".join([title_line(number), "", *wrapped(EXERCISES[number - 1].task), "", *topic_text(*topics_of(str(number)))]))
    return 0


def run_list(chosen):
    """Print all exercises."""
    from refsnn.exercises.catalogue import EXERCISES
    from refsnn.exercises.report import title_line
    print("\n".join(title_line(number) for number in range(1, len(EXERCISES) + 1)))
    return 0


def run_start(chosen):
    """Write the stub of an exercise; a file that is there is left alone."""
    from refsnn.exercises.catalogue import EXERCISES
    number = number_of(chosen.exercise)
    exercise = EXERCISES[number - 1]
    path = chosen.dir / exercise.file_name(number)
    if path.exists():
        raise DataError(f"{path} is there already; it may be somebody's work, so it is not written again")
    chosen.dir.mkdir(parents=True, exist_ok=True)
    write_atomically(path, exercise.stub(number))
    print(f"{path}\nwrite your lines where it says NotImplementedError, then: refsnn exercises check {path}")
    return 0


def run_check(chosen):
    """Check a file, and print the feedback."""
    from refsnn.exercises.checker import RIGHT, check_file
    from refsnn.exercises.report import as_json, as_text
    check_number("--timeout", chosen.timeout, low=0, high=3600, strict=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)         # it would leave a folder in the current one
        try:
            feedback = check_file(chosen.file, chosen.timeout)
        except (DataError, OSError) as error:
            if chosen.json:                                                    # so that a grader has a line for every file
                print(json.dumps({"format": 1, "file": str(chosen.file), "verdict": "not checked", "what": str(error)}))
            raise
    print(as_json(feedback, chosen.file) if chosen.json else as_text(feedback))
    return 0 if feedback.verdict == RIGHT else 1


def run_hint(chosen):
    """Print the hint of a level."""
    from refsnn.exercises.catalogue import EXERCISES
    from refsnn.exercises.report import wrapped
    print("\n".join(wrapped(EXERCISES[number_of(chosen.exercise) - 1].hints[chosen.level - 1])))
    return 0
