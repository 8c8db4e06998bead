"""Photographs as archives keep them: 8 or 16 bits, ICC profiles, alpha, pages and frames, metadata. pyvips lives here alone.

images.py reads what training and evaluation need, 8-bit sRGB; this reads and writes whole files. What libvips cannot write, and so
is lost: EXIF in TIFF, IPTC in PNG and WebP, XMP in GIF.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import xml.etree.ElementTree as xml
from xml.sax.saxutils import quoteattr

import numpy as np
import pyvips
from absl import logging
from PIL import Image

from colorizer import ColorizerError, __version__, images

_SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif"}
# suffixes of a format that is written, the one for a new file first
_WRITTEN = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",), "tiff": (".tif", ".tiff"), "gif": (".gif",),
}  # fmt: skip
_MAGIC = {
    "jpeg": rb"\xff\xd8", "png": rb"\x89PNG", "webp": rb"RIFF....WEBP", "tiff": rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "gif": rb"GIF8",
}  # fmt: skip
# of the picture that was read, not of the one that is written
_NOT_METADATA = re.compile(
    "width|height|bands|format|coding|interpretation|[xy]offset|[xy]res|filename|vips-.*|bits-per-sample|palette|icc-profile-data|jpeg-.*"
    "|interlaced|background|gif-palette|png-filter|gainmap.*|exif-ifd1-.*|page-height|iptc-data"
)
pyvips.cache_set_max(0)  # it would give an old picture under a new file's name


@dataclasses.dataclass(frozen=True)
class Photo:
    """A file's pictures, upright and in sRGB.

    frames: uint8 or uint16 [H, W, 3] each, one but for pages and animations. alphas: [H, W, 1] each, or None.
    metadata: {pyvips's field: (type, value)} of what else the file carries, with xres and yres, pixels a millimetre. iptc: bytes or None.
    """

    path: pathlib.Path
    frames: list
    alphas: list | None = None
    metadata: dict = dataclasses.field(default_factory=dict)
    iptc: bytes | None = None


def read(path, max_pixels=300_000_000):
    """The Photo in a file. Raises ColorizerError: what is wrong with the file, or that it has more pixels than `max_pixels`."""
    path = pathlib.Path(path)
    try:
        if not path.is_file() and path.exists():
            raise ColorizerError(f"{path}: not a file")
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ColorizerError(f"{path}: {error.strerror}") from error
    try:
        if not os.fstat(descriptor).st_size:
            raise ColorizerError(f"{path}: empty")
        if _format(path) not in _WRITTEN or _is_ycbcr(path):
            return _read_by_pillow(path, max_pixels)
        return _read_by_vips(path, descriptor, max_pixels)
    except pyvips.Error as error:
        raise ColorizerError(f"{path}: cannot be read ({_reason(error)})") from error
    finally:
        os.close(descriptor)


def _format(path):
    """The key of _WRITTEN that a file's first bytes tell, or None."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(16)
        return next((name for name, magic in _MAGIC.items() if re.match(magic, start, re.DOTALL)), None)


def _reason(error):
    """The first line that libvips has to say, without the operation's name."""
    return (error.detail or str(error)).strip().splitlines()[0]


def _is_ycbcr(path):
    """libvips takes YCbCr for RGB in an uncompressed TIFF, and stumbles over 8-bit Lab."""
    if _format(path) != "tiff":
        return False
    try:
        with images.unlimited(), Image.open(path) as picture:
            return picture.mode in ("YCbCr", "LAB")
    except Exception:  # of broken files Pillow raises nearly everything; libvips then says what is wrong
        return False


def _read_by_vips(path, descriptor, max_pixels):
    def opened(**options):
        # by descriptor: a name need not be text, and libvips would take a [ in it for options
        os.lseek(descriptor, 0, os.SEEK_SET)
        return pyvips.Image.new_from_source(pyvips.Source.new_from_descriptor(descriptor), "", fail_on="error", **options)

    first = opened()
    pages = first.get("n-pages") if "n-pages" in first.get_fields() else 1
    if first.width * first.height * pages > max_pixels:
        pixels = first.width * first.height * pages / 1e6
        raise ColorizerError(f"{path}: {pixels:.0f} megapixels, over --max_pixels ({max_pixels / 1e6:g} million)")
    if _format(path) == "png" and _is_animated(path):
        raise ColorizerError(f"{path}: an animated PNG, of which only the first frame could be read; convert it to GIF or WebP")
    whole = first
    if pages > 1:
        try:
            whole = opened(n=-1)
        except pyvips.Error as error:
            raise ColorizerError(f"{path}: pages of different sizes or kinds; split it first ({_reason(error)})") from error
    upright = _in_srgb(path, whole.autorot() if pages == 1 else whole)
    pixels = upright.numpy().reshape(pages, -1, upright.width, upright.bands)
    fields = {name: (whole.get_typeof(name), whole.get(name)) for name in whole.get_fields() if not _NOT_METADATA.fullmatch(name)}
    return Photo(
        path,
        [np.ascontiguousarray(page[..., :3]) for page in pixels],
        [page[..., 3:4].copy() for page in pixels] if upright.hasalpha() else None,
        {**fields, "xres": whole.xres, "yres": whole.yres},
        _raw_iptc(whole.get("iptc-data")) if "iptc-data" in whole.get_fields() else None,
    )


def _is_animated(path):
    with images.unlimited(), Image.open(path) as picture:
        return getattr(picture, "n_frames", 1) > 1


def _in_srgb(path, picture):
    """The picture as 8- or 16-bit sRGB, with its alpha."""
    if picture.format in ("float", "double", "complex", "dpcomplex"):
        raise ColorizerError(f"{path}: floating-point picture, whose range is unknown")
    if picture.interpretation == "labs":
        picture = picture.colourspace("rgb16")
    if picture.format not in ("uchar", "ushort"):
        if picture.min() < 0 or picture.max() > 65535:
            raise ColorizerError(f"{path}: values from {picture.min():.0f} to {picture.max():.0f}, beyond 16 bits")
        picture = picture.cast("ushort").copy(interpretation="grey16" if picture.bands < 3 else "rgb16")
    deep = picture.format == "ushort"
    has_profile = "icc-profile-data" in picture.get_fields()
    if picture.interpretation == "cmyk" or (has_profile and not _is_srgb(picture)):
        try:
            fallback = "cmyk" if picture.interpretation == "cmyk" else "srgb"
            picture = picture.icc_transform("srgb", embedded=True, input_profile=fallback, depth=16 if deep else 8)
        except pyvips.Error:
            logging.warning("%s: its colour profile cannot be used and is passed over", path)
    return picture.colourspace("rgb16" if deep else "srgb")


def _is_srgb(picture):
    """Whether the picture's profile changes no colour: by its effect on a ramp and the primaries, as names of profiles lie."""
    if picture.bands < 3:
        return False
    ramp = np.repeat(np.arange(0, 256, 15)[:, None], 3, axis=1)
    colours = np.concatenate([ramp, 255 * np.eye(3, dtype=int), 128 * np.eye(3, dtype=int)]).astype("uint8")[None]
    try:
        patches = pyvips.Image.new_from_array(colours, interpretation="srgb").copy()
        patches.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.get("icc-profile-data"))
        return np.abs(patches.icc_transform("srgb", embedded=True).numpy().astype(int) - colours).max() <= 1
    except pyvips.Error:
        return False


