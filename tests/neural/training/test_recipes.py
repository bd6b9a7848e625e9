from dataclasses import dataclass, replace

import pytest

from neural.models.heads import FrozenGivenConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import SupCon
from neural.training.pretraining import PretrainConfig
from neural.training.recipes import changed_fields, recipe_from_json, recipe_to_json
from neural.training.schedules import AdamConfig, Alternating

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
