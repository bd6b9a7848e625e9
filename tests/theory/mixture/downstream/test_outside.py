"""The square loss against numbers of an outside implementation.

GCMProject (github.com/IdePHICS/GCMProject), `L2Classification` on `CustomSpectra`, run at N = 10^6 dimensions to a
change of 1e-12. Its model is a Gaussian covariate with labels sign(teacher); the square loss depends on second
moments only, so the mixture behind the projector is the spectrum {(1+kappa)^2 (1+r^2), 1, ...}, the teacher on
its spike N r^2 (1+kappa)^2 pi/2, its penalty lambda delta; s = sqrt(2/pi) m / r, sigma^2 = q - s^2 (1+r^2).
"""

import pytest

import theory

FINITE_DIMENSIONS = 1e-6  # one over N, the order of the outside numbers' own error


@pytest.mark.parametrize(
    ("arguments", "wrong", "accuracy"),
    [
        ((1.0, 2.0, -0.5, 0.1), (1.0, 2.0, 0.0, 0.1), 0.7117126233),
        ((1.0, 2.0, 1.0, 0.1), (1.0, 2.0, 0.0, 0.1), 0.7504588581),
        ((2.0, 0.5, 0.0, 1.0), (2.0, 0.5, 0.0, 0.5), 0.9314021865),
        ((1.5, 5.0, 2.0, 0.01), (1.5, 5.0, 0.0, 0.01), 0.9016112609),
        ((0.7, 1.0, -0.9, 0.3), (0.7, 1.0, 0.0, 0.3), 0.5037507654),
    ],
)
def test_square_loss_against_an_outside_implementation(arguments, wrong, accuracy):
    """Signal norm, sample ratio, kappa and penalty; `wrong` forgets the projector, or halves the penalty."""
    assert theory.downstream_accuracy("ridge", *arguments) == pytest.approx(accuracy, abs=FINITE_DIMENSIONS)
    assert abs(theory.downstream_accuracy("ridge", *wrong) - accuracy) > 8 * FINITE_DIMENSIONS
