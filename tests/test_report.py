"""report.html: whole, self-contained, with the figures and pictures of the report."""

import base64
import html.parser
import io
import json
import os
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from colorizer import color, evaluation, images, report

EMPTY_TAGS = {"meta", "img", "line", "rect", "br"}


class Checker(html.parser.HTMLParser):
    """Notes the text and the addresses; fails on a tag that is not closed, or closed out of turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.addresses = [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in EMPTY_TAGS and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report on nine pictures with odd names, and two rows of one model."""
    cat = photographs.chelsea()
    names = ["<script>alert(1)</script>.png", "a & b.png", os.fsdecode(b"caf\xe9.png"), *(f"{number}.png" for number in range(6))]
    sizes = [32, 32, 32, 300, 32, 32, 32, 32, 10]
    examples = [
        images.Example(name, ("<0>", os.fsdecode(b"<\xe9>"))[number % 2], cat[20 * number : 20 * number + size, :size])
        for number, (name, size) in enumerate(zip(names, sizes))
    ]
    predictors = [*evaluation.trivial([3, 10]), evaluation.Predictor("<b>net</b>", evaluation.constant([20, 40]), 0.0, own_lightness=True)]
    judged = evaluation.evaluate(predictors, examples)
    figures = evaluation.report(judged, "folder", "all", "evaluate.py --model='<net>'")
    folder = tmp_path_factory.mktemp("report")
    report.write(folder, figures, judged, predictors, lambda names: (example for example in examples if example.name in names))
    return folder, judged, figures


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    checked = Checker(page)
    assert all(address.startswith(("data:image/", "#")) for address in checked.addresses)
    assert "http" not in re.sub(r"data:image/[^\"]*", "", page)


def test_names_are_text_not_html(written):
    page = (written[0] / "report.html").read_text()
    assert "<script>alert" not in page and "<b>net" not in page and "<0>" not in page
    text = "".join(Checker(page).text)
    assert "<script>alert(1)</script>.png" in text and "<b>net</b>, own L" in text


def test_every_figure_of_report_json_is_on_the_page(written):
    folder, _, figures = written
    text = "".join(Checker((folder / "report.html").read_text()).text)
    saved = json.loads((folder / "report.json").read_text())
    assert saved == json.loads(json.dumps(figures))
    for row in saved["rows"]:
        for key in evaluation.COLUMNS.keys() & row.keys():
            assert f"{row[key]:.{evaluation.COLUMNS[key].decimals}f}" in text
    for key in evaluation.COLUMNS.keys() & saved["rows"][0].keys():
        assert evaluation.COLUMNS[key].meaning in text


def test_best_median_and_worst_are_those_by_ciede2000(written):
    _, judged, _ = written
    values = dict(zip(judged.names, judged.rows[3].values("ciede2000")))
    ranked = sorted(values, key=values.get)
    chosen = {heading: names for heading, _, names in report.choose(judged)}
    assert chosen["Best of <b>net</b>"] == ranked[:3]
    assert chosen["Median of <b>net</b>"] == ranked[3:6]
    assert chosen["Worst of <b>net</b>"] == ranked[:-4:-1]


def test_the_sample_does_not_depend_on_the_models(written):
    _, judged, _ = written
    fewer = evaluation.Judged(judged.rows[:1], judged.names, judged.labels, judged.sizes)
    assert report.choose(fewer) == report.choose(judged)[:2]


def test_pictures_are_what_was_judged(written):
    """Small ones to the last bit: true lightness, our gamut mapping; large ones reduced."""
    folder, _, _ = written
    page = (folder / "report.html").read_text()

    def picture(alt):
        found = re.search(r'src="data:image/(\w+);base64,([^"]*)" alt="' + re.escape(alt), page)
        return found[1], np.asarray(Image.open(io.BytesIO(base64.b64decode(found[2]))))

    rgb = photographs.chelsea()[20:52, :32]
    kind, original = picture("a &amp; b.png: original")
    assert kind == "png"
    np.testing.assert_array_equal(original, rgb)
    predicted = evaluation.constant([20, 40])(color.lab_from_rgb(rgb[None])[..., :1])
    np.testing.assert_array_equal(picture("a &amp; b.png: &lt;b&gt;net&lt;/b&gt;")[1], color.rgb_from_lab(predicted)[0])
    kind, large = picture("0.png: original")
    assert kind == "jpeg" and max(large.shape) == report.LONGEST


def test_the_json_has_what_it_promises(written):
    figures = written[2]
    assert (figures["dataset"], figures["split"], figures["n"]) == ("folder", "all", 9)
    assert [row["name"] for row in figures["rows"]] == ["truth", "grey", "median", "<b>net</b>", "<b>net</b>"]
    assert [row["lightness"] for row in figures["rows"]] == ["kept", "kept", "kept", "kept", "predicted"]
    for row in figures["rows"]:
        for key, (low, high) in row["ci95"].items():
            assert low <= high, key
    assert set(figures["classes"]) == {"<0>", os.fsdecode(b"<\xe9>")}
    assert figures["image_size"] is None and figures["rows"][1]["ssim_n"] == 8
