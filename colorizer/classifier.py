"""A small CIFAR-10 classifier as a judge: are coloured pictures still recognised, and are their features those of true colours?

benchmarks/train_classifier.py trains it, once, on true colour pictures; its weights lie in weights/.
"""

import pathlib

import keras
import numpy as np
from keras import layers

from colorizer import inference

WEIGHTS = pathlib.Path(__file__).parent / "weights" / "cifar10-classifier.keras"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Classifier:
    """classifier(rgb uint8 [B, 32, 32, 3]) -> (features float32 [B, 64], names of the classes [B])."""

    def __init__(self, network):
        self.judge = inference.compiled(network)

    def __call__(self, rgb):
        features, logits = (np.asarray(output) for output in self.judge(rgb.astype("float32")))
        return features, np.array(CLASSES)[logits.argmax(axis=1)]


def load(path=WEIGHTS):
    """The Classifier that ships, or None where its weights are absent."""
    if not path.is_file():
        return None
    classifier = Classifier(keras.models.load_model(path, compile=False))
    classifier(np.zeros((1, 32, 32, 3), "uint8"))  # traced now, as its users may be several threads
    return classifier


def build(widths=(24, 48, 96, 160), features=64, seed=0):
    """A residual network, 0.5 M parameters: sRGB 0..255 [B, 32, 32, 3] -> (features [B, 64], logits [B, 10])."""
    seeds = iter(range(seed, seed + 100))

    def convolved(x, width, stride):
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False,
                          kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)))(x)  # fmt: skip
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    rgb = keras.Input((32, 32, 3), name="rgb")
    x = convolved(layers.Rescaling(1 / 64, offset=-2)(rgb), widths[0], 1)
    for width in widths[1:]:
        x = convolved(x, width, 2)
        x = layers.Add()([x, convolved(x, width, 1)])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(features, activation="relu", name="features", kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)))(x)
    logits = layers.Dense(len(CLASSES), name="logits", kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)))(x)
    return keras.Model(rgb, [x, logits], name="classifier")
