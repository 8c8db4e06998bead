"""A judge of realism beyond the statistics of colour: do coloured pictures look, to a network that knows things, as true ones do?

For evaluation only: nothing is trained against it.
"""

import numpy as np

from colorizer import images, inference, networks, pretrained

SIDE = 260  # pixels, of the pictures that EfficientNet-Lite2 was trained on


def load():
    """uint8 sRGB [B, H, W, 3] -> features float32 [B, 1280]. Raises ColorizerError where the weights are not installed."""
    network = networks.build_lite2_features()
    for name, weights in pretrained.lite2_weights().items():
        network.get_layer(name).set_weights(weights)
    judge = inference.compiled(network)

    def features(rgb):
        seen = np.stack([images.resized(picture.astype("float32"), SIDE, SIDE) for picture in rgb])
        return np.concatenate([np.asarray(judge(seen[i : i + 16])) for i in range(0, len(seen), 16)])

    return features
