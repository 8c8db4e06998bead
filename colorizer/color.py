"""sRGB <-> CIE L*a*b* (D65, 2 degrees), the networks' scaling, and gamut mapping.

Written once over an array namespace `xp`: numpy (the default) or `keras.ops`. Channels last, any leading shape.

    rgb   uint8 0..255, uint16 0..65535 or floating point 0..1: gamma-encoded sRGB
    lab   float32, L* 0..100, a* and b* about -110..110

Constants: IEC 61966-2-1:1999 (sRGB), CIE 15 (L*a*b*), white point (0.95047, 1, 1.08883) as in scikit-image.
"""

import numpy as np

_XYZ_FROM_RGB = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]], "float64")
_WHITE = np.array([0.95047, 1.0, 1.08883], "float64")
_F_FROM_RGB = (_XYZ_FROM_RGB / _WHITE[:, None]).T.astype("float32")  # row vectors: linear rgb @ this = XYZ / white
_RGB_FROM_F = np.linalg.inv((_XYZ_FROM_RGB / _WHITE[:, None]).T).astype("float32")

# f = (L* + 16) / 116 + (a* / 500, 0, -b* / 200), and back
_F_FROM_LAB = np.array([[1 / 116, 1 / 116, 1 / 116], [1 / 500, 0, 0], [0, 0, -1 / 200]], "float32")
_LAB_FROM_F = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], "float32")
_LAB_OFFSET = np.array([-16, 0, 0], "float32")

_SCALE = np.array([1 / 50, 1 / 110, 1 / 110], "float32")
_OFFSET = np.array([-1, 0, 0], "float32")


def _linear_from_srgb(srgb, xp):
    # maximum: where() evaluates both branches, and a negative base would turn gradients into nan
    return xp.where(srgb <= 0.04045, srgb / 12.92, xp.power((xp.maximum(srgb, 0.04045) + 0.055) / 1.055, 2.4))


def _srgb_from_linear(linear, xp):
    return xp.where(linear <= 0.0031308, linear * 12.92, 1.055 * xp.power(xp.maximum(linear, 0.0031308), 1 / 2.4) - 0.055)


_LINEAR_FROM_UINT8 = _linear_from_srgb(np.arange(256) / 255, np).astype("float32")


def lab_from_rgb(rgb, xp=np):
    """L*a*b* of sRGB: [..., 3] -> float32 [..., 3]. Accepts the three forms of `rgb` above."""
    if rgb.dtype.name == "uint8":
        linear = xp.take(_LINEAR_FROM_UINT8, xp.array(rgb, "int32"), axis=0)
    else:
        srgb = xp.array(rgb, "float32")
        linear = _linear_from_srgb(srgb / 65535 if rgb.dtype.name == "uint16" else srgb, xp)
    return _lab_from_linear(linear, xp)


def _lab_from_linear(linear, xp):
    t = xp.matmul(linear, _F_FROM_RGB)
    f = xp.where(t > 0.008856, xp.power(xp.maximum(t, 0.008856), 1 / 3), 7.787 * t + 16 / 116)
    return xp.matmul(f, _LAB_FROM_F) + _LAB_OFFSET


def _linear_from_lab(lab, xp):
    f = xp.matmul(lab, _F_FROM_LAB) + 16 / 116
    t = xp.where(f > 0.2068966, f * f * f, (f - 16 / 116) / 7.787)
    return xp.matmul(t, _RGB_FROM_F)


def srgb_from_lab(lab, xp=np):
    """Gamma-encoded sRGB, float32 0..1, of L*a*b*; colours out of gamut are mapped by `into_gamut` first."""
    return _srgb_from_linear(xp.clip(_linear_from_lab(into_gamut(lab, xp), xp), 0, 1), xp)


def rgb_from_lab(lab, xp=np):
    """8-bit sRGB of L*a*b*: what a person is given. uint8 [..., 3], gamut-mapped, rounded."""
    return xp.array(xp.round(srgb_from_lab(lab, xp) * 255), "uint8")


def into_gamut(lab, xp=np):
    """Lowers the chroma of colours that sRGB cannot show, at constant L* and hue; the others stay as they are.

    The largest share of a*b* that still fits is found by bisection (16 steps: to 0.002 units of a*, b*).
    """
    lab = xp.array(lab, "float32")
    lightness, ab = xp.clip(lab[..., :1], 0, 100), lab[..., 1:]
    inside = _in_gamut(lightness, ab, xp)
    if xp is np:  # numpy can leave out the pixels that are inside already: most, and bisection is what takes the time
        outside = ~inside[..., 0]
        share = np.ones_like(lightness)
        share[outside] = _largest_share_in_gamut(lightness[outside], ab[outside], np)
    else:
        share = xp.where(inside, 1.0, _largest_share_in_gamut(lightness, ab, xp))
    return xp.concatenate([lightness, ab * share], axis=-1)


def _largest_share_in_gamut(lightness, ab, xp):
    low, high = xp.zeros_like(lightness), xp.ones_like(lightness)
    for _ in range(16):
        middle = (low + high) / 2
        fits = _in_gamut(lightness, ab * middle, xp)
        low, high = xp.where(fits, middle, low), xp.where(fits, high, middle)
    return low


def _in_gamut(lightness, ab, xp):
    linear = _linear_from_lab(xp.concatenate([lightness, ab], axis=-1), xp)
    # the margin is above float32's rounding, so that what came from sRGB stays as it is, and far below an 8-bit step
    within = (linear >= -1e-4) & (linear <= 1 + 1e-4)
    return within[..., :1] & within[..., 1:2] & within[..., 2:]


def scale(lab):
    """L*a*b* in CIE units -> the networks' range: L*/50 - 1, a*/110, b*/110 (as the authors' code)."""
    return lab * _SCALE + _OFFSET


def unscale(scaled_lab):
    """The inverse of `scale`."""
    return (scaled_lab - _OFFSET) / _SCALE
