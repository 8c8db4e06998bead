"""Runs as processes of their own: killed, interrupted, on two devices."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import TOP, assert_same_run, newest, program, run_program

TINY = ["--dataset=sample", "--set=width=4", "--image_size=16", "--batch_size=8", "--eval_examples=16"]


def test_kill_9_at_random_moments_changes_nothing(tmp_path):
    """Two real kills in the midst of training, then the same command: bit for bit the weights of the run that nobody killed."""
    arguments = [*TINY, "--epochs=3", "--steps_per_epoch=40", "--deterministic", "--set=checkpoint_minutes=0.001"]
    whole = run_program(*arguments, f"--workdir={tmp_path / 'whole'}")
    assert whole.returncode == 0, whole.stderr
    moments = random.Random(os.getpid())
    checkpoints = tmp_path / "killed/checkpoints"
    for _ in range(2):
        before = set(checkpoints.glob("epoch-*.npz"))
        process = subprocess.Popen(
            program(*arguments, f"--workdir={tmp_path / 'killed'}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda before=before: set(checkpoints.glob("epoch-*.npz")) - before)
        time.sleep(moments.uniform(0, 1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    last = run_program(*arguments, f"--workdir={tmp_path / 'killed'}")
    assert last.returncode == 0, last.stderr
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
    assert (
        json.loads((tmp_path / "whole/report.json").read_text())["rows"]
        == json.loads((tmp_path / "killed/report.json").read_text())["rows"]
    )
    assert not list((tmp_path / "killed").glob("**/.*.part*"))


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    arguments = program(*TINY, "--epochs=500", f"--workdir={tmp_path / 'run'}")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (tmp_path / "run/history.csv").exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "saved; the same command goes on" in said and "Traceback" not in said
    with np.load(newest(tmp_path / "run")) as saved:
        assert json.loads(str(saved["progress"]))["epoch"] >= 1


@pytest.mark.parametrize("model", ["gan", "unet", "residual"])
def test_two_replicas_learn_what_one_device_learns(model, tmp_path):
    """In a process of its own, which splits the CPU into two logical devices."""
    result = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "replicas.py"), model, tmp_path], capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stdout + result.stderr


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
