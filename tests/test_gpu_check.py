"""`make gpu-check` is ready to run where CUDA is, and says so where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

COMMAND = [sys.executable, str(Path(__file__).parents[1] / "benchmarks/gpu_check.py")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_it_says_what_is_missing():
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a CUDA device, found none" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_its_trainings_run_at_a_size_for_any_machine():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*COMMAND, "--tiny"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = ("iterations per second", "l_g_cyc_percep", "l_d_f", "all went well")
    assert [figure for figure in figures if figure not in done.stdout] == []
