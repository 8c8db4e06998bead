"""The .tflite files: what LiteRT runs on a phone or a Raspberry Pi, and colorize.py on a desk, without TensorFlow."""

import dataclasses
import io
import json
import tempfile
import zipfile

import keras
import numpy as np
import tensorflow as tf

from colorizer import __version__, color, inference, rendering

KINDS = ("none", "float16", "dynamic", "int8")
MERGING = (
    "lightness: L* 0..100 of the picture reduced to render_size; lab: CIE L*a*b* at that size. Enlarge a* and b*, keep the picture's own L*"
    " at full size, convert to sRGB. colorize does the same for a picture that is as small as that."
)


class _UpConvolution(keras.layers.Layer):
    """A 4x4 transposed convolution of stride 2 as a 2x2 convolution: the same numbers, in half the time on LiteRT.

    An even row 2m of the output is x[m-1] and x[m] through the kernel's rows 3 and 1, an odd row 2m+1 is x[m] and x[m+1] through
    2 and 0; columns alike. So each of the four kinds of pixel is a 2x2 convolution, and depth_to_space lays them side by side.
    """

    def __init__(self, transposed):
        super().__init__(name=transposed.name)
        kernel = transposed.kernel.numpy().transpose(0, 1, 3, 2)  # [4, 4, in, out]
        rows = {0: (3, 1), 1: (2, 0)}
        parts = [kernel[np.ix_(rows[odd_row], rows[odd_column])] for odd_row in (0, 1) for odd_column in (0, 1)]
        self._kernel = tf.constant(np.concatenate(parts, axis=-1))
        self._width = kernel.shape[-1]

    def call(self, x):
        windows = tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), self._kernel, strides=1, padding="VALID")
        pieces = tf.split(windows, 4, axis=-1)
        first, last = slice(None, -1), slice(1, None)
        pixels = [piece[:, rows, columns] for piece, (rows, columns) in
                  zip(pieces, ((first, first), (first, last), (last, first), (last, last)))]  # fmt: skip
        return tf.nn.depth_to_space(tf.concat(pixels, axis=-1), 2)


class _Nearest(keras.layers.Layer):
    """Each pixel `factor` times as wide and as high. Keras's own layer forgets the number of channels where height is unknown."""

    def __init__(self, enlarging):
        super().__init__(name=enlarging.name)
        self._factor = enlarging.size[0]

    def call(self, x):
        return tf.image.resize(x, tf.shape(x)[1:3] * self._factor, method="nearest")


# for running, not for training
_REPLACEMENTS = {keras.layers.Conv2DTranspose: _UpConvolution, keras.layers.UpSampling2D: _Nearest}


def lightened(network):
    """The network with layers that LiteRT runs faster, or at all, in place of those in _REPLACEMENTS: the same numbers."""

    def clone(layer):
        replacement = _REPLACEMENTS.get(type(layer))
        return replacement(layer) if replacement else layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone)
    for mine, its in zip(copy.layers, network.layers):
        if type(its) not in _REPLACEMENTS:
            mine.set_weights(its.get_weights())
    return copy


class _OnDevice(tf.Module):
    """predict_lab: lightness [1, H, W, 1], vividness [] -> lab. colorize: uint8 image [1, H, W, 3] -> the same in colour."""

    def __init__(self, network, traits):
        super().__init__()
        network = lightened(network)
        self.variables_of_network = [variable.value for variable in network.variables]  # else the conversion loses the weights
        sides = [traits.static_size or None] * 2

        def lab_of(lightness, vividness):
            lab = color.unscale(network(lightness / 50 - 1, training=False))
            return rendering.vivid(lab, vividness, traits.gain, xp=keras.ops)

        def predict_lab(lightness, vividness):
            return {"lab": lab_of(lightness, vividness)}

        def colorize(image):
            lightness = color.lightness_from_rgb(image, xp=keras.ops)
            lab = rendering.with_lightness(lab_of(lightness, traits.vividness), lightness, xp=keras.ops)
            return {"image": color.rgb_from_lab(lab, xp=keras.ops)}

        lightness, image = (tf.TensorSpec([1, *sides, channels], kind, name) for channels, kind, name in
                            ((1, tf.float32, "lightness"), (3, tf.uint8, "image")))  # fmt: skip
        self.predict_lab = tf.function(predict_lab, [lightness, tf.TensorSpec([], name="vividness")], autograph=False)
        self.colorize = tf.function(colorize, [image], autograph=False)


def convert(network, traits, kind="none", calibration=()):
    """The bytes of a .tflite file with its traits.

    kind: one of KINDS, of the weights. calibration: lightness [1, H, W, 1] of pictures, for int8.
    """
    module = _OnDevice(network, traits)
    signatures = {"predict_lab": module.predict_lab.get_concrete_function(), "colorize": module.colorize.get_concrete_function()}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        if kind != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = lambda: _calibrated(calibration, traits)
        model = converter.convert()
    return with_traits(model, {**dataclasses.asdict(traits), "version": __version__, "weights": kind, "merging": MERGING})


def _calibrated(calibration, traits):
    for lightness in calibration:
        yield "predict_lab", {"lightness": lightness, "vividness": np.float32(traits.vividness)}
        grey = color.rgb_from_lab(np.concatenate([lightness, lightness * 0, lightness * 0], axis=-1))
        yield "colorize", {"image": grey}


def with_traits(model, traits):
    """A .tflite file with a zip archive at its end, where phones' tools and inference.load() look: `unzip -p NAME colorizer.json`."""
    whole = io.BytesIO()
    whole.write(model)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(inference.TRAITS_FILE, json.dumps(traits, indent=1))
    return whole.getvalue()
