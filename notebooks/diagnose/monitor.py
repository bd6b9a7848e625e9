"""Watching a training run, and recording the features of any network by the names of its modules."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from neural.files import write_atomically
from notebooks.diagnose.diagnosis import diagnose
from notebooks.diagnose.moments import Estimate


@contextmanager
def record_outputs(network: nn.Module, names: Mapping[str, str]) -> Iterator[dict[str, list[Tensor]]]:
    """Record what modules of a network return while the block runs.

    Parameters
    ----------
    network : torch.nn.Module
    names : mapping of a key to the name of a module, as in ``network.named_modules()``

    Yields
    ------
    dict of key -> list of (n, m) tensors on the CPU
        One for each call. Outputs with more than two axes, such as feature maps, are averaged over the last ones;
        of several outputs the first is taken.

    Raises
    ------
    ValueError
        For a name that no module has.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    >>> with record_outputs(network, {"before": "0", "after": "1"}) as outputs:
    ...     _ = network(torch.zeros(5, 4))
    >>> outputs["before"][0].shape, outputs["after"][0].shape
    (torch.Size([5, 3]), torch.Size([5, 2]))
    """
    modules = dict(network.named_modules())
    for name in names.values():
        if name not in modules:
            shown = ", ".join(list(modules)[1:21])
            raise ValueError(f"no module is named {name!r}; the first ones are {shown}")
    outputs: dict[str, list[Tensor]] = {key: [] for key in names}

    def keep(key: str) -> Callable:
        def hook(module: nn.Module, arguments: tuple, output) -> None:
            output = output[0] if isinstance(output, tuple | list) else output
            outputs[key].append(
                output.detach().flatten(2).mean(-1).cpu() if output.ndim > 2 else output.detach().cpu()
            )

        return hook

    handles = [modules[name].register_forward_hook(keep(key)) for key, name in names.items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def write_features(path: Path | str, views: Mapping[str, tuple[Tensor, ...]], labels=None) -> None:
    """Store recorded features as one .npz file that `projhead diagnose` reads.

    Parameters
    ----------
    path : Path or str
        Ending in .npz. The arrays are named ``before1``, ``before2``, ``after1``, ... and ``labels``.
    views : mapping of "before" and "after" to the tensors of one or two views
    labels : (n,) array, optional
    """
    arrays = {
        f"{layer}{index + 1}": np.asarray(view.float())
        for layer, tensors in views.items()
        for index, view in enumerate(tensors)
    }
    if labels is not None:
        arrays["labels"] = np.asarray(labels)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically({Path(path): buffer.getvalue()})


class Monitor:
    """Diagnosis of a few held-out examples every so many steps of a training run, as rows of numbers.

    Parameters
    ----------
    features : callable
        () -> ((h1, h2), (z1, z2)): features of two views of the same examples before and after the head. It should
        put the network into evaluation mode and back.
    labels : (n,) array, optional
    every : int >= 1
        Steps between two diagnoses.
    log : callable, optional
        Called with each row, a dict of plain numbers; for instance ``run.log`` of an experiment tracker.

    Attributes
    ----------
    rows : list of dict
        All rows so far, each with `step`.
    """

    def __init__(self, features: Callable[[], tuple], labels=None, *, every: int = 1, log=None) -> None:
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be a whole number >= 1, got {every!r}")
        self.features, self.labels, self.every, self.log = features, labels, every, log
        self.rows: list[dict[str, float]] = []

    def __call__(self, step: int) -> dict[str, float] | None:
        """Diagnose when the step is due, and return the row; else None."""
        if step % self.every:
            return None
        with torch.no_grad():
            before, after = self.features()
        found = diagnose(before, after, self.labels)
        row: dict[str, float] = {"step": step}
        for section, numbers in found.numbers.items():
            for name, value in numbers.items():
                number = value.value if isinstance(value, Estimate) else value
                if isinstance(number, int | float):
                    row[f"{section}/{name}"] = number
        self.rows.append(row)
        if self.log is not None:
            self.log(row)
        return row

    def to_frame(self):
        """All rows as a pandas data frame."""
        import pandas as pd

        return pd.DataFrame(self.rows).set_index("step")


def lightning_callback(monitor: Monitor):
    """Callback for Lightning that runs a monitor at the end of every epoch; needs the package lightning."""
    from lightning.pytorch import Callback

    class Watch(Callback):
        """Runs the monitor when an epoch ends."""

        def on_train_epoch_end(self, trainer, pl_module) -> None:
            """One diagnosis for the epoch that has ended."""
            row = monitor(trainer.current_epoch)
            if row is not None:
                pl_module.log_dict({key: value for key, value in row.items() if key != "step"})

    return Watch()
