"""Colouring: the picture's own size and lightness, whatever its size, depth and content; files as a person gives them."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
import zipfile

import keras
import numpy as np
import pytest
import pyvips
from conftest import TOP, run_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import color as skimage_color
from skimage import data as photographs

import colorizer
from colorizer import color, images, inference, networks, rendering
from colorizer import photos as program_photos
from colorizer.commands import colorize as program

TRAITS = inference.Traits(render_size=16, stride=8)


def vivid_answer(scaled_lightness):
    """A network that is sure of loud colours, many of them beyond sRGB, and wrong about the lightness."""
    places = np.indices(scaled_lightness.shape[:3])
    ab = np.stack([np.sin(places[1] + places[2] / 3), np.cos(places[1] / 5 + scaled_lightness[..., 0])], axis=-1)
    return np.concatenate([-scaled_lightness, ab], axis=-1).astype("float32")


VIVID = inference.of_network(vivid_answer, TRAITS)


def lightness_of(rgb):
    scale = 65535 if rgb.dtype == np.uint16 else 255
    return skimage_color.rgb2lab(rgb.astype("float64") / scale)[..., 0]


@given(
    height=st.integers(1, 70), width=st.integers(1, 70), channels=st.sampled_from([0, 1, 2, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]), content=st.sampled_from(["noise", "flat", "ramp", "black", "white"]),
    guided=st.booleans(), seed=st.integers(0, 2**16),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_every_picture_keeps_size_depth_alpha_and_lightness(height, width, channels, dtype, content, guided, seed):
    most = np.iinfo(dtype).max
    shape = (height, width, channels)[: 2 + (channels > 0)]
    rng = np.random.default_rng(seed)
    picture = {
        "noise": lambda: rng.integers(0, most + 1, shape),
        "flat": lambda: np.full(shape, rng.integers(0, most + 1)),
        "ramp": lambda: np.broadcast_to(np.linspace(0, most, width).reshape(1, -1, *[1] * (channels > 0)), shape),
        "black": lambda: np.zeros(shape),
        "white": lambda: np.full(shape, most),
    }[content]().astype(dtype)
    coloured = colorizer.colorize(VIVID, picture, guided=guided)
    assert coloured.dtype == dtype and coloured.shape == (height, width, 4 if channels in (2, 4) else 3)
    if channels in (2, 4):
        np.testing.assert_array_equal(coloured[..., 3], picture[..., -1])
    colours = picture.reshape(height, width, -1)[..., : max(1, channels - (channels in (2, 4)))]
    off = np.abs(lightness_of(coloured[..., :3]) - lightness_of(np.broadcast_to(colours, (height, width, 3))))
    assert off.max() <= (0.6 if dtype == "uint8" else 0.1) and off.mean() < 0.2


def test_strips_leave_no_seam(monkeypatch):
    rgb = photographs.astronaut()[:200, :150]
    whole = colorizer.colorize(VIVID, rgb)
    monkeypatch.setattr(inference, "STRIP_PIXELS", 150 * 7)
    strips = colorizer.colorize(VIVID, rgb)
    assert np.abs(strips.astype(int) - whole).max() <= 1


def test_the_file_is_what_evaluation_judges():
    """colorized_rgb and colorized with the lightness put back: one way, within one step."""
    rgb = photographs.chelsea()[:90, :130]
    lab = color.lab_from_rgb(rgb)[None]
    judged = rendering.with_lightness(inference.colorized(VIVID, lab[..., :1]), lab[..., :1])
    assert np.abs(color.rgb_from_lab(judged)[0].astype(int) - inference.colorized_rgb(VIVID, [rgb])[0]).max() <= 1


def test_a_model_that_was_read_once_stands_for_its_path(model, rng):
    picture = rng.integers(0, 256, (40, 60), dtype="uint8")
    np.testing.assert_array_equal(colorizer.colorize(colorizer.load(model), picture), colorizer.colorize(model, picture))


def test_pillow_images_come_back_as_pillow_images():
    grey = Image.fromarray(photographs.camera()[:40, :60])
    assert colorizer.colorize(VIVID, grey).mode == "RGB" and colorizer.colorize(VIVID, grey).size == (60, 40)
    assert colorizer.colorize(VIVID, grey.convert("LA")).mode == "RGBA"


@pytest.mark.parametrize(
    "picture", ["photo.jpg", np.zeros((4, 4)), np.zeros((4, 4, 5), "uint8"), np.zeros((0, 4), "uint8"), np.zeros(4, "uint8")]
)
def test_what_is_no_picture_is_a_value_error(picture):
    with pytest.raises(ValueError, match="expected"):
        colorizer.colorize(VIVID, picture)


@pytest.mark.parametrize("vividness", [-0.1, 1.1, float("nan")])
def test_a_vividness_beyond_the_dial_is_a_value_error(vividness):
    with pytest.raises(ValueError, match="from 0 to 1"):
        colorizer.colorize(VIVID, np.zeros((4, 4), "uint8"), vividness)


# ---- the program ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.keras"
    inference.save(path, networks.build_generator((4, 8, 8, 8), seed=1), TRAITS)
    return path


def test_an_album_is_coloured_and_a_bad_file_stops_nothing(model, folder_of, tmp_path):
    album = folder_of({"a.png": (30, 41), "deep/b.jpg": (20, 20), "c.bmp": (9, 9), "one.png": (1, 1)}, "album")
    (album / "text.png").write_text("no picture")
    before = {path: path.read_bytes() for path in album.rglob("*") if path.is_file()}
    command = [str(album), f"--model={model}", f"--output={tmp_path / 'out'}", "--recursive", f"--status={tmp_path / 'status'}"]
    result = run_program(*command, script="colorize.py")
    assert result.returncode == 1 and result.stdout == "4 coloured, 0 skipped, 1 failed\n", result.stderr
    assert "text.png: not a picture" in result.stderr and result.stderr.count("\n") == 1
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.png", "deep/b.jpg", "c.png", "one.png"}
    assert {path: path.read_bytes() for path in album.rglob("*") if path.is_file()} == before
    status = [json.loads(line) for line in (tmp_path / "status").read_text().splitlines()]
    assert [line["ok"] for line in status] == [True, True, True, True, False] and status[0]["width"] == 41
    with Image.open(tmp_path / "out/a.png") as picture:
        off = np.abs(lightness_of(np.asarray(picture.convert("RGB"))) - lightness_of(np.asarray(Image.open(album / "a.png"))))
        assert off.max() <= 0.6 and b"compositeWithTrainedAlgorithmicMedia" in picture.info["XML:com.adobe.xmp"].encode()

    (album / "text.png").unlink()
    again = run_program(*command, script="colorize.py")
    assert again.returncode == 0 and again.stdout == "0 coloured, 4 skipped, 0 failed\n" and again.stderr == ""


def test_a_tflite_file_colours_without_tensorflow(tflite, tmp_path):
    """And as the Keras network that it was made of does."""
    path, network = tflite
    rgb = photographs.chelsea()[:57, :90]
    Image.fromarray(rgb).convert("L").save(tmp_path / "a.png")
    code = (
        "import sys; sys.argv = ['colorize', *sys.argv[1:]]; from colorizer.commands import colorize; colorize.main();"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png"), f"--model={path}", "--vividness=0.5"]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and result.stdout == "1 coloured, 0 skipped, 0 failed\nset()\n", result.stderr
    wanted = colorizer.colorize(inference.of_network(network.predict_on_batch, TFLITE_TRAITS), Image.open(tmp_path / "a.png"), 0.5)
    assert np.abs(np.asarray(Image.open(tmp_path / "a-color.png")).astype(int) - np.asarray(wanted)).max() <= 1


TFLITE_TRAITS = inference.Traits(render_size=16, stride=8, gain=1.5)


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    """A small network as a .tflite file that keeps the contract, and the network."""
    import tensorflow as tf

    network = networks.build_generator((4, 8, 8, 8), seed=1)
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]  # else the conversion loses the weights

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 1], name="lightness"), tf.TensorSpec([], name="vividness")])
    def predict_lab(lightness, vividness):
        lab = color.unscale(network(lightness / 50 - 1, training=False))
        return {"lab": rendering.vivid(lab, vividness, TFLITE_TRAITS.gain, xp=keras.ops)}

    module.predict_lab = predict_lab
    folder = tmp_path_factory.mktemp("tflite")
    tf.saved_model.save(module, folder / "saved", signatures={"predict_lab": predict_lab.get_concrete_function()})
    path = folder / "small.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"), signature_keys=["predict_lab"]).convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(inference.TRAITS_FILE, json.dumps(dataclasses.asdict(TFLITE_TRAITS)))
    return path, network


def test_tflite_and_keras_agree_at_any_size(tflite, rng):
    path, network = tflite
    ours, theirs = inference.load(path), inference.of_network(network.predict_on_batch, TFLITE_TRAITS)
    for shape in ((2, 16, 24, 1), (1, 32, 16, 1)):
        lightness = rng.uniform(0, 100, shape).astype("float32")
        np.testing.assert_allclose(ours(lightness, 0.7), theirs(lightness, 0.7), atol=1e-3)


def test_what_cannot_be_done_is_one_line_and_exit_code_1(model, folder_of, tmp_path):
    album = folder_of({"a.png": (8, 8), "a.jpg": (8, 8)}, "album")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for arguments, said in [
        ([], "name pictures"),
        ([str(album / "a.png"), f"--model={model}", f"--status={album / 'a.jpg'}"], "no status"),
        ([str(album / "a.png"), f"--model={model}", f"--status={album / 'a.png'}"], "a picture of this run"),
        ([str(album / "a.png"), f"--model={model}", f"--output={tmp_path / 'file' / 'below'}"], "cannot be written"),
        ([str(album / "a.png"), f"--model={tmp_path / 'empty'}"], "no best.keras"),
        ([str(album / "a.png"), f"--model={model}", "--vividness=2"], "vividness"),
        ([str(album / "a.png"), f"--model={model}", "--vividness=nan"], "from 0 to 1"),
    ]:
        result = run_program(*arguments, script="colorize.py")
        assert result.returncode == 1 and said in result.stderr and result.stderr.count("\n") == 1, (arguments, result.stderr)


def test_a_full_disk_leaves_what_is_whole(tflite, folder_of, tmp_path):
    """A file may not grow beyond 20 kB: the small picture is written, the large one leaves nothing."""
    album = folder_of({"a.png": (20, 20), "b.png": (200, 200), "c.png": (21, 21)}, "album")
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from colorizer.commands import colorize; colorize.main()"
    )
    command = [sys.executable, "-c", code, str(album), f"--model={tflite[0]}", f"--output={tmp_path / 'out'}"]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1 and result.stdout == "2 coloured, 0 skipped, 1 failed\n", result.stderr
    assert "b.png: cannot be written" in result.stderr and "disk full" in result.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "c.png"]


def test_every_kind_of_bad_file_is_named_with_its_reason(folder_of, tmp_path, monkeypatch):
    album = folder_of({"good.png": (9, 9), "bomb.png": (300, 300), "locked.png": (8, 8)}, "album")
    Image.fromarray(photographs.chelsea()[:200, :300]).save(album / "half.jpg")
    (album / "half.jpg").write_bytes((album / "half.jpg").read_bytes()[:9000])
    (album / "text.png").write_text("no picture")
    (album / "empty.png").touch()
    (album / "nowhere.png").symlink_to(tmp_path / "absent")
    os.mkfifo(album / "pipe.png")
    really_open = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: really_open(path, *rest) if "locked" not in str(path) else refuse(path))
    jobs = plan(album, f"--output={tmp_path / 'out'}", "--max_pixels=80000")
    records = {job.source.name: record for job, record in zip(jobs, program._in_turn(jobs, program_photos, list, None))}
    for name, reason in {
        "bomb.png": "over --max_pixels (0.08 million)", "locked.png": "Permission denied", "half.jpg": "cannot be read",
        "text.png": "not a picture", "empty.png": "empty", "nowhere.png": "No such file", "pipe.png": "not a file",
    }.items():  # fmt: skip
        assert reason in records[name]["error"] and str(album / name) in records[name]["error"], records[name]
    assert [name for name, record in records.items() if record["ok"]] == ["good.png"] == os.listdir(tmp_path / "out")


def refuse(path):
    raise PermissionError(13, "Permission denied")  # a test may run as root, whom nothing refuses


_KINDS = [
    (suffix, mode, 8) for suffix, modes in {
        "png": "1 L LA P RGB RGBA", "tif": "1 L LA P RGB RGBA CMYK YCbCr", "jpg": "L RGB CMYK", "webp": "RGB RGBA", "gif": "L P",
        "bmp": "1 L P RGB", "ppm": "RGB", "tga": "L RGB RGBA",
    }.items() for mode in modes.split()
] + [(suffix, mode, 16) for suffix in ("png", "tif") for mode in ("L", "RGB")]  # fmt: skip


@given(
    kind=st.sampled_from(_KINDS), height=st.integers(1, 60), width=st.integers(1, 60), orientation=st.integers(1, 8),
    content=st.sampled_from(["noise", "photograph", "flat"]), compare=st.booleans(), seed=st.integers(0, 2**16),
)  # fmt: skip
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_file_keeps_size_depth_alpha_and_lightness(tmp_path_factory, kind, height, width, orientation, content, compare, seed):
    """Of what is read; how each format and mode is read, test_photos says."""
    suffix, mode, bits = kind
    folder = tmp_path_factory.mktemp("file")
    rng = np.random.default_rng(seed)
    rgba = {
        "noise": lambda: rng.integers(0, 256, (height, width, 4)),
        "photograph": lambda: np.dstack(
            [photographs.chelsea()[100 : 100 + height, 100 : 100 + width], rng.integers(0, 256, (height, width))]
        ),
        "flat": lambda: np.full((height, width, 4), rng.integers(0, 256)),
    }[content]().astype("uint8")
    source = folder / f"a.{suffix}"
    if bits == 16:
        deep = (rgba[..., : len(mode)].astype("uint16") << 8) + rng.integers(0, 256, (height, width, len(mode)), dtype="uint16")
        pyvips.Image.new_from_array(deep, interpretation="grey16" if mode == "L" else "rgb16").write_to_file(str(source))
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"exif": exif} if suffix in ("jpg", "png", "webp", "tif") else {}
        Image.fromarray(rgba, "RGBA").convert("RGB" if mode in ("CMYK", "YCbCr") else "RGBA").convert(mode).save(source, **options)
        height, width = (width, height) if orientation > 4 and options else (height, width)
    before = program_photos.read(source)
    assert before.frames[0].shape == (height, width, 3) and before.frames[0].dtype == f"uint{bits}"
    after = dataclasses.replace(before, frames=inference.colorized_rgb(VIVID, before.frames))
    target = folder / f"b{program_photos.suffix_of(source)}"
    program_photos.write(target, program_photos.side_by_side(before, after) if compare else after, label={"weights": "1"})
    written = program_photos.read(target)
    assert written.frames[0].dtype == before.frames[0].dtype
    pixels = written.frames[0][-height:, -width:]
    if target.suffix in (".png", ".tif"):
        assert np.abs(lightness_of(pixels) - lightness_of(before.frames[0])).max() <= 0.6
        assert (written.alphas is None) == (before.alphas is None)
        if before.alphas is not None:
            np.testing.assert_array_equal(written.alphas[0][-height:, -width:], before.alphas[0])
    else:
        assert pixels.shape == before.frames[0].shape


@pytest.mark.parametrize("shape", [(3, 5000), (5000, 3), (1, 1), (400, 4000)])
def test_the_longest_shapes_come_back_whole(shape, rng):
    grey = rng.integers(0, 256, (*shape, 1), dtype="uint8")
    coloured = colorizer.colorize(VIVID, grey)
    assert coloured.shape == (*shape, 3)
    assert np.abs(lightness_of(coloured) - lightness_of(np.broadcast_to(grey, (*shape, 3)))).max() <= 0.6


def plan(*arguments):
    program.FLAGS.unparse_flags()
    return program._jobs(program.FLAGS(["colorize", *map(str, arguments)])[1:])


def coloured_by_us(path):
    """A picture with the label of this program."""
    program_photos.write(path, program_photos.Photo(path, [np.zeros((8, 8, 3), "uint8")]), label={"weights": "1"})


def test_where_the_colours_go(folder_of, tmp_path, monkeypatch):
    album = folder_of({"a.png": (8, 8), "b.bmp": (8, 8), "deep/c.jpg": (8, 8), "green-color.png": (8, 8)}, "album")
    coloured_by_us(album / "a-color.png")
    assert [job.target.name for job in plan(album)] == ["a-color.png", "b-color.png", "green-color-color.png"]  # no output coloured again
    assert [job.target.name for job in plan(album / "a*.png")] == ["a-color.png"]
    assert sorted(job.target.as_posix() for job in plan(album, "--recursive", "--output=/out", "--format=webp")) == [
        "/out/a-color.webp", "/out/a.webp", "/out/b.webp", "/out/deep/c.webp", "/out/green-color.webp",
    ]  # fmt: skip
    assert [job.source.name for job in plan(album / "*.bmp", album / "b.bmp")] == ["b.bmp"]  # once
    assert {job.source.name for job in plan(album, "--recursive", f"--output={album / 'deep'}")} == {
        "a.png", "b.bmp", "a-color.png", "green-color.png",
    }  # fmt: skip
    monkeypatch.chdir(album)
    assert [os.fspath(job.target) for job in plan("a.png")] == ["a-color.png"]
    (album / "a.png").rename(album / "scan.jpg")  # a PNG by its content
    assert [os.fspath(job.target) for job in plan("scan.jpg")] == ["scan-color.png"]
    (album / "deep/c.jpg").rename(album / "roll.001")  # what is no suffix of a picture is part of the name
    assert [os.fspath(job.target) for job in plan("roll.001")] == ["roll.001-color.jpg"]
    assert [os.fspath(job.target) for job in plan("roll.001", "--output=/out")] == ["/out/roll.001.jpg"]


def test_the_same_command_again_colours_nothing_twice(folder_of):
    """A folder, a glob, or what a shell makes of one."""
    album = folder_of({"a.png": (8, 8), "b.bmp": (8, 8)}, "album")
    coloured_by_us(album / "a-color.png")
    coloured_by_us(album / "b-color.png")
    for arguments in ((album,), (album / "*",), sorted(album.iterdir()), (album, "--overwrite"), (album, "--overwrite", "--nolabel")):
        assert [(job.source.name, job.target.name, job.error) for job in plan(*arguments)] == [
            ("a.png", "a-color.png", None), ("b.bmp", "b-color.png", None),
        ]  # fmt: skip
    assert [job.target.name for job in plan(album / "a-color.png")] == ["a-color-color.png"]  # by itself it is a picture as any


def test_what_this_program_has_not_written_is_an_input_and_never_replaced(folder_of):
    album = folder_of({"b.bmp": (8, 8), "b.png": (8, 8), "c.png": (8, 8), "c-color.png": (8, 8)}, "album")
    errors = {job.source.name: job.error for job in plan(album, f"--output={album}", "--overwrite")}
    assert len(errors) == 4 and "over an input" in errors["b.bmp"]
    errors = {job.source.name: job.error for job in plan(album, "--overwrite")}
    assert len(errors) == 4 and "over an input" in errors["c.png"] and errors["c-color.png"] is None
    assert "over an input" in {job.source.name: job.error for job in plan(album, "--overwrite", "--nolabel")}["c.png"]
    assert [job.source.name for job in plan(album, "--overwrite", "--nolabel")] == ["b.bmp", "b.png", "c.png"]  # nor coloured once more
    # without labels an earlier run is known by its names alone
    assert {job.source.name for job in plan(album / "c.png", album / "c-color.png", "--nolabel")} == {"c.png"}


def test_inputs_that_are_named_are_never_dropped_or_written_over(folder_of):
    album = folder_of({"b.png": (8, 8), "b-color.png": (8, 8), "a.jpg": (8, 8), "a-color.tif": (8, 8)}, "album")
    jobs = plan(album / "b.png", album / "b-color.png", "--overwrite")
    assert len(jobs) == 2 and "over an input" in jobs[0].error
    assert {job.source.name for job in plan(album)} == {"b.png", "b-color.png", "a.jpg", "a-color.tif"}  # which no program has coloured


@pytest.mark.parametrize("ignored", [False, True])
def test_names_that_differ_in_case_are_one_file_where_the_file_system_says_so(folder_of, tmp_path, monkeypatch, ignored):
    monkeypatch.setattr(images, "ignores_case", lambda folder: ignored)
    years = folder_of({"1900/Mill.png": (8, 8), "1901/mill.png": (8, 8)})
    first, second = plan(years / "1900", years / "1901", f"--output={tmp_path / 'out'}")
    assert first.error is None and (second.error is not None) == ignored
    (tmp_path / "link").symlink_to(years)
    assert [job.error for job in plan(years / "1900", tmp_path / "link/1900")] == [None]  # once
    errors = [job.error for job in plan(years / "1900", tmp_path / "link/1900", f"--output={tmp_path / 'out'}")]
    assert errors[0] is None and "already" in errors[1]


def in_turn(*arguments):
    """What becomes of each picture, its colours left as they are."""
    jobs = plan(*arguments)
    return list(program._in_turn(jobs, program_photos, list, {"weights": "1"} if program.FLAGS.label else None))


def test_an_output_of_another_picture_is_not_taken_for_this_ones(folder_of, tmp_path):
    """Two boxes whose scans have the same names, coloured one after the other into one folder."""
    boxes, out = folder_of({f"box{number}/001.tif": (8, 8) for number in (1, 2)}), tmp_path / "out"
    assert [record["ok"] for record in in_turn(boxes / "box1", f"--output={out}")] == [True]
    first = (out / "001.tif").read_bytes()
    assert [record["skipped"] for record in in_turn(boxes / "box1", f"--output={out}")] == [True]
    (record,) = in_turn(boxes / "box2", f"--output={out}")
    assert not record["ok"] and "made of another picture" in record["error"] and (out / "001.tif").read_bytes() == first
    (record,) = in_turn(boxes / "box2", f"--output={out}", "--overwrite")
    assert record["ok"] and (out / "001.tif").read_bytes() != first


def test_an_output_that_was_made_another_way_is_not_taken_for_done(folder_of):
    """Another vividness, other weights, before and after side by side."""
    (source,) = folder_of({"a.png": (8, 8)}).glob("*.png")

    def made(**label):
        jobs = plan(source)
        ((its,),) = [list(program._in_turn(jobs, program_photos, list, label))]
        return its

    assert made(weights="1", vividness=0.4, compare=False)["ok"]
    assert made(weights="1", vividness=0.4, compare=False)["skipped"]
    assert "made with vividness 0.4, not 1.0" in made(weights="1", vividness=1.0, compare=False)["error"]
    assert "made with weights 1, not 2" in made(weights="2", vividness=0.4, compare=False)["error"]
    assert "made with compare False, not True" in made(weights="1", vividness=0.4, compare=True)["error"]


@pytest.mark.parametrize("flag", ["--vividness=0.9", "--render_size=64", "--upsample=bicubic", "--quality=30", "--compare"])
def test_every_flag_that_changes_an_output_keeps_it_from_being_taken_for_done(folder_of, capsys, flag):
    album = folder_of({"a.jpg": (8, 8), "b.png": (8, 8)})

    def said(*arguments):
        program.FLAGS.unparse_flags()
        inputs = program.FLAGS(["colorize", str(album), "--model=cifar10", *arguments])[1:]
        with contextlib.suppress(SystemExit):
            program._colorize(inputs)
        return capsys.readouterr().out.splitlines()[-1]

    assert said() == "2 coloured, 0 skipped, 0 failed"
    assert said() == "0 coloured, 2 skipped, 0 failed"
    of_png = flag == "--quality=30"  # which has none
    assert said(flag) == f"0 coloured, {int(of_png)} skipped, {2 - int(of_png)} failed"
    assert said(flag, "--overwrite") == "2 coloured, 0 skipped, 0 failed"
    assert said(flag) == "0 coloured, 2 skipped, 0 failed"


def test_links_that_lead_nowhere_fail_alone(folder_of, tmp_path):
    album = folder_of({"a.png": (8, 8), "b.png": (8, 8)}, "album")
    (album / "b-color.png").symlink_to(tmp_path / "nothing.png")
    (album / "loop.png").symlink_to("loop.png")
    for arguments in ((album,), (album, f"--output={album / 'out'}")):
        records = {os.path.basename(record["input"]): record for record in in_turn(*arguments)}
        assert records["a.png"]["ok"] and not records["loop.png"]["ok"] and not records["b-color.png"]["ok"]
    assert records["b.png"]["ok"]  # into a folder
    assert ["leads nowhere" in record["error"] for record in in_turn(album / "b.png")] == [True]


def test_without_labels_the_same_command_through_a_link_colours_nothing_twice(folder_of, tmp_path):
    folder_of({"real/a.png": (8, 8)}, "album")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "album/real")
    for _ in range(2):
        assert [record["ok"] for record in in_turn(link, "--nolabel")] == [True]
    assert sorted(path.name for path in link.iterdir()) == ["a-color.png", "a.png"]


def test_a_quoted_glob_means_what_the_shell_makes_of_it(folder_of):
    album = folder_of({"2020-a/1.png": (8, 8), "2020-b.png": (8, 8), "2021/2.png": (8, 8)}, "album")
    assert [job.source.name for job in plan(album / "2020*")] == ["1.png", "2020-b.png"]
    assert [job.source.name for job in plan(album / "**/*.png")] == ["1.png", "2020-b.png", "2.png"]


def test_overwriting_is_of_what_this_program_has_written(folder_of, tmp_path):
    folders = folder_of({"new/a.png": (8, 8), "masters/a.png": (8, 8)})
    before = (folders / "masters/a.png").read_bytes()
    (record,) = in_turn(folders / "new", f"--output={folders / 'masters'}", "--overwrite")
    assert not record["ok"] and "no label" in record["error"] and (folders / "masters/a.png").read_bytes() == before


def test_a_status_is_not_written_over_anything_else(folder_of, tmp_path):
    catalogue = tmp_path / "catalogue.json"
    for content in ('{"boxes": 12}\n', "{\n", "[]\n", "\xff"):
        catalogue.write_text(content)
        program.FLAGS(["colorize", f"--status={catalogue}"])
        with pytest.raises(colorizer.ColorizerError, match="no status"), program._status_of(()):
            pass
        assert catalogue.read_text() == content


def test_an_output_folder_among_the_inputs_is_no_input(folder_of):
    album = folder_of({"a.png": (8, 8)}, "album")
    coloured_by_us(album / "colored/a.png")
    for arguments in ((album / "a.png", album / "colored"), (album / "**/*.png",)):
        (job,) = plan(*arguments, f"--output={album / 'colored'}")
        assert job.source == album / "a.png" and job.error is None


def test_large_files_are_read_and_written_while_the_network_works(tmp_path, monkeypatch):
    """Of what is being read, coloured and written at one time there is never too much, and always more than one."""
    busy, most, together = set(), [0], [0]

    class Slow:
        pixels = staticmethod(lambda source: 24_000_000)
        suffix_of = staticmethod(lambda source, format: ".png")

        @staticmethod
        def read(source, max_pixels):
            return Slow.work(source.name, "read")

        @staticmethod
        def write(target, photo, quality, label):
            return Slow.work(target.name, "write")

        @staticmethod
        def work(name, kind):
            busy.add(kind)
            most[0] = max(most[0], len(busy))
            time.sleep(0.05)
            busy.discard(kind)
            return program_photos.Photo(name, [np.zeros((2, 2, 3), "uint8")])

    def coloured(photographs):
        together[0] += bool(busy)
        time.sleep(0.05)
        return photographs

    program.FLAGS.unparse_flags()
    program.FLAGS(["colorize"])
    jobs = [program.Job(tmp_path / f"{number}.png", tmp_path / "out" / f"{number}.png") for number in range(8)]
    records = list(program._in_turn(jobs, Slow, coloured, None))
    assert [record["input"] for record in records] == [str(job.source) for job in jobs] and all(record["ok"] for record in records)
    assert together[0] and most[0] == 2


def test_what_cannot_be_planned_fails_alone(folder_of, tmp_path):
    album = folder_of({"a.png": (8, 8), "a.jpg": (8, 8), "b.png": (8, 8)}, "album")
    (tmp_path / "empty").mkdir()
    errors = {
        job.source.name: job.error for job in plan(album, "/no/such/picture.png", tmp_path / "empty", "--format=png", "--output=/out")
    }
    assert errors["a.jpg"] is None and errors["b.png"] is None
    assert "already" in errors["a.png"] and "no such file" in errors["picture.png"] and "no pictures" in errors["empty"]
    (long,) = plan(tmp_path / ("x" * 300))
    assert "File name too long" in long.error
    over = plan(album / "a.png", album / "b.png", f"--output={album}")
    assert all("over an input" in job.error for job in over)


def test_a_folder_that_cannot_be_read_is_a_failure(folder_of, monkeypatch):
    album = folder_of({"a.png": (8, 8), "locked/b.png": (8, 8)}, "album")
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: locked(path) if str(path).endswith("locked") else scan(path))
    assert [(job.source.name, job.error) for job in plan(album, "--recursive")] == [
        ("a.png", None), ("locked", f"{album / 'locked'}: Permission denied"),
    ]  # fmt: skip
    assert [job.error for job in plan(album)] == [None]


def locked(path):
    raise PermissionError(13, "Permission denied", str(path))


def test_an_empty_file_is_not_taken_for_a_picture_that_is_done(folder_of, tmp_path):
    album = folder_of({"a.png": (8, 8), "b.png": (8, 8)}, "album")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").touch()
    (tmp_path / "out/b.png").write_text("something")
    jobs = plan(album, f"--output={tmp_path / 'out'}")
    assert [record["skipped"] for record in program._in_turn(jobs, program_photos, list, None)] == [False, True]


def test_a_status_that_cannot_be_written_stops_no_picture(tflite, folder_of, tmp_path):
    album = folder_of({"a.png": (8, 8), "b.png": (8, 8)}, "album")
    arguments = [str(album), f"--model={tflite[0]}", f"--output={tmp_path / 'out'}", "--status=/dev/full"]
    result = run_program(*arguments, script="colorize.py")
    assert result.returncode == 1 and result.stdout == "2 coloured, 0 skipped, 0 failed\n"
    assert result.stderr == "colorize: --status=/dev/full: cannot be written (No space left on device)\n"


def test_anything_that_a_picture_brings_about_is_its_own_failure(folder_of, tmp_path, monkeypatch):
    """A network that runs out of memory, a name that is no text: the others go on."""
    album = folder_of({"a.png": (8, 8), "b.png": (8, 8)}, "album")
    os.rename(album / "a.png", os.path.join(os.fsencode(album), b"caf\xe9.png"))

    def coloured(photographs):
        if any(photo.path.name == "b.png" for photo in photographs):
            raise MemoryError
        return photographs

    records = list(program._in_turn(plan(album, f"--output={tmp_path / 'out'}"), program_photos, coloured, {"weights": "1"}))
    assert [record["ok"] for record in records] == [False, True]
    assert records[0]["error"].endswith("b.png: MemoryError") and os.listdir(os.fsencode(tmp_path / "out")) == [b"caf\xe9.png"]
