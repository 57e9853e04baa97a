"""How fast refsnn is, beside other frameworks where they are installed: python data_scripts/benchmark.py [--json FILE] [--trained DIR].

One loss and gradient of the 256-246-10 network on a batch of 100 images of the sample, float32, free run of the ideal model, the published
surrogate and objective. Before any time is shown, the loss and the gradient of every contestant are compared with refsnn.spec's.

Each contestant has a process of its own, with as many threads as it takes by itself, and runs alone: the others wait, and are given time to fall asleep, since
threads of most frameworks go on looking for work for a while. The rounds are interleaved, in an order drawn anew for each, so that a change of the machine's
speed meets all of them alike. In each a contestant runs for 0.3 seconds, and nine times at least; the first half of its runs warms up, the median of the second
half counts. The median of all rounds is reported. What is no contestant, how the time grows and refsnn's other parts, is timed in this process instead.

With --trained, a network that `refsnn train` has trained classifies the test set of its data too, as the ideal model.

PyTorch, JAX, snnTorch and Norse are optional; whatever is missing is skipped with a line.
"""

import argparse
import json
import os
import platform
import time
import tracemalloc
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from _peers import PEERS

import refsnn
from refsnn import fast
from refsnn.datasets import load
from refsnn.events import Events, encode_events
from refsnn.runs import checkpoints, last_checkpoint, recipe_of
from refsnn.training import split

AGREEMENT = 1e-5    # of max|gradient|: other orders of float32 sums
TURN = 0.3          # seconds that a contestant runs in a round; the first half of its runs warms up
LEAST = 9           # runs of a contestant in a round, even if they take longer
PAUSE = 0.3         # seconds until the threads of the contestant before sleep


def network_of(hidden=246):
    """A network with about 20 hidden spikes an image: random weights of the size that training gives."""
    rng = np.random.default_rng(0)
    network = refsnn.Network.initialise(rng, (256, hidden, 10), dtype=np.float32)
    hidden_weights = rng.normal(0.0, 0.055, network.layers[0].W.shape).astype(np.float32)
    return network.with_parameters([hidden_weights, rng.normal(0, 0.05, network.layers[1].W.shape).astype(np.float32)])


def batch(B, steps):
    """Images of the sample as spikes (T, B, M), and their labels."""
    data = load()
    return refsnn.encode(data.train_images[:B], steps, dtype=np.float32), data.train_labels[:B]


def own(function, network, x, labels):
    """A function of refsnn as a contestant, as the entries of PEERS are."""
    def run():
        loss, gradient, _ = function(network, x, labels)
        return loss, *(entry.W for entry in gradient)
    return run


def contestant(name, network, x, labels):
    """The function (): (loss, dW of each layer) of a contestant. Raises ImportError where its framework is missing."""
    if name in PEERS:
        return PEERS[name](*(layer.W for layer in network.layers), x, labels)
    if name == "refsnn.spec":
        return own(refsnn.loss_and_gradient, network, x, labels)
    return own(fast.loss_and_gradient, network, Events.of(x) if name == "refsnn.fast, events" else x, labels)


NAMES = ("refsnn.spec", "refsnn.fast", "refsnn.fast, events", *PEERS)


def serve(pipe, name, network, x, labels):
    """In a process of its own: send the result of a contestant, or why there is none; then, whenever asked, the seconds of the runs of a TURN that count."""
    try:
        run = contestant(name, network, x, labels)
    except ImportError as error:
        pipe.send(str(error))
        return
    pipe.send(run())
    while pipe.recv():
        seconds, deadline = [], time.perf_counter() + TURN
        while len(seconds) < LEAST or time.perf_counter() < deadline:
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        pipe.send(seconds[len(seconds) // 2:])


def started(name, *case):
    """(process, pipe, result) of a contestant; None, with a line, where its framework is missing."""
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, name, *case), daemon=True)
    process.start()
    result = pipe.recv()
    if isinstance(result, str):
        print(f"{name}: skipped, {result}")
        process.join()
        return None
    return process, pipe, result


def disagreement(result, reference):
    """Largest difference of loss and gradients, relative to the largest gradient."""
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in zip(result, reference))


