"""Tables behind the sliders of the site, where JavaScript has no closed form to compute with."""

import json

import numpy as np

import theory

SIGMA = np.round(np.linspace(0.05, 3.0, 60), 10)
SIGNAL = np.round(np.linspace(0.25, 4.0, 16), 10)
LOSSES = ("inner", "euclidean")
LABELS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
ALPHA = np.round(np.linspace(0.0, 0.9, 10), 10)
PHI = (0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0)
DIGITS = 6


def task(alpha, phi):
    """Ten features, of which the labels need the first; the other nine are alike.

    Parameters
    ----------
    alpha, phi : float
        Disruption and strength of the first feature; the others have 0.2 and 1, and the noise is 0.3.
    """
    return theory.FeatureModel(phi=[phi, *[1.0] * 9], alpha=[alpha, *[0.2] * 9], sigma=0.3)


def gain(loss):
    """Gain of the signal, rows along `SIGNAL` and columns along `SIGMA`."""
    return theory.projector_gain(loss, SIGNAL[:, None], SIGMA[None, :])


def accuracy(alpha, phi):
    """Accuracy of averaging before and after the head for each number of labels, (2, len(LABELS))."""
    model = task(alpha, phi)
    return theory.averaging_accuracy(model, theory.layer_weights(model)[:, None, :], 0, np.array(LABELS))


def tables_script():
    """Text of the script that holds the tables."""
    tables = {
        "sigma": SIGMA.tolist(),
        "signal": SIGNAL.tolist(),
        "gain": {loss: np.round(gain(loss), DIGITS).tolist() for loss in LOSSES},
        "labels": LABELS,
        "alpha": ALPHA.tolist(),
        "phi": PHI,
        "accuracy": [[np.round(accuracy(a, p), DIGITS).tolist() for p in PHI] for a in ALPHA],
    }
    return f"var projheadTables = {json.dumps(tables, separators=(',', ':'))};\n"
