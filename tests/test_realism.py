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