def interleaved(runs, rounds):
    """Median seconds of every function in `runs`, by name."""
    for run in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            run()
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def compare(steps, rounds):
    """One table: every contestant's agreement and time at T = steps."""
    network, (x, labels) = network_of(), batch(100, steps)
    running = {name: found for name in NAMES if (found := started(name, network, x, labels))}
    reference = running["refsnn.spec"][2]
    agreement = {name: disagreement(result, reference) for name, (_, _, result) in running.items()}
    for name in [name for name, value in agreement.items() if value > AGREEMENT]:
        print(f"{name}: left out, its loss and gradient differ by {agreement[name]:.1e}")
        end(*running.pop(name))
    order, medians = np.random.default_rng(0), {name: [] for name in running}
    for _ in range(rounds):
        for name in order.permutation(list(running)):
            time.sleep(PAUSE)
            _, pipe, _ = running[name]
            pipe.send(True)
            medians[name].append(float(np.median(pipe.recv())))
    for process in running.values():
        end(*process)
    seconds = {name: float(np.median(values)) for name, values in medians.items()}
    spikes = float(fast.forward(network, x)[0].spikes.sum() / len(labels))
    print(f"\nT = {steps}, {x.sum() / len(labels):.1f} input and {spikes:.1f} hidden spikes an image"
          f"\n{'':22}{'ms':>8}{'fastest':>9}{'times fast':>12}{'events':>8}{'disagreement':>14}")
    for name, value in seconds.items():
        ratios = [value / seconds[own] for own in ("refsnn.fast", "refsnn.fast, events")]
        print(f"{name:22}{1e3 * value:8.2f}{1e3 * min(medians[name]):9.2f}{ratios[0]:12.2f}{ratios[1]:8.2f}{agreement[name]:14.1e}")
    return {"steps": steps, "hidden_spikes": spikes, "seconds": seconds, "rounds": medians, "disagreement": agreement}


def end(process, pipe, _):
    """End a contestant's process."""
    pipe.send(False)
    process.join()


def growth(rounds):
    """Seconds of one fast.loss_and_gradient as T, B, N and the spikes grow, and the slopes in logarithms: 1 where it grows in proportion."""
    table = {}
    for name, cases in {"T": [(20, 100, 246, 1), (40, 100, 246, 1), (80, 100, 246, 1)], "B": [(20, 50, 246, 1), (20, 100, 246, 1), (20, 200, 246, 1)],
                        "N": [(20, 100, 123, 1), (20, 100, 246, 1), (20, 100, 492, 1)],
                        "hidden spikes": [(20, 100, 246, 0.5), (20, 100, 246, 1), (20, 100, 246, 2)]}.items():
        runs, sizes = {}, []
        for steps, B, N, strength in cases:
            network, (x, labels) = network_of(N), batch(B, steps)
            network = network.with_parameters([np.float32(strength) * network.layers[0].W, network.layers[1].W])
            runs[f"T={steps} B={B} N={N} W*{strength}"] = lambda n=network, e=Events.of(x), y=labels: fast.loss_and_gradient(n, e, y)
            spikes = float(fast.forward(network, x)[0].spikes.sum()) / B
            sizes.append({"T": steps, "B": B, "N": N, "hidden spikes": round(spikes, 1)}[name])
        seconds = list(interleaved(runs, rounds).values())
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        table[name] = {"sizes": sizes, "seconds": seconds, "slope": slope}
        print(f"as {name} goes {', '.join(map(str, sizes))}: {', '.join(f'{1e3 * value:.2f}' for value in seconds)} ms, slope {slope:.2f}")
    return table


