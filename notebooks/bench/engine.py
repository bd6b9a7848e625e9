"""The ensemble engine against one network at a time and against other ensembles, in interleaved rounds."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from neural import Member, Shape, torch_generator, train
from neural.ensemble.streams import block_steps
from notebooks.bench.ensembles import Task, ways
from notebooks.bench.gates import gates, peer_gates
from notebooks.bench.measures import Measure
from notebooks.bench.peers import IMPROVED, PLAIN, modules_of, plain_pairs, train_plainly, train_with_care
from synthetic.features.views import FeatureViews
from theory.features.model import FeatureModel

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")


@dataclass(frozen=True)
class Config:
    """Sizes of the networks and batches that are timed together.

    Attributes
    ----------
    name : str
    dim, width, embed_dim, batch : int
        Input dimension, hidden width, output dimension and pairs in a batch.
    loss : str
        A name in `peers.PLAIN`.
    members : int
        Number of networks in the ensemble.
    goals : dict of str to float
        The goal of each measure that has one, by the name of the measure.
    """

    name: str
    dim: int
    width: int
    embed_dim: int
    batch: int
    loss: str = "spectral"
    members: int = 32
    goals: dict[str, float] = field(default_factory=dict)

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products in one step of one network; spectral loss in Gram form."""
        layers = 4 * self.batch * (2 * self.dim * self.width + 3 * self.width * self.embed_dim)
        if self.loss == "spectral":
            return layers + 8 * self.batch * self.embed_dim**2
        return layers + 6 * self.batch**2 * self.embed_dim

    @property
    def shape(self) -> Shape:
        """The same sizes as the ensemble training takes them, with Adam in float32."""
        return Shape(
            self.dim, self.width, self.embed_dim, self.batch, steps=0, loss=self.loss, optimizer="adam"
        )

    @property
    def source(self) -> FeatureViews:
        """Source of pairs: a feature model with as many features as dimensions."""
        return FeatureViews(FeatureModel(np.linspace(1, 0.5, self.dim), np.full(self.dim, 0.2), sigma=0.5))


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes
    ----------
    rounds : int
        How often every variant is timed.
    seconds : float
        Time for one variant in one round.
    compiled : bool
        Whether to time torch.compile, which takes minutes to start.
    """

    rounds: int = 5
    seconds: float = 0.4
    compiled: bool = False


_AHEAD = {"over JAX map": 1.3, "over JAX vmap": 1.3, "over numpy": 1.5}
_XS = Config("XS", 10, 32, 8, 128, goals={"ratio": 18} | _AHEAD)
_S = Config("S", 20, 64, 32, 256, goals={"ratio": 8.5, "share of mm": 0.65} | _AHEAD)
_M = Config("M", 32, 128, 32, 512, goals={"ratio": 4.8, "share of mm": 0.75, "own over shared": 0.8} | _AHEAD)
CPU_CONFIGS = (
    _XS,
    Config("T", 20, 64, 8, 256, goals={"ratio": 11}),
    _S,
    _M,
    Config("L", 64, 256, 32, 1024, goals={"ratio": 5, "share of mm": 0.78} | _AHEAD),
    replace(_XS, name="XS InfoNCE", loss="info_nce", goals=_AHEAD),
    replace(_S, name="S InfoNCE", loss="info_nce", goals=_AHEAD),
    replace(_M, name="M InfoNCE", loss="info_nce", goals={"one thread": 2.2} | _AHEAD),
)
CUDA_CONFIGS = tuple(
    replace(_M, name=f"M x {members}", members=members, goals={"ratio": 200, "share of mm": 0.5})
    for members in (256, 1024)
)
_LEAST_STEPS = 24
QUICK = Effort(rounds=2, seconds=0.1)

ONE_THREAD = {  # quantity: rate of the first, of the second, and the clock
    "one thread": ("engine, one thread", "peer, one thread", "processor"),
    "one thread own": ("engine own, one thread", "peer, one thread", "processor"),
    "over improved": ("engine, one thread", "improved peer", "processor"),
    "share of mm": ("engine, one thread", "mm", "processor"),
    "own over shared": ("engine own, one thread", "engine, one thread", "processor"),
}
ENSEMBLES = ("numpy", "JAX map", "JAX vmap", "torch.compile")
OVER_ENSEMBLES = {f"over {name}": ("engine, one thread", name, "processor") for name in ENSEMBLES}
ALL_CORES = {"ratio": ("engine", "peer", "wall"), "ratio own": ("engine own", "peer", "wall")}
CUDA = ALL_CORES | {
    "over improved": ("engine", "improved peer", "wall"),
    "share of mm": ("engine", "mm", "wall"),
}


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes
    ----------
    run : callable
        Called with the number of steps.
    networks : int
        Number of networks that are trained at once.
    threads : int
        Number of threads that torch may use while it runs.
    """

    run: Callable[[int], object]
    networks: int
    threads: int


