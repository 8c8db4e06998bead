"""From the network's answer to the picture's own size and lightness."""

import keras
import numpy as np
import pytest
from skimage import data as photographs

from colorizer import color, images, rendering


def test_own_lightness_is_put_back_untouched(rng):
    lab, lightness = rng.normal(size=(4, 4, 3)), rng.normal(size=(4, 4, 1))
    kept = rendering.with_lightness(lab, lightness)
    np.testing.assert_array_equal(kept[..., :1], lightness)
    np.testing.assert_array_equal(kept[..., 1:], lab[..., 1:])


@pytest.mark.parametrize(
    ("picture", "size", "stride", "seen"),
    [
        ((32, 32), 32, 16, (32, 32)),
        ((512, 768), 256, 128, (256, 384)),
        ((768, 512), 256, 128, (384, 256)),
        ((1, 1), 32, 16, (32, 32)),
        ((480, 640), 128, 64, (128, 192)),  # 170.7 to the nearest multiple of 64
        ((3, 5000), 32, 16, (32, 256)),  # squeezed to 8 : 1
        ((5000, 3), 32, 16, (256, 32)),
        ((1000, 8000), 1024, 32, (352, 2912)),  # a megapixel: 362 x 2896
    ],
)
def test_what_the_network_sees_keeps_the_aspect_and_stays_small(picture, size, stride, seen):
    assert rendering.render_shape(*picture, size, stride) == seen


@pytest.fixture
def reduced():
    """A photograph at a quarter of its size, and its own lightness in full: Lab [1, 75, 112, 3], L* [1, 300, 448, 1]."""
    lab = color.lab_from_rgb(photographs.chelsea()[:, :448])
    return images.resized(lab, 75, 112)[None], lab[None, ..., :1]


def enlarged(terms, height, width):
    return np.stack([images.resized(one, height, width, bicubic=True) for one in terms])


def test_guided_terms_at_their_own_size_give_the_prediction_back(reduced):
    lab, _ = reduced
    terms = rendering.guided_terms(lab[..., :1], lab[..., 1:])
    np.testing.assert_allclose(rendering.guided_ab(terms, lab[..., :1]), lab[..., 1:], atol=1e-3)


def test_reducing_the_guided_colours_gives_the_prediction_back(reduced):
    """As near as bicubic alone does: nothing of what the network said is lost on the way up."""
    lab, lightness = reduced
    terms = enlarged(rendering.guided_terms(lab[..., :1], lab[..., 1:]), *lightness.shape[1:3])
    guided = images.resized(rendering.guided_ab(terms, lightness)[0], 75, 112)
    bicubic = images.resized(enlarged(lab[..., 1:], *lightness.shape[1:3])[0], 75, 112)
    off = [np.abs(again - lab[0, ..., 1:]).mean() for again in (guided, bicubic)]
    assert off[0] < 1.1 * off[1] and off[0] < 0.4


def test_guided_colours_turn_where_the_lightness_does():
    """Dark red beside light blue, the edge in the middle of a reduced pixel: guided is nearer to the truth than bicubic."""
    full = np.zeros((1, 64, 60, 3), "float32") + np.array([30, 40, 20], "float32")
    full[:, :, 34:] = [80, -10, -30]
    small = images.resized(full[0], 16, 15)[None]
    terms = rendering.guided_terms(small[..., :1], small[..., 1:])
    guided = rendering.guided_ab(enlarged(terms, 64, 60), full[..., :1])
    errors = [np.abs(ab - full[..., 1:]).mean() for ab in (guided, enlarged(small[..., 1:], 64, 60))]
    assert errors[0] < 0.75 * errors[1]


def test_guided_terms_are_the_same_in_keras(reduced):
    lab, _ = reduced
    numpys = rendering.guided_terms(lab[..., :1], lab[..., 1:])
    kerases = rendering.guided_terms(*(keras.ops.convert_to_tensor(part) for part in (lab[..., :1], lab[..., 1:])), xp=keras.ops)
    np.testing.assert_allclose(kerases, numpys, atol=1e-2)
