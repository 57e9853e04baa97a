"""Fetch Fashion-MNIST.

python data_scripts/fetch_fashion_mnist.py --to DIR [--from FOLDER_OR_ARCHIVE | --apt | --mirror] [--format idx|npz]

Without a choice, the Debian package dataset-fashion-mnist comes first and the authors' repository after it. Fashion-MNIST is by
Zalando SE, under the MIT licence.
"""

import sys

import _fetch

MIRRORS = ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",)


def debian_package(folder):
    """Have apt-get put the package into a folder; return the path of the archive. Nothing of it is run or installed."""
    _fetch.run(["apt-get", "download", "dataset-fashion-mnist"], folder)
    return _fetch.only_file(folder, "*.deb")


def main(arguments=None):
    """Run the script; return the exit code."""
    return _fetch.main("fashion_mnist", "apt", debian_package, MIRRORS, arguments)


if __name__ == "__main__":
    sys.exit(main())
