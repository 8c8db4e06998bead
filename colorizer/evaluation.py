"""Models beside the trivial predictors on the same pictures: figures, 95 % intervals, report.json, per_image.csv.

A row of the table is one prediction of every picture. Each figure is a function of sums over the pictures; the same sums,
weighted by how often a resample holds each picture, give the bootstrap. Nothing is kept of a picture but its figures.
"""

import collections
import concurrent.futures
import csv
import dataclasses
import io
import json
import os
import typing
import zlib

import numpy as np

from colorizer import ColorizerError, __version__, color, images, inference, metrics, rendering

# Table 1 of the paper: which lightness, colour space and rounding it was measured in the paper does not say
PAPER = {
    "cifar10": [
        {"name": "U-Net, as published", "lightness": "predicted", "mae_lab": 7.9, "acc_2": 13.7, "acc_5": 37.2},
        {"name": "GAN, as published", "lightness": "predicted", "mae_lab": 5.1, "acc_2": 24.1, "acc_5": 65.5},
    ],
    "places365": [{"name": "GAN, as published", "lightness": "predicted", "mae_lab": 7.5, "acc_2": 18.3, "acc_5": 47.3}],
}
PAPER_JUDGED = {("cifar10", "test", 10_000), ("places365", "validation", 36_500)}  # data set, part, pictures


@dataclasses.dataclass(frozen=True)
class Column:
    """A figure: its heading with the unit, decimals, whether high or low is better (or neither), what it is of."""

    heading: str
    decimals: int
    better: str  # "high", "low" or ""
    meaning: str


COLUMNS = {
    "mae_lab": Column("MAE Lab", 2, "low", "Mean absolute error over pixels and L*, a*, b*, CIE units; of the network's own float Lab."),
    "mae_rgb_percent": Column("MAE RGB %", 2, "low", "Mean absolute error of the delivered 8-bit sRGB picture, in percent of 255."),
    "acc_2": Column(
        "acc 2%",
        2,
        "high",
        "Eq. 10 of the paper: percent of the pixels whose rounded L*, a*, b* are all within 2, 4.4 and 4.4 units of the "
        "truth's; of the network's own float Lab.",
    ),
    "acc_5": Column("acc 5%", 2, "high", "The same within 5, 11 and 11 units."),
    "psnr": Column(
        "PSNR dB",
        2,
        "high",
        "Mean over the pictures of the peak signal-to-noise ratio of the delivered picture, each at most 100. High for "
        "grey pictures too: never alone.",
    ),
    "psnr_pooled": Column("PSNR pooled dB", 2, "high", "The same of the mean squared error of all pictures."),
    "rmse": Column("RMSE", 2, "low", "Square root of the mean squared error of all delivered pictures, levels of 0..255."),
    "ssim": Column(
        "SSIM",
        4,
        "high",
        "Structural similarity (Wang et al. 2004) of the delivered picture: gaussian window, sigma 1.5, 11 pixels, mean "
        "over the channels. High for whoever keeps the lightness: never alone.",
    ),
    "ciede2000": Column(
        "CIEDE2000",
        2,
        "low",
        "Mean over the pixels of the colour difference (Sharma, Wu, Dalal 2005) of the delivered picture to the truth.",
    ),
    "auc": Column(
        "AUC %",
        2,
        "high",
        "Zhang et al. 2016: area under the curve of the share of pixels whose a*b* distance is under t, t = 0..150; of "
        "the network's own float Lab.",
    ),
    "auc_rebal": Column(
        "AUC rebal. %",
        2,
        "high",
        "The same, the mean over the squares of 10 x 10 a*b* units that hold at least 100 pixels of the truth: rare "
        "colours count as much as grey.",
    ),
    "ab_divergence": Column(
        "ab diverg.",
        3,
        "low",
        "Jensen-Shannon divergence, base 2, of the a*b* histograms (5-unit squares) of all delivered pictures and the "
        "truth: 0 the same colours, 1 no colour in common. A sepia picture made vivid fails it.",
    ),
    "colorfulness": Column(
        "colorful", 2, "", "Hasler and Suesstrunk 2003, M(3), signed opponents, of the delivered picture; best like the truth's."
    ),
    "colorfulness_gap": Column("colorful gap", 2, "", "Colorfulness less the truth's; best near 0."),
    "grey_fraction": Column(
        "grey %", 2, "", "Percent of the delivered pictures whose mean chroma is under 4 CIE units; best like the truth's."
    ),
    "semantic_accuracy": Column(
        "sem. acc %", 2, "high", "Percent that a small classifier, trained once on true colour CIFAR-10 pictures, recognises."
    ),
    "frechet_classifier_distance": Column(
        "Frechet clf",
        3,
        "low",
        "Frechet distance of truth and predictions in that classifier's last features. Not FID, and not comparable with it.",
    ),
    "kid_lite2": Column(
        "KID Lite2 x1000",
        2,
        "low",
        "Unbiased squared MMD (Binkowski et al. 2018) of truth and predictions in EfficientNet-Lite2's last features, times 1000,"
        " over the first 2,000 pictures. Not FID, and not comparable with other KIDs.",
    ),
}
SHORT = ("mae_lab", "mae_rgb_percent", "acc_2", "acc_5", "colorfulness")  # what the table at the end of a training shows

