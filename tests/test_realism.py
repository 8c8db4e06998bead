"""The judge of realism: it knows things, and misses their colours."""

import numpy as np
import pytest
from skimage import data as photographs

from colorizer import evaluation, images, realism


@pytest.fixture(scope="module")
def judge():
    return realism.load()


def test_features_are_those_of_a_network_that_knows_things(judge):
    """Two parts of one photograph are nearer to each other than to another photograph."""
    cat, cup = photographs.chelsea(), photographs.coffee()
    one, same, other = judge(np.stack([cat[:260, :300], cat[40:300, 100:400], cup[:260, :300]]))
    assert one.shape == (1280,)
    assert np.linalg.norm(one - same) < 0.8 * np.linalg.norm(one - other)


def test_the_figure_is_a_thousand_times_the_kernel_distance_of_the_first_pictures(monkeypatch, rng):
    """By a judge of three numbers, from the definition: unbiased, a picture never beside its own prediction."""
    monkeypatch.setattr(evaluation, "KID_PICTURES", 4)
    examples = [images.Example(str(n), None, rng.integers(0, 256, (16, 16, 3), dtype="uint8")) for n in range(6)]
    seen = []

    def judge(rgb):
        features = rgb.mean(axis=(1, 2)).astype("float32") / 100
        seen.append(features)
        return features

    _, grey = evaluation.evaluate(evaluation.trivial(), examples, realism=judge).figures()
    truth, predicted = (np.concatenate(parts)[:4].astype("float64") for parts in (seen[0::2], seen[1::2]))

    def mean_of_others(one, other):
        return np.mean([(one[i] @ other[j] / one.shape[1] + 1) ** 3 for i in range(4) for j in range(4) if i != j])

    wanted = mean_of_others(truth, truth) + mean_of_others(predicted, predicted) - 2 * mean_of_others(truth, predicted)
    assert grey["kid_lite2"] == pytest.approx(1000 * wanted, rel=1e-3)


def test_false_colours_are_further_from_the_truth_than_grey_and_truth_than_nothing(judge):
    pictures = [photographs.astronaut(), photographs.coffee(), photographs.chelsea(), photographs.rocket()]
    examples = [
        images.Example(f"{n}{i}", None, np.ascontiguousarray(rgb[i * 60 : i * 60 + 120, :200]))
        for n, rgb in enumerate(pictures)
        for i in range(3)
    ]
    green = evaluation.Predictor("green", evaluation.constant([-60, 50]))
    judged = evaluation.evaluate([*evaluation.trivial(), green], examples, realism=judge)
    truth, grey, green = (row["kid_lite2"] for row in judged.figures())
    assert truth == pytest.approx(0, abs=1e-6) and 0 < grey < green
