"""Everything that a run depends on, in one frozen dataclass, and the recipes that fill it in.

Section and equation numbers are those of Nazeri, Ng, Ebrahimi, "Image Colorization using Generative Adversarial
Networks", 2018 (arXiv 1803.05400). Imports nothing heavy, so that `--help` is quick.
"""

import ast
import dataclasses
import os

from colorizer import ColorizerError

DATASETS = ("sample", "cifar10", "places365", "folder")
MODELS = ("gan", "unet", "lite0", "residual")
SHIPPED = ("photo", "cifar10")  # names of models whose weights come with the package


@dataclasses.dataclass(frozen=True)
class Config:
    """The resolved configuration of a run. Rates are per step, sizes in pixels, patience in epochs."""

    # data
    dataset: str = "sample"
    data_dir: str = ""  # TFDS folder (cifar10, places365) or the folder of pictures
    image_size: int = 32  # side of the square training crop
    train_examples: int = 0  # use the first N of the training part; 0: all
    eval_examples: int = 0  # use the first N of the validation and of the test part; 0: all
    validation_examples: int = 5000  # cifar10: taken from the end of the 50,000 training images
    skip_grey: bool = True  # leave grey images out of training, as the authors' code does
    shift: int = 0  # cifar10: random shifts by up to that many pixels (He et al. 2016), the edges mirrored
    warp: float = 0.0  # cifar10: zoom by up to exp(warp), rotation by up to warp radians, a quarter as much stretch (Simard et al. 2003)
    lightness_jitter: float = 0.0  # deviation of log gamma, of the lightness seen in training (Howard 2013)
    flip: bool = True  # random horizontal flips, as the authors' code does
    smallest_crop: float = 0.5  # folder, sample: a training crop's side, at least this share of the short side
    repeats: str = ""  # folder: "faces=3,places=1": how often an epoch has the training pictures in a folder of that name
    leave_out: str = ""  # folder: "places128/*,*nette_*": training pictures whose path in the part matches one of these
    aged: float = 0.0  # share of the training pictures whose lightness is that of an old photograph (aging.py)

    # networks (3.1, 3.2)
    model: str = "gan"
    recipe: str = "paper"
    width: int = 64  # channels of the first unit of both networks; the others double up to 8 x width
    dropout: float = 0.5  # the generator's only noise (3.2)
    dropout_units: int = 2  # on that many decoding units, the innermost first

    # the networks with two answers (networks.build_lite0, build_residual; dial.py)
    init: str = ""  # a trained model of this kind to go on from: photo, a run folder or a .keras file
    pretrained: bool = True  # lite0: its encoder begins with ImageNet features, unless init names a model; false: from nothing
    frozen_blocks: int = 5  # of the encoder, the first ones: they stay as they are
    attention_heads: int = 4
    bins: int = 128  # colours of the vivid answer's distribution
    render_size: int = 0  # short side at which the network sees a picture afterwards; 0: image_size
    vividness: float = 0.0  # default of the trained model
    mirrored: bool = False  # it answers with the mean for the picture and its mirror image (Krizhevsky et al. 2012): twice the work

    # costs (2.2, 3.3)
    generator_cost: str = "non_saturating"  # Eq. 5; "saturating": Eq. 1
    l1_weight: float = 100.0  # lambda of Eq. 7
    real_label: float = 0.9  # one-sided label smoothing; 1: none
    bins_weight: float = 1.0  # of the cross-entropy of the bins

    # training (3.3)
    epochs: int = 200
    batch_size: int = 128
    optimizer: str = "adamw"  # of the networks with two answers; "muon": Jordan et al. 2024, for their convolutions
    steps_per_epoch: int = 0  # 0: as many whole batches as the examples fill
    learning_rate: float = 2e-4  # of Adam, both networks; of AdamW or Muon at its highest
    encoder_rate: float = 0.25  # the pretrained encoder's learning rate, as a share of that
    weight_decay: float = 0.0  # decoupled (Loshchilov and Hutter 2019)
    averaging: float = 0.0  # exponential moving average of the weights, its momentum (Polyak and Juditsky 1992); 0: none
    schedule: str = "plateau"  # "cosine": a linear warm-up over a fiftieth of all steps, then half a cosine (Loshchilov and Hutter 2017)
    beta1: float = 0.5
    plateau_factor: float = 0.1  # both rates are multiplied by it when the watched L1 has stopped falling
    plateau_patience: int = 10  # epochs without a fall
    plateau_threshold: float = 1e-3  # a fall counts from this share of the best value on
    seed: int = 0

    # machine
    strategy: str = "auto"  # mirrored where there are several GPUs
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    checkpoint_minutes: float = 10.0  # a checkpoint at least that often, and after each epoch


