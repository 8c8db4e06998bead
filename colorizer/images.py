"""Files <-> arrays, by Pillow."""

import contextlib
import io
import os
import pathlib
import secrets
import tempfile
import typing

import numpy as np
from absl import logging
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from colorizer import ColorizerError

SUFFIXES = frozenset(".jpg .jpeg .jpe .jfif .png .gif .bmp .webp .tif .tiff .ppm .pgm .pbm .pnm .jp2 .avif .tga .pcx .dib".split())


class Example(typing.NamedTuple):
    """A picture of a data set: its name there, its class or None, uint8 sRGB [H, W, 3]."""

    name: str
    label: str | None
    rgb: np.ndarray


def _left_out(error):
    logging.warning("left out: %s: %s", error.filename, error.strerror)


def find(folder, unreadable=_left_out, recursive=True):
    """The pictures in a folder, and in those below it, by suffix, sorted by their path in it; hidden files and folders are passed over.

    unreadable: called with the OSError of a folder that cannot be read.
    """
    found, seen = [], set()
    for parent, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # links can lead in a circle
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in sorted(folders) if recursive and not name.startswith(".")]
        found += [pathlib.Path(parent, name) for name in files
                  if not name.startswith(".") and pathlib.Path(name).suffix.lower() in SUFFIXES]  # fmt: skip
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def probe(path):
    """(whether TensorFlow's decoders read it as Pillow does, EXIF orientation 1..8), from the header of a file.

    TensorFlow reads JPEG, PNG, GIF, WebP and true-colour BMP; of a BMP with a palette it gives the indices. Raises
    ColorizerError where it is no picture, is empty, cannot be opened, or is over Pillow's decompression-bomb limit.
    """
    with readable(path), Image.open(path) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        by_tensorflow = picture.format in ("JPEG", "PNG", "GIF", "WEBP") or (picture.format == "BMP" and picture.mode == "RGB")
        return by_tensorflow, orientation if orientation in range(1, 9) else 1


def read_rgb(path):
    """The picture, or its first frame, as uint8 [H, W, 3]; turned as its EXIF orientation says, alpha dropped.

    Its numbers are taken for sRGB, whatever ICC profile it has, as TensorFlow's decoders do in training. Raises
    ColorizerError where it cannot be read.
    """
    with readable(path), Image.open(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I"):  # 16-bit grey: convert() would clip it at 255
            grey = (np.clip(np.asarray(picture, "int32"), 0, 65535) + 128) // 257
            return np.repeat(grey.astype("uint8")[:, :, None], 3, axis=2)
        if picture.mode == "F":
            raise ColorizerError(f"{path}: floating-point picture, whose range is unknown")
        return np.asarray(picture.convert("RGB"))


def write_png(path, rgb):
    """Writes uint8 [H, W, 3] as PNG, whole or not at all."""
    with replacing(path) as aside:
        Image.fromarray(rgb).save(aside, format="PNG")


def array_of(picture):
    """uint8 [H, W, 3 or 4], or of a 16-bit grey uint16 [H, W], of a Pillow image, upright and in sRGB.

    Its EXIF orientation and its ICC profile are honoured. Raises ValueError for floating-point pictures, whose range is unknown.
    """
    name = getattr(picture, "filename", "") or "a picture"
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        raise ValueError("floating-point picture, whose range is unknown")
    if picture.mode.startswith("I"):
        return np.clip(np.asarray(picture, "int32"), 0, 65535).astype("uint16")
    wanted = "RGBA" if picture.has_transparency_data else "RGB"
    colours = picture if picture.mode in ("L", "CMYK") else picture.convert(wanted)
    if profile := picture.info.get("icc_profile"):
        try:
            colours = ImageCms.profileToProfile(colours, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=wanted)
        except (ImageCms.PyCMSError, ValueError) as error:
            logging.warning("%s: its colour profile cannot be used and is passed over (%s)", name, error)
    return np.asarray(colours.convert(wanted))


def from_array(rgb):
    """A Pillow image of uint8 or (rounded, as Pillow has no 16-bit colour) uint16 [H, W, 3 or 4]."""
    return Image.fromarray(rgb if rgb.dtype == np.uint8 else ((rgb.astype("uint32") + 128) // 257).astype("uint8"))


def encoded(rgb, kind):
    """(bytes, media type) of uint8 [H, W, 3] as "PNG" or "JPEG" (4:4:4)."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format=kind, **({"quality": 90, "subsampling": 0} if kind == "JPEG" else {"optimize": True}))
    return file.getvalue(), Image.MIME[kind]


def resized(channels, height, width, bicubic=False, rows=None):
    """float32 [H, W, C] at another size: bilinear or bicubic, with antialias where it is reduced.

    rows: (first, last + 1) of the resized picture, where not all of it is wanted.
    """
    kind = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    top, bottom = rows or (0, height)
    scale = channels.shape[0] / height
    box = (0, top * scale, channels.shape[1], min(bottom * scale, channels.shape[0]))
    planes = (Image.fromarray(np.ascontiguousarray(channels[..., c], "float32")) for c in range(channels.shape[-1]))
    # the channels stay planes in memory: what is computed of them is several times as fast
    return np.moveaxis(np.stack([np.asarray(plane.resize((width, bottom - top), kind, box)) for plane in planes]), 0, -1)


def write_text(path, text):
    """Writes a text file in UTF-8, whole or not at all. What is no text (bytes of a file's name) becomes a question mark."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")


def check_writable(folder):
    """Makes the folder where it is absent. Raises ColorizerError where nothing can be written there."""
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ColorizerError(f"{folder}: cannot be written ({error.strerror or error})") from error


def ignores_case(folder):
    """Whether a folder's file system takes names that differ in letter case for one. Not where nothing can be written."""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, prefix=".Case") as file:
        folder, name = os.path.split(file.name)
        return os.path.exists(os.path.join(folder, name.swapcase()))
    return False


@contextlib.contextmanager
def replacing(path):
    """A path to write to, beside `path`, which takes its place when the block ends well and is removed when it does not.

    Raises ColorizerError where the file cannot be written: disk full, no permission.
    """
    path = pathlib.Path(path)
    # the suffix stays last: some writers choose the format by it. Not of the name: it may be as long as a name can be
    aside = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with open(aside, "r+b") as written:  # Windows syncs only what can be written
            os.fsync(written.fileno())  # or after a power cut the name may stand for an empty file
        os.replace(aside, path)
    except OSError as error:
        raise ColorizerError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def readable(path):
    """Inside, whatever Pillow raises of a broken file becomes a ColorizerError."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ColorizerError(f"{path}: not a picture") from error
    except Image.DecompressionBombError as error:
        raise ColorizerError(f"{path}: over {2 * Image.MAX_IMAGE_PIXELS / 1e6:.0f} megapixels") from error
    except ColorizerError:
        raise
    except Exception as error:  # of broken files Pillow's readers raise nearly everything: OSError, SyntaxError, struct.error
        raise ColorizerError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
