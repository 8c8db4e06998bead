"""The frontier of a model's dial as a Markdown table, from what evaluate.py --output wrote, for each set or its classes.

    python docs/photographs.py NAME=report/per_image.csv [NAME=...]                  NAME/ : a line for each class, NAME// : and one of all
    python docs/photographs.py --keep=docs/results/photo/NAME.csv report/per_image.csv        only the columns that the table needs

Under grey: by how much the mean CIEDE2000 is below a grey picture's, with the 95 % interval of that ratio (paired bootstrap over the
pictures). Colour: the mean colorfulness in percent of the truth's.
"""

import csv
import sys

import numpy as np


def lines(name, path):
    """Markdown lines of a per_image.csv."""
    with open(path) as file:
        pictures = list(csv.DictReader(file))
    titles = dict.fromkeys(column.rsplit(": ", 1)[0] for column in pictures[0] if ": " in column)
    models = [title for title in titles if title not in ("truth", "grey", "median")]
    set_name, by_class = name.rstrip("/"), name.endswith("/")
    labels = sorted({picture["class"] for picture in pictures}) if by_class else []
    for label in [*([None] if name.endswith("//") or not by_class else []), *labels]:
        of_label = [picture for picture in pictures if label in (None, picture["class"])]

        def column(title, figure, pictures=of_label):
            return np.array([float(picture[f"{title}: {figure}"]) for picture in pictures])

        grey, resamples = column("grey", "ciede2000"), np.random.default_rng(0).integers(0, len(of_label), (1000, len(of_label)))
        cells = [f"{set_name}: {label}" if label else set_name, str(len(of_label)), f"{grey.mean():.2f}"]
        for title in models:
            its = column(title, "ciede2000")
            low, high = np.percentile(100 - 100 * its[resamples].mean(axis=1) / grey[resamples].mean(axis=1), [2.5, 97.5])
            colour = column(title, "colorfulness").mean() / column("truth", "colorfulness").mean()
            cells.append(
                f"{its.mean():.2f}: {100 - 100 * its.mean() / grey.mean():.1f} % ({low:.1f} to {high:.1f}) at {100 * colour:.0f} %"
            )
        yield models, cells


def keep(target, path):
    """Writes the columns of a per_image.csv that the table needs."""
    with open(path) as file:
        pictures = list(csv.DictReader(file))
    columns = [column for column in pictures[0] if column in ("name", "class") or column.endswith((": ciede2000", ": colorfulness"))]
    with open(target, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(pictures)


def main(*arguments):
    """Prints the table, or keeps what it needs."""
    if arguments[0].startswith("--keep="):
        return keep(arguments[0].split("=", 1)[1], arguments[1])
    rows = [row for argument in arguments for row in lines(*argument.split("=", 1))]
    if any(models != rows[0][0] for models, _ in rows):
        raise SystemExit(f"not of the same models: {', '.join(arguments)}")
    print("| " + " | ".join(["pictures", "n", "grey", *rows[0][0]]) + " |")
    print("| --- " * (3 + len(rows[0][0])) + "|")
    for _, cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
