"""`flowspan explain`, `export` and `replay` on bundles, stores and consoles: what they print, and their exit status."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from app.cli import main
from app.console import Console, ConsoleServer
from app.recorder.bundles import decode_bundle, encode_bundle
from app.recorder.opening import open_store
from app.recorder.recorder import open_recorder
from app.settings import ConsoleSettings, RecorderSettings, Settings
from telemetry import setup
from tests.unit.replay.recorded import BEGINNING, body, recording

_POLICIES = "gateway:\n  policies:\n    - use: redact\n"
_ID = recording().entry.transaction_id


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "txn.json"
    path.write_bytes(encode_bundle([recording()]))
    return path


def test_a_recording_that_comes_out_as_it_was_exits_with_0(bundle: Path) -> None:
    ran = _run("replay", bundle)

    assert ran.exit_code == 0
    assert "The client gets the same, byte for byte." in ran.output


@pytest.mark.parametrize("policy", ["redact", "policies.yaml"])
def test_another_answer_exits_with_1_and_a_difference(bundle: Path, policy: str) -> None:
    (bundle.parent / "policies.yaml").write_text(_POLICIES)
    ran = _run("replay", bundle, "--policy", bundle.parent / policy if policy.endswith("yaml") else policy)

    assert ran.exit_code == 1
    assert "- Ask ada@example.com" in ran.output
    assert "+ Ask [EMAIL]" in ran.output
    assert "policies none -> redact: redacted" in ran.output


def test_a_changed_request_is_refused_unless_it_is_replayed_anyway(tmp_path: Path) -> None:
    path = tmp_path / "mail.json"
    asked = body(messages=[{"role": "user", "content": "Mail bob@example.com"}])
    path.write_bytes(encode_bundle([recording(asked=asked)]))
    refused, anyway = (_run("replay", path, "--policy", "redact", *options) for options in ((), ("--anyway",)))

    assert [refused.exit_code, anyway.exit_code] == [1, 1]
    assert "messages[0].content was 'Where is Ada?' and is 'Mail [EMAIL]'" in refused.output
    assert "The recorded answer is no answer to that." in refused.output
    assert "+ Ask [EMAIL]" in anyway.output


def test_another_model_answers_the_recorded_request(bundle: Path) -> None:
    config = bundle.parent / "gateway.yaml"
    config.write_text("model_list:\n  - {model_name: other, litellm_params: {model: simulated/echo}}\n")
    ran = _run("replay", bundle, "--to", "other", "--config", config)

    assert ran.exit_code == 1
    assert "+ Where is Ada?" in ran.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "missing.json"], "missing.json cannot be read: No such file or directory"),
        (["replay", "{bundle}", "--to", "other"], "--to needs the configuration that has the model"),
        (
            ["replay", "{bundle}", "--policy", "readct"],
            "a policy cannot be loaded: unknown policy; did you mean",
        ),
        (["explain", "txn_1", "--console", "ftp://x"], "ftp://x is no address of a console: it looks like"),
        (
            ["explain", "txn_1", "--console", "http://127.0.0.1:1"],
            "nothing listens at http://127.0.0.1:1. Is the gateway running?",
        ),
        (["explain", "txn_1", "--store", "sqlite:///{folder}/none.db"], "the file is not there"),
        (["explain", "txn_1", "--store", "mysql://x"], "of databases there are SQLite and PostgreSQL"),
        (["export", "{bundle}", "-o", "{folder}/no/where"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_done_exits_with_2_and_the_reason(bundle: Path, arguments: list[str], message: str) -> None:
    ran = _run(*(one.format(bundle=bundle, folder=bundle.parent) for one in arguments))

    assert ran.exit_code == 2
    assert message in ran.output


def test_a_transaction_is_found_in_a_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/recorded.db"
    store = open_store(RecorderSettings(store=url))
    store.write([recording(BEGINNING, error_type="upstream_truncated", conversation="c1")])
    explained, exported, absent = (
        _run("explain", _ID, "--store", url),
        _run("export", "c1", "--conversation", "--store", url),
        _run("explain", "txn_2", "--store", url),
    )
    store.close()

    assert explained.output.startswith("openai/gpt-5 answered the client with the key ada in 2.1 s")
    assert decode_bundle(exported.stdout_bytes, "exported")[0].attempts[0].answer == BEGINNING
    assert [absent.exit_code, absent.output] == [2, "the store has no transaction txn_2\n"]


@pytest.fixture
def console() -> Iterator[str]:
    """The address of a console that has the recording, and a token."""
    recorder = open_recorder(RecorderSettings(store="memory"))
    assert recorder is not None
    recorder.store.write([recording()])
    settings = replace(Settings(), console=ConsoleSettings(port=0, token="open-sesame"))
    with closing(recorder), closing(ConsoleServer(Console(settings, setup(), recorder))) as server:
        yield server.url


def test_a_running_console_is_asked_with_its_token(console: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = _run("explain", _ID, "--console", console)
    monkeypatch.setenv("FLOWSPAN_CONSOLE_TOKEN", "open-sesame")
    explained, absent = (_run("explain", one, "--console", console) for one in (_ID, "txn_2"))

    assert [refused.exit_code, absent.exit_code] == [2, 2]
    assert refused.output == f"{console} asks for its token: set FLOWSPAN_CONSOLE_TOKEN to it\n"
    assert explained.output.startswith("openai/gpt-5 answered")
    assert absent.output.startswith(f"{console}: ")
    assert "transaction" in absent.output


def test_an_export_is_a_bundle_commands_or_a_page(bundle: Path) -> None:
    written = bundle.parent / "again.json"
    commands, html = (_run("export", bundle, "--format", form).output for form in ("curl", "html"))

    assert _run("export", bundle, "-o", written).exit_code == 0
    assert written.read_bytes() == bundle.read_bytes()
    assert "$FLOWSPAN_KEY" in commands
    assert "$OPENAI_API_KEY" in commands
    assert html.startswith("<!doctype html>")


@pytest.mark.parametrize("command", [["export", "--format", "curl"], ["explain"], ["replay"]])
def test_the_ids_of_a_strangers_bundle_are_no_commands_and_move_no_terminal(bundle: Path, command: list[str]) -> None:
    evil = recording(transaction_id="txn_1\ntouch pwned\x1b[2J")
    bundle.write_bytes(encode_bundle([evil, evil]))

    output = _run(*command, bundle).output

    assert "touch pwned" in output
    assert not any(line.startswith("touch") for line in output.splitlines())
    assert "\x1b[2J" not in output
