"""The weights that come with the program: whole, small, alike in both forms, and good for something."""

import hashlib
import json
import shutil
import zipfile

import numpy as np
import pytest
from conftest import run_program
from PIL import Image
from skimage import data as photographs

from colorizer import ColorizerError, color, config, evaluation, export, images, inference, metrics, ondevice, rendering

PICTURES = [photographs.astronaut(), photographs.coffee(), photographs.chelsea()]


@pytest.fixture(scope="module")
def photo():
    return inference.load("photo")


def test_files_are_what_was_published_and_small_enough():
    lines = [line.split() for line in (inference.WEIGHTS / "SHA256SUMS").read_text().splitlines()]
    for published, name in lines:
        folder = inference.WEIGHTS if name.endswith(".tflite") else inference.RELEASE
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == published
    assert {name for _, name in lines} == {f"{name}.{form}" for name in config.SHIPPED for form in ("tflite", "keras")}
    assert (inference.WEIGHTS / "photo.tflite").stat().st_size < 11e6
    assert sum(file.stat().st_size for file in inference.WEIGHTS.iterdir()) < 16e6


@pytest.mark.parametrize("name", config.SHIPPED)
def test_a_training_can_begin_with_them(name):
    """One variance that is infinite, and the averages of batch norms are not numbers after the first step."""
    for weight in inference.network_of(name).weights:
        assert np.isfinite(np.asarray(weight)).all(), weight.path


@pytest.mark.parametrize("name", config.SHIPPED)
def test_the_tflite_files_say_of_themselves_what_new_exports_say(name):
    """Licence's notice, inputs, outputs, how colours come to full size."""
    with zipfile.ZipFile(inference.WEIGHTS / f"{name}.tflite") as archive:
        said = json.loads(archive.read(inference.TRAITS_FILE))
    traits = inference.check(name)
    wanted = {**traits.described(""), **ondevice.about(traits), "weights": "float16"}
    assert {**said, "version": ""} == json.loads(json.dumps({**wanted, "version": ""}))


def test_without_a_model_a_photograph_comes_back_in_plausible_colours(tmp_path):
    for number, rgb in enumerate(PICTURES):
        Image.fromarray(rgb).convert("L").save(tmp_path / f"{number}.png")
    result = run_program(str(tmp_path), f"--output={tmp_path / 'out'}", script="colorize.py")
    assert result.returncode == 0, result.stderr
    coloured = [np.asarray(Image.open(tmp_path / "out" / f"{number}.png")) for number in range(len(PICTURES))]
    lab = [color.lab_from_rgb(rgb) for rgb in coloured]
    skin, wood = lab[0][90:140, 200:240].mean(axis=(0, 1)), lab[1][320:390, 480:590].mean(axis=(0, 1))
    for name, warm in (("skin", skin), ("wood", wood)):
        assert warm[1] > 0 and warm[2] > 4, name
    assert metrics.colorfulness(np.stack([coloured[0]]))[0] > 15


@pytest.mark.xfail(strict=True, reason="these weights leave the coffee in the cup grey (MODEL_CARD.md)")
def test_coffee_is_warm(photo):
    (coloured,) = inference.colorized_rgb(photo, [PICTURES[1]])
    coffee = color.lab_from_rgb(coloured)[150:230, 260:340].mean(axis=(0, 1))
    assert coffee[1] > 0 and coffee[2] > 4


def test_colours_are_nearer_to_the_truth_than_grey_is(photo):
    gained = []
    for rgb in PICTURES:
        lab = color.lab_from_rgb(rgb)
        grey = evaluation.constant([0, 0])(lab[..., :1])
        found = rendering.with_lightness(inference.colorized(photo, lab[None, ..., :1])[0], lab[..., :1])
        gained.append(color.ciede2000(lab, grey).mean() - color.ciede2000(lab, color.lab_from_rgb(color.rgb_from_lab(found))).mean())
    assert np.mean(gained) > 1


