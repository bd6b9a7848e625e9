"""``projhead train`` and ``projhead probe``: pretrain one network on images, read its layers with probes."""

import ast
import contextlib
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
    parser.add_argument(
        "--preset", metavar="NAME", help="published augmentation: simclr-cifar, simclr-tiny-imagenet"
    )
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
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, got {out}, which is a file: choose another name")
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
    from neural.checks import check_choice, check_integer
    from neural.files import write_atomically
    from neural.training.features import extract, fit_probes_to, probe_layers
    from neural.training.pretraining import load_pretrained
    from synthetic.store.versions import recorded_versions

    check_integer("few_shot", arguments.few_shot, 0)
    run = load_pretrained(arguments.run / CHECKPOINT, device=arguments.device)
    train, test = (extract(run, split, stages=True) for split in (run.train, run.test))
    known = run.config.data.label_names
    for label in arguments.label or ():
        check_choice("label", label, known)
    labels = arguments.label or known
    scores, notes = {}, {}
    for label in labels:
        try:
            scores[label] = probe_layers(
                train, test, label, tuple(train.layers), few_shot=arguments.few_shot, seed=run.config.seed
            )
        except ValueError as error:
            notes[f"{label} (left out)"] = str(error)
            continue
        neighbours, shots = fit_probes_to(train.labels[label], arguments.few_shot)
        if (neighbours, shots) != (20, arguments.few_shot):
            notes[label] = f"few training images: {neighbours} neighbours, {shots} labelled images a class"
    if not scores:
        raise ValueError("; ".join(f"{name}: {text}" for name, text in notes.items()))
    done, epochs = len(run.history), run.config.epochs
    stopped = (
        "" if done == epochs else "; the training stopped before its end, projhead train goes on with it"
    )
    protocol = {
        "training": f"{done} of {epochs} epochs{stopped}",
        "split": f"fitted on {len(run.train)} training stills, accuracy on {len(run.test)} test stills",
        "linear": "logistic regression, L-BFGS, standardised features, C = 1",
        "knn": "20 neighbours, cosine",
        "few_shot": f"nearest class mean, {arguments.few_shot} a class, mean of 10 draws",
        **notes,
    }
    print(format_probes(scores, protocol))
    content = {"protocol": protocol, "versions": recorded_versions(), "scores": scores}
    write_atomically({arguments.run / PROBES: json.dumps(content, indent=1).encode() + b"\n"})
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
    from neural.models.sparsity import SparsePenalty
    from neural.training.presets import CHOICES, PRESETS
    from neural.training.pretraining import PretrainConfig
    from neural.training.recipes import change_recipe, recipe_from_json

    fields = _read_fields(arguments)
    start = PretrainConfig()
    if arguments.config is not None:
        start = recipe_from_json(_read_text(arguments.config), arguments.config)
    parts = dict(_pick("preset", arguments.preset, PRESETS)) if arguments.preset is not None else {}
    for part, choices in CHOICES.items():
        chosen = getattr(arguments, part)
        if chosen is not None:
            parts[part] = _build_named(part, _pick(part, chosen, choices), fields)
    parts["schedule"] = _set_optimizer(parts.get("schedule", start.schedule), arguments)
    if arguments.sparsity is not None:
        parts["sparsity"] = SparsePenalty(arguments.sparsity)
    if arguments.frozen_from is not None:
        parts["head"] = _read_head(arguments.frozen_from)
    return change_recipe(dataclasses.replace(start, **parts), fields)


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


# Words become fields here by hand. Two libraries that build frozen dataclasses from a command line were considered:
# tyro turns a field that has several recipes into subcommands, and jsonargparse addresses a recipe by its import path
# (--head.class_path neural.models.heads.MLPConfig). With either one, `--head mlp --set head.hidden_dim=512` would no
# longer be valid, and the tables of names, the presets and the optimiser's short options would still need this code.


def _pick(option, name, choices):
    if name not in choices:
        raise ValueError(f"{option} must be one of {', '.join(choices)}, got {name!r}")
    return choices[name]


def _build_named(part, choice, fields):
    """Recipe of a name, with the fields of the name and those, of the given ones, that have no default."""
    from neural.training.recipes import build_recipe

    kind, fixed = choice if isinstance(choice, tuple) else (choice, {})
    given = fields.get(part, {})
    if not isinstance(given, dict):
        raise ValueError(f"{part} is chosen by --{part} and its fields by {part}.FIELD=VALUE, got {given!r}")
    defaults = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }
    return build_recipe(kind, fixed | {k: v for k, v in given.items() if k not in defaults}, part)


def _read_fields(arguments):
    """Fields set by --set and by the short options, nested: {"head": {"hidden_dim": 512}, "epochs": 10}."""
    fields = {}
    for word in arguments.set:
        path, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"set must be FIELD=VALUE, got {word!r}")
        _put(fields, path, _read_value(text))
    for path in ("epochs", "batch", "seed", "member", "monitor", "precision", "device"):
        if getattr(arguments, path) is not None:
            _put(fields, path, getattr(arguments, path))
    for path, value in (("data.root", arguments.root), ("method.label", arguments.label)):
        if value is not None:
            _put(fields, path, value)
    data = fields.get("data")
    if isinstance(
        data, dict
    ):  # a run is found again from every folder, however its data's folder was written
        for name in set(data) & {"root", "path", "metadata", "cifar_root", "mnist_root"}:
            if isinstance(data[name], str):
                data[name] = str(Path(data[name]).expanduser().resolve())
    return fields


def _put(fields, path, value):
    *outer, last = path.split(".")
    for name in outer:
        fields = fields.setdefault(name, {})
        if not isinstance(fields, dict):
            raise ValueError(f"set {path} cannot follow a value of {name}, got {name}={fields!r}")
    fields[last] = value


def _read_value(text):
    """A JSON value, or a word as Python writes it (True, None, (1, 2)), or else the text itself."""
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError):
            value = read(text)
            return tuple(value) if isinstance(value, list) else value
    return text


def _set_optimizer(schedule, arguments):
    """Schedule with the optimiser that the options name, on encoder and head alike."""
    from neural.training.presets import OPTIMIZERS
    from neural.training.recipes import change_recipe
    from neural.training.schedules import AdamConfig

    optimizer = schedule.optimizer
    if arguments.optimizer is not None:
        optimizer = _pick("optimizer", arguments.optimizer, OPTIMIZERS)()
    elif arguments.schedule is not None:
        optimizer = AdamConfig(1e-3, 1e-6)
    given = {"lr": arguments.lr, "weight_decay": arguments.weight_decay}
    optimizer = change_recipe(optimizer, {name: value for name, value in given.items() if value is not None})
    new = {"optimizer": optimizer}
    if hasattr(schedule, "head_optimizer") and arguments.schedule is not None:
        new |= {"head_optimizer": optimizer, "restart": False}
    return dataclasses.replace(schedule, **new)


def _read_head(folder):
    """Fixed head that repeats the linear head of a run."""
    from neural.models.heads import FrozenGivenConfig
    from neural.training.features import head_matrix
    from neural.training.pretraining import load_pretrained

    matrix = head_matrix(load_pretrained(folder / CHECKPOINT, device="cpu").head)
    if matrix is None:
        raise ValueError(f"frozen-from must be a run with a linear head without bias, got {folder}")
    return FrozenGivenConfig(tuple(map(tuple, matrix.tolist())))


def _read_text(path):
    if not path.is_file():
        raise ValueError(f"config must be the config.json of a run, got {path}, which is not a file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"config must be the config.json of a run, got {path}, which is not text") from None