RESAMPLES = 1000
MOST_PIXELS = 2**20  # of a batch of several pictures
STRIP_PIXELS = 2**16  # are judged at a time: they stay in the processor's cache, and large pictures do not fill the memory
GREY_CHROMA = 4.0
CHROMA_BINS, CHROMA_UNIT = 50, 2  # the last one holds what is above
HUE_BINS, COLOURED = 36, 8.0  # below that chroma a pixel's hue says nothing
FEWEST_PIXELS_OF_BIN = 100
KID_PICTURES = 2000


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A row or two of the table. lab_of: lightness [B, H, W, 1] -> lab [B, H, W, 3], CIE units.

    own_lightness: judged with the lightness that it answers with as well, as the paper did.
    """

    name: str
    lab_of: typing.Callable
    vividness: float | None = None
    own_lightness: bool = False


def constant(ab):
    """The predictor that gives every pixel the same a* and b*."""
    return lambda lightness: np.concatenate([lightness, np.broadcast_to(np.asarray(ab, "float32"), (*lightness.shape[:-1], 2))], axis=-1)


def trivial(median_ab=None):
    """What scores without having learned a thing: grey, and the median colour of the training images where it is known."""
    predictors = [Predictor("grey", constant([0, 0]))]
    return predictors if median_ab is None else [*predictors, Predictor("median", constant(median_ab))]


def of_model(name, colorizer, vividness=None):
    """A model's Predictor, at its own vividness by default. Its own lightness is judged at vividness 0, the network's answer."""
    vividness = colorizer.traits.vividness if vividness is None else vividness
    return Predictor(
        name,
        lambda lightness: inference.colorized(colorizer, lightness, vividness),
        vividness,
        own_lightness=not colorizer.traits.keeps_lightness and vividness == 0,
    )


# ---- from pictures to sums --------------------------------------------------------------------------------------------


class Row:
    """One line of the table: the weighted sums, and each picture's own figures."""

    def __init__(self, name, lightness, vividness=None):
        self.name, self.lightness, self.vividness = name, lightness, vividness
        self.title = title(name, lightness, vividness)
        self.sums = collections.defaultdict(float)  # [1 + RESAMPLES, ...]; the first has each picture once
        self.per_image = collections.defaultdict(list)
        self.chroma_counts, self.hue_counts = np.zeros(CHROMA_BINS), np.zeros(HUE_BINS)
        self.seen_features = []  # of realism.load(), each [B, D]

    def add(self, weights, figures, histograms):
        """weights [1 + RESAMPLES, B]; figures {name: [B]}, nan where a picture has none; histograms {name: [B, ...]}."""
        for name, values in figures.items():
            self.per_image[name].append(values)
            known = np.isfinite(values)
            self.sums[name] = self.sums[name] + weights @ np.where(known, values, 0)
            self.sums[name, "count"] = self.sums[name, "count"] + weights @ known
        for name, values in histograms.items():
            # float32 halves the time; counts stay exact up to 2^24 pixels a batch
            self.sums[name] = self.sums[name] + (weights.astype("float32") @ values.astype("float32")).astype("float64")

    def count_chroma_and_hue(self, lab):
        """Adds the pixels to the two distributions that the report draws."""
        chroma = np.hypot(lab[..., 1], lab[..., 2])
        self.chroma_counts += np.bincount(np.minimum(chroma.ravel() / CHROMA_UNIT, CHROMA_BINS - 1).astype("int64"), minlength=CHROMA_BINS)
        coloured = lab[chroma >= COLOURED]
        hue = np.degrees(np.arctan2(coloured[:, 2], coloured[:, 1])) % 360
        self.hue_counts += np.bincount((hue / (360 / HUE_BINS)).astype("int64") % HUE_BINS, minlength=HUE_BINS)

    def mean(self, name):
        """The mean over the pictures that have this figure: [1 + RESAMPLES]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sums[name] / self.sums[name, "count"]

    def values(self, name):
        """Each picture's figure, in the order in which they came."""
        return np.concatenate(self.per_image[name])


