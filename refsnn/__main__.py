"""The command line: `refsnn` or `python -m refsnn`. It parses, calls, prints; every error of ours is one line and exit code 2."""

import argparse
import os
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

from refsnn import __version__, doctor
from refsnn.errors import RangeError, RefsnnError, check_count
from refsnn.exercises.commands import add_classroom
from refsnn.experiments.executors import cluster, processes
from refsnn.experiments.reproduce import EXPERIMENTS, FIXED, listed, reproduce, settings
from refsnn.runs import RUNS, Silence, newest_checkpoint, recipe_of, require_same, train
from refsnn.training import PRESETS, SHARDS, Recipe
from refsnn.verify.conformance.command import add_arguments as add_conformance
from refsnn.verify.vectors.commands import add_vectors

HELP = {
    "data": "'sample' (10,000 MNIST images that ship with refsnn), a folder with IDX files, or an .npz",
    "substrate": "what runs the network forward: chip (emulated, with its imperfections) or ideal (the model)",
    "hidden": "neurons of each spiking layer",
    "epochs": "passes over the training images",
    "batch": "images in a batch",
    "seed": "seed of every random draw",
    "rotation": "augmentation: images are turned by up to so many degrees to either side",
    "shift": "augmentation: images are moved by up to so many pixels in either direction",
    "dropout": "share of the hidden units that each batch does without",
    "burst": "strength of the burst regulariser, rho_b",
    "rate": "learning rate of the first epoch",
    "schedule": "learning rate over the epochs: cosine or exponential (times 0.97)",
    "slope": "slope of the surrogate derivative, beta_s",
    "spike_aware": "take the surrogate at the threshold wherever a spike was recorded",
    "variation": "the chip's imperfections: ideal, calibrated, uncalibrated or decalibrated=SIGMA, then single ones, as in ideal,threshold=0.03",
    "calibrate": "calibrate the chip first, from recordings, as a real one is",
    "parts": "run the network in parts on one chip, one after another: for what does not fit it",
    "substeps": "grid steps of the chip's emulation in one time step",
    "sample_offset": "the chip's membranes are sampled so much after every time step, in time steps",
    "spike_shift": "the chip's recorded spike times are moved by so many time steps",
    "holdout": "keep so many training images out and evaluate on them instead of the test set",
    "evaluate_every": "evaluate after every so many epochs, and after the last",
}


