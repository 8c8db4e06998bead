"""What a picture's file says besides its pixels: EXIF, XMP and IPTC as bytes, where libvips does not carry them itself."""

import codecs
import contextlib
import io
import re
import struct
import xml.etree.ElementTree as xml
from xml.sax.saxutils import quoteattr

from absl import logging
from PIL import ExifTags, Image, TiffImagePlugin, TiffTags

from colorizer import __version__

MOST_XMP_IN_JPEG = 65_502  # of one segment; EXIF has a few bytes more

# ---- XMP --------------------------------------------------------------------------------------------------------------

SOURCE_TYPE = b"compositeWithTrainedAlgorithmicMedia"
_LABEL = f"""<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:colorizer="https://pypi.org/project/colorizer/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{SOURCE_TYPE.decode()}" {{attributes}}/>"""
_EMPTY = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
_SOURCE_TYPE = r"""\s[\w.-]+:DigitalSourceType=("[^"]*"|'[^']*')|<([\w.-]+:DigitalSourceType)\b[^>]*(/>|>.*?</\2>)"""


def labelled_xmp(xmp, label, path=""):
    """An XMP packet, the given one or a new one, that says that a machine coloured the picture, and by what. bytes.

    Iptc4xmpExt:DigitalSourceType is the IPTC's term; `label` is {name: value}, such as the weights' checksum. The rest of the
    given packet stays as it is, but for a source type of its own; in UTF-8, whatever it was in. path: of the picture, for a warning.
    """
    attributes = " ".join(
        f"colorizer:{name}={quoteattr(str(value))}" for name, value in {"program": f"colorizer {__version__}", **label}.items()
    )
    description = _LABEL.format(attributes=attributes)
    with contextlib.suppress(xml.ParseError, UnicodeDecodeError):
        xmp = bytes(xmp or b"")
        encoding = "utf-16" if xmp.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
        text = re.sub(_SOURCE_TYPE, "", xmp.decode(encoding).strip("\0\ufeff \r\n"), flags=re.DOTALL)
        packet = re.sub(r"(</[\w.-]+:RDF\s*>)", lambda end: description + end[0], text, count=1)
        xml.fromstring(packet.encode())
        if packet != text:
            return packet.encode()
    if xmp:
        logging.warning("%s: its XMP is not valid and is replaced", path)
    begin, end = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return f"{begin}{_EMPTY.replace('</rdf:RDF>', description + '</rdf:RDF>')}{end}".encode()


def label_of_xmp(xmp):
    """The label {name: value} that labelled_xmp() put into a packet; {} where there is none."""
    # attributes, as they are written, or elements, as other programs make of them
    found = re.findall(rb"""(?<=[\s<])colorizer:(\w+)(?:\s*=\s*["']([^"']*)|>([^<]*)<)""", bytes(xmp))
    return {name.decode(): (attribute or element).decode(errors="replace") for name, attribute, element in found}


def upright_xmp(xmp):
    """The packet of a picture that has been turned as its orientation said: it says 1 now, or programs would turn it again."""
    return re.sub(rb"""(tiff:Orientation(?:\s*=\s*["']|>)\s*)[2-8]""", rb"\g<1>1", bytes(xmp))


# XMP specification part 3, 1.1.2: after the packet, which a reader of GIF takes for blocks by their lengths, 258 bytes lead it to the end
_GIF_XMP, _GIF_TRAILER = b"\x21\xff\x0bXMP DataXMP", b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def xmp_of_gif(file):
    """The XMP packet of an open GIF file, or None."""
    file.seek(0)
    _, found, rest = file.read().partition(_GIF_XMP)
    return rest[: rest.find(_GIF_TRAILER)] if found and _GIF_TRAILER in rest else None


def add_xmp_to_gif(file, xmp):
    """Puts a packet before the end of an open GIF file that has none."""
    file.seek(-1, io.SEEK_END)
    file.write(_GIF_XMP + bytes(xmp) + _GIF_TRAILER + b";")


# ---- EXIF -------------------------------------------------------------------------------------------------------------

_SUB_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# of a TIFF file's first directory, which tells of its pixels as well
_DESCRIPTIVE = frozenset(
    getattr(ExifTags.Base, name)
    for name in "DocumentName ImageDescription Make Model PageName Software DateTime Artist HostComputer Copyright Rating RatingPercent"
    " XPTitle XPComment XPAuthor XPKeywords XPSubject".split()
)


