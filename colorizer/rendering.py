"""From what a network answers to the Lab of the picture that a person gets. Over `xp`: numpy (the default) or keras.ops."""

import numpy as np


def vivid(lab, vividness, gain, xp=np):
    """The answer with its colours moved from the most accurate (vividness 0) to as colourful as nature (1).

    ab(v) = R + v (B - R), where a network with one answer R has B = gain x R.
    """
    return xp.concatenate([lab[..., :1], lab[..., 1:] * (1 + vividness * (gain - 1))], axis=-1)


def with_lightness(lab, lightness, xp=np):
    """The colours of `lab` [..., 3] at the picture's own `lightness` [..., 1]."""
    return xp.concatenate([lightness, lab[..., 1:]], axis=-1)
