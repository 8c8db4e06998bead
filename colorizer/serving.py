"""The SavedModel: pictures in, pictures out, all the work inside the graph, as TensorFlow Serving runs it."""

import keras
import tensorflow as tf

from colorizer import color, rendering

MAX_PIXELS = 2**25  # of a picture in a request: what is larger comes back empty

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")
_LIGHTNESS = tf.TensorSpec([None, None, None, 1], tf.float32, name="lightness")
_VIVIDNESS = tf.TensorSpec([None], tf.float32, name="vividness")


class Served(tf.Module):
    """A network with its signatures. Those ending in _vivid take `vividness`, one or one for each picture; the others the model's own.

    colorize: uint8 sRGB [B, H, W, 3] -> the same in colour. colorize_bytes: encoded pictures of any and different sizes -> PNG, each
    of its own size; b"" where one cannot be read or is over `max_pixels`. predict_lab: lightness [B, H, W, 1] -> Lab [B, H, W, 3], the
    network's own lightness. Any height and width.
    """

    def __init__(self, network, traits, max_pixels=MAX_PIXELS):
        super().__init__()
        # the network itself, as an attribute, would be saved besides its variables
        self._answer = lambda scaled_lightness: network(scaled_lightness, training=False)
        self._variables_of_network = [variable.value for variable in network.variables]
        self._traits, self._max_pixels = traits, max_pixels

    def signatures(self):
        """{name: concrete function} for tf.saved_model.save."""
        default = self._traits.vividness

        def named(function, spec):
            plain = tf.function(lambda given: function(given, tf.constant([default])), input_signature=[spec], autograph=False)
            vivid = tf.function(lambda given, vividness: function(given, vividness), input_signature=[spec, _VIVIDNESS], autograph=False)
            return plain.get_concrete_function(), vivid.get_concrete_function()

        found = {}
        for name, function, spec in (
            ("colorize", lambda image, vividness: {"image": self._colorize(image, vividness)}, _IMAGES),
            ("colorize_bytes", lambda encoded, vividness: {"image_bytes": self._colorize_bytes(encoded, vividness)}, _BYTES),
            ("predict_lab", lambda lightness, vividness: {"lab": self._predict_lab(lightness, vividness)}, _LIGHTNESS),
        ):
            found[name], found[f"{name}_vivid"] = named(function, spec)
        return {"serving_default": found["colorize_bytes"], **found}

    @tf.function(input_signature=[_LIGHTNESS, _VIVIDNESS], autograph=False)
    def lab_at_render_size(self, lightness, vividness):
        """The network alone: height and width must be multiples of its stride. What inference.load() calls."""
        lab = color.unscale(self._answer(lightness / 50 - 1))
        return rendering.vivid(lab, vividness[:, None, None, None], self._traits.gain, xp=keras.ops)

    def _terms(self, lightness, vividness):
        """guided_terms() at the pictures' size, and the network's own lightness: [B, H, W, 4], [B, H, W, 1]."""
        height, width = tf.shape(lightness)[1], tf.shape(lightness)[2]
        shape = rendering.render_shape(height, width, self._traits.render_size, self._traits.stride, xp=keras.ops)
        seen = _resized(lightness, shape, "bilinear")
        lab = self.lab_at_render_size(seen, vividness)
        terms = rendering.guided_terms(seen, lab[..., 1:], xp=keras.ops)
        enlarged = _resized(tf.concat([terms, lab[..., :1]], axis=-1), (height, width), "bicubic")
        return enlarged[..., :4], enlarged[..., 4:]

    def _predict_lab(self, lightness, vividness):
        terms, own_lightness = self._terms(lightness, vividness)
        return tf.concat([own_lightness, rendering.guided_ab(terms, lightness)], axis=-1)

    def _colorize(self, rgb, vividness):
        lightness = color.lightness_from_rgb(rgb, xp=keras.ops)
        terms, _ = self._terms(lightness, vividness)
        lab = tf.concat([lightness, rendering.guided_ab(terms, lightness)], axis=-1)
        # only the colours outside are mapped: few, and mapping is what takes the time
        outside = tf.where(color.is_outside(lab, xp=keras.ops))
        lab = tf.tensor_scatter_nd_update(lab, outside, color.into_gamut(tf.gather_nd(lab, outside), xp=keras.ops))
        return color.rgb_from_lab(lab, xp=keras.ops, mapped=True)

    def _colorize_bytes(self, encoded, vividness):
        vividness = tf.broadcast_to(vividness, tf.shape(encoded))
        # a data set can pass over what fails, which nothing else in a graph can
        readable = tf.data.Dataset.from_tensor_slices((encoded, vividness)).enumerate()
        readable = readable.map(lambda place, given: (place, self._decoded(given[0]), given[1])).ignore_errors()

        def coloured(answers, given):
            place, rgb, its_vividness = given
            png = tf.io.encode_png(self._colorize(rgb[None], its_vividness[None])[0])
            return tf.tensor_scatter_nd_update(answers, [[place]], [png])

        return readable.reduce(tf.fill(tf.shape(encoded), b""), coloured)

    def _decoded(self, encoded):
        """uint8 [H, W, 3] of an encoded picture. Fails where it cannot be read or has too many pixels."""
        pixels = _pixels(encoded)
        most = tf.constant(self._max_pixels, tf.int64)
        with tf.control_dependencies([tf.debugging.assert_positive(pixels), tf.debugging.assert_less_equal(pixels, most)]):
            encoded = tf.identity(encoded)
        rgb = tf.cond(
            tf.strings.substr(encoded, 0, 2) == b"\xff\xd8",
            # as Pillow decodes it
            lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
        )
        return tf.ensure_shape(rgb, [None, None, 3])


def _resized(channels, shape, kind):
    """As images.resized()."""
    return tf.image.resize(channels, shape, kind, antialias=True)


def _pixels(encoded):
    """Pixels of an encoded picture by its header, int64; 0 of what is no picture. Decoding would take the memory before it says."""

    def number(place, count, big=False):
        digits = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, place, count), tf.uint8), tf.int64)
        order = range(count - 1, -1, -1) if big else range(count)
        return tf.reduce_sum(digits * tf.constant([256**power for power in order], tf.int64))

    def jpeg():
        return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(encoded, tf.int32)[:2], tf.int64))

    def webp():
        kind = tf.strings.substr(encoded, 12, 4)
        return tf.case(
            [
                (kind == b"VP8X", lambda: (number(24, 3) + 1) * (number(27, 3) + 1)),
                (kind == b"VP8L", lambda: (number(21, 4) % 2**14 + 1) * (number(21, 4) // 2**14 % 2**14 + 1)),
            ],
            default=lambda: (number(26, 2) % 2**14) * (number(28, 2) % 2**14),
        )

    def starts(magic):
        return tf.strings.substr(encoded, 0, len(magic)) == magic

    return tf.case(
        [
            (starts(b"\xff\xd8"), jpeg),
            (starts(b"\x89PNG"), lambda: number(16, 4, big=True) * number(20, 4, big=True)),
            (starts(b"GIF8"), lambda: number(6, 2) * number(8, 2)),
            (starts(b"BM"), lambda: number(18, 4) * tf.minimum(number(22, 4), 2**32 - number(22, 4))),  # a negative height: top first
            (starts(b"RIFF"), webp),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )
