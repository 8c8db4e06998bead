"""From what a network answers to the Lab of the picture that a person gets. Over `xp`: numpy (the default) or keras.ops."""

import numpy as np

MOST_ASPECT = 8  # a longer picture is squeezed for the network: a strip of 3 x 5000 must not become 109 megapixels


def render_shape(height, width, size, stride):
    """(height, width) at which a network of this render size and stride sees a picture.

    The aspect is kept, the short side is `size`, both sides are multiples of `stride`.
    """
    short, long = sorted((height, width))
    sides = size, size * min(long / short, MOST_ASPECT)
    short, long = (max(1, round(side / stride)) * stride for side in sides)
    return (short, long) if height <= width else (long, short)


def vivid(lab, vividness, gain, xp=np):
    """The answer with its colours moved from the most accurate (vividness 0) to as colourful as nature (1).

    ab(v) = R + v (B - R), where a network with one answer R has B = gain x R.
    """
    return xp.concatenate([lab[..., :1], lab[..., 1:] * (1 + vividness * (gain - 1))], axis=-1)


def with_lightness(lab, lightness, xp=np):
    """The colours of `lab` [..., 3] at the picture's own `lightness` [..., 1]."""
    return xp.concatenate([lightness, lab[..., 1:]], axis=-1)
