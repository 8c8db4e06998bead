"""Colour against scikit-image, which computes in float64."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import TOP
from skimage import color as skimage_color

from colorizer import color


@pytest.fixture
def impossible_lab(rng):
    """Lab far outside of what sRGB shows."""
    return np.stack([rng.uniform(0, 100, 20_000), *rng.uniform(-128, 128, (2, 20_000))], axis=-1).astype("float32")


def test_lab_agrees_with_scikit_image(every_kind_of_rgb):
    np.testing.assert_allclose(color.lab_from_rgb(every_kind_of_rgb), skimage_color.rgb2lab(every_kind_of_rgb), atol=2e-4)


def test_every_form_of_rgb_means_the_same_colour(every_kind_of_rgb):
    """8 bit, 16 bit and floating point."""
    lab = color.lab_from_rgb(every_kind_of_rgb)
    np.testing.assert_allclose(color.lab_from_rgb(every_kind_of_rgb.astype("uint16") * 257), lab, atol=2e-4)
    np.testing.assert_allclose(color.lab_from_rgb(every_kind_of_rgb.astype("float32") / 255), lab, atol=2e-4)


def test_8_bit_colours_survive_the_round_trip(every_kind_of_rgb):
    np.testing.assert_array_equal(color.rgb_from_lab(color.lab_from_rgb(every_kind_of_rgb)), every_kind_of_rgb)


def test_a_colour_alone_is_a_picture_of_one(impossible_lab):
    for lab in impossible_lab[:20]:
        np.testing.assert_array_equal(color.rgb_from_lab(lab), color.rgb_from_lab(lab[None, None])[0, 0])
        np.testing.assert_array_equal(color.into_gamut(lab), color.into_gamut(lab[None, None])[0, 0])


def test_greys_have_no_chroma():
    """R = G = B carries no colour, so a* = b* = 0 at every lightness (to the rounding of the published matrices)."""
    greys = np.repeat(np.arange(256, dtype="uint8")[:, None], 3, axis=1)
    np.testing.assert_allclose(color.lab_from_rgb(greys)[:, 1:], 0, atol=6e-3)


def test_tensorflow_gives_what_numpy_gives(every_kind_of_rgb, impossible_lab):
    """One body of code over two array namespaces."""
    lab = color.lab_from_rgb(every_kind_of_rgb)
    np.testing.assert_allclose(color.lab_from_rgb(tf.constant(every_kind_of_rgb), xp=keras.ops), lab, atol=2e-4)
    in_graph = tf.function(lambda lab: color.rgb_from_lab(lab, xp=keras.ops))(impossible_lab).numpy()
    assert in_graph.dtype == np.uint8
    np.testing.assert_allclose(in_graph.astype(int), color.rgb_from_lab(impossible_lab).astype(int), atol=1)


def test_gamut_mapping_keeps_lightness_and_hue(impossible_lab):
    mapped = color.into_gamut(impossible_lab)
    np.testing.assert_allclose(mapped[:, 0], impossible_lab[:, 0], atol=1e-5)
    a, b, mapped_a, mapped_b = *impossible_lab[:, 1:].T, *mapped[:, 1:].T
    np.testing.assert_allclose(a * mapped_b - b * mapped_a, 0, atol=2e-2)  # parallel ...
    assert np.all(a * mapped_a + b * mapped_b >= 0)  # ... and not opposite


def test_gamut_mapping_reaches_the_gamut_and_no_further(impossible_lab):
    """scikit-image, which clips channels, has next to nothing left to clip; 1 % more chroma would be outside."""
    mapped = color.into_gamut(impossible_lab)
    linear = _unclipped_linear_rgb(mapped)
    assert linear.min() > -2e-4 and linear.max() < 1 + 2e-4
    changed = np.abs(mapped - impossible_lab).max(axis=1) > 0.1
    assert 0.5 < changed.mean() < 1
    beyond = mapped[changed] * [1, 1.01, 1.01] + [0, 0.01, 0.01] * np.sign(mapped[changed])
    outside = _unclipped_linear_rgb(beyond)
    assert np.mean((outside.min(axis=1) < 0) | (outside.max(axis=1) > 1)) > 0.999


def test_delivered_lightness_is_the_lightness_asked_for(impossible_lab):
    """To the rounding of 8 bit: L* of what is delivered, read by scikit-image."""
    delivered = skimage_color.rgb2lab(color.rgb_from_lab(impossible_lab))
    assert np.abs(delivered[:, 0] - impossible_lab[:, 0]).max() < 0.6


def test_scaling_is_that_of_the_authors_code():
    lab = np.array([[0, -110, 110], [100, 0, 55]], "float32")
    np.testing.assert_allclose(color.scale(lab), [[-1, -1, 1], [1, 0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(color.unscale(color.scale(lab)), lab, atol=1e-5)


def test_gradients_are_finite_at_black_white_and_out_of_gamut():
    rgb = tf.constant([[0.0, 0, 0], [1, 1, 1], [0.5, 0, 1]])
    lab = tf.constant([[0.0, 0, 0], [100, 0, 0], [50, 100, 100], [0, -100, 100]])
    with tf.GradientTape() as tape:
        tape.watch([rgb, lab])
        out = tf.reduce_sum(color.lab_from_rgb(rgb, xp=keras.ops)) + tf.reduce_sum(color.srgb_from_lab(lab, xp=keras.ops))
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(out, [rgb, lab]))


def _unclipped_linear_rgb(lab):
    """By scikit-image's XYZ, in float64."""
    return skimage_color.lab2xyz(lab.astype("float64")) @ np.linalg.inv(skimage_color.colorconv.xyz_from_rgb).T


def test_ciede2000_is_that_of_sharma_wu_and_dalal():
    """Their table of pairs on which implementations go wrong, either way round."""
    table = np.loadtxt(os.path.join(TOP, "tests/data/ciede2000.txt"))
    lab, other, wanted = table[:, :3], table[:, 3:6], table[:, 6]
    assert len(table) == 34
    np.testing.assert_allclose(color.ciede2000(lab, other), wanted, atol=5e-5)
    np.testing.assert_allclose(color.ciede2000(other, lab), wanted, atol=5e-5)


def test_ciede2000_agrees_with_scikit_image_in_single_precision_and_in_keras(rng):
    pairs = rng.uniform([0, -110, -110], [100, 110, 110], (2, 20_000, 3))
    pairs[1, :5000] = pairs[0, :5000] + rng.normal(0, 2, (5000, 3))  # near colours, as a good prediction has them
    pairs[:, :100, 1:] = 0  # greys
    wanted = skimage_color.deltaE_ciede2000(*pairs)
    np.testing.assert_allclose(color.ciede2000(*pairs), wanted, atol=1e-10)
    single = pairs.astype("float32")
    assert color.ciede2000(*single).dtype == "float32"
    np.testing.assert_allclose(color.ciede2000(*single), wanted, atol=2e-3)
    np.testing.assert_allclose(color.ciede2000(*single, xp=keras.ops), wanted, atol=2e-3)


def test_lightness_alone_is_that_of_lab(every_kind_of_rgb):
    for rgb in (every_kind_of_rgb, every_kind_of_rgb.astype("uint16") * 257):
        np.testing.assert_allclose(color.lightness_from_rgb(rgb), color.lab_from_rgb(rgb)[:, :1], atol=1e-4)
