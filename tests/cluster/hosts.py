"""Machines as network namespaces: each has its own address and name, and its own files where it is given some."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PORT = 29400
START = """
hostname "$1"
mount --bind "$2" /etc/hosts
if [ -n "$3" ]; then mount --bind "$3" "$4"; fi
cd "$4"
shift 4
exec "$@"
"""


class Speech:
    """A process whose output a thread reads, so that several can be waited for in turn without one blocking."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._has_ended = False
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._heard:
                    self.lines.append(line)
                    self._heard.notify_all()
        with self._heard:
            self._has_ended = True
            self._heard.notify_all()

    def wait_for(self, beginning: str, *, timeout_seconds: float = 60) -> None:
        """Wait until a line has begun so."""

        def has_come() -> bool:
            return self._has_ended or any(line.startswith(beginning) for line in self.lines)

        with self._heard:
            self._heard.wait_for(has_come, timeout_seconds)
        assert any(line.startswith(beginning) for line in self.lines), f"no {beginning!r} in:\n{self.said}"

    def finish(self, timeout_seconds: float = 90) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(timeout_seconds)
        self._reader.join()
        return code

    @property
    def said(self) -> str:
        return "".join(self.lines)


@dataclass(frozen=True)
class Host:
    """A machine. `files` are its own, seen in the place of the project's, or None where machines share a folder."""

    name: str
    address: str
    namespace: str
    names: Path
    project: Path
    files: Path | None

    @contextmanager
    def running(self, *command: str) -> Generator[Speech]:
        """A command on this machine, in the project's folder; nothing of it outlives the block."""
        files = "" if self.files is None else str(self.files)
        start = ["sh", "-ec", START, "sh", self.name, str(self.names), files, str(self.project)]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "unshare", "--uts", *start, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        speech = Speech(process)
        try:
            yield speech
        finally:
            self.kill_all()
            process.wait()

    def kill_all(self) -> None:
        found = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    def cut_off(self) -> None:
        """Take the cable out."""
        ip("-n", self.namespace, "link", "set", "eth0", "down")

    def connect(self) -> None:
        """Put it in again."""
        ip("-n", self.namespace, "link", "set", "eth0", "up")

    def seen(self, path: str) -> Path:
        """A path of the project as this machine has it, seen from outside."""
        return (self.files or self.project) / path


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def skip_without_namespaces() -> None:
    """Skip the test where no network namespace can be made, and say why."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces takes root")
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        pytest.skip(f"there is no {' and no '.join(missing)} (packages iproute2 and util-linux)")
    try:
        ip("netns", "add", _name("trial"))
        ip("netns", "delete", _name("trial"))
    except OSError as error:
        pytest.skip(f"no network namespace can be made: {error}")


def _name(what: str) -> str:
    return f"ftcli-{os.getpid()}-{what}"


@contextmanager
def two_hosts(project: Path, *, files: Sequence[Path] = ()) -> Generator[list[Host]]:
    """Two machines that share a project's folder or, where `files` names one for each, have nothing in common.

    The switch between them is a namespace, too: nothing of the real machine's network is touched.
    """
    skip_without_namespaces()
    names = project.parent / "hosts"
    addresses = {f"host{number}": f"10.99.0.{number}" for number in (1, 2)}
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    names.write_text("\n".join(lines) + "\n")
    switch = _name("switch")
    with ExitStack() as stack:
        stack.enter_context(_namespace(switch))
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        hosts: list[Host] = []
        for number, (name, address) in enumerate(addresses.items()):
            namespace = stack.enter_context(_namespace(_name(name)))
            _plug_in(namespace, switch, name, address)
            own = files[number] if files else None
            hosts.append(Host(name, address, namespace, names, project, own))
        yield hosts


@contextmanager
def _namespace(name: str) -> Iterator[Any]:
    ip("netns", "add", name)
    try:
        yield name
    finally:
        ip("netns", "delete", name)


def _plug_in(namespace: str, switch: str, name: str, address: str) -> None:
    ip("-n", switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    ip("-n", switch, "link", "set", name, "master", "bridge", "up")
    ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
    ip("-n", namespace, "link", "set", "lo", "up")
    ip("-n", namespace, "link", "set", "eth0", "up")


@contextmanager
def training(
    hosts: Sequence[Host], *arguments: str, torchrun: Sequence[str] = (), processes: int = 1
) -> Generator[list[Speech]]:
    """`ftcli train tiny.toml` on all machines, so many processes each, as README says."""
    started = command(hosts, *arguments, torchrun=("--nproc-per-node", str(processes), *torchrun))
    with ExitStack() as stack:
        yield [stack.enter_context(host.running(*started)) for host in hosts]


def command(hosts: Sequence[Host], *arguments: str, torchrun: Sequence[str] = ()) -> list[str]:
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{hosts[0].name}:{PORT}", "--rdzv-id", "job"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
    return [*launcher, *rendezvous, *torchrun, "-m", "ftcli", *(arguments or ("train", "tiny.toml"))]
