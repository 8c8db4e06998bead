"""Figures of merit, per image, and the trivial predictors. What they mean: docs/paper.md.

Functions take the truth and the prediction, [B, H, W, 3], and give one value an image, [B], over `xp` (numpy or keras.ops).
"""

import numpy as np

from colorizer import color

# Eq. 10's epsilon, in percent of each channel's range: L* 0..100, a* and b* -110..110
_CIE_UNITS_PER_PERCENT = np.array([1.0, 2.2, 2.2], "float32")


def mae_lab(lab, predicted_lab, xp=np):
    """Mean absolute error over pixels and the three channels, CIE units."""
    return xp.mean(xp.abs(predicted_lab - lab), axis=(-3, -2, -1))


def accuracy(lab, predicted_lab, epsilon_percent, xp=np):
    """Eq. 10, in percent: the share of pixels whose three channels are all within epsilon of the truth's.

    Both are rounded to whole CIE units first (half to even), as the authors' code does. 2 % is 2, 4.4 and 4.4 units.
    """
    distance = xp.abs(xp.round(predicted_lab) - xp.round(lab))
    # a hair of slack: 5 * 2.2 is 11.000000238 in float32 but must admit 11 in any precision
    within = xp.all(distance <= epsilon_percent * _CIE_UNITS_PER_PERCENT + 1e-3, axis=-1)
    return 100 * xp.mean(xp.array(within, "float32"), axis=(-2, -1))


def colorfulness(rgb):
    """Hasler and Suesstrunk 2003, M(3): uint8 [B, H, W, 3] -> [B]. 0 for grey; natural photographs about 20 to 60."""
    r, g, b = np.moveaxis(np.asarray(rgb, "float64"), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    axes = (-2, -1)
    spread = np.hypot(rg.std(axes), yb.std(axes))
    return spread + 0.3 * np.hypot(rg.mean(axes), yb.mean(axes))


def streaming_metrics():
    """Keras metrics over scaled Lab, means over images: mae_lab, acc_2, acc_5, and l1 (the cost of Eq. 7, which plateau and best watch)."""
    from keras import metrics, ops  # here, as the rest of this module needs numpy alone

    units = color.unscale
    return [
        metrics.MeanMetricWrapper(lambda y, h: ops.mean(ops.abs(h - y), axis=(1, 2, 3)), name="l1"),
        metrics.MeanMetricWrapper(lambda y, h: mae_lab(units(y), units(h), xp=ops), name="mae_lab"),
        metrics.MeanMetricWrapper(lambda y, h: accuracy(units(y), units(h), 2, xp=ops), name="acc_2"),
        metrics.MeanMetricWrapper(lambda y, h: accuracy(units(y), units(h), 5, xp=ops), name="acc_5"),
    ]


def median_ab(labs, most_pixels=2**26):
    """The median a* and the median b* over batches of Lab: the best constant colour for the MAE. float32 [2].

    Read from histograms of 0.001 units, over the first `most_pixels` pixels: memory does not grow with the data set.
    """
    edge, bins = 130, 260_000
    counts = np.zeros((2, bins + 1), "int64")
    for lab in labs:
        for channel in (0, 1):
            place = np.round((lab[..., 1 + channel].ravel() + edge) * (bins / (2 * edge))).astype("int64")
            counts[channel] += np.bincount(np.clip(place, 0, bins), minlength=bins + 1)
        if counts[0].sum() >= most_pixels:
            break
    middle = [np.searchsorted(np.cumsum(count), count.sum() / 2) for count in counts]
    return (np.array(middle) * (2 * edge / bins) - edge).astype("float32")
