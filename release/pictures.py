"""The photographs that `photo` is trained and judged on, out of clones of the public repositories that they lie in.

    python release/pictures.py --repositories release/training.csv.xz | while read name; do
        git clone --bare https://github.com/$name clones/$name; done
    python release/pictures.py release/training.csv.xz clones sources        # for release/mix.py, which makes the training folder
    python release/pictures.py release/testsets.csv clones data

A listing has the folder and file name of each picture, its repository and its git blob, the hash of its bytes: these pictures and no
others. The name * stands for all pictures of a folder, COMMIT:FOLDER in place of the hash. docs/data.md says what the folders are.
What lies there already stays.
"""

import collections
import csv
import lzma
import pathlib
import subprocess
import sys

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def main(listing, clones, output):
    of_repository = collections.defaultdict(list)
    for row in rows_of(listing):
        of_repository[row["repository"]].append(row)
    lost, count = [], 0
    for repository, rows in of_repository.items():
        clone, wanted = pathlib.Path(clones, repository), {}
        if not clone.is_dir():
            lost.append(f"all of {repository}")
            continue
        for row in rows:
            files = _below(clone, row["git_blob"]) if row["file"] == "*" else {row["file"]: row["git_blob"]}
            wanted |= {pathlib.Path(output, row["folder"], file): blob for file, blob in files.items()}
        if absent := _take(clone, {path: blob for path, blob in wanted.items() if not path.exists()}):
            lost.append(f"{absent:,} of {repository}")
        count += len(wanted) - absent
    print(f"{count:,} pictures in {output}")
    if lost:
        raise SystemExit(f"not found in {clones}: {', '.join(lost)}; clone these repositories whole, as the help says")


def rows_of(listing):
    with (lzma.open if str(listing).endswith(".xz") else open)(listing, "rt") as file:
        return list(csv.DictReader(file))


def _below(clone, tree):
    """{file name, which is its path joined by _: hash} of the pictures of COMMIT:FOLDER; of the same bytes the last."""
    found = subprocess.run(["git", "-C", clone, "ls-tree", "-r", "-z", tree], check=True, capture_output=True, text=True).stdout
    entries = (entry.split("\t") for entry in found.split("\0") if entry)
    names = {about.split()[2]: path.replace("/", "_") for about, path in entries if path.lower().endswith(PICTURES)}
    return {name: blob for blob, name in names.items()}


def _take(clone, blobs):
    """Writes what {path: hash} names, and returns how many of them the repository has not."""
    absent = 0
    with subprocess.Popen(["git", "-C", clone, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        for path, blob in blobs.items():
            git.stdin.write(f"{blob}\n".encode())
            git.stdin.flush()
            about = git.stdout.readline().split()
            if about[-1] == b"missing":
                absent += 1
                continue
            content = git.stdout.read(int(about[2]))
            git.stdout.read(1)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")  # no picture is there in part after an interrupt
            part.write_bytes(content)
            part.replace(path)
        git.stdin.close()
    return absent


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--repositories":
        print(*dict.fromkeys(row["repository"] for row in rows_of(sys.argv[2])), sep="\n")
    elif len(sys.argv) == 4:
        main(*sys.argv[1:])
    else:
        raise SystemExit(__doc__)
