"""The numbers of Gupta et al. (2022), Tables 1 and 2, and its sentences held against them."""

from __future__ import annotations

REFERENCE, LINEAR, INNER, PRETRAINED = (
    "no head",
    "trainable, joint",
    "trainable, alternating",
    "pre-trained, fixed",
)
TABLE_2 = {
    REFERENCE: 28.20,
    "random, fixed": 32.88,
    "DirectCLR": 33.08,
    PRETRAINED: 32.98,
    "PCA top": 32.19,
    "PCA bottom": 31.58,
    "slow, single step": 33.06,
    "slow, to optimum": 32.29,
    LINEAR: 38.44,
    INNER: 40.48,
}
"""Nearest-neighbour accuracy in per cent, TinyImageNet, ResNet-50 (Gupta et al., Table 2)."""
TABLE_1 = {
    "no projection": (85.69, 88.07, 47.67, 54.78, 28.20, 35.04),
    "SimCLR": (87.43, 91.11, 56.10, 68.01, 38.44, 50.64),
    "random": (86.57, 90.75, 51.81, 63.25, 32.88, 46.40),
    "DirectCLR": (86.93, 90.19, 52.23, 65.20, 33.08, 46.71),
    "alternating": (88.53, 91.97, 58.08, 69.12, 40.48, 51.72),
}
"""kNN and linear accuracy in per cent on CIFAR-10, CIFAR-100 and TinyImageNet (Gupta et al., Table 1)."""


def compare_sentences() -> list[tuple[str, str, bool]]:
    """Sentences of Gupta et al. held against the numbers of its Tables 1 and 2: sentence, numbers, whether they fit."""
    t = TABLE_2
    fixed = [t[head] for head in ("random, fixed", "DirectCLR", PRETRAINED)]
    slow = [t[head] for head in ("PCA top", "PCA bottom", "slow, single step", "slow, to optimum")]
    gains = [TABLE_1["alternating"][i] - TABLE_1["SimCLR"][i] for i in (2, 4)]
    return [
        (
            "Slow-Single is better than all fixed heads",
            f"{t['slow, single step']:.2f} against at most {max(fixed):.2f}",
            t["slow, single step"] > max(fixed),
        ),
        (
            "all fixed heads are better than none",
            f"at least {min(fixed):.2f} against {t[REFERENCE]:.2f}",
            min(fixed) > t[REFERENCE],
        ),
        (
            "both trainable heads are better than all fixed and slow ones",
            f"at least {min(t[LINEAR], t[INNER]):.2f} against at most {max(fixed + slow):.2f}",
            min(t[LINEAR], t[INNER]) > max(fixed + slow),
        ),
        (
            "PCA heads are worse than a random fixed head",
            f"at most {max(slow[:2]):.2f} against {t['random, fixed']:.2f}",
            max(slow[:2]) < t["random, fixed"],
        ),
        (
            "Slow-Optimal is worse than Slow-Single",
            f"{t['slow, to optimum']:.2f} against {t['slow, single step']:.2f}",
            t["slow, to optimum"] < t["slow, single step"],
        ),
        (
            "kNN gains about 2 points over SimCLR on CIFAR-100 and TinyImageNet",
            " and ".join(f"{gain:.2f}" for gain in gains),
            all(abs(gain - 2) < 0.1 for gain in gains),
        ),
        (
            "Table 1 (non-linear head) and Table 2 (linear heads) are different runs",
            f"SimCLR {TABLE_1['SimCLR'][4]:.2f} and {t[LINEAR]:.2f}, "
            f"alternating {TABLE_1['alternating'][4]:.2f} and {t[INNER]:.2f}",
            TABLE_1["SimCLR"][4] != t[LINEAR] or TABLE_1["alternating"][4] != t[INNER],
        ),
    ]


def format_sentences() -> str:
    """The result of `compare_sentences` as text."""
    return "\n".join(
        f"{'yes' if fits else 'NO':>4}  {sentence}: {numbers}"
        for sentence, numbers, fits in compare_sentences()
    )
