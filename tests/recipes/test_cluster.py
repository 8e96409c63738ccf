"""The files for Slurm and Kubernetes, as far as they can be tried without either: what they start, and that it exists."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from torch.distributed.run import get_args_parser

from ftcli.cli.app import app

FOLDER = Path(__file__).parents[2] / "recipes" / "cluster"
SLURM = FOLDER / "slurm.sbatch"
JOB = {
    "SLURM_JOB_NAME": "afqmc",
    "SLURM_JOB_ID": "41234567",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_JOB_NODELIST": "node[7-8]",
    "SLURM_GPUS_ON_NODE": "4",
}
STUBS = {
    "scontrol": '[ "$*" = "show hostnames node[7-8]" ] && printf "node7\\nnode8\\n"',
    "srun": 'shift; printf "%s\\n" "$@"',
    "torchrun": 'printf "%s\\n" torchrun "$@"',
}
"""Programs of a cluster, which print what they are asked to start."""


def started_by(script: list[str], folder: Path, **environment: str) -> list[str]:
    """The command that a script of a cluster starts."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, text in STUBS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        script, capture_output=True, text=True, cwd=folder, env={"PATH": path, **environment}, check=True
    )
    return done.stdout.splitlines()


def parsed(command: list[str]) -> tuple[Any, list[str]]:
    """What torchrun and ftcli read in a command; whatever they don't know is an error."""
    assert command[0] == "torchrun"
    launch = get_args_parser().parse_args(command[1:])
    assert (launch.module, launch.training_script) == (True, "ftcli")
    name, *arguments = launch.training_script_args
    typer.main.get_command(app).commands[name].make_context(name, list(arguments))
    return launch, launch.training_script_args


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").touch()
    return tmp_path


def test_slurm_starts_torchrun_on_every_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    launch, asked = parsed(started_by(["bash", str(SLURM), "recipe.toml"], folder, **JOB))
    assert (launch.nnodes, launch.nproc_per_node, launch.rdzv_backend) == ("2", "4", "c10d")
    assert (launch.rdzv_endpoint, launch.rdzv_id) == ("node7:24567", "41234567")
    assert asked == ["train", "recipe.toml", "--run-dir", "runs/afqmc"]


def test_slurm_goes_on_with_a_run_that_was_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "runs/afqmc").mkdir(parents=True)
    (folder / "runs/afqmc/recipe.toml").touch()
    _, asked = parsed(started_by(["bash", str(SLURM), "recipe.toml"], folder, **JOB))
    assert asked == ["resume", "runs/afqmc"]


@pytest.mark.parametrize("index", ["0", "1"])
def test_kubernetes_starts_torchrun_in_every_pod(folder: Path, index: str) -> None:
    service, job = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    pods = job["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    script = [*container["command"], *container["args"]]
    launch, asked = parsed(started_by(script, folder, JOB_COMPLETION_INDEX=index))
    assert int(launch.nnodes) == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert launch.nproc_per_node == str(container["resources"]["limits"]["nvidia.com/gpu"])
    assert launch.rdzv_conf == f"is_host={int(index == '0')}"
    port = service["spec"]["ports"][0]["port"]
    assert launch.rdzv_endpoint == f"{job['metadata']['name']}-0.{pods['subdomain']}:{port}"
    assert asked[:2] == ["train", "/recipe/recipe.toml"]


def test_kubernetes_names_fit_each_other() -> None:
    service, job = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    pods = job["spec"]["template"]["spec"]
    assert (service["apiVersion"], service["kind"], job["apiVersion"], job["kind"]) == (
        *("v1", "Service"),
        *("batch/v1", "Job"),
    )
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert pods["subdomain"] == service["metadata"]["name"]
    mounted = {mount["name"] for mount in pods["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pods["volumes"]}
