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

_LAB_FROM_F = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], "float32")
_LAB_OFFSET = np.array([-16, 0, 0], "float32")

# above float32's rounding, so that what came from sRGB stays as it is, and far below an 8-bit step
_GAMUT_MARGIN = 1e-4

AB_SCALE = 110
# of L*, a*, b*, and the a*, b* of a second answer
_SCALE = np.array([1 / 50] + 4 * [1 / AB_SCALE], "float32")
_OFFSET = np.array([-1] + 4 * [0], "float32")


# Each curve is a power above its knee and a line below. Both parts are evaluated at values clipped to their own side and added:
# where() would be slower on many-coloured pictures than both, and turn the gradients of negative bases into nan.


def _linear_from_srgb(srgb, xp):
    return xp.power((xp.maximum(srgb, 0.04045) + 0.055) / 1.055, 2.4) + (xp.minimum(srgb, 0.04045) - 0.04045) / 12.92


def _srgb_from_linear(linear, xp):
    return 1.055 * xp.power(xp.maximum(linear, 0.0031308), 1 / 2.4) - 0.055 + 12.92 * (xp.minimum(linear, 0.0031308) - 0.0031308)


def _f_from_linear(t, xp):
    above = xp.maximum(t, 0.008856)
    return (np.cbrt(above) if xp is np else xp.power(above, 1 / 3)) + 7.787 * (xp.minimum(t, 0.008856) - 0.008856)


def _linear_from_f(f, xp):
    above, below = xp.maximum(f, 0.2068966), xp.minimum(f, 0.2068966)
    t = above * above
    t *= above  # in place, where arrays can
    below -= 0.2068966
    below *= 1 / 7.787
    t += below
    return t


_LINEAR_FROM = {depth: _linear_from_srgb(np.linspace(0, 1, np.iinfo(depth).max + 1), np).astype("float32") for depth in ("uint8", "uint16")}
# 8-bit sRGB of linear light in 65,536 steps: at most 0.03 of an 8-bit step apart, near black, where they are widest
_UINT8_FROM_LINEAR = np.round(255 * _srgb_from_linear(np.linspace(0, 1, 65536), np)).astype("uint8")


def lab_from_rgb(rgb, xp=np):
    """L*a*b* of sRGB: [..., 3] -> float32 [..., 3]. Accepts the three forms of `rgb` above."""
    f = _f_from_linear(xp.matmul(_linear_from_rgb(rgb, xp), _F_FROM_RGB), xp)
    return xp.matmul(f, _LAB_FROM_F) + _LAB_OFFSET


def lightness_from_rgb(rgb, xp=np):
    """L* alone: [..., 3] -> float32 [..., 1]."""
    luminance = sum(float(weight) * _linear_from_rgb(rgb[..., c : c + 1], xp) for c, weight in enumerate(_F_FROM_RGB[:, 1]))
    return 116 * _f_from_linear(luminance, xp) - 16


def _linear_from_rgb(rgb, xp):
    if rgb.dtype.name in _LINEAR_FROM:
        return xp.take(_LINEAR_FROM[rgb.dtype.name], rgb if xp is np else xp.array(rgb, "int32"), axis=0)
    return _linear_from_srgb(xp.array(rgb, "float32"), xp)


def _linear_from_lab(lightness, a, b, xp):
    """Linear [R, G, B], planes of any shape, of L*, a*, b*."""
    f = (lightness + 16) / 116
    x, y, z = (_linear_from_f(each, xp) for each in (f + a / 500, f, f - b / 200))
    linear = []
    for of_x, of_y, of_z in _RGB_FROM_F.T.tolist():
        plane = x * of_x
        plane += y * of_y
        plane += z * of_z
        linear.append(plane)
    return linear


def srgb_from_lab(lab, xp=np, mapped=False):
    """Gamma-encoded sRGB, float32 0..1, of L*a*b*; colours out of gamut are mapped by `into_gamut` first, unless they have been."""
    return xp.stack([_srgb_from_linear(plane, xp) for plane in _linear_in_gamut(lab, xp, mapped)], axis=-1)


