"""Does the input pipeline keep ahead of training? It must give at least 10 times the images a second of a training step.

    python benchmarks/input_pipeline.py                                   made-up 32 px images, photographs at 256 px
    python benchmarks/input_pipeline.py --data_dir=~/tensorflow_datasets  CIFAR-10 in place of the made-up images
    python benchmarks/input_pipeline.py --step_images_per_second_32=62 --step_images_per_second_256=1.5

Iterates the project's own dataset.training_batches without training: at 32 px and batch 128 as --dataset=cifar10 does (uint8 in
memory), at 256 px and batch 16 as --dataset=folder does, on 500x400 JPEGs cut from scikit-image's photographs into a temporary
folder, which is removed again; they stay in the system's file cache, so decoding is measured and the disk is not. Beside it stand
the examples before Lab, and the alternative: Lab by color.py instead of tensorflow-io.

The pipelines take turns, pass by pass. A pass begins a new epoch and includes the start of its threads; the first is not counted.
The step that they are held against is the paper's GAN step of that size: measured on one fixed batch before the pipelines (at
256 px 10 to 30 seconds a step on two CPU cores, and 7 GB of memory), or given by the flags above. Timings mean something on an
otherwise idle machine only.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import train_step  # beside this script

from colorizer import ColorizerError, commands
from colorizer import config as configuration

# TensorFlow is imported where it is used, so that --help is quick

REQUIRED_RATIO = 10
IMAGES_OF_CIFAR10 = 45_000  # the training part, less validation
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")  # in colour, and none smaller than a JPEG below
JPEGS = 48
JPEG_SIZE = (400, 500)  # height, width: an ordinary picture of ImageNet
BATCHES_OF_A_PASS = {32: 200, 256: 40}
OURS = "training_batches: + batch, Lab by tensorflow-io"


def main():
    args = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it
    print(f"{train_step.machine_facts(('tensorflow', 'keras', 'tensorflow-io'))}\n", flush=True)
    with commands.without_native_notes():
        import tensorflow  # noqa: F401
    small = configuration.resolve("paper", "cifar10", "gan", {"data_dir": args.data_dir})
    report(args, small, load(small) if args.data_dir else made_up(small), args.step_images_per_second_32)
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(pathlib.Path(folder))
        large = configuration.resolve("paper", "folder", "gan", {"data_dir": folder})
        report(args, large, load(large), args.step_images_per_second_256)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default="", help="TFDS folder that holds cifar10; unset: made-up images")
    parser.add_argument("--passes", type=int, default=5, help="timed passes of each pipeline (5)")
    parser.add_argument("--batches", type=int, help="batches of a pass; unset: 200 at 32 px, 40 at 256 px")
    parser.add_argument("--steps", type=int, default=5, help="timed training steps (5)")
    for size in BATCHES_OF_A_PASS:
        parser.add_argument(f"--step_images_per_second_{size}", type=float, help=f"a training step's at {size} px; unset: measured")
    args = parser.parse_args()
    given = [args.passes, args.steps, args.batches, args.step_images_per_second_32, args.step_images_per_second_256]
    if any(value is not None and value <= 0 for value in given):
        parser.error("passes, batches, steps and rates must be above 0")
    return args


# ---- the data ---------------------------------------------------------------------------------------------------------


def load(config):
    """The Data that a Config names; a folder that is not what was promised ends the program with one line."""
    from colorizer import dataset

    try:
        return dataset.load(config)
    except ColorizerError as error:
        sys.exit(f"input_pipeline: {error}")


def made_up(config):
    """Data of the size and kind of CIFAR-10's training part: uint8 noise in memory, read as dataset.load reads CIFAR-10."""
    import tensorflow as tf

    from colorizer import dataset

    shape = (IMAGES_OF_CIFAR10, config.image_size, config.image_size, 3)
    rgb = tf.constant(np.random.default_rng(config.seed).integers(0, 256, shape, "uint8"))
    train = dataset._indexed(len(rgb), lambda index, key: dataset._maybe_flipped(rgb[index], key, config.flip))
    return dataset.Data(train, None, None, lambda: 0, "made up")


