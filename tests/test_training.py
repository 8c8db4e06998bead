"""Runs that can be trusted: resumed, killed, interrupted, refused."""

import csv
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from conftest import arrays_of, assert_same_run, module_of, newest
from PIL import Image
from skimage import color as skimage_color

from colorizer import ColorizerError, color, config, dataset, inference, losses, rendering, training


def tiny(model="gan", **overrides):
    settings = dict(width=4, image_size=16, batch_size=8, eval_examples=16, epochs=2, steps_per_epoch=3, **overrides)
    # a patience and a threshold by which the plateau rule acts in the first epochs
    return config.resolve("paper", "sample", model, {**settings, "plateau_patience": 1, "plateau_threshold": 1.0})


@pytest.fixture(autouse=True)
def default_policy():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """run_of(model): (model, workdir, report) of a run of two epochs, made once."""

    @functools.cache
    def made(model):
        workdir = tmp_path_factory.mktemp("runs") / model
        return model, workdir, training.train(tiny(model), workdir, "the command")

    return made


@pytest.fixture(params=["gan", "unet"])
def finished(request, run_of):
    return run_of(request.param)


@pytest.fixture
def copied(run_of, tmp_path):
    """(model, workdir) of a copy of the U-Net's run, to spoil."""
    return "unet", shutil.copytree(run_of("unet")[1], tmp_path / "run")


def test_a_run_is_a_folder_with_everything_in_it(finished):
    model, workdir, report = finished
    for name in training.WRITTEN:
        assert (workdir / name).exists(), name
    assert [file.name for file in sorted((workdir / "samples").iterdir())] == ["epoch-0001.png", "epoch-0002.png"]
    saved = json.loads((workdir / "config.json").read_text())
    assert saved["command"] == "the command" and saved["version"]
    assert config.from_dict(saved["config"]) == tiny(model)
    assert json.loads((workdir / "report.json").read_text()) == report
    assert {row["name"] for row in report["rows"]} == {"grey", "median", model, "truth"}


