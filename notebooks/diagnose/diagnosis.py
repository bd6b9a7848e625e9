"""What theory says about features before and after a projection head, with error bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from notebooks.diagnose import classifiers, inputs, labels, pairs, spectra
from notebooks.diagnose import head as head_theory
from notebooks.diagnose.advice import advise
from notebooks.diagnose.held import HeldSample
from notebooks.diagnose.labels import LABELS, Verdict
from notebooks.diagnose.moments import Batch, Estimate, Layers, MomentSums, combine

SPECTRUM_SHOWN = 512
_SHARE, _COSINE = (0.0, 1.0), (-1.0, 1.0)
_RANGES = dict.fromkeys(
    [
        *("mean_share", "effective_rank_share", "energy", "signal", "shared_energy"),
        *("class share before", "class share after"),
    ],
    _SHARE,
) | (dict.fromkeys(["theory", *head_theory.CONTROLS], _COSINE) | {"kept_angle": (0.0, 90.0)})


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found out.

    Attributes
    ----------
    examples, views : int
    widths : dict
        Number of features `before` and `after` the head.
    numbers : dict of section -> dict of name -> Estimate, float or text
        Sections `agreement`, `head`, `null_space`, `spectrum before`, `spectrum after`, `labels`.
    curves : dict of name -> list of numbers
        What the pictures show.
    verdicts : tuple of Verdict
        Which layer to read, by number of labels; empty without labels or without features after the head.
    advice : tuple of str
        Plain sentences.
    missing : dict of section -> str
        Why a section is not there.
    """

    examples: int
    views: int
    widths: dict[str, int]
    numbers: dict[str, dict[str, Estimate | float | str]] = field(default_factory=dict)
    curves: dict[str, list] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    advice: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict:
        """Plain values; numbers that do not exist are None."""

        def plain(value):
            if isinstance(value, Estimate):
                return {"value": plain(value.value), "low": plain(value.low), "high": plain(value.high)}
            if isinstance(value, float) and not np.isfinite(value):
                return None
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [plain(item) for item in value]
            return value

        return {
            "examples": self.examples,
            "views": self.views,
            "widths": self.widths,
            "numbers": plain(self.numbers),
            "curves": plain(self.curves),
            "verdicts": [
                {"labels": one.labels, "gap": plain(one.gap), "layer": one.layer} for one in self.verdicts
            ],
            "advice": list(self.advice),
            "missing": self.missing,
        }