@dataclass(frozen=True)
class Rates:
    """Training steps of a single network per second.

    Attributes
    ----------
    wall, processor : float
        Per second of the clock, and per second of processor time.
    """

    wall: float
    processor: float


def engine_measures(
    configs: tuple[Config, ...], effort: Effort, device: str = "cpu", busy: bool = False
) -> tuple[dict[str, Measure], dict[str, list]]:
    """Check that results agree (`gates`), then time all variants in turn, for each configuration.

    Parameters
    ----------
    configs : tuple of Config
        A configuration whose results do not agree is not timed.
    effort : Effort
    device : {"cpu", "cuda"}
    busy : bool
        Whether other programs run on the machine. Measures that need an idle machine are left out then.

    Returns
    -------
    measures : dict of str to Measure
        ``engine/<configuration>/<quantity>``. Every ratio is taken between rates of the same round. On the CPU they
        are: "ratio" (the engine on all cores over one network at a time with torch's default number of threads,
        by the clock); "one thread" (the same with one thread each, in processor time); "over improved" (over a
        peer with Gram loss and fused Adam, on one thread); "over numpy", "over JAX map", "over JAX vmap" and
        "over torch.compile" (over `notebooks.bench.ensembles` on one thread, in processor time; JAX only where it is
        installed, torch.compile only at full effort); "share of mm" (operations per second on one thread,
        as a share of those of torch.mm); "own over shared". "fixed cost" is the processor time of a training with no
        step, in milliseconds. The ending " own" means that every member draws its own data instead
        of sharing them. On CUDA all ratios are by the clock. The rates themselves are measures too.
    gates : dict of configuration to list of Gate
    """
    measures, checked = {}, {}
    for config in configs:
        checked[config.name] = gates(config.shape, config.source, device)
        if device == "cpu":
            checked[config.name] += peer_gates(_task(config), ways(_task(config), compiled=effort.compiled))
        if all(gate.ok for gate in checked[config.name]):
            print(f"timing {config.name}", file=sys.stderr, flush=True)
            quantities = _quantities(config, effort, device, busy)
            measures |= {f"engine/{config.name}/{name}": measure for name, measure in quantities.items()}
    return measures, checked


def measure_in_fresh_process(arguments: list[str]) -> dict:
    """`engine_measures` as plain values, in a process with torch's default threads.

    Parameters
    ----------
    arguments : list of str
        The device, then any of ``quick`` and ``busy``.

    Returns
    -------
    dict
        "measures": Measures as dicts, "gates": list of (configuration, text, passed).
    """
    environment = {name: value for name, value in os.environ.items() if name not in _THREAD_SETTINGS}
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"  # JAX is timed on one thread
    command = [sys.executable, "-m", "notebooks.bench.engine", *arguments]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def _quantities(config, effort, device, busy):
    ratios = CUDA if device == "cuda" else ONE_THREAD if busy else ALL_CORES | ONE_THREAD
    variants = _variants(config, device)
    if device == "cpu":
        variants |= _ensembles(config, effort)
        ratios = ratios | {key: ratio for key, ratio in OVER_ENSEMBLES.items() if ratio[1] in variants}
    used = {name for *names, _ in ratios.values() for name in names}
    rounds = _rounds(config, effort, device, {name: variants[name] for name in variants if name in used})
    measures = {}
    for quantity, (over, under, clock) in ratios.items():
        scale = config.flops if under == "mm" else 1
        samples = [scale * getattr(rates[over], clock) / getattr(rates[under], clock) for rates in rounds]
        measures[quantity] = Measure.of(samples, goal=config.goals.get(quantity))
    clocks = {name: clock for *names, clock in ratios.values() for name in names}
    for name, clock in sorted(clocks.items()):
        scale, unit = (1e-9, "GFLOP/s") if name == "mm" else (1, "steps/s")
        measures[f"rate of {name}"] = Measure.of(
            [scale * getattr(rates[name], clock) for rates in rounds], unit
        )
    empty = variants["engine, one thread"]
    fixed = [_timed(lambda: empty.run(0), 1, 1, device) for _ in range(effort.rounds)]
    measures["fixed cost"] = Measure.of([1e3 / rates.processor for rates in fixed], "ms", less_is_better=True)
    return measures


def _rounds(config, effort, device, variants):
    """Rates of the variants in each round; within a round they are timed one after the other."""
    steps = {
        name: _steps(variant, effort.seconds, _block(config, device), device)
        for name, variant in variants.items()
    }
    rounds = []
    for _ in range(effort.rounds):
        rates = {name: _rates(variant, steps[name], device) for name, variant in variants.items()}
        rounds.append(rates | {"mm": _mm_rates(effort.seconds, device)})
    return rounds


