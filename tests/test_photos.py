"""What archives keep: bits, profiles, alpha, pages, metadata. Pillow is the referee of 8 bits, pyvips writes the 16-bit files."""

import io
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import numpy as np
import pytest
import pyvips
from conftest import TOP
from PIL import Image, ImageCms, IptcImagePlugin, JpegImagePlugin, TiffImagePlugin
from skimage import data as photographs

from colorizer import ColorizerError, metadata, photos

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="box 12"><dc:title>the mill</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>'
)


SCANNED = XMP.replace(
    b"</rdf:RDF>",
    b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="http://cv.iptc.org/x/negativeFilm"/></rdf:RDF>',
)


@pytest.fixture
def rgb():
    return photographs.chelsea()[100:140, 100:170]


def vips_rgb(path):
    return pyvips.Image.new_from_file(str(path)).numpy()


_MODES = {"png": "1 L LA P RGB RGBA", "tif": "1 L LA P RGB RGBA CMYK YCbCr", "jpg": "1 L RGB CMYK YCbCr"}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in _MODES.items() for mode in modes.split()])
def test_every_mode_is_read_as_pillow_reads_it(tmp_path, rgb, suffix, mode):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).convert(mode).save(path)
    photo = photos.read(path)
    assert photo.frames[0].shape == rgb.shape and photo.frames[0].dtype == np.uint8
    with Image.open(path) as picture:
        wanted = np.asarray(picture.convert("RGBA" if mode in ("LA", "RGBA") else "RGB")).astype(int)
    if mode == "CMYK":  # through a profile of printing inks, where Pillow merely inverts
        return
    assert np.abs(photo.frames[0] - wanted[..., :3]).max() <= (2 if suffix == "jpg" else 0)
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(photo.alphas[0], wanted[..., 3:])
    else:
        assert photo.alphas is None


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bands", [1, 3])
def test_16_bits_come_and_go_whole(tmp_path, rng, suffix, bands):
    deep = rng.integers(0, 65536, (9, 7, bands), dtype="uint16")
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    pyvips.Image.new_from_array(deep, interpretation="grey16" if bands == 1 else "rgb16").write_to_file(str(source))
    photo = photos.read(source)
    np.testing.assert_array_equal(photo.frames[0], np.broadcast_to(deep, (9, 7, 3)))
    photos.write(target, photo)
    np.testing.assert_array_equal(vips_rgb(target), photo.frames[0])


def test_whole_numbers_within_16_bits_count_as_16_bits_and_others_are_refused(tmp_path, rng):
    numbers = rng.integers(0, 65536, (5, 6)).astype("int32")
    Image.fromarray(numbers).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(photos.read(tmp_path / "a.tif").frames[0][..., 0], numbers)
    Image.fromarray(numbers + 70_000).save(tmp_path / "b.tif")
    with pytest.raises(ColorizerError, match="beyond 16 bits"):
        photos.read(tmp_path / "b.tif")
    Image.fromarray(numbers.astype("float32")).save(tmp_path / "c.tif")
    with pytest.raises(ColorizerError, match="range is unknown"):
        photos.read(tmp_path / "c.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_metadata_stay_and_the_picture_is_upright(tmp_path, rgb, suffix):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "the mill", 6
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    options = {"xmp": XMP} if suffix in ("jpg", "webp") else {}
    if suffix == "tif":
        exif[700] = XMP
    Image.fromarray(rgb).save(source, exif=exif, dpi=(300, 300), **options)
    photo = photos.read(source)
    assert photo.frames[0].shape[:2] == rgb.shape[1::-1]
    photos.write(target, photo, quality=100, label={"weights": "abc"})
    with Image.open(target) as written:
        assert written.size == rgb.shape[:2]
        assert written.getexif().get(0x0112, 1) == 1
        assert written.getexif()[0x010E] == "the mill"
        if suffix != "webp":
            assert written.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        xmp = bytes(written.info.get("xmp", b"") or written.info.get("XML:com.adobe.xmp", "").encode())
        assert b"compositeWithTrainedAlgorithmicMedia" in xmp and b"abc" in xmp
        if suffix != "png":
            assert b"box 12" in xmp and b"the mill" in xmp
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(written.info["icc_profile"])))


