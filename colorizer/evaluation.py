"""The table of figures: a model beside the trivial predictors, on the same pictures."""

import collections

import numpy as np

from colorizer import color, metrics, rendering

# Table 1 of the paper: which lightness, colour space and rounding it was measured in the paper does not say
PAPER = {
    "cifar10": [
        {"name": "U-Net, as published", "lightness": "predicted", "mae_lab": 7.9, "acc_2": 13.7, "acc_5": 37.2},
        {"name": "GAN, as published", "lightness": "predicted", "mae_lab": 5.1, "acc_2": 24.1, "acc_5": 65.5},
    ],
    "places365": [{"name": "GAN, as published", "lightness": "predicted", "mae_lab": 7.5, "acc_2": 18.3, "acc_5": 47.3}],
}
COLUMNS = {"mae_lab": "MAE Lab", "mae_rgb_percent": "MAE RGB %", "acc_2": "acc 2%", "acc_5": "acc 5%", "colorfulness": "colorfulness"}


def figures(lab, predicted_lab):
    """{metric: [B]} of predictions [B, H, W, 3] against the truth, CIE units, one value an image."""
    rgb, predicted_rgb = color.rgb_from_lab(lab), color.rgb_from_lab(predicted_lab)
    return {
        "mae_lab": metrics.mae_lab(lab, predicted_lab),
        "mae_rgb_percent": np.abs(predicted_rgb.astype("float32") - rgb).mean((1, 2, 3)) / 2.55,
        "acc_2": metrics.accuracy(lab, predicted_lab, 2),
        "acc_5": metrics.accuracy(lab, predicted_lab, 5),
        "colorfulness": metrics.colorfulness(predicted_rgb),
    }


def evaluate(predictors, batches):
    """Rows of figures, each the plain mean over the images.

    predictors: {name: lightness -> lab}, CIE units. Each is judged with the true lightness put back ("kept") and, where it
    answers with another, with its own as well ("predicted": what the paper measured).
    batches: of (scaled lightness, scaled Lab). The truth has a row of its own, for its colorfulness.
    """
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    for _, scaled_lab in batches:
        lab = color.unscale(np.asarray(scaled_lab))
        lightness = lab[..., :1]
        predictions = {name: predict(lightness) for name, predict in predictors.items()}
        rows = {(name, "kept"): rendering.with_lightness(predicted, lightness) for name, predicted in predictions.items()}
        rows |= {(name, "predicted"): predicted for name, predicted in predictions.items()
                 if (name, "predicted") in values or not np.array_equal(predicted[..., :1], lightness)}  # fmt: skip
        for row, predicted in {**rows, ("truth", "kept"): lab}.items():
            for metric, per_image in figures(lab, predicted).items():
                values[row][metric].extend(per_image)
    return [
        {"name": name, "lightness": lightness, **{metric: float(np.mean(of_images)) for metric, of_images in metrics_of.items()}}
        for (name, lightness), metrics_of in values.items()
    ]


def constant(ab):
    """The predictor that gives every pixel the same a* and b*."""
    return lambda lightness: np.concatenate([lightness, np.broadcast_to(np.asarray(ab, "float32"), (*lightness.shape[:-1], 2))], axis=-1)


def table(rows):
    """The rows as text, columns aligned."""
    cells = [["", "lightness", *COLUMNS.values()]]
    for row in rows:
        cells.append([row["name"], row["lightness"], *(f"{row[key]:.2f}" if key in row else "" for key in COLUMNS)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    aligned = (
        [cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths))] for line in cells
    )
    return "\n".join("  ".join(line).rstrip() for line in aligned)
