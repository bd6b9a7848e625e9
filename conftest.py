"""Thread settings, ``--seed``, ``--slow`` and the two markers, for every test of the suite."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("projhead", deadline=None, database=None)
settings.load_profile("projhead")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=0, metavar="N", help="shift every seed of the suite by N")
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(config.getoption("--seed"))


def pytest_collection_modifyitems(config, items):
    run_slow = config.getoption("--slow") or "slow" in config.getoption("-m")
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"the id holds an address, so it cannot be selected again: {item.nodeid}")
        if item.get_closest_marker("slow") and not run_slow:
            item.add_marker(pytest.mark.skip(reason="slow: give --slow to run it"))
        if item.get_closest_marker("gpu") and not _cuda_available():
            item.add_marker(pytest.mark.skip(reason="gpu: no CUDA device here"))


def _cuda_available():
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def seed(request):
    """Root of every seed of the suite, 0 unless ``--seed N`` is given."""
    return request.config.getoption("--seed")
