"""A run folder, from the first step to the table of figures.

    config.json  checkpoints/  best.keras  last.keras  history.csv  samples/  logs/  report.json

Everything but TensorBoard's logs is written aside and renamed. A checkpoint is written last in an epoch: what a killed run had
not finished is done again from the newest checkpoint, to the same result.
"""

import contextlib
import csv
import dataclasses
import importlib.util
import io
import json
import math
import pathlib
import re
import signal
import sys
import threading
import time
import typing
import zipfile

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from colorizer import (
    ColorizerError,
    __version__,
    color,
    dataset,
    evaluation,
    images,
    inference,
    losses,
    metrics,
    networks,
    pretrained,
    rendering,
)
from colorizer import config as configuration
from colorizer.dial import DialColorizer
from colorizer.gan import ColorizationGAN
from colorizer.optimizers import Muon

KEPT_CHECKPOINTS = 3
GRID_IMAGES = 8
WRITTEN = ("best.keras", "last.keras", "history.csv", "report.json", "samples/", "logs/", "checkpoints/")
PALETTE_PIXELS = 2**25  # of training pictures, that the bins of colours are made from
STATISTICS_PIXELS = 2**22  # of training pictures, that the batch norms' statistics of averaged weights are taken from
GAIN_PIXELS = 2**20  # the vividness gain is fitted on validation pictures of that many pixels at most


class Interrupted(Exception):
    """Ctrl-C or SIGTERM arrived; everything is saved."""


@dataclasses.dataclass
class Run:
    """What an epoch works with."""

    config: configuration.Config
    workdir: pathlib.Path
    data: dataset.Data
    steps: int  # an epoch
    model: keras.Model
    generator: keras.Model  # the one that colours, in float32 whatever it is trained in: what is judged and saved
    predict: typing.Callable  # scaled lightness -> what that one answers, on one device
    progress: "Progress"
    interrupt: threading.Event


def train(config, workdir, command=""):
    """Trains, or goes on training, the run in `workdir`; gives the report. Raises ColorizerError, Interrupted."""
    workdir = pathlib.Path(workdir)
    config = on_this_machine(config, workdir)
    strategy = strategy_of(config)
    keras.utils.set_random_seed(config.seed)
    data = dataset.load(config)
    steps = dataset.steps_per_epoch(config, data)
    check_run(workdir, config, data)
    if config.init and not _checkpoints(workdir):
        inference.check(config.init, to_train=True)
        dataset.pictures(config, "test", config.eval_examples, inference.folders_of(config))  # that there are any, now and not at the end
    with locked(workdir):
        begin_run(workdir, config, data, command)
        return _train(config, workdir, strategy, data, steps, command)


def _train(config, workdir, strategy, data, steps, command):
    with strategy.scope():
        model = build_model(config, strategy.num_replicas_in_sync > 1, steps * config.epochs)
    progress = restore_newest(workdir, model)
    if isinstance(model, DialColorizer) and not (progress.epoch or progress.step):
        begin(model, config, data)
    known_grey = data.grey_left_out()
    print(_introduction(config, data, steps, model, strategy))
    write_history(workdir, progress)
    if progress.epoch < config.epochs:
        (workdir / "report.json").unlink(missing_ok=True)
    with graceful_interrupts() as interrupt, causes_of_graph_errors():
        generator = networks.in_dtype(generator_of(model))
        run = Run(config, workdir, data, steps, model, generator, inference.compiled(generator), progress, interrupt)
        while progress.epoch < config.epochs:
            train_epoch(run)
        if interrupt.is_set():
            raise Interrupted
    if (grey := data.grey_left_out()) > known_grey:  # met while training
        print(f"grey images left out of training, each as often as it came: {grey:,}")
    return finish(config, workdir, command)


