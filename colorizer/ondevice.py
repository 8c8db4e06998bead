"""The .tflite files: what LiteRT runs on a phone or a Raspberry Pi, and colorize.py on a desk, without TensorFlow."""

import io
import json
import tempfile
import zipfile

import keras
import numpy as np
import tensorflow as tf

from colorizer import color, inference, networks, rendering

# for who merges without this package's rendering.py, whose functions are named
MERGING = (
    "1. lightness: the L* (0..100) of the whole picture, reduced with antialiasing to {shape}."
    " 2. predict_lab gives CIE L*a*b* at that size; its L* is not needed. 3. Bring a* and b* to the picture's size along the edges of its"
    " lightness (rendering.guided_terms, guided_ab). With l the reduced lightness and M the mean of 3x3 pixels, edges repeated, for a* and"
    " b* each: slope = M((M(l ab) - M(l) M(ab)) / (M(l l) - M(l) M(l) + {epsilon:g})), rest = ab - slope l; enlarge both by bicubic"
    " interpolation; ab = slope L* + rest. 4. Put the picture's own L* with them; where that is no sRGB"
    " colour, multiply a* and b* by the largest share that is one (color.into_gamut). 5. Convert to sRGB, D65. colorize does the same for"
    " a picture of the network's own size."
)
ANY_SHAPE = (
    "a short side of render_size pixels, the aspect kept up to 8 to 1, both sides rounded to multiples of stride, of 1 Mi pixels at most"
    " (rendering.render_shape)"
)


def about(traits):
    """What a file says of its inputs, and of how to merge its colours with a photograph of any size."""
    height, width = [traits.static_size or side for side in "HW"]
    shape = f"{height} x {width}, whatever the aspect" if traits.static_size else ANY_SHAPE
    return {
        "inputs": {
            "predict_lab": {"lightness": f"float32 [1, {height}, {width}, 1], L* 0..100", "vividness": "float32 [], 0..1"},
            "colorize": {"image": f"uint8 [1, {height}, {width}, 3], sRGB 0..255"},
        },
        "outputs": {
            "predict_lab": {"lab": f"float32 [1, {height}, {width}, 3], CIE L*a*b*, D65"},
            "colorize": {"image": f"uint8 [1, {height}, {width}, 3], sRGB 0..255"},
        },
        "merging": MERGING.format(shape=shape, epsilon=rendering.GUIDED_EPSILON),
    }


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
        self.kernel = tf.constant(np.concatenate(parts, axis=-1))

    def call(self, x, kernel=None):
        padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        windows = tf.nn.conv2d(padded, self.kernel if kernel is None else kernel, strides=1, padding="VALID")
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


class _InEightBits(keras.layers.Layer):
    """A layer of the network with its kernel, each channel, and its output rounded to 256 values: LiteRT runs it in integers.

    output_range: lowest and highest of the output; None where the next layer is an activation that becomes part of this one.
    """

    def __init__(self, layer, output_range):
        super().__init__(name=layer.name)
        self._layer = _REPLACEMENTS[type(layer)](layer) if type(layer) in _REPLACEMENTS else layer
        self._output_range = output_range

    def build(self, input_shape):
        """Nothing: the layer within has its weights."""

    def call(self, x):
        layer = self._layer
        if isinstance(layer, _UpConvolution):
            x = layer.call(x, _rounded(layer.kernel))
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            swapped = [0, 1, 3, 2]  # its channels are the last axis but one
            kernel = tf.transpose(_rounded(tf.transpose(layer.kernel.value, swapped)), swapped)
            x = tf.nn.depthwise_conv2d(x, kernel, [1, *layer.strides, 1], layer.padding.upper())
        elif isinstance(layer, keras.layers.Conv2D):
            x = tf.nn.conv2d(x, _rounded(layer.kernel.value), layer.strides, layer.padding.upper())
        else:
            x = layer(x)
        if getattr(layer, "use_bias", False):
            x = tf.nn.bias_add(x, layer.bias)
        if isinstance(layer, _CONVOLUTIONS):
            x = layer.activation(x)
        return x if self._output_range is None else tf.quantization.fake_quant_with_min_max_args(x, *self._output_range)


def _rounded(kernel):
    largest = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=range(len(kernel.shape) - 1)), 1e-6)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -largest, largest, narrow_range=True)


