"""The GAN of the paper as a Keras model: everything that a training step does is in `train_step`."""

import keras
import tensorflow as tf

from colorizer import losses, metrics


class ColorizationGAN(keras.Model):
    """A generator and a discriminator, trained against each other (Eq. 7 and 8).

    Batches are (scaled lightness [B, H, W, 1], scaled Lab [B, H, W, 3]). Call: the generator's answer.

    `fit` drives `train_step` on one machine; under a strategy it runs in a replica, whose costs are divided by the number of
    replicas, as optimizers add the replicas' gradients up.
    """

    def __init__(self, generator, discriminator, **kwargs):
        super().__init__(**kwargs)
        self.generator = generator
        self.discriminator = discriminator

    def compile(
        self, generator_optimizer, discriminator_optimizer, generator_cost="non_saturating", l1_weight=100.0, real_label=0.9, **kwargs
    ):
        """Sets both optimizers and the costs' constants; `kwargs` are Keras's (jit_compile, steps_per_execution)."""
        # optimizer=None: Keras would otherwise add an RMSprop that nothing uses and schedules would reach
        super().compile(optimizer=None, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        # built now, so that a checkpoint can be restored before the first step
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.adversarial_cost = losses.ADVERSARIAL_COSTS[generator_cost]
        self.l1_weight = l1_weight
        self.real_label = real_label
        self.cost_metrics = [keras.metrics.Mean(name=name) for name in ("g_loss", "d_loss", "adversarial")]
        self.figures = metrics.streaming_metrics()

    @property
    def metrics(self):
        return [*self.cost_metrics, *self.figures]

    @property
    def optimizers(self):
        return [self.generator_optimizer, self.discriminator_optimizer]

    def call(self, scaled_lightness, training=False):
        return self.generator(scaled_lightness, training=training)

    def train_step(self, batch):
        """One update of each network, the discriminator's first, from one forward pass of the generator."""
        scaled_lightness, scaled_lab = batch
        with tf.GradientTape() as tape:
            predicted = self.generator(scaled_lightness, training=True)
            with tape.stop_recording():
                d_loss = self._update_discriminator(scaled_lightness, scaled_lab, predicted)
            fake_logits = self.discriminator([scaled_lightness, predicted], training=True)
            adversarial = self.adversarial_cost(fake_logits)
            g_loss = adversarial + self.l1_weight * losses.l1_cost(scaled_lab, predicted)
            scaled_g_loss = self._for_optimizer(g_loss, self.generator_optimizer)
        _apply(self.generator_optimizer, tape, scaled_g_loss, self.generator)
        return self._report((g_loss, d_loss, adversarial), scaled_lab, predicted)

    def _update_discriminator(self, scaled_lightness, scaled_lab, predicted):
        with tf.GradientTape() as tape:
            real_logits = self.discriminator([scaled_lightness, scaled_lab], training=True)
            fake_logits = self.discriminator([scaled_lightness, predicted], training=True)
            d_loss = losses.discriminator_cost(real_logits, fake_logits, self.real_label)
            scaled_d_loss = self._for_optimizer(d_loss, self.discriminator_optimizer)
        _apply(self.discriminator_optimizer, tape, scaled_d_loss, self.discriminator)
        return d_loss

    def _for_optimizer(self, cost, optimizer):
        # scale_loss: the identity, but for float16
        return optimizer.scale_loss(cost / self.distribute_strategy.num_replicas_in_sync)

    def _report(self, costs, scaled_lab, predicted):
        for metric, cost in zip(self.cost_metrics, costs):
            metric.update_state(cost)
        for metric in self.figures:
            metric.update_state(scaled_lab, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


def _apply(optimizer, tape, cost, network):
    gradients = tape.gradient(cost, network.trainable_variables)
    optimizer.apply(gradients, network.trainable_variables)
