"""Draws docs/costs.png: the paper's two generator costs, and what each gives the generator to learn from.

    pip install --editable '.[bench]'
    python docs/figures.py

Left, the paper's Fig. 1: both costs against D(G(x)). Right: the networks of the paper's recipe, on the `sample` data. The
discriminator learns alone, against an untrained generator that stays as it is; now and then the gradient that either cost
would give the generator is measured. Expected, before it was drawn: the gradient of Eq. 1 falls with D(G(x)), that of Eq. 5
does not. A minute of two cores; one seed, one picture, on one machine.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.figure
import numpy as np
import tensorflow as tf

from colorizer import config, dataset, losses, training

FILE = pathlib.Path(__file__).with_name("costs.png")
STEPS = 60
STEPS_BETWEEN = 3  # measurements
# of Okabe and Ito's palette, which the colour-blind can tell apart; without colour the lines can
LOOKS = {
    "non_saturating": dict(label="Eq. 5, non-saturating", color="#0072B2", linestyle="-"),
    "saturating": dict(label="Eq. 1, saturating", color="#D55E00", linestyle="--"),
}


def main():
    probabilities = np.linspace(0.004, 0.996, 249)
    curves = {name: cost_curve(cost, probabilities) for name, cost in losses.ADVERSARIAL_COSTS.items()}
    measured = gradients_while_discriminator_learns()
    for step in (0, STEPS):
        print(f"step {step:2}: " + ", ".join(f"{name} {values[step // STEPS_BETWEEN]:.3g}" for name, values in measured.items()))
    draw(probabilities, curves, measured)


def cost_curve(cost, probabilities):
    """The cost at each value of D(G(x))."""
    logits = np.log(probabilities / (1 - probabilities)).astype("float32")
    return [float(cost(logit)) for logit in logits]


def gradients_while_discriminator_learns():
    """{cost: norms of its gradient over all of the generator's weights, "D(G(x))": means over patches}, one a measurement."""
    settings = config.resolve("paper", "sample", "gan", {})
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    model = training.build_model(settings)
    generator, discriminator = model.generator, model.discriminator

    @tf.function
    def measure(lightness):
        with tf.GradientTape(persistent=True) as tape:
            logits = discriminator([lightness, generator(lightness, training=True)], training=True)
            costs = {name: cost(logits) for name, cost in losses.ADVERSARIAL_COSTS.items()}
        norms = {name: tf.linalg.global_norm(tape.gradient(cost, generator.trainable_variables)) for name, cost in costs.items()}
        return {**norms, "D(G(x))": tf.reduce_mean(tf.sigmoid(logits))}

    @tf.function
    def teach_discriminator(lightness, lab):
        predicted = generator(lightness, training=True)
        with tf.GradientTape() as tape:
            real_logits, fake_logits = (discriminator([lightness, judged], training=True) for judged in (lab, predicted))
            cost = losses.discriminator_cost(real_logits, fake_logits, settings.real_label)
        gradients = tape.gradient(cost, discriminator.trainable_variables)
        model.discriminator_optimizer.apply(gradients, discriminator.trainable_variables)

    measured = []
    batches = dataset.training_batches(settings, dataset.load(settings), epoch=0, steps=STEPS + 1)
    for step, (scaled_lightness, scaled_lab) in enumerate(batches):
        if step % STEPS_BETWEEN == 0:
            measured.append(measure(scaled_lightness))
        teach_discriminator(scaled_lightness, scaled_lab)
    return {name: [float(values[name]) for values in measured] for name in measured[0]}


def draw(probabilities, curves, measured):
    """Writes FILE."""
    style = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4"}
    with matplotlib.rc_context(style):
        figure = matplotlib.figure.Figure(figsize=(9.6, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name, look in LOOKS.items():
            left.plot(probabilities, curves[name], linewidth=2.2, **look)
            right.plot(range(0, STEPS + 1, STEPS_BETWEEN), measured[name], linewidth=2.2, marker="o", markersize=4, **look)
        left.set(title="Cost of the generator", xlabel="D(G(x))", ylabel="cost", xlim=(0, 1))
        left.legend(frameon=False)
        right.set(title="Gradient that it gives the generator", xlabel="the discriminator learns, the generator does not",
                  ylabel="norm over all weights", yscale="log")  # fmt: skip
        ticks = range(0, STEPS + 1, 15)
        right.set_xticks(ticks, [f"{step}\n{measured['D(G(x))'][step // STEPS_BETWEEN]:.2g}" for step in ticks])
        right.annotate("step\nD(G(x))", (0, 0), (-4, -7), "axes fraction", "offset points", ha="right", va="top")  # the ticks' two lines
        right.legend(frameon=False, loc="lower left")
        figure.savefig(FILE, dpi=110)


if __name__ == "__main__":
    main()
