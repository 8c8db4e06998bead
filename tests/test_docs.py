"""What the documents say is what the reports beside them say."""

import json
import os
import pathlib
import re
import shutil

import pytest
from conftest import TOP, module_of

DOCUMENTS = sorted(path for path in pathlib.Path(TOP).rglob("*.md") if not path.relative_to(TOP).parts[0].startswith("."))
PHOTO = os.path.join(TOP, "docs/results/photo")
CARD = pathlib.Path(TOP, "MODEL_CARD.md")


@pytest.mark.parametrize("document", ["README.md", "docs/paper.md"])
def test_the_tables_are_those_of_the_reports(document, tmp_path, monkeypatch):
    text = pathlib.Path(TOP, document).read_text()
    (command,) = re.findall(r"<!-- results: python docs/results.py (.*) -->", text)
    shutil.copytree(os.path.join(TOP, "docs"), tmp_path / "docs")
    shutil.copy(os.path.join(TOP, "README.md"), tmp_path)
    monkeypatch.chdir(tmp_path)
    module_of("docs/results.py").main(*command.split())
    assert pathlib.Path(document).read_text() == text


@pytest.mark.parametrize("argument", ["scenes150_test=scenes150", "kodak24=kodak24", "kodak24, aged=kodak24-aged", "rooms256_test=rooms256",
                                      "places128_test=places128", "validation//=validation", "faces/=faces"])  # fmt: skip
def test_the_lines_of_the_card_are_those_of_the_pictures(argument):
    name, file = argument.split("=")
    card = CARD.read_text()
    for _, cells in module_of("docs/photographs.py").lines(name, os.path.join(PHOTO, f"{file}.csv")):
        assert f"| {' | '.join(cells)} |" in card


@pytest.mark.parametrize(("label", "file"), [("300 scenes", "scenes150"), ("24 Kodak photographs", "kodak24"), ("250 rooms", "rooms256"),
                                             ("2,000 of MiniPlaces", "places128"), ("701 validation", "validation")])  # fmt: skip
def test_the_readme_says_of_photographs_what_the_card_says(label, file):
    (line,) = [line for line in pathlib.Path(TOP, "README.md").read_text().splitlines() if line.startswith(f"| {label}")]
    (_, cells), *_ = module_of("docs/photographs.py").lines(f"{file}//", os.path.join(PHOTO, f"{file}.csv"))
    in_short = [" %, ".join(re.search(r": (\S+) %.* at (\S+) %", cell).groups()) + " %" for cell in cells[3:]]
    assert line.strip("| ").split(" | ")[1:] == [cells[2], *in_short]


@pytest.mark.parametrize("name", ["scenes150", "kodak24", "kodak24-aged", "rooms256", "places128"])
def test_the_pictures_figures_average_to_the_reports(name):
    report = json.loads(pathlib.Path(PHOTO, f"{name}.json").read_text())
    (_, cells), *_ = module_of("docs/photographs.py").lines(name, os.path.join(PHOTO, f"{name}.csv"))
    rows = [row for row in report["rows"] if row["name"] == "photo"]
    assert cells[1] == str(report["n"])
    assert [cell.split(":")[0] for cell in cells[3:]] == [f"{row['ciede2000']:.2f}" for row in rows]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)#]+)", document.read_text()):
        assert "://" in link or (document.parent / link).exists(), link


def test_the_published_report_has_what_doing_nothing_scores():
    """Grey and the median of all 50,000 training images on the whole CIFAR-10 test set, as measured with scikit-image in float64."""
    with open(os.path.join(TOP, "docs/results/cifar10.json")) as file:
        report = json.load(file)
    assert report["n"] == 10_000
    rows = {row["name"]: row for row in report["rows"]}
    wanted = {
        "grey": dict(mae_lab=6.195, acc_2=26.43, acc_5=55.76, mae_rgb_percent=5.01, psnr=24.83, psnr_pooled=21.55, rmse=21.34,
                     ssim=0.9321, ciede2000=10.46, colorfulness=0.07, auc=90.19),
        "median": dict(mae_lab=6.045, acc_2=23.90, acc_5=57.31, auc=90.38),
        "truth": dict(colorfulness=33.65, grey_fraction=5.72, mae_lab=0, acc_2=100),
    }  # fmt: skip
    for name, figures in wanted.items():
        for key, value in figures.items():
            decimals = 4 if key == "ssim" else 3 if key == "mae_lab" else 2
            assert abs(rows[name][key] - value) <= 0.6 * 10**-decimals, (name, key)
