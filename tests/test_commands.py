"""The command line, as a person meets it."""

import os
import subprocess
import sys

import pytest
from conftest import TOP, run_program

from colorizer.commands import train


def failing(*arguments, **kwargs):
    """What a command that must fail says: one line on stderr, exit code 1."""
    result = run_program(*arguments, **kwargs)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("train.py: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_help_is_the_manual_with_every_flag_and_exits_with_0():
    result = run_program("--help")
    assert result.returncode == 0 and result.stderr == ""
    for name in train.FLAGS:
        assert f"--{name}" in result.stdout or f"--[no]{name}" in result.stdout
    assert "python train.py --dataset=cifar10" in result.stdout


@pytest.mark.parametrize(
    "modules", ["colorizer.commands.train", "colorizer.color, colorizer.rendering, colorizer.inference, colorizer.evaluation"]
)
def test_nothing_heavy_is_imported_before_it_is_needed(modules):
    """So that --help answers at once, and inference can do without TensorFlow."""
    heavy = {"tensorflow", "keras", "tensorflow_io", "tensorflow_datasets", "skimage"}
    code = f"import sys, {modules}; print(*({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stray"], "unexpected argument: stray"),
        (["--no_such_flag=1"], "no_such_flag"),
        (["--dataset=imagenet"], "sample|cifar10|places365|folder"),
        (["--epochs=many"], "--epochs=many"),
        (["--epochs=0"], "epochs=0: must be at least 1"),
        (["--set=no_such_key=1"], "keys: dataset"),
        (["--set=model=unet", "--model=gan"], "contradicts"),
        (["--set=epochs=5", "--epochs=3"], "contradicts"),
        (["--data_dir=/photos"], "--dataset=folder"),
        (["--dataset=folder"], "--data_dir"),
        (["--dataset=folder", "--data_dir=/no/such/folder"], "no such folder"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_1(arguments, said):
    assert said in failing(*arguments)


def test_a_batch_larger_than_the_data_is_one_line():
    assert "larger than the 640 training examples" in failing("--batch_size=5000", "--workdir=/no/such/place")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert "file" in failing("--set=width=1", "--image_size=16", "--batch_size=4", f"--workdir={tmp_path / 'file' / 'below'}")


def test_a_run_from_the_command_line_ends_with_the_table(tmp_path):
    """Quiet but for what it has to say: nothing on stderr."""
    tiny = ["--set=width=4", "--image_size=16", "--batch_size=8", "--eval_examples=8", "--epochs=1", "--steps_per_epoch=2"]
    result = run_program(*tiny, "--model=unet", cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == ""
    assert "grey " in result.stdout and "median " in result.stdout and "acc 2%" in result.stdout
    assert "written to runs/sample-unet" in result.stdout
    assert os.path.exists(tmp_path / "runs/sample-unet/best.keras")


def test_set_and_flags_reach_the_configuration():
    train.FLAGS(["train", "--epochs=3", "--set=l1_weight=10", "--set=model=unet", "--seed=4"])
    resolved = train._resolve()
    assert (resolved.epochs, resolved.l1_weight, resolved.model, resolved.seed) == (3, 10.0, "unet", 4)
