"""What does a training step of the recipes with two answers spend its time on, and what do oneDNN and bfloat16 make of it?

    python benchmarks/dial_step.py --recipe=small
    python benchmarks/dial_step.py --recipe=photo

One fixed random batch of the recipe's size, no data loading. Each part has those above it in it: the network forward, its gradients
too, the whole step (costs, optimizer, averages, running figures). With TF_ENABLE_ONEDNN_OPTS=1, as the programs set it, and 0, what
TensorFlow takes by itself on processors without AVX-512; in mixed_bfloat16; and the whole step compiled by XLA. Each in a process of
its own, in turns over --rounds; medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

PARTS = {"forward": "forward", "gradients": "... and gradients", "step": "the whole step", "xla": "the whole step, XLA"}
# title -> TF_ENABLE_ONEDNN_OPTS, precision
WAYS = {"float32": ("1", "float32"), "... without oneDNN": ("0", "float32"), "mixed_bfloat16": ("1", "mixed_bfloat16")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("small", "photo"), default="small")
    parser.add_argument("--steps", type=int, default=8, help="timed steps of each part in a round (8)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.recipe, arguments.only, arguments.precision, arguments.steps)))
        return
    found = {}
    for _ in range(arguments.rounds):
        for way, (onednn, precision) in WAYS.items():
            for part in PARTS:
                command = [sys.executable, __file__, f"--recipe={arguments.recipe}", f"--steps={arguments.steps}", f"--only={part}",
                           f"--precision={precision}"]  # fmt: skip
                environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": onednn}
                done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                found.setdefault((part, way), []).extend(json.loads(done.stdout.splitlines()[-1]))
    print(f"| pictures/s | {' | '.join(WAYS)} |\n|{'---|' * (1 + len(WAYS))}")
    for part, title in PARTS.items():
        speeds = {way: statistics.median(found[part, way]) for way in WAYS}
        cells = [f"{speed:.0f}" + (f" (x {speed / speeds['float32']:.2f})" if way != "float32" else "") for way, speed in speeds.items()]
        print(f"| {title} | {' | '.join(cells)} |")


def measure(recipe, part, precision, steps):
    """Pictures a second, of each of `steps` calls."""
    import tensorflow as tf

    from colorizer import config, training

    settings = training.on_this_machine(config.resolve(recipe, "sample", None, {"precision": precision}))
    model = training.build_model(settings, steps=1000)
    rng = np.random.default_rng(0)
    model.palette_ab.assign(rng.normal(0, 30, model.palette_ab.shape))
    shape = (settings.batch_size, settings.image_size, settings.image_size, 3)
    scaled_lab = tf.constant(rng.uniform(-0.5, 0.5, shape), tf.float32)
    scaled_lightness = scaled_lab[..., :1]

    def forward():
        return model.network(scaled_lightness, training=True)

    def gradients():
        with tf.GradientTape() as tape:
            total = sum(map(tf.reduce_mean, forward()))
        return tape.gradient(total, model.network.trainable_variables)

    def step():
        return model.train_step((scaled_lightness, scaled_lab))

    called = tf.function({"forward": forward, "gradients": gradients}.get(part, step), jit_compile=part == "xla")
    speeds = []
    for number in range(steps + 2):  # the first traces, the second fills caches
        began = time.perf_counter()
        np.asarray(tf.nest.flatten(called())[0])  # a GPU answers before it is done
        if number > 1:
            speeds.append(settings.batch_size / (time.perf_counter() - began))
    return speeds


if __name__ == "__main__":
    main()
