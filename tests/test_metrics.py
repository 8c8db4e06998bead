"""Figures against hand-worked values, and numpy in float64."""

import keras
import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import jensenshannon
from skimage import data
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer import color, metrics


def test_mae_is_the_mean_over_pixels_and_channels():
    truth = np.zeros((2, 1, 2, 3), "float32")
    predicted = truth + np.array([[[[1, 2, 3], [0, 0, 0]]], [[[-6, 0, 0], [0, 0, 0]]]], "float32")
    np.testing.assert_allclose(metrics.mae_lab(truth, predicted), [1, 1])


@pytest.mark.parametrize(
    ("difference", "within_2", "within_5"),
    [
        ([2, 0, 0], 100, 100),  # L* at 2 %: 2 units
        ([3, 0, 0], 0, 100),
        ([5, 0, 0], 0, 100),
        ([6, 0, 0], 0, 0),
        ([0, 4, -4], 100, 100),  # a* and b* at 2 %: 4.4 units, after rounding
        ([0, 5, 0], 0, 100),
        ([0, 0, -11], 0, 100),  # at 5 %: 11 units
        ([0, 12, 0], 0, 0),
        ([0, 4.49, 0], 100, 100),  # rounds to 4
        ([0, 11.49, 0], 0, 100),  # rounds to 11
        ([2.5, 0, 0], 100, 100),  # half to even: 2
        ([-3.5, 0, 0], 0, 100),  # half to even: -4
    ],
)
def test_accuracy_is_eq_10_after_rounding(difference, within_2, within_5):
    truth = np.zeros((1, 1, 1, 3), "float32")
    predicted = truth + np.array(difference, "float32")
    assert metrics.accuracy(truth, predicted, 2) == within_2
    assert metrics.accuracy(truth, predicted, 5) == within_5


def test_accuracy_agrees_with_float64_numpy(rng):
    truth = rng.uniform(-60, 60, (5, 7, 9, 3)).astype("float32")
    predicted = truth + rng.normal(0, 4, truth.shape).astype("float32")
    for percent in (2, 5):
        limits = np.array([percent * 1.0, percent * 2.2, percent * 2.2]) + 1e-9
        distance = np.abs(np.rint(predicted.astype("float64")) - np.rint(truth.astype("float64")))
        np.testing.assert_allclose(metrics.accuracy(truth, predicted, percent), 100 * (distance <= limits).all(-1).mean((1, 2)), rtol=1e-5)


def test_streaming_metrics_are_means_over_images_whatever_the_batches(rng):
    """Unequal batches: the last one of an epoch is smaller."""
    scaled = rng.uniform(-1, 1, (7, 4, 4, 3)).astype("float32")
    predicted = np.clip(scaled + rng.normal(0, 0.05, scaled.shape), -1, 1).astype("float32")
    lab, predicted_lab = color.unscale(scaled), color.unscale(predicted)
    wanted = {
        "l1": np.abs(scaled - predicted).mean(),
        "mae_lab": metrics.mae_lab(lab, predicted_lab).mean(),
        "acc_2": metrics.accuracy(lab, predicted_lab, 2).mean(),
        "acc_5": metrics.accuracy(lab, predicted_lab, 5).mean(),
    }
    for metric in metrics.streaming_metrics():
        for part in (slice(0, 4), slice(4, 6), slice(6, 7)):
            metric.update_state(scaled[part], predicted[part])
        assert float(metric.result()) == pytest.approx(wanted[metric.name], rel=1e-4), metric.name


def test_colorfulness_is_that_of_hasler_and_suesstrunk():
    """Worked by hand: half red, half blue. rg = 255, 0; yb = 127.5, -255."""
    rgb = np.array([[[[255, 0, 0], [0, 0, 255]]]], "uint8")
    spread, mean = np.hypot(127.5, 191.25), np.hypot(127.5, -63.75)
    np.testing.assert_allclose(metrics.colorfulness(rgb), [spread + 0.3 * mean])
    assert metrics.colorfulness(np.full((1, 4, 4, 3), 77, "uint8")) == 0


def test_median_is_that_of_all_pixels_whatever_the_pictures_sizes(rng):
    pictures = [rng.integers(0, 256, (*size, 3), dtype="uint8") for size in ((40, 40), (3, 500), (1, 1), (64, 64))]
    lab = rgb2lab(np.concatenate([rgb.reshape(-1, 3) for rgb in pictures]))
    np.testing.assert_allclose(metrics.median_ab(iter(pictures)), np.median(lab[:, 1:], axis=0), atol=2e-2)
    assert metrics.median_ab(iter(())) is None


@pytest.fixture
def pair(rng):
    """uint8 pictures [3, 60, 83, 3] and what a poor colorizer made of them."""
    rgb = np.stack([data.astronaut()[:60, :83], data.chelsea()[100:160, 100:183], np.full((60, 83, 3), 255, "uint8")])
    return rgb, np.clip(rgb + rng.normal(0, 20, rgb.shape), 0, 255).round().astype("uint8")


def test_psnr_is_scikit_images(pair):
    wanted = [peak_signal_noise_ratio(y, h) for y, h in zip(*pair)]
    np.testing.assert_allclose(metrics.psnr(metrics.squared_error(*pair)), wanted, rtol=1e-5)


def test_psnr_of_equal_pictures_is_100_and_of_opposite_ones_0():
    black, white = np.zeros((1, 2, 2, 3), "uint8"), np.full((1, 2, 2, 3), 255, "uint8")
    np.testing.assert_array_equal(metrics.psnr(metrics.squared_error(black, black)), 100)
    np.testing.assert_allclose(metrics.psnr(metrics.squared_error(black, white)), 0, atol=1e-12)


