"""The table: rows, means over images, the trivial predictors."""

import numpy as np
import pytest
from skimage import data as photographs

from colorizer import color, evaluation, rendering


@pytest.fixture
def lab():
    rgb = np.stack([photographs.chelsea()[i : i + 32, i : i + 32] for i in range(0, 200, 40)])
    return color.lab_from_rgb(rgb)


def batches(lab, sizes):
    parts = np.split(color.scale(lab), np.cumsum(sizes)[:-1])
    return [(part[..., :1], part) for part in parts]


def by_row(rows):
    return {(row["name"], row["lightness"]): row for row in rows}


def test_the_truth_is_perfect_and_grey_is_not(lab):
    rows = by_row(evaluation.evaluate({"grey": evaluation.constant([0, 0])}, batches(lab, [5])))
    assert rows["truth", "kept"]["acc_2"] == 100 and rows["truth", "kept"]["mae_rgb_percent"] == 0
    grey = rows["grey", "kept"]
    np.testing.assert_allclose(grey["mae_lab"], np.abs(lab[..., 1:]).sum(-1).mean() / 3, rtol=1e-5)
    assert grey["colorfulness"] < 1 < rows["truth", "kept"]["colorfulness"]


def test_figures_do_not_depend_on_the_batches(lab):
    predictors = {"median": evaluation.constant([3, 10])}
    whole, uneven = (by_row(evaluation.evaluate(predictors, batches(lab, sizes))) for sizes in ([5], [3, 1, 1]))
    for row, figures in whole.items():
        for metric in evaluation.COLUMNS:
            assert figures[metric] == pytest.approx(uneven[row][metric], rel=1e-5)


def test_a_network_that_predicts_lightness_is_judged_both_ways(lab):
    def wrong_lightness(lightness):
        return evaluation.constant([0, 0])(lightness + 5)

    rows = by_row(evaluation.evaluate({"net": wrong_lightness, "grey": evaluation.constant([0, 0])}, batches(lab, [5])))
    assert rows["net", "kept"]["mae_lab"] == pytest.approx(rows["grey", "kept"]["mae_lab"])
    assert rows["net", "predicted"]["mae_lab"] == pytest.approx(rows["grey", "kept"]["mae_lab"] + 5 / 3, rel=1e-4)
    assert ("grey", "predicted") not in rows


def test_rgb_error_is_in_percent_of_the_8_bit_range():
    lab = color.lab_from_rgb(np.array([[[[0, 0, 0], [255, 255, 255]]]], "uint8"))
    swapped = lab[:, :, ::-1]
    np.testing.assert_allclose(evaluation.figures(lab, swapped)["mae_rgb_percent"], [100])


def test_own_lightness_is_put_back_untouched(rng):
    lab, lightness = rng.normal(size=(4, 4, 3)), rng.normal(size=(4, 4, 1))
    kept = rendering.with_lightness(lab, lightness)
    np.testing.assert_array_equal(kept[..., :1], lightness)
    np.testing.assert_array_equal(kept[..., 1:], lab[..., 1:])


def test_the_table_is_aligned_and_leaves_unknown_figures_blank(lab):
    rows = evaluation.evaluate({"grey": evaluation.constant([0, 0])}, batches(lab, [5])) + evaluation.PAPER["cifar10"]
    lines = evaluation.table(rows).splitlines()
    assert len(lines) == len(rows) + 1
    ends = {line.index(" 100.00") for line in lines if " 100.00" in line}
    assert len(ends) == 1 and "nan" not in evaluation.table(rows)