@pytest.mark.parametrize("name", config.SHIPPED)
def test_the_dial_goes_from_pale_to_vivid(name):
    given, rgb = inference.load(name), PICTURES[2]
    colourful = [metrics.colorfulness(np.stack(inference.colorized_rgb(given, [rgb], vividness)))[0] for vividness in (0, 0.5, 1)]
    assert colourful[0] < colourful[1] < colourful[2]


def test_cifar10_gives_a_mirrored_picture_the_mirrored_colours():
    colorizer = inference.load("cifar10")
    lightness = color.lab_from_rgb(PICTURES[0][:192, :256])[None, ..., :1]
    lab = colorizer(lightness, 1.0)
    np.testing.assert_allclose(colorizer(lightness[:, :, ::-1], 1.0)[:, :, ::-1], lab, atol=0.01)
    assert np.abs(lab[..., 1:] - lab[:, :, ::-1, 1:]).max() > 1


@pytest.mark.parametrize("name", config.SHIPPED)
def test_both_forms_are_one_model(name):
    given = inference.load(name)
    trained = inference.of_network(inference.compiled(inference.network_of(name)), given.traits)
    assert inference.check(name, to_train=True) == given.traits
    for rgb in PICTURES[:2]:
        one, other = (color.lab_from_rgb(inference.colorized_rgb(model, [rgb])[0]) for model in (given, trained))
        assert color.ciede2000(one, other).mean() < 0.1


@pytest.mark.parametrize("to_train", [False, True])
def test_other_weights_under_that_name_are_refused(tmp_path, monkeypatch, to_train):
    monkeypatch.setattr(inference, "RELEASE", tmp_path)
    shutil.copytree(inference.WEIGHTS, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(inference, "WEIGHTS", tmp_path)
    file = tmp_path / ("photo.keras" if to_train else "photo.tflite")
    file.write_bytes(b"other")
    with pytest.raises(ColorizerError, match="not the weights that were published"):
        inference.network_of("photo") if to_train else inference.check("photo")
    file.unlink()
    with pytest.raises(ColorizerError, match="release/ of the project's source" if to_train else "install the package again"):
        inference.network_of("photo") if to_train else inference.load("photo")


def test_a_folder_of_that_name_is_meant_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").mkdir()
    assert inference.check("photo").keeps_lightness
    with pytest.raises(ColorizerError, match="no best.keras"):
        inference.check("./photo")


def test_it_is_exported_exactly_and_in_eight_bits_within_the_bound_in_integers(tmp_path):
    pictures = [images.Example(str(number), None, rgb) for number, rgb in enumerate(PICTURES)]
    network, traits = inference.network_of("photo"), inference.check("photo")
    forms = ["savedmodel", "tflite"]
    seen = [export.lightness_seen(rgb, traits) for rgb in PICTURES]
    saved, float32, row = export.write(network, traits, tmp_path, "photo", forms, ["none", "int8"], 0, seen, pictures[:2], terms="CC0")
    assert max(saved["largest_step"], float32["largest_step"]) <= 1
    assert 0 < row["ciede2000"] <= 1 and row["bytes"] < 7e6
    interpreter = inference.interpreter(tmp_path / "photo-int8.tflite")
    kinds = {tensor["index"]: np.dtype(tensor["dtype"]) for tensor in interpreter.get_tensor_details()}
    convolutions = [kinds[op["outputs"][0]] for op in interpreter._get_ops_details() if op["op_name"].endswith("CONV_2D")]
    assert np.mean([kind == np.int8 for kind in convolutions]) > 0.85
    with zipfile.ZipFile(tmp_path / "photo-int8.tflite") as archive:
        says = json.loads(archive.read(inference.TRAITS_FILE))
    with open(tmp_path / "photo" / "1" / "assets.extra" / inference.TRAITS_FILE) as file:
        for form in (says, json.load(file)):
            assert form["license"] == "CC0" and form["recipe"] == "photo" and "Apache License 2.0" in form["notice"]
