"""What the networks are fed: every example, the right ones, in a repeatable order."""

import collections
import dataclasses
import os
import pathlib
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image, ImageOps
from skimage import color as skimage_color

from colorizer import ColorizerError, color, config, dataset, images, training


def pictures_of(split, **shuffle):
    examples = split.shuffled(**shuffle) if shuffle else split.in_order()
    return np.stack(list(examples.as_numpy_iterator()))


def configured(name, data_dir, **overrides):
    return config.resolve("paper", name, "gan", {"data_dir": str(data_dir), **overrides})


# ---- data sets in TFDS's own form, with a few made-up pictures --------------------------------------------------------


def write_tfds(name, folder, splits):
    """Lets TFDS's builder write {split: [example, ...]} as it writes the real data."""
    builder = tfds.builder(name, data_dir=folder, try_gcs=False)
    generators = {split: list(enumerate(examples)) for split, examples in splits.items()}
    with mock.patch.object(type(builder), "_split_generators", lambda self, manager: generators):
        builder.download_and_prepare()


def numbered(number, size=32):
    """A picture that tells its number, coloured and not symmetrical."""
    rgb = np.zeros((size, size, 3), "uint8")
    rgb[:, : size // 2] = [number, 255 - number, 100]
    return rgb


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory):
    """50 training and 10 test images in TFDS's form; the ids count backwards on disk; training images 3 and 47 are grey."""
    folder = tmp_path_factory.mktemp("tfds")
    train = [{"id": f"train_{i:05d}", "image": numbered(i), "label": i % 10} for i in reversed(range(50))]
    for example in train:
        if example["id"] in ("train_00003", "train_00047"):
            example["image"] = np.repeat(numbered(7)[..., :1], 3, axis=2)
    test = [{"id": f"test_{i:05d}", "image": numbered(200 + i), "label": 0} for i in range(10)]
    write_tfds("cifar10", folder, {"train": train, "test": test})
    return folder


@pytest.fixture(scope="module")
def places365(tmp_path_factory):
    """12 training pictures, one of them grey, 3 for validation, 4 test, 256x256."""
    folder = tmp_path_factory.mktemp("tfds")

    def examples(count, first, grey=()):
        pictures = [numbered(first + i, 256) for i in range(count)]
        for i in grey:
            pictures[i] = np.full((256, 256, 3), 99, "uint8")
        return [{"image": rgb, "label": 0, "filename": f"{first + i}.jpg"} for i, rgb in enumerate(pictures)]

    write_tfds(
        "places365_small", folder, {"train": examples(12, 0, grey=[5]), "test": examples(4, 200), "validation": examples(3, 100, grey=[1])}
    )
    return folder


def test_cifar10_validates_on_the_last_ids_wherever_they_lie_on_disk(cifar10):
    data = dataset.load(configured("cifar10", cifar10, validation_examples=10))
    assert [picture[0, 0, 0] for picture in pictures_of(data.validation)][:7] == list(range(40, 47))
    judged = dataset.pictures(configured("cifar10", cifar10, validation_examples=10)).read()
    assert [example.rgb[0, 0, 0] for example in judged] == list(range(200, 210))
    assert data.train.count == 39  # 40 less one grey


def test_cifar10_without_validation_trains_on_everything(cifar10):
    data = dataset.load(configured("cifar10", cifar10, validation_examples=0))
    assert data.validation is None
    assert data.train.count == 48


def test_grey_images_are_left_out_of_training_alone_and_counted(cifar10):
    data = dataset.load(configured("cifar10", cifar10, validation_examples=10))
    assert data.grey_left_out() == 1
    assert not any(dataset._is_grey(picture) for picture in pictures_of(data.train))
    assert data.validation.count == 10
    kept = dataset.load(configured("cifar10", cifar10, validation_examples=10, skip_grey=False))
    assert kept.train.count == 40 and kept.grey_left_out() == 0


def test_only_the_first_examples_when_asked(cifar10):
    data = dataset.load(configured("cifar10", cifar10, validation_examples=10, train_examples=3, eval_examples=2))
    assert [picture[0, 0, 0] for picture in pictures_of(data.train)] == [0, 1, 2]
    assert data.validation.count == data.test_count == 2


