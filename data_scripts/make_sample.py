"""Make the sample that ships with refsnn.

python data_scripts/make_sample.py --from DIR --to FILE

DIR holds the four IDX files of MNIST. FILE gets the first 10,000 training and the first 2,000 test images at 16 x 16 (SPEC E17).
The sha256 that the script prints is SAMPLE_SHA256 of refsnn/datasets.py.
"""

import argparse
import sys
from pathlib import Path

import _fetch

from refsnn.datasets import Dataset, load
from refsnn.errors import DataError


def main(arguments=None):
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the sample of MNIST that ships with refsnn.")
    parser.add_argument("--from", dest="folder", required=True, type=Path, metavar="DIR", help="folder with the files of MNIST")
    parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="the .npz to write")
    chosen = parser.parse_args(arguments)
    return _fetch.one_line_errors(lambda: _fetch.write(chosen.to, _fetch.npz_bytes(sample_of(chosen.folder))))


def sample_of(folder, train=10_000, test=2_000):
    """Return the first images and labels of MNIST as a Dataset."""
    full = load(folder)
    if full.name != "mnist":
        raise DataError(f"{folder} holds {full.name}; the sample is made of mnist")
    return Dataset("mnist_sample", full.train_images[:train], full.train_labels[:train],
                   full.test_images[:test], full.test_labels[:test])


if __name__ == "__main__":
    sys.exit(main())
