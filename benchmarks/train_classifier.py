"""Trains the classifier that judges whether coloured pictures are recognised (colorizer/classifier.py), and writes its weights.

    python benchmarks/train_classifier.py --data_dir=TFDS

On the 45,000 training images in true colour, with flips and shifts; its accuracy is printed on the 5,000 validation images
after each epoch and, once, at the end, on the 10,000 test images. The same seed gives the same weights on the same machine.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

import keras
import numpy as np
import tensorflow as tf

from colorizer import classifier, config, dataset, images

BATCH = 128


def part(data_dir, split):
    """uint8 [N, 32, 32, 3], class numbers [N]."""
    pictures = dataset.pictures(config.resolve("paper", "cifar10", "gan", {"data_dir": data_dir}), split)
    _, labels, rgb = zip(*pictures.read())
    return np.stack(rgb), np.array([classifier.CLASSES.index(label) for label in labels])


def augmented(rgb, label, seed):
    """A random flip and a shift of up to 4 pixels over a mirrored border."""
    rgb = tf.image.stateless_random_flip_left_right(rgb, seed)
    rgb = tf.image.stateless_random_crop(tf.pad(rgb, [[4, 4], [4, 4], [0, 0]], "REFLECT"), [32, 32, 3], seed + 1)
    return tf.cast(rgb, tf.float32), label


def batches(rgb, labels, epoch):
    order = np.random.default_rng([0, epoch]).permutation(len(labels))
    seeds = tf.stack([tf.fill([len(order)], epoch), tf.range(len(order))], axis=1)
    examples = tf.data.Dataset.from_tensor_slices((order, seeds))
    rgb, labels = tf.constant(rgb), tf.constant(labels)
    mapped = examples.map(lambda i, seed: augmented(rgb[i], labels[i], seed), num_parallel_calls=tf.data.AUTOTUNE)
    return mapped.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def accuracy(network, rgb, labels):
    """Percent that the classifier gets right."""
    judge = classifier.Classifier(network)
    named = np.concatenate([judge(rgb[start : start + 500])[1] for start in range(0, len(rgb), 500)])
    return 100 * np.mean(named == np.array(classifier.CLASSES)[labels])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default="", help="the TFDS folder")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--output", default=str(classifier.WEIGHTS), help="where the weights go")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    train, validation, test = (part(arguments.data_dir, split) for split in ("train", "validation", "test"))
    steps = len(train[1]) // BATCH
    network = classifier.build()
    rate = keras.optimizers.schedules.CosineDecay(0.0, max(1, arguments.epochs - 1) * steps, warmup_target=4e-3, warmup_steps=steps)
    to_logits = keras.Model(network.input, network.output[1])
    to_logits.compile(keras.optimizers.AdamW(rate, weight_decay=0.05),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True))  # fmt: skip
    for epoch in range(arguments.epochs):
        costs = to_logits.fit(batches(*train, epoch), shuffle=False, verbose=0).history["loss"]
        print(f"epoch {epoch + 1}: cost {costs[0]:.3f}, validation {accuracy(network, *validation):.2f} %", flush=True)
    with images.replacing(arguments.output) as aside:
        network.save(aside)
    size = os.path.getsize(arguments.output) / 1e6
    print(f"{network.count_params():,} parameters, {size:.1f} MB; test {accuracy(network, *test):.2f} %")


if __name__ == "__main__":
    main()
