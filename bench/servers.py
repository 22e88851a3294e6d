"""How each row's gateway is started, on a core of its own, and what its process tree uses."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

GATEWAY_CORE, LOAD_CORE = 0, 1
CHAT, ANTHROPIC, TENSORZERO = "/v1/chat/completions", "/v1/messages", "/openai/v1/chat/completions"
MODELS = ("bench-20", "bench-50-20", "bench-200", "bench-hold")
_START_LIMIT = 90.0
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Row:
    """`kind` says what is started; `settings` is the `gateway` section of our configuration, `environment` is added.
    Requests ask `path` (by which the dialect is known) for `model` and a suffix."""

    name: str
    kind: str
    note: str
    path: str = CHAT
    prefix: str = ""
    settings: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


TRACED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{upstream}"}
SAMPLED = {**TRACED, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
OFF = {"OTEL_SDK_DISABLED": "true"}
LITELLM = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
"""No network for its start, and no key, as for all others."""
QUIET = "telemetry: {log_level: warning}"

ROWS = (
    Row("direct", "none", "no gateway at all"),
    Row("floor", "floor", "bare FastAPI + uvicorn + aiohttp byte passthrough"),
    Row("re-encoding floor", "reencode", "the same, each event parsed and encoded again"),
    Row(
        "flowspan", "flowspan", "its defaults: every trace to an OTLP receiver, metrics, access log", environment=TRACED
    ),
    Row("flowspan, Anthropic", "flowspan", "Anthropic client and provider", ANTHROPIC, "claude-", environment=TRACED),
    Row("flowspan, cross dialect", "flowspan", "OpenAI client, Anthropic model", CHAT, "claude-", environment=TRACED),
    Row("flowspan, redact", "flowspan", "all four patterns", settings="policies: [redact]", environment=TRACED),
    Row("flowspan, 10 % sampled", "flowspan", "parentbased_traceidratio 0.1", environment=SAMPLED),
    Row("flowspan, telemetry off", "flowspan", "no traces, no access log", settings=QUIET, environment=OFF),
    Row("flowspan, by LiteLLM", "flowspan", "backend: litellm", CHAT, "litellm-", environment=TRACED),
    Row("LiteLLM proxy", "litellm", "one worker, its defaults, no callbacks", environment=LITELLM),
    Row(
        "TensorZero", "tensorzero", "observability off, as it needs a database", TENSORZERO, "tensorzero::model_name::"
    ),
)
BY_NAME = {row.name: row for row in ROWS}


def missing(row: Row) -> str | None:
    """Why a row cannot be run here."""
    needed = {"litellm": "litellm-proxy-extras", "tensorzero": "tensorzero"}.get(row.kind)
    try:
        return None if needed is None else (version(needed) and None)
    except PackageNotFoundError:
        return f"the package {needed} is not installed"


@dataclass
class Server:
    """A running gateway. Times in seconds, memory in bytes."""

    port: int
    pid: int
    start_seconds: float
    idle_bytes: int

    def cpu_seconds(self) -> float:
        return sum(_cpu(pid) for pid in _tree(self.pid))

    def resident_bytes(self) -> int:
        return sum(_resident(pid) for pid in _tree(self.pid))


class Servers:
    """The mock provider and the gateways of some rows: `with Servers(rows) as running: running["floor"].port`."""

    def __init__(self, rows: Sequence[Row], models: Sequence[str] = MODELS, keys: int = 0) -> None:
        self._rows = rows
        self._models = models
        self._keys = keys
        self._stack = ExitStack()
        self.upstream = free_port()
        self.running: dict[str, Server] = {}

    def __enter__(self) -> "Servers":
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        os.sched_setaffinity(0, {LOAD_CORE % _cores()})
        pid = self._start([sys.executable, "-m", "bench.upstream", str(self.upstream)], LOAD_CORE, {})
        _wait_until_ready(self.upstream, pid)
        for row in self._rows:
            self.running[row.name] = self._server(row, folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _server(self, row: Row, folder: Path) -> Server:
        if row.kind == "none":
            return Server(self.upstream, os.getpid(), 0.0, 0)
        port = free_port()
        file = folder / f"{port}.yaml"
        command = _command(row, port, self.upstream, file, self._models, self._keys)
        began = time.monotonic()
        environment = {name: said.format(upstream=self.upstream) for name, said in row.environment.items()}
        pid = self._start(command, GATEWAY_CORE, environment)
        if row.kind == "tensorzero":
            port = _announced(file.with_suffix(".port"))
        _wait_until_ready(port, pid)
        took = time.monotonic() - began
        time.sleep(0.5)
        return Server(port, pid, took, sum(_resident(one) for one in _tree(pid)))

    def _start(self, command: Sequence[str], core: int, environment: Mapping[str, str]) -> int:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        child = subprocess.Popen(
            command,
            env={**clean, "PATH": _path(), **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {core % _cores()}),
        )
        self._stack.callback(_end, child)
        return child.pid


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(row: Row, port: int, upstream: int, file: Path, models: Sequence[str], keys: int) -> list[str]:
    url = f"http://127.0.0.1:{upstream}"
    match row.kind:
        case "floor":
            return [sys.executable, "-m", "bench.floor", str(port), url]
        case "reencode":
            return [sys.executable, "-m", "bench.floor", str(port), url, "--reencode"]
        case "flowspan":
            file.write_text(_configuration(row, url, models, keys))
            return ["flowspan", "serve", "--config", str(file), "--port", str(port), "--metrics-port", "0"]
        case "litellm":
            file.write_text(_model_list(url, models, with_litellm=False))
            return ["litellm", "--config", str(file), "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        case "tensorzero":
            file.with_suffix(".toml").write_text(_tensorzero_configuration(url, models))
            files = [str(file.with_suffix(suffix)) for suffix in (".toml", ".port")]
            return [sys.executable, "-m", "bench.tensorzero", *files]
        case other:
            raise ValueError(other)


def _configuration(row: Row, url: str, models: Sequence[str], keys: int) -> str:
    with_litellm = row.prefix == "litellm-"
    keyed = ", ".join(f"key-of-a-caller-{number:06}" for number in range(keys))
    said = "\n".join(f"  {line}" for line in (row.settings, f"keys: [bench, {keyed}]" if keys else "") if line)
    return _model_list(url, models, with_litellm) + (f"gateway:\n{said}\n" if said else "")


def _model_list(url: str, models: Sequence[str], with_litellm: bool) -> str:
    lines = ["model_list:"]
    for model in models:
        lines += [
            f"  - model_name: {model}",
            f'    litellm_params: {{model: openai/{model}, api_base: "{url}/v1", api_key: none}}',
        ]
    for model in MODELS:
        lines += [
            f"  - model_name: claude-{model}",
            f'    litellm_params: {{model: anthropic/{model}, api_base: "{url}", api_key: none}}',
        ]
        if with_litellm:
            lines += [
                f"  - model_name: litellm-{model}",
                f'    litellm_params: {{model: openai/{model}, api_base: "{url}/v1", api_key: none}}',
                "    backend: litellm",
            ]
    return "\n".join(lines) + "\n"


def _tensorzero_configuration(url: str, models: Sequence[str]) -> str:
    parts = ["[gateway]\nobservability.enabled = false\n"]
    parts += [
        f'[models."{model}"]\nrouting = ["mock"]\n[models."{model}".providers.mock]\ntype = "openai"\n'
        f'model_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "none"\n'
        for model in models
    ]
    return "\n".join(parts)


def _announced(file: Path) -> int:
    until = time.monotonic() + _START_LIMIT
    while not file.exists():
        if time.monotonic() > until:
            raise RuntimeError(f"nobody wrote {file.name}")
        time.sleep(0.02)
    return int(file.read_text())


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _wait_until_ready(port: int, pid: int) -> None:
    until = time.monotonic() + _START_LIMIT
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}/stat").exists() or _is_zombie(pid):
            raise RuntimeError(f"the process on port {port} did not come up")
        if asyncio.run(_answers(port)):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody answers on port {port}")


async def _answers(port: int) -> bool:
    """Any answer to a probe will do: a gateway that listens before it is ready says so by its status."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    try:
        line = await asyncio.wait_for(reader.readline(), 5)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 503")


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += [int(child) for child in children.split()]
    return found


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process, its ended threads included, by the kernel's clock for it (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _cores() -> int:
    return os.cpu_count() or 1
