"""Photographs as archives keep them: 8 or 16 bits, ICC profiles, alpha, pages and frames, metadata. pyvips lives here alone.

images.py reads what training and evaluation need, 8-bit sRGB; this reads and writes whole files. Lost is what formats have no place for:
IPTC in PNG, WebP and GIF, transparency in JPEG, 16 bits in JPEG and WebP, what is finer than 8 bits or has a profile in JPEG 2000, colour
of 16 bits in PPM, XMP beyond 64 KB in JPEG (a warning says so each time); comments of JPEG files, and tags of TIFF files that are neither
EXIF nor XMP nor IPTC. A TIFF file's pages all get the first one's metadata, but for EXIF, which the first alone keeps.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import re
import tempfile
import threading

import numpy as np
import pyvips
from absl import logging
from PIL import ExifTags, Image, ImageCms, ImageSequence, PngImagePlugin, TiffImagePlugin

from colorizer import ColorizerError, images, metadata

_SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif"}
# suffixes of a format that is written, the one for a new file first
_WRITTEN = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",), "tiff": (".tif", ".tiff"), "gif": (".gif",),
}  # fmt: skip
# first bytes of what libvips reads; Pillow reads the others
_MAGIC = {
    "jpeg": rb"\xff\xd8", "png": rb"\x89PNG", "webp": rb"RIFF....WEBP", "tiff": rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "gif": rb"GIF8",
    "heif": rb"....ftyp(avif|avis|heic|heix|mif1)",
}  # fmt: skip
# of the picture that was read, not of the one that is written; a thumbnail (ifd1) would stay grey
_NOT_METADATA = re.compile(
    "width|height|bands|format|coding|interpretation|[xy]offset|[xy]res|filename|vips-.*|bits-per-sample|palette|icc-profile-data|jpeg-.*"
    "|interlaced|background|gif-palette|png-filter|gainmap.*|heif-.*|exif-ifd1-.*|page-height|n-pages|n-subifds|iptc-data|ipct-data|orientation"
)
_EXIF_FIELDS = re.compile("exif-data|exif-ifd[023]-.*")
_opening = threading.Lock()
pyvips.cache_set_max(0)  # it would give an old picture under a new file's name


@dataclasses.dataclass(frozen=True)
class Photo:
    """A file's pictures, upright and in sRGB.

    frames: uint8 or uint16 [H, W, 3] each, one but for pages and animations. alphas: [H, W, 1] each, or None.
    metadata: {pyvips's field: (type, value)} of what else the file carries, with xres and yres, pixels a millimetre, and the frames'
    "delay" in an animation. iptc: bytes or None. lossless: whether a WebP file was, and is to be.
    """

    path: pathlib.Path
    frames: list
    alphas: list | None = None
    metadata: dict = dataclasses.field(default_factory=dict)
    iptc: bytes | None = None
    lossless: bool = False


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
        if _is_for_pillow(path):
            return _read_by_pillow(path, max_pixels)
        return _read_by_vips(path, descriptor, max_pixels)
    except pyvips.Error as error:
        if "HEVC" in _reason(error):  # libvips's wheels leave it out, for its patents
            raise ColorizerError(f"{path}: HEIC is not read here: convert it to JPEG, PNG or TIFF") from error
        # libvips has one place for the reasons of all threads, and mixes them up. Within Pillow's limit, and of what Pillow knows
        if pixels(path) < 2**27 and _format(path) != "heif":
            images.read_rgb(path)
        if "unable to write to" in _reason(error) or "write failed" in _reason(error):  # over 100 MB that cannot be streamed
            place = os.environ.get("TMPDIR") or tempfile.gettempdir()
            raise ColorizerError(f"{path}: cannot be unpacked to {place}: is it full? TMPDIR names another place") from error
        raise ColorizerError(f"{path}: cannot be read ({_reason(error)})") from error
    finally:
        os.close(descriptor)


def pixels(path):
    """How many pixels a file's header announces, those of all pages; 0 where there is no telling, of which read() says why."""
    with contextlib.suppress(Exception):
        if path.is_file():
            with _opened(path) as picture:
                return picture.width * picture.height * getattr(picture, "n_frames", 1)
    return 0


def _opened(path):
    """Image.open without Pillow's limit of pixels, which is one for the whole process, all threads."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _format(path):
    """The key of _MAGIC that a file's first bytes tell, or None."""
    with contextlib.suppress(OSError):
        if not path.is_file():  # to open a pipe is to wait for it
            return None
        with open(path, "rb") as file:
            start = file.read(16)
        return next((name for name, magic in _MAGIC.items() if re.match(magic, start, re.DOTALL)), None)


def _reason(error):
    """The first line that libvips has to say, without the operation's name."""
    return (error.detail or str(error)).strip().splitlines()[0]


def _is_for_pillow(path):
    """libvips takes YCbCr for RGB in an uncompressed TIFF, stumbles over 8-bit Lab, and sees one frame of an animated PNG."""
    if _format(path) not in ("tiff", "png"):
        return _format(path) is None
    try:
        with _opened(path) as picture:
            if picture.format == "PNG":
                return getattr(picture, "n_frames", 1) > 1
            return any(page.mode in ("YCbCr", "LAB") for page in ImageSequence.Iterator(picture))
    except Exception:  # of broken files Pillow raises nearly everything; libvips then says what is wrong
        return False


def _read_by_vips(path, descriptor, max_pixels):
    def opened(**options):
        # by descriptor: a name need not be text, and libvips would take a [ in it for options
        os.lseek(descriptor, 0, os.SEEK_SET)
        return pyvips.Image.new_from_source(pyvips.Source.new_from_descriptor(descriptor), "", fail_on="error", **options)

    def upright(**options):
        picture = opened(**options)
        turned = "orientation" in picture.get_fields() and picture.get("orientation") != 1
        if turned or picture.format not in ("uchar", "ushort"):  # is read more than once: libvips unpacks what is large to a file
            return picture.autorot()
        return opened(access="sequential", **options)

    if _format(path) == "gif":
        _check_gif(path)
    first = opened()
    pages = first.get("n-pages") if "n-pages" in first.get_fields() else 1
    if _format(path) == "tiff" and pages > 1:  # each page may have a size, a kind and an orientation of its own
        # one at a time: libvips holds a descriptor for each that is open
        sizes = [(page.width, page.height) for page in (opened(page=number) for number in range(pages))]
        _check_pixels(path, sum(width * height for width, height in sizes), max_pixels)
        frames, alphas = zip(*(_arrays(path, upright(page=number)) for number in range(pages)))
    else:
        _check_pixels(path, first.width * first.height * pages, max_pixels)
        whole = _arrays(path, opened(n=-1) if pages > 1 else upright())
        # an animation's frames lie one below the other, so that it cannot be turned as a whole
        frames, alphas = (np.split(part, pages) if part is not None else [None] for part in whole)
        if pages > 1 and "orientation" in first.get_fields():
            frames, alphas = ([_turned(frame, first.get("orientation")) for frame in part] for part in (frames, alphas))
    fields = {name: (first.get_typeof(name), first.get(name)) for name in first.get_fields() if not _NOT_METADATA.fullmatch(name)}
    if _format(path) == "tiff":
        fields |= _fields_of_exif(path)
    if "photoshop-data" in fields:
        kind, blob = fields.pop("photoshop-data")
        if kept := metadata.without_previews(blob):
            fields["photoshop-data"] = kind, kept
        elif bytes(blob).strip(b"\0"):
            logging.warning("%s: what Photoshop noted in it is not kept", path)
    with open(path, "rb") as file:
        xmp = metadata.xmp_of_gif(file) if _format(path) == "gif" else fields.get("xmp-data", (None, None))[1]
    return Photo(
        path,
        [np.ascontiguousarray(frame) for frame in frames],
        _alphas(frames, alphas),
        {**fields, **_field_of_xmp(path, xmp), "xres": first.xres, "yres": first.yres},
        metadata.raw_iptc(first.get("iptc-data")) if "iptc-data" in first.get_fields() else None,
        _format(path) == "webp" and _is_lossless(path),
    )


def _check_gif(path):
    """Raises ColorizerError where a GIF file ends within a block (GIF89a, 15 to 27), of which libvips makes what it finds."""
    content = path.read_bytes()

    def table(flags):  # bytes of a colour table
        return 3 * 2 ** (flags % 8 + 1) if flags >= 128 else 0

    try:
        place = 13 + table(content[10])
        while place < len(content) and content[place] in b"!,":
            place += 11 + table(content[place + 9]) if content[place] == ord(",") else 2
            while content[place]:
                place += 1 + content[place]
            place += 1
    except IndexError as error:
        raise ColorizerError(f"{path}: cannot be read (its end is missing)") from error


def _check_pixels(path, pixels, max_pixels):
    if pixels > max_pixels:
        raise ColorizerError(f"{path}: {pixels / 1e6:.3g} megapixels, over --max_pixels ({max_pixels / 1e6:g} million)")


def _arrays(path, picture):
    """(uint8 or uint16 sRGB [H, W, 3], alpha [H, W, 1] or None) of a libvips picture."""
    picture = _in_srgb(path, picture)
    pixels = picture.numpy()
    return pixels[..., :3], pixels[..., 3:4].copy() if picture.hasalpha() else None


def _turned(pixels, orientation):
    """An array [H, W, C], or None, turned as EXIF's orientation says."""
    if pixels is None:
        return None
    picture = pyvips.Image.new_from_array(np.ascontiguousarray(pixels)).copy()
    picture.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return np.atleast_3d(picture.autorot().numpy())


def _alphas(frames, alphas):
    """A list of alphas, opaque where a page has none beside others that have, or None."""
    if all(alpha is None for alpha in alphas):
        return None
    return [np.full_like(frame[..., :1], np.iinfo(frame.dtype).max) if alpha is None else alpha for frame, alpha in zip(frames, alphas)]


def _field_of_xmp(path, xmp):
    if xmp and b"HasExtendedXMP" in bytes(xmp):
        logging.warning("%s: of its XMP the part beyond 64 KB is not kept", path)
    return {"xmp-data": (pyvips.GValue.blob_type, metadata.upright_xmp(xmp))} if xmp else {}


def _fields_of_exif(path):
    """libvips's fields of a file's EXIF, as of a JPEG file: it writes only what it has also read."""
    carrier = io.BytesIO()
    try:
        with _opened(path) as picture:
            if not (exif := metadata.exif_of(picture)):
                return {}
        Image.new("L", (1, 1)).save(carrier, format="JPEG", exif=exif)
    except Exception as error:  # of broken EXIF Pillow raises nearly everything, of more than 64 KB ValueError; neither is a reason to fail
        logging.warning("%s: its EXIF is not kept (%s)", path, error)
        return {}
    read = pyvips.Image.new_from_buffer(carrier.getvalue(), "")
    return {name: (read.get_typeof(name), read.get(name)) for name in read.get_fields() if _EXIF_FIELDS.fullmatch(name)}


def _is_lossless(path):
    """Whether the first picture in a WebP file is coded as VP8L."""
    with open(path, "rb") as file:
        start = file.read(65536)
    places = [start.find(kind) for kind in (b"VP8L", b"VP8 ")]
    return places[0] >= 0 and not 0 <= places[1] < places[0]


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
    with images.readable(path), _opened(path) as picture:
        _check_pixels(path, picture.width * picture.height * getattr(picture, "n_frames", 1), max_pixels)
        if picture.format == "JPEG2000":
            logging.warning("%s: JPEG 2000 is read at 8 bits, without its colour profile and metadata", path)
        elif picture.format == "PPM" and picture.mode == "RGB" and picture.tile[0].codec_name == "ppm" and picture.tile[0].args[1] > 255:
            logging.warning("%s: its colours are read at 8 bits", path)
        info, arrays, delays = picture.info, [], []
        iptc = metadata.iptc_of_tiff(picture) if picture.format == "TIFF" else None
        for frame in ImageSequence.Iterator(picture):
            try:
                arrays.append(images.array_of(frame))
            except ValueError as error:
                raise ColorizerError(f"{path}: {error}") from error
            delays.append(round(frame.info.get("duration", 0)))
        animated = len(arrays) > 1 and picture.format == "PNG"
    whole = [array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2) for array in arrays]
    frames = [np.ascontiguousarray(array[..., :3]) for array in whole]
    fields = _fields_of_exif(path) | _field_of_xmp(path, info.get("xmp") or info.get("XML:com.adobe.xmp", "").encode())
    if animated:
        fields |= {"delay": (pyvips.GValue.array_int_type, delays), "loop": (pyvips.GValue.gint_type, info.get("loop", 0))}
    if dots_an_inch := info.get("dpi"):
        fields |= {"xres": float(dots_an_inch[0]) / 25.4, "yres": float(dots_an_inch[1]) / 25.4}
    return Photo(path, frames, _alphas(frames, [array[..., 3:].copy() if array.shape[2] == 4 else None for array in whole]), fields, iptc)


