"""release/mix.py: the folder that the photographs' network is trained on."""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

MIX = pathlib.Path(__file__).parent.parent / "release" / "mix.py"
# the CRC-32 of the first is a multiple of 20, as is that of phone.jpg
HELD_OUT, TRAINED_ON = "fair_Black_F_14855.jpg", "fair_Black_F_14856.jpg"


def test_large_pictures_are_shrunk_small_ones_linked_and_a_hash_of_the_name_holds_out(tmp_path):
    folder = tmp_path / "sources" / "photos256"
    folder.mkdir(parents=True)
    rgb = np.random.default_rng(0).integers(0, 255, (300, 450, 3), "uint8")
    for name in (HELD_OUT, TRAINED_ON):
        Image.fromarray(rgb).save(folder / name)
    lying = Image.Exif()
    lying[0x0112] = 6  # to be turned by a quarter, EXIF says
    Image.fromarray(rgb).save(folder / "phone.jpg", exif=lying)
    Image.fromarray(rgb[:150, :190]).save(folder / "small.jpg")
    Image.fromarray(rgb[:50, :70]).convert("RGBA").save(folder / "transparent.png")

    subprocess.run([sys.executable, MIX, folder.parent, tmp_path / "mix"], check=True, capture_output=True)

    found = {path.relative_to(tmp_path / "mix").as_posix() for path in (tmp_path / "mix").rglob("*") if not path.is_dir()}
    assert found == {
        f"val/photos256/{HELD_OUT}", f"kinds/faces/{HELD_OUT}", f"groups/Black/{HELD_OUT}", f"train/photos256/{TRAINED_ON}",
        "val/photos256/phone.jpg", "kinds/things/phone.jpg", "train/photos256/small.jpg", "train/photos256/transparent.png.jpg",
    }  # fmt: skip
    sizes = {}
    for path in found:
        with Image.open(tmp_path / "mix" / path) as picture:
            sizes[path] = picture.size
    assert sizes[f"train/photos256/{TRAINED_ON}"] == (300, 200)
    assert sizes["val/photos256/phone.jpg"] == (200, 300)
    assert sizes[f"kinds/faces/{HELD_OUT}"] == (450, 300)
    assert sizes["train/photos256/transparent.png.jpg"] == (70, 50)
    assert (tmp_path / "mix/train/photos256/small.jpg").resolve() == folder / "small.jpg"
