"""The judge that ships: whole, and able to tell pictures apart."""

import numpy as np

from colorizer import classifier


def test_it_ships_and_answers(rng):
    judge = classifier.load()
    rgb = rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    features, named = judge(rgb)
    assert features.shape == (3, 64) and features.dtype == "float32" and (features >= 0).all()
    assert set(named) <= set(classifier.CLASSES)
    np.testing.assert_allclose(judge(rgb[1:2])[0], features[1:2], rtol=1e-4, atol=1e-4)  # each picture on its own


def test_it_has_learned():
    """An empty blue sky is an airplane's, and a flat picture of grass no ship's."""
    sky = np.zeros((1, 32, 32, 3), "uint8") + np.array([120, 170, 230], "uint8")
    assert classifier.load()(sky)[1][0] in ("airplane", "bird", "ship")
    grass = np.zeros((1, 32, 32, 3), "uint8") + np.array([70, 110, 40], "uint8")
    assert classifier.load()(grass)[1][0] not in ("airplane", "ship", "automobile", "truck")


def test_without_weights_there_is_none(tmp_path):
    assert classifier.load(tmp_path / "absent.keras") is None
