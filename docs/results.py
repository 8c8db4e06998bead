"""Writes the results tables of a document from report.json files, between its markers, the first of which is this command.

python docs/results.py README.md docs/results/cifar10-small.json
"""

import json
import pathlib
import re
import sys

from colorizer import evaluation

COLUMNS = ("mae_lab", "acc_2", "acc_5", "psnr", "ssim", "ciede2000", "auc_rebal", "ab_divergence", "colorfulness", "semantic_accuracy")
BEGIN, END = "<!-- results: python docs/results.py {} -->", "<!-- end of results -->"
_ARROWS = {"high": " ↑", "low": " ↓", "": ""}


# by the report's file: what its pictures and models are, and the data set whose published rows stand beside
OF = {
    "cifar10": ("CIFAR-10, all {n:,} test images", "cifar10"),
    "cifar10-small": ("CIFAR-10, all {n:,} test images, the weights that ship (`cifar10`), which keep the lightness", "cifar10"),
    "places128": ("MiniPlaces (the 128 px subset of Places2), {n:,} test pictures, 200 steps of each network in batches of 16;"
                  " the published row is of Places365 at 256 px", "places365"),
}  # fmt: skip


def markdown(report, title, published):
    """A report as a Markdown table under a line that says what it is of."""
    columns = [key for key in COLUMNS if any(key in row for row in report["rows"])]
    heads = [evaluation.COLUMNS[key].heading + _ARROWS[evaluation.COLUMNS[key].better] for key in columns]
    lines = [["", "lightness", *heads], ["---"] * (2 + len(columns))]
    for row in report["rows"] + evaluation.PAPER[published]:
        cells = [f"{row[key]:.{evaluation.COLUMNS[key].decimals}f}" if key in row else "" for key in columns]
        cells = [row["name"] + (f", vividness {row['vividness']:g}" if row.get("vividness") else ""), row["lightness"], *cells]
        lines.append(cells if "ci95" in row else [f"*{cell}*" if cell else "" for cell in cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{title.format(**report)}:\n\n    python {report['command']}\n\n{table}\n"


def main(document, *reports):
    begin = BEGIN.format(" ".join([document, *reports]))
    tables = "\n".join(markdown(json.loads(path.read_text()), *OF[path.stem]) for path in map(pathlib.Path, reports))
    document = pathlib.Path(document)
    text, found = re.subn(
        f"{re.escape(begin)}.*?{re.escape(END)}", lambda _: f"{begin}\n{tables}\n{END}", document.read_text(), flags=re.DOTALL
    )
    if found != 1:
        sys.exit(f"{document}: no markers for the results")
    document.write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
