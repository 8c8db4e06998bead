"""What is each part of a recipe worth? Short trainings, two seeds each, judged on validation.

    python benchmarks/ablations.py --output=runs/ablations                     all rows of small, an hour and a half and more
    python benchmarks/ablations.py --output=runs/ablations adamw warp          these beside the recipe
    python benchmarks/ablations.py --recipe=photo --data_dir=mix --output=runs/ablations-photo scratch

Each training is one of few steps (700 of small, 500 of photo), with the learning rate let down to its end. A run that --output has
already is not done again, and refused if it was of other settings. A difference is told from chance from twice the spread of the seeds
on: the largest distance between two seeds of one row, over all rows. What regularizes (warp, decay) shows its worth in long trainings
alone: the short ones do without, but for the rows of few pictures.
"""

import argparse
import csv
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATASETS = {"small": "cifar10", "photo": "folder"}
STEPS = {"small": 700, "photo": 500}
# averages over the last hundred steps, and without what keeps a long training from learning its pictures by heart
SHORT = {
    "small": {"averaging": 0.99, "precision": "mixed_bfloat16", "warp": 0.0, "weight_decay": 0.02, "mirrored": False},
    "photo": {"averaging": 0.99, "eval_examples": 200},
}
# each picture as often as a long training sees it
FEW = {"train_examples": 4500}
ROWS = {
    "small": {
        "small": ("the recipe, made short", {}),
        "adamw": ("AdamW at 2e-3 instead of Muon", {"optimizer": "adamw", "learning_rate": 0.002}),
        "float32": ("float32 instead of mixed_bfloat16", {"precision": "float32"}),
        "no-bins": ("without the cross-entropy of bins: R alone", {"bins_weight": 0.0}),
        "no-average": ("without averaged weights", {"averaging": 0.0}),
        "no-shift": ("without shifts and lightness jitter", {"shift": 0, "lightness_jitter": 0.0}),
        "warp": ("with zoom, rotation, stretching (0.15)", {"warp": 0.15}),
        "decay": ("weight decay 0.1 instead of 0.02", {"weight_decay": 0.1}),
        "few": ("4,500 pictures, 20 times, with warp 0.15 and weight decay 0.1", {**FEW, "warp": 0.15, "weight_decay": 0.1}),
        "few-plain": ("4,500 pictures, 20 times, without", FEW),
        "rate": ("learning rate 1e-2 instead of 5e-3", {"learning_rate": 0.01}),
    },
    "photo": {
        "photo": ("the recipe, made short", {}),
        "scratch": ("from scratch, without ImageNet features", {"pretrained": False}),
        "muon": ("Muon at 5e-3 instead of AdamW at 1e-3", {"optimizer": "muon", "learning_rate": 0.005}),
        "encoder": ("the encoder at the full rate, nothing frozen", {"encoder_rate": 1.0, "frozen_blocks": 0}),
        "no-bins": ("without the cross-entropy of bins: R alone", {"bins_weight": 0.0}),
        "no-attention": ("without attention", {"attention_heads": 0}),
        "no-aging": ("no pictures aged", {"aged": 0.0}),
    },
}
FIGURES = ("mae_lab", "acc_2", "acc_5")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="; ".join(f"{recipe}: {', '.join(rows)}" for recipe, rows in ROWS.items()))
    parser.add_argument("--recipe", choices=ROWS, default="small")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a folder for the runs")
    parser.add_argument("--data_dir", default="", help="the TFDS folder; of photo the folder of pictures")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all rows, as train.py takes it")
    parser.add_argument("--steps", type=int, help="of a training")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    recipe, rows = arguments.recipe, ROWS[arguments.recipe]
    if unknown := set(arguments.rows) - set(rows):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; rows: {', '.join(rows)}")
    chosen = [recipe, *(row for row in arguments.rows or rows if row != recipe)]
    found = {row: [figures_of(row, seed, arguments) for seed in range(arguments.seeds)] for row in chosen}
    print(table(found, {row: title for row, (title, _) in rows.items()}))


def figures_of(row, seed, arguments):
    """{figure: its value on the validation images}; train.py goes on, is done at once, or refuses a run of other settings."""
    recipe, run = arguments.recipe, arguments.output / f"{row}-seed{seed}"
    settings = {**SHORT[recipe], "steps_per_epoch": arguments.steps or STEPS[recipe], **ROWS[recipe][row][1]}
    command = [
        sys.executable, ROOT / "train.py", f"--recipe={recipe}", f"--dataset={DATASETS[recipe]}",
        f"--workdir={run}", "--epochs=1", f"--seed={seed}", *([f"--data_dir={arguments.data_dir}"] if arguments.data_dir else []),
        *(f"--set={setting}" for setting in (*(f"{key}={value}" for key, value in settings.items()), *arguments.set)),
    ]  # fmt: skip
    print(f"{row}, seed {seed}", file=sys.stderr)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(run / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    return {figure: float(last[f"val_{figure}"]) for figure in FIGURES}


def table(found, titles):
    """Markdown: a row's mean over its seeds, and by how much it is better than the first, the recipe's; below it twice the spread."""
    recipe = next(iter(found))

    def mean(row, figure):
        return sum(seed[figure] for seed in found[row]) / len(found[row])

    lines = ["| | MAE Lab | acc 2 % | acc 5 % |\n|---|---|---|---|"]
    for row in found:
        cells = []
        for figure in FIGURES:
            gain = (mean(row, figure) - mean(recipe, figure)) * (-1 if figure == "mae_lab" else 1)
            digits = 3 if figure == "mae_lab" else 2
            cells.append(f"{mean(row, figure):.{digits}f}" + (f" ({gain:+.{digits}f})" if row != recipe else ""))
        lines.append(f"| {titles[row]} | {' | '.join(cells)} |")
    if len(found[recipe]) > 1:
        spread = [max(max(s[figure] for s in seeds) - min(s[figure] for s in seeds) for seeds in found.values()) for figure in FIGURES]
        lines.append(f"| twice the spread of the seeds | {2 * spread[0]:.3f} | {2 * spread[1]:.2f} | {2 * spread[2]:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
