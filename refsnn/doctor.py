"""`refsnn doctor`: what this installation is made of, for a bug report, and for whoever wonders why something is slow or missing."""

import importlib.metadata
import os
import platform
from pathlib import Path

import numpy as np

import refsnn
from refsnn.verify.check import adjoint
from refsnn.verify.vectors import read

EXTRAS = {"fast": ("scipy",), "plot": ("matplotlib",), "distributed": ("dask", "distributed"), "speech": ("h5py",), "nir": ("nir", "h5py"),
          "test": ("pytest", "hypothesis", "scipy")}
PURPOSES = {"fast": "sparse products: training several times as fast", "plot": "figures of refsnn reproduce",
            "distributed": "refsnn reproduce --dask", "speech": "the official files of SHD", "nir": "networks as NIR graphs, both ways",
            "test": "the tests; scipy also for refsnn vectors generate"}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def version_of(package):
    """The version of an installed package, None where it is missing; it is not imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def blas():
    """What numpy was built with for its matrix products, in words; numpy tells it in one way from 1.26 on, and in another before."""
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()
    except (TypeError, KeyError):
        libraries = [name for part in ("openblas64__info", "blas_opt_info") for name in getattr(np.__config__, part, {}).get("libraries", ())]
        return libraries[0] if libraries else "unknown"


def available_cores():
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def works():
    """What was tried, in words: a small network in the model and on a chip, its gradient, and the files of the golden vectors."""
    rng = np.random.default_rng(0)
    network = refsnn.Network.initialise(rng, (16, 8, 3))
    x, labels = (rng.random((20, 4, 16)) < 0.3).astype(float), np.arange(4) % 3
    trace = refsnn.Chip.sample(rng, network).forward(network, x, rng)
    refsnn.loss_and_gradient(network, x, labels)
    refsnn.loss_and_gradient(network, x, labels, trace)
    return f"forward, chip and gradient run (adjoint identity to {adjoint(network, x, trace, rng):.1g}); {len(read())} golden vectors, hashes right"


def report():
    """The lines of the report. Raises DataError where a file of the installation is damaged."""
    limits = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    lines = [f"refsnn    {refsnn.__version__}, in {Path(refsnn.__file__).parent}",
             f"Python    {platform.python_version()}, {platform.platform()}",
             f"numpy     {np.__version__}, BLAS {blas()}",
             f"threads   {available_cores()} processors; {', '.join(limits) or 'no limit on the BLAS from ' + ', '.join(THREADS)}"]
    for extra, packages in EXTRAS.items():
        versions = {package: version_of(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        found = ", ".join(f"{package} {version}" for package, version in versions.items() if version)
        state = f"missing {', '.join(missing)}: pip install 'refsnn[{extra}]'" if missing else found
        lines.append(f"[{extra}]".ljust(15) + f"{state}   ({PURPOSES[extra]})")
    return [*lines, f"works     {works()}"]
