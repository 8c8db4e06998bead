"""What follows the steps of an epoch of the recipes with two answers: seconds of its parts, in training.train_epoch itself.

    python benchmarks/dial_epoch.py --dataset=cifar10 --model=cifar10

--model: weights to begin with; an untrained network's readout is no measure of a trained one's. The first round warms up.
"""

import argparse
import collections
import functools
import os
import pathlib
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

from colorizer import config, dataset, dial, inference, networks, training

PARTS = ((dial, "settle"), (dial.DialColorizer, "_fitted"), (training, "_validation"), (inference, "save"), (training, "train_epoch"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("small", "photo"), default="small")
    parser.add_argument("--dataset", choices=config.DATASETS, required=True)
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--model", required=True, help="the name of weights that ship, a run folder or a .keras file")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    settings = {"data_dir": arguments.data_dir, "init": arguments.model, "precision": "mixed_bfloat16"}
    settings = training.on_this_machine(config.resolve(arguments.recipe, arguments.dataset, None, settings))
    data = dataset.load(settings)
    model = training.build_model(settings)
    training.begin(model, settings, data)
    generator = networks.in_dtype(model.generator)
    seconds = collections.Counter()
    for place, name in PARTS:
        setattr(place, name, timed(getattr(place, name), seconds))
    with tempfile.TemporaryDirectory() as folder:
        run = training.Run(settings, pathlib.Path(folder), data, 0, model, generator, inference.compiled(generator),
                           training.Progress(), threading.Event())  # fmt: skip
        for number in range(arguments.rounds):
            seconds.clear()
            training.train_epoch(run)  # of no steps
            print(f"round {number + 1}: " + ", ".join(f"{name} {seconds[name]:.1f} s" for _, name in PARTS), flush=True)


def timed(function, seconds):
    @functools.wraps(function)
    def wrapped(*arguments, **keywords):
        began = time.perf_counter()
        try:
            return function(*arguments, **keywords)
        finally:
            seconds[function.__name__] += time.perf_counter() - began

    return wrapped


if __name__ == "__main__":
    main()
