"""Draws docs/cifar10.png: the first test images of CIFAR-10, chosen by nobody, as the weights that ship and trained runs colour them.

    python docs/thumbnails.py --data_dir=TFDS runs/cifar10-unet runs/cifar10-gan

A row each for grey, the truth, `cifar10` at three values of its dial, and the runs at their default. The pictures' own L* is kept.
"""

import argparse
import itertools
import pathlib

import numpy as np
from PIL import Image, ImageDraw

from colorizer import color, config, dataset, inference

COUNT, SIDE, LEFT = 12, 96, 150
TITLES = {"cifar10-unet": "the paper's U-Net", "cifar10-gan": "the paper's GAN"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=pathlib.Path)
    parser.add_argument("--data_dir", default="", help="the TFDS folder")
    arguments = parser.parse_args()
    settings = config.resolve("paper", "cifar10", None, {"data_dir": arguments.data_dir})
    truth = np.stack([example.rgb for example in itertools.islice(dataset.pictures(settings).read(), COUNT)])
    lightness = color.lab_from_rgb(truth)[..., :1]

    def coloured(model, vividness=None):
        return inference.colorized_rgb(inference.load(model), list(truth), vividness)

    rows = {
        "grey": color.rgb_from_lab(lightness * [1, 0, 0]),
        "the truth": truth,
        **{f"cifar10, v = {vividness:g}": coloured("cifar10", vividness) for vividness in (0, 0.5, 1)},
        **{TITLES.get(run.name, run.name): coloured(run) for run in arguments.runs},
    }
    sheet = Image.new("RGB", (LEFT + COUNT * SIDE, len(rows) * SIDE), "white")
    for row, (title, pictures) in enumerate(rows.items()):
        ImageDraw.Draw(sheet).text((8, (row + 0.5) * SIDE), title, fill="black", anchor="lm", font_size=15)
        for column, rgb in enumerate(pictures):
            sheet.paste(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.NEAREST), (LEFT + column * SIDE, row * SIDE))
    sheet.save(pathlib.Path(__file__).with_name("cifar10.png"), optimize=True)


if __name__ == "__main__":
    main()
