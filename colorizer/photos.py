"""Photographs as archives keep them: 8 or 16 bits, ICC profiles, alpha, pages and frames, metadata. pyvips lives here alone.

images.py reads what training and evaluation need, 8-bit sRGB; this reads and writes whole files without loss.
"""

import dataclasses
import io
import os
import pathlib
import re
import xml.etree.ElementTree as xml

import numpy as np
import pyvips
from absl import logging
from PIL import Image, ImageCms

from colorizer import ColorizerError, __version__, images

_SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif"}
_WRITTEN = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif"))
# of the picture that was read, not of the one that is written
_NOT_METADATA = frozenset(
    "width height bands format coding interpretation xoffset yoffset xres yres filename vips-loader vips-sequential bits-per-sample"
    " palette icc-profile-data jpeg-multiscan jpeg-chroma-subsample interlaced background gif-palette png-filter".split()
)
pyvips.cache_set_max(0)  # it would give an old picture under a new file's name


@dataclasses.dataclass(frozen=True)
class Photo:
    """A file's pictures, upright and in sRGB.

    frames: uint8 or uint16 [H, W, 3] each, one but for pages and animations. alphas: [H, W, 1] each, or None.
    header: what else the file carries, as pyvips has it, or None.
    """

    path: pathlib.Path
    frames: list
    alphas: list | None
    header: object


def read(path, max_pixels=300_000_000):
    """The Photo in a file. Raises ColorizerError: what is wrong with the file, or that it has more pixels than `max_pixels`."""
    path = pathlib.Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ColorizerError(f"{path}: {error.strerror}") from error
    if not path.is_file():
        raise ColorizerError(f"{path}: not a file")
    if not size:
        raise ColorizerError(f"{path}: empty")
    if not os.access(path, os.R_OK):
        raise ColorizerError(f"{path}: Permission denied")
    loader = _loader(path)
    if loader in (None, "VipsForeignLoadSvgFile") or (loader == "VipsForeignLoadTiffFile" and _is_ycbcr(path)):
        return _read_by_pillow(path, max_pixels)
    try:
        return _read_by_vips(path, max_pixels)
    except pyvips.Error as error:
        raise ColorizerError(f"{path}: cannot be read ({_reason(error)})") from error


def _reason(error):
    """The first line that libvips has to say, without the operation's name."""
    return (error.detail or str(error)).strip().splitlines()[0]


def _loader(path):
    found = pyvips.vips_lib.vips_foreign_find_load(os.fsencode(path))
    return None if found == pyvips.ffi.NULL else pyvips.ffi.string(found).decode()


def _is_ycbcr(path):
    """libvips takes YCbCr for RGB in an uncompressed TIFF, and stumbles over 8-bit Lab."""
    try:
        with Image.open(path) as picture:
            return picture.mode in ("YCbCr", "LAB")
    except Exception:  # of broken files Pillow raises nearly everything; libvips then says what is wrong
        return False


def _read_by_vips(path, max_pixels):
    name = os.fsdecode(path)
    first = pyvips.Image.new_from_file(name, fail_on="error")
    pages = first.get("n-pages") if "n-pages" in first.get_fields() else 1
    _check_size(path, first.width * first.height * pages, max_pixels)
    upright = []
    for page in range(pages):
        picture = first if page == 0 else pyvips.Image.new_from_file(name, page=page, fail_on="error")
        _check_size(path, picture.width * picture.height * pages, max_pixels)
        upright.append(_in_srgb(path, picture.autorot()))
    frames, alphas = zip(*(_arrays(picture) for picture in upright))
    if pages > 1:  # delays, loops: what only the whole file says
        first = pyvips.Image.new_from_file(name, n=-1, access="sequential")
    else:
        first = upright[0]
    return Photo(path, list(frames), list(alphas) if alphas[0] is not None else None, first)


def _check_size(path, pixels, max_pixels):
    if pixels > max_pixels:
        raise ColorizerError(f"{path}: {pixels / 1e6:.0f} megapixels, over --max_pixels ({max_pixels / 1e6:.0f} million)")


def _in_srgb(path, picture):
    """The picture as 8- or 16-bit sRGB, with its alpha."""
    if picture.format in ("float", "double", "complex", "dpcomplex"):
        raise ColorizerError(f"{path}: floating-point picture, whose range is unknown")
    if picture.format in ("int", "uint", "short"):
        if picture.min() < 0 or picture.max() > 65535:
            raise ColorizerError(f"{path}: values from {picture.min():.0f} to {picture.max():.0f}, beyond 16 bits")
        picture = picture.cast("ushort").copy(interpretation="grey16" if picture.bands < 3 else "rgb16")
    deep = picture.format == "ushort"
    profile = picture.get("icc-profile-data") if "icc-profile-data" in picture.get_fields() else None
    if picture.interpretation == "cmyk" or (profile is not None and not _is_srgb(profile)):
        try:
            picture = picture.icc_transform("srgb", embedded=True, input_profile="cmyk" if picture.interpretation == "cmyk" else "srgb",
                                            depth=16 if deep else 8)  # fmt: skip
        except pyvips.Error:
            logging.warning("%s: its colour profile cannot be used and is passed over", path)
    return picture.colourspace("rgb16" if deep else "srgb")


def _is_srgb(profile):
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (ImageCms.PyCMSError, OSError):
        return False


def _arrays(picture):
    """(rgb [H, W, 3], alpha [H, W, 1] or None)."""
    whole = picture.numpy().reshape(picture.height, picture.width, picture.bands)
    return np.ascontiguousarray(whole[..., :3]), whole[..., 3:4].copy() if picture.hasalpha() else None