def suffix_of(path, format="same"):
    """The suffix of the output for an input: that of a format, or the input's own, which .png replaces where it cannot be written.

    A file whose content is not what its suffix says gets the suffix of its content.
    """
    if format != "same":
        return _SUFFIXES[format]
    known = _WRITTEN.get(_format(path), _WRITTEN["png"])
    return path.suffix if path.suffix.lower() in known else known[0]


def is_labelled(path):
    """Whether a file says that a machine coloured it. Not of what cannot be read."""
    return metadata.SOURCE_TYPE in _xmp_of(path)


def label_of(path):
    """The label {name: value} that write() gave a file; {} where it has none."""
    return metadata.label_of_xmp(_xmp_of(path))


def _xmp_of(path):
    """The XMP packet of a file's header; b"" of what has none or cannot be read."""
    with contextlib.suppress(Exception):  # of broken files Pillow raises nearly everything
        if path.is_file() and _format(path) == "gif":
            with open(path, "rb") as file:
                return metadata.xmp_of_gif(file) or b""
        if path.is_file():
            with open(path, "rb") as file:
                picture = pyvips.Image.new_from_source(pyvips.Source.new_from_descriptor(file.fileno()), "")
                return bytes(picture.get("xmp-data")) if "xmp-data" in picture.get_fields() else b""
    return b""


