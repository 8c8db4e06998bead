"""What a server and a phone get: the pixels that the trained network gives, and nothing where that is not so.

The referees are our own numpy path (colour: checked against scikit-image elsewhere), TensorFlow's session loader, the protos of
TensorFlow Serving, and LiteRT.
"""

import base64
import concurrent.futures
import dataclasses
import http.server
import io
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import TOP, run_program
from PIL import Image
from skimage import data as photographs
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.tools import saved_model_cli
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc

from colorizer import ColorizerError, color, export, images, inference, networks, ondevice, serving

TRAITS = inference.Traits(render_size=32, stride=8, gain=1.7, vividness=0.25)
SIGNATURES = {"serving_default"} | {f"{name}{kind}" for name in ("colorize", "colorize_bytes", "predict_lab") for kind in ("", "_vivid")}


@pytest.fixture(scope="module")
def network():
    """A small U-Net whose batch norms are not the identity."""
    network, rng = networks.build_generator((8, 16, 16, 16), seed=1), np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([np.abs(rng.normal(1, 0.3, weight.shape)) for weight in layer.get_weights()])
    return network


@pytest.fixture(scope="module")
def reference(network):
    return inference.of_network(inference.compiled(network), TRAITS)


@pytest.fixture(scope="module")
def examples():
    pictures = photographs.chelsea()[:57, :90], photographs.astronaut()[:40, :200], photographs.coffee()[:64, :64]
    return [images.Example(str(number), None, rgb) for number, rgb in enumerate(pictures)]


@pytest.fixture(scope="module")
def exported(network, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    rows = export.write(network, TRAITS, folder, "small", ["savedmodel", "tflite"], ["none", "float16"], examples=examples)
    return folder, rows


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(exported[0] / "small" / "1")


def seen_of(examples):
    return [export.lightness_seen(example.rgb, TRAITS) for example in examples]


def encoded(rgb, kind, **options):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format=kind, **options)
    return file.getvalue()


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def steps(one, other):
    return np.abs(np.asarray(one).astype(int) - np.asarray(other)).max()


# ---- SavedModel -------------------------------------------------------------------------------------------------------


def test_a_batch_of_files_comes_back_in_colour_and_bad_ones_empty(loaded, reference):
    cat, tall = photographs.chelsea(), photographs.astronaut()[:301, :100]
    good = [
        encoded(cat[:57, :90], "PNG"), encoded(cat, "JPEG"), encoded(cat[:1, :1], "PNG"), encoded(cat[:3].repeat(12, axis=1), "PNG"),
        encoded(cat[:50, :30], "BMP"), encoded(tall, "WEBP"), encoded(cat[:40, :40], "GIF"), encoded(cat[..., 0], "JPEG"),
        encoded(tall, "WEBP", lossless=True),
    ]  # fmt: skip
    rgba = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype="uint8")
    good += [encoded(rgba, "WEBP", lossless=True), encoded(rgba, "WEBP"), encoded(rgba, "PNG")]
    palette = io.BytesIO()
    Image.fromarray(cat[:40, :40]).convert("P").save(palette, "BMP")  # of which TensorFlow would show the indices
    gif = good[6]
    bad = [
        b"no picture",
        b"",
        good[1][:900],
        b"\x89PNG\r\n\x1a\n and no more",
        good[0][:200],
        palette.getvalue(),
        gif[:40],
        gif[:8],
        gif[:-300],
    ]
    batch = [item for pair in zip(good, bad + bad) for item in pair]
    answers = loaded.signatures["serving_default"](image_bytes=tf.constant(batch))["image_bytes"].numpy()
    assert len(answers) == len(batch)
    for place, (source, answer) in enumerate(zip(batch, answers)):
        if place % 2:
            assert answer == b""
        else:
            picture = np.asarray(Image.open(io.BytesIO(source)).convert("RGB"))
            assert decoded(answer).shape == picture.shape
            assert steps(decoded(answer), inference.colorized_rgb(reference, [picture])[0]) <= 1