def _judge(row, truth_rgb, truth_lab, predicted_lab, weights, recognise, realism=None):
    """Adds a batch to a row. recognise: uint8 sRGB -> ({figure: [B]}, {histogram: [B, ...]}), what the classifier says."""
    count, height, width, _ = truth_rgb.shape
    delivered_rgb = np.empty_like(truth_rgb)
    means, histograms = collections.defaultdict(float), collections.defaultdict(float)
    rows_of_strip = max(1, STRIP_PIXELS // (count * width))
    for top in range(0, height, rows_of_strip):
        strip = np.s_[:, top : top + rows_of_strip]
        rgb, lab, predicted = truth_rgb[strip], truth_lab[strip], predicted_lab[strip]
        if row.lightness == "kept":
            predicted = rendering.with_lightness(predicted, lab[..., :1])
        delivered_rgb[strip] = delivered = color.rgb_from_lab(predicted)
        delivered_lab = color.lab_from_rgb(delivered)
        closeness = metrics.closeness(lab, predicted)
        share = rgb.shape[1] / height
        for name, value in {
            "mae_lab": metrics.mae_lab(lab, predicted),
            "mae_rgb_percent": np.abs(delivered.astype("int16") - rgb).mean((1, 2, 3)) / 2.55,
            "acc_2": metrics.accuracy(lab, predicted, 2),
            "acc_5": metrics.accuracy(lab, predicted, 5),
            "squared_error": metrics.squared_error(rgb, delivered),
            "ciede2000": color.ciede2000(lab, delivered_lab).mean((1, 2), dtype="float64"),
            "auc": closeness.mean((1, 2), dtype="float64"),
            "chroma": metrics.chroma(delivered_lab),
            "opponents": metrics.opponent_moments(delivered),
        }.items():
            means[name] = means[name] + share * value
        for name, value in {
            "ab": metrics.ab_histogram(delivered_lab, 5),
            "closeness": metrics.ab_histogram(lab, 10, closeness),  # of the truth: 100 x its pixels
        }.items():
            histograms[name] = histograms[name] + value
        row.count_chroma_and_hue(delivered_lab)
    figures = {
        "psnr": metrics.psnr(means["squared_error"]),
        "ssim": metrics.ssim(truth_rgb, delivered_rgb),
        "colorfulness": metrics.colorfulness_of(means.pop("opponents")),
        "grey_fraction": 100.0 * (means["chroma"] < GREY_CHROMA),
        **means,
    }
    if realism and sum(map(len, row.seen_features)) < KID_PICTURES:
        row.seen_features.append(realism(delivered_rgb))
    recognised, features = recognise(delivered_rgb)
    row.add(weights, figures | recognised, histograms | features)


def _recogniser(classifier, examples):
    """What the classifier adds to a batch's figures: nothing where there is none."""
    if classifier is None:
        return lambda rgb: ({}, {})
    labels = np.array([example.label for example in examples])

    def recognise(rgb):
        features, named = classifier(rgb)
        products = features[:, :, None] * features[:, None, :]
        return {"semantic_accuracy": 100.0 * (named == labels)}, {"features": features, "features squared": products.reshape(len(rgb), -1)}

    return recognise


def _weights(names):
    """How often each resample holds each picture, [1 + RESAMPLES, B]; the first row is all ones.

    Poisson(1), the bootstrap for data that stream by (Hanley and MacGibbon 2006); a function of the picture's name alone,
    so that neither batches nor order matter, and every row is resampled alike.
    """
    drawn = [np.random.default_rng(zlib.crc32(os.fsencode(name))).poisson(1, RESAMPLES) for name in names]
    return np.concatenate([np.ones((1, len(names))), np.transpose(drawn)])


def evaluate(predictors, examples, batch_size=256, classifier=None, realism=None, seen=None):
    """The judged rows: the truth's own, then those of the predictors, in their order.

    predictors: of Predictor. Each is judged with the true lightness put back ("kept": what a user gets), and those with
    `own_lightness` with theirs as well ("predicted": what the paper measured).
    examples: of images.Example, any sizes; neighbours of one size are colourised together.
    classifier: a classifier.Classifier where the examples have its labels. realism: of realism.load(), for kid_lite2.
    seen: Example -> lightness [H, W, 1], where predictors see another one than the picture's own.
    Raises ColorizerError where there is no example.
    """
    rows = [Row("truth", "kept")]
    of_predictor = []
    for predictor in predictors:
        lightnesses = ("kept", "predicted") if predictor.own_lightness else ("kept",)
        of_predictor.append([Row(predictor.name, lightness, predictor.vividness) for lightness in lightnesses])
        rows += of_predictor[-1]
    names, labels, sizes = [], [], set()
    with concurrent.futures.ThreadPoolExecutor(inference.processors()) as pool:
        for batch in _batches(examples, batch_size):
            rgb = np.stack([example.rgb for example in batch])
            lab = color.lab_from_rgb(rgb)
            seen_lightness = np.stack([seen(example) for example in batch]) if seen else lab[..., :1]
            weights = _weights([example.name for example in batch])
            recognise = _recogniser(classifier, batch)
            work = [pool.submit(_judge, rows[0], rgb, lab, lab, weights, recognise, realism)]
            for predictor, its_rows in zip(predictors, of_predictor):
                predicted_lab = predictor.lab_of(seen_lightness)
                work += [pool.submit(_judge, row, rgb, lab, predicted_lab, weights, recognise, realism) for row in its_rows]
                if lab.size > 3 * MOST_PIXELS:  # one prediction of a large picture at a time
                    concurrent.futures.wait(work)
            for done in work:
                done.result()
            names += [example.name for example in batch]
            labels += [example.label for example in batch]
            sizes.add(rgb.shape[1:3])
    if not names:
        raise ColorizerError("no picture to judge")
    return Judged(rows, names, labels, sizes)


def _batches(examples, batch_size):
    """Neighbours of one size together, as many as `batch_size` and MOST_PIXELS allow."""
    batch = []
    for example in examples:
        pixels = example.rgb.shape[0] * example.rgb.shape[1]
        full = len(batch) == batch_size or pixels * (len(batch) + 1) > MOST_PIXELS
        if batch and (full or batch[0].rgb.shape != example.rgb.shape):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


# ---- from sums to figures ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Judged:
    """What evaluate() gives: the rows, the truth's first, and the pictures' names and labels."""

    rows: list
    names: list
    labels: list
    sizes: set  # (height, width)

    def figures(self):
        """report.json's rows: every figure, its 95 % interval, and that of its difference to the first model's first row."""
        values = [_values(row, self.rows[0], self.names) for row in self.rows]
        models = [number for number, row in enumerate(self.rows) if row.vividness is not None]
        reported = []
        for number, (row, of_row) in enumerate(zip(self.rows, values)):
            entry = {"name": row.name, "lightness": row.lightness, "vividness": row.vividness}
            entry |= {name: float(value[0]) for name, value in of_row.items() if np.isfinite(value[0])}
            if (known := int(row.sums["ssim", "count"][0])) < len(self.names):
                entry["ssim_n"] = known  # pictures of 11 pixels and more on a side
            entry["ci95"] = _intervals({name: value for name, value in of_row.items() if name in entry})
            if models and number != models[0]:
                first = values[models[0]]
                entry["ci95_of_difference_to_first_model"] = _intervals({name: of_row[name] - first[name] for name in entry["ci95"]})
            reported.append(entry)
        return reported

    def classes(self):
        """{class: {"n": pictures, "rows": {row's title: {figure: mean}}}} where the examples have labels, else {}."""
        labels = np.array([label or "" for label in self.labels])
        found = sorted(set(labels) - {""})
        shown = ("ciede2000", "colorfulness", "semantic_accuracy")
        return {
            label: {
                "n": int((labels == label).sum()),
                "rows": {row.title: {name: float(np.mean(row.values(name)[labels == label])) for name in shown if name in row.per_image}
                         for row in self.rows},
            }
            for label in found
        }  # fmt: skip

    def distributions(self):
        """{row's title: {"chroma": shares of the pixels in bins of 2 units, "hue": of the coloured ones in bins of 10 degrees}}."""
        return {
            row.title: {
                "chroma": (row.chroma_counts / row.chroma_counts.sum()).tolist(),
                "hue": (row.hue_counts / max(1, row.hue_counts.sum())).tolist(),
            }
            for row in self.rows
        }

    def per_image_csv(self):
        """A line an image: its name, its class, and each row's figures of it."""
        figures = [name for name in ("mae_lab", "mae_rgb_percent", "acc_2", "acc_5", "psnr", "ssim", "ciede2000", "auc", "colorfulness",
                                     "chroma", "semantic_accuracy") if name in self.rows[0].per_image]  # fmt: skip
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "class", *(f"{row.title}: {figure}" for row in self.rows for figure in figures)])
        columns = [row.values(figure) for row in self.rows for figure in figures]
        for number, (name, label) in enumerate(zip(self.names, self.labels)):
            values = ("" if np.isnan(column[number]) else f"{column[number]:.6g}" for column in columns)
            writer.writerow([name, label or "", *values])
        return text.getvalue()


