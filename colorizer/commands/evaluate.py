"""Judge colorization models beside a grey picture, the median colour and each other, on the same pictures.

    python evaluate.py --model=runs/cifar10-gan
    python evaluate.py --model=runs/cifar10-unet --model=runs/cifar10-gan --dataset=cifar10 --output=report
    python evaluate.py --model=runs/folder-gan --dataset=folder --data_dir=~/photos --vividness=0 --vividness=0.5 --vividness=1

Prints a table; --output also writes report.json, per_image.csv and report.html, which says what each column means. Whole
pictures are judged, of any size. Lightness "kept": the picture's own L* is put back, what a user gets; "predicted": the
network's own L*, what the paper measured.
"""

import dataclasses
import os
import shlex
import shutil
import sys

import tqdm
from absl import flags

from colorizer import ColorizerError, commands, config

FLAGS = flags.FlagValues()
_HERE = dict(flag_values=FLAGS)

flags.DEFINE_bool("help", False, "Print this and exit.", short_name="h", **_HERE)
flags.DEFINE_multi_string("model", [], "photo, cifar10: what ships. A run folder (its best.keras), a .keras or .tflite file, a SavedModel."
                          " Repeatable; none: only what scores without having learned.", **_HERE)  # fmt: skip
flags.DEFINE_multi_string("name", [], "What the table calls the models, in their order. Unset: --model itself.", **_HERE)
flags.DEFINE_enum("dataset", None, config.DATASETS, "What to judge on. Unset: what the models were trained on; without a"
                  " model sample.", **_HERE)  # fmt: skip
flags.DEFINE_string("data_dir", None, "folder: the pictures. cifar10, places365: the TFDS folder. Unset: the run's, or"
                    " ~/tensorflow_datasets.", **_HERE)  # fmt: skip
flags.DEFINE_enum("split", "test", ("test", "validation", "train"), "Which part. Of a folder without test: what was not trained on, if it"
                  " is inside or around a training folder; else validation, if it has that part or was trained on; else all. Of sample:"
                  " validation.", **_HERE)  # fmt: skip
flags.DEFINE_integer("limit", 0, "Judge the first N pictures. 0: all.", lower_bound=0, **_HERE)
flags.DEFINE_integer(
    "batch_size", 256, "Pictures of one size that the network sees at once. Changes speed, no figure.", lower_bound=1, **_HERE
)
flags.DEFINE_multi_float("vividness", [], "0 (most accurate) to 1 (as colourful as nature): a row for each. Repeatable. Unset: the model's"
                         " own.", lower_bound=0, upper_bound=1, **_HERE)  # fmt: skip
flags.DEFINE_bool("aged", False, "The models see the pictures as old photographs: film that weighs colours in its own way, faded, blurred,"
                  " grainy, by the picture's name alone. They are judged by their colours at the true lightness.", **_HERE)  # fmt: skip
flags.DEFINE_bool("realism", False, 'Add kid_lite2, which the extra "realism" brings; a tenth of a second a picture and row.', **_HERE)
flags.DEFINE_string("output", None, "A folder for report.json, per_image.csv and report.html. Unset: none are written.", **_HERE)


def main():
    """Entry point of `colorizer-evaluate`."""
    commands.run(_evaluate, __doc__, FLAGS)


