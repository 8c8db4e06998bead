"""Figures of merit, and the median colour. docs/metrics.md says what each means, and which variant it is.

Functions take the truth and the prediction, [B, H, W, 3], and give one value an image, [B], unless they say otherwise. `lab` is in
CIE units, `rgb` 8-bit sRGB: the delivered picture. Those of Lab that training uses too are written over `xp` (numpy or keras.ops).
"""

import numpy as np

from colorizer import color

# Eq. 10's epsilon, in percent of each channel's range: L* 0..100, a* and b* -110..110
_CIE_UNITS_PER_PERCENT = np.array([1.0, 2.2, 2.2], "float32")
MOST_PSNR = 100.0  # of equal pictures, dB
AB_EDGE = 110  # histograms reach to the squares about -110 and 110, which holds all of sRGB


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


def squared_error(rgb, predicted_rgb):
    """Mean squared error over pixels and channels, squared levels of 0..255."""
    difference = predicted_rgb.astype("float32") - rgb
    return np.mean(difference * difference, axis=(-3, -2, -1), dtype="float64")


def psnr(squared_error):
    """Peak signal-to-noise ratio in dB of a mean squared error in squared levels; at most 100."""
    return np.minimum(10 * np.log10(255**2 / np.maximum(squared_error, 1e-9)), MOST_PSNR)


# Wang, Bovik, Sheikh, Simoncelli 2004: a gaussian window of 11 x 11 pixels, sigma 1.5
_SSIM_SIDE = 11
_SSIM_WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
_SSIM_WINDOW /= _SSIM_WINDOW.sum()