@pytest.mark.parametrize("size", [(11, 11), (12, 70), (60, 83), (60, 11)])
def test_ssim_is_scikit_images(pair, size):
    """Its gaussian form, which looks at the windows inside alone."""
    y, h = (pictures[:, : size[0], : size[1]] for pictures in pair)
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1)
    np.testing.assert_allclose(metrics.ssim(y, h), [structural_similarity(a, b, **options) for a, b in zip(y, h)], atol=1e-5)


def test_ssim_of_a_large_picture_is_that_of_its_parts(rng):
    """Large pictures are judged in strips: 3 x 3 tiles of one texture, whose windows all recur."""
    tile = rng.integers(0, 256, (2, 400, 400, 3), dtype="uint8")
    y, h = np.tile(tile, (1, 3, 3, 1))[:, None]
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1)
    np.testing.assert_allclose(metrics.ssim(y, h), structural_similarity(y[0], h[0], **options), atol=1e-5)


def test_tiny_pictures_have_no_ssim():
    assert np.isnan(metrics.ssim(np.zeros((2, 10, 40, 3), "uint8"), np.zeros((2, 10, 40, 3), "uint8"))).all()


def test_closeness_is_the_area_under_the_curve_of_zhang(rng):
    """Integrated from the curve itself: the share of pixels within t, for t from 0 to 150."""
    lab, predicted = rng.uniform(-100, 100, (2, 1, 20, 20, 3)).astype("float32")
    distance = np.hypot(*(predicted - lab)[0, ..., 1:].reshape(-1, 2).T)
    t = np.linspace(0, 150, 20_001)
    area = 100 * (distance[:, None] <= t).mean(0).mean()
    np.testing.assert_allclose(metrics.closeness(lab, predicted).mean(), area, atol=0.02)


def test_ab_histogram_is_numpys(rng):
    lab = rng.uniform(-109, 109, (2, 9, 13, 3)).astype("float32")
    weights = rng.uniform(0, 1, (2, 9, 13))
    edges = np.arange(-112.5, 113, 5)
    for image in range(2):
        a, b = lab[image, ..., 1].ravel(), lab[image, ..., 2].ravel()
        np.testing.assert_array_equal(metrics.ab_histogram(lab, 5)[image].reshape(45, 45), np.histogram2d(a, b, [edges, edges])[0])
        weighted = np.histogram2d(a, b, [edges, edges], weights=weights[image].ravel())[0]
        np.testing.assert_allclose(metrics.ab_histogram(lab, 5, weights)[image].reshape(45, 45), weighted)


def test_all_of_srgb_has_its_place_in_the_histogram(every_kind_of_rgb):
    lab = color.lab_from_rgb(every_kind_of_rgb)
    assert np.abs(lab[:, 1:]).max() < metrics.AB_EDGE


def test_jensen_shannon_is_scipys_squared(rng):
    p, q = rng.integers(0, 9, (2, 6, 50)).astype("float64")
    np.testing.assert_allclose(metrics.jensen_shannon(p, q), jensenshannon(p, q, base=2, axis=1) ** 2, atol=1e-12)
    assert metrics.jensen_shannon(p, 7 * p) == pytest.approx(0, abs=1e-12)
    assert metrics.jensen_shannon(np.array([1.0, 0, 0]), np.array([0, 2.0, 3])) == 1


def test_frechet_distance_is_that_of_the_formula(rng):
    """With scipy's matrix square root of the product itself."""
    (m, c), (n, d) = ((x.mean(0), np.cov(x.T)) for x in rng.normal(0, [1, 2, 3, 4], (2, 50, 4)))
    wanted = ((m - n) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert metrics.frechet_distance(m, c, n, d) == pytest.approx(wanted, rel=1e-9)
    assert metrics.frechet_distance(m, c, m, c) == pytest.approx(0, abs=1e-9)
    # one dimension, by hand: (3 - 1)^2 + (2 - 5)^2
    one = [np.array(x, "float64") for x in ([3], [[4]], [1], [[25]])]
    assert metrics.frechet_distance(*one) == pytest.approx(4 + 9)


def test_chroma_is_the_distance_from_grey():
    assert metrics.chroma(np.array([[[[50, 3, 4], [80, 0, 0]]]], "float32")) == pytest.approx(2.5)


def test_metrics_agree_over_both_namespaces(rng):
    truth, predicted = rng.uniform(-50, 50, (2, 3, 5, 5, 3)).astype("float32")
    np.testing.assert_allclose(metrics.mae_lab(truth, predicted, xp=keras.ops), metrics.mae_lab(truth, predicted), rtol=1e-5)
    np.testing.assert_allclose(metrics.accuracy(truth, predicted, 5, xp=keras.ops), metrics.accuracy(truth, predicted, 5), rtol=1e-5)


def test_kernel_distance_is_the_unbiased_mmd_over_pairs_of_different_pictures(rng):
    one, other, weights = rng.normal(0, 1, (7, 5)), rng.normal(0.5, 1, (7, 5)), rng.integers(0, 4, (3, 7))
    found = metrics.kernel_distance(one, other, weights)
    for value, times in zip(found, weights):
        total, count = 0.0, 0
        for i in range(7):
            for j in range(7):
                if i != j:
                    kernel = [(a @ b / 5 + 1) ** 3 for a, b in ((one[i], one[j]), (other[i], other[j]), (one[i], other[j]))]
                    total += times[i] * times[j] * (kernel[0] + kernel[1] - 2 * kernel[2])
                    count += times[i] * times[j]
        assert value == pytest.approx(total / count)
    assert metrics.kernel_distance(one, one, np.ones(7)) == pytest.approx(0)
