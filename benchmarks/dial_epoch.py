"""What follows the steps of an epoch of the recipes with two answers: seconds of each part, as training.train_epoch does them.

    python benchmarks/dial_epoch.py --recipe=small --dataset=cifar10 --model=cifar10

--model: weights to begin with; an untrained network's readout is no measure of a trained one's.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

import numpy as np

from colorizer import config, dataset, dial, inference, metrics, networks, training


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("small", "photo"), default="small")
    parser.add_argument("--dataset", choices=config.DATASETS, required=True)
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--model", required=True, help="the name of weights that ship, a run folder or a .keras file")
    parser.add_argument("--rounds", type=int, default=2, help="the first one warms up")
    arguments = parser.parse_args()
    settings = {"data_dir": arguments.data_dir, "init": arguments.model, "precision": "mixed_bfloat16"}
    settings = training.on_this_machine(config.resolve(arguments.recipe, arguments.dataset, None, settings))
    data = dataset.load(settings)
    model = training.build_model(settings)
    training.begin(model, settings, data)
    generator = networks.in_dtype(model.generator)
    predict = inference.compiled(generator)
    labs = np.concatenate(list(training.lab_batches(data.validation, settings.batch_size, training.GAIN_PIXELS)))

    def validation():
        figures = metrics.streaming_metrics()
        for scaled_lightness, scaled_lab in dataset.evaluation_batches(data.validation, settings.batch_size):
            predicted = predict(scaled_lightness)
            for figure in figures:
                figure.update_state(scaled_lab, predicted[..., :3])

    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "pictures for the statistics": lambda: list(training.lightness_seen(settings, data)),
            "statistics of the averaged weights": lambda: dial.settle(networks.in_dtype(model.network), seen),
            "readout": lambda: model.refresh(labs),
            "validation": validation,
            "best.keras": lambda: inference.save(f"{folder}/best.keras", generator, training.traits_of(settings)),
        }
        for number in range(arguments.rounds):
            for part, run in parts.items():
                began = time.perf_counter()
                result = run()
                if part == "pictures for the statistics":
                    seen = result
                print(f"round {number + 1}: {part:36}{time.perf_counter() - began:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
