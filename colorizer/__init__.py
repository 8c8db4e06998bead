"""Automatic image colorization with generative adversarial networks.

A picture flows one way; a module imports only from the ones above it.

    config       what a run depends on; the recipes
    color        sRGB <-> L*a*b*, scaling, gamut mapping
    rendering    the render size; the picture's own lightness put back; vividness
    images       files <-> 8-bit arrays, whole-or-nothing writes
    metadata     what a file carries besides its picture
    photos       files as archives keep them: 16 bits, ICC, alpha, pages, metadata
    aging        pictures as old photographs show them
    dataset      data sets -> batches of scaled Lab; whole pictures to judge
    networks     generator, discriminator; the networks with two answers
    pretrained   ImageNet features, read from the files that others published
    losses       the costs
    optimizers   Muon for convolutions
    metrics      figures of merit, one value an image; the median colour
    inference    a saved model as a callable; a picture of any size through it
    realism      features that judge how real coloured pictures look
    classifier   a small CIFAR-10 classifier that judges coloured pictures
    evaluation   models on the same pictures: figures, intervals, report.json
    report       report.html
    gan          ColorizationGAN(keras.Model)
    dial         DialColorizer(keras.Model): an accurate answer, a vivid one, and the dial between them
    training     a run folder, from the first step to the table
    serving      the SavedModel's signatures
    ondevice     the .tflite files
    export       both, compared with the network before they are written
    commands     the command line

`colorizer.colorize(model, picture)` colours an array or a Pillow image; `colorizer.load(model)` gives what stands for the model, read once.
"""

__version__ = "0.1.0"


def __getattr__(name):
    if name not in ("colorize", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from colorizer import inference  # heavy: when first used

    return getattr(inference, name)


class ColorizerError(Exception):
    """What a person did or has that stops the program; the message says what to do.

    Each program's main prints it as one line and exits with code 1.
    """
