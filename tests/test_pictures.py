"""release/pictures.py: the pictures that `photo` is trained and judged on, by the hashes of their bytes."""

import lzma
import subprocess

import pytest
from conftest import module_of

pictures = module_of("release/pictures.py")
HEAD = "folder,file,repository,git_blob\n"


@pytest.fixture
def repository(tmp_path):
    """A clone whose last commit has no picture any more, and how to ask its git."""
    clone = tmp_path / "clones" / "somebody" / "pictures"
    (clone / "train" / "cats").mkdir(parents=True)

    def git(*arguments):
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        return subprocess.run(["git", "-C", clone, *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (clone / "old.jpg").write_bytes(bytes(range(256)) + b"\n\n")
    (clone / "train" / "cats" / "one.jpg").write_bytes(b"a cat")
    (clone / "train" / "cats" / "again.jpg").write_bytes(b"a cat")
    (clone / "train" / "two.PNG").write_bytes(b"")
    (clone / "train" / "labels.txt").write_bytes(b"none")
    git("add", ".")
    git("commit", "-m", "pictures")
    git("rm", "-r", "old.jpg", "train")
    git("commit", "-m", "none")
    return git


def test_pictures_come_out_of_the_history_byte_for_byte_and_missing_ones_are_an_error(repository, tmp_path, capsys):
    listed, blob = tmp_path / "listed.csv", repository("rev-parse", "HEAD~:old.jpg")
    listed.write_text(f"{HEAD}kinds/things,a.jpg,somebody/pictures,{blob}\nset,b.jpg,somebody/pictures,{blob}\n")
    pictures.main(listed, tmp_path / "clones", tmp_path / "data")
    assert capsys.readouterr().out.startswith("2 pictures")
    for name in ("kinds/things/a.jpg", "set/b.jpg"):
        assert (tmp_path / "data" / name).read_bytes() == bytes(range(256)) + b"\n\n"
    (tmp_path / "data" / "set" / "b.jpg").write_bytes(b"stays")
    listed.write_text(
        f"{HEAD}set,b.jpg,somebody/pictures,{blob}\nset,c.jpg,somebody/pictures,{'0' * 40}\nset,d.jpg,nobody/here,{blob}\n"
        f"set,e.jpg,somebody/pictures,{blob}\n"
    )
    with pytest.raises(SystemExit, match="1 of somebody/pictures, all of nobody/here"):
        pictures.main(listed, tmp_path / "clones", tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data" / "set").iterdir()) == ["b.jpg", "e.jpg"]
    assert (tmp_path / "data" / "set" / "b.jpg").read_bytes() == b"stays"


def test_a_whole_folder_of_a_commit_and_a_listing_that_is_compressed(repository, tmp_path):
    commit = repository("rev-parse", "HEAD~")
    with lzma.open(tmp_path / "listed.csv.xz", "wt") as file:
        file.write(f"{HEAD}cats,*,somebody/pictures,{commit}:train\n")
    pictures.main(tmp_path / "listed.csv.xz", tmp_path / "clones", tmp_path / "data")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "cats").iterdir()} == {"cats_one.jpg": b"a cat", "two.PNG": b""}


def test_no_picture_is_listed_twice_nor_both_trained_and_judged_on():
    """The validation pictures are photographs of photos256 that mix.py holds out, by name; no picture of a test set is trained on."""
    trained = pictures.rows_of(pictures.pathlib.Path(pictures.__file__).with_name("training.csv.xz"))
    judged = pictures.rows_of(pictures.pathlib.Path(pictures.__file__).with_name("testsets.csv"))
    names = [(row["folder"], row["file"]) for row in trained if row["file"] != "*"]
    assert len(names) == len(set(names)) > 80_000
    held_out = {row["file"] for row in judged if row["folder"].startswith(("kinds/", "groups/"))}
    mix = module_of("release/mix.py")
    photos = {row["file"] for row in trained if row["folder"] == "photos256"}
    assert held_out == {name for name in photos if mix.zlib.crc32(name.encode()) % mix.HELD_OUT["photos256"][1] == 0}
    trained_on = {row["git_blob"] for row in trained if not (row["folder"] == "photos256" and row["file"] in held_out)}
    assert not trained_on & {row["git_blob"] for row in judged}
