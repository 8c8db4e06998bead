"""A saved network: what it carries, and what is said of files that are none."""

import dataclasses
import json
import logging
import os
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from colorizer import ColorizerError, color, config, inference, metrics, networks, rendering

TRAITS = inference.Traits(render_size=16, stride=8, gain=1.5, vividness=0.0)


@pytest.fixture
def saved(tmp_path):
    network = networks.build_generator((4, 8, 8, 8), seed=1)
    inference.save(tmp_path / "best.keras", network, TRAITS)
    return network, tmp_path / "best.keras"


@pytest.fixture
def photograph_lab():
    return color.lab_from_rgb(np.stack([photographs.astronaut()[:64, :64], photographs.chelsea()[100:164, 100:164]]))


def test_a_bare_file_suffices_to_use_the_network(saved, rng):
    network, path = saved
    lightness = rng.uniform(0, 100, (2, 16, 24, 1)).astype("float32")
    colorizer = inference.load(path)
    assert colorizer.traits == TRAITS
    wanted = color.unscale(np.array(network(lightness / 50 - 1)))
    np.testing.assert_allclose(colorizer(lightness), wanted, atol=1e-4)


def test_half_a_size_keeps_variances_that_float16_cannot_hold(saved, rng, tmp_path):
    """The deepest norms of a trained network see variances of 1e5, where float16 ends at 65,504."""
    network, _ = saved
    norm = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([gamma * 300, beta, mean, variance * 1e5])
    inference.save(tmp_path / "half.keras", network, TRAITS, dtype="float16")
    given = rng.uniform(0, 100, (1, 16, 16, 1)).astype("float32")
    np.testing.assert_allclose(inference.load(tmp_path / "half.keras")(given), inference.of_network(network, TRAITS)(given), atol=0.3)


def test_what_is_not_finite_is_not_saved(saved, tmp_path):
    network, _ = saved
    kernel = network.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, 1e5))
    inference.save(tmp_path / "whole.keras", network, TRAITS)
    with pytest.raises(ColorizerError, match=r"half.keras: not written, as .*kernel is not finite in float16"):
        inference.save(tmp_path / "half.keras", network, TRAITS, dtype="float16")
    assert not (tmp_path / "half.keras").exists()


def test_vividness_goes_from_the_answer_to_gain_times_its_colours(saved, rng):
    colorizer = inference.load(saved[1])
    lightness = rng.uniform(0, 100, (1, 16, 16, 1)).astype("float32")
    plain, half, full = (colorizer(lightness, vividness) for vividness in (0, 0.5, 1))
    np.testing.assert_allclose(full[..., 1:], 1.5 * plain[..., 1:], rtol=1e-5)
    np.testing.assert_allclose(half[..., 1:], 1.25 * plain[..., 1:], rtol=1e-5)
    np.testing.assert_array_equal(full[..., :1], plain[..., :1])


def test_keras_alone_reads_the_file(saved, rng):
    lightness = rng.uniform(-1, 1, (1, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(keras.models.load_model(saved[1])(lightness), saved[0](lightness), atol=1e-6)


def test_a_run_folder_means_its_best(saved):
    assert inference.load(saved[1].parent).traits == TRAITS


def test_what_is_no_model_is_said_in_a_line(tmp_path):
    with pytest.raises(ColorizerError, match="no such model"):
        inference.load(tmp_path / "absent.keras")
    with pytest.raises(ColorizerError, match="no best.keras"):
        inference.load(tmp_path)
    (tmp_path / "text.keras").write_text("text")
    with pytest.raises(ColorizerError, match="not a model of this program"):
        inference.load(tmp_path / "text.keras")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(ColorizerError, match="another program"):
        inference.load(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "damaged.keras", "w") as archive:
        archive.writestr(inference.TRAITS_FILE, json.dumps(dataclasses.asdict(TRAITS)))
    with pytest.raises(ColorizerError, match="cannot be read"):
        inference.load(tmp_path / "damaged.keras")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_no_more_processors_are_used_than_the_process_may():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert inference.processors() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("quota, count", [("100000 100000", 1), ("50000 100000", 1), ("350000 100000", 3), ("max 100000", 8), ("", 8)])
def test_no_more_threads_than_a_container_has_processors(tmp_path, monkeypatch, quota, count):
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr(inference, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert inference.processors() == count
    monkeypatch.setattr(inference, "CPU_QUOTA", tmp_path / "absent")
    assert inference.processors() == 8


def test_eight_models_side_by_side_are_not_taken_for_one_that_is_traced_again_and_again(saved, caplog):
    """TensorFlow warned of that when evaluate.py had five models or more."""
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for _ in range(8):
            inference.load(saved[1])(np.zeros((1, 16, 16, 1)))
    finally:
        logger.removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


def test_a_half_written_file_is_never_seen(saved, monkeypatch):
    """A save that fails leaves the file that was there, and nothing else."""
    network, path = saved
    before = path.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ColorizerError, match="No space left"):
        inference.save(path, network, TRAITS)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("faded", [0.4, 0.8, 1.25])
def test_the_gain_undoes_a_loss_of_saturation(photograph_lab, faded):
    """Truth with its colours multiplied by f needs 1 / f, whatever lightness was predicted."""
    predicted = photograph_lab * np.array([0.5, faded, faded], "float32")
    assert inference.fit_gain(photograph_lab, predicted) == pytest.approx(1 / faded, rel=0.03)


def test_with_the_gain_colorfulness_is_that_of_the_truth(photograph_lab):
    predicted = photograph_lab * np.array([1, 0.3, 0.6], "float32")
    gain = inference.fit_gain(photograph_lab, predicted)
    vivid = metrics.colorfulness(color.rgb_from_lab(rendering.vivid(predicted, 1, gain))).mean()
    assert vivid == pytest.approx(metrics.colorfulness(color.rgb_from_lab(photograph_lab)).mean(), rel=0.01)


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (3, 500), (57, 40)])
def test_pictures_of_any_size_get_colours_of_their_size(saved, rng, size):
    colorizer = inference.load(saved[1])
    lightness = rng.uniform(0, 100, (2, *size, 1)).astype("float32")
    lab = inference.colorized(colorizer, lightness)
    assert lab.shape == (2, *size, 3) and np.isfinite(lab).all()
    np.testing.assert_allclose(inference.colorized(colorizer, lightness[1:]), lab[1:], atol=1e-3)  # each on its own


