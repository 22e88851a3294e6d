import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.doctor import Section, examine, has_fault, lines_of
from app.doctor.findings import Finding
from app.doctor.network import reach
from app.doctor.recordings import look_at_store
from app.recorder.opening import open_store
from app.settings import RecorderSettings

KEY = "sk-canary-0123456789abcdef"


class Provider(http.server.BaseHTTPRequestHandler):
    """Lists three models to whoever has the key."""

    def do_GET(self) -> None:
        is_known = KEY in (self.headers.get("authorization", "") + self.headers.get("x-api-key", ""))
        self.send_response(200 if is_known and self.path in ("/v1/models",) else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [1, 2, 3]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def found(sections: list[Section], title: str) -> list[tuple[str, str]]:
    return [
        (one.level, one.text) for section in sections if section.title.startswith(title) for one in section.findings
    ]


def written(folder: Path, text: str) -> str:
    file = folder / "f.yaml"
    file.write_text(text)
    return str(file)


def entry(name: str, model: str, base: str, key: str = KEY) -> str:
    return f"  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{base}', api_key: {key}}}}}\n"


def test_providers_are_reached_and_asked_on_request_alone(tmp_path: Path, provider: str) -> None:
    entries = entry("a", "openai/x", f"{provider}/v1") + entry("b", "anthropic/x", provider)
    entries += entry("c", "openai/x", f"{provider}/v1", "sk-another-key") + entry("d", "openai/y", f"{provider}/v1")
    entries += "  - {model_name: e, litellm_params: {model: simulated/lorem}}\n"
    file = written(tmp_path, f"model_list:\n{entries}")
    reached = found(examine(file, {}), "providers")
    assert [level for level, _ in reached] == ["good"] * 4
    assert "key" not in "".join(text for _, text in reached)
    asked = found(examine(file, {}, asks=True), "providers")
    assert [(level, text.partition("; ")[2]) for level, text in asked] == [
        ("good", "its key is good, 3 models"),
        ("good", "its key is good, 3 models"),
        ("warning", "its key is refused (401)"),
        ("good", ""),
    ]


def test_no_key_is_shown(tmp_path: Path, provider: str) -> None:
    file = written(tmp_path, f"model_list:\n{entry('a', 'openai/x', provider)}")
    sections = examine(file, {"OPENAI_API_KEY": KEY, "FLOWSPAN_KEY": KEY}, asks=True)
    assert found(sections, "keys in the environment") == [("good", "OPENAI_API_KEY, FLOWSPAN_KEY")]
    assert KEY not in repr(sections)


def test_what_is_wrong_with_a_configuration_stops_the_start(tmp_path: Path) -> None:
    sections = examine(written(tmp_path, "model_list: [{model_name: m}]\n"), {"OTEL_CONFIG_FILE": "x"})
    assert has_fault(sections)
    assert "litellm_params: missing" in found(sections, "configuration")[0][1]
    assert found(sections, "telemetry")[0][0] == "fault"


def test_a_taken_port_stops_the_start_and_the_holder_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = f"gateway: {{server: {{port: {port}, metrics_port: {port}}}, console: {{port: 0}}}}\n"
        model = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"
        sections = examine(written(tmp_path, model + server), {})
    assert found(sections, "configuration")[0][1].startswith("1 model, 1 deployment; ")
    (api, metrics, console) = found(sections, "ports")
    assert api[0] == "fault"
    assert f"(process {os.getpid()}); if that is the gateway itself, it runs already" in api[1]
    assert (metrics[0], "a free port is taken instead" in metrics[1]) == ("warning", True)
    assert console == ("good", "console: takes a free port of 127.0.0.1")


@pytest.mark.parametrize(
    ("store", "level", "text"),
    [
        ("off", "note", "nothing is recorded"),
        ("memory", "good", "kept in memory, 64 MiB at most"),
        ("sqlite:///{folder}/new.db", "good", "new.db is made at the start"),
        ("sqlite:///{folder}/missing/new.db", "fault", "the folder {folder}/missing is not there"),
        ("sqlite:///{folder}/old.db", "good", "0 recordings, "),
        ("sqlite:///{folder}/no.db", "fault", "no.db"),
    ],
)
def test_the_store_of_recordings_is_looked_at_and_no_file_is_made(
    tmp_path: Path, store: str, level: str, text: str
) -> None:
    open_store(RecorderSettings(store=f"sqlite:///{tmp_path}/old.db")).close()
    (tmp_path / "no.db").write_text("no database at all, but a text that is longer than the head of one" * 20)
    found = look_at_store(RecorderSettings(store=store.format(folder=tmp_path)))
    assert (found.level, text.format(folder=tmp_path) in found.text) == (level, True), found
    assert not (tmp_path / "new.db").exists()


def test_a_collector_that_is_not_there_is_a_warning() -> None:
    (trace, *_) = found(examine(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}), "telemetry")
    assert trace == ("warning", "traces go to http://127.0.0.1:1/v1/traces: no connection: Connection refused")


def test_a_name_that_nobody_has_is_told_from_a_refused_connection() -> None:
    assert "its name is not found" in str(reach("https://nobody.invalid").problem)


def test_a_server_without_tls_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_answer_in_clear, args=(plain,), daemon=True).start()
        assert "TLS fails" in str(reach(f"https://127.0.0.1:{plain.getsockname()[1]}").problem)


def _answer_in_clear(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_page_fits_the_terminal(width: int) -> None:
    section = Section("ports", [Finding("fault", "a word " * 40), Finding("good", "short")])
    lines = [line for _, line in lines_of(section, width)]
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("  FAULT ")
    assert lines[-1] == "  ok    short"
