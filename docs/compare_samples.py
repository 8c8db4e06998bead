"""One picture from the newest sample grids of several runs on the same data: a row each of grey, truth and every prediction.

python docs/compare_samples.py docs/cifar10.png runs/cifar10-unet runs/cifar10-gan
"""

import pathlib
import sys

import numpy as np
from PIL import Image


def main(output, *runs):
    grids = [np.array(Image.open(max(pathlib.Path(run, "samples").glob("*.png")))) for run in runs]
    # a grid's columns are grey, truth, prediction; its rows the images, square
    columns = [*np.split(grids[0], 3, axis=1)[:2], *(np.split(grid, 3, axis=1)[2] for grid in grids)]
    side = columns[0].shape[1]
    rows = [np.concatenate(np.split(column, column.shape[0] // side), axis=1) for column in columns]
    Image.fromarray(np.concatenate(rows)).save(output, optimize=True)


main(*sys.argv[1:])
