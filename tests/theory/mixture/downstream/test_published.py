"""Numbers of others: Loureiro et al. (2021), "Learning Gaussian Mixtures with Generalized Linear Models".

arXiv 2106.03791, its public result tables. There the loss is a sum plus lam/2 |w|^2 over x / sqrt(d), the means have
norm 1 and the noise variances are D: r_j = (share_j / D_j)^(1/2), the penalty is lam / alpha, gains are D_j^(1/2).
"""

import numpy as np
import pytest
from scipy.special import ndtr

import theory

RATIOS = np.array([0.4981632653, 0.9863265306, 1.474489796, 1.962653061, 2.450816327, 2.938979592])


def test_logistic_in_isotropic_noise():
    ratios = np.array([0.4821052632, 0.9542105263, 1.426315789, 1.898421053, 2.370526316, 2.842631579])
    errors = [0.181365676042, 0.154687300178, 0.144254275771, 0.138537028586, 0.134752113989, 0.131873011361]
    found = 1 - theory.downstream_accuracy("logistic", 2**0.5, ratios, 0.0, 0.01 / (0.5 * ratios))
    np.testing.assert_allclose(found, errors, atol=1e-10)
    wrong = 1 - theory.downstream_accuracy("logistic", 2**0.5, ratios, 0.0, 0.01 / ratios)
    assert np.all(np.abs(wrong - errors) > 1e-6)


@pytest.mark.parametrize(
    ("classifier", "shares", "variances", "lam", "errors"),
    [
        ("ridge", [0.5, 0.5], [0.1, 0.5], 0.01,
         [0.105415200185, 0.0936834659763, 0.063175016795, 0.041819323173, 0.0309387526349, 0.0248715209709]),
        ("hinge", [0.8, 0.2], [0.5, 0.1], 0.1,
         [0.164457139577, 0.129121975894, 0.108343286811, 0.0944558832221, 0.0846188642314, 0.0773252420284]),
    ],
)  # fmt: skip
def test_two_noise_variances(classifier, shares, variances, lam, errors):
    strengths, gains = np.sqrt(np.array(shares) / variances), np.sqrt(variances)
    found = 1 - theory.spectrum_accuracy(strengths, gains, shares, RATIOS, lam / RATIOS, classifier)
    np.testing.assert_allclose(found, errors, atol=1e-9)
    isotropic = 1 - theory.spectrum_accuracy(strengths, [1, 1], shares, RATIOS, lam / RATIOS, classifier)
    assert np.all(np.abs(isotropic - errors) > 1e-4)


def test_three_classes_with_orthogonal_means():
    """Square loss, noise variance 0.5, lam = 0.001; the table's Monte Carlo error is 3e-4."""
    ratios = np.array([1.684848, 3.169697, 4.654545, 6.139394, 7.624242, 9.109091])
    errors = np.array([0.46836, 0.37662, 0.34087, 0.32120, 0.30898, 0.30003])
    found = 1 - theory.multiclass_ridge_accuracy(
        3, 2**0.5, ratios, 0.0, 0.001 / (0.5 * ratios), means="orthogonal"
    )
    np.testing.assert_allclose(found, errors, atol=9e-4)
    simplex = 1 - theory.multiclass_ridge_accuracy(3, 2**0.5, ratios, 0.0, 0.001 / (0.5 * ratios))
    assert np.all(np.abs(simplex - errors) > 0.02)


def test_the_unregularised_square_loss_is_best_where_the_data_do_not_separate(seed):
    """A theorem of Mai and Liao (2019) and Taheri et al. (2020)."""
    rng = np.random.default_rng([seed, 60])
    r = rng.uniform(0.2, 2, 60)
    delta = theory.separability_threshold(r) * rng.uniform(1.05, 4, 60)
    square = theory.downstream_accuracy("ridge", r, delta, 0.0, 0.0)
    for classifier in ("logistic", "hinge"):
        assert np.all(theory.downstream_accuracy(classifier, r, delta, 0.0, 0.0) < square)
    assert np.all(square < ndtr(r))
