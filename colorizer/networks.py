"""The paper's networks (3.1, 3.2, Fig. 2), and two with two answers, as functional Keras models. Nothing here but Keras.

All are fully convolutional: height and width are unknown until they run, and must be multiples of `stride_of(widths)`, LITE0_STRIDE or
RESIDUAL_STRIDE. Inputs and outputs are scaled: lightness [B, H, W, 1] and Lab [B, H, W, 3] in -1..1 (color.scale).
"""

import math

from keras import Input, Model, config, initializers, layers, models, ops


def unit_widths(image_size, width=64):
    """Channels of the encoding units: the rule behind the paper's two lists, for any size that is a multiple of 16.

    As many units as halve the image down to 2x2, the first at stride 1, doubling from `width` up to 8 x width; from 128 px
    on the second unit does not double yet, as at 256 px. 32 -> 64, 128, 256, 512, 512; 256 -> 64, 64, 128, 256, 512, 512,
    512, 512. A size that is not a power of two gets as many units as it can be halved.
    """
    units = 1
    while image_size % 2**units == 0 and image_size >= 2 ** (units + 1):
        units += 1
    first = 1 if image_size >= 128 else 2
    return (width, *(width * min(8, first * 2**i) for i in range(units - 1)))


def stride_of(widths):
    """What height and width must be a multiple of: every unit but the first halves."""
    return 2 ** (len(widths) - 1)


