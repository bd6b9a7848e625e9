"""``projhead train`` and ``projhead probe``: pretrain one network on images, read its layers with probes."""

import dataclasses
import json
from pathlib import Path

CHECKPOINT, CONFIG, HISTORY, PROBES = "checkpoint.pt", "config.json", "history.json", "probes.json"


def add_train_arguments(parser):
    """Declare the options of ``projhead train``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--config", type=Path, metavar="FILE", help="start from the config.json of a run")
    for name, help_text in (
        ("data", "data set: digits, cifar10, cifar100, folder, ..."),
        ("method", "simclr, simsiam, byol, barlow, vicreg, spectral, supcon, cross-entropy"),
        ("head", "none, linear, mlp, deep-mlp, fixed-reweighting, direct, frozen, pca-top, ..."),
        ("schedule", "joint, alternating, slow-single, slow-optimal"),
        ("encoder", "small-conv, resnet18, resnet50, vit-tiny"),
        ("optimizer", "adam, sgd"),
    ):
        parser.add_argument(f"--{name}", metavar="NAME", help=help_text)
    parser.add_argument("--root", metavar="DIR", help="folder of the data set's files (data.root)")
    parser.add_argument("--label", metavar="NAME", help="label of a supervised method (method.label)")
    parser.add_argument("--lr", type=float, metavar="X", help="step size of the optimiser")
    parser.add_argument("--weight-decay", type=float, metavar="X", help="of the optimiser")
    parser.add_argument("--sparsity", type=float, metavar="X", help="SparseHead penalty")
    parser.add_argument(
        "--frozen-from", type=Path, metavar="DIR", help="head: the fixed linear head of that run"
    )
    for name in ("epochs", "batch", "seed", "member", "monitor"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.add_argument("--precision", metavar="NAME", help="float32, bfloat16")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, auto")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field, such as head.hidden_dim=512; may repeat",
    )


def add_probe_arguments(parser):
    """Declare the options of ``projhead probe``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument("run", type=Path, metavar="DIR", help="folder of a run of projhead train")
    parser.add_argument("--label", action="append", metavar="NAME", help="label to read; may repeat (all)")
    parser.add_argument("--few-shot", type=int, default=5, metavar="N", help="labelled images a class (5)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, auto (where it was trained)")


def train_run(arguments):
    """Train, or go on where an interrupted run stopped; returns the exit status.

    Parameters
    ----------
    arguments : argparse.Namespace
        See `add_train_arguments`.
    """
    from neural.files import write_atomically
    from neural.progress import EpochReporter
    from neural.training.pretraining import pretrain
    from neural.training.recipes import recipe_to_json
    from synthetic.store.versions import recorded_versions

    config = build_config(arguments)
    out = arguments.out
    run = pretrain(config, checkpoint=out / CHECKPOINT, progress=EpochReporter(type(config.method).__name__))
    history = {"versions": recorded_versions(), "device": str(config.device), "epochs": list(run.history)}
    texts = {CONFIG: recipe_to_json(config), HISTORY: json.dumps(history, indent=1)}
    write_atomically({out / name: text.encode() + b"\n" for name, text in texts.items()})
    print(f"written: {out / CONFIG}, {out / CHECKPOINT}, {out / HISTORY}; next: projhead probe {out}")
    return 0


def probe_run(arguments):
    """Print and store the accuracy of every layer of a run; returns the exit status.

    Parameters
    ----------
    arguments : argparse.Namespace
        See `add_probe_arguments`.
    """
    from neural.files import write_atomically
    from neural.training.features import extract, probe_layers
    from neural.training.pretraining import load_pretrained
    from synthetic.store.versions import recorded_versions

    run = load_pretrained(arguments.run / CHECKPOINT, device=arguments.device)
    train, test = (extract(run, split, stages=True) for split in (run.train, run.test))
    labels = arguments.label or list(run.config.data.label_names)
    scores = {
        label: probe_layers(
            train, test, label, tuple(train.layers), few_shot=arguments.few_shot, seed=run.config.seed
        )
        for label in labels
    }
    protocol = {
        "split": f"fitted on {len(run.train)} training stills, accuracy on {len(run.test)} test stills",
        "linear": "logistic regression, L-BFGS, standardised features, C = 1",
        "knn": "20 neighbours, cosine",
        "few_shot": f"nearest class mean, {arguments.few_shot} a class, mean of 10 draws",
    }
    content = {"protocol": protocol, "versions": recorded_versions(), "scores": scores}
    write_atomically({arguments.run / PROBES: json.dumps(content, indent=1).encode() + b"\n"})
    print(format_probes(scores, protocol))
    print(f"written: {arguments.run / PROBES}")
    return 0