def diagnose(
    before,
    after=None,
    labels=None,
    *,
    head=None,
    last_layer=None,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Diagnosis:
    """Hold the features of a network against the theory of projection heads.

    Parameters
    ----------
    before : (n, m) array or pair of arrays, or iterable of dicts
        Features before the head: of one view, or of two views of the same n examples, row by row. numpy arrays, torch
        tensors (any float type) or memory maps. An iterable gives batches, each a dict with the key `before` and
        perhaps `after` and `labels`; it is gone through once.
    after : (n, p) array or pair of arrays, optional
        Features after the head, of the same views.
    labels : (n,) array, optional
        Classes as whole numbers or words; negative numbers and NaN mean that a label is not known.
    head : (p, m) array, optional
        Matrix of the head, where it is one linear map.
    last_layer : (m, d) array, optional
        Matrix of the last layer before the head, where no non-linearity lies between them.
    seed : int
        Of the sample that is held in memory, of the shuffled pairs and of the draws of labelled examples.
    progress : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        For shapes that do not fit, features that are not finite, fewer examples than features, fewer than two classes.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(1000, 4))
    >>> h1, h2 = (signal + 0.5 * rng.normal(size=(1000, 4)) for _ in range(2))
    >>> found = diagnose((h1, h2))
    >>> found.numbers["agreement"]["directions above noise"]
    4
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {seed!r}")
    report = progress or (lambda share: None)
    batches, num_classes, names, total = _open(before, after, labels)
    sums, held, seen = MomentSums(num_classes), HeldSample(seed), 0
    for batch in batches:
        sums.add(batch)
        held.add(batch)
        seen += len(batch.before[0])
        report(0.5 * seen / total if total else 0.0)
    if sums.count < 2:
        raise ValueError(f"before must hold at least 2 examples, got {sums.count}")
    return _Analysis(sums, held.batch(), names, seed, report).run(head, last_layer)


def _open(before, after, labels) -> tuple[Iterator[Batch], int, np.ndarray | None, int]:
    """Checked batches, number of classes, names of the classes, number of examples (0 where it is not known)."""
    if hasattr(before, "__next__") or (isinstance(before, Iterable) and _holds_dicts(before)):
        if after is not None or labels is not None:
            raise ValueError(
                "after and labels must be inside the batches where before is an iterable of batches"
            )
        return inputs.check_stream(before), 0, None, 0
    before = inputs.check_views("before", before)
    after = None if after is None else inputs.check_views("after", after)
    inputs.check_pairing(before, after)
    names = numbers = None
    if labels is not None:
        numbers, names = inputs.check_labels(labels, len(before[0]))
    count = len(before[0])
    return inputs.batches_of_arrays(before, after, numbers), 0 if names is None else len(names), names, count


def _holds_dicts(value) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, dict) for item in value)
    )


class _Analysis:
    """One diagnosis: numbers that are functions of the moments go through the jackknife together."""

    def __init__(self, sums: MomentSums, held: Batch, names, seed: int, report) -> None:
        self.sums, self.held, self.names, self.seed, self.report = sums, held, names, seed, report
        self.full = sums.layers()
        self.rng = np.random.default_rng([seed, 1])
        self.numbers: dict[str, dict] = {}
        self.curves: dict[str, list] = {}
        self.missing: dict[str, str] = {}
        self.verdicts: tuple[Verdict, ...] = ()
        self.pairs = (
            labels.class_pairs(self.full.before, seed) if self.full.before.class_means is not None else []
        )
        self.few_pairs = self.pairs[:: -(-len(self.pairs) // classifiers.MOST_PAIRS) or 1]

    def run(self, head, last_layer) -> Diagnosis:
        before, after = self.full.before, self.full.after
        head, last_layer = self._check_weights(head, last_layer)
        self._sections()
        self._sample()
        self._weights(head, last_layer)
        widths = {"before": before.width} | ({} if after is None else {"after": after.width})
        views = 1 if before.cross_cov is None else 2
        advice = tuple(advise(self.numbers, self.verdicts, self.missing, self.full))
        return Diagnosis(
            self.sums.count, views, widths, self.numbers, self.curves, self.verdicts, advice, self.missing
        )

    def _sections(self) -> None:
        sections = [*self._usable()]
        values = [_flatten(sections, self.full)]
        for group in range(self.sums.groups):
            values.append(_flatten(sections, self.sums.layers(group)))
            self.report(0.5 + 0.4 * (group + 1) / self.sums.groups)
        keys = list(values[0])
        table = np.array([[value[key] for key in keys] for value in values])
        enough = self.sums.count >= 2 * self.full.before.width
        for key, estimate in zip(keys, combine(table[0], table[1:], corrected=enough), strict=True):
            section, name = key
            self.numbers.setdefault(section, {})[name] = estimate.clipped(
                *_RANGES.get(name, (-np.inf, np.inf))
            )
        if "labels" in self.numbers:
            self._judge()

    def _usable(self) -> Iterator[tuple[str, Callable[[Layers], dict]]]:
        """Sections that this input allows; why the others are missing is noted."""
        layers = self.full
        yield "spectrum before", lambda one: spectra.measure_spectrum(one.before)
        for section, why in _obstacles(layers, self.pairs).items():
            if why:
                self.missing[section] = why
        if layers.after is not None:
            yield "spectrum after", lambda one: spectra.measure_spectrum(one.after)
        if "agreement" not in self.missing:
            yield "agreement", measure_agreement
        if "head" not in self.missing:
            yield "head", head_theory.compare_head
        if layers.after is not None and "complete" not in (
            spectra.find_collapse(layers.before),
            spectra.find_collapse(layers.after),
        ):
            yield "null space", head_theory.measure_null_space
        if self.pairs:
            yield "labels", lambda one: spread_labels(labels.compare_layers(one, self.pairs))
        if "classifiers" not in self.missing:
            yield "classifiers", lambda one: classifiers.predict_layers(one, self.few_pairs)

    def _judge(self) -> None:
        found = self.numbers["labels"]
        for layer in ("before", "after"):
            if f"{layer} {LABELS[0]}" in found:
                estimates = [found[f"{layer} {n}"].clipped(0, 1) for n in LABELS]
                self.curves[f"predicted {layer}"] = [[e.value, e.low, e.high] for e in estimates]
        self.curves["labels"] = list(LABELS)
        if self.full.after is not None:
            gains = [found.pop(f"gain {index}") for index in range(len(self.pairs))]
            self.curves["gain"] = [
                [*map(self._name, pair), gain.value, gain.low, gain.high]
                for pair, gain in zip(self.pairs, gains, strict=True)
            ]
            self.verdicts = tuple(labels.judge(n, found[f"gap {n}"]) for n in LABELS)
            crossing = labels.find_crossing(LABELS, np.array([one.gap.value for one in self.verdicts]))
            if crossing is not None:
                found["labels at which the better layer changes"] = crossing

    def _name(self, number: int) -> str:
        return str(number if self.names is None else self.names[number])

    def _sample(self) -> None:
        """Numbers that need the examples themselves."""
        full, held = self.full, self.held
        for name, moments, views in (("before", full.before, held.before), ("after", full.after, held.after)):
            if moments is None:
                continue
            found = self.numbers[f"spectrum {name}"]
            found["collapse"] = spectra.find_collapse(moments)
            self.curves[f"spectrum {name}"] = moments.principal[0][:SPECTRUM_SHOWN].tolist()
            if found["collapse"] != "complete":
                found["uniformity"] = spectra.uniformity(views[0][:1000])
                if len(views) == 2:
                    found["alignment"] = spectra.alignment(*views)
        if "agreement" in self.numbers:
            shared = pairs.find_shared_directions(full.before)
            floor = pairs.noise_floor(held.before, full.before.count, self.rng)
            found = self.numbers["agreement"]
            found["noise floor"] = floor
            found["directions above noise"] = int(np.sum(shared.sample_correlation > floor))
            self.curves["sample correlation"] = shared.sample_correlation[:SPECTRUM_SHOWN].tolist()
            self.curves["correlation"] = shared.correlation[:SPECTRUM_SHOWN].tolist()
        if "head" in self.numbers:
            weights = head_theory.shared_weights(full)
            self.curves |= {f"head {key}": value.tolist() for key, value in weights.items()}
            self.numbers["head"]["linear fit of the head"] = full.head_fit
            self.numbers["head"]["applies"] = _applies(self.numbers["head"])
        if self.pairs:
            measured = labels.measure_accuracies(held, self.pairs, seed=self.seed)
            self.curves |= {f"measured {layer}": values.tolist() for layer, values in measured.items()}
            self._nulls()
        if "classifiers" in self.numbers:
            self.curves["classifiers"] = classifiers.compare(
                self.numbers["classifiers"], full, held, self.few_pairs, self.seed
            )
        self.report(1.0)

    def _nulls(self) -> None:
        """Largest share of the variance between classes whose labels were permuted."""
        for layer, views in (("before", self.held.before), ("after", self.held.after)):
            if views is not None:
                largest = labels.permuted_share(views[0], self.held.labels, self.rng)
                share = largest * np.sum(self.held.labels >= 0) / self.full.before.class_counts.sum()
                self.numbers["labels"][f"class share {layer}, labels permuted"] = float(min(share, 1.0))

    def _check_weights(self, head, last_layer):
        width = self.full.before.width
        outputs = None if self.full.after is None else self.full.after.width
        if last_layer is not None and head is None:
            raise ValueError("last_layer needs head too: balance compares two adjacent linear maps")
        return (
            None if head is None else _matrix("head", head, outputs, width),
            None if last_layer is None else _matrix("last_layer", last_layer, width, None),
        )

    def _weights(self, head, last_layer) -> None:
        if head is None:
            return
        found = self.numbers.setdefault("head", {})
        if self.full.head is not None:
            found["cosine of the given matrix and the measured map"] = head_theory.cosine(
                head @ self.full.before.cov, self.full.head @ self.full.before.cov
            )
        if last_layer is not None:
            found["imbalance"] = head_theory.measure_balance(last_layer, head)


def _matrix(name: str, value, rows: int | None, columns: int | None) -> np.ndarray:
    matrix = inputs.to_numpy(name, value).astype(np.float64)
    wanted = f"({rows or 'any'}, {columns or 'any'})"
    fits = matrix.ndim == 2 and rows in (None, matrix.shape[0]) and columns in (None, matrix.shape[1])
    if not fits or not np.all(np.isfinite(matrix)):
        raise ValueError(f"{name} must be a finite matrix of shape {wanted}, got shape {matrix.shape}")
    return matrix


def _obstacles(layers: Layers, class_pairs) -> dict[str, str]:
    """Why a section cannot be had; empty text where it can."""
    before = layers.before
    collapsed = spectra.find_collapse(before) == "complete"
    why = {"agreement": "", "head": "", "null space": "", "labels": "", "classifiers": ""}
    if before.cross_cov is None:
        why["agreement"] = "one view only: what two views agree on needs two views of every example"
    elif collapsed:
        why["agreement"] = "complete collapse: all examples have nearly the same features"
    else:
        try:
            pairs.check_enough(before.count, before.whitening.shape[1])
        except ValueError as error:
            why["agreement"] = str(error)
    if layers.after is None:
        why["head"] = why["null space"] = "no features after the head were given"
    else:
        why["head"] = why["agreement"]
        if spectra.find_collapse(layers.after) == "complete":
            why["head"] = why["null space"] = "complete collapse after the head"
    if before.class_means is None:
        why["labels"] = "no labels were given"
    elif not class_pairs:
        why["labels"] = "fewer than two classes have two examples or more"
    why["classifiers"] = why["labels"]
    if not why["labels"] and any(
        one is not None and spectra.find_collapse(one) == "complete" for one in (before, layers.after)
    ):
        why["classifiers"] = "complete collapse of a layer"
    return why


def measure_agreement(layers: Layers) -> dict[str, float]:
    """Share of the variance that differs between the views, and the eight largest correlations of the views."""
    shared = pairs.find_shared_directions(layers.before)
    top = {f"correlation {rank + 1}": value for rank, value in enumerate(shared.correlation[:8])}
    return {"within-pair share": pairs.within_pair_share(layers.before)} | top


def spread_labels(found: dict) -> dict[str, float]:
    """What `compare_layers` found, one number for each name."""
    flat = {}
    for layer in ("before", "after"):
        if layer in found:
            flat[f"class share {layer}"] = found[f"share {layer}"]
            flat |= {f"{layer} {n}": value for n, value in zip(LABELS, found[layer], strict=True)}
    if "after" in found:
        flat |= {f"gap {n}": flat[f"before {n}"] - flat[f"after {n}"] for n in LABELS}
        flat |= {f"random {n}": value for n, value in zip(LABELS, found["random"], strict=True)}
        flat["gain of the signal direction"] = found["gain"]
        flat |= {f"gain {index}": value for index, value in enumerate(found["gains"])}
    return flat


def _flatten(sections, layers: Layers) -> dict[tuple[str, str], float]:
    return {
        (title, name): float(value) for title, measure in sections for name, value in measure(layers).items()
    }


def _applies(found: dict) -> str:
    """Whether the minimiser of the contrastive loss describes the head better than every control."""
    theory = found["theory"].value
    best = max(head_theory.CONTROLS, key=lambda name: found[name].value)
    if np.isnan(theory):
        return "cannot tell: directions are shared equally"
    if theory > found[best].value:
        return "yes"
    return f"does not apply: {best} describes the head better"