def test_pictures_with_too_many_pixels_come_back_empty(network):
    """By their headers: a server would run out of memory decoding them."""
    small = serving.Served(network, TRAITS, max_pixels=1000).signatures()["colorize_bytes"]
    kinds = [
        ("PNG", {}),
        ("JPEG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0II*\0\0\0"}),
    ]
    pictures = [photographs.chelsea()[:20, :50], photographs.chelsea()[:20, :51]]
    batch = [encoded(rgb, kind, **options) for kind, options in kinds for rgb in pictures]
    answers = small(tf.constant(batch))["image_bytes"].numpy()
    assert [bool(answer) for answer in answers] == [True, False] * len(kinds)
    for encoding in batch:
        if not encoding.startswith(b"\xff\xd8"):
            assert serving._pixels(tf.constant(encoding)).numpy() == np.prod(Image.open(io.BytesIO(encoding)).size)


def test_a_gif_cannot_say_that_it_is_small(network):
    """Its frames have sizes of their own, and TensorFlow would decode all of them."""
    small = serving.Served(network, TRAITS, max_pixels=1000).signatures()["colorize_bytes"]
    large = bytearray(encoded(np.zeros((200, 300, 3), "uint8"), "GIF"))
    large[6:10] = bytes([10, 0, 10, 0])
    frames = [Image.fromarray(photographs.chelsea()[place : place + 20, :30]) for place in (0, 20, 40)]
    animated = io.BytesIO()
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    refused, first = small(tf.constant([bytes(large), animated.getvalue()]))["image_bytes"].numpy()
    assert refused == b"" and decoded(first).shape == (20, 30, 3)


def test_a_gif_of_single_bytes_is_given_up():
    """Each block is a step of the walk: four megabytes of them would take minutes."""
    whole = encoded(photographs.chelsea()[:100, :100], "GIF")
    header = whole[:13] + whole[13 : 13 + 3 * 2 ** (whole[10] % 8 + 1)] + b",\0\0\0\0" + whole[6:10] + b"\0\x08"
    few, many = (header + count * b"\x01a" + b"\0;" for count in (10, 20_000))
    first_frame = tf.function(serving._first_frame_of_gif)
    assert first_frame(tf.constant(whole)) and first_frame(tf.constant(few)) and not first_frame(tf.constant(many))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_animated_webp_comes_back_empty(loaded, mode):
    frames = [Image.fromarray(photographs.chelsea()[place : place + 20, :30]).convert(mode) for place in (0, 20)]
    animated = io.BytesIO()
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    still = encoded(np.asarray(frames[0]), "WEBP")
    empty, coloured = loaded.signatures["serving_default"](image_bytes=tf.constant([animated.getvalue(), still]))["image_bytes"].numpy()
    assert empty == b"" and decoded(coloured).shape == (20, 30, 3)


