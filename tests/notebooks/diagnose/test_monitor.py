"""Recording the features of any network, and watching a training run."""

import numpy as np
import pytest
import torch
from torch import nn

from notebooks.diagnose import Monitor, record_outputs, write_features
from notebooks.diagnose.inputs import read_array


def network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(3 * 36, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 2))
    )


def test_outputs_of_named_modules_are_recorded_and_the_hooks_taken_off():
    net, images = network(), torch.randn(7, 1, 8, 8)
    with record_outputs(net, {"maps": "0", "before": "2", "after": "3"}) as outputs:
        first = net(images)
        net(images + 1)
    net(images)
    assert [len(parts) for parts in outputs.values()] == [2, 2, 2]
    assert torch.equal(outputs["after"][0], first)
    assert torch.allclose(outputs["maps"][0], net[0](images).mean((2, 3)), atol=1e-6)
    assert not any(module._forward_hooks for module in net.modules())


def test_an_unknown_module_is_named():
    with pytest.raises(ValueError, match="no module is named 'backbone'; the first ones are 0, 1"):
        with record_outputs(network(), {"before": "backbone"}):
            pass


def test_recorded_features_are_read_back(tmp_path):
    views = {"before": (torch.ones(3, 2), torch.zeros(3, 2))}
    write_features(tmp_path / "features.npz", views, [0, 1, 1])
    assert np.array_equal(read_array(f"{tmp_path}/features.npz:before2"), np.zeros((3, 2)))
    assert read_array(f"{tmp_path}/features.npz:labels").tolist() == [0, 1, 1]


def test_a_monitor_gives_a_row_of_plain_numbers_when_it_is_due():
    rng, logged = np.random.default_rng(0), []

    def features():
        signal = rng.normal(size=(200, 3))
        h = tuple(signal + rng.normal(size=(200, 3)) for _ in range(2))
        return h, tuple(view[:, :2] for view in h)

    monitor = Monitor(features, np.arange(200) % 2, every=10, log=logged.append)
    rows = [monitor(step) for step in range(1, 31)]
    assert [row["step"] for row in rows if row] == [10, 20, 30] and logged == monitor.rows
    assert all(isinstance(value, int | float) for row in logged for value in row.values())
    assert "spectrum before/effective_rank" in logged[0] and "head/theory" in logged[0]
    assert list(monitor.to_frame().index) == [10, 20, 30]


@pytest.mark.parametrize("every", [0, -1, 1.5, None])
def test_every_is_checked(every):
    with pytest.raises(ValueError, match="every must be a whole number >= 1"):
        Monitor(lambda: None, every=every)