def own_parts(rounds):
    """The floor of the sparse products, inference, the chip, encoding: seconds, and rates."""
    network, images, labels, rng = network_of(), load().train_images, load().train_labels[:100], np.random.default_rng(0)
    events, everything = (encode_events(some, dtype=np.float32) for some in (images[:100], images))
    out, dW = np.zeros((2000, 246), np.float32), np.zeros((256, 246), np.float32)
    chip = refsnn.Chip.sample(rng, network)
    seconds = interleaved({
        "sparse products alone": lambda: (events.add_product(slice(0, 2000), network.layers[0].W, out), events.add_outer(slice(0, 2000), out, dW)),
        "fast.classify, one thread": lambda: fast.classify(network, everything, 1),
        "fast.classify": lambda: fast.classify(network, everything),
        "encode_events": lambda: encode_events(images, dtype=np.float32),
        "Chip.forward, M = 8": lambda: chip.forward(network, events, rng),
    }, rounds)
    tracemalloc.start()
    for _ in range(3):
        fast.loss_and_gradient(network, events, labels)
    peak = tracemalloc.get_traced_memory()[1] / out.nbytes
    tracemalloc.stop()
    rates = {"images a second, classified": len(images) / seconds["fast.classify"],
             "images a second, classified by one thread": len(images) / seconds["fast.classify, one thread"],
             "images a second, encoded": len(images) / seconds["encode_events"],
             "images a second, on the emulated chip": 100 / seconds["Chip.forward, M = 8"]}
    print(f"\nsparse products alone   {1e3 * seconds['sparse products alone']:.2f} ms of a loss and gradient at T = 20")
    for name, value in rates.items():
        print(f"{name:42}{value:10,.0f}")
    print(f"memory of a step   {peak:.2f} arrays of (T, B, N)")
    return {"seconds": seconds, **rates, "peak_arrays": peak}


def trained(folder):
    """(recipe, network, test images, labels) of a finished run of `refsnn train`. Raises DataError where it is none, or its data have changed."""
    if not checkpoints(folder):
        raise refsnn.DataError(f"{folder or 'an empty name'} is no folder with checkpoints of `refsnn train`")
    saved, progress = last_checkpoint(folder)
    recipe = recipe_of(saved, folder)
    if len(progress.history) < recipe.epochs:
        raise refsnn.DataError(f"{folder} has done {len(progress.history)} epochs of {recipe.epochs}; `refsnn train --resume` finishes it")
    data = load(recipe.data)
    if split(recipe, data).sha256() != saved["data_sha256"]:
        raise refsnn.DataError(f"{recipe.data} does not hold the images that {folder} was trained on")
    return recipe, progress.network, data.test_images, data.test_labels


def classified(recipe, network, images, labels, rounds):
    """A trained network as the ideal model on encoded test images: accuracy, spikes and rates."""
    events, count = encode_events(images, dtype=network.layers[0].W.dtype), len(labels)
    accuracy = float((fast.classify(network, events) == labels).mean())
    spikes = sum(len(layer.events.indices) for layer in fast.forward(network, events)[:-1]) / count
    seconds = interleaved({"one thread": lambda: fast.classify(network, events, 1), "all": lambda: fast.classify(network, events)}, rounds)
    rate, single = count / seconds["all"], count / seconds["one thread"]
    print(f"\ntrained on: {recipe.substrate}; as the ideal model: {100 * accuracy:.2f} % of {count:,} test images, {spikes:.1f} hidden spikes each"
          f"\nclassified {rate:,.0f} a second, {single:,.0f} by one thread")
    return {"recipe": asdict(recipe), "images": count, "accuracy": accuracy, "hidden_spikes": spikes, "images a second": rate, "by one thread": single}


def installed():
    """The versions of the packages that take part."""
    found = {}
    for name in ("numpy", "scipy", "torch", "jax", "snntorch", "norse"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main():
    """Run everything, print the tables, and write the JSON file if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=50, choices=range(1, 1001), metavar="N", help="how often each contestant is timed (default: 50)")
    parser.add_argument("--json", metavar="FILE", help="write all numbers to this file")
    parser.add_argument("--trained", metavar="DIR", help="a folder of `refsnn train`, whose network classifies the test set of its data")
    chosen = parser.parse_args()
    if chosen.json and not Path(chosen.json).absolute().parent.is_dir():
        parser.error(f"there is no folder for {chosen.json}")
    try:
        run = None if chosen.trained is None else trained(chosen.trained)
    except refsnn.RefsnnError as error:
        parser.error(str(error))
    results = {"python": platform.python_version(), "refsnn": refsnn.__version__, "machine": platform.machine(), "processors": os.cpu_count(),
               "packages": installed(), "rounds": chosen.rounds, "turn": TURN, "least": LEAST, "pause": PAUSE,
               "compare": [compare(steps, chosen.rounds) for steps in (20, 50)]}
    print()
    results |= {"growth": growth(chosen.rounds), "parts": own_parts(chosen.rounds)}
    if run:
        results["trained"] = classified(*run, chosen.rounds)
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