@pytest.mark.parametrize("batch_size", [1, 4, 7, 64])
def test_evaluation_covers_every_example_once_whatever_the_batch(cifar10, batch_size):
    data = dataset.load(configured("cifar10", cifar10, validation_examples=10))
    batches = list(dataset.evaluation_batches(data.train, batch_size))
    scaled_lab = np.concatenate([batch[1] for batch in batches])
    np.testing.assert_array_equal(color.rgb_from_lab(color.unscale(scaled_lab)), pictures_of(data.train))
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), scaled_lab[..., :1])


def test_an_epoch_has_every_example_once_in_an_order_of_its_own(cifar10):
    train = dataset.load(configured("cifar10", cifar10, validation_examples=10)).train
    orders = [[tuple(picture[0, [0, -1], 0]) for picture in pictures_of(train, seed=0, epoch=e, examples=39, skip=0)] for e in (0, 1)]
    numbers = [[max(ends) for ends in order] for order in orders]
    assert sorted(numbers[0]) == sorted(numbers[1]) == sorted(set(range(40)) - {3})
    assert numbers[0] != numbers[1]
    short = [tuple(picture[0, [0, -1], 0]) for e in range(8) for picture in pictures_of(train, seed=0, epoch=e, examples=10, skip=0)]
    passes = [sorted(max(ends) for ends in short[number * 39 : number * 39 + 39]) for number in (0, 1)]
    assert passes == [sorted(numbers[0])] * 2  # an epoch that ends in the middle leaves nothing out


@pytest.mark.parametrize("name", ["cifar10", "places365", "sample"])
def test_the_same_seed_gives_the_same_batches_and_any_step_can_be_begun_anew(name, request):
    """Resuming needs the steps after the last checkpoint exactly as they would have been."""
    folder = "" if name == "sample" else request.getfixturevalue(name)
    resolved = configured(name, folder, batch_size=4, image_size=32 if name != "places365" else 64)
    resolved = dataclasses.replace(resolved, validation_examples=10)

    def batches(**kwargs):
        data = dataset.load(resolved)
        return [np.array(lab) for _, lab in dataset.training_batches(resolved, data, steps=5, **kwargs)]

    whole, again = batches(epoch=3), batches(epoch=3)
    assert len(whole) == 5 and all(batch.shape[0] == 4 for batch in whole)
    np.testing.assert_array_equal(whole, again)
    np.testing.assert_array_equal(batches(epoch=3, skip=2), whole[2:])
    assert not np.array_equal(batches(epoch=4), whole)


def test_flips_are_of_left_and_right_and_of_about_half(cifar10):
    resolved = configured("cifar10", cifar10, validation_examples=10)
    train = dataset.load(resolved).train
    left_is_dark = [picture[0, 0, 1] == 0 for picture in pictures_of(train, seed=0, epoch=0, examples=390, skip=0)]
    assert 0.4 < np.mean(left_is_dark) < 0.6
    unflipped = dataset.load(configured("cifar10", cifar10, validation_examples=10, flip=False)).train
    assert not any(picture[0, 0, 1] == 0 for picture in pictures_of(unflipped, seed=0, epoch=0, examples=39, skip=0))


def test_tensorflow_io_and_our_own_lab_agree(every_kind_of_rgb):
    """So that Windows, where tensorflow-io has no wheel, trains on the same numbers."""
    rgb = every_kind_of_rgb[None, None]
    with_io = np.array(dataset.lab_from_rgb(tf.constant(rgb)))
    with mock.patch.object(dataset, "_tensorflow_io", None):
        own = np.array(dataset.lab_from_rgb(tf.constant(rgb)))
    np.testing.assert_allclose(with_io, own, atol=2e-4)


def test_places365_drops_grey_pictures_as_they_come_and_counts_them(places365):
    data = dataset.load(configured("places365", places365, flip=False))
    assert data.counts() == {"training": 12, "validation": 3, "test": 4}
    seen = collections.Counter(picture[0, 0, 0] for picture in pictures_of(data.train, seed=0, epoch=0, examples=11, skip=0))
    assert set(seen) == set(range(12)) - {5} and set(seen.values()) == {1}
    assert data.grey_left_out() == 1
    assert sorted(picture[0, 0, 0] for picture in pictures_of(data.validation)) == [99, 100, 102]


def test_absent_data_on_an_unreachable_host_are_an_error_with_advice(tmp_path):
    with mock.patch.object(dataset, "_answers", return_value=False):
        with pytest.raises(ColorizerError, match="cifar10 is not in .*--data_dir"):
            dataset.load(configured("cifar10", tmp_path))


def test_a_host_that_never_answers_is_given_up_soon():
    with mock.patch("requests.head", side_effect=lambda *args, **kwargs: time.sleep(3)):
        began = time.monotonic()
        assert not dataset._answers("http://nowhere.invalid/", seconds=0.2)
        assert time.monotonic() - began < 2


def test_nobody_listening_is_no_answer():
    assert not dataset._answers("http://127.0.0.1:9/", seconds=2)


# ---- sample -----------------------------------------------------------------------------------------------------------


def test_sample_holds_photographs_out():
    assert not set(dataset.SAMPLE_TRAINING) & set(dataset.SAMPLE_HELD_OUT)
    data = dataset.load(configured("sample", ""))
    first, again = pictures_of(data.validation), pictures_of(data.validation)
    np.testing.assert_array_equal(first, again)
    assert first.shape == (64, 32, 32, 3)
    assert len({picture.tobytes() for picture in first}) == 64
    training = [example.rgb.tobytes() for example in dataset.pictures(configured("sample", ""), "train").read()]
    assert len(training) == len(set(training)) == len(dataset.SAMPLE_TRAINING)


# ---- folder -----------------------------------------------------------------------------------------------------------


def test_folders_own_parts_are_used_however_their_names_are_written(folder_of):
    sizes = {f"{part}/{part}{i}.png": (40, 40) for part, count in (("train", 5), ("val", 2), ("test", 3)) for i in range(count)}
    data = dataset.load(configured("folder", folder_of(sizes), image_size=32))
    assert data.counts() == {"training": 5, "validation": 2, "test": 3}
    for names in (("train", "validation"), ("Train", "valid"), ("TRAIN", "Val")):
        folder = folder_of({f"{names[0]}/x.png": (9, 9), f"{names[1]}/y.png": (9, 9)}, names[1])
        assert dataset.load(configured("folder", folder, image_size=32)).counts() == {"training": 1, "validation": 1, "test": 0}


def test_a_test_part_is_never_trained_on_and_changes_nothing_of_a_run(folder_of, tmp_path):
    few = dataset.load(configured("folder", folder_of({f"{i}.png": (9, 9) for i in range(12)}, "few"), image_size=32))
    sizes = {f"{i}.png": (9, 9) for i in range(12)} | {"Test/t.png": (9, 9)}
    sizes |= {f"Test/{i}.png": (9, 9) for i in range(12)}
    more = dataset.load(configured("folder", folder_of(sizes, "more"), image_size=32))
    assert more.counts() == few.counts() | {"test": 13}
    assert more.fingerprint == few.fingerprint
    for file in (tmp_path / "more/Test").iterdir():
        file.write_text("no picture")
    with pytest.raises(ColorizerError, match="13 test pictures"):
        dataset.load(configured("folder", tmp_path / "more", image_size=32))


def test_a_class_may_have_a_name_like_a_parts(folder_of):
    folder = folder_of({f"{kind}/{kind}{i}.png": (9, 9) for kind in ("Car", "Train") for i in range(20)})
    assert sum(dataset.load(configured("folder", folder, image_size=32)).counts().values()) == 40


def test_files_of_one_name_in_many_folders_are_split_too(tmp_path):
    files = [tmp_path / f"clip{i}" / "frame.jpg" for i in range(500)]
    _, validation = dataset._split_by_name(files, tmp_path)
    assert 30 < len(validation) < 75
    elsewhere = [pathlib.Path("elsewhere") / file.relative_to(tmp_path) for file in files]
    _, there = dataset._split_by_name(elsewhere, pathlib.Path("elsewhere"))
    assert [file.parts[-2:] for file in there] == [file.parts[-2:] for file in validation]