def test_many_small_tensors_are_seen_a_few_at_a_time_and_too_many_pixels_refused(network, reference, monkeypatch):
    monkeypatch.setattr(inference, "RENDER_PIXELS", 3 * 32 * 64)
    rgb = np.random.default_rng(0).integers(0, 256, (10, 5, 10, 3), dtype="uint8")
    module = serving.Served(network, TRAITS, max_pixels=10 * 32 * 64)  # that the network sees of ten pictures
    colorize = module.signatures()["colorize"]
    for answer, picture in zip(colorize(tf.constant(rgb))["image"], rgb, strict=True):
        assert steps(answer, inference.colorized_rgb(reference, [picture])[0]) <= 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):
        colorize(tf.constant(np.zeros((11, 5, 10, 3), "uint8")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):  # seen at 32 x 256
        colorize(tf.constant(np.zeros((3, 1, 8, 3), "uint8")))


def test_a_readme_that_is_none_of_an_export_is_never_replaced(tmp_path):
    (tmp_path / "README.md").write_text("# My program\n")
    with pytest.raises(ColorizerError, match="would be replaced"):
        export.write(None, TRAITS, tmp_path, "colorizer", {"tflite"}, ["none"])
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("vividness", [-0.1, 1.1, float("nan")])
def test_a_vividness_beyond_the_dial_is_refused(loaded, vividness):
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 1"):
        loaded.signatures["predict_lab_vivid"](lightness=tf.zeros((1, 32, 32, 1)), vividness=tf.constant([vividness]))


def test_a_bitmap_too_long_for_a_png_comes_back_empty_and_alone(loaded, rng):
    files = [encoded(np.zeros(shape, "uint8"), "BMP") for shape in ((1, 10**6 + 1, 3), (1, 70_000, 3), (9, 7, 3))]
    empty, *coloured = loaded.signatures["serving_default"](image_bytes=tf.constant(files))["image_bytes"].numpy()
    assert empty == b"" and [decoded(png).shape for png in coloured] == [(1, 70_000, 3), (9, 7, 3)]


def test_the_network_is_no_part_of_what_a_server_makes_anew_at_each_request(exported):
    """A data set's functions are instantiated and optimized at every call, which took 1.8 s of a processor with the network in one."""
    saved = saved_model_pb2.SavedModel.FromString((exported[0] / "small" / "1" / "saved_model.pb").read_bytes())
    nodes = {function.signature.name: function.node_def for function in saved.meta_graphs[0].graph_def.library.function}

    def called_by(node):
        return [function.name for value in node.attr.values() for function in (value.func, *value.list.func) if function.name]

    def operations(function):
        for node in nodes[function]:
            yield node.op
            for called in called_by(node):
                yield from operations(called)

    of_data_sets = {called for function in nodes.values() for node in function if "Dataset" in node.op for called in called_by(node)}
    within = {operation for function in of_data_sets for operation in operations(function)}
    assert "DecodeJpeg" in within and not {"Conv2D", "MatMul", "EncodePng", "DecodeRaw"} & within


def test_tensors_of_any_size_and_vividness(loaded, reference):
    signatures = loaded.signatures
    for height, width in ((1, 1), (57, 31), (3, 5000), (32, 32)):
        rgb = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype="uint8")
        for name, vividness, wanted in (("colorize", {}, [0.25, 0.25]), ("colorize_vivid", {"vividness": [0.0, 1.0]}, [0.0, 1.0])):
            answer = signatures[name](image=tf.constant(rgb), **{key: tf.constant(value) for key, value in vividness.items()})["image"]
            for one, picture, its_vividness in zip(answer, rgb, wanted):
                assert steps(one, inference.colorized_rgb(reference, [picture], its_vividness)[0]) <= 1
        lightness = color.lightness_from_rgb(rgb)
        lab = signatures["predict_lab_vivid"](lightness=tf.constant(lightness), vividness=tf.constant([0.5]))["lab"].numpy()
        np.testing.assert_allclose(lab, inference.colorized(reference, lightness, 0.5), atol=0.02)


def test_an_empty_batch_is_an_empty_answer(loaded):
    assert loaded.signatures["serving_default"](image_bytes=tf.constant([], tf.string))["image_bytes"].shape == [0]
    assert loaded.signatures["colorize"](image=tf.zeros([0, 9, 7, 3], tf.uint8))["image"].shape == [0, 9, 7, 3]
    assert loaded.signatures["predict_lab"](lightness=tf.zeros([0, 9, 7, 1]))["lab"].shape == [0, 9, 7, 3]


