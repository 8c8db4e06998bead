"""Make the weights that ship from a run of two answers: release/NAME.keras, colorizer/weights/NAME.tflite, and their checksums.

    python release/publish.py --run=runs/folder-lite0/last.keras --name=photo --vividness=0.4

From a .keras file of the run, or its best.keras. R's gain and B's temperature, prior and gain are fitted anew, on the run's validation
pictures at the render size, with the statistics of batch norms from pictures as in training.
"""

import dataclasses
import hashlib
import pathlib
import sys

import keras
import numpy as np
from absl import app, flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from colorizer import config, dataset, images, inference, networks, ondevice, training

STATISTICS_PIXELS = 2**25  # eight times those after an epoch: of 256 crops of 128 px they are noisy

flags.DEFINE_string("run", None, "The run's folder, or a .keras file in it.", required=True)
flags.DEFINE_string("name", None, "The model's name.", required=True)
flags.DEFINE_float("vividness", None, "Its default. Unset: the recipe's.")
flags.DEFINE_integer("pictures", 256, "Validation pictures to fit the readout on.")


def main(_):
    FLAGS = flags.FLAGS
    settings = inference.trained_on(FLAGS.run)
    if settings is None or settings.model not in config.TWO_ANSWERS:
        raise SystemExit(f"{FLAGS.run}: no run of a network with two answers")
    settings = dataclasses.replace(settings, init=FLAGS.run, averaging=0.0)  # the file has the averages
    data = dataset.load(settings)
    model = training.build_model(settings)
    training.begin(model, settings, data)
    size = settings.render_size or settings.image_size
    judged = dataclasses.replace(settings, image_size=size, eval_examples=FLAGS.pictures, train_examples=1, repeats="", leave_out="")
    labs = np.concatenate(list(training.lab_batches(dataset.load(judged).validation, 16, 2**40)))
    print(model.refresh(labs, training.lightness_seen(settings, data, STATISTICS_PIXELS)))
    traits = training.traits_of(settings)
    if FLAGS.vividness is not None:
        traits = dataclasses.replace(traits, vividness=FLAGS.vividness)
    release = inference.RELEASE / f"{FLAGS.name}.keras"
    inference.save(release, model.generator, traits, dtype="float16")
    # from the float16 weights, so that both files are the same model
    network = networks.in_dtype(keras.models.load_model(release, compile=False))
    shipped = inference.WEIGHTS / f"{FLAGS.name}.tflite"
    with images.replacing(shipped) as aside:
        aside.write_bytes(ondevice.convert(network, traits, "float16"))
    sums = inference.WEIGHTS / "SHA256SUMS"
    kept = [
        line for line in (sums.read_text().splitlines() if sums.exists() else []) if line.split()[1] not in (release.name, shipped.name)
    ]
    new = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in (release, shipped)]
    images.write_text(sums, "\n".join(sorted(kept + new, key=lambda line: line.split()[1])) + "\n")
    for path in (release, shipped):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    app.run(main)