def paper(dataset, model):
    """The paper's training (3.3, 4): CIFAR-10 at 32 px, Places365 at 256 px.

    `folder` follows Places365, the photographs. `sample` is no experiment of the paper's: the same network on a few
    photographs, small enough for five minutes of two CPU cores.
    """
    by_dataset = {
        "sample": dict(image_size=32, batch_size=16, epochs=10),
        "cifar10": dict(image_size=32, batch_size=128, epochs=200),
        "places365": dict(image_size=256, batch_size=16, epochs=20, plateau_patience=1),
        "folder": dict(image_size=256, batch_size=16, epochs=20, plateau_patience=2),
    }
    return Config(dataset=dataset, model=model, recipe="paper", **by_dataset[dataset])


def photo(dataset, model):
    """Photographs on two CPU cores, from ImageNet features: two answers, and the dial between them. Sources: networks.py, dial.py.

    `python train.py --recipe=photo --dataset=folder --data_dir=mix --set repeats=photos256=5,scenes150=3,scenes256=4`; what came of
    it, and of two more legs: MODEL_CARD.md.
    """
    return Config(
        dataset=dataset, model=model, recipe="photo", image_size=128, batch_size=32, epochs=24, steps_per_epoch=500, smallest_crop=0.6,
        aged=0.3, render_size=192, vividness=0.4, learning_rate=1e-3, beta1=0.9, weight_decay=0.02, averaging=0.998, schedule="cosine",
    )  # fmt: skip


def small(dataset, model):
    """CIFAR-10 on two CPU cores, from scratch, with the same dial: `python train.py --recipe=small --dataset=cifar10 --precision=auto`.

    37 minutes in bfloat16; `--epochs=30`, 84 minutes, made the weights that ship. What each part is worth: docs/experiments.md.
    """
    return Config(
        dataset=dataset, model=model, recipe="small", image_size=32, batch_size=128, epochs=14, lightness_jitter=0.15, vividness=0.5,
        mirrored=True, optimizer="muon", learning_rate=5e-3, beta1=0.9, weight_decay=0.1, averaging=0.998, schedule="cosine",
        **(dict(shift=3, warp=0.15) if dataset == "cifar10" else {}),
    )  # fmt: skip


RECIPES = {"paper": paper, "photo": photo, "small": small}
MODELS_OF = {"paper": ("gan", "unet"), "photo": ("lite0",), "small": ("residual",)}  # the first is the default
TWO_ANSWERS = ("lite0", "residual")
# what does something for some models or data sets alone
_ONLY_FOR = {
    **dict.fromkeys(("width", "dropout", "dropout_units"), ("gan", "unet")),
    **dict.fromkeys(("generator_cost", "l1_weight", "real_label"), ("gan",)),
    **dict.fromkeys(("bins", "bins_weight", "weight_decay", "averaging", "schedule", "render_size", "vividness", "init"), TWO_ANSWERS),
    **dict.fromkeys(("optimizer", "mirrored"), TWO_ANSWERS),
    **dict.fromkeys(("pretrained", "attention_heads"), ("lite0",)),
    **dict.fromkeys(("frozen_blocks", "encoder_rate"), ("lite0 with pretrained=true",)),
    **dict.fromkeys(("plateau_factor", "plateau_patience", "plateau_threshold"), ("schedule=plateau",)),
    **dict.fromkeys(("shift", "warp", "validation_examples"), ("cifar10",)), "skip_grey": ("cifar10", "places365", "folder"),
    **dict.fromkeys(("repeats", "leave_out"), ("folder",)), "smallest_crop": ("folder", "sample"),
}  # fmt: skip