def test_pictures_that_the_network_does_not_see_together_keep_their_order(saved, rng, monkeypatch):
    colorizer = inference.load(saved[1])
    lightness = rng.uniform(0, 100, (5, 24, 24, 1)).astype("float32")
    pictures = list(rng.integers(0, 256, (5, 24, 24, 3), dtype="uint8"))
    alone = [inference.colorized(colorizer, each[None])[0] for each in lightness]
    alone_rgb = [inference.colorized_rgb(colorizer, [each])[0] for each in pictures]
    monkeypatch.setattr(inference, "RENDER_PIXELS", 2 * 16 * 16)  # two at once
    np.testing.assert_allclose(inference.colorized(colorizer, lightness), alone, atol=1e-3)
    np.testing.assert_allclose(inference.colorized_rgb(colorizer, pictures), alone_rgb, atol=1)


@pytest.mark.parametrize(("render_size", "seen"), [(None, (16, 32)), (40, (40, 80))])
def test_the_network_sees_a_picture_at_the_size_that_is_asked_for(rng, render_size, seen):
    shapes = []

    def spy(scaled):
        shapes.append(scaled.shape)
        return np.zeros((*scaled.shape[:-1], 3), "float32")

    inference.colorized_rgb(inference.of_network(spy, TRAITS), [rng.integers(0, 256, (50, 100, 3), dtype="uint8")], render_size=render_size)
    assert shapes == [(1, *seen, 1)]


def test_unguided_colours_come_back_by_bicubic_interpolation(rng):
    """As Pillow enlarges what the network answered, at the picture's own lightness."""
    rgb = rng.integers(60, 200, (1, 64, 64, 3), dtype="uint8")
    answer = rng.uniform(-25, 25, (1, 16, 16, 2)).astype("float32")

    def network(scaled):
        return color.scale(np.concatenate([np.full((1, 16, 16, 1), 50, "float32"), answer], axis=-1))

    (found,) = inference.colorized_rgb(inference.of_network(network, TRAITS), list(rgb), 0, guided=False)
    planes = [np.asarray(Image.fromarray(answer[0, ..., c], "F").resize((64, 64), Image.Resampling.BICUBIC)) for c in (0, 1)]
    wanted = color.rgb_from_lab(np.stack([color.lab_from_rgb(rgb[0])[..., 0], *planes], axis=-1).astype("float32"))
    np.testing.assert_allclose(found.astype(int), wanted, atol=2)


def test_at_its_render_size_a_picture_is_not_resampled(saved, rng):
    colorizer = inference.load(saved[1])
    lightness = rng.uniform(0, 100, (1, 16, 32, 1)).astype("float32")
    np.testing.assert_array_equal(inference.colorized(colorizer, lightness), colorizer(lightness))


def test_a_network_without_detail_is_the_same_at_any_size(rng):
    """Colours come back as they were: a network that gives one colour gives it at every pixel."""
    flat = inference.of_network(lambda x: np.broadcast_to(color.scale(np.array([50, 20, -30], "float32")), (*x.shape[:-1], 3)), TRAITS)
    lab = inference.colorized(flat, rng.uniform(0, 100, (1, 37, 91, 1)).astype("float32"))
    np.testing.assert_allclose(lab, np.broadcast_to(np.array([50, 20, -30]), lab.shape), atol=1e-3)


def test_a_run_was_trained_on_what_it_began_with_had_been_trained_on(tmp_path):
    """Else a fine-tuned run would be judged on training pictures of the first one."""

    def run(name, init):
        settings = config.resolve("photo", "folder", "lite0", {"data_dir": str(tmp_path), "init": init})
        settings = dataclasses.replace(settings, data_dir=f"pictures/{name}")
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "config.json").write_text(json.dumps({"config": dataclasses.asdict(settings)}))
        return settings

    run("first", "photo")
    second = run("second", str(tmp_path / "first" / "last.keras"))
    assert inference.folders_of(second) == ["pictures/second", "pictures/first"]
    third = run("third", str(tmp_path / "gone"))
    assert inference.folders_of(third) == ["pictures/third"]
    run("first", str(tmp_path / "second"))  # a circle, as where a folder was used again
    assert inference.folders_of(second)[:2] == ["pictures/second", "pictures/first"]


def test_what_another_program_left_beside_a_model_is_no_configuration(tmp_path):
    (tmp_path / "config.json").write_text('{"theme": "dark"}')
    assert inference.trained_on(tmp_path / "model.tflite") is None
    (tmp_path / "config.json").write_text('{"config": {"theme": "dark"}}')
    with pytest.raises(ColorizerError, match=r"config\.json has unknown fields"):
        inference.trained_on(tmp_path / "model.tflite")
