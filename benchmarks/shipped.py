"""What the weights that ship take on a device, and behind a server.

    python benchmarks/shipped.py                photo
    python benchmarks/shipped.py cifar10

Device: the .tflite file's predict_lab, one picture of H x W, median milliseconds, and the memory of a process that does nothing else, in
which LiteRT and numpy alone take the first line's. Server: a SavedModel in a session, as TensorFlow Serving runs it, one picture a
request; wall and processor seconds, medians, beside what decoding and encoding it with Pillow takes. Nothing is kept.
"""

import io
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

SHAPES = ((192, 192), (192, 256), (192, 1536))
RUNS = 9
TOP = pathlib.Path(__file__).resolve().parent.parent


def main(name="photo"):
    print("| predict_lab, H x W | ms, 1 thread | ms, 2 threads | process, MB |\n|---|---|---|---|")
    for shape in ((0, 0), *SHAPES):
        found = [_output(__file__, "--device", name, *map(str, shape), threads).split() for threads in ("1", "2")]
        print(f"| {'x'.join(map(str, shape)) if shape[0] else 'none'} | {found[0][0]} | {found[1][0]} | {found[0][1]} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        _output(TOP / "export.py", f"--model={name}", f"--output={folder}", "--format=savedmodel", "--noverify")
        serve(f"{folder}/colorizer/1")


def _output(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout


def device(name, height, width, threads):
    from inference import peak_megabytes

    from colorizer import inference

    run = inference.interpreter(inference.WEIGHTS / f"{name}.tflite", int(threads)).get_signature_runner("predict_lab")
    milliseconds = ""
    if int(height):
        lightness = np.random.default_rng(0).uniform(0, 100, (1, int(height), int(width), 1)).astype("float32")
        milliseconds = f"{1000 * median(lambda: run(lightness=lightness, vividness=np.float32(0.5)))[0]:.0f}"
    print(milliseconds or "-", f"{peak_megabytes():.0f}")


def serve(folder):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from PIL import Image
    from skimage import data

    print("\n| one picture a request | wall, s | processor, s | Pillow's codec, wall, s |\n|---|---|---|---|")
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def

        def request(signature, given):
            (into,), (out,) = (list(tensors.values()) for tensors in (signatures[signature].inputs, signatures[signature].outputs))
            return session.run(out.name, {into.name: given})

        for height, width in ((32, 32), (256, 256), (1000, 1000)):
            rgb = np.asarray(Image.fromarray(data.astronaut()).resize((width, height)))
            file = io.BytesIO()
            Image.fromarray(rgb).save(file, "JPEG")
            jpeg = file.getvalue()
            beside = median(lambda jpeg=jpeg: Image.open(io.BytesIO(jpeg)).convert("RGB").save(io.BytesIO(), "PNG"))[0]
            for signature, given in (("colorize_bytes", [jpeg]), ("colorize", rgb[None])):
                wall, processor = median(lambda signature=signature, given=given: request(signature, given))
                print(f"| {signature}, {height}x{width} | {wall:.3f} | {processor:.3f} | {beside:.3f} |", flush=True)


def median(work):
    """(wall, processor) seconds."""
    found = []
    for _ in range(RUNS + 2):  # two to warm up
        began = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return [statistics.median(seconds) for seconds in zip(*found[2:])]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--device"]:
        device(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
