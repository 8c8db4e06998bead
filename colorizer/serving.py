"""The SavedModel: pictures in, pictures out, all the work inside the graph, as TensorFlow Serving runs it."""

import keras
import tensorflow as tf

from colorizer import color, inference, rendering

MAX_PIXELS = 2**25  # of a picture in a request, unless export says otherwise
PNG_SIDE = 10**6  # the longest that libpng writes

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")
_LIGHTNESS = tf.TensorSpec([None, None, None, 1], tf.float32, name="lightness")
_VIVIDNESS = tf.TensorSpec([None], tf.float32, name="vividness")


class Served(tf.Module):
    """A network with its signatures. Those ending in _vivid take `vividness`, one or one for each picture; the others the model's own.

    colorize: uint8 sRGB [B, H, W, 3] -> the same in colour. colorize_bytes: encoded pictures of any and different sizes -> PNG, each
    of its own size; b"" where one cannot be read or is over `max_pixels`, which the tensors of the others may have together.
    predict_lab: lightness [B, H, W, 1] -> Lab [B, H, W, 3], the network's own lightness. Any height and width.
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
            vivid = tf.function(
                lambda given, vividness: function(given, _within_0_and_1(vividness)), input_signature=[spec, _VIVIDNESS], autograph=False
            )
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
        """guided_terms() at the pictures' size, and the network's own lightness: [B, H, W, 5].

        A few pictures at a time: however small they are, the network sees each at its render size.
        """
        height, width = tf.shape(lightness)[1], tf.shape(lightness)[2]
        vividness = tf.broadcast_to(vividness, tf.shape(lightness)[:1])
        shape = rendering.render_shape(height, width, self._traits.render_size, self._traits.stride, xp=keras.ops)
        at_once = tf.maximum(1, inference.RENDER_PIXELS // (shape[0] * shape[1]))
        starts = tf.range(0, tf.shape(lightness)[0], at_once)

        def terms_of(number, parts):
            some = slice(starts[number], starts[number] + at_once)
            seen = _resized(lightness[some], shape, "bilinear")
            lab = self.lab_at_render_size(seen, vividness[some])
            terms = rendering.guided_terms(seen, lab[..., 1:], xp=keras.ops)
            enlarged = _resized(tf.concat([terms, lab[..., :1]], axis=-1), (height, width), "bicubic")
            return number + 1, parts.write(number, enlarged)

        parts = tf.TensorArray(tf.float32, size=tf.size(starts), infer_shape=False, element_shape=[None, None, None, 5])
        _, parts = tf.while_loop(lambda number, _: number < tf.size(starts), terms_of, (0, parts), parallel_iterations=1)
        return parts.concat()

    def _predict_lab(self, lightness, vividness):
        def lab():
            terms = self._terms(lightness, vividness)
            return tf.concat([terms[..., 4:], rendering.guided_ab(terms[..., :4], lightness)], axis=-1)

        return self._of_pictures(lightness, lab, tf.float32)

    def _colorize(self, rgb, vividness):
        def coloured():
            lightness = color.lightness_from_rgb(rgb, xp=keras.ops)
            lab = tf.concat([lightness, rendering.guided_ab(self._terms(lightness, vividness)[..., :4], lightness)], axis=-1)
            # only the colours outside are mapped: few, and mapping is what takes the time
            outside = tf.where(color.is_outside(lab, xp=keras.ops))
            lab = tf.tensor_scatter_nd_update(lab, outside, color.into_gamut(tf.gather_nd(lab, outside), xp=keras.ops))
            return color.rgb_from_lab(lab, xp=keras.ops, mapped=True)

        return self._of_pictures(rgb, coloured, tf.uint8)

    def _of_pictures(self, given, work, kind):
        """work(), or without pictures an empty answer [B, H, W, 3]. Fails where the pictures have too many pixels together.

        Each counts at least as many as the network sees of it: a million pictures of one pixel are a million passes.
        """
        shape = tf.shape(given, out_type=tf.int64)
        each = tf.reduce_prod(shape[1:3])
        height, width = tf.unstack(tf.maximum(1, tf.shape(given)[1:3]))
        seen = rendering.render_shape(height, width, self._traits.render_size, self._traits.stride, xp=keras.ops)
        seen = tf.cast(tf.reduce_prod(tf.stack(seen)), tf.int64)
        pixels = shape[0] * tf.where(each > 0, tf.maximum(each, seen), 0)
        most = tf.maximum(seen, self._max_pixels)  # one small picture is never too many
        with tf.control_dependencies([tf.debugging.assert_less_equal(pixels, most, "too many pixels")]):
            pixels = tf.identity(pixels)
        return tf.cond(pixels > 0, work, lambda: tf.zeros(tf.concat([shape[:3], [3]], axis=0), kind))

    def _colorize_bytes(self, encoded, vividness):
        vividness = tf.broadcast_to(vividness, tf.shape(encoded))

        def coloured(given):
            its_bytes, its_vividness = given
            rgb = self._decoded(its_bytes)
            return tf.cond(
                tf.size(rgb) > 0, lambda: tf.io.encode_png(self._colorize(rgb[None], its_vividness[None])[0]), lambda: tf.constant(b"")
            )

        # one after another, so that a request takes the memory of its largest picture
        return tf.map_fn(coloured, (encoded, vividness), fn_output_signature=tf.TensorSpec([], tf.string), parallel_iterations=1)

    def _decoded(self, encoded):
        """uint8 [H, W, 3] of an encoded picture; [0, 0, 3] where it cannot be read or has too many pixels."""
        most = tf.constant(self._max_pixels, tf.int64)
        encoded = tf.cond(_starts(encoded, b"GIF8"), lambda: _first_frame_of_gif(encoded), lambda: encoded)
        is_jpeg, pixels, has_alpha = _starts(encoded, b"\xff\xd8"), _pixels(encoded), _has_webp_alpha(encoded)
        encoded = tf.where(is_jpeg | ((pixels > 0) & (pixels <= most)), encoded, b"")

        def jpeg():
            pixels = tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(encoded, tf.int32)[:2], tf.int64))
            with tf.control_dependencies([tf.debugging.assert_less_equal(pixels, most)]):
                # as Pillow decodes it
                return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")

        def decoded(_):
            rgb = tf.case(
                [
                    (is_jpeg, jpeg),
                    # which does not leave out the alpha of a WebP file by itself
                    (has_alpha, lambda: tf.io.decode_image(encoded, channels=4, expand_animations=False)[..., :3]),
                ],
                default=lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
            )
            return tf.ensure_shape(rgb, [None, None, 3])

        # a data set can pass over what fails, which nothing else in a graph can. Its function is made anew, and optimized, at every
        # call: nothing is in it but what may fail
        readable = tf.data.Dataset.from_tensors(0).map(decoded).ignore_errors()
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        options.autotune.enabled = False
        return readable.with_options(options).reduce(tf.zeros([0, 0, 3], tf.uint8), lambda _, rgb: rgb)


def _within_0_and_1(vividness):
    inside = tf.reduce_all((vividness >= 0) & (vividness <= 1))  # not of nan either
    with tf.control_dependencies([tf.debugging.Assert(inside, ["vividness: numbers from 0 to 1"])]):
        return tf.identity(vividness)


def _resized(channels, shape, kind):
    """As images.resized()."""
    return tf.image.resize(channels, shape, kind, antialias=True)


def _starts(encoded, magic):
    return tf.strings.substr(encoded, 0, len(magic)) == magic


def _part(encoded, place, count):
    """`count` bytes of the file's beginning; zeros behind its end."""
    return tf.strings.substr(tf.strings.substr(encoded, 0, place + count) + b"\0" * (place + count), place, count)


