"""The training step against the paper's algorithm written out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from colorizer import gan, networks


def build(dropout=0.0, rate=0.05, **kwargs):
    """A small GAN under SGD, which does not hide a constant factor of the gradient as Adam does."""
    model = gan.ColorizationGAN(networks.build_generator((4, 8, 16), dropout, 1, seed=3), networks.build_discriminator(4, seed=3))
    model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), **kwargs)
    return model


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


@pytest.fixture
def batch(rng):
    scaled_lab = rng.uniform(-1, 1, (4, 16, 16, 3)).astype("float32")
    return tf.constant(scaled_lab[..., :1]), tf.constant(scaled_lab)


@pytest.mark.parametrize("cost", ["non_saturating", "saturating"])
def test_a_step_is_one_descent_of_eq_8_then_one_of_eq_7(batch, cost):
    """From one forward pass of the generator; the generator is judged by the discriminator just updated."""
    lightness, lab = batch
    model = build(generator_cost=cost, l1_weight=10.0, real_label=0.9)
    g, d = build().generator, build().discriminator

    with tf.GradientTape() as tape:
        fake = tf.constant(g(lightness, training=True))
        real_p = tf.sigmoid(d([lightness, lab], training=True))
        fake_p = tf.sigmoid(d([lightness, fake], training=True))
        d_cost = -tf.reduce_mean(0.9 * tf.math.log(real_p) + 0.1 * tf.math.log(1 - real_p)) - tf.reduce_mean(tf.math.log(1 - fake_p))
    for variable, gradient in zip(d.trainable_variables, tape.gradient(d_cost, d.trainable_variables)):
        variable.assign_sub(0.05 * gradient)
    with tf.GradientTape() as tape:
        fake = g(lightness, training=True)
        fake_p = tf.sigmoid(d([lightness, fake], training=True))
        adversarial = -tf.math.log(fake_p) if cost == "non_saturating" else tf.math.log(1 - fake_p)
        g_cost = tf.reduce_mean(adversarial) + 10 * tf.reduce_mean(tf.abs(fake - lab))
    for variable, gradient in zip(g.trainable_variables, tape.gradient(g_cost, g.trainable_variables)):
        variable.assign_sub(0.05 * gradient)

    logs = model.train_step(batch)
    assert float(logs["d_loss"]) == pytest.approx(float(d_cost), rel=1e-5)
    assert float(logs["g_loss"]) == pytest.approx(float(g_cost), rel=1e-5)
    for ours, theirs in zip(values(model.discriminator.trainable_variables), values(d.trainable_variables)):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    for ours, theirs in zip(values(model.generator.trainable_variables), values(g.trainable_variables)):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_the_generator_sees_its_batch_once_a_step(batch):
    """Running means of batch norm move by one step of momentum 0.99, not two."""
    model, other = build(), build()
    norm = other.generator.get_layer("encode2_norm")
    other.generator(batch[0], training=True)
    once = values([norm.moving_mean])[0]
    model.train_step(batch)
    np.testing.assert_allclose(values([model.generator.get_layer("encode2_norm").moving_mean])[0], once, rtol=1e-5)


def test_each_update_leaves_the_other_network_alone(batch):
    lightness, lab = batch
    for still, learning in (("discriminator", "generator"), ("generator", "discriminator")):
        model = build(rate=0.05)
        getattr(model, f"{still}_optimizer").learning_rate = 0.0
        still_before, learning_before = (values(getattr(model, name).trainable_variables) for name in (still, learning))
        model.train_step(batch)
        for before, after in zip(still_before, values(getattr(model, still).trainable_variables)):
            np.testing.assert_array_equal(before, after)
        assert any(np.any(a != b) for a, b in zip(learning_before, values(getattr(model, learning).trainable_variables)))


def test_call_is_the_generators_answer(batch):
    model = build()
    np.testing.assert_array_equal(model(batch[0]), model.generator(batch[0], training=False))


def test_fit_learns_to_paint_one_picture(rng):
    """A few dozen steps on pictures of one colour halve the error."""
    keras.utils.set_random_seed(0)
    lab = np.broadcast_to(np.array([0.1, 0.5, -0.4], "float32"), (8, 16, 16, 3)).copy()
    lab[..., 0] = rng.uniform(-0.5, 0.5, (8, 16, 16))
    model = gan.ColorizationGAN(networks.build_generator((8, 16, 32), 0.5, 1), networks.build_discriminator(4))
    model.compile(keras.optimizers.Adam(2e-3, beta_1=0.5), keras.optimizers.Adam(2e-4, beta_1=0.5))
    history = model.fit(lab[..., :1], lab, batch_size=8, epochs=60, verbose=0).history
    assert history["l1"][-1] < 0.5 * history["l1"][0]
    assert set(history) == {"g_loss", "d_loss", "adversarial", "l1", "mae_lab", "acc_2", "acc_5"}


def test_float16_costs_are_scaled_for_the_gradients_alone(batch):
    """The scale is taken out again before the update; what is reported is the cost."""
    model, plain = build(), build()
    model.compile(*(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=1024.0) for _ in range(2)))
    logs, plain_logs = model.train_step(batch), plain.train_step(batch)
    assert float(logs["g_loss"]) == pytest.approx(float(plain_logs["g_loss"]), rel=1e-5)
    for scaled, unscaled in zip(values(model.generator.trainable_variables), values(plain.generator.trainable_variables)):
        np.testing.assert_allclose(scaled, unscaled, atol=1e-5)
