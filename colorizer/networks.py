"""The paper's networks (3.1, 3.2, Fig. 2), as functional Keras models. Nothing here but Keras.

Both are fully convolutional: height and width are unknown until they run, and must be multiples of `stride_of(widths)`.
Inputs and outputs are scaled: lightness [B, H, W, 1] and Lab [B, H, W, 3] in -1..1 (color.scale).
"""

from keras import Input, Model, initializers, layers


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


def _he(seeds):
    return initializers.HeNormal(seed=next(seeds))  # He et al. 2015; a seed for each layer, or equal shapes would start equal
