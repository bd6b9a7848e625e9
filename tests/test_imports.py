import os
import subprocess
import sys

import pytest

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_DYNAMIC")


def in_a_fresh_interpreter(code):
    clean = {name: value for name, value in os.environ.items() if name not in THREADS}
    run = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_theory_imports_fast():
    """Seconds of the processor, as those of the clock measure what else the machine does."""
    code = "import time; start = time.process_time(); import theory; print(time.process_time() - start)"
    assert min(float(in_a_fresh_interpreter(code)) for _ in range(3)) < 0.5


def test_theory_loads_neither_torch_nor_plots_nor_scipy_stats():
    heavy = ("torch", "sklearn", "skimage", "kornia", "joblib", "matplotlib", "pandas", "scipy.stats")
    code = f"import sys, theory; print(*sys.modules.keys() & set({heavy}))"
    assert in_a_fresh_interpreter(code).split() == []


@pytest.mark.parametrize("package", ["theory", "synthetic", "neural", "notebooks"])
def test_importing_a_package_changes_no_setting(package):
    code = f"""
import os, random
import numpy, torch
environment, threads = dict(os.environ), torch.get_num_threads()
states = str(numpy.random.get_state()), str(torch.get_rng_state().tolist()), random.getstate()
precision = torch.get_float32_matmul_precision()
import {package}
changed = {{name for name in os.environ if os.environ[name] != environment.get(name)}}
assert changed <= {{"KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"}}, changed  # by joblib and threadpoolctl
assert environment.keys() <= os.environ.keys()
assert torch.get_num_threads() == threads
assert (str(numpy.random.get_state()), str(torch.get_rng_state().tolist()), random.getstate()) == states
assert torch.get_default_dtype() == torch.float32
assert torch.get_float32_matmul_precision() == precision
"""
    in_a_fresh_interpreter(code)
