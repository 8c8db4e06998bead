"""release/testsets.py: the pictures that `photo` is judged on, by the hashes of their bytes."""

import subprocess

import pytest
from conftest import module_of

testsets = module_of("release/testsets.py")


def test_pictures_come_out_of_the_history_byte_for_byte_and_missing_ones_are_an_error(tmp_path):
    clone = tmp_path / "clones" / "somebody" / "pictures"
    clone.mkdir(parents=True)

    def git(*arguments):
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        return subprocess.run(["git", "-C", clone, *identity, *arguments], check=True, capture_output=True, text=True).stdout

    git("init")
    content = bytes(range(256)) + b"\n\n"
    (clone / "old.jpg").write_bytes(content)
    git("add", "old.jpg")
    git("commit", "-m", "a picture")
    git("rm", "old.jpg")
    git("commit", "-m", "none")
    listed = tmp_path / "listed.csv"
    blob = git("rev-parse", "HEAD~:old.jpg").strip()
    head = "folder,file,repository,git_blob\n"
    listed.write_text(f"{head}kinds/things,a.jpg,somebody/pictures,{blob}\nset,b.jpg,somebody/pictures,{blob}\n")
    testsets.main(tmp_path / "clones", tmp_path / "data", listed)
    assert (tmp_path / "data/kinds/things/a.jpg").read_bytes() == (tmp_path / "data/set/b.jpg").read_bytes() == content
    listed.write_text(f"{head}set,b.jpg,somebody/pictures,{blob}\nset,c.jpg,somebody/pictures,{'0' * 40}\nset,d.jpg,nobody/here,{blob}\n")
    with pytest.raises(SystemExit, match="1 of nobody/here, 1 of somebody/pictures"):
        testsets.main(tmp_path / "clones", tmp_path / "data", listed)
    assert not (tmp_path / "data/set/c.jpg").exists()
