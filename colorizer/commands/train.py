"""Train the colorization networks of Nazeri, Ng, Ebrahimi 2018, the U-Net and the GAN, or our own with a dial (--recipe=photo, small).

    python train.py                                          five minutes on photographs that are installed
    python train.py --dataset=cifar10                        CIFAR-10 through TFDS, the paper's GAN
    python train.py --dataset=cifar10 --model=unet           the paper's baseline
    python train.py --dataset=places365                      Places365 at 256x256 through TFDS
    python train.py --dataset=folder --data_dir=~/photos --image_size=128
    python train.py --dataset=cifar10 --dry_run              what it would do

Writes --workdir: config.json, best.keras, last.keras, history.csv, samples/, logs/, checkpoints/, report.json. The same
command again goes on where the run stopped, also after Ctrl-C or a crash; of the recipe paper a larger --epochs goes on beyond its end.
"""

import os
import shlex
import sys

from absl import flags

from colorizer import ColorizerError, commands, config

FLAGS = flags.FlagValues()
_HERE = dict(flag_values=FLAGS)

flags.DEFINE_bool("help", False, "Print this and exit.", short_name="h", **_HERE)
flags.DEFINE_enum("dataset", "sample", config.DATASETS,
                  "sample: crops of photographs that scikit-image brings; cifar10, places365: through TFDS, downloaded where absent;"
                  " folder: any tree of pictures.", **_HERE)  # fmt: skip
flags.DEFINE_string("data_dir", "", "folder: the pictures. cifar10, places365: the TFDS folder; unset: ~/tensorflow_datasets.", **_HERE)
flags.DEFINE_enum(
    "model",
    None,
    config.MODELS,
    "gan: Eq. 7 and 8. unet: the baseline, the generator alone with the cost of Eq. 9. lite0, residual: the networks of the recipes photo,"
    " small. Unset: the recipe's (paper: gan).",
    **_HERE,
)
flags.DEFINE_enum("recipe", "paper", sorted(config.RECIPES), "Where every setting that is not named comes from.", **_HERE)
flags.DEFINE_integer(
    "epochs",
    None,
    "Passes over the training examples. Unset: the recipe's; paper: cifar10 200, places365 and folder 20, sample 10.",
    **_HERE,
)
flags.DEFINE_integer(
    "batch_size", None, "Images a step, over all GPUs together. Unset: the recipe's; paper: cifar10 128, else 16.", **_HERE
)
flags.DEFINE_float(
    "learning_rate", None, "Of Adam (recipe small: of Muon) at the start, or at its highest. Unset: the recipe's; paper: 2e-4.", **_HERE
)
flags.DEFINE_integer("image_size", None, "Side of the training crop in pixels, a multiple of 16; the network's depth follows it."
                     " Unset: the recipe's; paper: places365 and folder 256, else 32.", **_HERE)  # fmt: skip
flags.DEFINE_integer("seed", None, "Of weights, order, augmentation and dropout: the same seed, the same run. Unset: 0.", **_HERE)
flags.DEFINE_integer("train_examples", None, "Train on the first N examples. Unset or 0: all.", **_HERE)
flags.DEFINE_integer("eval_examples", None, "Validate on the first N examples, and test on as many. Unset or 0: all.", **_HERE)
flags.DEFINE_integer(
    "steps_per_epoch",
    None,
    "Steps between two validations. 0: as many as there are whole batches. Unset: the recipe's; photo: 500, else 0.",
    **_HERE,
)
flags.DEFINE_multi_string("set", [], "key=value: any field of the configuration, as --dry_run lists them. Repeatable.", **_HERE)
flags.DEFINE_string("workdir", None, "The run's folder. Unset: runs/DATASET-MODEL.", **_HERE)
flags.DEFINE_enum("strategy", None, ("auto", "one_device", "mirrored"), "mirrored: every GPU of the machine, the batch shared among them."
                  " auto: mirrored where there are several. Unset: auto.", **_HERE)  # fmt: skip
flags.DEFINE_enum("precision", None, ("float32", "mixed_bfloat16", "mixed_float16", "auto"),
                  "Of the networks' arithmetic. auto: what is fast on this machine. Unset: float32.", **_HERE)  # fmt: skip
flags.DEFINE_bool("jit_compile", None, "Compile the step with XLA: slow to start, often faster on GPUs. Unset: no.", **_HERE)
flags.DEFINE_bool("deterministic", None, "Bit for bit the same weights from the same command; slower on GPUs. Unset: no.", **_HERE)
flags.DEFINE_bool(
    "dry_run",
    False,
    "Print the configuration, parameters, examples and steps; train nothing, begin no run. Absent data are downloaded.",
    **_HERE,
)

# flags that override a field of the configuration of the same name
_OVERRIDES = ("data_dir", "epochs", "batch_size", "learning_rate", "image_size", "seed", "train_examples", "eval_examples",
              "steps_per_epoch", "strategy", "precision", "jit_compile", "deterministic")  # fmt: skip


def main():
    """Entry point of `colorizer-train`."""
    commands.run(_train, __doc__, FLAGS)


def _train():
    resolved = _resolve()
    workdir = os.path.expanduser(FLAGS.workdir or f"runs/{resolved.dataset}-{resolved.model}")
    with commands.without_native_notes():
        from colorizer import evaluation, training
    if FLAGS.dry_run:
        print(training.describe(resolved))
        return
    try:
        report = training.train(resolved, workdir, command=shlex.join(sys.argv))
    except training.Interrupted:
        print(f"interrupted and saved; the same command goes on: {shlex.join(sys.orig_argv)}", file=sys.stderr)
        sys.exit(130)
    published = evaluation.published(report)
    print(f"\n{evaluation.subject(report)}\n")
    print(evaluation.table(report["rows"] + published))
    if published:
        print("as published: Table 1 of the paper, which does not say whether its MAE is of Lab or of RGB")
    print(f"\nwritten to {workdir}: " + ", ".join(name for name in training.WRITTEN if os.path.exists(os.path.join(workdir, name))))


def _resolve():
    given = {name: FLAGS[name].value for name in _OVERRIDES if FLAGS[name].present}
    settings = config.parse_settings(FLAGS.set)
    for name in settings.keys() & {*_OVERRIDES, "recipe", "dataset", "model"}:
        if FLAGS[name].present and FLAGS[name].value != settings[name]:
            raise ColorizerError(f"--set {name}={settings[name]} contradicts --{name}={FLAGS[name].value}")
    named = {name: settings.pop(name, FLAGS[name].value) for name in ("recipe", "dataset", "model")}
    return config.resolve(**named, overrides={**given, **settings})
