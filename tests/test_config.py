"""A configuration explains each mistake in one sentence, and reads YAML as people write it."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from labkit.run_folder import LabError
from labkit.run_folder.validation import Settings, read_yaml
from labkit.train import TrainConfig


class Network(Settings):
    depth: int = 18


class Experiment(Settings):
    name: str
    network: Network = Network()


@pytest.fixture
def yaml_file(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def test_a_misspelt_setting_is_refused_with_the_nearest_name():
    with pytest.raises(LabError, match=r"setting 'epoch'\. Did you mean epochs\? Valid: accumulate, "):
        TrainConfig(epoch=3)


@pytest.mark.parametrize(
    "setting, value, told",
    [
        ("lr", "fast", "Setting 'lr' is 'fast' but should be a valid number"),
        ("lr", -1.0, "'lr' is -1.0 but should be greater than 0"),
        ("batch_size", 0, "'batch_size' is 0 but should be greater than or equal to 1"),
        ("batch_size", 1.5, "'batch_size' is 1.5 but should be a valid integer"),
        ("precision", "fp8", "'precision' is 'fp8' but should be 'auto', 'fp32', 'bf16' or 'fp16'"),
        ("class_weights", "even", "is 'even' but should be 'balanced' or be a valid tuple"),
        ("grad_clip", float("nan"), "'grad_clip' is nan but should be"),
        ("min_lr", 1.0, "min_lr 1.0 is above lr 0.001"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(setting, value, told):
    with pytest.raises(LabError) as caught:
        TrainConfig(epochs=1, **{setting: value})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value) and "pydantic" not in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(LabError) as caught:
        TrainConfig(epochs=0, lrr=1, patience="long")
    assert all(f"'{name}'" in str(caught.value) for name in ("epochs", "lrr", "patience"))


def test_a_training_without_a_length_is_refused():
    with pytest.raises(LabError, match="set epochs or max_steps"):
        TrainConfig()


def test_yaml_becomes_a_configuration(yaml_file):
    path = yaml_file(
        "epochs: 3\nlr: 1e-3\noptimizer: sgd\nschedule: multistep\nmilestones: [0.5, 90]\ngrad_clip: null\n"
    )
    config = TrainConfig(**read_yaml(path))
    assert (config.epochs, config.lr, config.optimizer) == (3, 1e-3, "sgd")  # YAML reads 1e-3 as a word
    assert config.milestones == (0.5, 90) and config.grad_clip is None


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"name": "a", "network": {"dept": 34}}, "In 'network': Unknown setting 'dept'. Did you mean depth?"),
        ({"network": {"depth": 3}}, "Setting 'name' is missing"),
    ],
)
def test_a_wrong_inner_setting_is_one_sentence(settings, told):
    with pytest.raises(LabError) as caught:
        Experiment(**settings)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, told", [("- 1\n- 2\n", "holds a list"), ("epochs: [1\n", "not valid YAML"), ("1: 2\n", "holds a dict")]
)
def test_a_file_that_is_no_mapping_is_refused(yaml_file, text, told):
    with pytest.raises(LabError, match=told):
        read_yaml(yaml_file(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LabError, match=r"nowhere\.yaml: No such file"):
        read_yaml(tmp_path / "nowhere.yaml")


def test_an_empty_file_is_no_settings(yaml_file):
    assert read_yaml(yaml_file("")) == {}


def test_a_configuration_is_frozen_and_changed_by_copies():
    config = TrainConfig(epochs=2, lr=0.1)
    with pytest.raises(ValidationError):
        config.lr = 0.2
    assert config.but(lr=0.2) == TrainConfig(epochs=2, lr=0.2)
    assert config.but(lr=0.2).model_fields_set == {"epochs", "lr"}
    with pytest.raises(LabError, match="greater than 0"):
        config.but(lr=0)


def test_it_survives_a_round_trip_through_plain_values():
    config = TrainConfig(epochs=2, class_weights=[1, 2], compile="default", schedule="multistep", milestones=[0.5])
    assert TrainConfig(**config.model_dump()) == config


def test_importing_it_does_not_import_torch():
    subprocess.run(
        [sys.executable, "-c", "import sys, labkit.train.config; sys.exit('torch' in sys.modules)"], check=True
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"schedule": "plateau"}, "Unknown schedule 'plateau'"),
        ({"optimizer": "adamW"}, "Unknown optimizer 'adamW'. Did you mean adamw"),
        ({"schedule": "step", "min_lr": 1e-5}, "min_lr has no effect with schedule=step"),
        ({"milestones": (3.0,)}, "milestones has no effect with schedule=cosine"),
        ({"step_size": 3}, "step_size has no effect with schedule=cosine"),
        ({"gamma": 0.5}, "gamma has no effect with schedule=cosine"),
        ({"optimizer": "rmsprop", "momentum": 0.5}, "momentum has no effect with optimizer=rmsprop"),
        ({"patience": 5}, "patience has no effect without target_accuracy"),
    ],
)
def test_a_setting_without_effect_is_refused_where_it_is_written(values, told):
    with pytest.raises(LabError) as caught:
        TrainConfig(epochs=1, **values)
    assert str(caught.value).startswith(told)


def test_a_setting_at_its_default_may_stand_beside_any_other():
    TrainConfig(epochs=1, schedule="step", min_lr=0.0, momentum=0.9, optimizer="rmsprop", milestones=None, patience=2)
