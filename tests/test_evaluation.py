"""The table: every figure against scikit-image and numpy, picture by picture; intervals; batches, order, sizes."""

import csv
import io

import numpy as np
import pytest
from conftest import run_program
from PIL import Image
from skimage import color as skimage_color
from skimage import data as photographs
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer import ColorizerError, color, evaluation, images, rendering

GREY = evaluation.Predictor("grey", evaluation.constant([0, 0]))


def sepia(lightness):
    """Too vivid for sRGB in places, and with a lightness of its own."""
    lab = evaluation.constant([20, 60])(np.clip(lightness * 0.9 + 7, 0, 100))
    lab[..., 2] += (lightness[..., 0] - 50) / 2
    return lab


SEPIA = evaluation.Predictor("sepia", sepia, 0.0, own_lightness=True)


@pytest.fixture
def examples(rng):
    """Of different sizes: photographs, black, white, grey, a single pixel, noise."""
    cat, rocket = photographs.chelsea(), photographs.rocket()
    grey = np.repeat(rng.integers(0, 256, (16, 16, 1), dtype="uint8"), 3, axis=2)
    pictures = [cat[i : i + 32, i : i + 32] for i in range(0, 160, 40)] + [rocket[:40, 100:125], rocket[200:240, :25]]
    pictures += [np.zeros((16, 16, 3), "uint8"), np.full((16, 16, 3), 255, "uint8"), grey, cat[150:151, 200:201]]
    pictures += [rng.integers(0, 256, (12, 50, 3), dtype="uint8")]
    return [images.Example(f"{number:03d}", "even" if number % 2 == 0 else "odd", rgb) for number, rgb in enumerate(pictures)]


def by_title(judged):
    return {row.title: figures for row, figures in zip(judged.rows, judged.figures())}


def referee(pictures):
    """The figures of METRICS, in float64, from [(true rgb, predicted float Lab)]; colours as delivered by our gamut mapping."""
    every, mse, true_ab, ab, closeness = [], [], [], [], []
    for rgb, lab in pictures:
        truth = skimage_color.rgb2lab(rgb)
        delivered = color.rgb_from_lab(lab.astype("float32"))
        delivered_lab = skimage_color.rgb2lab(delivered)
        lab = lab.astype("float64")
        off = np.abs(np.rint(lab) - np.rint(truth))
        opponents = [(x[..., 0] - x[..., 1], (x[..., 0] + x[..., 1]) / 2 - x[..., 2]) for x in (delivered.astype(float), rgb.astype(float))]
        vivid, true_vivid = (np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()) for rg, yb in opponents)
        near = np.maximum(0, 1 - np.hypot(*np.moveaxis(lab - truth, -1, 0)[1:]) / 150)
        mse.append(((delivered.astype(float) - rgb) ** 2).mean())
        options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1)
        every.append({
            "mae_lab": np.abs(lab - truth).mean(),
            "mae_rgb_percent": 100 * np.abs(delivered.astype(float) - rgb).mean() / 255,
            "acc_2": 100 * ((off <= [2, 4.4, 4.4]).all(-1)).mean(),
            "acc_5": 100 * ((off <= [5, 11, 11]).all(-1)).mean(),
            "psnr": min(100, peak_signal_noise_ratio(rgb, delivered)) if mse[-1] else 100,
            "ssim": structural_similarity(rgb, delivered, **options) if min(rgb.shape[:2]) >= 11 else np.nan,
            "ciede2000": skimage_color.deltaE_ciede2000(truth, delivered_lab).mean(),
            "auc": 100 * near.mean(),
            "colorfulness": vivid,
            "colorfulness_gap": vivid - true_vivid,
            "grey_fraction": 100 * (np.hypot(delivered_lab[..., 1], delivered_lab[..., 2]).mean() < 4),
        })  # fmt: skip
        true_ab.append(truth[..., 1:].reshape(-1, 2))
        ab.append(delivered_lab[..., 1:].reshape(-1, 2))
        closeness.append(near.ravel())
    true_ab, ab, closeness = (np.concatenate(x) for x in (true_ab, ab, closeness))
    squares = [tuple(x) for x in np.floor((true_ab + 5) / 10)]  # about the multiples of 10
    occupied = [square for square in set(squares) if squares.count(square) >= 100]
    edges = np.arange(-112.5, 113, 5)
    p, q = (np.histogram2d(*x.T, [edges, edges])[0].ravel() / len(x) for x in (true_ab, ab))
    kl = [np.sum(x[x > 0] * np.log2(x[x > 0] / ((p + q) / 2)[x > 0])) for x in (p, q)]
    return {
        **{key: np.nanmean([figures[key] for figures in every]) for key in every[0]},
        "psnr_pooled": 10 * np.log10(255**2 / np.mean(mse)) if np.mean(mse) else 100,
        "rmse": np.sqrt(np.mean(mse)),
        "auc_rebal": 100 * np.mean([closeness[[square == one for one in squares]].mean() for square in occupied]),
        "ab_divergence": np.mean(kl),
    }


