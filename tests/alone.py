"""What requirements/colorize.txt promises, run by the Python of an environment that has nothing else: `make alone`."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
import time

import numpy as np
from PIL import Image

from colorizer import color, inference

SITE = sysconfig.get_path("purelib")
EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "examples", "tflite_colorize.py")


def megabytes(folder):
    return sum(entry.stat().st_size if entry.is_file() else megabytes(entry) * 1e6 for entry in os.scandir(folder)) / 1e6


def chroma(path):
    lab = color.lab_from_rgb(np.asarray(Image.open(path).convert("RGB")))
    return np.hypot(lab[..., 1], lab[..., 2]).mean()


def main():
    for name in ("tensorflow", "keras", "skimage", "scipy"):
        assert importlib.util.find_spec(name) is None, f"{name} is installed here"
    assert os.path.dirname(inference.__file__).startswith(SITE), "the program is not installed"
    # pip and setuptools come with any environment
    ours = [entry for entry in os.scandir(SITE) if entry.is_dir() and not entry.name.startswith(("pip", "setuptools", "pkg_"))]
    size = sum(map(megabytes, ours))
    assert size < 200, f"{size:.0f} MB"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        down, across = np.mgrid[:1000, :1000] / 1000
        Image.fromarray(np.uint8(np.where(down < 0.5, 180 + 40 * down, 60 + 80 * across))).save("grey.jpg")
        began = time.perf_counter()
        subprocess.run([os.path.join(os.path.dirname(sys.executable), "colorize"), "grey.jpg"], check=True)
        seconds = time.perf_counter() - began
        weights = str(inference.WEIGHTS / "photo.tflite")
        subprocess.run([sys.executable, EXAMPLE, weights, "grey.jpg", "by-example.png"], check=True)
        for path in ("grey-color.jpg", "by-example.png"):
            assert chroma(path) > 1, path
    print(f"without TensorFlow: {size:.0f} MB installed; one megapixel coloured in {seconds:.2f} s, process start included")


if __name__ == "__main__":
    main()