def ssim(rgb, predicted_rgb):
    """Structural similarity (Wang et al. 2004), K = 0.01 and 0.03, mean over windows that lie inside and over channels.

    nan for pictures under 11 pixels on a side, which have no such window.
    """
    height, width = rgb.shape[-3:-1]
    if min(height, width) < _SSIM_SIDE:
        return np.full(rgb.shape[:-3], np.nan)
    total, windows = 0, height - _SSIM_SIDE + 1
    for top in range(0, windows, rows := max(1, 2**18 // (rgb[..., 0, :, 0].size))):  # large pictures would fill the memory
        strip = np.s_[..., top : min(top + rows, windows) + _SSIM_SIDE - 1, :, :]
        total = total + _similarity(rgb[strip], predicted_rgb[strip]).sum(axis=-2)
    return total.mean(axis=(-2, -1)) / windows


def _similarity(rgb, predicted_rgb):
    """The index at every window inside: [B, H, W, 3] -> [B, 3, H - 10, W - 10]."""
    y, h = (np.moveaxis(x, -1, -3).astype("float32") - 128 for x in (rgb, predicted_rgb))  # centred: float32 keeps the variances
    mean_y, mean_h = _windowed(y), _windowed(h)
    variances = _windowed(y * y + h * h) - mean_y * mean_y - mean_h * mean_h
    covariance = _windowed(y * h) - mean_y * mean_h
    mean_y, mean_h = mean_y + 128, mean_h + 128
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_y * mean_h + c1) * (2 * covariance + c2)
    similarity /= (mean_y * mean_y + mean_h * mean_h + c1) * (variances + c2)
    return similarity.astype("float64")


def _windowed(x, block=54):
    """Gaussian means over the windows inside [..., H, W] -> [..., H - 10, W - 10].

    As products with a banded matrix, a block of rows at a time: more sums than needed, and several times as fast.
    """
    for _ in range(2):  # rows, then (transposed) columns
        outputs = x.shape[-2] - _SSIM_SIDE + 1
        rows = min(block, outputs)
        band = sum(weight * np.eye(rows, rows + _SSIM_SIDE - 1, k=k) for k, weight in enumerate(_SSIM_WINDOW)).astype("float32")
        means = np.empty((*x.shape[:-2], outputs, x.shape[-1]), "float32")
        for top in range(0, outputs, rows):
            n = min(rows, outputs - top)
            np.matmul(band[:n, : n + _SSIM_SIDE - 1], x[..., top : top + n + _SSIM_SIDE - 1, :], out=means[..., top : top + n, :])
        x = np.swapaxes(means, -1, -2)
    return x


def closeness(lab, predicted_lab):
    """Percent, [B, H, W]: the area under one pixel's curve of Zhang et al. 2016, which is 1 - distance of a*b* / 150.

    Their AUC is that of the share of pixels whose distance is under t, t = 0..150: the mean of this over the pixels.
    """
    da, db = (predicted_lab[..., channel] - lab[..., channel] for channel in (1, 2))
    return 100 * np.maximum(0, 1 - np.sqrt(da * da + db * db) / 150)


def ab_histogram(lab, unit, weights=None):
    """Pixels, or the sum of their `weights` [B, H, W], in each square of `unit` x `unit` of the a*b* plane: [B, bins].

    The squares lie about the multiples of `unit`, as those of Zhang et al. 2016, so that grey is in the middle of one.
    """
    side = 2 * AB_EDGE // unit + 1
    a, b = (np.clip(np.rint(lab[..., channel] / unit) + side // 2, 0, side - 1).astype("int64") for channel in (1, 2))
    image = np.arange(len(lab)).reshape(-1, 1, 1)
    place = ((image * side + a) * side + b).ravel()
    weights = None if weights is None else weights.ravel()
    return np.bincount(place, weights, minlength=len(lab) * side * side).reshape(len(lab), -1)


def jensen_shannon(counts, other_counts):
    """Jensen-Shannon divergence, base 2, of histograms [..., bins]: 0 where they are alike, 1 where they share no bin."""

    def entropy(share):
        return -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=-1)

    p, q = (x / np.maximum(x.sum(axis=-1, keepdims=True), 1e-9) for x in (counts, other_counts))
    return np.maximum(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2, 0)


def frechet_distance(mean, covariance, other_mean, other_covariance):
    """Of two gaussians: |m - m'|^2 + trace(C + C' - 2 (C C')^1/2). [..., D] and [..., D, D] -> [...]."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    # (C C')^1/2 has the trace of (C^1/2 C' C^1/2)^1/2, which is symmetric
    middle = np.linalg.eigvalsh(root @ other_covariance @ root)
    traces = np.trace(covariance, axis1=-2, axis2=-1) + np.trace(other_covariance, axis1=-2, axis2=-1)
    apart = np.sum((mean - other_mean) ** 2, axis=-1)
    return np.maximum(apart + traces - 2 * np.sqrt(np.maximum(middle, 0)).sum(axis=-1), 0)


def colorfulness(rgb):
    """Hasler and Suesstrunk 2003, M(3): uint8 [B, H, W, 3] -> [B]. 0 for grey; natural photographs about 20 to 60."""
    return colorfulness_of(opponent_moments(rgb))


def opponent_moments(rgb):
    """[B, 4]: the means over the pixels of rg = R - G, its square, yb = (R + G) / 2 - B, its square. Exact."""
    r, g, b = (rgb[..., channel].astype("int32") for channel in range(3))
    rg, double_yb = r - g, r + g - 2 * b
    moments = [x.mean((-2, -1)) for x in (rg, rg * rg, double_yb, double_yb * double_yb)]
    return np.stack(moments, axis=-1) / (1, 1, 2, 4)


def colorfulness_of(moments):
    """The colorfulness of a picture from its opponent_moments: [..., 4] -> [...]."""
    rg, rg_squared, yb, yb_squared = np.moveaxis(moments, -1, 0)
    spread = np.sqrt(np.maximum(rg_squared - rg * rg, 0) + np.maximum(yb_squared - yb * yb, 0))
    return spread + 0.3 * np.hypot(rg, yb)


def chroma(lab):
    """Mean chroma C*ab over the pixels, CIE units."""
    return np.sqrt(lab[..., 1] ** 2 + lab[..., 2] ** 2).mean(axis=(-2, -1), dtype="float64")


def kernel_distance(features, predicted_features, weights):
    """KID of features [N, D] (Binkowski et al. 2018): the unbiased squared MMD by the kernel (x.y / D + 1)^3.

    weights: [..., N], how often each picture counts; [...] comes back. Both lists are of the same pictures in the same order, so a
    picture is not compared with its own prediction either.
    """
    weights = np.asarray(weights, "float64")
    pairs = weights.sum(axis=-1) ** 2 - (weights**2).sum(axis=-1)

    def mean_kernel(one, other):
        kernel = (one.astype("float64") @ other.astype("float64").T / one.shape[1] + 1) ** 3
        np.fill_diagonal(kernel, 0)
        return ((weights @ kernel) * weights).sum(axis=-1) / pairs

    with np.errstate(invalid="ignore", divide="ignore"):
        same = mean_kernel(features, features) + mean_kernel(predicted_features, predicted_features)
        return same - 2 * mean_kernel(features, predicted_features)


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


def median_ab(pictures, most_pixels=2**26):
    """The median a* and the median b* of uint8 sRGB [..., 3] pictures: the best constant colour for the MAE. float32 [2]; None of none.

    Read from histograms of 0.001 units, over the first `most_pixels` pixels: memory does not grow with the data set.
    """
    edge, bins = 130, 260_000
    counts = np.zeros((2, bins + 1), "int64")
    for rgb in _in_chunks(pictures, 2**20):
        lab = color.lab_from_rgb(rgb)
        for channel in (0, 1):
            place = np.round((lab[:, 1 + channel] + edge) * (bins / (2 * edge))).astype("int64")
            counts[channel] += np.bincount(np.clip(place, 0, bins), minlength=bins + 1)
        if counts[0].sum() >= most_pixels:
            break
    if not counts.any():
        return None
    middle = [np.searchsorted(np.cumsum(count), count.sum() / 2) for count in counts]
    return (np.array(middle) * (2 * edge / bins) - edge).astype("float32")


def _in_chunks(pictures, pixels):
    """The pixels of all pictures, [N, 3], about so many at a time."""
    waiting, count = [], 0
    for rgb in pictures:
        waiting.append(rgb.reshape(-1, 3))
        count += len(waiting[-1])
        if count >= pixels:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)