def test_every_figure_is_the_referees(examples):
    """Unequal batches, pictures of all sizes, out-of-gamut predictions, own and true lightness."""
    found = by_title(evaluation.evaluate([GREY, SEPIA], examples, batch_size=3))
    labs = [color.lab_from_rgb(example.rgb) for example in examples]
    predictions = {
        "truth": labs,
        "grey": [evaluation.constant([0, 0])(lab[..., :1]) for lab in labs],
        "sepia": [rendering.with_lightness(sepia(lab[..., :1]), lab[..., :1]) for lab in labs],
        "sepia, own L": [sepia(lab[..., :1]) for lab in labs],
    }
    assert found.keys() == predictions.keys()
    for title, predicted in predictions.items():
        wanted = referee([(example.rgb, lab) for example, lab in zip(examples, predicted)])
        assert wanted.keys() == found[title].keys() & evaluation.COLUMNS.keys()
        for key, value in wanted.items():
            # a pixel on a rounding edge may fall on either side: of 6,000 pixels, in the pictures of fewest
            slack = 0.1 if key in ("acc_2", "acc_5") else 2e-3
            assert found[title][key] == pytest.approx(value, abs=slack, rel=1e-4), (title, key)


def test_neither_batches_nor_order_change_a_figure_or_an_interval(examples, rng):
    whole = by_title(evaluation.evaluate([SEPIA], examples, batch_size=64, classifier=Stub()))
    shuffled = [examples[number] for number in rng.permutation(len(examples))]
    other = by_title(evaluation.evaluate([SEPIA], shuffled, batch_size=2, classifier=Stub()))
    for title in whole:
        for key in evaluation.COLUMNS.keys() & whole[title].keys():
            assert other[title][key] == pytest.approx(whole[title][key], rel=1e-4, abs=1e-3), key
            np.testing.assert_allclose(other[title]["ci95"][key], whole[title]["ci95"][key], rtol=1e-3, atol=1e-3)


def test_a_picture_in_strips_is_the_picture(monkeypatch):
    example = [images.Example("cat", None, photographs.chelsea())]
    whole = by_title(evaluation.evaluate([SEPIA], example))
    monkeypatch.setattr(evaluation, "STRIP_PIXELS", 451 * 7)
    strips = by_title(evaluation.evaluate([SEPIA], example))
    for title in whole:
        for key in evaluation.COLUMNS.keys() & whole[title].keys():
            assert strips[title][key] == pytest.approx(whole[title][key], rel=1e-4, abs=1e-5), key


def test_the_truth_is_perfect(examples):
    truth = by_title(evaluation.evaluate([GREY], examples))["truth"]
    perfect = dict(mae_lab=0, mae_rgb_percent=0, acc_2=100, acc_5=100, psnr=100, psnr_pooled=100, rmse=0, ssim=1, ciede2000=0, auc=100,
                   auc_rebal=100, ab_divergence=0, colorfulness_gap=0)  # fmt: skip
    for key, value in perfect.items():
        assert truth[key] == pytest.approx(value, abs=1e-6), key


def test_a_network_that_keeps_the_lightness_is_judged_once(examples):
    judged = evaluation.evaluate([evaluation.Predictor("net", sepia, 0.0)], examples[:3])
    assert [(row.name, row.lightness) for row in judged.rows] == [("truth", "kept"), ("net", "kept")]


def noise(name, size, spread):
    """A predictor whose errors of a* are drawn anew for each picture."""
    rng = np.random.default_rng(size)

    def lab_of(lightness):
        errors = np.abs(rng.normal(spread, 3, (len(lightness), 1, 1)))
        return np.concatenate([lightness, np.stack([np.broadcast_to(errors, lightness.shape[:3])] * 2, axis=-1)], axis=-1).astype("float32")

    return evaluation.Predictor(name, lab_of, 0.0)


def test_the_interval_is_that_of_the_mean():
    """On grey pictures MAE is known: 2/3 of the error. 1.96 standard errors either way."""
    examples = [images.Example(str(number), None, np.full((1, 1, 3), 128, "uint8")) for number in range(400)]
    judged = evaluation.evaluate([noise("net", 1, 20)], examples)
    errors = judged.rows[1].values("mae_lab")
    low, high = judged.figures()[1]["ci95"]["mae_lab"]
    half = 1.96 * errors.std() / np.sqrt(len(errors))
    assert low == pytest.approx(errors.mean() - half, abs=0.2 * half) and high == pytest.approx(errors.mean() + half, abs=0.2 * half)


