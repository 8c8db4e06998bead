"""What an app does with a .tflite file, in one page: a photograph of any size in colour, without TensorFlow.

    python examples/tflite_colorize.py exported/colorizer-float16.tflite photo.jpg photo-color.png

For pictures in sRGB: a profile of another kind must be applied before. The network sees a small picture; its a* and b* are enlarged
along the edges of the photograph's own lightness, which stays as it is.
colorizer.colorize(model, photograph) does all of this, profiles too; here its steps are apart, for those who write them in another
language.
"""

import sys

import numpy as np

from colorizer import color, images, inference, rendering


def main(model, source, target):
    interpreter = inference.interpreter(model)  # LiteRT's
    predict_lab = interpreter.get_signature_runner("predict_lab")
    traits = inference.check(model)  # render size, stride, default vividness: `unzip -p MODEL colorizer.json`

    rgb = images.read_rgb(source)  # uint8 sRGB [H, W, 3]
    height, width = rgb.shape[:2]
    lightness = color.lightness_from_rgb(rgb)  # L*, 0..100 [H, W, 1]

    seen = images.resized(lightness, *traits.shape_for(height, width))  # as small as what the network was trained on
    lab = predict_lab(lightness=seen[None], vividness=np.float32(traits.vividness))["lab"]

    terms = rendering.guided_terms(seen[None], lab[..., 1:])[0]
    ab = rendering.guided_ab(images.resized(terms, height, width, bicubic=True), lightness)
    coloured = color.rgb_from_lab(np.concatenate([lightness, ab], axis=-1))
    images.write_png(target, coloured)


if __name__ == "__main__":
    main(*sys.argv[1:])