def _values(row, truth, names):
    """{figure: [1 + RESAMPLES]} of a row; `truth` is the truth's own row, `names` the pictures'."""
    values = {name: row.mean(name) for name in COLUMNS if name in row.sums}
    values["colorfulness_gap"] = values["colorfulness"] - truth.mean("colorfulness")
    mean_squared_error = row.mean("squared_error")
    values["psnr_pooled"] = metrics.psnr(mean_squared_error)
    values["rmse"] = np.sqrt(mean_squared_error)
    pixels = truth.sums["closeness"] / 100
    occupied = pixels >= FEWEST_PIXELS_OF_BIN - 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        of_bins = np.where(occupied, row.sums["closeness"] / np.maximum(pixels, 1), 0)
        values["auc_rebal"] = of_bins.sum(axis=1) / occupied.sum(axis=1)
    used = (row.sums["ab"][0] > 0) | (truth.sums["ab"][0] > 0)
    values["ab_divergence"] = metrics.jensen_shannon(row.sums["ab"][:, used], truth.sums["ab"][:, used])
    if "features" in row.sums:
        count = row.sums["squared_error", "count"]
        gaussians = [_gaussian(its.sums["features"], its.sums["features squared"], count) for its in (truth, row)]
        values["frechet_classifier_distance"] = metrics.frechet_distance(*gaussians[0], *gaussians[1])
    if row.seen_features:
        seen = [np.concatenate(its.seen_features)[:KID_PICTURES] for its in (truth, row)]
        values["kid_lite2"] = 1000 * metrics.kernel_distance(*seen, _weights(names[:KID_PICTURES]))
    empty = row.sums["squared_error", "count"] == 0  # resamples without a picture, where there are few
    return {name: np.where(empty, np.nan, values[name]) for name in COLUMNS if name in values}


def _gaussian(sums, squares, images):
    """Mean [..., D] and covariance [..., D, D] from the sums of features and of their products."""
    images = np.maximum(images, 1)[:, None]
    mean = sums / images
    covariance = (squares / images).reshape(*mean.shape, -1) - mean[:, :, None] * mean[:, None, :]
    return mean, covariance


def _intervals(values):
    """{figure: [low, high]}, the middle 95 % of the resamples; without those that no resample has."""
    resampled = {name: value[1:][np.isfinite(value[1:])] for name, value in values.items()}
    return {name: np.percentile(value, [2.5, 97.5]).tolist() for name, value in resampled.items() if value.size}


def title(name, lightness, vividness):
    """A row's name with what tells it apart from its neighbours."""
    return name + (", own L" if lightness == "predicted" else "") + (f", vividness {vividness:g}" if vividness else "")


# ---- the report -------------------------------------------------------------------------------------------------------


def report(judged, dataset, split, command):
    """report.json as a dict. Its image_size is the side of the pictures, None where they differ or are no squares."""
    sides = {side for size in judged.sizes for side in size}
    return {
        "dataset": dataset,
        "split": split,
        "n": len(judged.names),
        "image_size": sides.pop() if len(sides) == 1 else None,
        "version": __version__,
        "command": command,
        "rows": judged.figures(),
        "classes": judged.classes(),
        "distributions": judged.distributions(),
    }


def subject(report):
    """What a report is of, in words."""
    part = "" if report["split"] == "all" else f" of the {report['split']} part"
    return f"{report['n']:,} pictures{part} of {report['dataset']}"


def published(report):
    """The paper's own rows where they are of the same pictures."""
    return PAPER[report["dataset"]] if (report["dataset"], report["split"], report["n"]) in PAPER_JUDGED else []


def write(path, report):
    """Writes report.json, whole or not at all."""
    images.write_text(path, json.dumps(report, indent=1) + "\n")


def table(rows, columns=SHORT, width=None):
    """The rows as text, columns aligned; in blocks side by side no wider than `width` characters, one below the other."""
    columns = [key for key in columns if any(key in row for row in rows)]
    names = [["", *(row["name"] for row in rows)], ["lightness", *(row["lightness"] for row in rows)]]
    if any(row.get("vividness") for row in rows):
        names.append(["vividness", *("" if row.get("vividness") is None else f"{row['vividness']:g}" for row in rows)])
    left = ["  ".join(cells) for cells in zip(*([cell.ljust(max(map(len, column))) for cell in column] for column in names))]
    blocks, block = [], left
    for key in columns:
        cells = [COLUMNS[key].heading, *(f"{row[key]:.{COLUMNS[key].decimals}f}" if key in row else "" for row in rows)]
        wider = [f"{before}  {cell.rjust(max(map(len, cells)))}" for before, cell in zip(block, cells)]
        if width and len(wider[0]) > width and block is not left:
            blocks.append(block)
            wider = [f"{before}  {cell.rjust(max(map(len, cells)))}" for before, cell in zip(left, cells)]
        block = wider
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in [*blocks, block])