def test_the_paired_difference_sees_what_two_intervals_cannot(examples):
    """A model that is better by the same little on every picture: the intervals overlap, that of the difference leaves out 0."""

    def off_by(name, ab):
        return evaluation.Predictor(name, lambda lightness: sepia(lightness) + np.array([0, *ab], "float32"), 0.0)

    _, first, second, twin = evaluation.evaluate([off_by("a", [0, 0]), off_by("b", [0, -1]), off_by("c", [0, 0])], examples).figures()
    assert first["ci95"]["mae_lab"][0] < second["mae_lab"] < first["ci95"]["mae_lab"][1]
    assert second["ci95_of_difference_to_first_model"]["mae_lab"][1] < 0
    assert twin["ci95_of_difference_to_first_model"]["mae_lab"] == [0, 0]
    assert "ci95_of_difference_to_first_model" not in first


def test_resamples_are_a_function_of_the_name():
    ours, others = evaluation._weights(["a", "b", "c"]), evaluation._weights(["c", "x"])
    np.testing.assert_array_equal(ours[0], 1)
    np.testing.assert_array_equal(ours[:, 2], others[:, 0])
    assert not np.array_equal(ours[:, 0], ours[:, 1])
    many = evaluation._weights([str(number) for number in range(500)])[1:]
    assert many.mean() == pytest.approx(1, abs=0.01) and many.var() == pytest.approx(1, abs=0.02)


def test_per_image_figures_average_to_the_table(examples):
    judged = evaluation.evaluate([SEPIA], examples)
    lines = list(csv.DictReader(io.StringIO(judged.per_image_csv())))
    assert [line["name"] for line in lines] == [example.name for example in examples]
    assert [line["class"] for line in lines] == [example.label for example in examples]
    for title, figures in by_title(judged).items():
        for key in ("mae_lab", "ciede2000", "psnr", "acc_2", "ssim"):
            values = [float(line[f"{title}: {key}"]) for line in lines if line[f"{title}: {key}"]]
            assert np.mean(values) == pytest.approx(figures[key], rel=1e-4, abs=1e-5), key
    assert lines[9]["sepia: ssim"] == ""  # the single pixel
    assert judged.figures()[1]["ssim_n"] == len(examples) - 1


def test_classes_are_means_over_their_pictures(examples):
    judged = evaluation.evaluate([SEPIA], examples)
    classes, values = judged.classes(), judged.rows[1].values("ciede2000")
    assert classes["even"]["n"] + classes["odd"]["n"] == len(examples)
    assert classes["odd"]["rows"]["sepia"]["ciede2000"] == pytest.approx(values[1::2].mean())
    assert evaluation.evaluate([GREY], [example._replace(label=None) for example in examples]).classes() == {}


def test_distributions_are_shares_of_the_pixels(examples):
    judged = evaluation.evaluate([GREY, SEPIA], examples)
    distributions = judged.distributions()
    for shares in distributions.values():
        assert sum(shares["chroma"]) == pytest.approx(1)
    assert distributions["grey"]["chroma"][0] == 1  # below 2 units
    hue = distributions["sepia"]["hue"]
    assert sum(hue) == pytest.approx(1) and np.argmax(hue) in range(5, 10)  # 50 to 100 degrees: brown and yellow


class Stub:
    """A classifier that names the brighter half of pictures "even"."""

    def __call__(self, rgb):
        bright = rgb.mean((1, 2, 3))
        return np.stack([bright, rgb[..., 0].mean((1, 2))], axis=1).astype("float32"), np.where(bright > 128, "even", "odd")


def test_the_classifiers_columns(examples):
    judged = evaluation.evaluate([GREY], examples, batch_size=2, classifier=Stub())
    truth, grey = judged.figures()
    named = ["even" if example.rgb.mean() > 128 else "odd" for example in examples]
    assert truth["semantic_accuracy"] == pytest.approx(100 * np.mean([name == example.label for name, example in zip(named, examples)]))
    assert truth["frechet_classifier_distance"] == pytest.approx(0, abs=1e-2)
    features = [np.concatenate([Stub()(rgb[None])[0] for rgb in pictures]) for pictures in (
        [example.rgb for example in examples],
        [color.rgb_from_lab(evaluation.constant([0, 0])(color.lab_from_rgb(example.rgb)[..., :1])) for example in examples],
    )]  # fmt: skip
    gaussians = [x for feature in features for x in (feature.mean(0), np.cov(feature.T, bias=True))]
    assert grey["frechet_classifier_distance"] == pytest.approx(evaluation.metrics.frechet_distance(*gaussians), rel=1e-3)
    assert "semantic_accuracy" not in evaluation.evaluate([GREY], examples).figures()[1]


