"""Draws docs/failures.jpg: photographs that the weights `photo` get wrong, each the truth, then coloured at vividness 0, 0.4, 1.

    python docs/failures.py

Of the photographs that scikit-image installs: Eileen Collins (NASA, public domain), a coffee cup (Rachel Michetti, CC0), the cat
Chelsea (Stefan van der Walt, CC0).
"""

import pathlib

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from colorizer import inference

HEIGHT = 240


def main():
    colorizer = inference.load("photo")
    rows = []
    for rgb in (data.astronaut()[:400, :400], data.coffee()[:, 100:500], data.chelsea()[:, 75:375]):
        pictures = [rgb, *(inference.colorized_rgb(colorizer, [rgb], vividness)[0] for vividness in (0, 0.4, 1))]
        rows.append(np.concatenate([np.asarray(Image.fromarray(picture).resize((HEIGHT, HEIGHT))) for picture in pictures], axis=1))
    head = Image.new("RGB", (4 * HEIGHT, 28), "white")
    for column, title in enumerate(("truth", "vividness 0", "0.4, the default", "1")):
        ImageDraw.Draw(head).text(((column + 0.5) * HEIGHT, 14), title, fill="black", anchor="mm", font_size=17)
    Image.fromarray(np.concatenate([np.asarray(head), *rows])).save(
        pathlib.Path(__file__).with_name("failures.jpg"), quality=88, subsampling=0
    )


if __name__ == "__main__":
    main()