def rgb_from_lab(lab, xp=np, dtype="uint8", mapped=False):
    """8-bit (or, with dtype="uint16", 16-bit) sRGB of L*a*b*: what a person is given. [..., 3], gamut-mapped, rounded."""
    if xp is not np or dtype != "uint8":
        return xp.array(xp.round(srgb_from_lab(lab, xp, mapped) * (65535 if dtype == "uint16" else 255)), dtype)
    rgb = np.empty(lab.shape, "uint8")
    for channel, linear in enumerate(_linear_in_gamut(lab, np)):
        rgb[..., channel] = np.take(_UINT8_FROM_LINEAR, (linear * 65535 + 0.5).astype("uint16"))
    return rgb


def _linear_in_gamut(lab, xp, mapped=False):
    """Linear [R, G, B] within 0..1 of L*a*b* [..., 3]."""
    if len(lab.shape) == 1:  # one colour
        return [plane[0] for plane in _linear_in_gamut(lab[None], xp)]
    lightness, a, b = xp.clip(lab[..., 0], 0, 100), lab[..., 1], lab[..., 2]
    linear = _linear_from_lab(lightness, a, b, xp)
    if xp is np:  # only the pixels outside are mapped: few, and mapping is what takes the time
        outside = np.nonzero(_room(linear, np) < -_GAMUT_MARGIN)
        if len(outside[0]):
            share = _largest_share_in_gamut(lightness[outside], a[outside], b[outside], np)
            inside = _linear_from_lab(lightness[outside], a[outside] * share, b[outside] * share, np)
            for plane, its_inside in zip(linear, inside):
                plane[outside] = its_inside
    elif not mapped:
        share = xp.where(_room(linear, xp) < -_GAMUT_MARGIN, _largest_share_in_gamut(lightness, a, b, xp), 1.0)
        linear = _linear_from_lab(lightness, a * share, b * share, xp)
    return [xp.clip(plane, 0, 1) for plane in linear]


def into_gamut(lab, xp=np):
    """Lowers the chroma of colours that sRGB cannot show, at constant L* and hue; the others stay as they are. float32 [..., 3].

    The largest share of a*b* that still fits is found by ten bisections and a secant: to 0.1 units of a*, b* at worst, 0.0001 of
    999 in 1,000 colours.
    """
    lab = xp.array(lab, "float32")
    lightness, a, b = xp.clip(lab[..., 0], 0, 100), lab[..., 1], lab[..., 2]
    share = xp.where(is_outside(lab, xp), _largest_share_in_gamut(lightness, a, b, xp), 1.0)
    return xp.stack([lightness, a * share, b * share], axis=-1)


def is_outside(lab, xp=np):
    """Which colours sRGB cannot show: bool [...]."""
    return _room(_linear_from_lab(xp.clip(lab[..., 0], 0, 100), lab[..., 1], lab[..., 2], xp), xp) < -_GAMUT_MARGIN


def _largest_share_in_gamut(lightness, a, b, xp):
    def room_at(share):
        return _room(_linear_from_lab(lightness, a * share, b * share, xp), xp)

    share, step = xp.zeros_like(lightness), 1.0
    for _ in range(10):
        step /= 2
        share = share + step * xp.array(room_at(share + step) >= 0, "float32")
    # within the last step the room is as good as linear
    room, lack = xp.maximum(room_at(share), 0), xp.maximum(-room_at(share + step), 1e-9)
    return share + step * room / (room + lack)


def _room(linear, xp):
    """How far linear [R, G, B] are from the gamut's border; negative outside."""
    red, green, blue = linear
    least, most = xp.minimum(xp.minimum(red, green), blue), xp.maximum(xp.maximum(red, green), blue)
    return xp.minimum(least, 1 - most)


def scale(lab):
    """L*a*b* in CIE units -> the networks' range: L*/50 - 1, a*/110, b*/110 (as the authors' code)."""
    return lab * _SCALE[: lab.shape[-1]] + _OFFSET[: lab.shape[-1]]


def unscale(scaled_lab):
    """The inverse of `scale`; also of a network with two answers, [..., 5]: L*, a*, b*, a*, b*."""
    channels = scaled_lab.shape[-1]
    return (scaled_lab - _OFFSET[:channels]) / _SCALE[:channels]


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