def test_the_split_by_file_name_is_stable_and_about_a_tenth(tmp_path):
    files = [tmp_path / "deep" / f"photo{i}.jpg" for i in range(500)]
    train, validation = dataset._split_by_name(files, tmp_path)
    assert sorted(train + validation) == sorted(files) and 30 < len(validation) < 75
    more_train, more_validation = dataset._split_by_name(files + [tmp_path / f"new{i}.jpg" for i in range(100)], tmp_path)
    assert set(train) <= set(more_train) and set(validation) <= set(more_validation)
    more_train, more_validation = dataset._split_by_name(files + [tmp_path / "other" / file.name for file in files], tmp_path)
    assert set(train) <= set(more_train) and set(validation) <= set(more_validation)


def test_two_pictures_are_enough_and_one_is_not(folder_of):
    data = dataset.load(configured("folder", folder_of({"a.png": (20, 30), "b.png": (30, 20)}), image_size=32))
    assert (data.train.count, data.validation.count) == (1, 1)
    with pytest.raises(ColorizerError, match="training"):
        dataset.load(configured("folder", folder_of({"a.png": (20, 30)}, "one"), image_size=32))


def test_unreadable_files_are_left_out_counted_and_named(folder_of, caplog):
    folder = folder_of({f"train/{i}.png": (20, 20) for i in range(3)} | {"val/v.png": (20, 20)})
    (folder / "train/text.jpg").write_text("not a picture")
    (folder / "train/empty.png").write_bytes(b"")
    (folder / "train/notes.txt").write_text("no picture, and no picture's name")
    for name in ("half.jpg", "half.png"):
        Image.effect_noise((200, 200), 90).convert("RGB").save(folder / "train" / name)
        content = (folder / "train" / name).read_bytes()
        (folder / "train" / name).write_bytes(content[: len(content) // 2])
    data = dataset.load(configured("folder", folder, image_size=32))
    assert data.train.count == 3
    assert "4 of 7 training pictures are unreadable" in caplog.text
    for name in ("text.jpg", "empty.png", "half.jpg", "half.png"):
        assert name in caplog.text
    assert "notes.txt" not in caplog.text


def test_a_folder_without_a_readable_picture_is_an_error(tmp_path, folder_of):
    with pytest.raises(ColorizerError, match="no such folder"):
        configured("folder", tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ColorizerError, match="no training pictures"):
        dataset.load(configured("folder", tmp_path / "empty"))
    (tmp_path / "texts").mkdir()
    for i in range(12):
        (tmp_path / "texts" / f"{i}.jpg").write_text("text")
    with pytest.raises(ColorizerError, match="none of its"):
        dataset.load(configured("folder", tmp_path / "texts"))


def test_a_folder_of_grey_pictures_is_an_error_that_says_so(tmp_path):
    for i in range(4):
        Image.new("L", (20, 20), 40 * i).save(tmp_path / f"{i}.jpg")
    with pytest.raises(ColorizerError, match="grey"):
        dataset.load(configured("folder", tmp_path, image_size=32))


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (33, 20), (700, 900)])
def test_pictures_of_any_size_become_squares(folder_of, size):
    folder = folder_of({"train/a.png": size, "val/b.png": size})
    data = dataset.load(configured("folder", folder, image_size=32))
    assert pictures_of(data.validation).shape == (1, 32, 32, 3)
    assert pictures_of(data.train, seed=0, epoch=0, examples=3, skip=0).shape == (3, 32, 32, 3)


def test_validation_takes_the_centre_and_training_moves_about(tmp_path):
    """Left third red, middle green, right blue: the central square of a 3:1 picture is green."""
    rgb = np.zeros((60, 180, 3), "uint8")
    for i in range(3):
        rgb[:, 60 * i : 60 * (i + 1), i] = 200
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        Image.fromarray(rgb).save(tmp_path / part / "a.png")
    data = dataset.load(configured("folder", tmp_path, image_size=32))
    np.testing.assert_array_equal(pictures_of(data.validation)[0], np.broadcast_to([0, 200, 0], (32, 32, 3)))
    means = pictures_of(data.train, seed=0, epoch=0, examples=40, skip=0).mean((1, 2))
    assert (means > 150).any(axis=0).all()