_CHOICES = {
    "dataset": DATASETS,
    "model": MODELS,
    "recipe": tuple(RECIPES),
    "schedule": ("plateau", "cosine"),
    "optimizer": ("adamw", "muon"),
    "generator_cost": ("non_saturating", "saturating"),
    "strategy": ("auto", "one_device", "mirrored"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16", "auto"),
}
# field -> (lowest, highest) value that makes sense
_RANGES = {
    "image_size": (16, 4096), "train_examples": (0, None), "eval_examples": (0, None), "validation_examples": (0, 49_999),
    "smallest_crop": (0.01, 1), "width": (1, 1024), "dropout": (0, 0.99), "dropout_units": (0, 16), "l1_weight": (0, None),
    "real_label": (0.5, 1), "epochs": (1, None), "batch_size": (1, None), "steps_per_epoch": (0, None),
    "learning_rate": (1e-9, 10), "beta1": (0, 0.9999), "plateau_factor": (1e-4, 1), "plateau_patience": (1, None),
    "plateau_threshold": (0, 1), "aged": (0, 1), "shift": (0, 15), "warp": (0, 1), "lightness_jitter": (0, 1),
    "frozen_blocks": (0, 16), "attention_heads": (0, 16), "bins": (2, 1024),
    "render_size": (0, 1024), "vividness": (0, 1), "bins_weight": (0, None), "encoder_rate": (0, 10), "weight_decay": (0, 1),
    "averaging": (0, 0.99999), "seed": (0, 4_000_000), "checkpoint_minutes": (0, None),
}  # fmt: skip


def resolve(recipe, dataset, model, overrides):
    """The recipe's Config with `overrides` (field -> value) applied and checked; model: None for the recipe's own.

    Raises ColorizerError where a value has the wrong type or makes no sense.
    """
    for field, value in (("recipe", recipe), ("dataset", dataset)):
        _check(field, value)
    model = model or MODELS_OF[recipe][0]
    _check("model", model)
    if model not in MODELS_OF[recipe]:
        raise ColorizerError(f"model={model}: the recipe {recipe} is for {' and '.join(MODELS_OF[recipe])}")
    config = dataclasses.replace(RECIPES[recipe](dataset, model), **overrides)
    if config.data_dir:  # a run must find its data from any folder
        config = dataclasses.replace(config, data_dir=os.path.abspath(os.path.expanduser(config.data_dir)))
    if config.init and config.init not in SHIPPED:
        config = dataclasses.replace(config, init=os.path.abspath(os.path.expanduser(config.init)))
    for field in dataclasses.fields(config):
        _check(field.name, getattr(config, field.name))
    if config.image_size % 16:
        raise ColorizerError(f"image_size={config.image_size}: must be a multiple of 16, the stride of the smallest U-Net")
    if config.model == "lite0" and config.image_size % 32:
        raise ColorizerError(f"image_size={config.image_size}: must be a multiple of 32, the stride of {config.model}")
    facts = {
        config.model,
        config.dataset,
        f"schedule={config.schedule}",
        f"{config.model} with pretrained={str(config.pretrained).lower()}",
    }
    for field in overrides.keys() & _ONLY_FOR.keys():
        if not facts.intersection(_ONLY_FOR[field]):
            raise ColorizerError(f"{field}={overrides[field]}: does nothing here; it is for {' and '.join(_ONLY_FOR[field])}")
    if config.precision == "mixed_float16" and config.model in TWO_ANSWERS:
        raise ColorizerError(f"precision=mixed_float16: not for {config.model}; float32 or mixed_bfloat16")
    if config.dataset == "cifar10" and config.image_size != 32:
        raise ColorizerError(f"image_size={config.image_size}: the images of cifar10 are 32 pixels wide")
    if config.dataset == "sample" and config.data_dir:
        raise ColorizerError(f"data_dir={config.data_dir}: --dataset=sample has no folder; --dataset=folder for pictures of your own")
    if config.dataset == "folder" and not config.data_dir:
        raise ColorizerError("--dataset=folder needs --data_dir, the folder of pictures")
    if config.dataset == "folder" and not os.path.isdir(os.path.expanduser(config.data_dir)):
        raise ColorizerError(f"--data_dir={config.data_dir}: no such folder")
    return config


def parse_settings(settings):
    """`["key=value", ...]` as {field: value}, each value of its field's type.

    Raises ColorizerError for an unknown key or a value of another type, with the list of the keys.
    """
    types = {field.name: field.type for field in dataclasses.fields(Config)}
    keys = f"; keys: {', '.join(types)}"
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ColorizerError(f"--set={setting}: write --set key=value{keys}")
        if key not in types:
            raise ColorizerError(f"--set={setting}: no such key{keys}")
        values[key] = text
        if types[key] is str:
            continue
        try:
            values[key] = ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
        except (ValueError, SyntaxError, TypeError):
            pass  # stays text, which is the wrong type
        if types[key] is float and type(values[key]) is int:
            values[key] = float(values[key])
        if type(values[key]) is not types[key]:
            takes = {int: "a whole number", float: "a number", bool: "true or false"}[types[key]]
            raise ColorizerError(f"--set={setting}: {key} takes {takes}{keys}")
    return values


def from_dict(saved):
    """A Config from config.json; fields that a newer version has added take their defaults."""
    known = {field.name for field in dataclasses.fields(Config)}
    unknown = sorted(set(saved) - known)
    if unknown:
        raise ColorizerError(f"the run's config.json has unknown fields ({', '.join(unknown)}): it was written by a newer version")
    return Config(**saved)


def _check(field, value):
    if field in _CHOICES and value not in _CHOICES[field]:
        raise ColorizerError(f"{field}={value}: must be one of {', '.join(_CHOICES[field])}")
    lowest, highest = _RANGES.get(field, (None, None))
    # `not >=` rather than `<`, so that nan is refused as well
    if (lowest is not None and not value >= lowest) or (highest is not None and not value <= highest):
        bounds = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
        raise ColorizerError(f"{field}={value}: must be {bounds}")
