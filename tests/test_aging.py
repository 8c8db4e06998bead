"""Pictures aged at random: by their key alone, in grey, in every direction that age goes."""

import numpy as np
import tensorflow as tf
from skimage import data as photographs

from colorizer import aging, color, evaluation, images

KEY = tf.constant([1, 2], tf.int64)


def batch(count=64):
    return np.stack([photographs.astronaut()[top : top + 64, top : top + 64] for top in range(0, 4 * count, 4)])


def test_no_share_leaves_every_picture_as_it_is():
    rgb = batch(4)
    np.testing.assert_array_equal(aging.aged(rgb, KEY, 0.0), rgb)


def test_the_same_key_gives_the_same_pictures_and_another_others():
    rgb = batch(8)
    once, again, other = (aging.aged(rgb, key, 1.0).numpy() for key in (KEY, KEY, KEY + 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any(axis=(1, 2, 3)).all()


def test_a_share_is_aged_into_grey_and_the_rest_untouched():
    rgb = batch()
    aged = aging.aged(rgb, KEY, 0.4).numpy()
    untouched = (aged == rgb).all(axis=(1, 2, 3))
    assert 0.4 < untouched.mean() < 0.8
    assert (np.ptp(aged[~untouched], axis=-1) == 0).all()


def test_film_sees_colours_by_its_own_weights_and_age_fades_and_roughens():
    red = np.zeros((256, 16, 16, 3), "uint8")
    red[..., 0] = 255
    levels = aging.aged(red, KEY, 1.0).numpy()[..., 0].astype(float)
    assert levels.mean(axis=(1, 2)).std() > 40  # to blue-sensitive film red is black, to others white
    grain = levels.std(axis=(1, 2))
    assert (grain < 1).mean() > 0.2 and (grain > 4).mean() > 0.2
    white = aging.aged(np.full((256, 16, 16, 3), 255, "uint8"), KEY, 1.0).numpy().mean(axis=(1, 2, 3))
    assert white.min() < 220 and white.max() > 250


def test_a_picture_is_judged_by_what_its_aged_self_gives():
    rgb = photographs.astronaut()[:64, :80]
    example = images.Example("a", None, rgb)
    seen = aging.lightness_of(example)
    np.testing.assert_array_equal(seen, aging.lightness_of(example))
    assert seen.shape == (64, 80, 1) and np.abs(seen - color.lightness_from_rgb(rgb)).mean() > 2
    got = []
    spy = evaluation.Predictor("spy", lambda lightness: got.append(lightness) or evaluation.constant([5, 5])(lightness))
    plain, aged = (evaluation.evaluate([spy], [example], seen=each).figures() for each in (None, aging.lightness_of))
    np.testing.assert_array_equal(got[1][0], seen)
    assert plain[1]["ciede2000"] == aged[1]["ciede2000"]  # at the true lightness the same colours