def _read_by_pillow(path, max_pixels):
    """What libvips does not read: BMP, PPM, TGA, JPEG 2000, palettes of old."""
    Image.MAX_IMAGE_PIXELS = max_pixels // 2 + 1  # Pillow raises at twice that
    return Photo(path, [images.read_rgb(path)], None, None)


def suffix_of(path, format="same"):
    """The suffix of the output for an input: that of a format, or the input's own, or .png where that cannot be written."""
    if format != "same":
        return _SUFFIXES[format]
    return path.suffix if path.suffix.lower() in _WRITTEN else ".png"


def side_by_side(before, after):
    """A Photo of two: before | after, wide pictures one below the other."""
    axis = 1 if before.frames[0].shape[1] <= 1.5 * before.frames[0].shape[0] else 0
    frames, alphas = (
        [np.concatenate(pair, axis=axis) for pair in zip(*parts)] if parts[0] is not None else None
        for parts in ((before.frames, after.frames), (before.alphas, after.alphas))
    )
    return dataclasses.replace(after, frames=frames, alphas=alphas)


# ---- writing ----------------------------------------------------------------------------------------------------------


def write(path, photo, quality=95, label=None):
    """Writes a photo with all else that its file carries, whole or not at all.

    The suffix of `path` says the format; JPEG and WebP at `quality`, JPEG at 4:4:4; 16 bits stay 16 bits in PNG and TIFF.
    label: {name: value} of what coloured it, noted in its XMP. Raises ColorizerError where it cannot be written.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    picture = _assembled(photo, deep=suffix in (".png", ".tif", ".tiff"))
    if label:
        xmp = picture.get("xmp-data") if "xmp-data" in picture.get_fields() else None
        picture.set_type(pyvips.GValue.blob_type, "xmp-data", labelled_xmp(xmp, label))
    options = {
        ".png": dict(compression=6),
        ".tif": dict(compression="deflate", predictor="horizontal", bigtiff=picture.width * picture.height > 400_000_000),
        ".webp": dict(Q=quality, effort=4),
        ".gif": {},
    }
    options[".tiff"] = options[".tif"]
    with images.replacing(path) as aside:
        try:
            picture.write_to_file(os.fsdecode(aside), **options.get(suffix, dict(Q=quality, subsample_mode="off", optimize_coding=True)),
                                  **({} if suffix == ".gif" else {"profile": "srgb"}))  # fmt: skip
        except pyvips.Error as error:
            raise ColorizerError(f"{path}: cannot be written ({_reason(error)})") from error


def _assembled(photo, deep):
    """Frames, one below the other as libvips has them, with alpha and metadata."""
    if len({frame.shape for frame in photo.frames}) > 1:
        raise ColorizerError(f"{photo.path}: pages of different sizes; split it first")
    stacked = photo.frames
    if photo.alphas is not None:
        stacked = [np.concatenate(pair, axis=2) for pair in zip(photo.frames, photo.alphas)]
    whole = np.concatenate(stacked)
    if whole.dtype == np.uint16 and not deep:
        whole = (whole // 257).astype("uint8")
    picture = pyvips.Image.new_from_array(whole, interpretation="rgb16" if whole.dtype == np.uint16 else "srgb")
    if photo.header is not None:
        picture = picture.copy(xres=photo.header.xres, yres=photo.header.yres)
        for field in set(photo.header.get_fields()) - _NOT_METADATA:
            picture.set_type(photo.header.get_typeof(field), field, photo.header.get(field))
        picture.set_type(pyvips.GValue.gint_type, "orientation", 1)  # it is upright now
        if len(photo.frames) > 1:
            picture.set_type(pyvips.GValue.gint_type, "page-height", photo.frames[0].shape[0])
    return picture


_NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "colorizer": "https://pypi.org/project/colorizer/",
}
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def labelled_xmp(xmp, label):
    """An XMP packet, the given one or a new one, that says that a machine coloured the picture, and by what. bytes.

    Iptc4xmpExt:DigitalSourceType is the IPTC's term; `label` is {attribute: value}, such as the weights' checksum.
    """
    for prefix, address in _NAMESPACES.items():
        xml.register_namespace(prefix, address)
    rdf = f"{{{_NAMESPACES['rdf']}}}"
    try:
        root = xml.fromstring(bytes(xmp).strip(b"\0 \r\n").decode("utf-8", "strict")) if xmp else None
        for prefix, address in re.findall(rb'xmlns:([\w.-]+)="([^"]+)"', bytes(xmp or b"")):
            xml.register_namespace(prefix.decode(), address.decode())
    except (xml.ParseError, UnicodeDecodeError, ValueError):
        root = None
    if root is None:
        root = xml.Element(f"{{{_NAMESPACES['x']}}}xmpmeta")
    description = root.find(f".//{rdf}Description")
    if description is None:
        parent = root if root.tag == f"{rdf}RDF" else root.find(f".//{rdf}RDF")
        parent = xml.SubElement(root, f"{rdf}RDF") if parent is None else parent
        description = xml.SubElement(parent, f"{rdf}Description", {f"{rdf}about": ""})
    description.set(f"{{{_NAMESPACES['Iptc4xmpExt']}}}DigitalSourceType", _SOURCE_TYPE)
    description.set(f"{{{_NAMESPACES['xmp']}}}CreatorTool", f"colorizer {__version__}")
    for name, value in label.items():
        description.set(f"{{{_NAMESPACES['colorizer']}}}{name}", str(value))
    body = xml.tostring(root, encoding="unicode")
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}<?xpacket end="w"?>'.encode()