def test_history_has_a_header_and_a_row_an_epoch(finished):
    rows = list(csv.DictReader((finished[1] / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"l1", "mae_lab", "acc_2", "acc_5", "val_l1", "val_mae_lab", "val_acc_2", "val_acc_5", "learning_rate"} <= set(rows[0])


def test_a_run_of_an_older_version_goes_on_with_the_columns_of_this_one(tmp_path):
    training.write_history(tmp_path, training.Progress(history=[{"epoch": 1, "l1": 0.5}, {"epoch": 2, "l1": 0.4, "gain": 2.0}]))
    assert (tmp_path / "history.csv").read_text() == "epoch,l1,gain\n1,0.5,\n2,0.4,2.0\n"


def test_the_sample_grid_is_grey_truth_prediction(finished):
    grid = np.array(Image.open(finished[1] / "samples" / "epoch-0002.png"))
    grey, truth, predicted = np.split(grid, 3, axis=1)
    assert grid.shape == (8 * 96, 3 * 96, 3)
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1 < np.ptp(truth.astype(int), axis=-1).max()
    lightness = color.lab_from_rgb(truth)[::6, ::6, :1].reshape(8, 16, 16, 1)
    answered = inference.load(finished[1] / "last.keras")(lightness)
    wanted = color.rgb_from_lab(rendering.with_lightness(answered, lightness)).reshape(128, 16, 3)
    assert np.abs(predicted[::6, ::6].astype(int) - wanted).max() <= 2


def test_best_keras_alone_colours(finished, tmp_path):
    shutil.copy(finished[1] / "best.keras", tmp_path / "moved.keras")
    colorizer = inference.load(tmp_path / "moved.keras")
    assert colorizer.traits.render_size == 16 and not colorizer.traits.keeps_lightness
    truth = color.lab_from_rgb(np.stack(list(dataset.load(tiny(finished[0])).validation.in_order().as_numpy_iterator())))
    assert colorizer.traits.gain == pytest.approx(inference.fit_gain(truth, colorizer(truth[..., :1], vividness=0)), rel=0.02)
    assert colorizer(np.full((1, 16, 32, 1), 50.0)).shape == (1, 16, 32, 3)


@pytest.mark.parametrize(("best_so_far", "replaced"), [(0.0, False), (np.inf, True)])
def test_best_is_the_epoch_of_the_lowest_validation_l1(copied, best_so_far, replaced):
    """While nothing can be better, best.keras stays as it is and last.keras goes on; when anything is, both are the same."""
    model, workdir = copied
    before = (workdir / "best.keras").read_bytes()
    path = newest(workdir)
    with np.load(path) as saved:
        contents = {**saved, "progress": json.dumps({**json.loads(str(saved["progress"])), "best": best_so_far})}
    np.savez(path, **contents)
    training.train(dataclasses.replace(tiny(model), epochs=3), workdir)
    assert ((workdir / "best.keras").read_bytes() != before) == replaced
    lightness = np.full((1, 16, 16, 1), 50.0)
    answers = [inference.load(workdir / name)(lightness) for name in ("best.keras", "last.keras")]
    assert np.array_equal(*answers) == replaced


def test_stopping_and_going_on_equals_going_straight_through(finished, tmp_path):
    """Stopped within an epoch, then in its validation, gone on to its end, and beyond it by a larger --epochs."""
    model, straight, _ = finished
    once = dataclasses.replace(tiny(model), epochs=1)
    on_step, validation = training._StepWatch.on_train_batch_end, training._validation

    def stop_at_the_second_step(self, batch, logs=None):
        if self.run.progress.step == 1:
            self.run.interrupt.set()
        on_step(self, batch, logs)

    def stop_in_validation(run):
        run.interrupt.set()
        validation(run)

    for owner, method, replacement, step in (
        (training._StepWatch, "on_train_batch_end", stop_at_the_second_step, 2),
        (training, "_validation", stop_in_validation, 3),
    ):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(training.Interrupted):
            patch.setattr(owner, method, replacement)
            training.train(once, tmp_path / "run")
        assert newest(tmp_path / "run").name == f"epoch-0000-step-{step:06d}.npz"
    training.train(once, tmp_path / "run")
    training.train(tiny(model), tmp_path / "run")
    assert_same_run(straight, tmp_path / "run")
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == training.KEPT_CHECKPOINTS


@pytest.mark.parametrize("precision, optimizer", [("float32", "muon"), ("mixed_bfloat16", "adamw")])
def test_two_answers_are_trained_and_gone_on_with_as_one(tmp_path, monkeypatch, two_heads, precision, optimizer):
    """The recipe photo, its network small: the same weights, averages, palette and readout; a model that keeps the lightness."""
    monkeypatch.setattr(training.networks, "build_lite0", lambda bins, **_: two_heads(bins))
    settings = dict(image_size=32, batch_size=8, eval_examples=16, epochs=1, steps_per_epoch=3, pretrained=False, bins=9, aged=0.5)
    small = config.resolve("photo", "sample", None, {**settings, "render_size": 32, "precision": precision, "optimizer": optimizer})
    report = training.train(small, tmp_path / "straight")
    on_step = training._StepWatch.on_train_batch_end

    def stop_at_the_second_step(self, batch, logs=None):
        if self.run.progress.step == 1:
            self.run.interrupt.set()
        on_step(self, batch, logs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(training.Interrupted):
        patch.setattr(training._StepWatch, "on_train_batch_end", stop_at_the_second_step)
        training.train(small, tmp_path / "run")
    training.train(small, tmp_path / "run")
    assert_same_run(tmp_path / "straight", tmp_path / "run")
    colorizer = inference.load(tmp_path / "run")
    assert colorizer.traits.keeps_lightness and colorizer.traits.vividness == small.vividness
    lightness = np.linspace(0, 100, 64 * 32, dtype="float32").reshape(1, 64, 32, 1)
    np.testing.assert_allclose(colorizer(lightness)[..., :1], lightness, atol=1e-4)
    assert not np.allclose(colorizer(lightness, 0), colorizer(lightness, 1), atol=0.5)
    assert [row["name"] for row in report["rows"]][-1] == "lite0"
    # and another one goes on from it, or says why it cannot
    further = dataclasses.replace(small, init=str(tmp_path / "run"))
    with pytest.raises(ColorizerError, match="no such model"):
        training.train(dataclasses.replace(small, init=str(tmp_path / "absent")), tmp_path / "further")
    with pytest.raises(ColorizerError, match="of other settings"):
        training.train(dataclasses.replace(further, bins=8), tmp_path / "further")
    training.train(further, tmp_path / "further")
    with pytest.raises(ColorizerError, match="epochs"):  # the rate has ended with the last epoch
        training.train(dataclasses.replace(further, epochs=2), tmp_path / "further")


def test_what_ships_is_the_runs_newest_weights_and_its_checksum(tmp_path, monkeypatch, two_heads):
    """release/publish.py, on a small run: both files give one answer, that of the run but for the readout, and are listed."""
    monkeypatch.setattr(training.networks, "build_lite0", lambda bins, **_: two_heads(bins))
    settings = dict(image_size=32, batch_size=8, eval_examples=16, epochs=1, steps_per_epoch=3, pretrained=False, bins=9, render_size=32)
    training.train(config.resolve("photo", "sample", None, settings), tmp_path / "run")
    for place in ("RELEASE", "WEIGHTS"):
        monkeypatch.setattr(inference, place, tmp_path)
    (tmp_path / "SHA256SUMS").write_text("0123  other.tflite\n4567  mine.keras\n")
    publish = module_of("release/publish.py")
    publish.STATISTICS_PIXELS = 2**14
    publish.flags.FLAGS(["publish.py", f"--run={tmp_path / 'run/last.keras'}", "--name=mine", "--vividness=0.7", "--pictures=16"])
    publish.main([])
    listed = dict(reversed(line.split()) for line in (tmp_path / "SHA256SUMS").read_text().splitlines())
    assert listed.pop("other.tflite") == "0123"
    assert listed == {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("mine.keras", "mine.tflite")}
    trained, whole, small = (inference.load(tmp_path / name) for name in ("run/last.keras", "mine.keras", "mine.tflite"))
    assert whole.traits.vividness == small.traits.vividness == 0.7
    lightness = np.linspace(0, 100, 64 * 64, dtype="float32").reshape(1, 64, 64, 1)
    answer, before = whole(lightness, 0), trained(lightness, 0)
    gain = np.linalg.lstsq(before[..., 1:].reshape(-1, 1), answer[..., 1:].ravel())[0][0]  # of R, fitted anew
    np.testing.assert_allclose(answer, before * [1, gain, gain], atol=0.2)  # float16
    assert 0.45 < gain < 1.55
    for vividness in (0, 1):
        np.testing.assert_allclose(small(lightness, vividness), whole(lightness, vividness), atol=0.2)


def test_settings_reach_the_optimizers_and_the_costs():
    chosen = dict(beta1=0.7, learning_rate=3e-4)
    gan = training.build_model(tiny(**chosen, generator_cost="saturating", l1_weight=10.0, real_label=0.8))
    assert (gan.adversarial_cost, gan.l1_weight, gan.real_label) == (losses.saturating_cost, 10.0, 0.8)
    unet = training.build_model(tiny("unet", **chosen))
    dial_settings = {**chosen, "weight_decay": 0.03, "averaging": 0.9, "bins_weight": 0.4}
    dial = training.build_model(config.resolve("small", "cifar10", None, dial_settings), steps=100)
    assert dial.bins_weight == 0.4
    for optimizer in (*gan.optimizers, unet.optimizer, *dial.optimizers):
        assert optimizer.beta_1 == 0.7
    for optimizer in (*gan.optimizers, unet.optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(3e-4)
    (optimizer,) = dial.optimizers
    assert (optimizer.weight_decay, optimizer.use_ema, optimizer.ema_momentum) == (0.03, True, 0.9)
    rates = [float(optimizer._learning_rate(step)) for step in (0, 1, 2, 51, 100)]  # warm-up over a fiftieth, half a cosine
    assert rates == pytest.approx([0, 1.5e-4, 3e-4, 1.5e-4, 0], abs=1e-9)
    assert training.traits_of(config.resolve("photo", "sample", None, {"render_size": 192})).render_size == 192
    assert training.traits_of(config.resolve("photo", "sample", None, {"render_size": 0})).render_size == 128


def test_the_figures_of_validation_are_those_of_what_is_saved(finished):
    _, workdir, _ = finished
    model, settings = inference.load(workdir / "last.keras"), tiny(finished[0])
    rgb = np.stack(list(dataset.load(settings).validation.in_order().as_numpy_iterator()))
    lab = skimage_color.rgb2lab(rgb)
    row = list(csv.DictReader((workdir / "history.csv").read_text().splitlines()))[-1]
    assert float(row["val_mae_lab"]) == pytest.approx(np.abs(model(lab[..., :1].astype("float32"), 0) - lab).mean(), rel=1e-3)


def test_of_imagenets_features_the_first_blocks_stay_and_the_others_move_less(monkeypatch):
    """The recipe photo: the decoder at the whole rate."""
    monkeypatch.setattr(training.pretrained, "lite0_weights", dict)
    photo = config.resolve("photo", "sample", None, {"schedule": "plateau"})
    model = training.build_model(photo)
    frozen = {layer.name for layer in model.network.layers if layer.weights and not layer.trainable}
    assert frozen and all(name.startswith(("stem", "block0_", "block1_", "block2_", "block3_", "block4_")) for name in frozen)
    assert not any(layer.trainable for layer in model.network.layers if layer.weights and layer.name.startswith("block4_"))
    rates = {}
    for optimizer, variables in model.shares():
        rates |= {variable.path.split("/")[0]: float(optimizer.learning_rate) for variable in variables}
    assert rates["block5_project"] == rates["block15_project"] == pytest.approx(photo.learning_rate * photo.encoder_rate)
    assert rates["decode32"] == rates["decode4_norm"] == rates["ab"] == rates["logits"] == pytest.approx(photo.learning_rate)
    assert sum(len(variables) for _, variables in model.shares()) == len(model.network.trainable_variables)


def test_checkpoints_are_written_now_and_then_in_long_epochs(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(training, "save_checkpoint", lambda workdir, model, progress: saved.append((progress.epoch, progress.step)))
    training.train(tiny("unet", checkpoint_minutes=0.0), tmp_path / "run")
    assert saved == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]


def test_a_finished_run_only_shows_its_table_again(finished):
    _, workdir, report = finished
    before = {path: path.stat().st_mtime_ns for path in (workdir / "checkpoints").iterdir()}
    assert training.train(tiny(finished[0]), workdir) == report
    assert {path: path.stat().st_mtime_ns for path in (workdir / "checkpoints").iterdir()} == before


def test_a_broken_checkpoint_is_passed_over_for_the_one_before(run_of, copied, caplog):
    model, workdir = copied
    broken = newest(workdir)
    broken.write_bytes(broken.read_bytes()[:1000])
    training.train(tiny(model), workdir)
    assert "unreadable" in caplog.text
    assert_same_run(run_of("unet")[1], workdir)


def test_a_run_whose_checkpoints_are_all_broken_is_not_begun_anew_in_silence(copied):
    model, workdir = copied
    for path in (workdir / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ColorizerError, match="none can be read"):
        training.train(tiny(model), workdir)


def test_a_run_keeps_the_precision_that_it_was_begun_with(copied, monkeypatch):
    """auto may decide otherwise the next time, on another machine or a busy one."""
    model, workdir = copied
    monkeypatch.setattr(training, "_fastest_precision", lambda model: "mixed_bfloat16")
    training.train(tiny(model, precision="auto"), workdir)
    assert training.on_this_machine(tiny(model, precision="auto")).precision == "mixed_bfloat16"


def test_auto_chooses_bfloat16_where_it_is_a_fifth_faster(monkeypatch):
    for seconds, choice in (({"float32": 1.0, "bfloat16": 0.7}, "mixed_bfloat16"), ({"float32": 1.0, "bfloat16": 0.9}, "float32")):
        monkeypatch.setattr(training, "_seconds_of_convolution", seconds.get)
        assert training._fastest_precision("unet") == choice


def test_another_configuration_in_the_same_folder_is_an_error_that_names_the_keys(finished):
    model, workdir, _ = finished
    for difference in ({"batch_size": 4}, {"seed": 1, "l1_weight": 10.0}, {"epochs": 1}):
        with pytest.raises(ColorizerError) as raised:
            training.train(dataclasses.replace(tiny(model), **difference), workdir)
        assert all(key in str(raised.value) for key in difference)
        assert "flip" not in str(raised.value)


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ColorizerError, match="neither empty nor a run"):
        training.train(tiny(), tmp_path)
    assert os.listdir(tmp_path) == ["letters.txt"]


def test_the_plateau_rule_divides_both_rates_by_ten(tmp_path):
    resolved = dataclasses.replace(tiny(), plateau_patience=2, plateau_threshold=1e-3)
    model = training.build_model(resolved)
    progress = training.Progress()
    rates = []
    for watched in (1.0, 0.9, 0.8999, 0.95, 0.7, 0.7, 0.7, 0.7, 0.7):
        training._plateau(resolved, model, progress, watched)
        rates.append([float(optimizer.learning_rate) for optimizer in training.optimizers_of(model)])
    np.testing.assert_allclose(rates, [[2e-4] * 2] * 3 + [[2e-5] * 2] * 3 + [[2e-6] * 2] * 2 + [[2e-7] * 2], rtol=1e-5)


def test_without_validation_the_plateau_watches_the_training_loss(tmp_path, monkeypatch):
    original = dataset.load
    monkeypatch.setattr(dataset, "load", lambda resolved: dataclasses.replace(original(resolved), validation=None))
    training.train(tiny(), tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run/history.csv").read_text().splitlines()))
    assert "val_l1" not in rows[0]
    with np.load(newest(tmp_path / "run")) as saved:
        assert json.loads(str(saved["progress"]))["best"] == pytest.approx(min(float(row["l1"]) for row in rows))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(run_of, tmp_path):
    shutil.copytree(run_of("gan")[1], tmp_path / "run")
    good = newest(tmp_path / "run")
    before = good.read_bytes()
    original = training.build_model

    def poisoned(*args, **kwargs):
        model = original(*args, **kwargs)
        steps = [0]
        cost = model.adversarial_cost

        def nan_at_the_second_step(logits):
            steps[0] += 1
            return cost(logits) + (float("nan") if steps[0] == 2 else 0.0)

        model.adversarial_cost = nan_at_the_second_step
        model.run_eagerly = True
        return model

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ColorizerError, match="step 2 of epoch 3: .*epoch-0002"):
        patch.setattr(training, "build_model", poisoned)
        training.train(dataclasses.replace(tiny(), epochs=3), tmp_path / "run")
    assert newest(tmp_path / "run") == good and good.read_bytes() == before


def test_weights_that_are_not_finite_are_never_saved(copied, monkeypatch):
    """A finite cost can have a gradient that is not: the step after it would be stopped, but the checkpoint be spoilt."""
    model, workdir = copied
    good = newest(workdir)
    original = training._value
    monkeypatch.setattr(training, "_value", lambda variable: original(variable) * np.float32("nan"))
    with pytest.raises(ColorizerError, match=f"not finite; .*{good.name} is the last good checkpoint"):
        training.train(dataclasses.replace(tiny(model), epochs=3), workdir)
    assert newest(workdir) == good


def test_a_second_process_is_kept_out_of_a_run(copied):
    with training.locked(copied[1]), pytest.raises(ColorizerError, match="another process"):
        training.train(dataclasses.replace(tiny(copied[0]), epochs=3), copied[1])


@pytest.mark.parametrize(("suffix", "kept"), [("png", None), ("tif", None), ("tif", 60), ("jpg", 300)])
def test_a_picture_that_vanishes_or_breaks_while_training_is_said_in_a_line(folder_of, tmp_path, suffix, kept):
    """kept: bytes of each file; None: none, nor the files."""
    folder = folder_of({f"{i}.{suffix}": (20, 20) for i in range(30)})
    resolved = config.resolve("paper", "folder", "unet", {"data_dir": str(folder), "width": 4, "image_size": 16, "batch_size": 4})
    loaded = dataset.load(resolved)
    for path in folder.iterdir():
        path.unlink() if kept is None else path.write_bytes(path.read_bytes()[:kept])
    # TensorFlow's own decoders do not say which file it was
    said = "gone or broken: " + ("jpeg.*Invalid" if suffix == "jpg" else r"[^{}]*/photos/\d+\.")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ColorizerError, match=said):
        patch.setattr(dataset, "load", lambda _: loaded)
        training.train(resolved, tmp_path / "run")


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(copied, monkeypatch):
    model, workdir = copied
    kept = {path.name: path.read_bytes() for path in (workdir / "checkpoints").iterdir()}
    monkeypatch.setattr(np, "savez", lambda file, **arrays: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ColorizerError, match="cannot be written .No space left on device."):
        training.train(dataclasses.replace(tiny(model), epochs=3), workdir)
    assert {path.name: path.read_bytes() for path in (workdir / "checkpoints").iterdir()} == kept


@pytest.mark.parametrize(("model", "precision"), [("gan", "mixed_bfloat16"), ("unet", "mixed_float16")])
def test_mixed_precision_keeps_its_variables_and_figures_in_float32(tmp_path, model, precision):
    training.train(tiny(model, precision=precision), tmp_path / "run")
    assert {array.dtype.name for array in arrays_of(newest(tmp_path / "run")).values()} <= {"float32", "int32", "uint32", "int64", "bool"}
    assert float(list(csv.DictReader((tmp_path / "run/history.csv").read_text().splitlines()))[-1]["val_mae_lab"]) > 0


def test_describe_trains_nothing_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = training.describe(tiny())
    assert "generator parameters" in text and "steps in all" in text and "l1_weight" in text
    assert os.listdir(tmp_path) == []


def test_the_first_signal_lets_a_step_end_and_the_second_does_not():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with training.graceful_interrupts() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.is_set()
        assert signal.getsignal(signal.SIGTERM) == handlers[1]
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
