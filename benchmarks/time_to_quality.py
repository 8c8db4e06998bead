"""How long does a recipe train until its colours are so good? From the folders of runs that were not interrupted.

    python train.py --recipe=small --dataset=cifar10 --precision=auto
    python train.py --dataset=cifar10 --epochs=4
    python benchmarks/time_to_quality.py --output=docs/time-to-quality.png runs/cifar10-residual runs/cifar10-gan

Minutes from when the run's folder was begun (imports and reading the data come before) until the accuracy at 5 % on its validation
pictures (of the network's own Lab) passes each bound, validation included. By the times of the files that were written, so a run that
was gone on with, or copied without its times, says nothing. A CSV file that --output wrote stands for its runs.
"""

import argparse
import csv
import itertools
import json
import pathlib

BOUNDS = (60, 62, 64, 65.5)
# Okabe and Ito's palette, which the colour-blind can tell apart, and a mark for each
LOOKS = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "v"), ("#E69F00", "P"), ("#56B4E9", "X"), ("#000000", "*")]


def progress_of(run):
    """[(minutes, validation's acc_5), ...], one an epoch."""
    began = (run / "config.json").stat().st_mtime
    with open(run / "history.csv") as file:
        rows = list(csv.DictReader(file))
    times = [(run / "samples" / f"epoch-{int(row['epoch']):04d}.png").stat().st_mtime - began for row in rows]
    return [(seconds / 60, float(row["val_acc_5"])) for seconds, row in zip(times, rows)]


def points_of(run):
    """{title: [(minutes, validation's acc_5), ...]} of a run's folder, or of all runs of a CSV file."""
    if run.suffix != ".csv":
        config = json.loads((run / "config.json").read_text())["config"]
        return {f"{config['recipe']} {config['model']} {config['precision']}: {run.name}": progress_of(run)}
    found = {}
    with open(run) as file:
        for row in csv.DictReader(file):
            found.setdefault(row["run"], []).append((float(row["minutes"]), float(row["val_acc_5"])))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument(
        "--output", type=pathlib.Path, help="a PNG file for the plot, beside it a CSV file of its points; unset: the table alone"
    )
    arguments = parser.parse_args()
    found = {title: points for run in arguments.runs for title, points in points_of(run).items()}
    print("| | " + " | ".join(f"{bound:g}" for bound in BOUNDS) + " | best |\n" + "|---" * (2 + len(BOUNDS)) + "|")
    for title, points in found.items():
        best, at = max((accuracy, minutes) for minutes, accuracy in points)
        passed = [next((minutes for minutes, accuracy in points if accuracy >= bound), None) for bound in BOUNDS]
        cells = ["no" if minutes is None else f"{minutes:.0f} min" for minutes in passed]
        print(f"| {title} | {' | '.join(cells)} | {best:.2f} after {at:.0f} min; {len(points)} epochs, {points[-1][0]:.0f} min |")
    if arguments.output:
        draw(found, arguments.output)
        lines = [
            f"{title},{epoch},{minutes:.1f},{accuracy:.3f}"
            for title, points in found.items()
            for epoch, (minutes, accuracy) in enumerate(points, 1)
        ]
        arguments.output.with_suffix(".csv").write_text("\n".join(["run,epoch,minutes,val_acc_5", *lines, ""]))


def draw(found, file):
    import matplotlib.figure
    import matplotlib.pyplot

    with matplotlib.pyplot.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = matplotlib.figure.Figure(figsize=(10, 4.4), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel in panels:
            for (title, points), (colour, mark) in zip(found.items(), itertools.cycle(LOOKS)):
                panel.plot(*zip(*points), color=colour, marker=mark, markersize=5, linewidth=2, label=title)
            for bound in BOUNDS:
                panel.axhline(bound, color="#bbbbbb", linewidth=1, linestyle=":")
            panel.set(xlabel="minutes", xlim=(0, None))
        panels[0].set(ylabel="accuracy at 5 %, validation", ylim=(0, None))
        panels[1].set(
            ylabel="the same, from the lowest bound on",
            ylim=(BOUNDS[0] - 1, BOUNDS[-1] + 1),
            yticks=BOUNDS,
            yticklabels=[f"{bound:g} %" for bound in BOUNDS],
        )
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
