"""The frontier of a model's dial as a Markdown table, from the folders that evaluate.py --output wrote, for each set or its classes.

python docs/photographs.py NAME=report [NAME=report ...]          NAME/ : a line for each class

Under grey: by how much the mean CIEDE2000 is below a grey picture's, with the 95 % interval of that ratio (paired bootstrap over the
pictures). Colour: the mean colorfulness in percent of the truth's.
"""

import csv
import pathlib
import sys

import numpy as np


def lines(name, folder):
    """Markdown lines of a report folder."""
    with open(pathlib.Path(folder) / "per_image.csv") as file:
        pictures = list(csv.DictReader(file))
    titles = dict.fromkeys(column.rsplit(": ", 1)[0] for column in pictures[0] if ": " in column)
    models = [title for title in titles if title not in ("truth", "grey", "median")]
    by_class = name.endswith("/")
    for label in sorted({picture["class"] for picture in pictures}) if by_class else [None]:
        of_label = [picture for picture in pictures if label in (None, picture["class"])]

        def column(title, figure, pictures=of_label):
            return np.array([float(picture[f"{title}: {figure}"]) for picture in pictures])

        grey, resamples = column("grey", "ciede2000"), np.random.default_rng(0).integers(0, len(of_label), (1000, len(of_label)))
        cells = [f"{name[:-1]}: {label}" if by_class else name, str(len(of_label)), f"{grey.mean():.2f}"]
        for title in models:
            its = column(title, "ciede2000")
            low, high = np.percentile(100 - 100 * its[resamples].mean(axis=1) / grey[resamples].mean(axis=1), [2.5, 97.5])
            colour = column(title, "colorfulness").mean() / column("truth", "colorfulness").mean()
            cells.append(
                f"{its.mean():.2f}: {100 - 100 * its.mean() / grey.mean():.1f} % ({low:.1f} to {high:.1f}) at {100 * colour:.0f} %"
            )
        yield models, cells


def main(*arguments):
    """Prints the table."""
    rows = [row for argument in arguments for row in lines(*argument.split("=", 1))]
    print("| " + " | ".join(["pictures", "n", "grey", *rows[0][0]]) + " |")
    print("| --- " * (3 + len(rows[0][0])) + "|")
    for _, cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
