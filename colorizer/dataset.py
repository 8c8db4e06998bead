"""Data sets -> batches of (scaled lightness, scaled Lab). tf.data and tensorflow-io live here alone.

Training order is a function of (seed, epoch), augmentation of (seed, epoch, place in the epoch), so that any step of any
epoch can be begun anew. Evaluation goes through every example once, in order, and changes nothing.
"""

import contextlib
import dataclasses
import fnmatch
import importlib.util
import math
import os
import pathlib
import sys
import threading
import typing
import warnings
import zlib

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from colorizer import ColorizerError, aging, color, images

SAMPLE_TRAINING = ("astronaut.png", "coffee.png", "motorcycle_left.png")
SAMPLE_HELD_OUT = ("chelsea.png", "rocket.jpg")
SAMPLE_CROPS = {"train": 640, "validation": 64}
CIFAR10_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"  # where TFDS downloads from: asked before it tries
PLACES365_PAGE = "http://data.csail.mit.edu/places/places365/train_256_places365standard.tar"
PARTS_OF_FOLDER = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
MEDIAN_PICTURES = 4096  # of folder and places365: the median colour is that of the first ones, or of their first 64 megapixels
AGING = 2**40  # apart from the numbers of examples, so that aging and cropping draw from different keys
SHUFFLE_BUFFER = 8192  # places365: encoded pictures, about 30 KB each


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set. Examples are uint8 sRGB [size, size, 3].

    count: examples in one pass; of a data set that is read as it is needed, before grey ones are left out.
    in_order: () -> Dataset of every example once.
    shuffled: (seed, epoch, examples, skip) -> Dataset of the epoch's `examples` less the first `skip`.
    """

    count: int
    in_order: typing.Callable
    shuffled: typing.Callable


@dataclasses.dataclass(frozen=True)
class Data:
    """The parts of a data set that training reads; `validation` may be None.

    test_count: pictures of the test part, which `pictures` reads.
    grey_left_out: () -> grey images left out of training, as far as they were seen.
    fingerprint: changes when the examples do.
    """

    train: Split
    validation: Split | None
    test_count: int
    grey_left_out: typing.Callable
    fingerprint: str

    def counts(self):
        """{"training": examples, "validation": examples, "test": examples}."""
        return {"training": self.train.count, "validation": self.validation.count if self.validation else 0, "test": self.test_count}


def load(config):
    """The Data that a Config names. Raises ColorizerError where they are missing, empty or unreadable."""
    return {"sample": _sample, "cifar10": _cifar10, "places365": _places365, "folder": _folder}[config.dataset](config)


def steps_per_epoch(config, data):
    """Steps of one epoch: whole batches. Raises ColorizerError where the data fill no batch."""
    if data.train.count < config.batch_size:
        raise ColorizerError(
            f"batch_size={config.batch_size}: larger than the {data.train.count} training examples;"
            f" use --batch_size={data.train.count} or less"
        )
    return config.steps_per_epoch or data.train.count // config.batch_size


def training_batches(config, data, epoch, steps, skip=0):
    """Batches `skip`, ... `steps` - 1 of an epoch, shuffled and augmented."""
    examples = data.train.shuffled(config.seed, epoch, steps * config.batch_size, skip * config.batch_size)
    if not (config.aged or config.lightness_jitter or config.warp):
        return _lab_batches(examples, config.batch_size).prefetch(tf.data.AUTOTUNE)

    def augmented_pair(step, rgb):
        key = tf.random.experimental.stateless_fold_in(tf.constant([config.seed, epoch], tf.int64), tf.cast(step, tf.int64) + AGING)
        if config.warp:
            rgb = _warped(rgb, key, config.warp)
        lightness = color.lightness_from_rgb(aging.aged(rgb, key, config.aged) if config.aged else rgb, xp=keras.ops)
        if config.lightness_jitter:
            gamma = tf.exp(config.lightness_jitter * tf.random.stateless_normal([tf.shape(rgb)[0], 1, 1, 1], key))
            lightness = 100 * tf.pow(tf.clip_by_value(lightness / 100, 1e-6, 1), gamma)
        return color.scale(lightness), _scaled_pair(rgb)[1]

    batches = examples.batch(config.batch_size).enumerate(skip)
    return batches.map(augmented_pair, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(split, batch_size):
    """Every example once, in order; the last batch may be smaller."""
    return _lab_batches(split.in_order(), batch_size).prefetch(tf.data.AUTOTUNE)


def _lab_batches(examples, batch_size):
    # the batch is converted at once: twice as fast at 32 px as image by image
    return examples.batch(batch_size).map(_scaled_pair, num_parallel_calls=tf.data.AUTOTUNE)


def _scaled_pair(rgb):
    scaled_lab = color.scale(lab_from_rgb(rgb))
    return scaled_lab[..., :1], scaled_lab


def lab_from_rgb(rgb):
    """L*a*b* of uint8 sRGB [B, H, W, 3] by tensorflow-io, or by color.py where it has no wheel (Windows)."""
    if _tensorflow_io is None:
        return color.lab_from_rgb(rgb, xp=keras.ops)
    return _tensorflow_io.experimental.color.rgb_to_lab(tf.cast(rgb, tf.float32) / 255)


def _import_tensorflow_io():
    if importlib.util.find_spec("tensorflow_io") is None:
        return None
    with warnings.catch_warnings():
        # its native file systems do not load beside this TensorFlow; the colour operations are plain TensorFlow
        warnings.simplefilter("ignore", UserWarning)
        import tensorflow_io
    return tensorflow_io


_tensorflow_io = _import_tensorflow_io()


# ---- whole pictures, to judge ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Pictures:
    """One part of a data set, whole and unaugmented.

    split: what was found: "train", "validation", "test", of a folder also "all" or "held-out".
    read: (names=None) -> iterator of images.Example in a fixed order, or of those of these names; unreadable files are named in
    the log and left out.
    training: () -> iterator of uint8 sRGB [H, W, 3] for the median colour, or None where the data have no training part.
    """

    split: str
    count: int
    read: typing.Callable
    training: typing.Callable | None


def pictures(config, split="test", limit=0, trained_in=()):
    """The Pictures of a part of the Config's data set; `limit`: its first ones. Grey ones are judged as well.

    trained_in: the folders that the models to judge were trained on. "test" of a folder without that part is, where the folder lies
    inside or around one of these, what was not trained on ("held-out"); else, where it is one of them or has a part for validation, that
    part; else all of it. Raises ColorizerError where there are none.
    """
    if config.dataset == "folder":
        return _folder_pictures(config, split, limit, trained_in)
    return {"sample": _sample_pictures, "cifar10": _cifar10_pictures, "places365": _places365_pictures}[config.dataset](
        config, split, limit
    )


def _sample_pictures(config, split, limit):
    data = _sample(config)
    split = "train" if split == "train" else "validation"
    part = data.train if split == "train" else data.validation
    # each training photograph once, whole crops of the middle
    count = _first(limit, len(SAMPLE_TRAINING) if split == "train" else part.count)

    def read(names=None):
        for number, rgb in enumerate(part.in_order().take(count).as_numpy_iterator()):
            if names is None or f"{number:06d}" in names:
                yield images.Example(f"{number:06d}", None, rgb)

    return Pictures(split, count, read, lambda: data.train.in_order().as_numpy_iterator())


def _cifar10_pictures(config, split, limit):
    builder = _prepared("cifar10", config.data_dir, CIFAR10_PAGE)
    columns = _in_id_order(builder, "test" if split == "test" else "train")
    cut = builder.info.splits["train"].num_examples - config.validation_examples
    if split == "validation" and not config.validation_examples:
        raise ColorizerError("--split=validation: the run trained on all of the training part (validation_examples=0)")
    part = {"train": slice(0, cut), "validation": slice(cut, None), "test": slice(None)}[split]
    examples = [
        images.Example(name.decode(), builder.info.features["label"].names[label], rgb)
        for name, label, rgb in zip(*(columns[key][part][: limit or None] for key in ("id", "label", "image")))
    ]
    return Pictures(
        split,
        len(examples),
        lambda names=None: (example for example in examples if names is None or example.name in names),
        # all 50,000: the median of 45,000 rounds to other whole units, and is no property of CIFAR-10
        lambda: iter(_in_id_order(builder, "train")["image"]),
    )


def _places365_pictures(config, split, limit):
    import tensorflow_datasets as tfds

    builder = _prepared("places365_small", config.data_dir, PLACES365_PAGE)
    count = _first(limit, builder.info.splits[split].num_examples)
    label_names = builder.info.features["label"].names

    def encoded(part, count):
        return tfds.as_numpy(builder.as_dataset(split=f"{part}[:{count}]", decoders={"image": tfds.decode.SkipDecoding()}))

    def read(names=None):
        for example in encoded(split, count):
            name, label = example["filename"].decode(), int(example["label"])
            if names is None or name in names:
                yield images.Example(name, label_names[label] if label >= 0 else None, _decode(example["image"]).numpy())

    def training():
        available = min(MEDIAN_PICTURES, builder.info.splits["train"].num_examples)
        return (_decode(example["image"]).numpy() for example in encoded("train", available))

    return Pictures(split, count, read, training)


def _folder_pictures(config, split, limit, trained_in):
    top = pathlib.Path(config.data_dir).expanduser()
    parts = _parts_of_folder(top)
    own = _own_parts(top)
    place, folders = top.resolve(), {pathlib.Path(folder).expanduser().resolve() for folder in trained_in}
    seen_in_training = place in folders
    overlapping = {folder for folder in folders - {place} if folder in place.parents or place in folder.parents}
    if overlapping and split != "test":
        raise ColorizerError(f"{top}: a model was trained on {overlapping.pop()}; --split={split} is a part of that folder")
    if split == "test" and not parts["test"]:
        split = "held-out" if overlapping else "validation" if seen_in_training or "validation" in own else "all"
    if split in ("train", "validation") and not seen_in_training and not own.keys() & {"train", "validation"}:
        raise ColorizerError(f"{top}: it has no {split} part; without --split all of it is judged")
    files = parts[split] if split in parts else _shuffled_by_name(images.find(top), top)
    if not files:
        raise _no_pictures(top, "" if split == "all" else f"{split} ")
    if overlapping:
        trained = {path.resolve() for folder in overlapping | folders & {place} for path in _parts_of_folder(folder)["train"]}
        files = [path for path in files if path.resolve() not in trained]
        if not files:
            raise ColorizerError(f"{top}: all of its pictures were trained on; name others with --data_dir")
    files = files[: limit or None]
    below = {path: path.relative_to(top) for path in files}
    # a folder for each class, as is the habit, or no classes; the part's own folder is none
    of_parts = {folder.name for inside in own.values() for folder in inside}
    labels = {path: name.parts[:-1][name.parts[0] in of_parts :][:1] for path, name in below.items()}
    labelled = all(labels.values()) and len(set(labels.values())) > 1

    def read(names=None):
        for path in files:
            name = below[path].as_posix()
            if names is None or name in names:
                with _left_out_if_unreadable():
                    yield images.Example(name, labels[path][0] if labelled else None, images.read_rgb(path))

    def training():
        for path in parts["train"][:MEDIAN_PICTURES]:
            with _left_out_if_unreadable():
                rgb = images.read_rgb(path)
                step = max(1, min(rgb.shape[:2]) // 128)
                yield rgb[::step, ::step]

    return Pictures(split, len(files), read, training if seen_in_training or "train" in own else None)


def _no_pictures(folder, part):
    return ColorizerError(f"{folder}: no {part}pictures (a picture ends in {', '.join(sorted(images.SUFFIXES))})")


@contextlib.contextmanager
def _left_out_if_unreadable():
    try:
        yield
    except ColorizerError as error:
        logging.warning("left out: %s", error)


# ---- examples that are reached by number ------------------------------------------------------------------------------


def _indexed(count, read):
    """A Split of `count` examples; read(index, key) gives one, `key` [2] being its randomness, or None for none."""

    def in_order():
        return tf.data.Dataset.range(count).map(lambda index: read(index, None), num_parallel_calls=tf.data.AUTOTUNE)

    def shuffled(seed, epoch, examples, skip):
        # one pass after another, wherever the epochs end: none is left out of many short epochs
        begin, end = epoch * examples + skip, (epoch + 1) * examples
        passes = range(begin // count, math.ceil(end / count))
        order = np.concatenate([np.random.default_rng([seed, number]).permutation(count) for number in passes])
        order = order[begin - passes.start * count : end - passes.start * count]

        def example(index, place):
            return read(index, tf.random.experimental.stateless_fold_in(tf.constant([seed, epoch], tf.int64), place))

        places = np.arange(skip, examples)
        return tf.data.Dataset.from_tensor_slices((order, places)).map(example, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(count, in_order, shuffled)


def _maybe_flipped(rgb, key, flip):
    if key is None or not flip:
        return rgb
    return tf.cond(_uniform(key, 0) < 0.5, lambda: tf.reverse(rgb, [1]), lambda: rgb)


def _shifted(rgb, key, most):
    """Moved by up to `most` pixels each way, the edges mirrored."""
    if key is None or not most:
        return rgb
    wide = tf.pad(rgb, [[most, most], [most, most], [0, 0]], "REFLECT")
    down, right = (tf.cast(_uniform(key, number) * (2 * most + 1), tf.int32) for number in (1, 2))
    return tf.ensure_shape(wide[down : down + tf.shape(rgb)[0], right : right + tf.shape(rgb)[1]], rgb.shape)


def _warped(rgb, key, most):
    """uint8 pictures [B, H, W, 3], each zoomed by up to exp(most), stretched along one side and squeezed along the other by up to
    exp(most / 4), turned by up to `most` radians, about its centre; the edges mirrored."""
    count, height, width = tf.unstack(tf.shape(rgb)[:3])
    key = tf.random.experimental.stateless_fold_in(key, 13)  # aging has 0 to 12
    drawn = most * tf.random.stateless_uniform([3, count], key, -1.0, 1.0)
    size, stretch, angle = tf.exp(drawn[0]), tf.exp(drawn[1] / 4), drawn[2]
    # from a place in the result to that in the picture
    a, b = size * stretch * tf.cos(angle), -size * stretch * tf.sin(angle)
    c, d = size / stretch * tf.sin(angle), size / stretch * tf.cos(angle)
    x, y = (tf.cast(length - 1, tf.float32) / 2 for length in (width, height))
    zero = tf.zeros_like(a)
    transforms = tf.stack([a, b, x - a * x - b * y, c, d, y - c * x - d * y, zero, zero], axis=1)
    warped = keras.ops.image.affine_transform(tf.cast(rgb, tf.float32), transforms, fill_mode="reflect", data_format="channels_last")
    return tf.cast(tf.round(warped), tf.uint8)


def _uniform(key, number):
    """The `number`-th random number of a key, in [0, 1)."""
    return tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(key, number))


def _square(rgb, size, key, smallest_crop):
    """A square of a picture of any size, resized to `size`: the central one, or with a key a random one.

    A random one has at least `smallest_crop` of the short side.
    """
    height, width = tf.shape(rgb)[0], tf.shape(rgb)[1]
    short = tf.minimum(height, width)
    share, down, right = 1.0, 0.5, 0.5
    if key is not None:
        share, down, right = smallest_crop + (1 - smallest_crop) * _uniform(key, 1), _uniform(key, 2), _uniform(key, 3)
    side = tf.maximum(1, tf.cast(tf.round(tf.cast(short, tf.float32) * share), tf.int32))

    def offset(length, where):
        return tf.cast(tf.cast(length - side + 1, tf.float32) * where * (1 - 1e-6), tf.int32)

    square = tf.image.crop_to_bounding_box(rgb, offset(height, down), offset(width, right), side, side)
    resized = tf.image.resize(square, [size, size], antialias=True)
    return tf.ensure_shape(tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8), [size, size, 3])


def _is_grey(rgb):
    return tf.reduce_all((rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2]))


# ---- sample -----------------------------------------------------------------------------------------------------------


def _sample(config):
    """Random crops of photographs that the scikit-image wheel carries; the held-out photographs are others."""
    spec = importlib.util.find_spec("skimage")
    if spec is None:
        raise ColorizerError("--dataset=sample uses the photographs of scikit-image, which is not installed: pip install scikit-image")
    folder = pathlib.Path(spec.submodule_search_locations[0]) / "data"

    def crops(names, count, fixed):
        photographs = tf.ragged.stack([tf.constant(images.read_rgb(folder / name)) for name in names])

        def read(index, key):
            photograph = photographs[index % len(names)].to_tensor()
            crop_key = tf.stack([tf.constant(0, tf.int64), index]) if fixed else key
            return _maybe_flipped(_square(photograph, config.image_size, crop_key, config.smallest_crop), key, config.flip)

        return _indexed(count, read)

    return Data(
        crops(SAMPLE_TRAINING, _first(config.train_examples, SAMPLE_CROPS["train"]), fixed=False),
        crops(SAMPLE_HELD_OUT, _first(config.eval_examples, SAMPLE_CROPS["validation"]), fixed=True),
        0,
        lambda: 0,
        "sample",
    )


def _first(wanted, available):
    return min(wanted, available) if wanted else available


# ---- cifar10, places365 -----------------------------------------------------------------------------------------------


def _cifar10(config):
    """All in memory. Validation is the end of the training images by TFDS's id, whatever their place on disk."""
    builder = _prepared("cifar10", config.data_dir, CIFAR10_PAGE)
    training, test_count = _in_id_order(builder, "train")["image"], builder.info.splits["test"].num_examples
    cut = len(training) - config.validation_examples
    train, validation = training[:cut], training[cut:]
    train = train[: _first(config.train_examples, len(train))]
    colour = np.ptp(train, axis=-1).any(axis=(1, 2))
    grey = int((~colour).sum()) if config.skip_grey else 0

    def split(rgb):
        rgb = tf.constant(rgb)
        return _indexed(len(rgb), lambda index, key: _maybe_flipped(_shifted(rgb[index], key, config.shift), key, config.flip))

    return Data(
        split(train[colour] if config.skip_grey else train),
        split(validation[: _first(config.eval_examples, len(validation))]) if len(validation) else None,
        _first(config.eval_examples, test_count),
        lambda: grey,
        f"cifar10 {builder.version}",
    )


