"""How well do a*b* come back from the render size? True colours, reduced and brought back by each way.

    python benchmarks/upsampling.py --data_dir=FOLDER --render_size=128 --render_size=256

Prints the mean CIEDE2000 to the picture itself (its L* kept, delivered in 8 bit), what share of bicubic's that is, and on how many
pictures each way beats bicubic. Without --data_dir: the photographs of scikit-image. --epsilon compares settings of the guided form.
"""

import argparse
import importlib.util
import pathlib

import numpy as np

from colorizer import color, images, rendering


def back(way, lab, shape, epsilon):
    """a*b* of [H, W, 3] reduced to `shape` and brought back to [H, W, 2]."""
    height, width = lab.shape[:2]
    reduced = images.resized(lab, *shape)
    ab = reduced[..., 1:]
    if way == "nearest":
        return ab[np.arange(height) * shape[0] // height][:, np.arange(width) * shape[1] // width]
    if way == "bicubic":
        return images.resized(ab, height, width, bicubic=True)
    rendering.GUIDED_EPSILON = epsilon
    terms = rendering.guided_terms(reduced[None, ..., :1], ab[None])[0]
    return rendering.guided_ab(images.resized(terms, height, width, bicubic=True), lab[..., :1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="a folder of pictures")
    parser.add_argument("--render_size", type=int, action="append", help="short side of the reduced picture, pixels; repeatable")
    parser.add_argument("--epsilon", type=float, action="append", help="of the guided form, L* units squared; repeatable")
    parser.add_argument("--limit", type=int, default=50, help="the first N pictures")
    arguments = parser.parse_args()
    if arguments.data_dir:
        files = images.find(pathlib.Path(arguments.data_dir))[: arguments.limit]
    else:
        folder = pathlib.Path(importlib.util.find_spec("skimage").submodule_search_locations[0]) / "data"
        files = [folder / name for name in ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")]
    ways = [("nearest", None), ("bicubic", None), *(("guided", epsilon) for epsilon in arguments.epsilon or [rendering.GUIDED_EPSILON])]
    print(f"{len(files)} pictures\n{'render size':>12}  {'':14}{'CIEDE2000':>10}{'x bicubic':>11}{'better on':>11}")
    for size in arguments.render_size or [128, 256]:
        scores = {way: [] for way in ways}
        for file in files:
            lab = color.lab_from_rgb(images.read_rgb(file))
            shape = rendering.render_shape(*lab.shape[:2], size, 16)
            for way in ways:
                given = np.concatenate([lab[..., :1], back(way[0], lab, shape, way[1])], axis=-1)
                scores[way].append(color.ciede2000(lab, color.lab_from_rgb(color.rgb_from_lab(given))).mean())
        bicubic = np.array(scores["bicubic", None])
        for (name, epsilon), its in scores.items():
            name += f" {epsilon:g}" if epsilon else ""
            better = f"{np.sum(np.array(its) < bicubic)} / {len(its)}"
            print(f"{size:12}  {name:14}{np.mean(its):10.3f}{np.mean(its) / bicubic.mean():11.3f}{better:>11}")


if __name__ == "__main__":
    main()
