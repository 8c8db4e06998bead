"""Turn a run into files for a server and for devices, compared with the trained network before they are written.

    python export.py --model=runs/cifar10-gan --output=exported
    python export.py --model=runs/folder-gan --output=exported --format=tflite --tflite_size=256 --quantize=float16

exported/colorizer/1 is a SavedModel for TensorFlow Serving, the next export makes 2; exported/colorizer-*.tflite run on LiteRT.
Ends with a table, also in export.json and README.md there. A file that differs from the network by more than its bound makes the
export fail, and nothing is left behind.
"""

import dataclasses
import itertools
import os
import shlex
import sys

from absl import flags

from colorizer import ColorizerError, commands, config

FLAGS = flags.FlagValues()
_HERE = dict(flag_values=FLAGS)

flags.DEFINE_bool("help", False, "Print this and exit.", short_name="h", **_HERE)
flags.DEFINE_string("model", None, "A run folder (its best.keras), a .keras file, or photo or cifar10: what ships. Required.", **_HERE)
flags.DEFINE_string("output", None, "A folder, made where absent. Required.", **_HERE)
flags.DEFINE_string("name", "colorizer", "Of the model: what a server calls it, and how the files' names begin.", **_HERE)
flags.DEFINE_multi_enum("format", ["savedmodel", "tflite"], ("savedmodel", "tflite"), "What to write. Repeatable.", **_HERE)
flags.DEFINE_multi_enum("quantize", ["none", "float16"], ("none", "float16", "dynamic", "int8"), "Weights of the .tflite files: a file"
                        " for each. float16: half the size, the same colours. int8: a third, twice as fast, where the network bears it."
                        " dynamic: 8-bit weights alone. Repeatable.", **_HERE)  # fmt: skip
flags.DEFINE_string("license", "", "Terms of use of the weights, for the files to say.", **_HERE)
flags.DEFINE_integer("max_pixels", None, "Of a picture that a server takes: a larger one comes back empty. 12 million take 1.8 GB while"
                     " they are coloured. Unset: 33.5 million.", lower_bound=1, **_HERE)  # fmt: skip
flags.DEFINE_integer("tflite_size", 0, "Height and width that the .tflite files take, pixels, for delegates that want them fixed. 0: any;"
                     " keeps a picture's aspect.", lower_bound=0, upper_bound=2048, **_HERE)  # fmt: skip
flags.DEFINE_enum("dataset", None, config.DATASETS, "Pictures to calibrate and verify with. Unset: the run's own, else sample.", **_HERE)
flags.DEFINE_string("data_dir", None, "Where they are. Unset: the run's, or ~/tensorflow_datasets.", **_HERE)
flags.DEFINE_integer("calibration_examples", 64, "Training pictures that set the ranges of int8.", lower_bound=1, **_HERE)
flags.DEFINE_integer("verify_examples", 16, "Held-out pictures that each file is compared on.", lower_bound=1, **_HERE)
flags.DEFINE_bool("verify", True, "Compare with the network. --noverify writes files that nobody has tried.", **_HERE)


def main():
    """Entry point of `colorizer-export`."""
    commands.run(_export, __doc__, FLAGS)


def _export():
    if FLAGS.model is None or FLAGS.output is None:
        raise ColorizerError("name the run's --model and the --output folder")
    if not FLAGS.name or "/" in FLAGS.name or FLAGS.name.startswith(".") or FLAGS.name in ("README.md", "export.json"):
        raise ColorizerError(f"--name={FLAGS.name}: not a name for a file")
    from colorizer import images, inference

    model, output = (os.path.expanduser(path) for path in (FLAGS.model, FLAGS.output))
    traits = inference.check(model, to_train=True)
    quantize = list(dict.fromkeys(FLAGS.quantize))
    if FLAGS.tflite_size % traits.stride:
        raise ColorizerError(f"--tflite_size={FLAGS.tflite_size}: must be a multiple of the network's stride, {traits.stride}")
    judged_on = _judged_on(inference.trained_on(model), traits.render_size)
    images.check_writable(output)
    with commands.without_native_notes():
        from colorizer import dataset, export, serving

        network = inference.network_of(model)
    calibration, examples = [], []
    if "int8" in quantize and "tflite" in FLAGS.format:
        static = dataclasses.replace(traits, static_size=FLAGS.tflite_size)
        like_them = _first(_to_calibrate(judged_on), FLAGS.calibration_examples)
        calibration = [export.lightness_seen(example.rgb, static) for example in like_them]
    if FLAGS.verify:
        held_out = dataset.pictures(judged_on, "test", trained_in=[] if FLAGS.data_dir else [judged_on.data_dir])
        examples = list(_first(held_out, FLAGS.verify_examples))
    with commands.without_native_notes():
        rows = export.write(
            network, traits, output, FLAGS.name, set(FLAGS.format), quantize, FLAGS.tflite_size, calibration,
            examples, shlex.join(["export.py", *sys.argv[1:]]), FLAGS.license, FLAGS.max_pixels or serving.MAX_PIXELS,
        )  # fmt: skip
    print("\n".join(export.table(rows)))
    if not FLAGS.verify:
        print("\nnot verified")
    print(f"\nwritten to {output}: {', '.join(row['file'] for row in rows)}, export.json, README.md")


def _to_calibrate(judged_on):
    """Training pictures, or all of a folder that has no parts and is not the run's."""
    from colorizer import dataset

    if FLAGS.data_dir is None:
        return dataset.pictures(judged_on, "train", trained_in=[judged_on.data_dir])
    try:
        return dataset.pictures(judged_on, "train")
    except ColorizerError:
        return dataset.pictures(judged_on)


def _first(pictures, count):
    """Yields the first Examples."""
    found = itertools.islice(pictures.read(), count)
    if (first := next(found, None)) is None:
        raise ColorizerError("none of the pictures to calibrate or verify with can be read: name others with --dataset, --data_dir")
    yield first
    yield from found


def _judged_on(trained_on, render_size):
    """The Config of the pictures to try the files on."""
    if trained_on and FLAGS.dataset in (None, trained_on.dataset):
        if FLAGS.data_dir is None:
            return trained_on
        named = config.resolve("paper", trained_on.dataset, "gan", {"data_dir": FLAGS.data_dir})
        return dataclasses.replace(trained_on, data_dir=named.data_dir)
    settings = {} if FLAGS.data_dir is None else {"data_dir": FLAGS.data_dir}
    if FLAGS.dataset in (None, "sample"):  # crops as large as the network sees pictures
        settings["image_size"] = max(16, render_size // 16 * 16)
    return config.resolve("paper", FLAGS.dataset or "sample", "gan", settings)
