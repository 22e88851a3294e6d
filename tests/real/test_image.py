"""The image, built and run: on a root that is read only, for a user that is a number, as process 1."""

import os
import signal
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import until
from tests.real.image import Container, Image, built_image
from tests.real.programs import ROOT, free_port

pytestmark = pytest.mark.timeout(1800)
KEY = "sk-flowspan-0123456789"
STATE = "/var/lib/flowspan"
CONFIG = """
model_list:
  - {model_name: echo, litellm_params: {model: simulated/echo}}
  - {model_name: slow, litellm_params: {model: simulated/lorem-40+pace-100}}
general_settings: {master_key: os.environ/FLOWSPAN_KEY}
gateway:
  server: {lame_duck: 3s, drain_timeout: 10s}
"""
ANYBODY = "54321:0"
"""A user without an entry in the image, in the group 0: as OpenShift chooses one."""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built_image() as built:
        yield built


class Ports:
    """A container's, which shares this machine's addresses, so that its ports have to be free ones."""

    def __init__(self) -> None:
        self.port, self.metrics, self.console = free_port(), free_port(), free_port()

    def options(self) -> list[str]:
        numbers = {"--port": self.port, "--metrics-port": self.metrics, "--console-port": self.console}
        return [word for name, number in numbers.items() for word in (name, str(number))]


class Running:
    """The image's own command with other ports, once it is ready."""

    def __init__(self, image: Image, folder: Path, more: str = "", options: Sequence[str] = (), **how: object) -> None:
        (folder / "flowspan.yaml").write_text(CONFIG + more)
        folder.chmod(0o755)
        self.ports = Ports()
        self.port = self.ports.port
        command = [*image.command, *self.ports.options(), *options]
        keys = [("FLOWSPAN_KEY", KEY)]
        self.container = Container(image, folder, command, environment=keys, **how)  # type: ignore[arg-type]

    def __enter__(self) -> "Running":
        try:
            until(lambda: self.is_ready() or not self.container.is_running(), "it is ready", 60)
            assert self.container.is_running(), self.container.log()
        except BaseException:
            self.container.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.container.__exit__()

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz", self.port)[0] == 200
        except OSError:
            return False

    def get(self, path: str, port: int) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def asked(self, model: str = "echo", stream: bool = False) -> bytes:
        reply = post(self, CHAT, ask(model, stream=stream), {"authorization": f"Bearer {KEY}"})
        assert reply.status == 200
        return reply.body


def test_it_says_what_it_is(image: Image) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert image.labels["org.opencontainers.image.version"] == version
    assert image.labels["org.opencontainers.image.title"] == "Flowspan"
    # A cluster that lets no root in has to know the number.
    assert int(image.user) > 0


def test_it_has_all_that_the_configuration_can_ask_for_and_no_more(image: Image) -> None:
    words = [str(image.root), "/opt/flowspan/bin/python", "-c", "import grpc, psycopg, redis, litellm, uvloop"]
    subprocess.run([*("chroot", f"--userspec={image.user}:{image.user}"), *words], check=True, timeout=120)
    installed = {path.name for path in image.root.glob("opt/flowspan/lib/python3.11/site-packages/*")}
    assert not installed & {"pip", "pytest", "mypy", "tests", "dashboards"}
    assert not any(image.root.glob("build/*"))


def test_nothing_in_it_can_be_written_but_its_state(image: Image) -> None:
    find = [
        "find",
        "/",
        "-xdev",
        "-writable",
        "-not",
        "-type",
        "l",
        "-not",
        "-path",
        "/proc/*",
        "-not",
        "-path",
        "/dev/*",
    ]
    words = ["chroot", f"--userspec={image.user}:{image.user}", str(image.root), *find]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False).stdout.split()
    devices = ("/dev/", "/proc/")
    assert {path for path in found if not path.startswith(devices)} == {STATE, "/tmp", "/var/tmp", "/run/lock"}


@pytest.mark.parametrize("user", [None, ANYBODY], ids=["its own user", "a number without a name"])
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_it_serves_on_a_root_that_is_read_only(
    image: Image, tmp_path: Path, user: str | None, options: Sequence[str]
) -> None:
    with Running(image, tmp_path, options=options, user=user) as running:
        assert b"hello" in running.asked()
        assert running.asked(stream=True).endswith(b"data: [DONE]\n\n")
        status, counted = running.get("/metrics", running.ports.metrics)
        assert (status, 'flowspan_requests_total{api="openai_chat"' in counted) == (200, True)
        assert running.get("/", running.ports.console)[0] == 200
        owner = os.stat(f"/proc/{running.container.pid}").st_uid
        assert owner == int((user or image.user).partition(":")[0])

        probe = running.container.probe()
        assert (probe.returncode, probe.stdout) == (0, f"http://127.0.0.1:{running.port} is ready\n")
        running.container.send(signal.SIGTERM)
        until(lambda: running.container.probe().returncode == 1, "the probe says that it leaves", 10)
        # Balancers have not noticed yet.
        assert b"hello" in running.asked()
        assert running.container.end() == 0
    assert "Traceback" not in running.container.log()
    assert '"level":"ERROR"' not in running.container.log().replace(" ", "")


