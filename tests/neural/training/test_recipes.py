from dataclasses import dataclass, replace

import pytest

from neural.models.heads import FrozenGivenConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import SupCon
from neural.training.pretraining import PretrainConfig
from neural.training.recipes import change_recipe, changed_fields, recipe_from_json, recipe_to_json
from neural.training.schedules import AdamConfig, Alternating, Joint

CONFIG = PretrainConfig(
    method=SupCon("coarse", 0.1),
    head=FrozenGivenConfig(((0.1, 1 / 3), (-2.5, 4.0))),
    schedule=Alternating(3, head_optimizer=AdamConfig(0.02)),
    sparsity=SparsePenalty(0.5),
)


def test_every_recipe_comes_back_from_its_text():
    for config in (CONFIG, PretrainConfig()):
        back = recipe_from_json(recipe_to_json(config))
        assert back == config and hash(back) == hash(config)
        assert recipe_to_json(back) == recipe_to_json(config)


def test_changes_are_named_with_their_path():
    other = replace(CONFIG, epochs=3, schedule=Alternating(4, head_optimizer=AdamConfig(0.02)))
    assert changed_fields(CONFIG, other) == [
        "schedule.inner_steps: 3 against 4",
        "epochs: 10 against 3",
    ]
    assert changed_fields(CONFIG, CONFIG) == []


@dataclass(frozen=True)
class Foreign:
    value: object = None


def test_what_is_no_recipe_is_refused():
    with pytest.raises(ValueError, match="Foreign.value must be made of plain values"):
        recipe_to_json(Foreign(value={1, 2}))
    for name in ("os.path", "neural.training.pretraining.pretrain", "tests.neural.test_recipes.Foreign"):
        with pytest.raises(ValueError, match="recipe must be one of the package neural"):
            recipe_from_json(f'{{"recipe": "{name}"}}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json is not a recipe of this version"),
        ("[1]", "it must hold a recipe, got "),
        ("{}", "must be one of the package neural, got None"),
        ('{"recipe": "neural.models.gone.Head"}', "No module named"),
        ('{"recipe": "neural.models.heads.LinearConfig", "width": 3}', "LinearConfig has no field width"),
        ('{"recipe": "neural.models.heads.FrozenGivenConfig"}', "FrozenGivenConfig needs rows"),
        ('{"recipe": "neural.models.heads.LinearConfig", "embed_dim": "3"}', "embed_dim must be an integer"),
    ],
)
def test_a_text_of_another_kind_or_version_gives_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        recipe_from_json(text, "config.json")
    assert "\n" not in str(error.value) and str(error.value).startswith("config.json")


def test_a_configuration_refuses_wrong_types_in_every_recipe_inside_it():
    for changes, message in (
        ({"head": MLPConfig(batch_norm="False")}, "head.batch_norm must be true or false, got 'False'"),
        ({"head": "mlp"}, r"head must be a recipe \(HeadConfig\), got 'mlp'"),
        ({"precision": 32}, "precision must be one of 'float32', 'bfloat16', got 32"),
    ):
        with pytest.raises(ValueError, match=message):
            PretrainConfig(**changes)
    with pytest.raises(ValueError, match="lr must be > 0 and finite, got True"):
        Joint(AdamConfig(True))


def test_fields_of_a_recipe_inside_a_recipe_are_changed_alone():
    changed = change_recipe(CONFIG, {"epochs": 3, "schedule": {"head_optimizer": {"lr": 1}}})
    assert changed == replace(
        CONFIG, epochs=3, schedule=replace(CONFIG.schedule, head_optimizer=AdamConfig(1))
    )
