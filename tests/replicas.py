"""Run by test_training.py: `replicas.py gan` or `unet`. Two logical CPUs under MirroredStrategy against one device.

The same global batches under SGD, which does not hide a constant factor of the gradient as Adam does. No dropout, batch
statistics over all replicas. Exits 1 where they part. A process for each model, as TensorFlow mixes up the collective
operations of one model's strategy with another's.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from colorizer import config, training

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)


def weights_after_training(model_name, strategy):
    resolved = config.resolve("paper", "sample", model_name, {"width": 4, "image_size": 16, "dropout": 0.0})
    rng = np.random.default_rng(0)
    scaled_lab = rng.uniform(-1, 1, (4, 8, 16, 16, 3)).astype("float32")
    with strategy.scope():
        model = training.build_model(resolved, synchronized=strategy.num_replicas_in_sync > 1)
        sgd = [keras.optimizers.SGD(0.05) for _ in training.optimizers_of(model)]
        model.compile(*sgd) if model_name == "gan" else model.compile(*sgd, loss=model.loss)
    batches = tf.data.Dataset.from_tensor_slices((scaled_lab[..., :1], scaled_lab))
    model.fit(batches, epochs=1, verbose=0, shuffle=False)
    return np.concatenate([keras.ops.convert_to_numpy(weight).ravel() for weight in model.trainable_variables])


def main(model_name):
    one = weights_after_training(model_name, tf.distribute.OneDeviceStrategy("/CPU:0"))
    two = weights_after_training(model_name, tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"]))
    difference = np.abs(one - two).max()
    print(f"{model_name}: largest difference {difference:.1e}")
    sys.exit(not difference < 5e-6)


main(sys.argv[1])