def _number(encoded, place, count, big=False):
    """An int64 of `count` bytes, the least first unless `big`."""
    digits = tf.cast(tf.io.decode_raw(_part(encoded, place, count), tf.uint8), tf.int64)
    order = range(count - 1, -1, -1) if big else range(count)
    return tf.reduce_sum(digits * tf.constant([256**power for power in order], tf.int64))


def _pixels(encoded):
    """Pixels of an encoded picture by its header, int64; 0 of what is no picture, or JPEG. Decoding would take the memory before it says.

    0 as well of BMP files with palettes, of which TensorFlow gives the indices, and of animated WebP files, of which it reads some.
    """

    def number(*place):
        return _number(encoded, *place)

    def webp():
        kind = _part(encoded, 12, 4)
        return tf.case(
            [
                (kind == b"VP8X", lambda: (1 - number(20, 1) // 2 % 2) * (number(24, 3) + 1) * (number(27, 3) + 1)),
                (kind == b"VP8L", lambda: (number(21, 4) % 2**14 + 1) * (number(21, 4) // 2**14 % 2**14 + 1)),
            ],
            default=lambda: (number(26, 2) % 2**14) * (number(28, 2) % 2**14),
        )

    def bmp():
        height = tf.minimum(number(22, 4), 2**32 - number(22, 4))  # negative where the top row is first
        # a PNG of a longer side could not be written
        fit = (number(28, 2) >= 24) & (number(18, 4) <= PNG_SIDE) & (height <= PNG_SIDE)
        return tf.where(fit, number(18, 4) * height, tf.constant(0, tf.int64))

    return tf.case(
        [
            (_starts(encoded, b"\x89PNG"), lambda: number(16, 4, True) * number(20, 4, True)),
            (_starts(encoded, b"GIF8"), lambda: number(6, 2) * number(8, 2)),
            (_starts(encoded, b"BM"), bmp),
            (_starts(encoded, b"RIFF"), webp),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )


def _has_webp_alpha(encoded):
    kind = _part(encoded, 12, 4)

    def flag():
        extended = kind == b"VP8X"
        return tf.cond(extended, lambda: _number(encoded, 20, 1) // 16 % 2, lambda: _number(encoded, 21, 4) // 2**28 % 2) > 0

    return tf.cond(_starts(encoded, b"RIFF") & ((kind == b"VP8X") | (kind == b"VP8L")), flag, lambda: False)


def _first_frame_of_gif(encoded):
    """The file up to the end of its first frame, b"" where that does not fill the screen.

    TensorFlow would decode all frames, and as large as the largest one says it is, whatever the header says of the screen.
    """
    # zeros behind it: what is read beyond the end ends the walk
    code = tf.pad(tf.cast(tf.io.decode_raw(encoded, tf.uint8), tf.int32), [[0, 32]])
    length = tf.size(code) - 32

    def table(flags):  # bytes of a colour table
        return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    outside, extension, frame, end = range(4)

    def step(place, state, descriptor):
        byte = code[place]
        image = (state == outside) & (byte == 0x2C)
        further = tf.case(
            [
                (image, lambda: 11 + table(code[tf.minimum(place + 9, length)])),
                ((state == outside) & (byte == 0x21), lambda: 2),
                (state == outside, lambda: length),  # the trailer, or no GIF
            ],
            default=lambda: byte + 1,  # a block of data
        )
        after = tf.case(
            [
                (image, lambda: frame),
                (state == outside, lambda: extension),
                (byte > 0, lambda: state),
                (state == frame, lambda: end),
            ],
            default=lambda: outside,
        )
        return place + further, after, tf.where(image, place, descriptor)

    place, state, descriptor = tf.while_loop(
        lambda place, state, _: (state != end) & (place < length), step, (13 + table(code[10]), outside, 0), parallel_iterations=1,
        maximum_iterations=1024 + length // 64,  # whole blocks have 255 bytes; a request of single bytes must not take minutes
    )  # fmt: skip
    fills = tf.reduce_all(code[6:10] == code[descriptor + 5 : descriptor + 9])
    return tf.where((state == end) & fills, tf.strings.substr(encoded, 0, place) + b";", b"")