def test_a_profile_is_converted_to_srgb(tmp_path, rgb):
    """As littleCMS converts it through Pillow."""
    srgb, wide = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(wide_profile()))
    source = tmp_path / "a.tif"
    Image.fromarray(rgb).save(source, icc_profile=wide_profile())
    wanted = np.asarray(ImageCms.profileToProfile(Image.fromarray(rgb), wide, srgb, renderingIntent=1)).astype(int)
    found = photos.read(source).frames[0]
    assert np.abs(found - wanted).max() <= 2 and np.abs(found.astype(int) - rgb).max() > 5


def wide_profile():
    """libvips's own profile of the Display P3 primaries."""
    picture = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    return picture.get("icc-profile-data")


def test_an_srgb_profile_changes_no_pixel(tmp_path, rgb):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").frames[0], rgb)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif"])
def test_pages_and_frames_stay_with_their_times(tmp_path, rng, suffix):
    frames = [Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype="uint8")) for _ in range(3)]
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:], **({} if suffix == "tif" else {"duration": [100, 200, 300], "loop": 2}))
    photo = photos.read(source)
    assert len(photo.frames) == 3
    photos.write(target, photo, quality=100)
    again = photos.read(target)
    assert [frame.shape for frame in again.frames] == [(20, 30, 3)] * 3
    if suffix != "tif":
        assert again.metadata["delay"][1] == [100, 200, 300]
    else:
        for ours, theirs in zip(photo.frames, again.frames):
            np.testing.assert_array_equal(ours, theirs)


def test_what_is_no_picture_is_said_in_a_line(tmp_path, rgb):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("text")
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-400])
    said_of = {
        "absent.png": "No such file",
        "empty.png": "empty",
        "text.png": "not a picture",
        "half.jpg": "cannot be read",
        ".": "not a file",
    }
    for name, said in said_of.items():
        with pytest.raises(ColorizerError, match=said) as raised:
            photos.read(tmp_path / name)
        assert "\n" not in str(raised.value)
    with pytest.raises(ColorizerError, match="over --max_pixels"):
        photos.read(tmp_path / "a.jpg", max_pixels=1000)


def test_a_new_file_under_an_old_name_is_read_anew(tmp_path, rgb):
    for picture in (rgb, rgb[::-1]):
        Image.fromarray(picture).save(tmp_path / "a.png")
        np.testing.assert_array_equal(photos.read(tmp_path / "a.png").frames[0], picture)


@pytest.mark.parametrize("source_suffix", ["jpg", "tif"])
@pytest.mark.parametrize("target_suffix", ["jpg", "tif"])
def test_iptc_stays(tmp_path, rgb, source_suffix, target_suffix):
    """Keywords of the picture desk, wrapped by JPEG, bare in TIFF. exiftool's own layout of a record: 1C, dataset, length, text."""
    iptc = b"\x1c\x02\x78\x00\x09the mill!\x1c\x02\x19\x00\x03old"
    photo = photos.Photo(tmp_path / "a", [rgb], None, {}, iptc)
    photos.write(tmp_path / f"a.{source_suffix}", photo)
    photos.write(tmp_path / f"b.{target_suffix}", photos.read(tmp_path / f"a.{source_suffix}"))
    with Image.open(tmp_path / f"b.{target_suffix}") as written:
        found = IptcImagePlugin.getiptcinfo(written)
    assert found == {(2, 120): b"the mill!", (2, 25): b"old"}
    assert photos.read(tmp_path / f"b.{target_suffix}").iptc == iptc


def test_odd_names_are_read_and_written(tmp_path, rgb):
    """libvips alone would take what stands in brackets for options, and wants names to be text."""
    for name in (b"scan.png[shrink=2]", b"caf\xe9.png", b"a b\n.png"):
        source = pathlib.Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
        with open(source, "wb") as file:
            Image.fromarray(rgb).save(file, format="PNG")
        photo = photos.read(source)
        np.testing.assert_array_equal(photo.frames[0], rgb)
    photos.write(tmp_path / os.fsdecode(b"out\xe9.png"), photo)
    assert b"out\xe9.png" in os.listdir(os.fsencode(tmp_path))


def test_pages_are_never_stacked_into_one_picture(tmp_path, rgb):
    photo = photos.Photo(tmp_path / "a.tif", [rgb, rgb])
    with pytest.raises(ColorizerError, match="cannot hold the 2 pages"):
        photos.write(tmp_path / "a.jpg", photo)
    with pytest.raises(ColorizerError, match="cannot hold the 2 pages"):
        photos.write(tmp_path / "a.png", photo)  # pages are no animation


def test_pages_may_differ_in_size_kind_and_orientation(tmp_path, rgb):
    """As scanners write a thumbnail beside the picture."""
    deep = (rgb[:30, :20, 0].astype("uint16") + 1) * 200
    sideways = Image.Exif()
    sideways[0x0112] = 6
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    with TiffImagePlugin.AppendingTiffWriter(source, new=True) as whole:
        for picture, options in ((Image.fromarray(rgb), {}), (Image.fromarray(deep), {}), (Image.fromarray(rgb[:9]), {"exif": sideways})):
            picture.save(whole, format="TIFF", **options)
            whole.newFrame()
    photo = photos.read(source)
    wanted = [rgb, np.repeat(deep[..., None], 3, axis=2), np.rot90(rgb[:9], -1)]
    photos.write(target, photo, label={"weights": "1"})
    for found in (photo, photos.read(target)):
        for frame, its_wanted in zip(found.frames, wanted, strict=True):
            assert frame.dtype == its_wanted.dtype
            np.testing.assert_array_equal(frame, its_wanted)
    with pytest.raises(ColorizerError, match="over --max_pixels"):
        photos.read(source, max_pixels=rgb.shape[0] * rgb.shape[1] + 300)


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_an_animated_png_comes_and_goes_whole(tmp_path, rng, suffix):
    pictures = rng.integers(0, 256, (3, 20, 30, 4), dtype="uint8")
    pictures[..., 3] = 255 * (pictures[..., 3] > 99)
    frames = [Image.fromarray(picture) for picture in pictures]
    source, target = tmp_path / "a.png", tmp_path / f"b.{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=2, dpi=(300, 300))
    photo = photos.read(source)
    np.testing.assert_array_equal(np.concatenate([photo.frames, photo.alphas], axis=-1), pictures)
    assert photo.metadata["xres"] == pytest.approx(300 / 25.4, rel=1e-3)
    photos.write(target, photo, label={"weights": "abc"})
    again = photos.read(target)
    assert again.metadata["delay"][1] == [100, 200, 300] and again.metadata["loop"][1] == 2 and len(again.frames) == 3
    assert b"compositeWithTrainedAlgorithmicMedia" in bytes(again.metadata["xmp-data"][1])
    if suffix == "png":
        np.testing.assert_array_equal(np.concatenate([again.frames, again.alphas], axis=-1), pictures)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_is_turned_once(tmp_path, rng, suffix):
    frames = [Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype="uint8")) for _ in range(2)]
    exif = Image.Exif()
    exif[0x0112] = 6
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:], exif=exif, lossless=True, duration=100)
    photos.write(target, photos.read(source))
    for found in (photos.read(source), photos.read(target)):
        for frame, picture in zip(found.frames, frames, strict=True):
            np.testing.assert_array_equal(frame, np.rot90(np.asarray(picture), -1))


