"""From what a network answers to the Lab of the picture that a person gets. Over `xp`: numpy (the default) or keras.ops."""

import numpy as np

GUIDED_EPSILON = 320.0  # L* units squared; benchmarks/upsampling.py
MOST_RENDER_PIXELS = 2**20  # at a sixteenth of both sides attention compares 4,096 places with each other: 268 MB for four heads
MOST_ASPECT = 8  # a longer picture is squeezed for the network: a strip of 3 x 5000 must not become 109 megapixels


def render_shape(height, width, size, stride, xp=np):
    """(height, width) at which a network of this render size and stride sees a picture: ints, or with keras.ops int32 scalars.

    The aspect is kept, the short side is `size`, or what MOST_RENDER_PIXELS allow, both sides are multiples of `stride`.
    """
    height, width = xp.array(height, "float64"), xp.array(width, "float64")
    short, long = xp.minimum(height, width), xp.maximum(height, width)
    aspect = xp.minimum(long / short, MOST_ASPECT)
    size = xp.minimum(size, xp.sqrt(MOST_RENDER_PIXELS / aspect))
    short, long = (xp.array(xp.maximum(1, xp.round(side / stride)), "int32") * stride for side in (size, size * aspect))
    shape = xp.where(height <= width, short, long), xp.where(height <= width, long, short)
    return tuple(map(int, shape)) if xp is np else shape


def guided_terms(lightness, ab, xp=np):
    """What brings a*b* back to full size along the edges of the lightness: [B, h, w, 1], [B, h, w, 2] -> [B, h, w, 4].

    The local slope of a* and of b* in L*, and what is left of them: ab = slope x lightness + rest. Enlarged, with the
    full-size lightness in place of the reduced one, that is guided_ab(). It is the fast guided filter (He and Sun 2015) plus
    the residual that plain filtering would lose, whose offsets cancel; so reducing the result gives `ab` back.
    """
    mean_lightness, mean_ab = _box_mean(lightness, xp), _box_mean(ab, xp)
    covariance = _box_mean(lightness * ab, xp) - mean_lightness * mean_ab
    variance = _box_mean(lightness * lightness, xp) - mean_lightness * mean_lightness
    slope = _box_mean(covariance / (variance + GUIDED_EPSILON), xp)
    return xp.concatenate([slope, ab - slope * lightness], axis=-1)


def plain_terms(ab, xp=np):
    """The same for guided_ab() to bring a*b* back as they are, blind to the lightness: [B, h, w, 2] -> [B, h, w, 4]."""
    return xp.concatenate([xp.zeros_like(ab), ab], axis=-1)


def guided_ab(terms, lightness):
    """a*b* [..., 2] from guided_terms() [..., 4] enlarged to the size of `lightness` [..., 1]."""
    return terms[..., :2] * lightness + terms[..., 2:]


def _box_mean(x, xp):
    """Means over 3 x 3 pixels of [B, h, w, C], the edge repeated."""
    x = (xp.concatenate([x[:, :1], x[:, :-1]], axis=1) + x + xp.concatenate([x[:, 1:], x[:, -1:]], axis=1)) / 3
    return (xp.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2) + x + xp.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)) / 3


def vivid(lab, vividness, gain, xp=np):
    """The answer with its colours moved from the most accurate (vividness 0) to as colourful as nature (1).

    ab(v) = R + v (B - R). `lab` is L*, R and B [..., 5] of a network with two answers; one with one, [..., 3], has B = gain x R.
    """
    accurate = lab[..., 1:3]
    vivid = lab[..., 3:] if lab.shape[-1] == 5 else gain * accurate
    return xp.concatenate([lab[..., :1], accurate + vividness * (vivid - accurate)], axis=-1)


def with_lightness(lab, lightness, xp=np):
    """The colours of `lab` [..., 3] at the picture's own `lightness` [..., 1]."""
    return xp.concatenate([lightness, lab[..., 1:]], axis=-1)
