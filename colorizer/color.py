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
    f = _f_from_linear(xp.matmul(_linear_from_rgb(rgb, xp), _F_FROM_RGB), xp)
    return xp.matmul(f, _LAB_FROM_F) + _LAB_OFFSET


def lightness_from_rgb(rgb, xp=np):
    """L* alone: [..., 3] -> float32 [..., 1]."""
    return 116 * _f_from_linear(xp.matmul(_linear_from_rgb(rgb, xp), _F_FROM_RGB[:, 1:2]), xp) - 16


def _linear_from_rgb(rgb, xp):
    if rgb.dtype.name == "uint8":
        return xp.take(_LINEAR_FROM_UINT8, xp.array(rgb, "int32"), axis=0)
    srgb = xp.array(rgb, "float32")
    return _linear_from_srgb(srgb / 65535 if rgb.dtype.name == "uint16" else srgb, xp)


def _f_from_linear(t, xp):
    return xp.where(t > 0.008856, xp.power(xp.maximum(t, 0.008856), 1 / 3), 7.787 * t + 16 / 116)


def _linear_from_lab(lab, xp):
    f = xp.matmul(lab, _F_FROM_LAB) + 16 / 116
    t = xp.where(f > 0.2068966, f * f * f, (f - 16 / 116) / 7.787)
    return xp.matmul(t, _RGB_FROM_F)


def srgb_from_lab(lab, xp=np):
    """Gamma-encoded sRGB, float32 0..1, of L*a*b*; colours out of gamut are mapped by `into_gamut` first."""
    if xp is np:  # most pixels are inside, and looked at once
        linear = _linear_from_lab(lab, np)
        outside = ~_within(linear)[..., 0]
        linear[outside] = _linear_from_lab(into_gamut(lab[outside]), np)
    else:
        linear = _linear_from_lab(into_gamut(lab, xp), xp)
    return _srgb_from_linear(xp.clip(linear, 0, 1), xp)


def rgb_from_lab(lab, xp=np, dtype="uint8"):
    """8-bit (or, with dtype="uint16", 16-bit) sRGB of L*a*b*: what a person is given. [..., 3], gamut-mapped, rounded."""
    return xp.array(xp.round(srgb_from_lab(lab, xp) * (65535 if dtype == "uint16" else 255)), dtype)


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
    return _within(_linear_from_lab(xp.concatenate([lightness, ab], axis=-1), xp))


def _within(linear):
    # the margin is above float32's rounding, so that what came from sRGB stays as it is, and far below an 8-bit step
    within = (linear >= -1e-4) & (linear <= 1 + 1e-4)
    return within[..., :1] & within[..., 1:2] & within[..., 2:]


def scale(lab):
    """L*a*b* in CIE units -> the networks' range: L*/50 - 1, a*/110, b*/110 (as the authors' code)."""
    return lab * _SCALE + _OFFSET


def unscale(scaled_lab):
    """The inverse of `scale`."""
    return (scaled_lab - _OFFSET) / _SCALE


def ciede2000(lab, other_lab, xp=np):
    """The CIEDE2000 colour difference of two L*a*b* [..., 3] -> [...], kL = kC = kH = 1.

    Sharma, Wu, Dalal 2005, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
    mathematical observations"; equation numbers are theirs. Computes in the precision of its arguments.
    """
    (l1, a1, b1), (l2, a2, b2) = ([x[..., channel] for channel in range(3)] for x in (lab, other_lab))
    c_bar = (xp.sqrt(a1 * a1 + b1 * b1) + xp.sqrt(a2 * a2 + b2 * b2)) / 2  # (2, 3)
    stretch = 1 + 0.5 * (1 - xp.sqrt(_share_over_25(c_bar)))  # 1 + G (4)
    a1, a2 = a1 * stretch, a2 * stretch  # (5)
    c1, c2 = xp.sqrt(a1 * a1 + b1 * b1), xp.sqrt(a2 * a2 + b2 * b2)  # (6)
    h1, h2 = _hue(a1, b1, xp), _hue(a2, b2, xp)  # (7), radians
    turn = h2 - h1
    # the shorter way round (10); of a grey the hue means nothing, and C' = 0 makes dH' 0 by itself (11)
    turn = xp.where(turn > np.pi, turn - 2 * np.pi, xp.where(turn < -np.pi, turn + 2 * np.pi, turn))
    hue_difference = 2 * xp.sqrt(c1 * c2) * xp.sin(turn / 2)
    # the mean hue (14) lies half the way from h1 to h2; where one is grey it is the other's
    hue = xp.where(c1 * c2 == 0, xp.where(c1 == 0, h2, h1), h1 + turn / 2)
    degree = np.pi / 180
    t = (
        1 - 0.17 * xp.cos(hue - 30 * degree) + 0.24 * xp.cos(2 * hue)
        + 0.32 * xp.cos(3 * hue + 6 * degree) - 0.20 * xp.cos(4 * hue - 63 * degree)
    )  # fmt: skip
    hue = xp.where(hue < 0, hue + 2 * np.pi, xp.where(hue >= 2 * np.pi, hue - 2 * np.pi, hue))
    from_275 = (hue - 275 * degree) / (25 * degree)
    c_bar = (c1 + c2) / 2
    rotation = -2 * xp.sqrt(_share_over_25(c_bar)) * xp.sin(60 * degree * xp.exp(-from_275 * from_275))  # (16, 17, 21)
    from_50 = (l1 + l2) / 2 - 50
    from_50 = from_50 * from_50
    lightness_term = (l2 - l1) / (1 + 0.015 * from_50 / xp.sqrt(20 + from_50))  # (8, 18)
    chroma_term = (c2 - c1) / (1 + 0.045 * c_bar)  # (9, 19)
    hue_term = hue_difference / (1 + 0.015 * c_bar * t)  # (20)
    squares = lightness_term * lightness_term + chroma_term * chroma_term + hue_term * hue_term
    return xp.sqrt(xp.maximum(squares + rotation * chroma_term * hue_term, 0))  # (22)


def _hue(a, b, xp):
    angle = xp.arctan2(b, a)
    return xp.where(angle < 0, angle + 2 * np.pi, angle)


def _share_over_25(chroma):
    """C^7 / (C^7 + 25^7), without overflow in float32."""
    seventh = (chroma / 25) ** 7
    return seventh / (seventh + 1)