def test_names_with_accents_stay_in_tiff(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x013B] = "André".encode()
    Image.fromarray(rgb).save(tmp_path / "a.jpg", exif=exif)
    photos.write(tmp_path / "b.tif", photos.read(tmp_path / "a.jpg"))
    assert "André".encode() in (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("suffix", ["tif", "ppm.jp2"])
def test_exif_that_is_too_long_for_a_jpeg_costs_no_picture_and_is_told(tmp_path, rgb, caplog, suffix, monkeypatch):
    monkeypatch.setattr(photos.metadata, "exif_of", lambda picture: b"Exif\0\0" + bytes(70_000))
    Image.fromarray(rgb).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(photos.read(tmp_path / f"a.{suffix}").frames[0].shape, rgb.shape)
    assert f"a.{suffix}: its EXIF is not kept (EXIF data is too long)" in caplog.text


def test_broken_exif_costs_no_picture(tmp_path, rgb, caplog):
    fields = {"exif-data": (pyvips.GValue.blob_type, b"Exif\0\0II*\0\x08\0\0\0\xff\xff\1\1")}
    photos.write(tmp_path / "a.tif", photos.Photo(tmp_path / "a", [rgb], None, fields))
    np.testing.assert_array_equal(vips_rgb(tmp_path / "a.tif"), rgb)


@pytest.mark.parametrize("source_suffix", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("target_suffix", ["jpg", "tif", "png", "webp"])
def test_exif_stays_in_every_format(tmp_path, rgb, source_suffix, target_suffix):
    """The camera, the time and the place: three directories of EXIF; Pillow writes and reads them."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "Leica", {0x9003: "1930:01:01 00:00:00"}, {1: "N"}
    source, target = tmp_path / f"a.{source_suffix}", tmp_path / f"b.{target_suffix}"
    Image.fromarray(rgb).save(source, exif=exif, **({"tiffinfo": dict(exif)} if source_suffix == "tif" else {}))
    photos.write(target, photos.read(source))
    with Image.open(target) as written:
        found = written.getexif()
        assert found[0x010F] == "Leica" and found.get_ifd(0x8825)[1] == "N"
        assert found.get_ifd(0x8769)[0x9003].rstrip("\0") == "1930:01:01 00:00:00"
        assert np.asarray(written).shape == rgb.shape


def test_a_gif_is_labelled_once_and_still_a_gif(tmp_path, rgb):
    source = tmp_path / "a.gif"
    Image.fromarray(rgb).save(source)
    for target in (tmp_path / "b.gif", tmp_path / "c.gif"):
        photos.write(target, photos.read(source), label={"weights": "abc"})
        assert target.read_bytes().count(b"XMP DataXMP") == 1 and target.read_bytes().count(b"DigitalSourceType=") == 1
        with Image.open(target) as written:
            written.load()
            assert written.size == rgb.shape[1::-1]
        source = target


def test_what_a_format_has_no_place_for_is_said(tmp_path, rgb, caplog):
    large = XMP.replace(b"the mill", b"mill " * 20_000)
    fields = {"xmp-data": (pyvips.GValue.blob_type, large)}
    photos.write(tmp_path / "a.jpg", photos.Photo(tmp_path / "a", [rgb], None, fields), label={"weights": "abc"})
    assert "XMP is not kept" in caplog.text
    assert b"abc" in bytes(photos.read(tmp_path / "a.jpg").metadata["xmp-data"][1])
    photos.write(tmp_path / "a.tif", photos.Photo(tmp_path / "a", [rgb], None, fields))
    assert bytes(photos.read(tmp_path / "a.tif").metadata["xmp-data"][1]) == large
    photos.write(tmp_path / "a.png", photos.Photo(tmp_path / "a", [rgb], iptc=b"\x1c\x02\x78\0\x01a"))
    assert "IPTC is not kept" in caplog.text
    caplog.clear()
    deep = photos.Photo(tmp_path / "a", [rgb.astype("uint16") * 257], [np.full_like(rgb[..., :1], 9, dtype="uint16")])
    photos.write(tmp_path / "b.png", deep)
    assert not caplog.text
    photos.write(tmp_path / "b.jpg", deep)
    assert "transparency is not kept" in caplog.text and "16 bits become 8" in caplog.text


def test_a_preview_of_photoshops_goes_and_its_other_resources_stay(tmp_path, rgb):
    """It would stay grey."""

    def resource(number, name, content):
        return b"8BIM" + number.to_bytes(2, "big") + name + len(content).to_bytes(4, "big") + content + b"\0" * (len(content) % 2)

    kept = resource(0x03ED, b"\0\0", b"dots"), resource(0x0421, b"\x03box\0\0"[:4], b"odd")
    blob = kept[0] + resource(0x040C, b"\0\0", b"grey thumbnail") + kept[1]
    other = b"MeSa" + kept[0][4:]
    assert metadata.without_previews(blob) == metadata.without_previews(blob + bytes(16)) == b"".join(kept)
    assert metadata.without_previews(other + blob) == other + b"".join(kept)
    assert metadata.without_previews(blob[:-3]) == metadata.without_previews(b"x" * 99) == b""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[34377] = blob
    directory.tagtype[34377] = 7
    Image.fromarray(rgb).save(tmp_path / "a.tif", tiffinfo=directory)
    assert b"grey thumbnail" in (tmp_path / "a.tif").read_bytes()
    photos.write(tmp_path / "b.tif", photos.read(tmp_path / "a.tif"))
    written = (tmp_path / "b.tif").read_bytes()
    assert b"grey thumbnail" not in written and b"dots" in written


def test_large_scans_are_not_unpacked_to_a_file(tmp_path):
    """libvips would put what is over 100 MB into $TMPDIR, which may be full; the limit is lowered here."""
    script = "import sys; from colorizer import photos; print(*photos.read(sys.argv[1]).frames[0].shape)"
    environment = {**os.environ, "VIPS_DISC_THRESHOLD": "1k", "TMPDIR": str(tmp_path / "absent"), "PYTHONPATH": str(TOP)}
    turned = Image.Exif()
    turned[0x112] = 6
    for name, options in (("a.jpg", {}), ("a.tif", {}), ("a.png", {}), ("turned.jpg", {"exif": turned})):
        Image.fromarray(photographs.astronaut()).save(tmp_path / name, **options)
        command = [sys.executable, "-c", script, tmp_path / name]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if name == "turned.jpg":
            assert "TMPDIR names another" in result.stderr
        else:
            assert result.stdout == "512 512 3\n", result.stderr


def test_a_broken_file_is_not_blamed_on_the_disk(tmp_path, monkeypatch):
    """libvips may give what another thread's full disk left in their one place for reasons."""
    Image.fromarray(photographs.chelsea()).save(tmp_path / "half.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "half.jpg").read_bytes()[:9000])
    monkeypatch.setattr(pyvips.Error, "__init__", lambda error, *_: setattr(error, "detail", "wbuffer_write: write failed"))
    with pytest.raises(ColorizerError, match="half.jpg: cannot be read"):
        photos.read(tmp_path / "half.jpg")


def test_what_cannot_be_read_says_what_to_do():
    with pytest.raises(ColorizerError, match="grey.heic: HEIC is not read here: convert it"):
        photos.read(pathlib.Path(__file__).parent / "data" / "grey.heic")


def test_lossless_stays_lossless(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.webp", lossless=True)
    photos.write(tmp_path / "b.webp", photos.read(tmp_path / "a.webp"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.webp").convert("RGB")), rgb)
    Image.fromarray(rgb).save(tmp_path / "c.webp", quality=90)
    assert not photos.read(tmp_path / "c.webp").lossless


def test_formats_that_are_not_written_lose_nothing_either(tmp_path, rng):
    deep = rng.integers(0, 65536, (9, 7), dtype="uint16")
    (tmp_path / "a.pgm").write_bytes(b"P5 7 9 65535\n" + deep.astype(">u2").tobytes())
    np.testing.assert_array_equal(photos.read(tmp_path / "a.pgm").frames[0][..., 1], deep)
    rgba = rng.integers(0, 256, (9, 7, 4), dtype="uint8")
    Image.fromarray(rgba).save(tmp_path / "a.tga")
    photo = photos.read(tmp_path / "a.tga")
    np.testing.assert_array_equal(np.concatenate([photo.frames[0], photo.alphas[0]], axis=-1), rgba)
    Image.fromarray(rgba[..., :3]).save(tmp_path / "a.bmp", dpi=(300, 300))
    assert photos.read(tmp_path / "a.bmp").metadata["xres"] == pytest.approx(300 / 25.4, rel=1e-3)


@pytest.mark.parametrize("form", [b'tiff:Orientation="6"', b"tiff:Orientation='6'", b"<tiff:Orientation>6</tiff:Orientation>"])
def test_xmp_does_not_turn_the_picture_again(form):
    assert metadata.upright_xmp(b"a " + form + b' b="6"') == b"a " + form.replace(b"6", b"1") + b' b="6"'


def test_a_transparent_picture_keeps_its_colours_in_a_jpeg(tmp_path):
    white = np.full((8, 8, 3), 255, "uint8")
    photos.write(tmp_path / "a.jpg", photos.Photo(tmp_path / "a.png", [white], [white[..., :1] * 0]))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.jpg")), white)


def test_what_is_read_at_fewer_bits_is_said(tmp_path, rng, caplog):
    deep = rng.integers(0, 65536, (5, 7, 3), dtype="uint16")
    (tmp_path / "a.ppm").write_bytes(b"P6 7 5 65535\n" + deep.astype(">u2").tobytes())
    assert np.abs(photos.read(tmp_path / "a.ppm").frames[0].astype(int) - (deep / 257)).max() <= 1
    assert "a.ppm: its colours are read at 8 bits" in caplog.text
    caplog.clear()
    Image.fromarray((deep >> 8).astype("uint8")).save(tmp_path / "b.ppm")
    photos.read(tmp_path / "b.ppm")
    (tmp_path / "d.ppm").write_bytes(b"P6 7 5 200\n" + (deep >> 9).astype("uint8").tobytes())
    photos.read(tmp_path / "d.ppm")
    assert not caplog.text
    Image.fromarray((deep >> 8).astype("uint8")).save(tmp_path / "c.jp2")
    photos.read(tmp_path / "c.jp2")
    assert "c.jp2: JPEG 2000 is read at 8 bits" in caplog.text


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("lost", [20, 300, 900])
def test_a_gif_whose_end_is_missing_is_refused(tmp_path, rng, frames, lost):
    first, *others = (Image.fromarray(rng.integers(0, 256, (20, 30), dtype="uint8")) for _ in range(frames))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert len(photos.read(tmp_path / "a.gif").frames) == frames
    (tmp_path / "a.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-lost])
    with pytest.raises(ColorizerError, match=r"a\.gif: "):
        photos.read(tmp_path / "a.gif")


def test_a_full_disk_leaves_nothing(tmp_path, rgb):
    code = (
        "import resource, sys, numpy as np; from colorizer import photos, ColorizerError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)); import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: photos.write(sys.argv[1], photos.Photo('a', [np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype='uint8')]))\n"
        "except ColorizerError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], cwd=TOP, capture_output=True, text=True, timeout=60)
    assert "cannot be written" in result.stdout and not list(tmp_path.iterdir()), result


@pytest.mark.parametrize("xmp", [None, b"", b"no xml", XMP, b"<?xpacket begin=''?>" + XMP + b"<?xpacket end='w'?>\0", SCANNED,
                                 SCANNED.decode().encode("utf-16")])  # fmt: skip
def test_the_label_is_well_formed_and_keeps_what_was_there(xmp):
    packet = metadata.labelled_xmp(xmp, {"weights": 'a"<b>'})
    tree = xml.fromstring(packet.decode().lstrip("\ufeff"))
    found = {name.split("}")[-1]: value for element in tree.iter() for name, value in element.attrib.items()}
    assert found["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia") and found["weights"] == 'a"<b>'
    assert len(re.findall("DigitalSourceType", packet.decode())) == 1
    if xmp and b"box 12" in xmp.replace(b"\0", b""):
        assert found["source"] == "box 12" and "the mill" in "".join(tree.itertext())


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif"])
def test_the_label_is_found_again(tmp_path, rgb, suffix):
    for name, label in (("with", {"weights": "1"}), ("without", None)):
        photos.write(tmp_path / f"{name}.{suffix}", photos.Photo(tmp_path / "a.png", [rgb]), label=label)
        assert photos.is_labelled(tmp_path / f"{name}.{suffix}") == (name == "with")
        assert photos.label_of(tmp_path / f"{name}.{suffix}").get("weights") == (label or {}).get("weights")
    assert not photos.is_labelled(tmp_path / f"absent.{suffix}")


@pytest.mark.parametrize("kind", ["large", "animated"])
def test_the_label_of_unusual_png_files_is_found(tmp_path, rgb, kind):
    fields = {"xmp-data": (pyvips.GValue.blob_type, XMP.replace(b"the mill", b"mill " * 400_000))} if kind == "large" else {}
    if kind == "animated":
        fields = {"delay": (pyvips.GValue.array_int_type, [40, 60]), "loop": (pyvips.GValue.gint_type, 0)}
    photo = photos.Photo(tmp_path / "a", [rgb] * (1 + (kind == "animated")), None, fields)
    photos.write(tmp_path / "a.png", photo, label={"source": "12ab"})
    assert photos.label_of(tmp_path / "a.png")["source"] == "12ab"


def test_a_label_that_another_program_has_written_anew_is_read():
    label = {"weights": "1f", "source": "12ab"}
    packet = metadata.labelled_xmp(XMP, label)
    assert {**metadata.label_of_xmp(packet), "program": ""} == {**label, "program": ""}
    assert metadata.label_of_xmp(packet.replace(b'"12ab"', b"'12ab'"))["source"] == "12ab"
    as_elements = "\n".join(f"<colorizer:{name}>{value}</colorizer:{name}>" for name, value in label.items()).encode()
    assert metadata.label_of_xmp(as_elements) == label


def test_jpegs_are_written_with_all_their_colour(tmp_path, rgb):
    """4:4:4: halved chroma would smear colours over edges. And 16 bits become 8."""
    deep = photos.Photo(tmp_path / "a.png", [rgb.astype("uint16") * 257])
    photos.write(tmp_path / "a.jpg", deep, quality=100)
    with Image.open(tmp_path / "a.jpg") as written:
        assert JpegImagePlugin.get_sampling(written) == 0
        assert np.abs(np.asarray(written).astype(int) - rgb).max() <= 4