def test_a_resample_has_the_figures_of_the_pictures_it_holds(examples):
    """Every figure's bootstrap, against the table of the pictures as often as the resample has them."""
    names = [example.name for example in examples]
    judged = evaluation.evaluate([SEPIA], examples, classifier=Stub())
    for number in (1, 2, 3):
        held = [example for example, count in zip(examples, evaluation._weights(names)[number]) for _ in range(int(count))]
        wanted = evaluation.evaluate([SEPIA], held, classifier=Stub())
        for row, its in zip(judged.rows, wanted.rows):
            resampled, plain = (evaluation._values(of, all.rows[0], names) for of, all in ((row, judged), (its, wanted)))
            assert len(plain) >= 17
            for key in plain:
                assert resampled[key][number] == pytest.approx(plain[key][0], rel=1e-4, abs=1e-4), (row.title, key)


def test_a_hair_beside_grey_is_no_other_colour():
    """Grey lies in the middle of a square of the histograms: the divergence does not ask on which side of it rounding fell."""
    grey = [images.Example(str(level), None, np.full((16, 16, 3), level, "uint8")) for level in range(20, 240, 40)]
    hair = [evaluation.Predictor(f"{a}{b}", evaluation.constant([0.6 * a, 0.6 * b]), 0.0) for a in (-1, 1) for b in (-1, 1)]
    for row in evaluation.evaluate(hair, grey).figures():
        assert row["ab_divergence"] == pytest.approx(0, abs=1e-9) and row["auc_rebal"] > 99


def test_few_pictures_have_no_interval_of_resamples_without_a_picture(examples):
    """Of one picture a third of the resamples hold none: they say nothing, rather than 0."""
    _, sepia_kept, _ = evaluation.evaluate([SEPIA], examples[:1]).figures()
    assert {"mae_lab", "ciede2000"} <= sepia_kept["ci95"].keys()
    for key, interval in sepia_kept["ci95"].items():
        assert interval == pytest.approx([sepia_kept[key]] * 2, rel=1e-5, abs=1e-9), key


def test_nothing_to_judge_is_an_error():
    with pytest.raises(ColorizerError, match="no picture"):
        evaluation.evaluate([GREY], [])


@pytest.mark.parametrize(("dataset", "split", "n", "rows"), [("cifar10", "test", 10_000, 2), ("cifar10", "test", 50, 0),
                                                             ("cifar10", "validation", 10_000, 0), ("folder", "test", 10_000, 0),
                                                             ("places365", "validation", 36_500, 1)])  # fmt: skip
def test_the_papers_figures_stand_beside_those_of_the_same_pictures_alone(dataset, split, n, rows):
    assert len(evaluation.published({"dataset": dataset, "split": split, "n": n})) == rows


def test_the_table_is_aligned_and_leaves_unknown_figures_blank(examples):
    rows = evaluation.evaluate([GREY], examples).figures() + evaluation.PAPER["cifar10"]
    lines = evaluation.table(rows).splitlines()
    assert len(lines) == len(rows) + 1
    ends = {line.index(" 100.00") for line in lines if " 100.00" in line}
    assert len(ends) == 1 and "nan" not in evaluation.table(rows)


def test_a_narrow_terminal_gets_the_table_in_blocks(examples):
    rows = evaluation.evaluate([SEPIA], examples).figures()
    text = evaluation.table(rows, evaluation.COLUMNS, width=60)
    assert max(map(len, text.splitlines())) <= 60
    for key in evaluation.COLUMNS.keys() & rows[0].keys():
        assert text.count(evaluation.COLUMNS[key].heading) >= 1
        assert f"{rows[1][key]:.{evaluation.COLUMNS[key].decimals}f}" in text
    assert text.count("sepia") == 2 * len(text.split("\n\n"))


def test_the_example_judges_a_colorizer_of_ones_own(tmp_path):
    rgb = photographs.chelsea()[:96, :128]
    Image.fromarray(rgb).save(tmp_path / "cat.png")
    result = run_program("folder", str(tmp_path), script="examples/judge_yours.py")
    assert result.returncode == 0, result.stderr
    block = next(block for block in result.stdout.split("\n\n") if "CIEDE2000" in block)
    heading, *rows = block.splitlines()
    lines = {row.split()[0]: row[: heading.index("CIEDE2000") + len("CIEDE2000")].split()[-1] for row in rows}
    lab = skimage_color.rgb2lab(rgb)
    toned = skimage_color.rgb2lab(skimage_color.lab2rgb(np.concatenate([lab[..., :1], np.full((96, 128, 2), [8, 20])], axis=-1)))
    assert float(lines["yours"]) == pytest.approx(skimage_color.deltaE_ciede2000(lab, toned).mean(), abs=0.1)
    assert float(lines["photo"]) < float(lines["grey"])