def _read_by_pillow(path, max_pixels):
    """What libvips does not read, or not well: BMP, PPM, TGA, JPEG 2000, YCbCr and Lab in TIFF. 8 bits, alpha and metadata left."""
    with images.unlimited(max_pixels):
        return Photo(path, [images.read_rgb(path)])


def suffix_of(path, format="same"):
    """The suffix of the output for an input: that of a format, or the input's own, which .png replaces where it cannot be written.

    A file whose content is not what its suffix says gets the suffix of its content.
    """
    if format != "same":
        return _SUFFIXES[format]
    known = _WRITTEN.get(_format(path), _WRITTEN["png"])
    return path.suffix if path.suffix.lower() in known else known[0]


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
    """Writes a photo with what else its file carried, whole or not at all.

    The suffix of `path` says the format; JPEG and WebP at `quality`, JPEG at 4:4:4 and without alpha; 16 bits stay 16 bits in PNG
    and TIFF. label: {name: value} of what coloured it, noted in its XMP. Raises ColorizerError where it cannot be written.
    """
    path = pathlib.Path(path)
    format = next(name for name, suffixes in _WRITTEN.items() if path.suffix.lower() in suffixes)
    if len(photo.frames) > 1 and format in ("jpeg", "png"):
        raise ColorizerError(f"{path}: cannot hold the {len(photo.frames)} pages of {photo.path}: --format=tiff or webp can")
    picture = _assembled(photo, format)
    if label:
        xmp = photo.metadata["xmp-data"][1] if "xmp-data" in photo.metadata else None
        picture.set_type(pyvips.GValue.blob_type, "xmp-data", labelled_xmp(xmp, label))
    options = {
        "jpeg": dict(Q=quality, subsample_mode="off", optimize_coding=True, profile="srgb"),
        "png": dict(compression=6, profile="srgb"),
        "tiff": dict(compression="deflate", predictor="horizontal", bigtiff=picture.width * picture.height > 400_000_000, profile="srgb"),
        "webp": dict(Q=quality, effort=4, profile="srgb"),
        "gif": {},
    }[format]
    with images.replacing(path) as aside, open(aside, "w+b") as file:
        try:
            picture.write_to_target(pyvips.Target.new_to_descriptor(file.fileno()), _WRITTEN[format][0], **options)
        except pyvips.Error as error:
            file.flush()
            raise ColorizerError(f"{path}: cannot be written ({_reason(error)}); is the disk full?") from error