def test_it_runs_as_the_server_runs_it(exported, examples, reference):
    """TensorFlow 1's session loader, tag `serve`, by the names of the signature's tensors."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(exported[0] / "small" / "1"))
        assert SIGNATURES <= set(meta.signature_def)
        signature = meta.signature_def["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        batch = [encoded(examples[0].rgb, "PNG"), b"no picture"]
        answer = session.run(signature.outputs["image_bytes"].name, {signature.inputs["image_bytes"].name: batch})
    assert answer[1] == b""
    assert steps(decoded(answer[0]), inference.colorized_rgb(reference, [examples[0].rgb])[0]) <= 1


def test_saved_model_cli_shows_and_runs_it(exported, capsys, monkeypatch, tmp_path):
    folder = str(exported[0] / "small" / "1")
    monkeypatch.setattr(sys, "argv", ["saved_model_cli", "show", "--dir", folder, "--all"])
    with pytest.raises(SystemExit):
        saved_model_cli.main()
    shown = capsys.readouterr().out
    assert all(f"signature_def['{name}']" in shown for name in SIGNATURES)
    np.save(tmp_path / "in.npy", photographs.chelsea()[None, :20, :30])
    monkeypatch.setattr(
        sys, "argv", ["saved_model_cli", "run", "--dir", folder, "--tag_set", "serve", "--signature_def", "colorize", "--inputs",
                      f"image={tmp_path / 'in.npy'}", "--outdir", str(tmp_path)],
    )  # fmt: skip
    with pytest.raises(SystemExit):
        saved_model_cli.main()
    assert np.load(tmp_path / "image.npy").shape == (1, 20, 30, 3)


def served(loaded, request):
    """The answer to a PredictRequest, as a server gives it."""
    function = loaded.signatures[request.model_spec.signature_name]
    answer = predict_pb2.PredictResponse()
    for key, tensor in function(**{key: tf.constant(tf.make_ndarray(proto)) for key, proto in request.inputs.items()}).items():
        answer.outputs[key].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
    return answer


def request_of_json(body):
    """A PredictRequest of the REST body: rows ("instances") or columns ("inputs"), {"b64": ...} for bytes, one unnamed input bare."""
    body = json.loads(body)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = body.get("signature_name", "serving_default")

    def plain(value):
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return [plain(each) for each in value] if isinstance(value, list) else value

    if "instances" in body:
        columns = {key: [plain(row[key]) for row in body["instances"]] for key in body["instances"][0]}
    else:
        columns = {key: plain(value) for key, value in body["inputs"].items()}
    kinds = {"image": np.uint8, "image_bytes": object, "lightness": np.float32, "vividness": np.float32}
    for key, value in columns.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(np.array(value, kinds[key])))
    return request


def json_of_answer(answer, columns):
    """The REST body of a PredictResponse: rows under "predictions", columns under "outputs"; a single output is bare in both.

    Bytes are {"b64": ...}, which the server does only for outputs whose name ends in _bytes.
    """
    listed = {}
    for key, proto in answer.outputs.items():
        values = tf.make_ndarray(proto)
        assert (values.dtype == object) == key.endswith("_bytes")
        listed[key] = [{"b64": base64.b64encode(value).decode()} for value in values] if values.dtype == object else values.tolist()
    (single,) = listed.values()
    return json.dumps({"outputs" if columns else "predictions": single})


@pytest.mark.parametrize("form", ["rows", "columns"])
def test_rest_requests_are_answered(loaded, reference, examples, form):
    b64 = [{"b64": base64.b64encode(encoded(example.rgb, "PNG")).decode()} for example in examples[:2]]
    vividness = [0.0, 1.0]
    body = {
        "rows": {"instances": [{"image_bytes": image, "vividness": value} for image, value in zip(b64, vividness)]},
        "columns": {"inputs": {"image_bytes": b64, "vividness": vividness}},
    }[form]
    answer = served(loaded, request_of_json(json.dumps({"signature_name": "colorize_bytes_vivid", **body})))
    answered = json.loads(json_of_answer(answer, form == "columns"))["outputs" if form == "columns" else "predictions"]
    assert len(answered) == 2
    for image, example, value in zip(answered, examples, vividness):
        png = base64.b64decode(image["b64"])
        assert steps(decoded(png), inference.colorized_rgb(reference, [example.rgb], value)[0]) <= 1


def test_the_warm_up_has_an_answerable_request_for_each_signature(exported, loaded):
    path = exported[0] / "small" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    seen = set()
    for record in tf.data.TFRecordDataset(str(path)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert len(served(loaded, request).outputs) == 1
        seen.add(request.model_spec.signature_name)
    assert seen == SIGNATURES


# ---- TFLite -----------------------------------------------------------------------------------------------------------


def test_transposed_convolutions_are_rewritten_exactly(network, rng):
    x = rng.uniform(-1, 1, (2, 24, 40, 1)).astype("float32")
    light = ondevice.lightened(network)
    np.testing.assert_allclose(light(x), network(x), atol=1e-5)
    assert not any(isinstance(layer, keras.layers.Conv2DTranspose) for layer in light.layers)


def test_float32_gives_the_networks_pixels_at_any_size(exported, reference, examples):
    path = exported[0] / "small-float32.tflite"
    given = inference.load(path)
    assert dataclasses.asdict(given.traits) == dataclasses.asdict(TRAITS)
    for example in examples:
        assert steps(inference.colorized_rgb(given, [example.rgb])[0], inference.colorized_rgb(reference, [example.rgb])[0]) <= 1
    colorize = inference.interpreter(path).get_signature_runner("colorize")
    for height, width in ((32, 48), (8, 8), (64, 32)):
        rgb = photographs.chelsea()[:height, :width]
        wanted = color.rgb_from_lab(
            np.concatenate([color.lightness_from_rgb(rgb), reference(color.lightness_from_rgb(rgb)[None])[0, ..., 1:]], -1)
        )
        assert steps(colorize(image=rgb[None])["image"][0], wanted) <= 1


def test_a_file_of_fixed_size_colours_photographs_too(network, reference, examples, tmp_path):
    static = dataclasses.replace(TRAITS, static_size=64)
    (row,) = export.write(network, TRAITS, tmp_path, "fixed", ["tflite"], ["none"], 64, examples=examples[:1])
    assert row["largest_step"] <= 1
    (tmp_path / "fixed-float32.tflite").rename(tmp_path / "static.tflite")
    given = inference.load(tmp_path / "static.tflite")
    with zipfile.ZipFile(tmp_path / "static.tflite") as archive:
        says = json.loads(archive.read(inference.TRAITS_FILE))
    assert "[1, 64, 64, 1]" in says["inputs"]["predict_lab"]["lightness"] and "64 x 64" in says["merging"]
    runner = inference.interpreter(tmp_path / "static.tflite").get_signature_runner("predict_lab")
    assert runner.get_input_details()["lightness"]["shape"].tolist() == [1, 64, 64, 1]
    assert not any(
        op["op_name"].startswith(("Flex", "CUSTOM")) for op in inference.interpreter(tmp_path / "static.tflite")._get_ops_details()
    )
    wanted = inference.colorized_rgb(dataclasses.replace(reference, traits=static), [examples[0].rgb])[0]
    assert steps(inference.colorized_rgb(given, [examples[0].rgb])[0], wanted) <= 1
    Image.fromarray(examples[0].rgb).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="64 pixels and nothing else"):
        inference.colorize(given, examples[0].rgb, render_size=32)
    result = run_program(str(tmp_path / "a.png"), f"--model={tmp_path / 'static.tflite'}", "--render_size=32", script="colorize.py")
    assert result.returncode == 1 and "64 pixels and nothing else" in result.stderr
    result = run_program(str(tmp_path / "a.png"), f"--model={tmp_path / 'static.tflite'}", script="colorize.py")
    assert result.returncode == 0 and result.stderr == ""


def test_a_file_says_what_it_is(exported):
    with zipfile.ZipFile(exported[0] / "small-float16.tflite") as archive:
        says = json.loads(archive.read(inference.TRAITS_FILE))
    assert says["render_size"] == 32 and says["weights"] == "float16" and "lightness" in says["merging"]
    assert set(says["inputs"]) == {"predict_lab", "colorize"} and says["license"] == says["notice"] == ""


# ---- export -----------------------------------------------------------------------------------------------------------


def test_the_figures_are_within_the_bounds_and_written_down(exported):
    folder, rows = exported
    assert [row["file"] for row in rows] == ["small/1", "small-float32.tflite", "small-float16.tflite"]
    assert max(row["largest_step"] for row in rows[:2]) <= 1
    assert all(row[f"ms_{threads}_threads"] > 0 and row["ciede2000"] < row["largest_ciede2000"] for row in rows for threads in (1, 2))
    assert 0 < rows[2]["ciede2000"] <= 0.1 and rows[2]["bytes"] < 0.9 * rows[1]["bytes"]
    assert json.loads((folder / "export.json").read_text())["rows"] == rows
    assert "small-float16.tflite" in (folder / "README.md").read_text()
    assert {path.name for path in folder.iterdir()} == {"small", "small-float32.tflite", "small-float16.tflite", "export.json", "README.md"}


@pytest.mark.parametrize(
    "kind, said", [("none", "pixels differ"), ("float16", "mean CIEDE2000"), ("dynamic", "mean CIEDE2000"), ("int8", "mean CIEDE2000")]
)
def test_a_tampered_weight_makes_the_export_fail_and_leaves_nothing(network, examples, tmp_path, monkeypatch, kind, said):
    changed = "in_eight_bits" if kind == "int8" else "lightened"
    really = getattr(ondevice, changed)

    def tampered(network, *calibration):
        light = really(network, *calibration)
        head = light.get_layer("lab")
        head.kernel.assign(head.kernel * (1.02 if kind == "none" else 2))
        return light

    monkeypatch.setattr(ondevice, changed, tampered)
    formats = ["savedmodel", "tflite"] if kind == "none" else ["tflite"]
    with pytest.raises(ColorizerError, match=f"is not the network: {said}"):
        export.write(network, TRAITS, tmp_path / "out", "small", formats, [kind], 0, seen_of(examples), examples[:1])
    assert list((tmp_path / "out").iterdir()) == []


def test_int8_and_dynamic_are_smaller_and_within_their_bounds(network, examples, exported, tmp_path):
    rows = export.write(network, TRAITS, tmp_path, "small", ["tflite"], ["dynamic", "int8"], 0, seen_of(examples), examples)
    for row in rows:
        assert 0 < row["ciede2000"] <= 1 and abs(row["acc_5"] - row["acc_5_of_network"]) <= 1
        assert row["bytes"] < exported[1][2]["bytes"]


def test_a_signature_that_differs_makes_the_export_fail(network, examples, tmp_path, monkeypatch):
    really = serving.Served._colorize_bytes
    monkeypatch.setattr(serving.Served, "_colorize_bytes", lambda self, encoded, vividness: really(self, encoded, 0.9 * vividness))
    with pytest.raises(ColorizerError, match="is not the network: pixels differ"):
        export.write(network, TRAITS, tmp_path / "out", "small", ["savedmodel"], [], examples=examples[:1])
    assert list((tmp_path / "out").iterdir()) == []


def test_the_program_exports_a_run_twice_and_the_others_take_it(network, exported, tmp_path, folder_of):
    run = tmp_path / "run"
    run.mkdir()
    inference.save(run / "best.keras", network, TRAITS)
    for version in (1, 2):
        command = [f"--model={run}", f"--output={tmp_path / 'out'}", "--format=savedmodel", "--verify_examples=1"]
        result = run_program(*command, script="export.py")
        assert result.returncode == 0 and f"colorizer/{version}" in result.stdout, result.stderr
    saved = tmp_path / "out" / "colorizer"
    assert sorted(path.name for path in saved.iterdir()) == ["1", "2"]
    assert inference.checksum(saved) == inference.checksum(saved / "2") == inference.checksum(saved / "1")
    album = folder_of({"a.png": (20, 31)}, "album")
    assert run_program(str(album), f"--model={saved}", script="colorize.py").returncode == 0
    ours, theirs = (inference.colorized_rgb(inference.load(path), [np.asarray(Image.open(album / "a.png"))])[0] for path in (saved, run))
    assert steps(ours, theirs) <= 1 and steps(np.asarray(Image.open(album / "a-color.png")), ours) == 0
    models = {"run": run, "saved": saved, "tflite": exported[0] / "small-float32.tflite"}
    judged = run_program(
        *(f"--model={path}" for path in models.values()), *(f"--name={name}" for name in models), "--vividness=0", "--vividness=0.25",
        "--dataset=folder", f"--data_dir={album}", f"--output={tmp_path / 'report'}", script="evaluate.py",
    )  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    rows = {(row["name"], row["lightness"], row["vividness"]): row for row in report["rows"] if row["name"] in models}
    assert len(rows) == 9  # at vividness 0 both lightnesses
    for (name, lightness, vividness), row in rows.items():
        for figure, value in row.items():
            if isinstance(value, float):
                assert value == pytest.approx(rows["run", lightness, vividness][figure], abs=1e-3), (name, lightness, vividness, figure)


def test_what_cannot_be_exported_is_said_in_a_line(network, exported, tmp_path):
    inference.save(tmp_path / "best.keras", network, TRAITS)
    (tmp_path / "file").touch()
    for arguments, said in [
        ([f"--model={tmp_path}"], "--output"),
        ([f"--model={tmp_path / 'absent'}", f"--output={tmp_path / 'out'}"], "no such model"),
        ([f"--model={tmp_path}", f"--output={tmp_path / 'file' / 'below'}"], "cannot be written"),
        ([f"--model={tmp_path}", f"--output={tmp_path / 'out'}", "--tflite_size=20"], "stride, 8"),
        ([f"--model={tmp_path}", f"--output={tmp_path / 'out'}", "--name=a/b"], "not a name"),
        ([f"--model={exported[0] / 'small-float16.tflite'}", f"--output={tmp_path / 'out'}"], "an exported model"),
    ]:
        result = run_program(*arguments, script="export.py")
        assert result.returncode == 1 and said in result.stderr and result.stderr.count("\n") == 1, (arguments, result.stderr)


# ---- examples ---------------------------------------------------------------------------------------------------------


class Rest(http.server.BaseHTTPRequestHandler):
    """The REST contract of TensorFlow Serving over a SavedModel: POST /v1/models/NAME:predict, rows."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/models/colorizer:predict":
            return self.answer(404, {"error": "Servable not found for request: Latest(other)"})
        answer = served(self.server.loaded, request_of_json(body))
        return self.answer(200, json_of_answer(answer, "inputs" in json.loads(body)))

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

    def log_message(self, *_):
        pass


class Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, loaded):
        self.loaded = loaded

    def Predict(self, request, context):
        if request.model_spec.name != "colorizer":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(other)")
        return served(self.loaded, request)


@pytest.fixture(scope="module")
def servers(loaded):
    """{protocol: address} of a REST and a gRPC server on loopback that answer through the SavedModel."""
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    rest.loaded = loaded
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(loaded), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield {"rest": f"127.0.0.1:{rest.server_address[1]}", "grpc": f"127.0.0.1:{port}"}
    rest.shutdown()
    rest.server_close()
    server.stop(None)


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_the_client_colours_a_file_through_a_server(servers, reference, tmp_path, protocol):
    rgb = photographs.chelsea()[:50, :70]
    Image.fromarray(rgb).save(tmp_path / "in.png")
    (tmp_path / "text.png").write_text("no picture")

    def client(*arguments):
        return run_program(*map(str, arguments), f"--protocol={protocol}", script="examples/serving_client.py")

    result = client(tmp_path / "in.png", tmp_path / "out.png", f"--address={servers[protocol]}", "--vividness=1")
    assert result.returncode == 0, result.stderr
    assert steps(np.asarray(Image.open(tmp_path / "out.png")), inference.colorized_rgb(reference, [rgb], 1.0)[0]) <= 1
    for arguments, said in [
        ((tmp_path / "in.png", tmp_path / "bad.png", f"--address={servers[protocol]}", "--model=other"), "Servable not found"),
        ((tmp_path / "in.png", tmp_path / "bad.png", "--address=127.0.0.1:1", "--timeout=5"), "is the server running"),
        ((tmp_path / "text.png", tmp_path / "bad.png", f"--address={servers[protocol]}"), "could not read it"),
        ((tmp_path / "absent.png", tmp_path / "bad.png", f"--address={servers[protocol]}"), "No such file"),
    ]:
        result = client(*arguments)
        assert result.returncode == 1 and said in result.stderr and not (tmp_path / "bad.png").exists(), result.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="without curl")
