"""Files: what Pillow reads for us, and writes that appear whole or not at all."""

import os

import numpy as np
import pytest
from PIL import Image

from colorizer import ColorizerError, images


def test_sixteen_bit_grey_is_scaled_and_rounded_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 257, 30000, 65535]], "uint16")).save(tmp_path / "grey.tif")
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "grey.tif")[0, :, 0], [0, 1, 117, 255])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    Image.new("RGB", (5, 3), (200, 100, 50)).convert(mode).save(tmp_path / "a.tif")
    assert images.read_rgb(tmp_path / "a.tif").shape == (3, 5, 3)


def test_floating_point_pictures_are_refused(tmp_path):
    Image.fromarray(np.zeros((3, 3), "float32")).save(tmp_path / "a.tif")
    with pytest.raises(ColorizerError, match="range is unknown"):
        images.read_rgb(tmp_path / "a.tif")


def test_find_sorts_and_passes_over_what_is_hidden_or_no_picture(tmp_path):
    for name in ("b.JPG", "a/z.png", "a.png", ".hidden.png", ".git/x.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in images.find(tmp_path)] == ["a.png", "a/z.png", "b.JPG"]


def test_a_write_that_fails_changes_nothing(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(RuntimeError), images.replacing(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ColorizerError, match="file/below.png: cannot be written"):
        images.write_png(tmp_path / "file" / "below.png", np.zeros((2, 2, 3), "uint8"))