def describe(config):
    """What `train` would do, as text: the configuration, parameters, examples, steps. Trains nothing, begins no run."""
    config = on_this_machine(config)
    strategy_of(config)  # refuses a batch that its devices cannot share
    data = dataset.load(config)
    steps = dataset.steps_per_epoch(config, data)
    model = build_model(config, steps=steps * config.epochs)
    facts = {
        **dataclasses.asdict(config),
        **{f"{network.name} parameters": f"{network.count_params():,}" for network in networks_of(model)},
        **{f"{name} examples": f"{count:,}" if count else "none" for name, count in data.counts().items()},
        "grey images left out of training": data.grey_left_out(),
        "steps an epoch": steps,
        "steps in all": steps * config.epochs,
    }
    return "\n".join(f"{name:34}{value}" for name, value in facts.items())


def _introduction(config, data, steps, model, strategy):
    """The line that opens a run."""
    examples = ", ".join(f"{count:,} {name}" for name, count in data.counts().items() if count)
    parameters = ", ".join(f"{network.name} {network.count_params() / 1e6:.1f} M" for network in networks_of(model))
    grey = data.grey_left_out()
    return "; ".join([
        f"{config.model} on {config.dataset}, {config.image_size} px",
        f"{examples} examples" + (f" ({grey:,} grey ones left out of training)" if grey else ""),
        f"{steps} steps an epoch",
        f"parameters: {parameters}",
        f"{config.precision} on {strategy.num_replicas_in_sync} {'GPU' if tf.config.list_logical_devices('GPU') else 'CPU'}",
    ])  # fmt: skip


# ---- the machine ------------------------------------------------------------------------------------------------------


def on_this_machine(config, workdir=None):
    """The configuration with precision=auto decided, and precision and determinism set for this process.

    A run that was begun keeps the precision that it was begun with.
    """
    if config.precision == "auto":
        config = dataclasses.replace(config, precision=_precision_of_run(workdir) or _fastest_precision(config.model))
    keras.config.set_dtype_policy(config.precision)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    return config


def _precision_of_run(workdir):
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # check_run says what is wrong with it
        return json.loads((workdir / "config.json").read_text())["config"]["precision"]