def build_generator(widths, dropout=0.5, dropout_units=2, seed=0, synchronized=False):
    """U-Net from scaled lightness to scaled Lab (3.1); also the baseline network.

    Args:
      widths: channels of the encoding units, the outermost first.
      dropout, dropout_units: rate, and how many decoding units have it, the innermost first (3.2).
      seed: of initialisation and dropout.
      synchronized: batch statistics over all replicas rather than each one's own.
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 999))
    lightness = Input((None, None, 1), name="lightness")
    x, skips = lightness, []
    for i, width in enumerate(widths):
        x = layers.Conv2D(width, 4, strides=1 if i == 0 else 2, padding="same", use_bias=i == 0,
                          kernel_initializer=_he(seeds), name=f"encode{i + 1}")(x)  # fmt: skip
        if i > 0:  # no batch norm on the first layer (3.3)
            x = layers.BatchNormalization(synchronized=synchronized, name=f"encode{i + 1}_norm")(x)
        x = layers.LeakyReLU(0.2, name=f"encode{i + 1}_relu")(x)
        skips.append(x)
    for i, (width, skip) in enumerate(zip(reversed(widths[:-1]), reversed(skips[:-1]))):
        x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False,
                                   kernel_initializer=_he(seeds), name=f"decode{i + 1}")(x)  # fmt: skip
        x = layers.Concatenate(name=f"decode{i + 1}_skip")([x, skip])
        x = layers.BatchNormalization(synchronized=synchronized, name=f"decode{i + 1}_norm")(x)
        x = layers.ReLU(name=f"decode{i + 1}_relu")(x)
        if i < dropout_units and dropout:
            x = layers.Dropout(dropout, seed=next(seeds), name=f"decode{i + 1}_dropout")(x)
    x = layers.Conv2D(3, 1, kernel_initializer=_he(seeds), name="lab")(x)
    return Model(lightness, layers.Activation("tanh", dtype="float32", name="scaled_lab")(x), name="generator")


def build_discriminator(width=64, seed=0, synchronized=False):
    """Patch discriminator (3.2): scaled lightness and scaled Lab -> logits [B, h, w, 1], one a patch; the sigmoid is in the cost.

    Its units have width, 2, 4 and 8 x width channels; the last one does not halve.
    """
    widths = [width * factor for factor in (1, 2, 4, 8)]
    seeds = iter(range(1000 * seed + 500, 1000 * seed + 999))
    lightness = Input((None, None, 1), name="lightness")
    scaled_lab = Input((None, None, 3), name="scaled_lab")
    x = layers.Concatenate(name="conditioned")([lightness, scaled_lab])
    for i, width in enumerate(widths):
        last = i == len(widths) - 1
        x = layers.Conv2D(width, 4, strides=1 if last else 2, padding="same", use_bias=i == 0,
                          kernel_initializer=_he(seeds), name=f"judge{i + 1}")(x)  # fmt: skip
        if i > 0:
            x = layers.BatchNormalization(synchronized=synchronized, name=f"judge{i + 1}_norm")(x)
        x = layers.LeakyReLU(0.2, name=f"judge{i + 1}_relu")(x)
    x = layers.Conv2D(1, 4, padding="same", kernel_initializer=_he(seeds), name="patch")(x)
    return Model([lightness, scaled_lab], layers.Activation("linear", dtype="float32", name="logits")(x), name="discriminator")


# EfficientNet-Lite0 (Tan and Le 2019; Liu 2020) to its last block: kernel, stride, expansion, channels, repeats
LITE0_BLOCKS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
LITE2_BLOCKS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 3),
    (5, 2, 6, 48, 3),
    (3, 2, 6, 88, 4),
    (5, 1, 6, 120, 4),
    (5, 2, 6, 208, 5),
    (3, 1, 6, 352, 1),
)
LITE0_STRIDE = 32
HEADS = ("lab", "ab", "logits")  # names of the layers that give colours, of any network here


def build_lite0(bins=128, widths=(192, 160, 96, 64), heads=4, seed=0, synchronized=False):
    """Scaled lightness [B, H, W, 1] -> [scaled ab [B, H/4, W/4, 2], logits of `bins` colours [B, H/4, W/4, bins]].

    The encoder is EfficientNet-Lite0, whose batch norm is part of its convolutions (pretrained.lite0_weights gives its weights).
    The decoder goes back up to a quarter of the size through the encoder's features (a*b* need no finer: the way to the picture's own
    size is guided by its lightness); at a sixteenth every place attends to all
    others, so that far parts of one thing agree.

    Args:
      widths: channels of the decoder at strides 32, 16, 8, 4.
      heads: of the attention; 0: none.
      seed: of initialisation, but for the attention's, which keras.utils.set_random_seed gives.
      synchronized: batch statistics over all replicas rather than each one's own.
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 999))
    lightness = Input((None, None, 1), name="lightness")
    x, features = _lite_encoder(lightness, LITE0_BLOCKS, seeds)
    for width, stride in zip(widths, (32, 16, 8, 4)):
        if stride < LITE0_STRIDE:
            x = layers.UpSampling2D(2, name=f"up{stride}")(x)
            x = layers.Concatenate(name=f"skip{stride}")([x, features[stride]])
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer=_he(seeds), name=f"decode{stride}")(x)
        x = layers.BatchNormalization(synchronized=synchronized, name=f"decode{stride}_norm")(x)
        if stride == LITE0_STRIDE:  # what the whole picture is
            whole = layers.GlobalAveragePooling2D(keepdims=True, name="whole")(x)
            x = layers.Add(name="with_whole")([x, layers.Conv2D(width, 1, kernel_initializer=_he(seeds), name="whole_dense")(whole)])
        x = layers.ReLU(name=f"decode{stride}_relu")(x)
        if stride == 16 and heads:
            attended = layers.LayerNormalization(name="attend_norm")(x)
            attended = layers.MultiHeadAttention(heads, width // heads, attention_axes=(1, 2), name="attend")(attended, attended)
            x = layers.Add(name="attended")([x, attended])
    return Model(lightness, _heads(x, x, bins, seeds), name="colorizer")


RESIDUAL_STRIDE = 8


def build_residual(bins=128, widths=(48, 96, 192), blocks=(1, 2, 2), seed=0, synchronized=False):
    """Scaled lightness [B, H, W, 1] -> [scaled ab [B, H, W, 2], logits of `bins` colours [B, H/2, W/2, bins]].

    A residual U-Net (He et al. 2016; Ronneberger et al. 2015) for small pictures that does next to nothing at full size: a stem
    halves it at once, `blocks` of residual units follow at each width, and one on each level of the way back. At the bottom the
    mean of the whole picture gates the channels (Hu et al. 2018).
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 999))

    def convolution(x, width, kernel, name, strides=1):
        x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer=_he(seeds), name=name)(x)
        return layers.BatchNormalization(momentum=0.9, synchronized=synchronized, name=f"{name}_norm")(x)

    def unit(x, width, name, strides=1):
        came = x if strides == 1 else convolution(x, width, 1, f"{name}_shortcut", strides)
        x = layers.ReLU(name=f"{name}_relu1")(convolution(x, width, 3, f"{name}_first", strides))
        x = convolution(x, width, 3, f"{name}_second")
        return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([came, x]))

    lightness = Input((None, None, 1), name="lightness")
    x = layers.ReLU(name="stem_relu")(convolution(lightness, widths[0], 4, "stem", 2))
    skips = []
    for level, (width, count) in enumerate(zip(widths, blocks)):
        for number in range(count):
            x = unit(x, width, f"down{level}_{number}", 2 if level and not number else 1)
        skips.append(x)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="whole")(x)
    gate = layers.Conv2D(widths[-1], 1, activation="sigmoid", kernel_initializer=_he(seeds), name="gate")(whole)
    x = layers.Multiply(name="gated")([x, gate])
    for level, width in reversed(list(enumerate(widths[:-1]))):
        x = layers.UpSampling2D(2, name=f"up{level}")(convolution(x, width, 1, f"up{level}_narrow"))
        x = unit(layers.Add(name=f"up{level}_skip")([x, skips[level]]), width, f"up{level}_unit")
    full = layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False, kernel_initializer=_he(seeds), name="enlarged")(x)
    full = layers.ReLU(name="enlarged_relu")(layers.BatchNormalization(momentum=0.9, synchronized=synchronized, name="enlarged_norm")(full))
    return Model(lightness, _heads(full, x, bins, seeds), name="colorizer")


def _heads(of_ab, of_logits, bins, seeds):
    """The two heads, almost grey, and every bin as likely, at first."""
    outputs = []
    for name, channels, x in (("ab", 2, of_ab), ("logits", bins, of_logits)):
        start = initializers.RandomNormal(stddev=0.01, seed=next(seeds))
        head = layers.Conv2D(channels, 1, kernel_initializer=start, name=name)(x)
        outputs.append(layers.Activation("linear", dtype="float32", name=f"{name}_out")(head))
    return outputs


def strides_of(network):
    """How many times smaller than the picture each head is."""
    side = 64
    return [side // shape[1] for shape in network.compute_output_shape((1, side, side, 1))]


def build_lite2_features():
    """sRGB 0..255 [B, H, W, 3] -> features [B, 1280], to judge realism by: EfficientNet-Lite2 to its last pooling.

    pretrained.lite2_weights gives its weights. Nothing is trained against it.
    """
    rgb = Input((None, None, 3), name="rgb")
    x, _ = _lite_encoder(layers.Rescaling(1 / 128, offset=-127 / 128, name="scaled_rgb")(rgb), LITE2_BLOCKS, iter(range(999)))
    x = layers.ReLU(6.0, name="head_relu")(layers.Conv2D(1280, 1, name="head")(x))
    return Model(rgb, layers.GlobalAveragePooling2D(name="features")(x), name="lite2")


def _lite_encoder(x, blocks, seeds):
    """(what the last of the blocks gives, {stride: what its last block gave})."""
    x = layers.Conv2D(32, 3, strides=2, padding="same", kernel_initializer=_he(seeds), name="stem")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    features, number, stride = {}, 0, 2
    for kernel, first_stride, expansion, width, repeats in blocks:
        if first_stride == 2:
            features[stride] = x
        for repeat in range(repeats):
            strides = first_stride if repeat == 0 else 1
            x = _inverted_residual(x, kernel, strides, expansion, width, f"block{number}", seeds)
            stride, number = stride * strides, number + 1
    return x, features


def _inverted_residual(x, kernel, strides, expansion, width, name, seeds):
    """Sandler et al. 2018, without batch norm."""
    came = x
    if expansion > 1:
        x = layers.Conv2D(x.shape[-1] * expansion, 1, kernel_initializer=_he(seeds), name=f"{name}_expand")(x)
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    # He et al. 2015: Keras counts all channels as inputs of a depthwise kernel, which has one
    start = initializers.RandomNormal(stddev=math.sqrt(2) / kernel, seed=next(seeds))
    x = layers.DepthwiseConv2D(kernel, strides=strides, padding="same", depthwise_initializer=start, name=f"{name}_depthwise")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(width, 1, kernel_initializer=_he(seeds), name=f"{name}_project")(x)
    return layers.Add(name=f"{name}_add")([came, x]) if strides == 1 and came.shape[-1] == width else x


def build_answering(network, mirrored=False):
    """A network with two heads as one that answers: scaled lightness -> [scaled L*, R a*, R b*, B a*, B b*] [B, H, W, 5].

    L* is the input's. R is the regression; B the mean colour of a softmax over the bins, whose colours are the weights of the
    layer "palette" [1, 1, bins, 2], times those of "gain". "sharpen" multiplies each bin's logit and adds to it. Both answers are
    enlarged smoothly from the heads' size. It has copies of the network's weights, and is float32 throughout.

    mirrored: what comes of the heads is the mean of theirs for the picture and for its mirror image, at twice the work.
    """
    policy = config.dtype_policy()
    config.set_dtype_policy("float32")
    try:
        return _build_answering(network, mirrored)
    finally:
        config.set_dtype_policy(policy)


def _build_answering(network, mirrored):
    copy = in_dtype(network)
    lightness, (ab, logits) = copy.input, copy.outputs
    if mirrored:
        lightness = Input((None, None, 1), name="lightness")
        # call(): the layers themselves, not a model within the model
        ab, logits = map(_mean_of_mirrored, copy.call(ops.concatenate([lightness, ops.flip(lightness, axis=2)], axis=0)))
    softmax = layers.Softmax(name="shares")(layers.DepthwiseConv2D(1, depthwise_initializer="ones", name="sharpen")(logits))
    palette = layers.Conv2D(2, 1, use_bias=False, name="palette")(softmax)
    palette = layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="ones", name="gain")(palette)
    strides = strides_of(network)
    if strides[0] == strides[1]:
        answers = enlarged(layers.Concatenate(name="answers")([ab, palette]), strides[0], "")
        return Model(lightness, layers.Concatenate(name="scaled_answers")([lightness, answers]), name="colorizer")
    answers = [enlarged(ab, strides[0], "_ab"), enlarged(palette, strides[1], "_palette")]
    return Model(lightness, layers.Concatenate(name="scaled_answers")([lightness, *answers]), name="colorizer")


def _mean_of_mirrored(both):
    """Of [2B, H, W, C], the first B of pictures and the others of their mirror images."""
    pictures, mirrored = ops.split(both, 2, axis=0)
    return layers.Average()([pictures, ops.flip(mirrored, axis=2)])


def enlarged(x, stride, name):
    """Smoothly: nearest, and box filters, as no resizing of Keras takes unknown sizes."""
    if stride == 1:
        return x
    x = layers.UpSampling2D(stride, name=f"enlarge{name}")(x)
    for number in range(1, 3 if stride > 2 else 2):
        x = layers.AveragePooling2D(3, strides=1, padding="same", name=f"smooth{name}{number}")(x)
    return x


def in_dtype(network, dtype="float32"):
    """A copy of a Keras network, without what it was compiled with, that computes in `dtype` whatever it was trained in.

    In bfloat16 its answers are up to six units of a*, b* off, and other on each kind of processor. Batch norms stay in float32: their
    variances may be more than float16 can hold.
    """

    def clone(layer):
        own = "float32" if isinstance(layer, layers.BatchNormalization) else dtype
        of_a_layer = {"dtype": own} if isinstance(layer, layers.Layer) else {}  # ops have none
        return layer.__class__.from_config({**layer.get_config(), **of_a_layer})

    bare = Model(network.input, network.output, name=network.name)
    copy = models.clone_model(bare, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


def _he(seeds):
    return initializers.HeNormal(seed=next(seeds))  # He et al. 2015; a seed for each layer, or equal shapes would start equal