def _in_id_order(builder, split):
    """{"id": bytes [N], "image": uint8 [N, 32, 32, 3], "label": [N]}."""
    import tensorflow_datasets as tfds

    batches = list(tfds.as_numpy(builder.as_dataset(split=split).batch(1000)))
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.argsort(columns["id"])
    return {name: column[order] for name, column in columns.items()}


def _places365(config):
    """Read from disk as it is needed: 1.8 million pictures. Grey ones are dropped when they are met, and counted."""
    builder = _prepared("places365_small", config.data_dir, PLACES365_PAGE)
    grey = tf.Variable(0, dtype=tf.int64, trainable=False)

    def colour(rgb):
        is_grey = _is_grey(rgb)
        grey.assign_add(tf.cast(is_grey, tf.int64))
        return ~is_grey

    def split(name, examples, only_colour=False):
        import tensorflow_datasets as tfds

        count = _first(examples, builder.info.splits[name].num_examples)

        def encoded(seed):
            read = tfds.ReadConfig(shuffle_seed=seed, interleave_cycle_length=16 if seed is not None else 1, try_autocache=False)
            read.options.deterministic = True
            return builder.as_dataset(
                split=f"{name}[:{count}]", shuffle_files=seed is not None, decoders={"image": tfds.decode.SkipDecoding()}, read_config=read
            ).map(lambda example: example["image"])

        def decoded(dataset):
            return dataset.map(lambda content: _square(_decode(content), config.image_size, None, 1.0), num_parallel_calls=tf.data.AUTOTUNE)

        def shuffled(seed, epoch, examples, skip):
            order_seed = int(np.random.default_rng([seed, epoch]).integers(2**31))
            dataset = decoded(encoded(order_seed).shuffle(min(count, SHUFFLE_BUFFER), seed=order_seed))
            if only_colour:
                dataset = dataset.filter(colour)
            key = tf.constant([seed, epoch], tf.int64)
            return (
                dataset.repeat().take(examples).enumerate().skip(skip)
                .map(lambda place, rgb: _maybe_flipped(rgb, tf.random.experimental.stateless_fold_in(key, place), config.flip))
            )  # fmt: skip

        return Split(count, lambda: decoded(encoded(None)), shuffled)

    return Data(
        split("train", config.train_examples, only_colour=config.skip_grey),
        split("validation", config.eval_examples),
        _first(config.eval_examples, builder.info.splits["test"].num_examples),
        lambda: int(grey),
        f"places365_small {builder.version}",
    )