def _fastest_precision(model):
    """bfloat16 on GPUs that have it, float16 on those with older tensor cores; on CPUs bfloat16 where it is a fifth faster.

    CPUs are asked with a convolution of the size that the networks have: having the instructions does not
    say that they are faster (benchmarks/train_step.py measures the whole step).
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return (
            "mixed_bfloat16"
            if capability >= (8, 0)
            else "mixed_float16"
            if capability >= (7, 0) and model not in configuration.TWO_ANSWERS
            else "float32"
        )
    return "mixed_bfloat16" if _seconds_of_convolution("float32") > 1.2 * _seconds_of_convolution("bfloat16") else "float32"


def _seconds_of_convolution(dtype, repeats=5):
    """The fastest of some 4x4 convolutions, float32 in and out."""
    inputs, kernel = tf.ones([32, 16, 16, 128]), tf.ones([4, 4, 128, 256])

    @tf.function
    def convolved():
        return tf.reduce_sum(tf.cast(tf.nn.conv2d(tf.cast(inputs, dtype), tf.cast(kernel, dtype), 2, "SAME"), tf.float32))

    seconds = []
    for _ in range(repeats + 1):  # the first one traces
        began = time.perf_counter()
        float(convolved())
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def strategy_of(config):
    """All GPUs of the machine where there are several (or `mirrored` says so), else the one device."""
    gpus = tf.config.list_logical_devices("GPU")
    if config.strategy == "one_device" or (config.strategy == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    if config.batch_size % len(devices):
        raise ColorizerError(f"batch_size={config.batch_size}: must be a multiple of the {len(devices)} devices that share it")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


# ---- the model --------------------------------------------------------------------------------------------------------


def build_model(config, synchronized=False, steps=1):
    """The compiled model of a configuration: ColorizationGAN, the U-Net alone with the cost of Eq. 9, or DialColorizer.

    steps: of the whole training, which a schedule must know.
    """
    if config.model in configuration.TWO_ANSWERS:
        return _build_dial(config, steps, synchronized)
    widths = networks.unit_widths(config.image_size, config.width)
    generator = networks.build_generator(widths, config.dropout, config.dropout_units, config.seed, synchronized)
    if config.model == "unet":
        generator.compile(_adam(config), losses.l2_cost, metrics=metrics.streaming_metrics(), jit_compile=config.jit_compile)
        # built now, so that a checkpoint can be restored before the first step
        generator.optimizer.build(generator.trainable_variables)
        one = np.zeros((1, 16, 16, 3), "float32")
        generator.compute_metrics(one[..., :1], one, one)
        generator.reset_metrics()
        return generator
    model = ColorizationGAN(generator, networks.build_discriminator(config.width, config.seed, synchronized))
    model.compile(
        _adam(config), _adam(config),
        config.generator_cost, config.l1_weight, config.real_label, jit_compile=config.jit_compile,
    )  # fmt: skip
    return model


def _build_dial(config, steps, synchronized):
    if config.model == "residual":
        network = networks.build_residual(config.bins, seed=config.seed, synchronized=synchronized)
        model = DialColorizer(network, config.mirrored)
        model.compile(
            [(_dial_optimizer(config, 1.0, steps), network.trainable_variables)], config.bins_weight, jit_compile=config.jit_compile
        )
        return model
    network = networks.build_lite0(config.bins, heads=config.attention_heads, seed=config.seed, synchronized=synchronized)
    encoder = [layer for layer in network.layers if layer.name.startswith(("stem", "block"))]
    if config.pretrained and not config.init:
        for name, weights in pretrained.lite0_weights().items():
            network.get_layer(name).set_weights(weights)
    if config.pretrained:
        frozen = ("stem", *(f"block{number}_" for number in range(config.frozen_blocks))) if config.frozen_blocks else ()
        for layer in encoder:
            layer.trainable = not layer.name.startswith(frozen)
    model = DialColorizer(network, config.mirrored)
    parts = [
        (encoder, config.encoder_rate if config.pretrained else 1.0),
        ([layer for layer in network.layers if layer not in encoder], 1.0),
    ]
    optimizers = [
        (_dial_optimizer(config, share, steps), [weight for layer in part for weight in layer.trainable_variables]) for part, share in parts
    ]
    model.compile(optimizers, config.bins_weight, jit_compile=config.jit_compile)
    return model


def begin(model, config, data):
    """Gives a new DialColorizer its palette, and the weights that config.init names."""
    labs = lab_batches(data.train, config.batch_size, PALETTE_PIXELS)
    if not config.init:
        return model.set_palette(labs)
    try:
        return model.begin_with(inference.network_of(config.init), labs)
    except ValueError as error:
        raise ColorizerError(
            f"init={config.init}: not a model of the recipe {config.recipe}, or of other settings ({str(error).partition(chr(10))[0]})"
        ) from error


def _dial_optimizer(config, share, steps):
    """AdamW or Muon at a share of the learning rate, warmed up and let down over `steps`."""
    rate = share * config.learning_rate
    if config.schedule == "cosine":
        warm_up = max(1, steps // 50)
        rate = keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - warm_up), warmup_target=rate, warmup_steps=warm_up)
    optimizer = Muon if config.optimizer == "muon" else keras.optimizers.AdamW
    return optimizer(rate, weight_decay=config.weight_decay, beta_1=config.beta1,
                     use_ema=config.averaging > 0, ema_momentum=config.averaging)  # fmt: skip


def _adam(config):
    adam = keras.optimizers.Adam(config.learning_rate, beta_1=config.beta1)
    return keras.optimizers.LossScaleOptimizer(adam) if config.precision == "mixed_float16" else adam


def generator_of(model):
    """The network that colours."""
    return getattr(model, "generator", model)


def networks_of(model):
    """Every network that is trained."""
    if isinstance(model, DialColorizer):
        return [model.network]
    return [model.generator, model.discriminator] if hasattr(model, "discriminator") else [model]


def optimizers_of(model):
    """Every optimizer of the model."""
    return getattr(model, "optimizers", None) or [model.optimizer]


# ---- an epoch ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Progress:
    """Where a run is, and what it remembers besides variables. Saved in each checkpoint."""

    epoch: int = 0  # epochs that ended
    step: int = 0  # steps done of the next one
    history: list = dataclasses.field(default_factory=list)
    best: float = math.inf  # of best.keras
    plateau_best: float = math.inf
    plateau_wait: int = 0


def train_epoch(run):
    """The rest of an epoch, and what follows it: figures, best.keras, learning rates, samples, history, checkpoint."""
    config, workdir, data, progress = run.config, run.workdir, run.data, run.progress
    if progress.step < run.steps:
        batches = dataset.training_batches(config, data, progress.epoch, run.steps, progress.step)
        run.model.fit(batches, epochs=config.epochs, initial_epoch=progress.epoch, steps_per_epoch=run.steps - progress.step,
                      callbacks=[_StepWatch(run)], shuffle=False, verbose="auto" if sys.stdout.isatty() else 2)  # fmt: skip
    logs = {name: float(value) for name, value in run.model.get_metrics_result().items()}
    judged = data.validation or data.train
    if isinstance(run.model, DialColorizer):
        fitted_on = np.concatenate(list(lab_batches(judged, config.batch_size, GAIN_PIXELS)))
        logs |= run.model.refresh(fitted_on, lightness_seen(config, data))
    run.generator.set_weights(generator_of(run.model).get_weights())
    if data.validation is not None:
        logs |= _validation(run)
    logs["learning_rate"] = _rate(optimizers_of(run.model)[-1])

    watched = logs["val_l1" if data.validation else "l1"]
    if not math.isfinite(watched):
        raise _not_finite(workdir, progress, "the validation L1 after it is")
    traits = traits_of(config)
    if not traits.keeps_lightness:
        traits = dataclasses.replace(traits, gain=_gain(inference.of_network(run.predict, traits), judged, config.batch_size))
    if watched < progress.best:
        progress.best = watched
        inference.save(workdir / "best.keras", run.generator, traits)
    inference.save(workdir / "last.keras", run.generator, traits)
    if config.schedule == "plateau":
        _plateau(config, run.model, progress, watched)

    progress.epoch, progress.step = progress.epoch + 1, 0
    progress.history.append({"epoch": progress.epoch, **logs})
    grid = sample_grid(inference.of_network(run.predict, traits), judged)
    images.write_png(workdir / "samples" / f"epoch-{progress.epoch:04d}.png", grid)
    write_history(workdir, progress)
    _log_to_tensorboard(workdir, progress.epoch, logs, grid)
    save_checkpoint(workdir, run.model, progress)


def _validation(run):
    # not by Keras's evaluate, which fails under a strategy on a last batch that leaves a replica without an example
    figures = metrics.streaming_metrics()
    for scaled_lightness, scaled_lab in dataset.evaluation_batches(run.data.validation, run.config.batch_size):
        predicted = run.predict(scaled_lightness)
        for figure in figures:
            figure.update_state(scaled_lab, predicted[..., :3])
        if run.interrupt.is_set():
            save_checkpoint(run.workdir, run.model, run.progress)
            raise Interrupted
    results = {figure.name: float(figure.result()) for figure in figures}
    print("validation: " + " - ".join(f"{name}: {value:.4f}" for name, value in results.items()))
    return {f"val_{name}": value for name, value in results.items()}


def _gain(colorizer, split, batch_size):
    """The vividness gain, fitted on the first pictures of a part of the data."""
    labs = list(lab_batches(split, batch_size, GAIN_PIXELS))
    return inference.fit_gain(np.concatenate(labs), np.concatenate([colorizer(lab[..., :1], vividness=0) for lab in labs]))


def lab_batches(split, batch_size, most_pixels):
    """Batches of Lab [B, H, W, 3] from the beginning of a part of the data, until there are `most_pixels`."""
    pixels = 0
    for _, scaled_lab in dataset.evaluation_batches(split, batch_size):
        yield color.unscale(np.asarray(scaled_lab))
        pixels += math.prod(scaled_lab.shape[:3])
        if pixels >= most_pixels:
            return


def lightness_seen(config, data, pixels=STATISTICS_PIXELS):
    """Batches of scaled lightness [B, H, W, 1] as the network sees them in training: always the same ones, of `pixels` at least."""
    steps = math.ceil(pixels / (config.batch_size * config.image_size**2))
    for scaled_lightness, _ in dataset.training_batches(config, data, 0, steps):
        yield scaled_lightness


def traits_of(config):
    """What is known of the network before it is trained."""
    if config.model in configuration.TWO_ANSWERS:
        stride = networks.LITE0_STRIDE if config.model == "lite0" else networks.RESIDUAL_STRIDE
        size = config.render_size or config.image_size
        return inference.Traits(size, stride, keeps_lightness=True, vividness=config.vividness, recipe=config.recipe)
    stride = networks.stride_of(networks.unit_widths(config.image_size, config.width))
    return inference.Traits(config.image_size, stride, recipe=config.recipe)


def _plateau(config, model, progress, watched):
    """Divides the rates of both networks when the watched L1 has not fallen for `plateau_patience` epochs (3.3)."""
    if watched < progress.plateau_best * (1 - config.plateau_threshold):
        progress.plateau_best, progress.plateau_wait = watched, 0
        return
    progress.plateau_wait += 1
    if progress.plateau_wait >= config.plateau_patience:
        progress.plateau_wait = 0
        for optimizer in optimizers_of(model):
            optimizer.learning_rate = _rate(optimizer) * config.plateau_factor
        print(f"no fall of L1 for {config.plateau_patience} epochs: the learning rate is now {_rate(optimizer):.3g}")


def sample_grid(colorizer, split, count=GRID_IMAGES):
    """uint8 picture: a row for each of the first images of `split`, grey | truth | prediction at the true lightness."""
    rgb = np.stack(list(split.in_order().take(count).as_numpy_iterator()))
    lab = color.lab_from_rgb(rgb)
    lightness = lab[..., :1]
    grey = evaluation.constant([0, 0])(lightness)
    columns = [grey, lab, rendering.with_lightness(colorizer(lightness), lightness)]
    grid = np.concatenate([np.concatenate(color.rgb_from_lab(column), axis=0) for column in columns], axis=1)
    enlarged = max(1, 96 // rgb.shape[1])
    return grid.repeat(enlarged, axis=0).repeat(enlarged, axis=1)


class _StepWatch(keras.callbacks.Callback):
    """After each step: stop at nan, at an interrupt, save now and then. `fit` is kept to the one epoch."""

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.saved_at = time.monotonic()

    def on_train_begin(self, logs=None):
        self.restored = [_value(variable) for variable in self.model.metrics_variables]

    def on_epoch_begin(self, epoch, logs=None):
        if self.run.progress.step:  # fit has just reset the means of the steps before the checkpoint
            for variable, value in zip(self.model.metrics_variables, self.restored):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        workdir, progress = self.run.workdir, self.run.progress
        progress.step += 1
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            raise _not_finite(workdir, progress, f"{', '.join(bad)} is")
        interrupted = self.run.interrupt.is_set()
        if interrupted or time.monotonic() - self.saved_at > 60 * self.run.config.checkpoint_minutes:
            save_checkpoint(workdir, self.model, progress)
            self.saved_at = time.monotonic()
        if interrupted:
            raise Interrupted

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True  # after this one of config.epochs


def _not_finite(workdir, progress, what):
    newest = next(reversed(_checkpoints(workdir)), None)
    return ColorizerError(
        f"step {progress.step} of epoch {progress.epoch + 1}: {what} not finite; "
        + (f"{newest} is the last good checkpoint; " if newest else "no checkpoint yet; ")
        + "a lower --learning_rate or --precision=float32, in another --workdir, may help"
    )


@contextlib.contextmanager
def graceful_interrupts():
    """An event that the first Ctrl-C or SIGTERM sets, so that a step is finished and saved; the second stops at once."""
    event = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}  # nohup stays

    def first(number, frame):
        print("\nstopping after this step; once more stops at once", file=sys.stderr)
        event.set()
        signal.signal(number, before[number])

    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in the main thread alone
        yield event
        return
    for number in before:
        signal.signal(number, first)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def causes_of_graph_errors():
    """Turns errors of a running graph that a person can mend into ColorizerError."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise ColorizerError(
            "out of memory: a smaller --batch_size, --image_size or --precision=mixed_bfloat16 needs less (in another --workdir)"
        ) from error
    except tf.errors.OpError as error:
        if "IteratorGetNext" not in error.message:  # not of reading
            raise
        # the last line before the nodes' names, or before the traceback of ours
        said = re.split(r"\n\t \[\[|\nTraceback", error.message)[0].splitlines()[-1]
        said = re.sub(r"\{\{.*?\}\}|ColorizerError:", "", said).strip()
        raise ColorizerError(f"a picture that could be read at the start is gone or broken: {said}") from error