def test_a_crop_has_its_share_of_the_short_side_and_is_reduced_without_aliasing():
    """Of a picture whose channels are its own coordinates, and of a checkerboard."""
    y, x = np.mgrid[:240, :250]
    place = tf.constant(np.stack([x, y, 0 * x], axis=-1).astype("uint8"))
    sides = []
    for number in range(60):
        crop = dataset._square(place, 48, tf.constant([0, number], tf.int64), 0.6).numpy().astype(float)
        sides.append(np.ptp(crop[24, :, 0]) * 48 / 47 / 240)
        assert np.ptp(crop[:, 24, 1]) * 48 / 47 / 240 == pytest.approx(sides[-1], abs=0.03)
    assert 0.57 < min(sides) < 0.68 and 0.92 < max(sides) < 1.03
    board = tf.constant(255 * ((x + y) % 2)[:240, :240, None].repeat(3, axis=2).astype("uint8"))
    np.testing.assert_allclose(dataset._square(board, 48, None, 1.0), 127.5, atol=3)


def as_pillow_reads(path):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp", "tif", "ppm"])
def test_every_format_is_read_as_pillow_reads_it(tmp_path, rng, suffix):
    """TensorFlow's decoders and Pillow's."""
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        smooth = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype="uint8")).resize((64, 64), Image.Resampling.BICUBIC)
        smooth.save(tmp_path / part / f"a.{suffix}")
    data = dataset.load(configured("folder", tmp_path, image_size=64))
    np.testing.assert_array_equal(pictures_of(data.validation)[0], as_pillow_reads(tmp_path / f"val/a.{suffix}"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_exif_orientation_is_honoured_once(tmp_path, rng, orientation, suffix):
    """A phone's portrait is stored lying down."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        blocks = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype="uint8")).resize((32, 32), Image.Resampling.NEAREST)
        blocks.save(tmp_path / part / f"a.{suffix}", exif=exif)
    data = dataset.load(configured("folder", tmp_path, image_size=32))
    with Image.open(tmp_path / f"val/a.{suffix}") as picture:
        upright = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(pictures_of(data.validation)[0], upright)


def test_a_batch_larger_than_the_data_is_an_error(cifar10):
    resolved = configured("cifar10", cifar10, validation_examples=10, batch_size=64)
    with pytest.raises(ColorizerError, match="batch_size=64: larger than the 39 training examples"):
        dataset.steps_per_epoch(resolved, dataset.load(resolved))


def test_the_fingerprint_of_a_folder_follows_its_files(folder_of):
    folder = folder_of({"train/a.png": (20, 20), "val/b.png": (20, 20)})
    resolved = configured("folder", folder, image_size=32)
    before = dataset.load(resolved).fingerprint
    assert dataset.load(resolved).fingerprint == before
    folder_of({"train/c.png": (20, 20)})
    assert dataset.load(resolved).fingerprint != before


def test_a_bmp_with_a_palette_has_its_colours(tmp_path, rng):
    """TensorFlow's decoder gives the indices as grey."""
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype="uint8")).quantize(16).save(tmp_path / part / "a.bmp")
    data = dataset.load(configured("folder", tmp_path, image_size=32))
    np.testing.assert_array_equal(pictures_of(data.validation)[0], as_pillow_reads(tmp_path / "val/a.bmp"))


def test_an_animated_webp_counts_by_its_first_frame(tmp_path, rng):
    frames = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype="uint8")) for _ in range(2)]
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        frames[0].save(tmp_path / part / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    data = dataset.load(configured("folder", tmp_path, image_size=32))
    np.testing.assert_array_equal(pictures_of(data.validation)[0], np.array(frames[0]))


@pytest.mark.parametrize("name", [b"caf\xe9.png", "日本.png".encode(), b"new\nline.png", b"a b 'c'.png"])
def test_odd_file_names_are_read(tmp_path, rng, name):
    for part in (b"train", b"val"):
        folder = os.path.join(os.fsencode(tmp_path), part)
        os.mkdir(folder)
        with open(os.path.join(folder, name), "wb") as file:
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype="uint8")).save(file, format="PNG")
    data = dataset.load(configured("folder", tmp_path, image_size=32))
    assert pictures_of(data.train).shape == (1, 32, 32, 3)