def _variants(config, device):
    default = torch.get_num_threads()
    one, all_cores = (lambda run: Variant(run, 1, 1)), (lambda run: Variant(run, 1, default))
    return {
        "peer": all_cores(_peer(config, device)),
        "peer, one thread": one(_peer(config, device)),
        "improved peer": one(_improved_peer(config, device)),
        "engine": _engine(config, device, default, own=False),
        "engine own": _engine(config, device, default, own=True),
        "engine, one thread": _engine(config, device, 1, own=False),
        "engine own, one thread": _engine(config, device, 1, own=True),
    }


def _ensembles(config, effort):
    """The other ways to train the ensemble, on one thread."""
    found = ways(_task(config), compiled=effort.compiled)
    return {name: Variant(way.run, config.members, 1) for name, way in found.items()}


def _task(config):
    start = train(_members(config, config.members, own=False), config.shape, device="cpu").network
    return Task(config.loss, config.source.model, config.batch, tuple(w.numpy() for w in start.weights))


def _members(config, count, own):
    return [Member(seed=e, data=config.source, data_seed=1 + e if own else 0, lr=1e-3) for e in range(count)]


def _engine(config, device, threads, own):
    members = _members(config, config.members, own)
    workers = 1 if device == "cuda" else threads

    def run(steps):
        train(members, replace(config.shape, steps=steps), device=device, workers=workers)

    return Variant(run, config.members, threads)


def _model(config, device):
    return modules_of(train(_members(config, 1, own=False), config.shape, device=device).network)


def _peer(config, device):
    model, generator = _model(config, device), torch_generator(0, "peer", device=device)

    def run(steps):
        pairs = plain_pairs(config.source.model, config.batch, steps, generator, torch.float32)
        train_plainly(model, pairs, PLAIN[config.loss], 1e-3)

    return run


def _improved_peer(config, device):
    model, generator = _model(config, device), torch_generator(0, "peer", device=device)
    block = _block(config, device)

    def run(steps):
        train_with_care(model, pairs(-(-steps // block)), IMPROVED[config.loss], 1e-3)

    def pairs(blocks):
        for _ in range(blocks):
            views = config.source.sample_pairs(block * config.batch, generator, torch.float32)
            yield from zip(*(view.split(config.batch) for view in views), strict=True)

    return run


def _block(config, device):
    """Number of steps whose batches the engine draws at once."""
    return block_steps(config.shape.dim, config.batch, device)


def _steps(variant, seconds, block, device):
    """Number of steps that takes about this long, and at least so many that the start of a run costs little.

    They fill whole blocks, less the one batch of the final loss. Finding the number also warms the variant up.
    """
    rate = 0.0
    for _ in range(2):
        rate = max(rate, _rates(variant, max(1, block - 1), device).wall / variant.networks)
        if block > seconds * rate:
            break
    return block * max(-(-_LEAST_STEPS // block), round(seconds * rate / block)) - 1


def _rates(variant, steps, device):
    return _timed(lambda: variant.run(steps), steps * variant.networks, variant.threads, device)


def _mm_rates(seconds, device):
    """Operations per second of torch.mm in float32, on one thread of the CPU or on the CUDA device."""
    size = 8192 if device == "cuda" else 1024
    generator = torch_generator(0, "mm", device=device)
    a, b, out = torch.randn(3, size, size, generator=generator, device=device).unbind()

    def products(count):
        return lambda: [torch.mm(a, b, out=out) for _ in range(count)]

    _timed(products(1), 1, 1, device)
    count = max(1, round(seconds * _timed(products(3), 3, 1, device).wall))
    return _timed(products(count), 2 * size**3 * count, 1, device)


def _timed(function, amount, threads, device):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    limits = threadpool_limits(threads)
    try:
        start, start_processor = time.perf_counter(), time.process_time()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        wall, processor = time.perf_counter() - start, time.process_time() - start_processor
    finally:
        limits.restore_original_limits()
        torch.set_num_threads(before)
    return Rates(amount / wall, amount / processor)


def _main(device, *options):
    effort = QUICK if "quick" in options else Effort(compiled=True)
    if importlib.util.find_spec("jax") is None:
        print("JAX is not installed and is left out: pip install projhead[bench]", file=sys.stderr)
    configs = CUDA_CONFIGS if device == "cuda" else CPU_CONFIGS
    measures, checked = engine_measures(configs, effort, device, busy="busy" in options)
    result = {
        "measures": {name: measure.to_json() for name, measure in measures.items()},
        "gates": [(name, gate.text(), gate.ok) for name, found in checked.items() for gate in found],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    _main(*sys.argv[1:])
