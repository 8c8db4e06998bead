"""The command line, as a person meets it."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from conftest import TOP, run_program

from colorizer import ColorizerError, config, inference, networks
from colorizer.commands import evaluate, export, train


def failing(*arguments, script="train.py", **kwargs):
    """What a command that must fail says: one line on stderr, exit code 1."""
    result = run_program(*arguments, script=script, **kwargs)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith(f"{script}: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("script", "values", "example"),
    [("train.py", train.FLAGS, "--dataset=cifar10"), ("evaluate.py", evaluate.FLAGS, "--model=runs/cifar10-gan")],
)
def test_help_is_the_manual_with_every_flag_and_exits_with_0(script, values, example):
    result = run_program("--help", script=script)
    assert result.returncode == 0 and result.stderr == ""
    for name in values:
        assert f"--{name}" in result.stdout or f"--[no]{name}" in result.stdout
    assert f"python {script} {example}" in result.stdout


@pytest.mark.parametrize(
    "modules",
    ["colorizer.commands.train", "colorizer.commands.evaluate", "colorizer.rendering, colorizer.inference, colorizer.evaluation"],
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
        (["--workdir="], "--workdir=: give it a value"),
        (["--nodry_run=true"], "nodry_run"),
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
    train.FLAGS(["train", "--epochs=3", "--set=dropout=0.2", "--set=model=unet", "--seed=4"])
    resolved = train._resolve()
    assert (resolved.epochs, resolved.dropout, resolved.model, resolved.seed) == (3, 0.2, "unet", 4)


# ---- evaluate.py ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network's bare file."""
    path = tmp_path_factory.mktemp("model") / "small.keras"
    inference.save(path, networks.build_generator((4, 8, 8, 8), seed=1), inference.Traits(render_size=16, stride=8, gain=1.5))
    return path


def test_what_evaluate_cannot_do_is_one_line_and_exit_code_1(model, tmp_path, folder_of):
    """In one test, as each is a process."""
    photos = folder_of({"a.png": (20, 20)})
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.tflite").write_bytes(b"TFL3" * 10)
    (tmp_path / "file").touch()
    on_photos = ["--dataset=folder", f"--data_dir={photos}"]
    for arguments, said in [
        (["stray"], "unexpected argument: stray"),
        (["--vividness=1.5"], "--vividness=1.5"),
        (["--vividness=1"], "name a --model"),
        ([f"--model={model}", "--vividness=nan", *on_photos], "each once"),
        ([f"--model={model}", "--vividness=1", "--vividness=1", *on_photos], "each once"),
        (["--split=holdout"], "test|validation|train"),
        ([f"--model={model}"], "name a --dataset"),
        ([f"--model={model}", f"--model={model}", *on_photos], "--name of its own"),
        ([f"--model={model}", "--name=grey", *on_photos], "--name of its own"),
        ([f"--model={model}", "--name=a", "--name=b", *on_photos], "2 --name for 1 --model"),
        ([f"--model={tmp_path / 'absent'}", *on_photos], "no such model"),
        ([f"--model={tmp_path / 'empty'}", *on_photos], "no best.keras in it"),
        ([f"--model={tmp_path / 'other.tflite'}", *on_photos], "other.tflite: not a model"),
        (["--dataset=folder", f"--data_dir={tmp_path / 'empty'}"], "no pictures"),
        (["--dataset=folder", "--data_dir=/no/such/folder"], "no such folder"),
        ([f"--output={tmp_path / 'file' / 'below'}"], "cannot be written"),
    ]:
        assert said in failing(*arguments, script="evaluate.py"), arguments


def test_a_folder_of_any_pictures_is_judged_whole(model, tmp_path, folder_of):
    """Sizes that are no multiple of anything, a file that is no picture; a row a vividness; quiet but for what it must say."""
    photos = folder_of({"a.png": (40, 57), "b.jpg": (16, 16), "deep/c.png": (3, 200), "one.png": (1, 1)})
    (photos / "text.jpg").write_text("no picture")
    result = run_program(f"--model={model}", "--name=net", "--dataset=folder", f"--data_dir={photos}", "--vividness=0", "--vividness=1",
                         f"--output={tmp_path / 'report'}", script="evaluate.py")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "text.jpg: not a picture" in result.stderr and result.stderr.count("\n") <= 2
    figures = json.loads((tmp_path / "report/report.json").read_text())
    assert (figures["n"], figures["split"]) == (4, "all")
    assert [(row["name"], row["lightness"], row["vividness"]) for row in figures["rows"]] == [
        ("truth", "kept", None), ("grey", "kept", None), ("net", "kept", 0), ("net", "predicted", 0), ("net", "kept", 1),
    ]  # fmt: skip
    assert "CIEDE2000" in result.stdout and "report.html" in result.stdout
    assert sorted(os.listdir(tmp_path / "report")) == ["per_image.csv", "report.html", "report.json"]


@pytest.mark.parametrize("dataset", ["sample", "cifar10", "places365"])
def test_runs_of_every_data_set_can_be_judged(dataset):
    evaluate.FLAGS(["evaluate.py", f"--model=runs/{dataset}-gan"])
    run = config.resolve("paper", dataset, None, {"data_dir": "" if dataset == "sample" else "/tfds"})
    run = dataclasses.replace(run, validation_examples=7)
    judged_on = evaluate._judged_on([run])
    assert judged_on.validation_examples == 7
    assert (judged_on.dataset, judged_on.data_dir, judged_on.image_size) == (dataset, run.data_dir, run.image_size)


def test_a_run_is_judged_on_its_own_data(tmp_path):
    """And its own table is the one that evaluate.py gives."""
    tiny = ["--set=width=4", "--image_size=16", "--batch_size=8", "--eval_examples=8", "--epochs=1", "--steps_per_epoch=2"]
    assert run_program(*tiny, "--model=unet", cwd=tmp_path).returncode == 0
    result = run_program("--model=runs/sample-unet", "--limit=8", "--output=report", script="evaluate.py", cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == ""
    ours, theirs = (json.loads((tmp_path / path).read_text()) for path in ("report/report.json", "runs/sample-unet/report.json"))
    assert ours["image_size"] == theirs["image_size"] == 16
    assert (ours["dataset"], ours["split"], ours["n"]) == (theirs["dataset"], theirs["split"], theirs["n"]) == ("sample", "validation", 8)
    assert len(ours["rows"]) == 5
    for row, other in zip(ours["rows"], theirs["rows"]):
        for key in ("mae_lab", "ciede2000", "auc_rebal"):
            assert row[key] == pytest.approx(other[key], rel=1e-5)
            assert row["ci95"][key] == pytest.approx(other["ci95"][key], rel=1e-4)
    run = tmp_path / "runs/sample-unet"
    assert "a run" in failing(f"--model={run}", f"--output={run}", script="evaluate.py")
    assert inference.trained_on(run / "best.keras") == inference.trained_on(run)  # its bare file says it as well


def test_export_takes_a_folder_for_data_that_have_one_alone(tmp_path):
    export.FLAGS(["export.py", f"--data_dir={tmp_path}"])
    with pytest.raises(ColorizerError, match="--dataset=sample has no folder"):
        export._judged_on(config.resolve("paper", "sample", "gan", {}), 32)
    run = config.resolve("paper", "folder", "gan", {"data_dir": "/", "image_size": 64})
    assert export._judged_on(run, 64) == dataclasses.replace(run, data_dir=str(tmp_path))