def fingerprint(path):
    """What tells a file from others, of its size and 64 KB each of its beginning, middle and end: 16 hexadecimal digits."""
    size, part = os.path.getsize(path), 2**16
    found = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for place in (0, size // 2, max(0, size - part)):
            file.seek(place)
            found.update(file.read(part))
    return found.hexdigest()[:16]


def side_by_side(before, after):
    """A Photo of two: before | after, wide pictures one below the other."""
    frames, alphas = (
        [np.concatenate(pair, axis=1 if pair[0].shape[1] <= 1.5 * pair[0].shape[0] else 0) for pair in zip(*parts)]
        if parts[0] is not None
        else None
        for parts in ((before.frames, after.frames), (before.alphas, after.alphas))
    )
    return dataclasses.replace(after, frames=frames, alphas=alphas)


# ---- writing ----------------------------------------------------------------------------------------------------------


def has_quality(path):
    """Whether the suffix of `path` is of a format that is written at a quality."""
    return path.suffix.lower() in (*_WRITTEN["jpeg"], *_WRITTEN["webp"])


def write(path, photo, quality=95, label=None):
    """Writes a photo with what else its file carried, whole or not at all.

    The suffix of `path` says the format; JPEG and WebP at `quality`, JPEG at 4:4:4 and without alpha; 16 bits stay 16 bits in PNG
    and TIFF. label: {name: value} of what coloured it, noted in its XMP. Raises ColorizerError where it cannot be written.
    """
    path = pathlib.Path(path)
    format = next(name for name, suffixes in _WRITTEN.items() if path.suffix.lower() in suffixes)
    animated = "delay" in photo.metadata
    if len(photo.frames) > 1 and (format == "jpeg" or (format != "tiff" and not animated)):
        raise ColorizerError(f"{path}: cannot hold the {len(photo.frames)} pages of {photo.path}: --format=tiff can")
    if photo.iptc and format not in ("jpeg", "tiff"):
        logging.warning("%s: IPTC is not kept: %s files have no place for it", path, format)
    if photo.alphas is not None and format == "jpeg":
        logging.warning("%s: transparency is not kept: JPEG files have no place for it", path)
    if photo.frames[0].dtype == np.uint16 and format not in ("png", "tiff"):
        logging.warning("%s: 16 bits become 8, which is what %s files hold", path, format)
    fields = dict(photo.metadata)
    if label:
        fields["xmp-data"] = pyvips.GValue.blob_type, metadata.labelled_xmp(fields.get("xmp-data", (None, None))[1], label, photo.path)
    if format == "jpeg" and len(fields.get("xmp-data", (None, b""))[1]) > metadata.MOST_XMP_IN_JPEG:
        logging.warning("%s: its XMP is not kept: more than the 64 KB that JPEG holds", path)
        del fields["xmp-data"]
        if label:
            fields["xmp-data"] = pyvips.GValue.blob_type, metadata.labelled_xmp(None, label)
    photo = dataclasses.replace(photo, metadata=fields)
    with images.replacing(path) as aside, open(aside, "w+b") as file:
        try:
            if format == "png" and len(photo.frames) > 1:
                _write_animated_png(file, photo)
            elif format == "tiff":
                _write_tiff(file, photo)
            else:
                options = {
                    "jpeg": dict(Q=quality, subsample_mode="off", optimize_coding=True, profile="srgb"),
                    "png": dict(compression=6, profile="srgb"),
                    "webp": dict(Q=quality, effort=4, profile="srgb", lossless=photo.lossless),
                    "gif": {},
                }[format]
                picture = _assembled(photo, format)
                picture.write_to_target(pyvips.Target.new_to_descriptor(file.fileno()), _WRITTEN[format][0], **options)
            if format == "gif" and "xmp-data" in fields:
                metadata.add_xmp_to_gif(file, fields["xmp-data"][1])
        except pyvips.Error as error:
            file.flush()
            full = "; is the disk full?" if "write" in _reason(error) else ""
            raise ColorizerError(f"{path}: cannot be written ({_reason(error)}){full}") from error


def _write_tiff(file, photo):
    pixels = photo.frames[0].shape[0] * photo.frames[0].shape[1]
    options = dict(compression="deflate", predictor="horizontal", bigtiff=pixels > 400_000_000, profile="srgb")
    pages = [
        dataclasses.replace(photo, frames=[frame], alphas=None if photo.alphas is None else [photo.alphas[page]])
        for page, frame in enumerate(photo.frames)
    ]
    _assembled(pages[0], "tiff").write_to_target(pyvips.Target.new_to_descriptor(file.fileno()), ".tif", **options)
    if "exif-data" in photo.metadata:
        try:
            metadata.add_exif_to_tiff(file, photo.metadata["exif-data"][1])
        except Exception as error:  # of broken EXIF Pillow raises nearly everything
            if getattr(error, "errno", None):  # the disk's
                raise
            logging.warning("%s: its EXIF cannot be kept (%s)", photo.path, error)
    for page in pages[1:]:
        file.seek(0)
        with TiffImagePlugin.AppendingTiffWriter(file) as whole:
            whole.write(_assembled(page, "tiff").write_to_buffer(".tif", **options))
            whole.newFrame()


def _write_animated_png(file, photo):
    """By Pillow, as libvips writes one frame; 8 bits."""
    parts = photo.frames if photo.alphas is None else [np.concatenate(pair, axis=2) for pair in zip(photo.frames, photo.alphas)]
    first, *rest = (images.from_array(part) for part in parts)
    text = PngImagePlugin.PngInfo()
    if "xmp-data" in photo.metadata:
        text.add_itxt("XML:com.adobe.xmp", bytes(photo.metadata["xmp-data"][1]).decode(errors="replace"))
    exif = Image.Exif()
    if "exif-data" in photo.metadata:
        exif.load(bytes(photo.metadata["exif-data"][1]))
        exif[ExifTags.Base.Orientation] = 1  # it is upright now
    first.save(
        file, format="PNG", save_all=True, append_images=rest, duration=photo.metadata["delay"][1],
        loop=photo.metadata.get("loop", (None, 0))[1], pnginfo=text, exif=exif, dpi=_dots_an_inch(photo),
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )  # fmt: skip


def _dots_an_inch(photo):
    return tuple(25.4 * photo.metadata.get(side, 72 / 25.4) for side in ("xres", "yres"))


def _assembled(photo, format):
    """Frames of one size, one below the other as libvips has them, with alpha and metadata."""
    stacked = photo.frames
    if photo.alphas is not None and format != "jpeg":
        stacked = [np.concatenate(pair, axis=2) for pair in zip(photo.frames, photo.alphas)]
    whole = np.concatenate(stacked)
    if whole.dtype == np.uint16 and format not in ("png", "tiff"):
        deep, whole = whole, np.empty(whole.shape, "uint8")
        for row in range(0, len(deep), 256):  # some at a time: the sums need twice the memory of the picture
            whole[row : row + 256] = (deep[row : row + 256].astype("uint32") + 128) // 257
    picture = pyvips.Image.new_from_array(whole, interpretation="rgb16" if whole.dtype == np.uint16 else "srgb")
    fields = dict(photo.metadata)
    if "xres" in fields:
        picture = picture.copy(xres=fields.pop("xres"), yres=fields.pop("yres"))
    for name, (kind, value) in fields.items():
        picture.set_type(kind, name, value)
    if photo.iptc and format in ("jpeg", "tiff"):
        picture.set_type(pyvips.GValue.blob_type, "iptc-data", metadata.iptc_for(format, photo.iptc))
    if photo.metadata:
        picture.set_type(pyvips.GValue.gint_type, "orientation", 1)  # it is upright now
    if len(photo.frames) > 1:
        picture.set_type(pyvips.GValue.gint_type, "page-height", photo.frames[0].shape[0])
    return picture