def test_the_first_examples_are_of_every_folder(folder_of):
    """Not the first folder's: what looks at the first few only (median, gain, samples) would be biased."""
    folder = folder_of({f"train/{kind}/{kind}{i}.png": (16, 16) for kind in "abcd" for i in range(20)} | {"val/v.png": (16, 16)})
    files = dataset._shuffled_by_name(images.find(folder / "train"), folder)
    assert {file.parent.name for file in files[:20]} == set("abcd")


def test_linked_folders_are_followed_but_not_in_circles(folder_of, tmp_path):
    elsewhere = folder_of({"x.png": (9, 9), "y.png": (9, 9)}, "elsewhere")
    folder = folder_of({"z.png": (9, 9)})
    (folder / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    assert sorted(path.name for path in images.find(folder)) == ["x.png", "y.png", "z.png"]


@pytest.mark.parametrize("name", ["cifar10", "places365", "folder"])
def test_every_kind_of_data_trains_to_its_table(name, request, tmp_path, folder_of, capsys):
    """A step or two of a small network, validation, and the table of the test split, or of validation where there is none."""
    folder = folder_of({f"{i}.png": (30, 40) for i in range(20)}) if name == "folder" else request.getfixturevalue(name)
    tiny = dict(width=4, image_size=32, batch_size=4, epochs=1, steps_per_epoch=3)
    resolved = dataclasses.replace(configured(name, folder, **tiny), validation_examples=10)
    report = training.train(resolved, tmp_path / "run")
    assert report["split"] == ("validation" if name == "folder" else "test")
    assert {row["name"] for row in report["rows"]} == {"grey", "median", "gan", "truth"}
    said = capsys.readouterr().out
    assert ("1 grey" in said or "left out of training, each as often as it came: 1" in said) == (name != "folder")


# ---- whole pictures, to judge -----------------------------------------------------------------------------------------


def test_cifar10_is_judged_by_name_with_its_classes(cifar10):
    pictures = dataset.pictures(configured("cifar10", cifar10), "test")
    examples = list(pictures.read())
    assert [example.name for example in examples] == [f"test_{i:05d}" for i in range(10)]
    assert {example.label for example in examples} == {"0"} and pictures.count == 10  # made-up data have no class names
    np.testing.assert_array_equal(examples[4].rgb, numbered(204))
    assert [example.name for example in pictures.read({"test_00003"})] == ["test_00003"]
    assert len(list(pictures.training())) == 50  # the grey ones too


def test_places365_is_judged_by_file_name(places365):
    pictures = dataset.pictures(configured("places365", places365), "validation", limit=2)
    assert pictures.count == 2 and len(list(pictures.read())) == 2
    assert len({example.name for example in pictures.read()}) == 2
    assert len(list(dataset.pictures(configured("places365", places365)).read())) == 4


def test_a_folders_pictures_are_whole_and_unreadable_ones_left_out(folder_of, caplog):
    photos = folder_of({"a.png": (40, 57), "b/c.jpg": (3, 90)})
    (photos / "text.png").write_text("no picture")
    pictures = dataset.pictures(configured("folder", photos))
    shapes = {example.name: example.rgb.shape for example in pictures.read()}
    assert shapes == {"a.png": (40, 57, 3), "b/c.jpg": (3, 90, 3)}
    assert pictures.split == "all" and pictures.training is None and "text.png" in caplog.text


def test_a_folder_that_was_trained_on_is_judged_on_what_was_not(folder_of):
    photos = folder_of({f"{i}.png": (8, 8) for i in range(40)})
    its = configured("folder", photos)
    judged = dataset.pictures(its, trained_in=[photos])
    names = {example.name for example in judged.read()}
    train = {example.name for example in dataset.pictures(its, "train", trained_in=[photos]).read()}
    assert judged.split == "validation" and 0 < len(names) < 20 and not names & train and len(names | train) == 40
    assert len(list(judged.training())) == len(train)


def test_a_folder_below_or_around_a_trained_one_is_judged_on_what_was_not_trained_on(folder_of):
    """All of val/, test/ and kinds/ of a folder that has parts, nothing of its train/; of the folder around it what lies beside it too."""
    names = {f"mix/{part}/{i}.png": (8, 8) for part in ("train", "val", "test") for i in range(20)}
    around = folder_of(names | {"other.png": (8, 8)})
    (around / "mix" / "kinds").mkdir()
    (around / "mix" / "kinds" / "one.png").symlink_to(around / "mix" / "val" / "3.png")

    def judged(place, split="test"):
        pictures = dataset.pictures(configured("folder", around / place), split, trained_in=[around / "mix"])
        return pictures.split, len(list(pictures.read()))

    assert judged("mix/val") == judged("mix/test") == ("held-out", 20) and judged("mix/kinds") == ("held-out", 1)
    assert judged(".") == ("held-out", 42) and judged("mix") == ("test", 20)
    with pytest.raises(ColorizerError, match="all of its pictures were trained on"):
        judged("mix/train")
    with pytest.raises(ColorizerError, match="a model was trained on"):
        judged("mix/val", "validation")
    # its own test part is what is meant, where it has one
    mine = folder_of({f"mix/mine/{part}/{i}.png": (8, 8) for part in ("val", "test") for i in range(7)})
    assert mine == around and judged("mix/mine") == ("test", 7)


def test_folders_named_by_class_are_classes_and_parts_are_not(folder_of):
    parts = folder_of({"train/x.png": (8, 8), "test/cat/1.png": (8, 8), "test/dog/2.png": (8, 8)}, "parts")
    assert {e.name: e.label for e in dataset.pictures(configured("folder", parts)).read()} == {
        "test/cat/1.png": "cat",
        "test/dog/2.png": "dog",
    }
    plain = folder_of({"train/x.png": (8, 8), "test/1.png": (8, 8), "test/2.png": (8, 8)}, "plain")
    assert {example.label for example in dataset.pictures(configured("folder", plain)).read()} == {None}
    classes = folder_of({"cat/1.png": (8, 8), "dog/2.png": (8, 8)}, "classes")
    assert {example.label for example in dataset.pictures(configured("folder", classes)).read()} == {"cat", "dog"}


def test_a_part_that_a_folder_lacks_is_an_error(folder_of):
    photos = folder_of({"a.png": (8, 8), "b.png": (8, 8)})
    with pytest.raises(ColorizerError, match="no validation part"):
        dataset.pictures(configured("folder", photos), "validation")
    test_alone = folder_of({"test/a.png": (8, 8), "test/b.png": (8, 8)}, "test_alone")
    assert dataset.pictures(configured("folder", test_alone)).split == "test"
    train_alone = folder_of({f"train/{i}.png": (8, 8) for i in range(20)}, "train_alone")
    assert dataset.pictures(configured("folder", train_alone)).split == "all"
    assert dataset.pictures(configured("folder", train_alone), trained_in=[train_alone]).split == "validation"


def test_repeats_weigh_folders_and_name_what_is_not_there(folder_of):
    top = folder_of({f"train/{name}/{i}.png": (40, 40) for name, count in (("faces", 3), ("places", 4)) for i in range(count)})
    settings = {"data_dir": str(top), "image_size": 32}

    def count(repeats):
        return dataset.load(config.resolve("photo", "folder", None, {**settings, "repeats": repeats})).train.count

    plain = count("")
    left = dataset.load(config.resolve("photo", "folder", None, {**settings, "leave_out": "faces/*,places/1.*"})).train.count
    assert 0 < left < plain
    assert count("faces=3") - plain == 2 * (count("faces=2") - plain) > 0
    with pytest.raises(ColorizerError, match="no training picture matches fces"):
        dataset.load(config.resolve("photo", "folder", None, {**settings, "leave_out": "faces/1.*, fces/*"}))
    for wrong in ("faces", "faces=x", "cats=2", "faces=0"):
        with pytest.raises(ColorizerError, match="repeats="):
            count(wrong)


def test_shifts_mirror_the_edges_and_jitter_moves_the_input_alone(rng):
    rgb = rng.integers(0, 256, (32, 32, 3), dtype="uint8")
    wide = np.pad(rgb, [[3, 3], [3, 3], [0, 0]], "reflect")
    windows = {wide[y : y + 32, x : x + 32].tobytes() for y in range(7) for x in range(7)}
    found = {dataset._shifted(tf.constant(rgb), tf.constant([0, number], tf.int64), 3).numpy().tobytes() for number in range(40)}
    assert found <= windows and len(found) > 15
    small = config.resolve("photo", "sample", None, {"image_size": 32, "batch_size": 8, "aged": 0.0, "lightness_jitter": 0.3})
    scaled_lightness, scaled_lab = next(iter(dataset.training_batches(small, dataset.load(small), 0, 1)))
    assert not np.allclose(scaled_lightness, scaled_lab[..., :1], atol=0.02)
    order = [np.argsort(np.asarray(x)[0].ravel(), kind="stable") for x in (scaled_lightness, scaled_lab[..., :1])]
    assert (np.diff(np.asarray(scaled_lightness)[0].ravel()[order[1]]) > -1e-4).all()  # a gamma keeps the order


def test_aged_pictures_are_what_is_seen_and_not_what_is_to_be_learnt():
    """Of the recipe photo, all aged and none; the truth by scikit-image, of the same crops."""
    settings = {"image_size": 32, "batch_size": 8}
    aged, plain = (config.resolve("photo", "sample", None, settings | {"aged": share}) for share in (1.0, 0.0))
    data = dataset.load(aged)
    rgb = np.stack(list(data.train.shuffled(aged.seed, 0, 8, 0).as_numpy_iterator()))
    truth = color.scale(skimage_color.rgb2lab(rgb))
    for each in (aged, plain):
        seen, learnt = (tensor.numpy() for tensor in next(iter(dataset.training_batches(each, data, 0, 1))))
        np.testing.assert_allclose(learnt, truth, atol=5e-3)
        changed = np.abs(seen - truth[..., :1]).mean(axis=(1, 2, 3))
        assert (changed > 0.01).all() if each is aged else (changed < 1e-3).all()


def test_a_warp_is_an_affine_map_about_the_centre_within_its_bounds():
    """Of a picture whose channels are its own coordinates, so that the result says where each pixel came from."""
    side, most = 65, 0.2
    y, x = np.mgrid[:side, :side].astype("float32")
    place = np.stack([x, y, np.zeros_like(x)], axis=-1)[None].repeat(40, axis=0).astype("uint8")
    warped = dataset._warped(tf.constant(place), tf.constant([0, 1], tf.int64), most).numpy()
    centre, inner = (side - 1) / 2, slice(16, 49)  # far enough from the mirrored edges
    here = np.stack([x, y], axis=-1)[inner, inner].reshape(-1, 2) - centre
    sizes, angles = [], []
    for picture in warped:
        there = picture[inner, inner, :2].reshape(-1, 2) - centre
        matrix, *_ = np.linalg.lstsq(here, there, rcond=None)
        np.testing.assert_allclose(here @ matrix, there, atol=0.7)  # in whole units, which turn the fit a little
        turned, stretched, _ = np.linalg.svd(matrix)
        sizes.append(np.log(stretched))
        rotation = turned @ np.linalg.svd(matrix)[2]
        angles.append(np.arctan2(rotation[0, 1], rotation[0, 0]))
    assert np.abs(sizes).max() <= 1.25 * most + 5e-3 and np.std(sizes) > most / 3
    assert np.abs(angles).max() <= most + most / 4 + 5e-3 and np.std(angles) > most / 3
    warping = config.resolve("small", "cifar10", None, {"lightness_jitter": 0.0, "warp": most, "batch_size": 8})
    photographs = dataset.load(config.resolve("photo", "sample", None, {"image_size": 32, "batch_size": 8}))
    scaled_lightness, scaled_lab = next(iter(dataset.training_batches(warping, photographs, 0, 1)))
    np.testing.assert_allclose(scaled_lightness, scaled_lab[..., :1], atol=5e-3)  # both are of the warped picture
