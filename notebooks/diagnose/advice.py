"""What a diagnosis says in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from notebooks.diagnose.labels import WORTH
from notebooks.diagnose.moments import Layers


def advise(numbers, verdicts, missing, layers: Layers) -> Iterator[str]:
    """Sentences on collapse, on what the views share, on the head, on the labels, and on which layer to read."""
    for name in ("before", "after"):
        collapse = numbers.get(f"spectrum {name}", {}).get("collapse")
        if collapse == "complete":
            yield f"The features {name} the head have collapsed completely: all examples have nearly the same features."
        elif collapse == "partial":
            yield (
                f"More than a tenth of the directions {name} the head hold almost no variance. This alone does not say "
                "which layer is better to read."
            )
    if "agreement" in numbers and not numbers["agreement"]["directions above noise"]:
        yield (
            "The two views agree on no direction beyond chance: check that row i of both views belongs to the same "
            "example."
        )
    elif "agreement" in numbers:
        found = numbers["agreement"]
        yield (
            f"The two views agree on {found['directions above noise']} directions of {layers.before.width} beyond "
            f"chance; {found['within-pair share'].value:.0%} of the variance before the head differs between the views."
        )
    if "head" in numbers and "theory" in numbers["head"]:
        found = numbers["head"]
        if found["applies"] == "yes":
            yield (
                f"The head is near the minimiser of the contrastive loss (cosine {found['theory'].value:.2f}): it "
                "keeps what the views share and throws away what the augmentation changes."
            )
        else:
            yield f"The theory of contrastive heads {found['applies']}."
    if layers.head_fit is not None and layers.head_fit < 3 * layers.before.width / layers.before.count:
        yield (
            "The features after the head do not follow from those before it by more than chance: check that row i of "
            "all files belongs to the same example."
        )
    yield from _advise_signal(numbers.get("labels", {}))
    if "labels" in numbers and "gain of the signal direction" in numbers["labels"]:
        gain = numbers["labels"]["gain of the signal direction"]
        word = (
            "expands"
            if gain.low > 1
            else "shrinks"
            if gain.high < 1
            else "neither clearly expands nor shrinks"
        )
        yield f"The head {word} the directions between the classes (factor {gain.value:.2f})."
    yield from _advise_layer(verdicts)
    if "random 8" in numbers.get("labels", {}):
        head, chance = numbers["labels"]["after 8"].value, numbers["labels"]["random 8"].value
        word = "no differently" if abs(head - chance) < WORTH else "better" if head > chance else "worse"
        than = "from" if word == "no differently" else "than"
        yield (
            f"With 8 labels the head is read {word} {than} a random projection of the same width "
            f"({head:.1%} against {chance:.1%})."
        )
    failed = sorted(
        name.removesuffix(": prediction")
        for name, value in numbers.get("classifiers", {}).items()
        if isinstance(value, str) and value.startswith("fails")
    )
    if failed:
        yield (
            f"The predicted accuracy of {', '.join(failed)} is off by more than three points; the table says which "
            "assumption fails. Trust the measured accuracies there."
        )
    if "labels" in missing:
        yield "Without labels nothing can be said about which layer to read: rank alone does not choose a layer."


def _advise_signal(found: dict) -> Iterator[str]:
    for layer in ("before", "after"):
        share, chance = found.get(f"class share {layer}"), found.get(f"class share {layer}, labels permuted")
        if chance is not None and share.value <= chance:
            yield f"The classes cannot be told from permuted labels {layer} the head: there is nothing to read."


def _advise_layer(verdicts) -> Iterator[str]:
    for layer in ("before", "after", "cannot tell"):
        counts = [one.labels for one in verdicts if one.layer == layer]
        if not counts:
            continue
        listed = f"{counts[0]}" if len(counts) == 1 else f"{', '.join(map(str, counts[:-1]))} or {counts[-1]}"
        if layer == "cannot tell":
            yield f"With {listed} labels the layers differ by less than one point or within the error: either will do."
        else:
            largest = max((one for one in verdicts if one.layer == layer), key=lambda one: abs(one.gap.value))
            yield (
                f"With {listed} labels of two classes read the features {layer} the head: up to "
                f"{abs(largest.gap.value):.1%} better (with {largest.labels} labels)."
            )
