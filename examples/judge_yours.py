"""A colorizer of your own beside what ships, on the same pictures, by the same figures: put yours in place of sepia().

    python examples/judge_yours.py                       crops of a few photographs that are installed
    python examples/judge_yours.py cifar10               CIFAR-10's 10,000 test images, next to the paper's figures
    python examples/judge_yours.py folder ~/photos

Prints the table of evaluate.py, and the interval of the paired difference.
"""

import sys

from colorizer import classifier, config, dataset, evaluation, inference


def sepia(lightness):
    """L* 0..100, float32 [B, H, W, 1] -> CIE Lab [B, H, W, 3]. Pictures of one size come together, each set of them at its own size."""
    return evaluation.constant([8, 20])(lightness)


def main(name="sample", data_dir=""):
    """The data set's name, and where it lies: for cifar10 TFDS's folder, for folder the pictures'."""
    judged_on = config.resolve("paper", name, "gan", {"data_dir": data_dir})
    pictures = dataset.pictures(judged_on, "test")
    ours = "cifar10" if name == "cifar10" else "photo"
    predictors = [
        *evaluation.trivial(),
        evaluation.of_model(ours, inference.load(ours), vividness=0.0),
        # own_lightness: judged with the L* that it answers with too, as the paper did
        evaluation.Predictor("yours", sepia, vividness=0.0, own_lightness=False),
    ]
    judged = evaluation.evaluate(predictors, pictures.read(), classifier=classifier.load() if name == "cifar10" else None)
    report = evaluation.report(judged, name, pictures.split, "examples/judge_yours.py")
    print(evaluation.table(report["rows"] + evaluation.published(report), evaluation.COLUMNS, width=120))
    low, high = report["rows"][-1]["ci95_of_difference_to_first_model"]["ciede2000"]
    print(f"\nCIEDE2000, yours less that of {ours}, 95 % interval: {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