_CONVOLUTIONS = keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose
_ROUNDED = (
    *_CONVOLUTIONS,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.Add,
    keras.layers.Concatenate,
    keras.layers.UpSampling2D,
)


def in_eight_bits(network, calibration):
    """The network, lightened, in 8-bit integers up to its heads, ranges of layers being those that `calibration` fills.

    calibration: lightness [1, H, W, 1] of pictures. What makes colours of the heads stays in float32: there 8 bits are seen. So do
    batch norms that are no part of a convolution, and attention.
    """
    heads_and_after, followers = set(), {}
    for layer in network.operations:
        parents = [parent.operation.name for node in layer._inbound_nodes for parent in node.parent_nodes]
        for parent in parents:
            followers.setdefault(parent, []).append(layer)
        if layer.name in networks.HEADS or heads_and_after.intersection(parents):
            heads_and_after.add(layer.name)
    rounded = [layer for layer in network.layers if isinstance(layer, _ROUNDED) and layer.name not in heads_and_after]

    def is_followed_by_its_activation(layer):
        followed_by = followers[layer.name]
        return isinstance(layer, _CONVOLUTIONS) and len(followed_by) == 1 and isinstance(followed_by[0], keras.layers.ReLU)

    ranged = [layer for layer in rounded if not is_followed_by_its_activation(layer)]
    outputs = inference.compiled(keras.Model(network.input, [layer.output for layer in ranged]))
    seen = [[(float(tf.reduce_min(output)), float(tf.reduce_max(output))) for output in outputs(each / 50 - 1)] for each in calibration]
    lowest_and_highest = np.array(seen).transpose(1, 2, 0)  # [layer, 2, picture]
    ranges = {layer.name: (min(0.0, low.min()), max(1e-3, high.max())) for layer, (low, high) in zip(ranged, lowest_and_highest)}
    kept = {layer.name for layer in rounded}
    return _replaced(network, lambda layer: _InEightBits(layer, ranges.get(layer.name)) if layer.name in kept else None)


# for running, not for training
_REPLACEMENTS = {keras.layers.Conv2DTranspose: _UpConvolution, keras.layers.UpSampling2D: _Nearest}


def lightened(network):
    """The network with layers that LiteRT runs faster, or at all, in place of those in _REPLACEMENTS: the same numbers."""
    return _replaced(network, lambda layer: None)


def _replaced(network, replacement):
    """A copy of the network with replacement(layer), or a layer of _REPLACEMENTS, where there is one."""
    own = {}

    def clone(layer):
        new = replacement(layer) or (_REPLACEMENTS[type(layer)](layer) if type(layer) in _REPLACEMENTS else None)
        if new is None:
            new = layer.__class__.from_config(layer.get_config())
            if isinstance(layer, keras.layers.Layer):  # no op, which has no weights
                own[layer.name] = new
        return new

    copy = keras.models.clone_model(network, clone_function=clone)
    for name, layer in own.items():
        layer.set_weights(network.get_layer(name).get_weights())
    return copy


class _OnDevice(tf.Module):
    """predict_lab: lightness [1, H, W, 1], vividness [] -> lab. colorize: uint8 image [1, H, W, 3] -> the same in colour."""

    def __init__(self, network, traits):
        super().__init__()
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


def convert(network, traits, kind="none", calibration=(), terms=""):
    """The bytes of a .tflite file with its traits.

    kind: none, float16, dynamic or int8, of the weights. calibration: lightness [1, H, W, 1] of pictures, for int8. terms: of use.
    """
    module = _OnDevice(in_eight_bits(network, calibration) if kind == "int8" else lightened(network), traits)
    signatures = {"predict_lab": module.predict_lab.get_concrete_function(), "colorize": module.colorize.get_concrete_function()}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        if kind != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        model = converter.convert()
    return with_traits(model, {**traits.described(terms), **about(traits), "weights": kind})


def with_traits(model, traits):
    """A .tflite file with a zip archive at its end, as TFLite's associated files are: `unzip -p NAME colorizer.json`."""
    whole = io.BytesIO()
    whole.write(model)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(inference.TRAITS_FILE, json.dumps(traits, indent=1))
    return whole.getvalue()
