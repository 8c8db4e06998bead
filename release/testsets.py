"""The photographs that `photo` is judged on, out of clones of the public repositories that they lie in.

    mkdir -p clones && cut -d, -f3 release/testsets.csv | tail -n +2 | sort -u |
        while read name; do git clone --bare https://github.com/$name clones/$name; done
    python release/testsets.py clones data

release/testsets.csv has the folder and file name of each picture, its repository and its git blob, the hash of its bytes: these
pictures and no others. Folders below kinds/ are the validation pictures by kind, those below groups/ its faces by group; docs/data.md
says what the others are. What lies there already stays.
"""

import csv
import itertools
import pathlib
import subprocess
import sys

LISTED = pathlib.Path(__file__).with_name("testsets.csv")


def main(clones, output, listed=LISTED):
    with open(listed) as file:
        pictures = sorted(csv.DictReader(file), key=lambda picture: picture["repository"])
    missing = []
    for repository, group in itertools.groupby(pictures, key=lambda picture: picture["repository"]):
        wanted = {pathlib.Path(output, picture["folder"], picture["file"]): picture["git_blob"] for picture in group}
        wanted = {path: blob for path, blob in wanted.items() if not path.exists()}
        found = _blobs(pathlib.Path(clones, repository), wanted.values())
        for path, blob in wanted.items():
            if blob in found:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(found[blob])
        if absent := sum(blob not in found for blob in wanted.values()):
            missing.append(f"{absent:,} of {repository}")
    if missing:
        raise SystemExit(f"not found in {clones}: {', '.join(missing)}; clone these repositories whole, as the help says")
    print(f"{len(pictures):,} pictures in {output}")


def _blobs(clone, blobs):
    """{hash: bytes} of those that the repository has."""
    if not clone.is_dir():
        return {}
    command = ["git", "-C", clone, "cat-file", "--batch"]
    answer = subprocess.run(command, input="\n".join(blobs).encode(), check=True, capture_output=True).stdout
    found, place = {}, 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        blob, *kind_and_size = answer[place:end].decode().split()
        place = end + 1
        if kind_and_size != ["missing"]:
            size = int(kind_and_size[1])
            found[blob], place = answer[place : place + size], place + size + 1
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