def _prepared(name, data_dir, page):
    """The TFDS builder, its data on disk: at once where they are there, else downloaded with TFDS's progress."""
    import tensorflow_datasets as tfds

    # of an absent data set TFDS warns in words of its own
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        builder = tfds.builder(name, data_dir=os.path.expanduser(data_dir) or None, try_gcs=False)
    except Exception as error:  # TFDS lets everything through that a broken folder can cause
        raise ColorizerError(f"{data_dir or '~/tensorflow_datasets'}: not a TFDS folder ({error})") from error
    finally:
        logging.set_verbosity(verbosity)
    if builder.is_prepared():
        return builder
    where = f"{name} is not in {builder.data_dir}"
    if not _answers(page):
        raise ColorizerError(
            f"{where}, and {page.split('/')[2]} does not answer: connect to the Internet for the download,"
            " or name a TFDS folder that has it by --data_dir"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise ColorizerError(f"{where}, and could not be downloaded: {error}") from error
    return builder


def _answers(page, seconds=4):
    import requests

    answered = threading.Event()

    def ask():
        with contextlib.suppress(requests.RequestException):
            requests.head(page, timeout=seconds, allow_redirects=True)
            answered.set()

    # a thread, as looking up the name has no time-out of its own; a daemon, or the program would wait for it at its end
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()


# ---- folder -----------------------------------------------------------------------------------------------------------


def _folder(config):
    """Any tree of pictures: its own train/ and val/ (or validation/) and test/, or a tenth by file name as validation."""
    top = pathlib.Path(config.data_dir).expanduser()
    parts = _parts_of_folder(top)
    parts["train"] = _not_left_out(parts["train"], top, config.leave_out)
    files = [
        _usable(parts["train"][: config.train_examples or None], top, "training"),
        _usable(parts["validation"][: config.eval_examples or None], top, "validation"),
    ]
    if parts["test"] and not any(_is_picture(path) for path in parts["test"]):  # now, and not at the end
        raise ColorizerError(f"{top}: none of its {len(parts['test'])} test pictures can be read")
    grey = sum(file.grey for file in files[0]) if config.skip_grey else 0
    if grey:
        files[0] = [file for file in files[0] if not file.grey]
        if not files[0]:
            raise ColorizerError(
                f"{top}: all {grey} training pictures are grey, so there is no colour to learn (--set skip_grey=false keeps them)"
            )
    files[0] = _repeated(files[0], top, config.repeats)
    listing = b"\n".join(os.fsencode(file.path.relative_to(top)) + b" %d" % file.size for part in files for file in part)
    test_count = _first(config.eval_examples, len(parts["test"]))
    return Data(*(_split_of_files(part, config) for part in files), test_count, lambda: grey, f"{zlib.crc32(listing):08x}")


def _is_picture(path):
    with contextlib.suppress(ColorizerError):
        return bool(images.probe(path))
    return False


def _not_left_out(paths, top, leave_out):
    """The paths below `top` that match none of the patterns ("places/*,*nette_*"). Raises ColorizerError for one that none matches."""
    for pattern in filter(None, map(str.strip, leave_out.split(","))):
        kept = [path for path in paths if not fnmatch.fnmatchcase("/" + path.relative_to(top).as_posix(), f"*/{pattern}")]
        if len(kept) == len(paths):
            raise ColorizerError(f"leave_out={leave_out}: no training picture matches {pattern}")
        paths = kept
    return paths


def _repeated(files, top, repeats):
    """The files, those in the folders that `repeats` names ("faces=3,places=1") that many times. Raises ColorizerError."""
    times = {}
    for entry in filter(None, repeats.split(",")):
        name, equals, number = entry.partition("=")
        if not equals or not number.isdecimal() or not int(number):
            raise ColorizerError(f"repeats={repeats}: write folder=number,folder=number, from 1 on; leave_out leaves pictures out")
        times[name.strip()] = int(number)
    unknown = times.keys() - {name for file in files for name in file.path.relative_to(top).parts[:-1]}
    if unknown:
        raise ColorizerError(f"repeats={repeats}: no training pictures in a folder named {', '.join(sorted(unknown))}")

    def times_of(file):
        return math.prod(times.get(name, 1) for name in file.path.relative_to(top).parts[:-1])

    return [file for file in files for _ in range(times_of(file))]


def _own_parts(top):
    """{"train", "validation", "test": [its folder or folders, ...]} of those that a folder has.

    Other spellings than the usual ones (Train, VALID) may be classes: they count where there are two parts, and for test.
    """
    own = {}
    for entry in sorted(top.iterdir()) if top.is_dir() else ():
        part = PARTS_OF_FOLDER.get(entry.name.lower())
        if part and entry.is_dir():
            own.setdefault(part, []).append(entry)
    usual = {part for part, folders in own.items() for folder in folders if folder.name in PARTS_OF_FOLDER and folder.name != "valid"}
    return own if len(own) > 1 else {part: folders for part, folders in own.items() if part in usual or part == "test"}


def _parts_of_folder(top):
    """{"train": [path, ...], "validation": ..., "test": ...}, each in the order of _shuffled_by_name; "test" may be empty."""
    folders = _own_parts(top)
    own = {part: _shuffled_by_name([file for folder in inside for file in images.find(folder)], top) for part, inside in folders.items()}
    if "train" not in own:  # what is in no part, so that nobody trains on a folder's test part
        apart = {folder for inside in folders.values() for folder in inside}
        own["train"] = [file for file in _shuffled_by_name(images.find(top), top) if not apart & set(file.parents)]
    train, validation = (own["train"], own["validation"]) if own.get("validation") else _split_by_name(own["train"], top)
    return {"train": train, "validation": validation, "test": own.get("test", [])}


def _hash(text):
    return zlib.crc32(os.fsencode(text))  # not str.encode: a name need not be UTF-8


def _shuffled_by_name(files, top):
    """In an order that has nothing to do with folders, so that the first N are of every kind; other files change nothing."""
    return sorted(files, key=lambda file: (_hash(file.name), _hash(file.relative_to(top).as_posix())))


def _split_by_name(files, top):
    """(training, validation): about a tenth of the files, by a hash of the name, so that other files change nothing.

    Where all have one name, by a hash of the path below `top`.
    """
    by_name = [file for file in files if _hash(file.name) % 10 == 0]
    by_path = [file for file in files if _hash(file.relative_to(top).as_posix()) % 10 == 0]
    validation = next((part for part in (by_name, by_path) if 0 < len(part) < len(files)), files[:1])
    held_out = set(validation)
    return [file for file in files if file not in held_out], validation


@dataclasses.dataclass(frozen=True)
class _File:
    path: pathlib.Path
    size: int  # bytes
    orientation: int  # EXIF, 1..8
    by_pillow: bool
    grey: bool


def _usable(paths, top, part):
    """The files that can be decoded, in order. The others are named in the log; none at all raises ColorizerError."""
    files, reasons = [], {}
    for path in tqdm.tqdm(paths, f"{part} pictures: headers", unit="", leave=False, disable=_quiet(paths)):
        try:
            by_tensorflow, orientation = images.probe(path)
            files.append(_File(path, path.stat().st_size, orientation, not by_tensorflow, False))
        except ColorizerError as error:
            reasons[path] = error
    checked = _decodable(files)
    # some that TensorFlow does not read after all Pillow does: animated WebP
    refused = [dataclasses.replace(file, by_pillow=True) for file in files if file.path not in checked and not file.by_pillow]
    checked |= _decodable(refused)
    pillows = {file.path: file for file in refused}
    files = [pillows.get(file.path, file) for file in files]
    reasons |= {file.path: f"{file.path}: cannot be decoded" for file in files if file.path not in checked}
    for path in sorted(reasons):
        logging.warning("left out: %s", reasons[path])
    if reasons:
        logging.warning("%d of %d %s pictures are unreadable and left out", len(reasons), len(paths), part)
    if not checked:
        raise ColorizerError(f"{top}: none of its {len(paths)} {part} pictures can be read") if paths else _no_pictures(top, f"{part} ")
    return [dataclasses.replace(file, grey=checked[file.path]) for file in files if file.path in checked]


def _decodable(files):
    """{path: is grey} of the files that the training's own decoder reads to their end; JPEGs at an eighth of the size."""
    if not files:
        return {}

    def check(index, path, by_pillow):
        return index, _is_grey(_decode_file(path, by_pillow, jpeg_ratio=8))

    decoded = tf.data.Dataset.from_tensor_slices((list(range(len(files))), *_columns(files)[:2]))
    decoded = decoded.map(check, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors().batch(64).as_numpy_iterator()
    checked = {}
    with tqdm.tqdm(desc="decoding", total=len(files), unit="", leave=False, disable=_quiet(files)) as progress:
        for indices, grey in decoded:
            checked.update((files[index].path, bool(is_grey)) for index, is_grey in zip(indices, grey))
            progress.update(len(indices))
    return checked


def _quiet(files):
    return len(files) < 1000 or not sys.stderr.isatty()


def _columns(files):
    return [os.fsencode(file.path) for file in files], [file.by_pillow for file in files], [file.orientation for file in files]


def _split_of_files(files, config):
    paths, by_pillow, orientations = (tf.constant(column) for column in _columns(files))

    def read(index, key):
        # Pillow has turned its pictures already
        orientation = tf.where(by_pillow[index], 1, orientations[index])
        rgb = _turned(_decode_file(paths[index], by_pillow[index]), orientation)
        return _maybe_flipped(_square(rgb, config.image_size, key, config.smallest_crop), key, config.flip)

    return _indexed(len(files), read)


def _decode_file(path, by_pillow, jpeg_ratio=1):
    def pillow():
        rgb = tf.numpy_function(lambda name: images.read_rgb(os.fsdecode(name)), [path], tf.uint8, stateful=False)
        return tf.ensure_shape(rgb, [None, None, 3])

    return tf.cond(by_pillow, pillow, lambda: _decode(tf.io.read_file(path), jpeg_ratio))


def _decode(content, jpeg_ratio=1):
    """uint8 [H, W, 3] of an encoded JPEG, PNG, GIF (first frame), BMP or WebP."""

    def jpeg():
        # INTEGER_ACCURATE is what Pillow gives, to the last bit
        return tf.io.decode_jpeg(content, channels=3, ratio=jpeg_ratio, dct_method="INTEGER_ACCURATE")

    def other():
        return tf.io.decode_image(content, channels=3, expand_animations=False)

    rgb = tf.cond(tf.strings.substr(content, 0, 2) == b"\xff\xd8", jpeg, other)
    return tf.ensure_shape(rgb, [None, None, 3])


def _turned(rgb, orientation):
    """The picture upright, from its EXIF orientation (1..8): 2, 3, 4 mirror and turn in place, 5 to 8 swap the axes first."""
    rgb = tf.cond(orientation >= 5, lambda: tf.transpose(rgb, [1, 0, 2]), lambda: rgb)
    rgb = tf.cond(tf.reduce_any(orientation == [3, 4, 7, 8]), lambda: tf.reverse(rgb, [0]), lambda: rgb)
    return tf.cond(tf.reduce_any(orientation == [2, 3, 6, 7]), lambda: tf.reverse(rgb, [1]), lambda: rgb)