def exif_of(picture):
    """The EXIF of an open Pillow image as JPEG files have it, without what tells of a TIFF file's pixels; b"" where there is none."""
    found, kept = picture.getexif(), Image.Exif()
    if picture.format != "TIFF":
        return found.tobytes() if found else b""
    for tag in _DESCRIPTIVE & found.keys():
        kept[tag] = found[tag]
    for pointer in _SUB_IFDS:
        if values := found.get_ifd(pointer):
            kept[pointer] = dict(values)
    if kept and len(kept.tobytes()) > MOST_XMP_IN_JPEG and ExifTags.IFD.Exif in kept:
        logging.warning("%s: the camera's own part of its EXIF is not kept: more than 64 KB", picture.filename)
        kept[ExifTags.IFD.Exif].pop(ExifTags.Base.MakerNote, None)
    return kept.tobytes() if kept else b""


def add_exif_to_tiff(file, blob):
    """Puts EXIF, as JPEG files have it, into an open TIFF file of one page. Raises ValueError for BigTIFF files.

    The first directory is written anew at the file's end, with the entries that it had and those of EXIF; the header leads to it.
    """
    exif = Image.Exif()
    exif.load(bytes(blob))
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    if struct.unpack(order + "H", file.read(2))[0] != 42:
        raise ValueError("a TIFF file of over 4 GB")
    added = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0")
    for tag in _DESCRIPTIVE & exif.keys():
        if isinstance(exif[tag], str):
            added.tagtype[tag] = TiffTags.ASCII
            added[tag] = exif[tag].encode("latin-1", "replace")  # the bytes that were read: Pillow takes them for Latin-1
        else:
            added[tag] = exif[tag]
    for pointer in _SUB_IFDS:
        if values := exif.get_ifd(pointer):
            added[pointer] = dict(values)
    place = file.seek(0, io.SEEK_END)
    place += file.write(b"\0" * (place % 2))
    file.write(added.tobytes(place))
    file.seek(4)
    old_place = struct.unpack(order + "L", file.read(4))[0]
    entries = {tag: entry for directory in (old_place, place) for tag, entry in _entries(file, directory, order)}
    place = file.seek(0, io.SEEK_END)
    place += file.write(b"\0" * (place % 2))
    file.write(struct.pack(order + "H", len(entries)) + b"".join(entry for _, entry in sorted(entries.items())) + b"\0" * 4)
    file.seek(4)
    file.write(struct.pack(order + "L", place))


def _entries(file, place, order):
    """(tag, its 12 bytes) of each entry of a TIFF directory."""
    file.seek(place)
    entries = [file.read(12) for _ in range(struct.unpack(order + "H", file.read(2))[0])]
    return [(struct.unpack(order + "H", entry[:2])[0], entry) for entry in entries]


# ---- Photoshop --------------------------------------------------------------------------------------------------------

_PREVIEWS = (0x0409, 0x040C)
_RESOURCE_TYPES = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")


def without_previews(blob):
    """Photoshop's resources of a TIFF file without the small pictures, which would stay grey; b"" where they are not whole."""
    blob, place, kept = bytes(blob), 0, b""
    while blob[place:].strip(b"\0"):
        name_end = place + 6 + (sum(blob[place + 6 : place + 7]) + 2) // 2 * 2  # its length comes first, and it is padded
        size = int.from_bytes(blob[name_end : name_end + 4], "big")
        end = name_end + 4 + size + size % 2
        if blob[place : place + 4] not in _RESOURCE_TYPES or end > len(blob) + 1:
            return b""
        if int.from_bytes(blob[place + 4 : place + 6], "big") not in _PREVIEWS:
            kept += blob[place:end]
        place = end
    return kept


# ---- IPTC -------------------------------------------------------------------------------------------------------------

_PHOTOSHOP, _RESOURCE = b"Photoshop 3.0\0", b"8BIM\x04\x04\0\0"


def iptc_of_tiff(picture):
    """The IPTC records of an open TIFF image of Pillow, or None."""
    blob = picture.tag_v2._tagdata.get(TiffImagePlugin.IPTC_NAA_CHUNK)
    return raw_iptc(blob) if blob else None


def raw_iptc(blob):
    """IPTC records without the Photoshop resource that JPEG files wrap them in, or None."""
    blob = bytes(blob)
    if not blob.startswith(_PHOTOSHOP):
        return blob.rstrip(b"\0") or None
    place = blob.find(_RESOURCE)
    if place < 0:
        return None
    place += len(_RESOURCE)
    return blob[place + 4 : place + 4 + int.from_bytes(blob[place : place + 4], "big")]


def iptc_for(format, iptc):
    """IPTC records as libvips wants them for "jpeg" or "tiff"."""
    if format == "jpeg":
        return _PHOTOSHOP + _RESOURCE + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
    # libvips counts the tag in units of four bytes where libtiff takes single ones
    return iptc + b"\0" * (3 * len(iptc))
