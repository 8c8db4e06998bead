"""One process for all tests: importing TensorFlow takes longer than most of them."""

import importlib.util
import os
import signal
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs do

import numpy as np
import pytest
from PIL import Image

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start jobs in the background deaf to it

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def every_kind_of_rgb(rng):
    """uint8 [N, 3]: random colours, all greys, all corners of the cube."""
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T
    return np.concatenate([rng.integers(0, 256, (20_000, 3)), greys, corners]).astype("uint8")


@pytest.fixture
def folder_of(tmp_path, rng):
    """Makes a folder of random colour pictures: folder_of({"a.png": (height, width), ...})."""

    def make(sizes, name="photos"):
        for file, (height, width) in sizes.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype="uint8")).save(path)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def two_heads():
    """two_heads(bins): a network like networks.build_lite0's, as small as can be."""
    import keras

    def build(bins):
        lightness = keras.Input((None, None, 1), name="lightness")
        x = keras.layers.Conv2D(16, 4, strides=4, padding="same", activation="tanh", name="stem")(lightness)
        x = keras.layers.Conv2D(16, 1, activation="tanh", name="decode")(x)
        heads = [keras.layers.Conv2D(count, 1, dtype="float32", name=name)(x) for count, name in ((2, "ab"), (bins, "logits"))]
        outputs = [
            keras.layers.Activation("linear", dtype="float32", name=f"{name}_out")(head) for name, head in zip(("ab", "logits"), heads)
        ]
        return keras.Model(lightness, outputs)

    return build


def module_of(path):
    """A script of the project, such as docs/results.py, as a module."""
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], os.path.join(TOP, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(*arguments, script="train.py"):
    """The command line of `python train.py ...` from the checkout."""
    return [sys.executable, os.path.join(TOP, script), *arguments]


def run_program(*arguments, script="train.py", **kwargs):
    """Runs train.py, or another program, as a person does."""
    return subprocess.run(program(*arguments, script=script), capture_output=True, text=True, timeout=240, **kwargs)


def newest(workdir):
    """The newest checkpoint of a run."""
    return max((workdir / "checkpoints").glob("epoch-*.npz"))


def arrays_of(checkpoint):
    """{name: array} of a checkpoint's variables."""
    with np.load(checkpoint) as saved:
        return {name: saved[name] for name in saved.files if name != "progress"}


def assert_same_run(workdir, other):
    """Weights, moments, statistics and seeds bit for bit; the sums behind the figures, and the figures, to float32's rounding.

    TensorFlow's graph rewriting may add up a reported cost in another order in another process; no weight depends on it.
    """
    ours, theirs = arrays_of(newest(workdir)), arrays_of(newest(other))
    assert ours.keys() == theirs.keys()
    sums = {name for name in ours if ours[name].ndim == 0 and ours[name].dtype.kind == "f"}
    assert len(sums) < 20
    assert not [name for name in ours if name not in sums and not np.array_equal(ours[name], theirs[name])]
    np.testing.assert_allclose([ours[name] for name in sums], [theirs[name] for name in sums], rtol=1e-6)
    histories = [np.genfromtxt(run / "history.csv", delimiter=",", names=True) for run in (workdir, other)]
    assert histories[0].dtype.names == histories[1].dtype.names
    for name in histories[0].dtype.names:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-6)