def main(arguments=None):
    """Run the command line and return the exit code: 0, 1 where an implementation does not conform, 2 after an error, 130 after Ctrl-C,
    141 where nobody reads the output any more."""
    if sys.stdout is None:                                               # closed by whoever started this process
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):     # for what the terminal's encoding cannot write
            stream.reconfigure(errors="backslashreplace")
    try:
        return run(parser().parse_args(arguments))
    except BrokenPipeError:                                              # whoever read the output has gone, as `head` does: nobody is left to be told
        leave_output()
        return 141                                                       # as a shell says of a program that SIGPIPE has ended
    except (RefsnnError, OSError, MemoryError) as error:
        leave_output()
        print(f"refsnn: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def leave_output():
    """Write what has been printed; what cannot be written, on a full disk for one, is not tried again at the exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(chosen):
    """Run the verb that the arguments have chosen, and return the exit code."""
    try:
        code = chosen.command(chosen)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"\nrefsnn: stopped; {chosen.go_on}", file=sys.stderr)
        return 130


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, as all errors of this command line are."""

    def error(self, message):
        """Say what is wrong with the arguments, and exit with 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")

    def exit(self, status=0, message=None):
        """Leave, with all that was printed: --help that nobody could read is an error."""
        sys.stdout.flush()
        super().exit(status, message)


def parser():
    """The argument parser with all verbs."""
    top = OneLineParser(prog="refsnn", allow_abbrev=False, description="Surrogate-gradient learning in the loop with an emulated analog chip.")
    top.add_argument("--version", action="version", version=f"refsnn {__version__}")
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")
    verb = verbs.add_parser("train", help="train a spiking network in the loop",
                            formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
    verb.set_defaults(command=run_train, go_on="--resume with the same --out continues a run from its last whole epoch, if there was one")
    verb.add_argument("--out", type=folder_name, default=argparse.SUPPRESS, metavar="DIR",
                      help="folder for results.json and checkpoints (default: refsnn-runs/001, or the next that is free)")
    verb.add_argument("--resume", action="store_true", default=argparse.SUPPRESS, help="continue the run in --out with its settings")
    verb.add_argument("--preset", choices=sorted(PRESETS), default=argparse.SUPPRESS,
                      help="settings to start from; the options below change single ones (default: default)")
    verb.add_argument("--workers", type=int, choices=(1, SHARDS), default=SHARDS if (os.cpu_count() or 1) > 1 else 1, metavar="N",
                      help=f"1, or {SHARDS} processes that share the work; the results do not depend on it")
    for field in fields(Recipe):
        add_recipe_option(verb, field, f"default: {field.default}")
    add_reproduce(verbs)
    add_vectors(verbs)
    add_conformance(verbs.add_parser("conformance", help="check an implementation against the reference",
                                   formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False))
    verbs.add_parser("doctor", help="say what this installation is made of", allow_abbrev=False).set_defaults(command=run_doctor)
    add_classroom(verbs)
    return top


def add_reproduce(verbs):
    """Add the verb that runs an experiment: many trainings, one table."""
    verb = verbs.add_parser("reproduce", help="run an experiment: many trainings, one table, one figure", allow_abbrev=False)
    verb.set_defaults(command=run_reproduce, go_on="the same command goes on from what is done")
    verb.add_argument("name", metavar="NAME", nargs="?", choices=sorted(EXPERIMENTS), help=f"which: {', '.join(EXPERIMENTS)}")
    verb.add_argument("--list", action="store_true", help="say what each of them is, and nothing else")
    verb.add_argument("--out", type=folder_name, metavar="DIR",
                      help="folder for NAME.json, NAME.png and, in NAME, the runs; what is finished there is not done again")
    verb.add_argument("--data", nargs="+", default=["sample"], metavar="DATA",
                      help="as for train (default: sample); of several, each gets a folder of its own in --out; for speech, digits.npz or SHD's folder")
    verb.add_argument("--quick", action="store_true", help="a short form of the experiment: one seed, few epochs")
    verb.add_argument("--seeds", type=int, nargs="+", default=argparse.SUPPRESS, metavar="N",
                      help="every training is done with each of these (default: 0 1 2; with --quick 0)")
    where = verb.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, metavar="N", help="so many trainings at a time, each in its own process (default: 1)")
    where.add_argument("--dask", metavar="ADDRESS", help="trainings go to the Dask cluster whose scheduler listens here, as in tcp://127.0.0.1:8786")
    for field in fields(Recipe):
        if field.name not in ("seed", "data", *FIXED):
            add_recipe_option(verb, field, f"default: {field.default}, or the experiment's own")


def folder_name(text):
    """The Path of an argument; an empty one is refused, for it would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a folder is empty")
    return Path(text)


def add_recipe_option(verb, field, default):
    """Add the option of one setting of a Recipe; it is absent from the parsed arguments unless the user gives it."""
    name, text = "--" + field.name.replace("_", "-"), f"{HELP[field.name]} ({default})"
    if isinstance(field.default, bool):
        verb.add_argument(name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
    elif isinstance(field.default, tuple):
        verb.add_argument(name, type=int, nargs="+", default=argparse.SUPPRESS, metavar="N", help=text)
    else:
        verb.add_argument(name, type=type(field.default), default=argparse.SUPPRESS, metavar=field.name.upper(), help=text)


def run_train(chosen):
    """Train, or resume; print where the results are."""
    given = {field.name: getattr(chosen, field.name) for field in fields(Recipe) if hasattr(chosen, field.name)}
    if hasattr(chosen, "preset"):
        given = PRESETS[chosen.preset] | given
    report = TerminalReport() if sys.stdout.isatty() else LineReport()
    folder = getattr(chosen, "out", None)
    resume = hasattr(chosen, "resume")
    if resume:
        folder = folder or newest_run()
        saved, _ = newest_checkpoint(folder, LineReport())
        recipe = recipe_of(saved, folder)
        require_same(asdict(recipe), asdict(replace(recipe, **given)), folder)
    else:
        recipe = Recipe(**given)
    print_results(train(recipe, folder, resume, report, chosen.workers), report.folder)
    return 0


def run_reproduce(chosen):
    """Run an experiment on every data set that is named, and print its tables; or say which experiments there are."""
    if chosen.list:
        print("\n".join(listed()))
        return 0
    if chosen.name is None or chosen.out is None:
        raise RangeError("reproduce takes the name of an experiment and --out DIR; --list says which there are")
    given = {field.name: getattr(chosen, field.name) for field in fields(Recipe) if field.name != "data" and hasattr(chosen, field.name)}
    given = settings(chosen.name, chosen.quick) | given
    bases = {folder: Recipe(**given | {"data": data}) for folder, data in folders_of(chosen.out, chosen.data).items()}
    check_count("workers", chosen.workers, high=1024)
    seeds = getattr(chosen, "seeds", [0] if chosen.quick else [0, 1, 2])
    with processes(chosen.workers) if chosen.dask is None else cluster(chosen.dask) as executor:
        for folder, base in bases.items():
            print_table(reproduce(chosen.name, base, seeds, folder, executor, note=lambda text: print(text, flush=True)))
            print(f"\nresults   {folder / chosen.name}.json")
    return 0


def run_doctor(chosen):
    """Print versions, BLAS, threads, and which extras are there."""
    print("\n".join(doctor.report()))
    return 0


def folders_of(out, data):
    """Where the results of each data set go: {folder: data}; one takes `out` itself, of several each has its name there."""
    if len(data) == 1:
        return {out: data[0]}
    folders = {out / Path(name).stem: name for name in data}
    if len(folders) < len(data):
        raise RangeError(f"of the data {', '.join(data)} two have the same name, so their results would be in the same folder")
    return folders


def print_table(rows):
    """Print the rows of a table, the first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print()
    for row in rows:
        print("   ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))


def newest_run():
    """The last of the numbered folders that train makes."""
    existing = sorted(path for path in RUNS.glob("*") if path.name.isdigit())
    return existing[-1] if existing else RUNS / "001"


def print_results(results, folder):
    """Print the end of a run."""
    where, images = results["dataset"]["evaluated_on"], results["dataset"]["evaluation_images"]
    chip = results["recipe"]["substrate"] == "chip"
    on = "chip" if chip else "ideal model"
    print(f"\n{where} accuracy on the {on}   {100 * results['accuracy']:.2f} % of {images} images")
    print(f"hidden spikes per image      {results['hidden_spikes']:.1f}")
    if chip:
        cost = results["chip"]
        print(f"chip time per image          {cost['inference_seconds_per_image'] * 1e6:.1f} us "
              f"({cost['inference_images_per_second']:,.0f} images a second)")
        print(f"chip energy per image        {cost['inference_joules_per_image'] * 1e6:.2f} uJ")
    print(f"seconds of this machine      {results['timing']['seconds']:.0f}")
    print(f"results                      {folder / 'results.json'}")


class LineReport(Silence):
    """One plain line an epoch: for files and pipes."""

    folder = None

    def start(self, recipe, folder):
        """Say what begins."""
        self.folder = folder
        sizes = "-".join(map(str, ("input", *recipe.hidden, "classes")))
        print(f"training {sizes} on {recipe.data}, forward on the {recipe.substrate}; results go to {folder}", flush=True)

    def epoch(self, record, epochs):
        """Print what the epoch came to."""
        text = f"epoch {record['epoch']:3}/{epochs}  loss {record['loss']:.4f}  train {100 * record['train_accuracy']:.2f} %"
        if "accuracy" in record:
            text += f"  evaluated {100 * record['accuracy']:.2f} %  hidden spikes {record['hidden_spikes']:.1f}"
        print(text, flush=True)

    def note(self, text):
        """Print a note on standard error."""
        print(f"refsnn: {text}", file=sys.stderr)


class TerminalReport(LineReport):
    """The same, with a line that counts the images of the epoch that is running."""

    def __init__(self):
        self.last = 0.0

    def batch(self, epoch, done, total):
        """Count on, at most ten times a second."""
        if time.monotonic() - self.last > 0.1:
            self.last = time.monotonic()
            print(f"\repoch {epoch:3}  {done:6}/{total} images", end="", flush=True)

    def epoch(self, record, epochs):
        """Replace the counting line by the epoch's."""
        print("\r\x1b[K", end="")
        super().epoch(record, epochs)


if __name__ == "__main__":
    sys.exit(main())
