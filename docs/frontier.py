"""Draws the frontier of a dial: what colour costs, from reports of evaluate.py on the same pictures.

    pip install --editable '.[bench]'
    cd docs/results
    python ../frontier.py ../cifar10-frontier.png cifar10-small.json cifar10/regression.json cifar10.json
    python ../frontier.py ../photo-frontier.png photo/scenes150-regression.json photo/scenes150-short.json

A panel for each figure that the reports have, against the colorfulness; a line for each model that was judged at several values of
its dial, which stand beside the points, a mark for the others. True lightness kept.
"""

import itertools
import json
import pathlib
import sys

import matplotlib.figure
import matplotlib.pyplot

from colorizer import evaluation

FIGURES = ("ciede2000", "auc_rebal", "ab_divergence", "frechet_classifier_distance", "kid_lite2")
# Okabe and Ito's palette, which the colour-blind can tell apart, and a mark for each
LOOKS = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "v"), ("#E69F00", "P"), ("#56B4E9", "X")]
PLAIN = {"grey": ("#777777", "D"), "median": ("#777777", "*")}


def curves(reports):
    """{model: its rows, from pale to vivid} of the rows at the true lightness, and the truth's colorfulness."""
    found, truth = {}, None
    for report in reports:
        for row in report["rows"]:
            if row["name"] == "truth":
                truth = row["colorfulness"]
            elif row["lightness"] == "kept":
                found.setdefault(row["name"], {})[row.get("vividness")] = row
    return {name: sorted(rows.values(), key=lambda row: row["colorfulness"]) for name, rows in found.items()}, truth


def draw(file, reports):
    """Writes the picture."""
    models, truth = curves(reports)
    shown = [figure for figure in FIGURES if all(figure in row for rows in models.values() for row in rows)]
    style = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4"}
    with matplotlib.pyplot.rc_context(style):
        across = 2 if len(shown) > 3 else len(shown)
        down = -(-len(shown) // across)
        figure = matplotlib.figure.Figure(figsize=(4.6 * across, 3.7 * down + 0.6), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).ravel()
        looks = iter(LOOKS)
        places = itertools.cycle([((0, -5), "top"), ((0, 4), "bottom")])  # of the labels, lest two lines' stand on each other
        for name, rows in models.items():
            colour, mark = PLAIN.get(name) or next(looks)
            offset, edge = next(places) if len(rows) > 1 else (None, None)
            for panel, key in zip(panels, shown):
                panel.plot([row["colorfulness"] for row in rows], [row[key] for row in rows], color=colour, marker=mark, markersize=6,
                           linewidth=2 if len(rows) > 1 else 0, label=name)  # fmt: skip
                for row in rows if len(rows) > 1 else ():
                    panel.annotate(f"{row['vividness']:g}", (row["colorfulness"], row[key]), offset, textcoords="offset points",
                                   ha="center", va=edge, fontsize=8, color=colour)  # fmt: skip
        for panel, key in zip(panels, shown):
            column = evaluation.COLUMNS[key]
            panel.set_title(f"{column.heading} ({'higher' if column.better == 'high' else 'lower'} is better)", pad=16)
            panel.set_xlabel("colorfulness")
            panel.axvline(truth, color="#222222", linewidth=1, linestyle=":")
            panel.annotate("truth", (truth, 1), (0, 1), ("data", "axes fraction"), "offset points", ha="center", va="bottom", fontsize=9)
        for panel in panels[len(shown) :]:
            panel.remove()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(file, dpi=110)


def main(file, *reports):
    draw(file, [json.loads(pathlib.Path(report).read_text()) for report in reports])


if __name__ == "__main__":
    main(*sys.argv[1:])
