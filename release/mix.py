"""The folder that `photo` is trained on, from folders of photographs; docs/data.md says which, and where they are from.

    python release/mix.py SOURCES mix

SOURCES has folders photos256, scenes150, scenes256, places128, rooms256, extra, extra2, or some of them. Pictures are shrunk to 200
pixels on the short side (JPEG, quality 95, 4:4:4), since large ones cost more to read than to learn from; of smaller ones there are
links. In the result:

    train/NAME/          what is trained on
    val/photos256/       every twentieth of photos256: validation
    held/scenes150/      every 25th of scenes150, every 100th of rooms256: held out, to compare trainings on
    kinds/, groups/      links to the pictures of val/ as they were, by kind, and its faces by group

A picture is held out by the CRC-32 of its name, so other pictures change nothing.
"""

import os
import pathlib
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor

from PIL import Image, ImageOps

SIDE = 200
HELD_OUT = {"photos256": ("val", 20), "scenes150": ("held", 25), "rooms256": ("held", 100)}
KINDS = {
    "faces": ("fair",), "portraits": ("congress",), "people at full length": ("ccp",), "other people": ("fmd", "hseg"),
    "animals": ("anim", "racc", "yadog"), "rooms": ("sunA", "sunB", "sunC", "sunD", "sunE"),
}  # fmt: skip


def main(sources, output):
    sources, output = pathlib.Path(sources).resolve(), pathlib.Path(output)
    jobs = []
    for name in ("photos256", "scenes150", "scenes256", "places128", "rooms256", "extra", "extra2"):
        for path in sorted(path for path in (sources / name).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")):
            as_named = "_".join(path.relative_to(sources / name).parts)
            part, one_in = HELD_OUT.get(name, ("train", 1))
            part = part if zlib.crc32(os.fsencode(as_named)) % one_in == 0 else "train"
            jobs.append((path, output / part / name / as_named))
            if part == "val":
                prefix, *others = as_named.split("_")
                _link(path, output / "kinds" / _kind(as_named, prefix) / as_named)
                if prefix == "fair":
                    _link(path, output / "groups" / others[0] / as_named)
    if not jobs:
        raise SystemExit(f"{sources}: no pictures in folders photos256, scenes150, scenes256, places128, rooms256, extra, extra2")
    with ProcessPoolExecutor() as pool:
        for number, _ in enumerate(pool.map(_shrunk, *zip(*jobs), chunksize=100), 1):
            if number % 10_000 == 0 or number == len(jobs):
                print(f"{number:,} of {len(jobs):,}", flush=True)


def _kind(name, prefix):
    # of the ImageNet samples, the synsets of animals come first
    if prefix == "imagen" and name.split("_n")[1][:8] < "02500000":
        return "animals"
    return next((kind for kind, prefixes in KINDS.items() if prefix in prefixes), "things")


def _link(path, link):
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(path)


def _shrunk(path, target):
    with Image.open(path) as picture:
        share = SIDE / min(picture.size)
        if share >= 1 and picture.format == "JPEG":
            return _link(path, target)
        ImageOps.exif_transpose(picture, in_place=True)
        rgb = picture.convert("RGBA").convert("RGB") if picture.mode in ("P", "LA", "RGBA") else picture.convert("RGB")
    if share < 1:
        rgb = rgb.resize([max(SIDE, round(side * share)) for side in rgb.size], Image.Resampling.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    rgb.save(target if target.suffix.lower() in (".jpg", ".jpeg") else target.with_name(target.name + ".jpg"), quality=95, subsampling=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