def _assembled(photo, format):
    """Frames, one below the other as libvips has them, with alpha and metadata."""
    stacked = photo.frames
    if photo.alphas is not None and format != "jpeg":
        stacked = [np.concatenate(pair, axis=2) for pair in zip(photo.frames, photo.alphas)]
    whole = np.concatenate(stacked)
    if whole.dtype == np.uint16 and format not in ("png", "tiff"):
        whole = ((whole.astype("uint32") + 128) // 257).astype("uint8")
    picture = pyvips.Image.new_from_array(whole, interpretation="rgb16" if whole.dtype == np.uint16 else "srgb")
    fields = dict(photo.metadata)
    if "xres" in fields:
        picture = picture.copy(xres=fields.pop("xres"), yres=fields.pop("yres"))
    for name, (kind, value) in fields.items():
        picture.set_type(kind, name, value)
    if photo.iptc and format in ("jpeg", "tiff"):
        picture.set_type(pyvips.GValue.blob_type, "iptc-data", _iptc_for(format, photo.iptc))
    if photo.metadata:
        picture.set_type(pyvips.GValue.gint_type, "orientation", 1)  # it is upright now
    if len(photo.frames) > 1:
        picture.set_type(pyvips.GValue.gint_type, "page-height", photo.frames[0].shape[0])
    return picture


_PHOTOSHOP, _RESOURCE = b"Photoshop 3.0\0", b"8BIM\x04\x04\0\0"


def _raw_iptc(blob):
    """IPTC records without the Photoshop resource that JPEG files wrap them in."""
    blob = bytes(blob)
    if not blob.startswith(_PHOTOSHOP):
        return blob.rstrip(b"\0") or None
    place = blob.find(_RESOURCE)
    if place < 0:
        return None
    place += len(_RESOURCE)
    return blob[place + 4 : place + 4 + int.from_bytes(blob[place : place + 4], "big")]


def _iptc_for(format, iptc):
    if format == "jpeg":
        return _PHOTOSHOP + _RESOURCE + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
    # libvips counts the tag in units of four bytes where libtiff takes single ones
    return iptc + b"\0" * (3 * len(iptc))


_LABEL = """<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:colorizer="https://pypi.org/project/colorizer/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia" {attributes}/>"""
_EMPTY = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
_SOURCE_TYPE = r"""\s[\w.-]+:DigitalSourceType=("[^"]*"|'[^']*')|<([\w.-]+:DigitalSourceType)\b[^>]*(/>|>.*?</\2>)"""


def labelled_xmp(xmp, label):
    """An XMP packet, the given one or a new one, that says that a machine coloured the picture, and by what. bytes.

    Iptc4xmpExt:DigitalSourceType is the IPTC's term; `label` is {name: value}, such as the weights' checksum. The rest of the
    given packet stays as it is, but for a source type of its own.
    """
    attributes = " ".join(
        f"colorizer:{name}={quoteattr(str(value))}" for name, value in {"program": f"colorizer {__version__}", **label}.items()
    )
    description = _LABEL.format(attributes=attributes)
    with contextlib.suppress(xml.ParseError, UnicodeDecodeError):
        text = re.sub(_SOURCE_TYPE, "", bytes(xmp or b"").decode().strip("\0\ufeff \r\n"), flags=re.DOTALL)
        packet = re.sub(r"(</[\w.-]+:RDF\s*>)", lambda end: description + end[0], text, count=1)
        xml.fromstring(packet.encode())
        if packet != text:
            return packet.encode()
    if xmp:
        logging.warning("XMP that is no XMP is replaced")
    begin, end = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return f"{begin}{_EMPTY.replace('</rdf:RDF>', description + '</rdf:RDF>')}{end}".encode()