def test_an_end_that_is_asked_for_while_it_starts_is_one(image: Image, tmp_path: Path) -> None:
    (tmp_path / "flowspan.yaml").write_text(CONFIG)
    tmp_path.chmod(0o755)
    command = [*image.command, *Ports().options()]
    with Container(image, tmp_path, command, environment=[("FLOWSPAN_KEY", KEY)]) as container:
        # As soon as it handles signals: a process 1 is not ended by one that it does not handle.
        until(lambda: _handles(container.pid, signal.SIGTERM), "it handles signals", 30)
        container.send(signal.SIGTERM)
        assert container.end(20) == 0


def _handles(pid: int, sig: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:")).split()[1]
    return bool(int(caught, 16) >> (sig - 1) & 1)


STORES = "  recorder: sqlite:///recordings.db\n  quotas: {store: 'sqlite:///quotas.db'}\n"


def test_state_is_kept_in_a_volume(image: Image, tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "etc"
    for one in (state, folder):
        one.mkdir()
    os.chown(state, int(image.user), 0)
    tmp_path.chmod(0o755)
    for _ in range(2):
        with Running(image, folder, STORES, volumes=[(state, STATE)]) as running:
            running.asked()
            running.container.send(signal.SIGINT)
            assert running.container.end() == 0
    assert {path.name for path in state.iterdir()} >= {"quotas.db"}
    # Two runs, one request each.
    assert _recorded(state) == 2


def _recorded(state: Path) -> int:
    files = [path for path in state.rglob("*") if path.is_file() and path.read_bytes()[:6] == b"SQLite"]
    found = 0
    for file in files:
        with sqlite3.connect(file) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "recordings" in tables:
                found += database.execute("SELECT count(*) FROM recordings").fetchone()[0]
    return int(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("  recorder: sqlite:///recordings.db\n", f"recordings.db: nothing can be written in the folder {STATE}"),
        ("  quotas: {store: 'sqlite:///quotas.db'}\n", f"{STATE}/quotas.db cannot be written: Read-only file system"),
        ("  admin: {socket: admin.sock}\n", "the admin API cannot listen on admin.sock: Read-only file system"),
    ],
    ids=["recorder", "quotas", "admin"],
)
def test_state_without_a_volume_is_refused_in_words(image: Image, tmp_path: Path, more: str, words: str) -> None:
    (tmp_path / "flowspan.yaml").write_text(CONFIG + more)
    tmp_path.chmod(0o755)
    command = [*image.command, *Ports().options()]
    with Container(image, tmp_path, command, environment=[("FLOWSPAN_KEY", KEY)]) as container:
        assert container.end() == 2
    assert words in container.log()
    assert "Traceback" not in container.log()


def test_without_a_place_for_its_address_it_serves_and_says_so(image: Image, tmp_path: Path) -> None:
    with Running(image, tmp_path, has_tmp=False) as running:
        assert b"hello" in running.asked()
        probe = running.container.probe()
        assert (probe.returncode, "no gateway has written its address" in probe.stderr) == (1, True)
    assert "the address file /tmp/flowspan.address cannot be written: Read-only file system" in running.container.log()


@pytest.mark.parametrize("mode", [None, 0o600], ids=["missing", "for root alone"])
def test_a_configuration_that_cannot_be_read_is_told(image: Image, tmp_path: Path, mode: int | None) -> None:
    tmp_path.chmod(0o755)
    if mode is not None:
        (tmp_path / "flowspan.yaml").write_text(CONFIG)
        (tmp_path / "flowspan.yaml").chmod(mode)
    with Container(image, tmp_path) as container:
        assert container.end() == 2
    reason = "cannot be read: No such file or directory" if mode is None else "is not readable"
    assert reason in container.log()
    assert "Traceback" not in container.log()


def test_other_commands_are_one_word_away(image: Image, tmp_path: Path) -> None:
    (tmp_path / "flowspan.yaml").write_text(CONFIG)
    tmp_path.chmod(0o755)
    command = ["check", "--no-env", "/etc/flowspan/flowspan.yaml"]
    with Container(image, tmp_path, command, user=ANYBODY) as container:
        assert container.end() == 0, container.log()
