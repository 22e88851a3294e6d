"""nginx and Envoy by the files of `deploy`, before a gateway: streams pass as they come, long silences are borne, what
cannot be done twice is not, and a gateway is replaced without an error."""

import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import pytest
import yaml

from app.serving.server import KEEP_ALIVE
from app.settings import RouterSettings, ServerSettings
from tests.behaviour.clients import CHAT, Reply, ask
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.process import Served
from tests.real.deployed import ENVOY, NAMES, NGINX, deployed
from tests.real.programs import need

pytestmark = pytest.mark.timeout(300)
SILENT = "lorem-2+pace-35000"
"""More than the 60 s of nginx's default, and the 15 s of Envoy's."""
MODELS = simulated("echo", "lorem-10+pace-200", "lorem-200+pace-50", SILENT)
TRUSTED = "  server: {forwarded_allow_ips: [127.0.0.1], address_share: 1, lame_duck: 6s, drain_timeout: 10s}"
CLIENT = "127.0.0.2"
"""A client's address, which is none of a proxy's."""
every_proxy = pytest.mark.parametrize("name", NAMES)


@dataclass
class Deployment:
    gateway: RunningGateway
    ports: dict[str, int] = field(default_factory=dict)
    silent: dict[str, Future[Reply]] = field(default_factory=dict)
    """Answers that say nothing for 70 s; asked for at the beginning, as each takes so long."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with ExitStack() as stack:
        gateway = stack.enter_context(RunningGateway(configuration(MODELS, TRUSTED)))
        pool = stack.enter_context(ThreadPoolExecutor())
        found = Deployment(gateway)
        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            found.ports[name] = stack.enter_context(deployed(name, folder, [gateway.port]))
            found.silent[name] = pool.submit(post, found.ports[name], ask(SILENT), 120)
        yield found


def connection(port: int, timeout: float = 15) -> HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context, source_address=(CLIENT, 0))


def post(port: int, body: object, timeout: float = 15, headers: Mapping[str, str] | None = None) -> Reply:
    client = connection(port, timeout)
    try:
        client.request("POST", CHAT, json.dumps(body), {"content-type": "application/json", **(headers or {})})
        answer = client.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        client.close()


@every_proxy
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_each_event_of_a_stream_comes_when_it_is_sent(deployment: Deployment, name: str, version: str) -> None:
    body = json.dumps(ask("lorem-10+pace-200", stream=True))
    url = f"https://127.0.0.1:{deployment.ports[name]}{CHAT}"
    command = [need("curl"), "-skN", version, "-w", "%{http_version} %{http_code}", "--data", body, url]
    times: list[float] = []
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        for line in curl.stdout:
            last = line
            if line.startswith("data: {"):
                times.append(time.monotonic())
    assert last == f"{version.removeprefix('--http').removesuffix('.0')} 200"
    # 200 ms between two pieces of text.
    assert times[-1] - times[0] > 1.5
    assert sum(later - sooner > 0.1 for sooner, later in pairwise(times)) >= 8


@every_proxy
def test_an_answer_may_be_silent_for_longer_than_proxies_usually_wait(deployment: Deployment, name: str) -> None:
    reply = deployment.silent[name].result(120)
    assert reply.status == 200
    assert json.loads(reply.body)["choices"][0]["finish_reason"] == "stop"


@every_proxy
def test_a_client_that_leaves_ends_its_request(deployment: Deployment, name: str) -> None:
    client = connection(deployment.ports[name])
    client.request("POST", CHAT, json.dumps(ask("lorem-200+pace-50", stream=True)))
    response = client.getresponse()
    response.read(100)
    began = time.monotonic()
    response.close()
    client.close()
    line = deployment.gateway.transaction(response.headers["x-request-id"])
    assert (line.outcome, time.monotonic() - began < 2) == ("client_disconnect", True)


@every_proxy
def test_a_client_is_who_connects_to_the_proxy_whatever_it_says(deployment: Deployment, name: str) -> None:
    forged = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "http", "x-request-id": "of-the-client"}
    reply = post(deployment.ports[name], ask("echo"), headers=forged)
    found = deployment.gateway.transaction(reply.request_id)
    assert (found["client.address"], found["url.scheme"]) == (CLIENT, "https")
    assert found["flowspan.client_request_id"] == "of-the-client"


def test_of_who_is_no_proxy_nothing_is_believed(deployment: Deployment) -> None:
    with socket.create_connection(("127.0.0.1", deployment.gateway.port), 10, (CLIENT, 0)) as client:
        body = json.dumps(ask("echo")).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-forwarded-for: 192.0.2.7\r\n"
        client.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    request_id = re.search(r"x-request-id: (\S+)", answer)
    assert request_id is not None
    assert deployment.gateway.transaction(request_id[1])["client.address"] == CLIENT


@every_proxy
def test_large_bodies_pass_up_to_the_limit(deployment: Deployment, name: str) -> None:
    text = "x" * (20 * 1024**2)
    reply = post(deployment.ports[name], ask("echo", text=text), 60)
    assert (reply.status, json.loads(reply.body)["choices"][0]["message"]["content"] == text) == (200, True)
    try:
        status = post(deployment.ports[name], ask("echo", text=text * 2), 60).status
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        # Refused, and closed before the rest was read.
        return
    assert status == 413


class _Counting(BaseHTTPRequestHandler):
    """Answers each request, and keeps its connection; which connection each POST came by stands in `ports`."""

    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.ports.append(self.client_address[1])
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@every_proxy
def test_connections_to_the_gateway_are_kept(tmp_path: Path, name: str) -> None:
    _Counting.ports.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with deployed(name, tmp_path, [server.server_port]) as port:
                assert [post(port, ask("echo")).status for _ in range(10)] == [200] * 10
        finally:
            server.shutdown()
            thread.join()
    assert (len(_Counting.ports), len(set(_Counting.ports))) == (10, 1)


class Greedy:
    """A server that takes each request, says nothing and closes; how often a body came stands in `bodies`."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.bodies = 0
        self._thread = threading.Thread(target=self._take, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _take(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                data = bytearray()
                try:
                    while b"\r\n\r\n" not in data and (piece := client.recv(65536)):
                        data += piece
                    if data.startswith(b"GET /readyz"):
                        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        continue
                    while b'"messages"' not in data and (piece := client.recv(65536)):
                        data += piece
                except OSError:
                    continue
                self.bodies += b'"messages"' in data


@every_proxy
def test_what_was_sent_is_not_sent_again(tmp_path: Path, name: str) -> None:
    with Greedy() as first, Greedy() as second, deployed(name, tmp_path, [first.port, second.port]) as port:
        status = post(port, ask("echo")).status
    assert (status, first.bodies + second.bodies) in ((502, 1), (503, 1))


@every_proxy
def test_gateways_are_replaced_without_an_error(tmp_path: Path, name: str) -> None:
    text = configuration(MODELS, TRUSTED)
    folders = [tmp_path / one for one in ("first", "second", "proxy")]
    for folder in folders:
        folder.mkdir()
    failed: list[str] = []
    counts: Counter[int] = Counter()
    done = threading.Event()

    def ask_on(port: int) -> None:
        while not done.is_set():
            reply = post(port, ask("echo"))
            counts[threading.get_ident()] += 1
            if reply.status != 200:
                failed.append(f"{reply.status} {reply.body[:100]!r}")

    with (
        Served(folders[0], text) as leaving,
        Served(folders[1], text) as staying,
        deployed(name, folders[2], [leaving.port, staying.port]) as port,
        ThreadPoolExecutor() as pool,
    ):
        # By turns, or who has fewest: some of them are at the gateway that leaves.
        streams = [pool.submit(post, port, ask("lorem-200+pace-50", stream=True), 60) for _ in range(4)]
        askers = [pool.submit(ask_on, port) for _ in range(2)]
        until(lambda: len(counts) == 2 and min(counts.values()) > 5, "all are asked", 20)
        leaving.send(signal.SIGTERM)
        # Six seconds lame, ten at most for its streams.
        leaving.end(40)
        done.set()
        for asker in askers:
            asker.result(20)
        bodies = [stream.result(60).body for stream in streams]
    assert failed == []
    assert min(counts.values()) > 20
    assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_the_limits_of_the_files_are_those_that_the_gateway_needs() -> None:
    nginx = dict(re.findall(r"^\s+(\w+) (\S+);$", NGINX.read_text(), re.MULTILINE))
    (listener,) = yaml.safe_load(ENVOY.read_text())["static_resources"]["listeners"]
    (cluster,) = yaml.safe_load(ENVOY.read_text())["static_resources"]["clusters"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (protocol,) = cluster["typed_extension_protocol_options"].values()
    longest = RouterSettings().request_timeout
    assert _seconds(nginx["proxy_read_timeout"]) > longest
    assert _seconds(manager["stream_idle_timeout"]) > longest
    # Who closes an idle connection is the proxy.
    assert _seconds(nginx["keepalive_timeout"]) < KEEP_ALIVE
    assert _seconds(protocol["common_http_protocol_options"]["idle_timeout"]) < KEEP_ALIVE
    server = ServerSettings()
    assert int(nginx["client_max_body_size"].removesuffix("m")) * 1024**2 == server.body_limit
    (check,) = cluster["health_checks"]
    assert _seconds(check["interval"]) + _seconds(check["timeout"]) < server.lame_duck