def test_the_shell_line_of_the_docs_colours_a_file(servers, reference, tmp_path):
    rgb = photographs.chelsea()[:50, :70]
    Image.fromarray(rgb).save(tmp_path / "photo.jpg", quality=95)
    (line,) = re.findall(r"(?m)^    (\(printf.*\n(?:        .*\n)*)", pathlib.Path(TOP, "docs", "serving.md").read_text())
    python = f"{shlex.quote(sys.executable)} -c"
    line = line.replace("localhost:8501", servers["rest"]).replace("python3 -c", python)
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, timeout=60)
    wanted = inference.colorized_rgb(reference, [np.asarray(Image.open(tmp_path / "photo.jpg"))])[0]
    assert steps(np.asarray(Image.open(tmp_path / "photo-color.png")), wanted) <= 1


def test_the_example_for_devices_needs_no_tensorflow(exported, reference, tmp_path):
    """Nor anything else that a device has not: LiteRT, numpy, Pillow and absl."""
    rgb = photographs.chelsea()[:57, :90]
    Image.fromarray(rgb).save(tmp_path / "in.png")
    code = (
        "import sys, runpy\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('tensorflow', 'keras', 'skimage', 'scipy', 'pyvips', 'tensorflow_datasets', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent()); sys.path.insert(0, '.')\n"
        "runpy.run_path('examples/tflite_colorize.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, exported[0] / "small-float32.tflite", tmp_path / "in.png", tmp_path / "out.png"]
    result = subprocess.run(list(map(str, command)), cwd=TOP, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert steps(np.asarray(Image.open(tmp_path / "out.png")), inference.colorized_rgb(reference, [rgb])[0]) <= 1