def _evaluate():
    models = [os.path.expanduser(path) for path in FLAGS.model]
    names = _names()
    from colorizer import evaluation, images, inference, metrics

    for path in models:
        inference.check(path)
    trained_on = [its for its in map(inference.trained_on, models) if its]
    judged_on = _judged_on(trained_on)
    output = FLAGS.output and os.path.expanduser(FLAGS.output)
    if output:  # now, not after an hour
        if os.path.exists(os.path.join(output, "config.json")):
            raise ColorizerError(f"{output}: a run, which has a report.json of its own; name another --output")
        images.check_writable(output)
    with commands.without_native_notes():
        from colorizer import aging, classifier, dataset, realism, report

    trained_in = [folder for its in trained_on for folder in inference.folders_of(its)]
    pictures = dataset.pictures(judged_on, FLAGS.split, FLAGS.limit, trained_in)
    predictors = evaluation.trivial(metrics.median_ab(pictures.training()) if pictures.training else None)
    for name, path in zip(names, models):
        model = inference.load(path)
        predictors += [evaluation.of_model(name, model, vividness) for vividness in FLAGS.vividness or [None]]
    examples = tqdm.tqdm(pictures.read(), "judging", pictures.count, unit="", leave=False, disable=None)
    recogniser = classifier.load() if judged_on.dataset == "cifar10" else None
    seen = aging.lightness_of if FLAGS.aged else None
    if seen:  # a network's own lightness would be that of the aged picture
        predictors = [dataclasses.replace(predictor, own_lightness=False) for predictor in predictors]
    judged = evaluation.evaluate(predictors, examples, FLAGS.batch_size, recogniser, realism.load() if FLAGS.realism else None, seen)

    figures = evaluation.report(judged, judged_on.dataset, pictures.split, shlex.join(["evaluate.py", *sys.argv[1:]]))
    published = evaluation.published(figures)
    print(f"{evaluation.subject(figures)}\n")
    print(evaluation.table(figures["rows"] + published, evaluation.COLUMNS, shutil.get_terminal_size((120, 40)).columns))
    if published:
        print("\nas published: Table 1 of the paper, which does not say whether its MAE is of Lab or of RGB")
    if output:
        report.write(output, figures, judged, predictors, pictures.read, seen)
        print(f"\nwritten to {output}: {', '.join(report.WRITTEN)}")


def _names():
    if FLAGS.name and len(FLAGS.name) != len(FLAGS.model):
        raise ColorizerError(f"{len(FLAGS.name)} --name for {len(FLAGS.model)} --model: give one each, in the same order, or none")
    names = FLAGS.name or [path.rstrip("/") for path in FLAGS.model]
    if len({"truth", "original", "grey", "median", *names}) < 4 + len(names):
        raise ColorizerError(f"two rows would have one name ({', '.join(names)}): give each model a --name of its own")
    titles = {f"{vividness:g}" for vividness in FLAGS.vividness}
    if "nan" in titles or len(titles) < len(FLAGS.vividness):
        raise ColorizerError(f"--vividness={', '.join(map(str, FLAGS.vividness))}: numbers from 0 to 1, each once")
    if FLAGS.vividness and not FLAGS.model:
        raise ColorizerError("--vividness is a model's: name a --model")
    return names


def _judged_on(trained_on):
    """The Config of the data to judge on. trained_on: those of the models that say it."""
    named = FLAGS.dataset
    if named is None:
        if FLAGS.model and not trained_on:
            raise ColorizerError(f"{FLAGS.model[0]} does not say what it was trained on: name a --dataset")
        if len({its.dataset for its in trained_on}) > 1:
            raise ColorizerError(f"the models were trained on {' and '.join(its.dataset for its in trained_on)}: name a --dataset")
        named = trained_on[0].dataset if trained_on else "sample"
    same = [its for its in trained_on if its.dataset == named]
    if FLAGS.data_dir is None and named == "folder" and len({its.data_dir for its in same}) > 1:
        raise ColorizerError(f"the models were trained on {' and '.join(its.data_dir for its in same)}: name a --data_dir")
    if FLAGS.split != "test" and len({its.validation_examples for its in same}) > 1:
        raise ColorizerError(f"--split={FLAGS.split}: the models' own differ (validation_examples); judge them one by one")
    own_data_dir = same[0].data_dir if same else ""
    judged_on = config.resolve("paper", named, "gan", {"data_dir": own_data_dir if FLAGS.data_dir is None else FLAGS.data_dir})
    if not same:
        return judged_on
    return dataclasses.replace(judged_on, **{key: getattr(same[0], key) for key in ("validation_examples", "image_size", "smallest_crop")})
