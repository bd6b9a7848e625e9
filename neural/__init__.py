"""Networks and their training: losses, ensembles trained at once, spectra."""

from neural.devices import resolve_device
from neural.ensemble.networks import Network
from neural.ensemble.streams import PairSource
from neural.ensemble.train import Member, Shape, TrainResult, train
from neural.losses import info_nce, nt_xent, spectral, supervised_contrastive
from neural.measures.spectra import effective_rank, numerical_rank, participation_ratio, spectrum, stable_rank
from neural.progress import LineReporter
from neural.seeds import stream_seed, torch_generator

__all__ = [
    "LineReporter",
    "Member",
    "Network",
    "PairSource",
    "Shape",
    "TrainResult",
    "effective_rank",
    "info_nce",
    "nt_xent",
    "numerical_rank",
    "participation_ratio",
    "resolve_device",
    "spectral",
    "spectrum",
    "stable_rank",
    "stream_seed",
    "supervised_contrastive",
    "torch_generator",
    "train",
]