def write_jpegs(folder):
    """Fills a folder with pieces of photographs, each at another place."""
    import skimage
    import tensorflow as tf

    from colorizer import images

    rng = np.random.default_rng(0)
    photographs = [images.read_rgb(pathlib.Path(skimage.__file__).parent / "data" / name) for name in PHOTOGRAPHS]
    height, width = JPEG_SIZE
    for number in range(JPEGS):
        photograph = photographs[number % len(photographs)]
        top, left = (rng.integers(length - side + 1) for length, side in zip(photograph.shape, JPEG_SIZE))
        piece = photograph[top : top + height, left : left + width]
        tf.io.write_file(str(folder / f"{number:02}.jpg"), tf.io.encode_jpeg(piece, quality=90))


# ---- the pipelines ----------------------------------------------------------------------------------------------------


def pipelines(config, data, batches):
    """{name: epoch -> tf.data.Dataset of that many batches}; OURS is what training reads."""
    import tensorflow as tf

    from colorizer import dataset

    def examples(epoch):
        shuffled = data.train.shuffled(config.seed, epoch, batches * config.batch_size, 0)
        return shuffled.batch(config.batch_size).prefetch(tf.data.AUTOTUNE)

    def lab_by_tensorflow_io(epoch):
        return dataset.training_batches(config, data, epoch, batches)

    def lab_by_color_py(epoch):
        # what dataset.py does where tensorflow-io has no wheel; it is asked while the pipeline is built, not while it runs
        with mock.patch.object(dataset, "_tensorflow_io", None):
            return dataset.training_batches(config, data, epoch, batches)

    alone = "examples alone: decode, crop, flip" if config.dataset == "folder" else "examples alone: read, flip"
    return {alone: examples, OURS: lab_by_tensorflow_io, "the same, Lab by color.py": lab_by_color_py}


def images_per_second(pipelines_by_name, images_of_a_pass, passes):
    """{name: images/s of each timed pass}."""
    rates = {name: [] for name in pipelines_by_name}
    for epoch in range(passes + 1):
        for name, pipeline in pipelines_by_name.items():
            batches = pipeline(epoch)
            start = time.perf_counter()
            for _ in batches:
                pass
            rates[name].append(images_of_a_pass / (time.perf_counter() - start))
    return {name: values[1:] for name, values in rates.items()}


def step_images_per_second(config, steps):
    """Images/s of the paper's GAN step without its data: median of `steps`."""
    step, _ = train_step.keras_step(config)
    return config.batch_size / statistics.median(train_step.seconds_per_step(step, steps, warm_up_steps=1))


# ---- the table --------------------------------------------------------------------------------------------------------


def report(args, config, data, step_rate):
    """Measures and prints the table of one image size."""
    batches = args.batches or BATCHES_OF_A_PASS[config.image_size]
    source = "given" if step_rate else f"median of {args.steps}, measured"
    step_rate = step_rate or step_images_per_second(config, args.steps)
    rates = images_per_second(pipelines(config, data, batches), batches * config.batch_size, args.passes)
    print(
        f"{config.image_size} px, batch {config.batch_size}, {config.dataset} ({data.fingerprint}, {data.train.count:,} examples);"
        f" median of {args.passes} passes of {batches} batches; training step {step_rate:.3g} images/s ({source})\n"
    )
    print(train_step.table(["", "images/s", "min", "max", "x training step"], [_row(name, rates[name], step_rate) for name in rates]))
    ratio = statistics.median(rates[OURS]) / step_rate
    holds = "holds" if ratio >= REQUIRED_RATIO else "DOES NOT HOLD"
    print(f"\nat least {REQUIRED_RATIO} x the training step: {holds} ({ratio:.1f} x)\n", flush=True)


def _row(name, values, step_rate):
    median = statistics.median(values)
    return [name, *(f"{value:,.0f}" for value in (median, min(values), max(values))), f"{median / step_rate:.1f}"]


if __name__ == "__main__":
    main()
