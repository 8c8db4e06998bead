"""What do the metrics cost beside the network that they judge?

    python benchmarks/evaluation.py --data_dir=TFDS --model=runs/cifar10-gan

Judges CIFAR-10 test images with grey, median and the model (kept and predicted lightness: with the truth five rows), in turns
over several rounds: the forward pass alone, everything without the classifier, everything. Prints milliseconds an image and
images/s, and the memory at its peak.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

import argparse
import resource
import statistics
import time

import numpy as np

from colorizer import classifier, color, config, dataset, evaluation, inference


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default="", help="the TFDS folder")
    parser.add_argument("--model", required=True, help="a run folder or .keras file")
    parser.add_argument("--images", type=int, default=1024, help="test images a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=256)
    arguments = parser.parse_args()

    judged_on = config.resolve("paper", "cifar10", "gan", {"data_dir": arguments.data_dir})
    examples = list(dataset.pictures(judged_on, "test", arguments.images).read())
    colorizer, judge = inference.load(arguments.model), classifier.load()
    predictors = [*evaluation.trivial([0, 3.5]), evaluation.of_model("model", colorizer)]
    lightness = color.lab_from_rgb(np.stack([example.rgb for example in examples]))[..., :1]

    def forward():
        for start in range(0, len(examples), arguments.batch_size):
            inference.colorized(colorizer, lightness[start : start + arguments.batch_size])

    cases = {
        "forward pass": forward,
        "forward pass and metrics": lambda: evaluation.evaluate(predictors, examples, arguments.batch_size),
        "... and classifier": lambda: evaluation.evaluate(predictors, examples, arguments.batch_size, judge),
    }
    seconds = {name: [] for name in cases}
    for round_number in range(arguments.rounds + 1):  # the first warms up
        for name, run in cases.items():
            began = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - began)
    print(f"{'':26}{'ms/image':>10}{'min':>8}{'max':>8}{'images/s':>10}{'x forward':>11}")
    for name, its in seconds.items():
        ms = [1e3 * one / len(examples) for one in its]
        ratio = statistics.median(ms) / (1e3 * statistics.median(seconds["forward pass"]) / len(examples))
        print(f"{name:26}{statistics.median(ms):10.2f}{min(ms):8.2f}{max(ms):8.2f}{1e3 / statistics.median(ms):10.0f}{ratio:11.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
