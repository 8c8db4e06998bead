"""Run by test_processes.py: `replicas.py gan|unet|residual FOLDER`. A run on two logical CPUs against the same run on one device.

Under SGD, which does not hide a constant factor of the gradient as Adam does, without dropout and with batch statistics over
all replicas; stopped after an epoch and gone on with; 9 validation images in batches of 8, which leaves one replica without
any. Exits 1 where weights, running means or figures part. In a process of its own, and with one strategy object, as a second
one would reuse the keys of the first one's collective operations.
"""

import functools
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from colorizer import config, training

RECIPES = {"gan": "paper", "unet": "paper", "residual": "small"}
MOST_APART = {"gan": 5e-5, "unet": 5e-5, "residual": 1e-3}  # of steps of 0.004 and more, which part where a ReLU turns

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)


def weights_and_history(model_name, strategy, workdir):
    """Weights and running statistics after two epochs, the second one in a run that was begun anew; and history.csv."""
    settings = {"image_size": 16, "batch_size": 8, "eval_examples": 9, "steps_per_epoch": 2, "strategy": strategy}
    settings |= {"averaging": 0.5, "schedule": "plateau"} if model_name == "residual" else {"width": 4, "dropout": 0.0}
    for epochs in (1, 2) if strategy == "mirrored" else (2,):
        training.train(config.resolve(RECIPES[model_name], "sample", model_name, {**settings, "epochs": epochs}), workdir)
    with np.load(workdir / "checkpoints" / "epoch-0002-step-000000.npz") as saved:
        # the scalars are counters, and the sums of the running means: those of the costs have a term a replica
        # in units of their array's largest where that is over 1, as statistics of batch norms are
        arrays = [saved[name] for name in sorted(saved.files) if saved[name].ndim]
        weights = np.concatenate([array.ravel() / max(1, np.abs(array).max(initial=0)) for array in arrays])
    return weights, np.loadtxt(workdir / "history.csv", delimiter=",", skiprows=1)


def main(model_name, folder):
    training._adam = lambda config: keras.optimizers.SGD(0.05)
    training.lightness_seen = functools.partial(training.lightness_seen, pixels=2**12)  # not 16,000 pictures of 16 px after each epoch
    training._dial_optimizer = lambda config, *_: keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=config.averaging)
    mirrored = training.strategy_of(config.resolve(RECIPES[model_name], "sample", model_name, {"strategy": "mirrored"}))
    training.strategy_of = lambda config: mirrored if config.strategy == "mirrored" else tf.distribute.get_strategy()
    (weights, history), (mirrored_weights, mirrored_history) = (
        weights_and_history(model_name, strategy, pathlib.Path(folder) / strategy) for strategy in ("one_device", "mirrored")
    )
    difference = np.abs(weights - mirrored_weights).max()
    print(f"{model_name}: {len(weights)} weights on {mirrored.num_replicas_in_sync} replicas, largest difference {difference:.1e}")
    np.testing.assert_allclose(mirrored_history, history, rtol=1e-3)
    sys.exit(not (mirrored.num_replicas_in_sync == 2 and difference < MOST_APART[model_name]))


main(*sys.argv[1:])
