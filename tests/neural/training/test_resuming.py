"""Runs that are interrupted, continued, or started again with other data."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import (
    MLPConfig,
    PCAConfig,
)
from neural.training.checkpoints import read_checkpoint, write_checkpoint
from neural.training.methods import BYOL, CrossEntropy
from neural.training.pretraining import (
    PretrainConfig,
    load_pretrained,
    pretrain,
)
from neural.training.recipes import recipe_to_json
from neural.training.schedules import AdamConfig, Joint, SGDConfig, SlowSingle

SMALL = DigitsOnPhotographs(train_size=300, patches=10)


@pytest.fixture(scope="module")
def config(seed):
    return PretrainConfig(data=SMALL, seed=seed, epochs=2, batch=64, encoder=SmallConvConfig(4))


def weights(module):
    return torch.cat([value.flatten().double() for value in module.state_dict().values()])


def losses(run):
    return [row["loss"] for row in run.history]


def dropped(config, p_drop, **changes):
    return replace(config, data=replace(config.data, p_drop=p_drop), **changes)


RESUMED = {
    "byol": {"method": BYOL(8), "head": MLPConfig(8, 8, batch_norm=True)},
    "slow": {"schedule": SlowSingle(AdamConfig())},
    "pca": {"head": PCAConfig(4)},
    "supervised": {"method": CrossEntropy("coarse"), "schedule": Joint(SGDConfig(0.05, 0.9))},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_longer_run_goes_on_from_the_checkpoint_of_a_shorter_one(config, tmp_path, name):
    whole = replace(config, epochs=3, **RESUMED[name])
    path = tmp_path / "checkpoint.pt"
    pretrain(replace(whole, epochs=1), checkpoint=path)
    resumed, straight = pretrain(whole, checkpoint=path), pretrain(whole)
    assert losses(resumed) == losses(straight)
    for part in ("encoder", "head", "objective"):
        for key, value in getattr(straight, part).state_dict().items():
            assert torch.equal(getattr(resumed, part).state_dict()[key], value), key
    loaded = load_pretrained(path)
    assert torch.equal(weights(loaded.encoder), weights(straight.encoder))


_KILLED = """
import sys
from neural.training.recipes import recipe_from_json
from neural.training.pretraining import pretrain
config = recipe_from_json(open(sys.argv[1]).read())
pretrain(config, checkpoint=sys.argv[2], progress=lambda row, epochs: print(row["epoch"], flush=True))
"""


def test_a_killed_run_goes_on_to_the_same_numbers(config, tmp_path):
    whole = replace(config, epochs=6)
    (tmp_path / "config.json").write_text(recipe_to_json(whole))
    command = [sys.executable, "-c", _KILLED, tmp_path / "config.json", tmp_path / "checkpoint.pt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline().strip() != "2":
            pass
        time.sleep(np.random.default_rng(config.seed).uniform(0, 0.05))  # anywhere within an epoch
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    resumed = pretrain(whole, checkpoint=tmp_path / "checkpoint.pt")
    straight = pretrain(whole)
    assert losses(resumed) == losses(straight)
    assert torch.equal(weights(resumed.encoder), weights(straight.encoder))


def test_checkpoint_of_another_run_or_damaged_is_refused(config, tmp_path):
    path = tmp_path / "checkpoint.pt"
    pretrain(config, checkpoint=path)
    with pytest.raises(ValueError, match="another configuration: batch: 64 against 32"):
        pretrain(replace(config, batch=32), checkpoint=path)
    with pytest.raises(ValueError, match=r"epochs must be >= 2 \(done in"):
        pretrain(replace(config, epochs=1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged, its content does not have its checksum: copy it again"):
        pretrain(config, checkpoint=path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_pretrained(tmp_path / "none.pt")


def test_a_run_of_no_epochs_writes_its_checkpoint(config, tmp_path):
    path = tmp_path / "checkpoint.pt"
    run = pretrain(replace(config, epochs=0), checkpoint=path)
    assert torch.equal(weights(load_pretrained(path).encoder), weights(run.encoder))
    assert losses(pretrain(config, checkpoint=path)) == losses(pretrain(config))


def test_a_checkpoint_that_cannot_be_written_ends_the_run_before_its_first_epoch(config, tmp_path):
    (tmp_path / "file").touch()
    rows = []
    with pytest.raises(OSError):
        pretrain(
            config, checkpoint=tmp_path / "file" / "checkpoint.pt", progress=lambda *row: rows.append(row)
        )
    assert not rows


def test_a_checkpoint_of_other_data_is_not_continued(config, tmp_path):
    path = tmp_path / "checkpoint.pt"
    pretrain(replace(config, epochs=1), checkpoint=path)
    write_checkpoint(path, read_checkpoint(path) | {"data": "0" * 64})
    for again in (lambda: pretrain(config, checkpoint=path), lambda: load_pretrained(path)):
        with pytest.raises(
            ValueError, match="trained on other images or labels than those that are there now"
        ):
            again()
