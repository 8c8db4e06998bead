"""Settings: what resolves, and what is refused with a helpful word."""

import dataclasses

import pytest

from colorizer import ColorizerError, config


def test_the_paper_recipe_is_section_3_3_and_4():
    cifar10 = config.resolve("paper", "cifar10", "gan", {})
    assert (cifar10.image_size, cifar10.batch_size, cifar10.epochs) == (32, 128, 200)
    places = config.resolve("paper", "places365", "gan", {})
    assert (places.image_size, places.batch_size, places.epochs) == (256, 16, 20)
    for resolved in (cifar10, places):
        assert (resolved.learning_rate, resolved.beta1, resolved.l1_weight) == (2e-4, 0.5, 100)
        assert (resolved.real_label, resolved.dropout, resolved.plateau_factor) == (0.9, 0.5, 0.1)
        assert resolved.generator_cost == "non_saturating"


def test_settings_reach_every_field_with_its_type():
    example = {int: "3", float: "0.5", bool: "true", str: "text"}
    settings = [f"{field.name}={example[field.type]}" for field in dataclasses.fields(config.Config)]
    parsed = config.parse_settings(settings)
    assert len(parsed) == len(dataclasses.fields(config.Config))
    assert all(type(parsed[field.name]) is field.type for field in dataclasses.fields(config.Config))
    assert config.parse_settings(["l1_weight=10"]) == {"l1_weight": 10.0}
    assert config.parse_settings(["data_dir=a=b"]) == {"data_dir": "a=b"}


@pytest.mark.parametrize(
    "setting",
    ["nonsense=1", "epochs=many", "epochs=1.5", "flip=2", "l1_weight=true", "epochs", "learning_rate=__import__('os')", "epochs={[]: 1}"],
)
def test_a_wrong_setting_is_an_error_that_lists_the_keys(setting):
    with pytest.raises(ColorizerError, match="keys: dataset, data_dir"):
        config.parse_settings([setting])


@pytest.mark.parametrize(
    "override",
    [{"epochs": 0}, {"batch_size": -1}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"real_label": 1.1}, {"precision": "int8"},
     {"generator_cost": "hinge"}, {"image_size": 40}, {"image_size": 8}, {"seed": -1}],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused_by_name(override):
    with pytest.raises(ColorizerError, match=next(iter(override))):
        config.resolve("paper", "sample", "gan", override)


def test_cifar10_has_one_size_and_a_folder_needs_its_path():
    with pytest.raises(ColorizerError, match="32 pixels"):
        config.resolve("paper", "cifar10", "gan", {"image_size": 64})
    with pytest.raises(ColorizerError, match="--data_dir"):
        config.resolve("paper", "folder", "gan", {})


def test_a_saved_configuration_comes_back_and_older_ones_load():
    resolved = config.resolve("paper", "cifar10", "unet", {"seed": 7})
    saved = dataclasses.asdict(resolved)
    assert config.from_dict(saved) == resolved
    del saved["plateau_threshold"]  # as if written before that field was there
    assert config.from_dict(saved) == resolved
    with pytest.raises(ColorizerError, match="newer version"):
        config.from_dict({**saved, "from_the_future": 1})


def test_a_recipe_has_its_own_models():
    assert config.resolve("paper", "sample", None, {}).model == "gan"
    assert config.resolve("photo", "sample", None, {}).model == "lite0"
    with pytest.raises(ColorizerError, match="recipe photo is for lite0"):
        config.resolve("photo", "sample", "gan", {})
    with pytest.raises(ColorizerError, match="multiple of 32"):
        config.resolve("photo", "sample", None, {"image_size": 48})


@pytest.mark.parametrize(
    "recipe, field",
    [("paper", {"schedule": "cosine"}), ("paper", {"optimizer": "muon"}), ("photo", {"dropout": 0.2}), ("small", {"pretrained": False}),
     ("photo", {"shift": 2}), ("paper", {"validation_examples": 10}), ("paper", {"skip_grey": False}), ("photo", {"plateau_patience": 2}),
     ("small", {"frozen_blocks": 2}), ("photo", {"pretrained": False, "encoder_rate": 0.5}), ("photo", {"repeats": "a=2"}),
     ("paper", {"init": "photo"}), ("photo", {"precision": "mixed_float16"})],
)  # fmt: skip
def test_a_setting_that_would_do_nothing_is_refused(recipe, field):
    with pytest.raises(ColorizerError, match=[*field][-1]):
        config.resolve(recipe, "sample", None, field)
