"""From the network's answer to the picture's own size and lightness."""

import numpy as np
import pytest

from colorizer import rendering


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
    ],
)
def test_what_the_network_sees_keeps_the_aspect_and_stays_small(picture, size, stride, seen):
    assert rendering.render_shape(*picture, size, stride) == seen