def build_config(arguments):
    """Configuration of a run from the words of the command line.

    Parameters
    ----------
    arguments : argparse.Namespace
        See `add_train_arguments`.

    Returns
    -------
    neural.training.pretraining.PretrainConfig

    Raises
    ------
    ValueError
        For a name, field or value that does not exist.
    """
    from neural.training.pretraining import PretrainConfig
    from neural.training.recipes import recipe_from_json

    fields = _overrides(arguments)
    config = recipe_from_json(arguments.config.read_text()) if arguments.config else PretrainConfig()
    for part, choices in _choices().items():
        chosen = getattr(arguments, part)
        if chosen is not None:
            kind, fixed = _pick(part, chosen, choices)
            given = {**fixed, **fields.pop(part, {})}
            config = dataclasses.replace(config, **{part: _make(kind, part, given)})
    config = dataclasses.replace(config, schedule=_with_optimizer(config.schedule, arguments))
    if arguments.sparsity is not None:
        from neural.models.sparsity import SparsePenalty

        config = dataclasses.replace(config, sparsity=SparsePenalty(arguments.sparsity))
    if arguments.frozen_from is not None:
        config = dataclasses.replace(config, head=_head_of(arguments.frozen_from))
    return _changed(config, fields, "")


def format_probes(scores, protocol):
    """Table of the accuracies as text.

    Parameters
    ----------
    scores : dict of label -> layer -> probe -> float
        See `neural.training.features.probe_layers`.
    protocol : dict of str
        What each probe is.
    """
    lines = [f"{name}: {text}" for name, text in protocol.items()]
    for label, layers in scores.items():
        columns = list(next(iter(layers.values())))
        lines.append(f"\n{label:12}" + "".join(f"{column:>16}" for column in columns))
        lines += [
            f"{layer:12}" + "".join(f"{values[column]:>16.3f}" for column in columns)
            for layer, values in layers.items()
        ]
    return "\n".join(lines)


def _choices():
    """Names of the command line: part of the configuration -> name -> recipe class or (class, fields)."""
    from neural.training.presets import CHOICES

    return CHOICES


def _pick(part, name, choices):
    if name not in choices:
        raise ValueError(f"{part} must be one of {', '.join(choices)}, got {name!r}")
    kind = choices[name]
    return kind if isinstance(kind, tuple) else (kind, {})


def _overrides(arguments):
    """Fields set by --set and by the short options, nested: {"head": {"hidden_dim": 512}, "epochs": 10}."""
    fields = {}
    for word in arguments.set:
        path, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"set must be FIELD=VALUE, got {word!r}")
        _put(fields, path.split("."), _value(text))
    for name in ("epochs", "batch", "seed", "member", "monitor", "precision", "device"):
        if getattr(arguments, name) is not None:
            fields[name] = getattr(arguments, name)
    for name, path in (("root", ("data", "root")), ("label", ("method", "label"))):
        if getattr(arguments, name) is not None:
            _put(fields, path, getattr(arguments, name))
    return fields


def _put(fields, path, value):
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
    fields[path[-1]] = value


def _value(text):
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _make(kind, part, fields):
    names = {field.name for field in dataclasses.fields(kind)}
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    for problem, found in (("has no", set(fields) - names), ("needs", required - set(fields))):
        if found:
            found = ", ".join(f"{part}.{name}" for name in sorted(found))
            raise ValueError(f"{kind.__name__} {problem} {found}; its fields: {', '.join(sorted(names))}")
    return kind(**fields)


def _changed(recipe, fields, path):
    """Recipe with nested fields replaced."""
    names = {field.name for field in dataclasses.fields(recipe)}
    unknown = sorted(set(fields) - names)
    if unknown:
        raise ValueError(
            f"{path or 'the configuration'} has no field {unknown[0]!r}; fields: {', '.join(sorted(names))}"
        )
    new = {}
    for name, value in fields.items():
        old = getattr(recipe, name)
        nested = isinstance(value, dict) and dataclasses.is_dataclass(old)
        new[name] = _changed(old, value, f"{path}.{name}".lstrip(".")) if nested else value
    return dataclasses.replace(recipe, **new)


def _with_optimizer(schedule, arguments):
    """Schedule with the optimiser that the options name, on encoder and head alike."""
    from neural.training.schedules import AdamConfig, SGDConfig

    kinds = {"adam": AdamConfig, "sgd": SGDConfig}
    optimizer = schedule.optimizer
    if arguments.optimizer is not None:
        optimizer = _pick("optimizer", arguments.optimizer, kinds)[0]()
    elif arguments.schedule is not None:
        optimizer = AdamConfig(1e-3, 1e-6)
    changes = {"lr": arguments.lr, "weight_decay": arguments.weight_decay}
    optimizer = dataclasses.replace(optimizer, **{k: v for k, v in changes.items() if v is not None})
    new = {"optimizer": optimizer}
    if hasattr(schedule, "head_optimizer") and arguments.schedule is not None:
        new |= {"head_optimizer": optimizer, "restart": False}
    return dataclasses.replace(schedule, **new)


def _head_of(folder):
    """Fixed head that repeats the linear head of a run."""
    from neural.models.heads import FrozenGivenConfig
    from neural.training.features import head_matrix
    from neural.training.pretraining import load_pretrained

    matrix = head_matrix(load_pretrained(folder / CHECKPOINT, device="cpu").head)
    if matrix is None:
        raise ValueError(f"frozen-from must be a run with a linear head without bias, got {folder}")
    return FrozenGivenConfig(tuple(map(tuple, matrix.tolist())))
