"""The image as its recipe says, built by buildah and run as a container runtime would: in namespaces of its own, with
the user, the environment and the command that stand in the image.

A registry of images is not to be had everywhere. So the base of the recipe is made here, of Debian's packages: a Debian
with Python 3.11, as the official image is, though that one compiles its Python itself.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tests.behaviour.gateway import until
from tests.real.programs import ROOT, TOOLS, need, without

BASE = "localhost/python:3.11-slim"
NAME = "flowspan:local"
_PACKAGES = "python3.11,python3.11-venv,python3-pip,ca-certificates"
_TIMEOUT = 900
_OF_THE_BUILDER = ("/etc/pip.conf", "/etc/ssl/certs")
"""What pip has to know on this machine to find packages."""


class Image:
    """A built image, mounted at `root`."""

    def __init__(self, root: Path, config: dict[str, Any]) -> None:
        self.root = root
        self.user: str = config["User"]
        self.environment = dict(one.split("=", 1) for one in config["Env"])
        self.entrypoint: list[str] = config["Entrypoint"]
        self.command: list[str] = config["Cmd"]
        self.labels: dict[str, str] = config["Labels"]
        self.working_directory: str = config["WorkingDir"]
        kind, *self.probe = config["Healthcheck"]["Test"]
        assert kind == "CMD"


@contextmanager
def built_image() -> Iterator[Image]:
    """Build it of the working tree. What has not changed since the last time is not built again."""
    if os.geteuid() != 0:
        without("an image is built by root alone")
    store = TOOLS / "images"
    buildah = _Buildah(need("buildah"), store)
    need("bwrap")
    if BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _make_base(buildah, store)
    mounted = [f"--volume={path}:{path}:ro" for path in _OF_THE_BUILDER if Path(path).exists()]
    buildah("bud", "--layers", "--pull-never", "--format=docker", *mounted, f"--tag={NAME}", str(ROOT))
    config = json.loads(json.loads(buildah("inspect", "--type=image", NAME))["Config"])["config"]
    container = buildah("from", "--pull-never", NAME).strip()
    try:
        yield Image(Path(buildah("mount", container).strip()), config)
    finally:
        buildah("rm", container)


class _Buildah:
    def __init__(self, program: str, store: Path) -> None:
        self._command = [program, f"--root={store / 'root'}", f"--runroot={store / 'run'}", "--storage-driver=overlay"]

    def __call__(self, *arguments: str) -> str:
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        command = [*self._command, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, env=environment, check=False)
        assert done.returncode == 0, f"buildah {' '.join(arguments)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


def _make_base(buildah: _Buildah, store: Path) -> None:
    container = buildah("from", "scratch").strip()
    root = buildah("mount", container).strip()
    command = [need("debootstrap"), "--variant=minbase", f"--include={_PACKAGES}", "bookworm", root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        buildah("rm", container)
        without(f"no Debian to be had: {done.stdout[-300:]}")
    Path(root, "usr/bin/python").symlink_to("python3.11")
    buildah("commit", "--quiet", "--rm", container, BASE)


class Container:
    """`with Container(image, folder, ...) as container`: the image's entry point with `command`, or the image's own, as
    process 1 on a root that is read only. `folder` is its /etc/flowspan, and /tmp a file system in memory."""

    def __init__(
        self,
        image: Image,
        folder: Path,
        command: Sequence[str] = (),
        *,
        user: str | None = None,
        environment: Sequence[tuple[str, str]] = (),
        volumes: Sequence[tuple[Path, str]] = (),
        has_tmp: bool = True,
    ) -> None:
        self._image = image
        self._user = user or image.user
        self._environment = {**image.environment, **dict(environment)}
        self._lines: list[str] = []
        mounts = ["--ro-bind", str(image.root), "/", "--proc", "/proc", "--dev", "/dev"]
        mounts += ["--perms", "1777", "--tmpfs", "/dev/shm", "--ro-bind", str(folder), "/etc/flowspan"]
        if has_tmp:
            mounts += ["--perms", "1777", "--tmpfs", "/tmp"]
        for outside, inside in volumes:
            mounts += ["--bind", str(outside), inside]
        apart = ["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--die-with-parent"]
        runtime = [need("bwrap"), *mounts, *apart, "--chdir", image.working_directory, "--clearenv"]
        self._process = subprocess.Popen(
            [*runtime, *self._without_rights(), *image.entrypoint, *(command or image.command)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _without_rights(self) -> list[str]:
        user, _, group = self._user.partition(":")
        ids = [f"--reuid={user}", f"--regid={group or user}", "--clear-groups"]
        words = [f"{name}={value}" for name, value in self._environment.items()]
        return ["/usr/bin/setpriv", *ids, "--no-new-privs", "--bounding-set=-all", "/usr/bin/env", *words]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            # Not the runtime, without which it would go on: who changes its user is not told of its parent's death.
            self.send(signal.SIGKILL)
        self._process.wait()
        self._reader.join()

    @cached_property
    def pid(self) -> int:
        """Its process 1, as this machine numbers it."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(lambda: bool(children.read_text().strip()), "it has begun", 10)
        return int(children.read_text())

    def log(self) -> str:
        return "".join(self._lines)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def end(self, timeout: float = 60) -> int:
        """The exit status, once it has ended."""
        status = self._process.wait(timeout)
        self._reader.join()
        return status

    def probe(self) -> subprocess.CompletedProcess[str]:
        """The image's health check."""
        return self.inside(*self._image.probe)

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """One more command in the running container."""
        inside = [need("nsenter"), f"--target={self.pid}", "--mount", "--pid", "--root", "--wd"]
        whole = [*inside, *self._without_rights(), *command]
        return subprocess.run(whole, capture_output=True, text=True, timeout=30, env={}, check=False)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._lines.extend(lines)
