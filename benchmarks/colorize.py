"""How long does a photograph take, where does the time go, and how much memory?

    python benchmarks/colorize.py --model=runs/folder-gan --megapixels=1 --megapixels=24 --megapixels=100

    python benchmarks/colorize.py --model=photo --photos=250 --photos=1000                    whole folders by the program
    python benchmarks/colorize.py --model=photo --photos=40 --megapixels=12

A photograph of scikit-image, enlarged and grained, as a JPEG file of each size is coloured to a JPEG file, each size in a process
of its own (for the memory at its peak). Prints the seconds of decoding, network, the rest, encoding, and the ratio of all to decoding and
encoding alone, which any program needs. With --photos: the seconds and the peak memory of `colorize.py` over folders of that many
photographs, of 0.19 megapixels unless said, in batches of 1 and of 8.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from inference import peak_megabytes
from PIL import Image
from skimage import data


def photograph(megapixels):
    """uint8 [H, W, 3], 3 : 2, with grain, so that a JPEG file of it is as large as one from a camera."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    enlarged = np.asarray(Image.fromarray(data.astronaut()).resize((round(1.5 * height), height), Image.Resampling.BICUBIC))
    grain = np.random.default_rng(0).normal(0, 3, (height, 1)).astype("float32")
    noise = np.random.default_rng(1).integers(-6, 7, (256, round(1.5 * height), 1), dtype="int16")
    tiled = np.concatenate([noise] * (height // 256 + 1))[:height]
    return np.clip(enlarged + tiled + np.round(grain[..., None]).astype("int16"), 0, 255).astype("uint8")


def measure(model, source, folder, repeats):
    """Seconds of each part, the best of some; peak memory in GiB. In this process."""
    from colorizer import inference, photos

    colorizer = inference.load(model)
    best = {}

    def timed(name, run):
        began = time.perf_counter()
        result = run()
        best[name] = min(best.get(name, 1e9), time.perf_counter() - began)
        return result

    def predict_lab(lightness, vividness):
        return timed("network", lambda: colorizer.predict_lab(lightness, vividness))

    watched = inference.Colorizer(predict_lab, colorizer.traits)
    for _ in range(repeats):
        photo = timed("decode", lambda: photos.read(source))
        frames = timed("colour", lambda photo=photo: inference.colorized_rgb(watched, photo.frames))
        photo.frames[:] = frames
        timed("encode", lambda photo=photo: photos.write(pathlib.Path(folder) / "out.jpg", photo, label={"weights": "0"}))
    return {**best, "gib": peak_megabytes() / 2**10}


def whole_folder(model, count, batch_size, megapixels):
    """(seconds, peak GiB) of colorize.py over a folder of photographs, start included."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "in"
        source.mkdir()
        one = photograph(megapixels)
        for number in range(count):
            Image.fromarray(np.roll(one, number, axis=1)).save(source / f"{number:04d}.jpg", quality=92)
        program = pathlib.Path(__file__).parents[1] / "colorize.py"
        command = [sys.executable, str(program), str(source), f"--output={folder}/out", f"--model={model}", f"--batch_size={batch_size}"]
        timed = (
            "import resource, subprocess, sys, time; began = time.monotonic();"
            "subprocess.run(sys.argv[1:], check=True, capture_output=True);"
            "print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20)"
        )
        found = subprocess.run([sys.executable, "-c", timed, *command], capture_output=True, text=True, check=True).stdout.split()
        return float(found[0]), float(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a run folder, .keras or .tflite file")
    parser.add_argument("--megapixels", type=float, action="append", help="of a photograph; repeatable; unset: 1, 24, 100")
    parser.add_argument("--photos", type=int, action="append", help="whole folders of that many photographs instead; repeatable")
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.model, arguments.measure, pathlib.Path(arguments.measure).parent, arguments.repeats)))
        return
    if arguments.photos:
        print(f"{'MP':>6}{'photos':>8}{'batch':>7}{'seconds':>9}{'a second':>10}{'GiB':>7}")
        for megapixels, count, batch_size in itertools.product(arguments.megapixels or [0.19], arguments.photos, (1, 8)):
            seconds, gib = whole_folder(arguments.model, count, batch_size, megapixels)
            print(f"{megapixels:6g}{count:8,}{batch_size:7}{seconds:9.1f}{count / seconds:10.2f}{gib:7.2f}", flush=True)
        return
    print(f"{'MP':>6}{'decode':>9}{'network':>9}{'rest':>9}{'encode':>9}{'all':>9}{'MP/s':>8}{'x codec':>9}{'GiB':>7}")
    for megapixels in arguments.megapixels or [1, 24, 100]:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "in.jpg"
            Image.fromarray(photograph(megapixels)).save(source, quality=92)
            command = [sys.executable, __file__, f"--model={arguments.model}", f"--measure={source}", f"--repeats={arguments.repeats}"]
            best = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        whole = best["decode"] + best["colour"] + best["encode"]
        codec = best["decode"] + best["encode"]
        print(
            f"{megapixels:6g}{best['decode']:9.2f}{best['network']:9.2f}{best['colour'] - best['network']:9.2f}{best['encode']:9.2f}"
            f"{whole:9.2f}{megapixels / whole:8.1f}{whole / codec:9.1f}{best['gib']:7.2f}"
        )


if __name__ == "__main__":
    main()
