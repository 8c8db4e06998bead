"""The networks against the paper's description, layer by layer."""

import keras
import numpy as np
import pytest
from keras import layers

from colorizer import networks

CIFAR = (64, 128, 256, 512, 512)
PLACES = (64, 64, 128, 256, 512, 512, 512, 512)


@pytest.fixture(scope="module")
def generator():
    return networks.build_generator((8, 16, 32), dropout_units=1)


@pytest.fixture(scope="module")
def discriminator():
    return networks.build_discriminator(8)


def test_unit_widths_are_the_papers():
    assert networks.unit_widths(32) == CIFAR
    assert networks.unit_widths(256) == PLACES


@pytest.mark.parametrize("size", range(16, 520, 16))
def test_every_multiple_of_16_has_a_network_that_it_fits(size):
    widths = networks.unit_widths(size)
    assert len(widths) >= 4 and widths[0] == 64 and widths[-1] == 512 or size == 16
    assert size % networks.stride_of(widths) == 0
    assert all(before <= after <= 2 * before for before, after in zip(widths, widths[1:]))


def test_parameters_of_the_paper_sized_networks():
    """Counted by hand from Fig. 2: 4x4 kernels, no bias before batch norm, 4 numbers a channel in batch norm."""
    encoder = 16 * (1 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512) + 64 + 4 * (128 + 256 + 512 + 512)
    decoder = 16 * (512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64) + 4 * (1024 + 512 + 256 + 128)
    assert networks.build_generator(CIFAR).count_params() == encoder + decoder + 128 * 3 + 3
    judge = 16 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1 + 4 * (128 + 256 + 512)
    assert networks.build_discriminator().count_params() == judge


def test_generator_gives_lab_of_any_size_that_its_stride_divides(generator, rng):
    for height, width in ((4, 4), (8, 20), (64, 32)):
        scaled_lab = generator(rng.uniform(-1, 1, (2, height, width, 1)).astype("float32"))
        assert scaled_lab.shape == (2, height, width, 3)
        assert np.abs(scaled_lab).max() <= 1  # tanh


def test_discriminator_gives_a_logit_for_each_patch(discriminator, rng):
    """Three of its four units halve; logits are not squashed."""
    lightness, lab = rng.normal(size=(2, 32, 48, 1)), 50 * rng.normal(size=(2, 32, 48, 3))
    logits = np.array(discriminator([lightness, lab]))
    assert logits.shape == (2, 4, 6, 1)
    assert np.abs(logits).max() > 1


def test_discriminator_is_conditioned_on_lightness(discriminator, rng):
    lab = rng.normal(size=(1, 16, 16, 3))
    dark, light = (np.array(discriminator([np.full((1, 16, 16, 1), value), lab])) for value in (-1.0, 1.0))
    assert np.abs(dark - light).max() > 1e-4


def test_no_batch_norm_on_the_first_layers_nor_on_the_generators_last(generator, discriminator):
    """Section 3.3."""
    names = [layer.name for layer in generator.layers]
    first, last = names.index("encode1"), names.index("lab")
    assert isinstance(generator.layers[first + 1], layers.LeakyReLU)
    assert names[last + 1 :] == ["scaled_lab"]
    judge = [layer.name for layer in discriminator.layers]
    assert isinstance(discriminator.layers[judge.index("judge1") + 1], layers.LeakyReLU)
    for network, prefix, units in ((generator, "encode", 3), (generator, "decode", 2), (discriminator, "judge", 4)):
        normed = {layer.name for layer in network.layers if isinstance(layer, layers.BatchNormalization)}
        assert {f"{prefix}{unit}_norm" for unit in range(1 if prefix == "decode" else 2, units + 1)} <= normed


def test_units_are_as_section_3_1_says(generator):
    by_name = {layer.name: layer for layer in generator.layers}
    assert by_name["encode1"].strides == (1, 1) and by_name["encode2"].strides == by_name["decode1"].strides == (2, 2)
    assert all(by_name[f"encode{unit}"].kernel_size == (4, 4) for unit in (1, 2, 3))
    assert by_name["encode2_relu"].negative_slope == pytest.approx(0.2)
    assert isinstance(by_name["decode1"], layers.Conv2DTranspose) and by_name["decode1"].kernel_size == (4, 4)
    assert by_name["lab"].kernel_size == (1, 1) and by_name["lab"].filters == 3
    order = [layer.name for layer in generator.layers]
    unit = [name for name in order if name.startswith("decode1")]
    assert unit == ["decode1", "decode1_skip", "decode1_norm", "decode1_relu", "decode1_dropout"]


def test_each_skip_connection_joins_a_unit_to_its_mirror(generator):
    """Cutting the path through the bottom leaves the outermost skip: the answer still depends on the pixel's own lightness."""
    for unit in (1, 2):
        skip = generator.get_layer(f"decode{unit}_skip")
        assert {tensor._keras_history.operation.name for tensor in skip.input} == {f"decode{unit}", f"encode{3 - unit}_relu"}


def test_dropout_is_on_the_first_decoding_units_and_only_in_training(generator, rng):
    lightness = rng.uniform(-1, 1, (1, 16, 16, 1)).astype("float32")
    assert [layer.name for layer in generator.layers if isinstance(layer, layers.Dropout)] == ["decode1_dropout"]
    np.testing.assert_array_equal(generator(lightness, training=False), generator(lightness, training=False))
    assert np.abs(np.array(generator(lightness, training=True)) - np.array(generator(lightness, training=True))).max() > 0


def test_kernels_start_as_he_et_al_say():
    """Standard deviation sqrt(2 / fan-in), fan-in 4 x 4 x channels in."""
    kernel = keras.ops.convert_to_numpy(networks.build_discriminator().get_layer("judge3").kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (16 * 128)), rel=0.02)


def test_signals_keep_their_size_through_an_encoder_that_starts_from_nothing():
    """Fan-in of a depthwise kernel is k x k: with all channels counted, as Keras does, block 15 gave 6e-9."""
    network = networks.build_lite0(bins=8, heads=0)
    blocks = [layer for layer in network.layers if layer.name.endswith("_project")]
    lightness = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 1)).astype("float32")
    for answer in keras.Model(network.input, [layer.output for layer in blocks])(lightness):
        assert 0.05 < float(keras.ops.std(answer)) < 20


def test_the_seed_decides_the_weights():
    first, again, other = (networks.build_generator((8, 16), seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])
