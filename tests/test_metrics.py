"""Figures against hand-worked values, and numpy in float64."""

import keras
import numpy as np
import pytest

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


def test_median_is_numpys(rng):
    labs = [rng.normal([50, 3, -7], [20, 15, 25], (count, 6, 6, 3)).astype("float32") for count in (40, 40, 3)]
    everything = np.concatenate([lab.reshape(-1, 3) for lab in labs])
    np.testing.assert_allclose(metrics.median_ab(labs), np.median(everything[:, 1:], axis=0), atol=2e-2)


def test_metrics_agree_over_both_namespaces(rng):
    truth, predicted = rng.uniform(-50, 50, (2, 3, 5, 5, 3)).astype("float32")
    np.testing.assert_allclose(metrics.mae_lab(truth, predicted, xp=keras.ops), metrics.mae_lab(truth, predicted), rtol=1e-5)
    np.testing.assert_allclose(metrics.accuracy(truth, predicted, 5, xp=keras.ops), metrics.accuracy(truth, predicted, 5), rtol=1e-5)
