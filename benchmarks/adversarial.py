"""A vivid answer that a discriminator taught, beside the bins': is the paper's idea the better one for the dial's far end?

    python benchmarks/adversarial.py cifar10 adversarial.keras --dataset=cifar10 --steps=2000 --l1_weight=30
    python evaluate.py --model=cifar10 --model=adversarial.keras --dataset=cifar10 --split=validation --vividness=0.5 --vividness=1

The trained network stays as it is, and so does its accurate answer R. A small head on the features that R is made from adds to R
what the paper's patch discriminator and its L1 (Eq. 5, 7, 8) ask for: first regression, then briefly the adversary, as in DeOldify's NoGAN.
--l1_weight is lambda of Eq. 7. The file's dial goes from R to that answer.
"""

import argparse
import dataclasses
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

import keras
from keras import layers

from colorizer import config, dataset, inference, networks, training
from colorizer.gan import ColorizationGAN


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the name of weights that ship, a run folder or a .keras file")
    parser.add_argument("output", help="the .keras file to write")
    parser.add_argument("--dataset", choices=config.DATASETS, required=True)
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--l1_weight", type=float, default=30.0)
    parser.add_argument("--learning_rate", type=float, default=2e-4)
    parser.add_argument("--width", type=int, default=32, help="channels of the head, and of the discriminator's first unit")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(arguments.seed)
    traits = inference.check(arguments.model, to_train=True)
    settings = {"data_dir": arguments.data_dir, "seed": arguments.seed, "init": arguments.model}
    settings = config.resolve(traits.recipe, arguments.dataset, None, settings)
    trained = inference.network_of(arguments.model)
    if trained.output_shape[-1] != 5:
        parser.error(f"{arguments.model}: not a network with two answers")
    network = training.build_model(settings).network
    for layer in network.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    network.trainable = False

    features, scaled_ab = network.get_layer("ab").input, network.outputs[0]
    stride = networks.strides_of(network)[0]
    vivid = layers.Add(name="vivid")([scaled_ab, _head(features, arguments.width)])
    reduced = layers.AveragePooling2D(stride, name="reduced")(network.input)
    generator = keras.Model(network.input, layers.Concatenate(name="scaled_lab")([reduced, vivid]))

    judge = networks.build_discriminator(arguments.width, arguments.seed)
    scaled_lab = keras.Input((None, None, 3))
    lightness = keras.Input((None, None, 1))
    discriminator = keras.Model([lightness, scaled_lab], judge([layers.AveragePooling2D(stride)(lightness), scaled_lab]))

    gan = ColorizationGAN(generator, discriminator)
    adam = [keras.optimizers.Adam(arguments.learning_rate, beta_1=0.5) for _ in range(2)]
    gan.compile(*adam, l1_weight=arguments.l1_weight)
    batches = dataset.training_batches(settings, dataset.load(settings), 0, arguments.steps)

    def as_judged(scaled_lightness, scaled_lab):
        """The truth's colours at the head's size, with the lightness that was seen: aged or not, it must not tell truth from answer."""
        lab = keras.ops.concatenate([scaled_lightness, scaled_lab[..., 1:]], axis=-1)
        return scaled_lightness, keras.ops.average_pool(lab, stride, stride)

    gan.fit(batches.map(as_judged), verbose=2 - sys.stdout.isatty())

    answers = [networks.enlarged(ab, stride, name) for ab, name in ((scaled_ab, "_ab"), (vivid, "_vivid"))]
    model = keras.Model(network.input, layers.Concatenate(name="answers")([network.input, *answers]))
    inference.save(arguments.output, model, dataclasses.replace(traits, vividness=0.0))


def _head(features, width):
    """What is added to R: nothing, at first."""
    for number in (1, 2):
        features = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"vivid{number}")(features)
    return layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros", name="vivid3")(features)


if __name__ == "__main__":
    main()
