"""The costs against float64 written out from the paper's equations."""

import numpy as np
import pytest
import tensorflow as tf

from colorizer import losses


@pytest.fixture
def logits(rng):
    return rng.normal(0, 3, (2, 5, 4, 4, 1)).astype("float32")


def probability(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


def test_eq_1_and_eq_5_are_the_generators_costs(logits):
    fake = probability(logits[0])
    assert float(losses.saturating_cost(logits[0])) == pytest.approx(np.mean(np.log(1 - fake)), rel=1e-5)
    assert float(losses.non_saturating_cost(logits[0])) == pytest.approx(-np.mean(np.log(fake)), rel=1e-5)


@pytest.mark.parametrize("real_label", [1.0, 0.9])
def test_eq_8_is_the_discriminators_cost_with_one_sided_smoothing(logits, real_label):
    real, fake = probability(logits[0]), probability(logits[1])
    cross_entropy = -np.mean(real_label * np.log(real) + (1 - real_label) * np.log(1 - real)) - np.mean(np.log(1 - fake))
    assert float(losses.discriminator_cost(*logits, real_label)) == pytest.approx(cross_entropy, rel=1e-5)


def test_the_best_answer_to_true_images_is_the_smoothed_label():
    """The derivative of the cost vanishes where sigmoid(logit) = 0.9."""
    logit = tf.Variable(np.log(0.9 / 0.1), dtype=tf.float64)
    with tf.GradientTape() as tape:
        cost = losses.discriminator_cost(logit, tf.constant(-100.0, tf.float64), 0.9)
    assert float(tape.gradient(cost, logit)) == pytest.approx(0, abs=1e-7)


def test_eq_9_and_the_l1_term_are_means_over_pixels_and_channels():
    truth, predicted = np.zeros((1, 1, 2, 3), "float32"), np.array([[[[1, 0, 0], [0, -2, 3]]]], "float32")
    assert float(losses.l1_cost(truth, predicted)) == pytest.approx(6 / 6)
    np.testing.assert_allclose(losses.l2_cost(np.stack([truth, truth])[:, 0], np.stack([predicted, truth])[:, 0]), [14 / 6, 0])


def test_only_the_saturating_cost_loses_its_gradient_while_the_discriminator_is_ahead():
    """Fig. 1: at D(G) near 0 the slope by the logit is D(G) under Eq. 1, and 1 under Eq. 5."""
    slopes = {}
    for name, cost in losses.ADVERSARIAL_COSTS.items():
        logit = tf.Variable(-8.0)
        with tf.GradientTape() as tape:
            value = cost(logit)
        slopes[name] = abs(float(tape.gradient(value, logit)))
    assert slopes["saturating"] == pytest.approx(1 / (1 + np.exp(8)), rel=1e-3)
    assert slopes["non_saturating"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("logit", [-1e4, 0.0, 1e4])
def test_costs_are_finite_for_any_logit(logit):
    logit = np.float32(logit)
    values = [losses.saturating_cost(logit), losses.non_saturating_cost(logit), losses.discriminator_cost(logit, logit)]
    assert np.isfinite(values).all()


def test_the_distance_of_colours_is_euclidean_and_smooth_at_0():
    ab, predicted = np.zeros((1, 2, 2), "float32"), np.array([[[3, 4], [0, 0]]], "float32")
    assert float(losses.distance_cost(ab, predicted)) == pytest.approx((np.sqrt(26) + 1) / 2)
    answer = tf.Variable(ab)
    with tf.GradientTape() as tape:
        cost = losses.distance_cost(ab, answer)
    np.testing.assert_array_equal(tape.gradient(cost, answer), 0)


def test_the_bins_cost_is_the_cross_entropy_of_the_nearest_bin(rng):
    ab, logits, palette = rng.normal(0, 30, (2, 3, 2)), rng.normal(0, 3, (2, 3, 7)), rng.normal(0, 30, (7, 2))
    nearest = np.argmin(np.linalg.norm(ab[..., None, :] - palette, axis=-1), axis=-1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    wanted = -np.log(np.take_along_axis(shares, nearest[..., None], axis=-1)).mean()
    assert float(losses.bins_cost(*(x.astype("float32") for x in (ab, logits, palette)))) == pytest.approx(wanted, rel=1e-5)
