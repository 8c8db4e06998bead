"""What is each part of the recipe `small` worth? Short trainings, two seeds each, judged on validation.

    python benchmarks/ablations.py --output=runs/ablations                     all rows, an hour and a half and more
    python benchmarks/ablations.py --output=runs/ablations adamw warp          these beside the recipe

Each training is one of --steps steps of batch 128, with the learning rate let down to its end. A run that --output has already is read,
not done again. A difference is told from chance from twice the spread of the seeds on: the largest distance between two seeds of one
row, over all rows. What regularizes (warp, decay) shows its worth in long trainings alone: the short ones do without.
"""

import argparse
import csv
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = {
    "small": ("the recipe, made short", {}),
    "adamw": ("AdamW at 2e-3 instead of Muon", {"optimizer": "adamw", "learning_rate": 0.002}),
    "float32": ("float32 instead of mixed_bfloat16", {"precision": "float32"}),
    "no-bins": ("without the cross-entropy of bins: R alone", {"bins_weight": 0.0}),
    "no-average": ("without averaged weights", {"averaging": 0.0}),
    "no-shift": ("without shifts and lightness jitter", {"shift": 0, "lightness_jitter": 0.0}),
    "warp": ("with zoom, rotation, stretching (0.15)", {"warp": 0.15}),
    "decay": ("weight decay 0.1 instead of 0.02", {"weight_decay": 0.1}),
    "rate": ("learning rate 1e-2 instead of 5e-3", {"learning_rate": 0.01}),
}
FIGURES = ("mae_lab", "acc_2", "acc_5")
# averages over the last hundred steps, and without what keeps a long training from learning its pictures by heart
SHORT = {"averaging": 0.99, "precision": "mixed_bfloat16", "warp": 0.0, "weight_decay": 0.02}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; none: all")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a folder for the runs")
    parser.add_argument("--data_dir", default="", help="the TFDS folder")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; rows: {', '.join(ROWS)}")
    rows = ["small", *(row for row in arguments.rows or ROWS if row != "small")]
    found = {row: [figures_of(row, seed, arguments) for seed in range(arguments.seeds)] for row in rows}
    print(table(found))


def figures_of(row, seed, arguments):
    """{figure: its value on the validation images}; trains where there is no run yet."""
    run = arguments.output / f"{row}-seed{seed}"
    if not (run / "report.json").exists():
        settings = {**SHORT, "steps_per_epoch": arguments.steps, **ROWS[row][1]}
        command = [
            sys.executable, ROOT / "train.py", "--recipe=small", "--dataset=cifar10", f"--data_dir={arguments.data_dir}",
            f"--workdir={run}", "--epochs=1", f"--seed={seed}", *(f"--set={key}={value}" for key, value in settings.items()),
        ]  # fmt: skip
        print(f"{row}, seed {seed}", file=sys.stderr)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(run / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    return {figure: float(last[f"val_{figure}"]) for figure in FIGURES}


def table(found):
    """Markdown: a row's mean over its seeds, and by how much it is better than the recipe's; below it twice the spread."""

    def mean(row, figure):
        return sum(seed[figure] for seed in found[row]) / len(found[row])

    lines = ["| | MAE Lab | acc 2 % | acc 5 % |\n|---|---|---|---|"]
    for row in found:
        cells = []
        for figure in FIGURES:
            gain = (mean(row, figure) - mean("small", figure)) * (-1 if figure == "mae_lab" else 1)
            digits = 3 if figure == "mae_lab" else 2
            cells.append(f"{mean(row, figure):.{digits}f}" + (f" ({gain:+.{digits}f})" if row != "small" else ""))
        lines.append(f"| {ROWS[row][0]} | {' | '.join(cells)} |")
    if len(found["small"]) > 1:
        spread = [max(max(s[figure] for s in seeds) - min(s[figure] for s in seeds) for seeds in found.values()) for figure in FIGURES]
        lines.append(f"| twice the spread of the seeds | {2 * spread[0]:.3f} | {2 * spread[1]:.2f} | {2 * spread[2]:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
