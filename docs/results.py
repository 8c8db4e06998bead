"""Writes the results tables of README.md from report.json files, between its markers.

python docs/results.py README.md docs/results/*.json
"""

import json
import pathlib
import re
import sys

from colorizer import evaluation

COLUMNS = ("mae_lab", "acc_2", "acc_5", "psnr", "ssim", "ciede2000", "auc_rebal", "ab_divergence", "colorfulness", "semantic_accuracy")
BEGIN, END = "<!-- results: python docs/results.py README.md docs/results/*.json -->", "<!-- end of results -->"
_ARROWS = {"high": " ↑", "low": " ↓", "": ""}


def markdown(report):
    """A report as a Markdown table under a line that says what it is of."""
    columns = [key for key in COLUMNS if any(key in row for row in report["rows"])]
    heads = [evaluation.COLUMNS[key].heading + _ARROWS[evaluation.COLUMNS[key].better] for key in columns]
    lines = [["", "lightness", *heads], ["---"] * (2 + len(columns))]
    for row in report["rows"] + evaluation.PAPER.get(report["dataset"], []):
        cells = [f"{row[key]:.{evaluation.COLUMNS[key].decimals}f}" if key in row else "" for key in columns]
        cells = [row["name"] + (f", vividness {row['vividness']:g}" if row.get("vividness") else ""), row["lightness"], *cells]
        lines.append(cells if "ci95" in row else [f"*{cell}*" if cell else "" for cell in cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    command = "python " + report["command"]
    return f"{report['n']:,} pictures of {report['dataset']}, {report['split']} part:\n\n    {command}\n\n{table}\n"


def main(readme, *reports):
    readme = pathlib.Path(readme)
    tables = "\n".join(markdown(json.loads(pathlib.Path(path).read_text())) for path in reports)
    text, found = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{tables}\n{END}", readme.read_text(), flags=re.DOTALL
    )
    if found != 1:
        sys.exit(f"{readme}: no markers for the results")
    readme.write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
