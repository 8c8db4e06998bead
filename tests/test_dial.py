"""The network with two answers: its palette, its step, its readout."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import color as skimage_color

from colorizer import color, dial, inference, metrics, networks, ondevice, rendering
from colorizer.dial import DialColorizer, palette_of

BINS = 9


@pytest.fixture
def labs(rng):
    """Squares of few colours, whose colour has to do with their lightness."""
    rgb = np.array([[120, 20, 20], [60, 80, 200], [60, 200, 60], [220, 220, 220]], "uint8")[rng.integers(0, 4, (24, 2, 2))]
    return color.lab_from_rgb(rgb.repeat(16, axis=1).repeat(16, axis=2))


@pytest.fixture
def model(two_heads, labs):
    tf.keras.utils.set_random_seed(0)
    model = DialColorizer(two_heads(BINS))
    model.set_palette(labs)
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.9)
    model.compile([(optimizer, model.network.trainable_variables)])
    return model


def batches(labs, steps=1):
    scaled = color.scale(labs).astype("float32")
    return tf.data.Dataset.from_tensors((scaled[..., :1], scaled)).repeat(steps)


def test_a_palette_is_the_colours_of_the_pictures_and_their_shares(rng):
    colours = np.array([[0, 0], [60, 10], [-30, -50]]) + 1.0  # of cells' middles
    ab = colours.repeat([700, 200, 100], axis=0)
    lab = np.concatenate([np.full((1000, 1), 50), ab], axis=-1).reshape(20, 50, 3)
    palette, shares = palette_of([lab], 3)
    order = np.argsort(-shares)
    np.testing.assert_allclose(palette[order], colours)
    np.testing.assert_allclose(shares[order], [0.7, 0.2, 0.1])


def test_bins_are_finer_where_colours_are_common(rng):
    ab = np.concatenate([rng.normal(0, 6, (50_000, 2)), rng.uniform(-90, 90, (5_000, 2))])
    palette, shares = palette_of([np.concatenate([np.zeros((len(ab), 1)), ab], axis=-1)], 64)
    assert shares.sum() == pytest.approx(1)
    centre = np.linalg.norm(palette, axis=-1) < 20
    assert centre.sum() > 64 * (np.pi * 20**2) / 180**2 * 1.5
    assert (~centre).sum() > 16


def test_a_step_lowers_both_costs(model, labs):
    first = model.fit(batches(labs), verbose=0, shuffle=False).history
    last = model.fit(batches(labs, 300), verbose=0, shuffle=False).history
    assert last["distance"][-1] < 0.9 * first["distance"][0]
    assert last["cross_entropy"][-1] < 0.9 * first["cross_entropy"][0]


def test_a_step_goes_down_the_gradient_of_both_costs_as_written_out_by_hand(rng):
    labs = color.lab_from_rgb(rng.integers(0, 256, (4, 16, 16, 3), dtype="uint8"))
    network = networks.build_residual(BINS, widths=(8, 8, 8), blocks=(1, 1, 1))  # batch norms, heads at strides 1 and 2
    model = DialColorizer(network)
    model.set_palette(labs)
    model.compile([(keras.optimizers.SGD(0.1), network.trainable_variables)], bins_weight=0.3)
    twin = keras.models.clone_model(network)
    twin.set_weights(network.get_weights())
    scaled = color.scale(labs).astype("float32")
    reduced_ab = labs.reshape(4, 8, 2, 8, 2, 3).mean(axis=(2, 4))[..., None, 1:]
    nearest = np.linalg.norm(reduced_ab - np.array(model.palette_ab), axis=-1).argmin(axis=-1)
    with tf.GradientTape() as tape:
        ab, logits = twin(scaled[..., :1], training=True)
        distance = tf.reduce_mean(tf.sqrt(tf.reduce_sum((110 * ab - labs[..., 1:].astype("float32")) ** 2, axis=-1) + 1))
        cross_entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(nearest, logits))
        loss = distance / 10 + 0.3 * cross_entropy
    for variable, gradient in zip(twin.trainable_variables, tape.gradient(loss, twin.trainable_variables)):
        variable.assign_sub(0.1 * gradient)
    logs = model.train_step((scaled[..., :1], scaled))
    assert [float(logs[name]) for name in ("loss", "distance", "cross_entropy")] == pytest.approx([loss, distance, cross_entropy], rel=1e-4)
    for found, wanted in zip(network.get_weights(), twin.get_weights()):  # the statistics of batch norms too
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_answer_has_the_averaged_weights(model, labs):
    kernel = model.network.get_layer("stem").kernel
    average = np.array(kernel)
    for step in range(3):
        model.fit(batches(labs), verbose=0, shuffle=False)
        momentum = 0.9 if step else 0  # the average begins with the first step's weights
        average = momentum * average + (1 - momentum) * np.array(kernel)
    trained = np.array(kernel)
    model.refresh(labs)
    np.testing.assert_allclose(model.generator.get_layer("stem").kernel, average, atol=1e-6)
    np.testing.assert_array_equal(kernel, trained)  # training goes on from its own weights


def test_batch_norms_get_the_statistics_that_the_averaged_weights_make(labs):
    """Of all training pictures: the mean over batches of what comes to the norm from the averaged kernel."""
    keras.utils.set_random_seed(0)
    lightness = keras.Input((None, None, 1), name="lightness")
    x = keras.layers.Conv2D(4, 3, name="stem", padding="same")(lightness)
    x = keras.layers.BatchNormalization(name="norm")(x)
    outputs = [
        keras.layers.Activation("linear", name=f"{name}_out")(keras.layers.Conv2D(count, 1, name=name)(x))
        for name, count in (("ab", 2), ("logits", BINS))
    ]
    model = DialColorizer(keras.Model(lightness, outputs))
    model.set_palette(labs)
    optimizer = keras.optimizers.AdamW(0.05, use_ema=True, ema_momentum=0.9)
    model.compile([(optimizer, model.network.trainable_variables)])
    model.fit(batches(labs, 5), verbose=0, shuffle=False)
    parts = [labs[:12], labs[12:]]
    model.refresh(labs, [color.scale(part)[..., :1].astype("float32") for part in parts])
    came = [np.array(model.generator.get_layer("stem")(color.scale(part)[..., :1].astype("float32"))) for part in parts]
    norm = model.generator.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, np.mean([x.mean(axis=(0, 1, 2)) for x in came], axis=0), atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, np.mean([x.var(axis=(0, 1, 2)) for x in came], axis=0), rtol=1e-4)
    assert norm.momentum == 0.99


def test_the_answer_is_the_input_and_the_regression_and_the_mean_of_the_bins(model, labs):
    model.fit(batches(labs, 300), verbose=0, shuffle=False)
    fitted = model.refresh(labs)
    lightness = np.linspace(0, 100, 5, dtype="float32").reshape(5, 1, 1, 1).repeat(16, axis=1).repeat(16, axis=2)
    scaled = color.scale(lightness)
    answer = color.unscale(model.generator(scaled).numpy())
    assert answer.shape == (5, 16, 16, 5)
    np.testing.assert_allclose(answer[..., :1], lightness, atol=1e-4)
    np.testing.assert_allclose(answer, answer[:, :1, :1].repeat(16, axis=1).repeat(16, axis=2), atol=1e-3)  # enlarged to the edges
    model.optimizers[0].finalize_variable_values(model.network.trainable_variables)
    ab, logits = (head.numpy().astype("float64")[:, 0, 0] for head in model.network(scaled))
    shares = np.exp(logits / fitted["temperature"] - fitted["beta"] * np.array(model.log_prior))
    vivid = fitted["gain"] * shares @ np.array(model.palette_ab) / shares.sum(axis=-1, keepdims=True)
    regression = fitted["regression_gain"] * 110 * ab
    np.testing.assert_allclose(answer[:, 0, 0, 1:], np.concatenate([regression, vivid], axis=-1), atol=1e-2)


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.3])
def test_the_regression_is_multiplied_by_what_brings_it_nearest_to_pictures_it_did_not_learn(model, labs, gain):
    """Of the truth a third is far off, which a mean error minds less than a mean square."""
    model.fit(batches(labs, 60), verbose=0, shuffle=False)
    model.refresh(labs, [])
    lightness = color.scale(labs[..., :1]).astype("float32")
    model.optimizers[0].finalize_variable_values(model.network.trainable_variables)
    regression = networks.enlarged(model.network(lightness)[0], model.strides[0], "").numpy() * 110
    others = np.concatenate([labs[..., :1], gain * regression], axis=-1)
    others[::3, ..., 1:] *= 3
    assert model.refresh(others)["regression_gain"] == pytest.approx(gain)
    answered = model.generator(lightness).numpy()[..., 1:3] * 110
    np.testing.assert_allclose(answered, gain * regression, atol=1e-3)


def test_at_vividness_1_the_answer_is_as_colourful_as_the_truth(model, labs):
    model.fit(batches(labs, 300), verbose=0, shuffle=False)
    model.refresh(labs)
    colorizer = inference.of_network(inference.compiled(model.generator), inference.Traits(32, 4, keeps_lightness=True))
    wanted = metrics.colorfulness(color.rgb_from_lab(labs)).mean()
    vivid = metrics.colorfulness(color.rgb_from_lab(colorizer(labs[..., :1], vividness=1))).mean()
    assert vivid == pytest.approx(wanted, rel=0.2)


def test_of_the_readouts_as_colourful_as_the_truth_the_nearest_to_it_is_taken(model, labs, rng):
    """All pairs of temperature and prior, their gain found by halving, judged by scikit-image."""
    model.fit(batches(labs, 60), verbose=0, shuffle=False)
    fitted = model.refresh(labs)
    reduced = labs.reshape(len(labs), 8, 4, 8, 4, 3).mean(axis=(2, 4))
    rgb = color.rgb_from_lab(reduced)
    truth, wanted = color.lab_from_rgb(rgb), metrics.colorfulness(rgb).mean()
    heads = keras.Model(model.generator.input, model.generator.get_layer("logits_out").output)
    logits = heads(color.scale(labs[..., :1]).astype("float32")).numpy().astype("float64")
    distances = {}
    for temperature in dial.TEMPERATURES:
        for beta in dial.BETAS:
            shares = np.exp(logits / temperature - beta * np.array(model.log_prior, "float64"))
            ab = shares @ np.array(model.palette_ab) / shares.sum(axis=-1, keepdims=True)

            def delivered(gain, ab=ab):
                return color.rgb_from_lab(np.concatenate([reduced[..., :1], gain * ab], axis=-1))

            low, high = dial.GAINS
            for _ in range(12):
                gain = (low + high) / 2
                low, high = (gain, high) if metrics.colorfulness(delivered(gain)).mean() < wanted else (low, gain)
            distances[temperature, beta] = skimage_color.deltaE_ciede2000(truth, color.lab_from_rgb(delivered(low))).mean()
    assert max(distances.values()) - min(distances.values()) > 0.5  # or nothing is chosen
    assert distances[fitted["temperature"], fitted["beta"]] < min(distances.values()) + 0.05
    shares = np.exp(logits / fitted["temperature"] - fitted["beta"] * np.array(model.log_prior, "float64"))
    ab = shares @ np.array(model.palette_ab) / shares.sum(axis=-1, keepdims=True)
    assert metrics.colorfulness(delivered(fitted["gain"], ab)).mean() == pytest.approx(wanted, rel=0.02)


def test_the_dial_is_a_straight_line_between_the_two_answers(rng):
    lab = rng.normal(0, 30, (2, 3, 3, 5))
    for vividness in (0, 0.3, 1):
        wanted = lab[..., 1:3] + vividness * (lab[..., 3:] - lab[..., 1:3])
        np.testing.assert_allclose(rendering.vivid(lab, vividness, gain=7)[..., 1:], wanted)


def test_lite0_is_within_its_sizes_and_takes_any_multiple_of_its_stride():
    network = networks.build_lite0()
    decoder = sum(layer.count_params() for layer in network.layers if not layer.name.startswith(("stem", "block")))
    assert network.count_params() < 5e6 and decoder < 2e6
    ab, logits = network(np.zeros((1, 64, 96, 1), "float32"))
    assert ab.shape == (1, 16, 24, 2) and logits.shape == (1, 16, 24, 128)


def test_a_new_model_goes_on_from_a_trained_ones_colours(model, labs, two_heads):
    model.fit(batches(labs, 100), verbose=0, shuffle=False)
    model.refresh(labs)
    other = DialColorizer(two_heads(BINS))
    other.begin_with(model.generator, labs[:3])
    scaled = color.scale(labs[..., :1])
    heads = keras.Model(model.generator.input, model.generator.get_layer("logits_out").output)
    enlarged = networks.enlarged(other.network(scaled)[0], other.strides[0], "")
    np.testing.assert_allclose(enlarged, np.array(model.generator(scaled))[..., 1:3], atol=1e-5)
    np.testing.assert_allclose(other.network(scaled)[1], heads(scaled), atol=1e-4)
    np.testing.assert_allclose(other.palette_ab, model.palette_ab, atol=1e-4)
    nearest = np.linalg.norm(labs[:3, ..., None, 1:] - np.array(model.palette_ab), axis=-1).argmin(axis=-1)
    shares = np.bincount(nearest.ravel(), minlength=BINS) / nearest.size
    np.testing.assert_allclose(np.exp(other.log_prior), shares, atol=1e-4)
    with pytest.raises(ValueError):
        DialColorizer(two_heads(BINS + 1)).begin_with(model.generator, labs[:3])
    trained = model.generator
    larger = keras.Model(trained.input, keras.layers.Dense(5, name="attend")(trained.output))
    with pytest.raises(ValueError, match="it has attend"):  # no layer of the trained one's is dropped in silence
        other.begin_with(larger, labs[:3])


def test_a_mirrored_answer_is_that_of_the_mirror_image_and_of_all_three_forms(labs, tmp_path, rng):
    """The mean of what the plain network says of both; so after being saved, and as a .tflite file."""
    network = networks.build_residual(BINS, widths=(8, 8, 8), blocks=(1, 1, 1))
    model = DialColorizer(network, mirrored=True)
    model.set_palette(labs)
    model.compile([(keras.optimizers.AdamW(2e-3), network.trainable_variables)])
    model.fit(batches(labs, 20), verbose=0, shuffle=False)
    model.refresh(labs, [color.scale(labs[..., :1]).astype("float32")])
    scaled = rng.uniform(-1, 1, (3, 16, 24, 1)).astype("float32")
    answer = model.generator(scaled).numpy()
    np.testing.assert_allclose(model.generator(scaled[:, :, ::-1]).numpy(), answer[:, :, ::-1], atol=1e-5)
    plain = networks.build_answering(network)
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(model.generator.get_layer(layer.name).get_weights())
    both = plain(scaled).numpy(), plain(scaled[:, :, ::-1]).numpy()[:, :, ::-1]
    np.testing.assert_allclose(answer[..., :3], np.mean(both, axis=0)[..., :3], atol=1e-5)
    assert np.abs(both[0] - both[1])[..., 1:3].max() > 1e-3
    traits = inference.Traits(16, 8, keeps_lightness=True)
    inference.save(tmp_path / "a.keras", model.generator, traits)
    (tmp_path / "a.tflite").write_bytes(ondevice.convert(inference.network_of(tmp_path / "a.keras"), traits))
    for vividness in (0, 1):
        wanted = rendering.vivid(color.unscale(answer), vividness, 1)
        for form in ("keras", "tflite"):
            np.testing.assert_allclose(inference.load(tmp_path / f"a.{form}")(50 * scaled + 50, vividness), wanted, atol=1e-2)


def test_heads_of_different_sizes_give_one_answer(labs):
    """The network of small pictures: R at full size, B's bins at half of it."""
    network = networks.build_residual(BINS)
    assert networks.strides_of(network) == [1, 2]
    model = DialColorizer(network)
    model.set_palette(labs)
    model.compile([(keras.optimizers.AdamW(2e-3), network.trainable_variables)])
    history = model.fit(batches(labs, 30), verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"][0]) and history["cross_entropy"][0] < np.log(BINS)
    fitted = model.refresh(labs)
    answer = model.generator(color.scale(labs[..., :1])).numpy()
    assert answer.shape == (*labs.shape[:3], 5)
    ab, _ = network(color.scale(labs[..., :1]), training=False)
    np.testing.assert_allclose(answer[..., 1:3], fitted["regression_gain"] * ab, atol=1e-5)
