"""The pretraining runs on images by name: each is defined once here, for claims, notebooks and tests.

Equal configurations are trained once (see `synthetic.images.bank`), so whoever takes a run from here shares its
trained networks with all others. A run that is monitored for learning curves counts as another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neural.data.augment import Augment
from neural.models.heads import (
    DirectConfig,
    FixedReweightingConfig,
    FrozenRandomConfig,
    HeadConfig,
    IdentityConfig,
    LinearConfig,
    MLPConfig,
    PCAConfig,
)
from neural.training.methods import CrossEntropy, SupCon
from neural.training.presets import ENCODERS
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Alternating, Joint, SlowOptimal, SlowSingle

BASE = PretrainConfig()
"""SimCLR with an MLP head on digits on photographs, 10 epochs of Adam; the encoder ends with a ReLU."""
STRENGTH_P_DROP = 0.75
"""Probability of dropping the digit wherever its strength or the weight decay varies."""
WEAK_STRENGTH = 0.3
"""Strength of a digit that is weak next to its photograph."""
EXCHANGE = (0.3, 0.75)
"""Strengths at which the digit, and at which the photograph, is the weaker one of the two features."""
COARSE_STRENGTH = 0.6
"""Strength of the digit where the training label is a pair of similar digits."""
SHIFT_AGREEMENT = 0.95
"""Share of training images whose background agrees with the parity of the digit."""
HEADS_P_DROP = 0.5
"""Probability of dropping the digit wherever heads are compared."""
EMBED_DIM = 32
"""Outputs of the compared heads; the encoder has 64 units."""
SPARSE_PENALTY = 10.0
"""Penalty of SparseHead with SimCLR that makes some columns of a linear head zero and keeps most."""
LABELLED: dict[str, type[SupCon] | type[CrossEntropy]] = {"SupCon": SupCon, "CE": CrossEntropy}
"""Methods that train with labels: supervised contrastive and cross-entropy."""


def base_config(
    seed: int,
    device: str,
    *,
    epochs: int,
    batch: int,
    encoder: str,
    width: int,
    scale: int,
    precision: str,
    monitor: int,
) -> PretrainConfig:
    """`BASE` at another size.

    Parameters
    ----------
    seed : int
        Root seed.
    device : str
        Where to train.
    epochs, batch : int
    encoder : str
        Name in `neural.training.presets.ENCODERS`; its last layer must be a ReLU.
    width : int
        Channels of the encoder's first convolution.
    scale : int
        Patches have 20 scale pixels, views 16 scale pixels.
    precision : {"float32", "bfloat16"}
    monitor : int >= 0
        Epochs between two points of the learning curves.
    """
    kind = ENCODERS[encoder]
    kind, fixed = kind if isinstance(kind, tuple) else (kind, {})
    return replace(
        BASE,
        data=replace(BASE.data, scale=scale),
        encoder=kind(**fixed, width=width),
        augment=Augment(size=16 * scale),
        epochs=epochs,
        batch=batch,
        seed=seed,
        precision=precision,
        monitor=monitor,
        device=device,
    )


def with_members(
    runs: Mapping[Any, PretrainConfig], members: int, **changes: Any
) -> dict[Any, list[PretrainConfig]]:
    """All members of every run.

    Parameters
    ----------
    runs : mapping of a name to a PretrainConfig
    members : int >= 1
    changes
        Further fields of all configurations, for instance `seed`.
    """
    return {name: [replace(run, member=m, **changes) for m in range(members)] for name, run in runs.items()}


def with_data(run: PretrainConfig, **changes: Any) -> PretrainConfig:
    """The same run on other data.

    Parameters
    ----------
    run : PretrainConfig
    changes
        Fields of `run.data`.
    """
    return replace(run, data=replace(run.data, **changes))


def untrained(run: PretrainConfig) -> PretrainConfig:
    """The control of every comparison on images: the same network with its initial weights."""
    return replace(run, epochs=0)


def without_last_relu(run: PretrainConfig) -> PretrainConfig:
    """The same run without the ReLU at the end of the encoder, which then ends with a batch norm."""
    return replace(run, encoder=replace(run.encoder, last_relu=False))


def with_weight_decay(run: PretrainConfig, weight_decay: float) -> PretrainConfig:
    """The same run with another weight decay of Adam."""
    return replace(run, schedule=Joint(AdamConfig(run.schedule.optimizer.lr, weight_decay)))


def coarse_run(base: PretrainConfig, method: str, head: HeadConfig) -> PretrainConfig:
    """Training with pairs of similar digits as classes; the fine class, the digit, is asked for afterwards.

    Parameters
    ----------
    base : PretrainConfig
    method : str
        Name in `LABELLED`.
    head : HeadConfig
    """
    return replace(with_data(base, strength=COARSE_STRENGTH), method=LABELLED[method]("coarse"), head=head)


def shift_run(base: PretrainConfig, method: str, strength: float, head: HeadConfig) -> PretrainConfig:
    """Training with the parity of the digit as class, which the background tells too in most training images.

    Parameters
    ----------
    base : PretrainConfig
    method : str
        Name in `LABELLED`.
    strength : float
        Of the digit.
    head : HeadConfig
    """
    shifted = with_data(base, strength=strength, agreement=SHIFT_AGREEMENT)
    return replace(shifted, method=LABELLED[method]("parity"), head=head)


def reweighting_heads(base: PretrainConfig, decays: Sequence[float]) -> dict[str, HeadConfig]:
    """Heads of Xue et al., Tables 1 and 2: none, the MLP of `base`, and a fixed reweighting for each decay."""
    fixed = {f"fixed {decay:g}": FixedReweightingConfig(decay) for decay in decays}
    return {"none": IdentityConfig(), "MLP": base.head, **fixed}


def alternating(adam: AdamConfig, inner_steps: int = 5, proximal: float = 0.0) -> Alternating:
    """Schedule of Gupta et al. with the same Adam for head and encoder, whose moments the inner steps keep.

    Parameters
    ----------
    adam : AdamConfig
    inner_steps : int >= 1
    proximal : float >= 0
    """
    return Alternating(
        inner_steps=inner_steps, proximal=proximal, head_optimizer=adam, restart=False, optimizer=adam
    )


def head_runs(base: PretrainConfig, embed_dim: int, hidden_dim: int = 64) -> dict[str, PretrainConfig]:
    """The heads and schedules of Gupta et al., Tables 1 and 2, but the pre-trained head; and three MLP heads.

    Parameters
    ----------
    base : PretrainConfig
    embed_dim : int
        Outputs of every head but "no head".
    hidden_dim : int
        Units of the hidden layer of the MLP heads.

    Returns
    -------
    dict of a name to a PretrainConfig
        "trainable, joint" is the linear head; all heads are linear but the three whose name begins with "MLP".
    """
    adam = base.schedule.optimizer
    linear = replace(base, head=LinearConfig(embed_dim))
    mlp = replace(base, head=MLPConfig(hidden_dim, embed_dim))
    normed = MLPConfig(hidden_dim, embed_dim, batch_norm=True)
    return {
        "no head": replace(base, head=IdentityConfig()),
        "random, fixed": replace(base, head=FrozenRandomConfig(embed_dim)),
        "DirectCLR": replace(base, head=DirectConfig(embed_dim)),
        "PCA top": replace(base, head=PCAConfig(embed_dim)),
        "PCA bottom": replace(base, head=PCAConfig(embed_dim, top=False)),
        "slow, single step": replace(linear, schedule=SlowSingle(adam)),
        "slow, to optimum": replace(linear, schedule=SlowOptimal(adam, tolerance=1e-3, max_passes=20)),
        "trainable, joint": linear,
        "trainable, alternating": replace(linear, schedule=alternating(adam)),
        "MLP": mlp,
        "MLP, batch norm": replace(base, head=normed),
        "MLP, alternating": replace(mlp, schedule=alternating(adam)),
    }


HEADS_BASE = with_data(BASE, p_drop=HEADS_P_DROP)
"""Run in which the claims compare heads."""