# ---- the run folder ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(workdir):
    """Keeps a second process out of a run. Raises ColorizerError where there is one. (Not on Windows.)"""
    try:
        import fcntl
    except ImportError:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    with open(workdir / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ColorizerError(f"{workdir}: another process is training there") from error
        yield


def check_run(workdir, config, data):
    """Raises ColorizerError, naming what differs, unless the folder is empty or a run of this configuration and data.

    A larger number of epochs is no difference, but to a schedule that depends on it; nor is a data_dir that has moved.
    """
    path = workdir / "config.json"
    if path.exists() and not _checkpoints(workdir):
        if (workdir / "report.json").exists() or (workdir / "samples" / "epoch-0002.png").exists():
            raise ColorizerError(f"{workdir}: its checkpoints are gone, so it cannot go on; evaluate.py judges it. Name another --workdir")
        return  # begun, and stopped before anything was learned
    if not path.exists():
        if workdir.exists() and (not workdir.is_dir() or any(not inside.name.startswith(".") for inside in workdir.iterdir())):
            raise ColorizerError(f"{workdir}: neither empty nor a run (it has no config.json). Name another --workdir")
        return
    try:
        saved = json.loads(path.read_text())
        old = configuration.from_dict(saved["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ColorizerError(f"{path}: not a run's configuration ({error})") from error
    differing = [
        f"{field.name} (there {getattr(old, field.name)!r}, now {getattr(config, field.name)!r})"
        for field in dataclasses.fields(config)
        if getattr(old, field.name) != getattr(config, field.name)
        and field.name != "checkpoint_minutes"
        and not (field.name == "data_dir" and old.data_dir and not pathlib.Path(old.data_dir).expanduser().exists())
        and not (field.name == "epochs" and old.epochs < config.epochs and config.schedule != "cosine")
    ]
    if saved.get("data", data.fingerprint) != data.fingerprint:
        differing.append("the files of data_dir")
    if differing:
        raise ColorizerError(f"{workdir} was begun with another configuration: {'; '.join(differing)}. Name another --workdir")


def begin_run(workdir, config, data, command):
    """Removes what a killed process left half-written, and writes config.json, unless the run was begun with the same settings."""
    for left_over in workdir.glob("**/.*.part*"):
        left_over.unlink(missing_ok=True)
    path, settings = workdir / "config.json", dataclasses.asdict(config)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if _checkpoints(workdir) and json.loads(path.read_text())["config"] == settings:
            return
    contents = {"config": settings, "data": data.fingerprint, "version": __version__, "command": command}
    images.write_text(path, json.dumps(contents, indent=1) + "\n")


def save_checkpoint(workdir, model, progress):
    """Writes everything needed to go on, then removes all but the newest checkpoints."""
    path = workdir / "checkpoints" / f"epoch-{progress.epoch:04d}-step-{progress.step:06d}.npz"
    # by number: Keras counts up some of its variables' names within a process
    arrays = {f"{number:04d}": _value(variable) for number, variable in enumerate(_variables(model))}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise _not_finite(workdir, progress, "the weights after it are")
    with images.replacing(path) as aside:
        np.savez(aside, progress=json.dumps(dataclasses.asdict(progress)), **arrays)
    for old in _checkpoints(workdir)[:-KEPT_CHECKPOINTS]:
        old.unlink(missing_ok=True)


def restore_newest(workdir, model):
    """Puts the newest whole checkpoint into the model and gives its Progress; a new Progress where there is none yet.

    Raises ColorizerError where there are checkpoints, but none that fits.
    """
    checkpoints = _checkpoints(workdir)
    for path in reversed(checkpoints):
        try:
            with open(path, "rb") as file, np.load(file) as saved:
                values = [saved[name] for name in sorted(saved.files) if name != "progress"]
                progress = Progress(**json.loads(str(saved["progress"])))
            if [value.shape for value in values] != [tuple(variable.shape) for variable in _variables(model)]:
                raise ValueError("it is of another network")
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            logging.warning("%s is unreadable (%s)", path, error)
            continue
        for variable, value in zip(_variables(model), values):
            variable.assign(value)
        print(f"going on after epoch {progress.epoch}" + (f" and {progress.step} steps" if progress.step else ""))
        return progress
    if checkpoints:
        raise ColorizerError(f"{workdir / 'checkpoints'}: none can be read or fits this version; name another --workdir to begin anew")
    return Progress()


def _checkpoints(workdir):
    """Their paths, the newest last."""
    return sorted((workdir / "checkpoints").glob("epoch-*.npz"), key=lambda path: [int(number) for number in re.findall(r"\d+", path.stem)])


def _variables(model):
    """All that a step reads or changes: weights, batch statistics, dropout's seeds, both optimizers, the running means."""
    return [*model.variables, *model.metrics_variables, *(variable for opt in optimizers_of(model) for variable in opt.variables)]


def _rate(optimizer):
    return float(_value(optimizer.learning_rate))


def _value(variable):
    return np.array(keras.ops.convert_to_numpy(variable))  # a copy: TensorFlow may hand out its own memory


def write_history(workdir, progress):
    """history.csv: a header and a row an epoch."""
    if not progress.history:
        return
    text = io.StringIO()
    # an older version's epochs may have fewer columns
    columns = dict.fromkeys(name for row in progress.history for name in row)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(progress.history)
    images.write_text(workdir / "history.csv", text.getvalue())


def _log_to_tensorboard(workdir, epoch, logs, grid):
    if importlib.util.find_spec("tensorboard") is None:  # an extra
        return
    try:
        writer = tf.summary.create_file_writer(str(workdir / "logs"))
        with writer.as_default(step=epoch):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            tf.summary.image("grey | truth | prediction", grid[None])
        writer.close()
    except tf.errors.OpError as error:  # history.csv and samples/ have the same
        logging.warning("TensorBoard's logs of epoch %d are not written: %s", epoch, error.message)


# ---- the table --------------------------------------------------------------------------------------------------------


def finish(config, workdir, command):
    """The report of best.keras beside the trivial predictors, on the test part or, where there is none, on validation.

    What evaluate.py gives of the run: whole pictures.
    """
    path = workdir / "report.json"
    if path.exists():
        return json.loads(path.read_text())
    pictures = dataset.pictures(config, "test", config.eval_examples, trained_in=inference.folders_of(config))
    predictors = [
        *evaluation.trivial(metrics.median_ab(pictures.training())),
        evaluation.of_model(config.model, inference.load(workdir / "best.keras")),
    ]
    examples = tqdm.tqdm(pictures.read(), "judging", pictures.count, unit="", leave=False, disable=None)
    report = evaluation.report(evaluation.evaluate(predictors, examples), config.dataset, pictures.split, command)
    evaluation.write(path, report)
    return report
