"""Another configuration while requests are under way: each keeps the one it began with."""

import gc
import json
import os
import signal
import weakref
from pathlib import Path

import pytest

from app.serving.file_watch import FileWatch
from tests.behaviour.clients import CHAT, RawClient, Reply, ask, dechunked, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.process import Served
from tests.behaviour.provider import Provider
from tests.behaviour.reloading import ReloadingGateway
from tests.behaviour.scripted import models, text_reply, text_stream
from tests.upstream import Sleep, openai_error

_KEY = "key-of-the-first-one"
_OTHER_KEY = "key-of-the-other-one"
_ALIVE = f"  keys: [{{name: one, key: {_KEY}}}]"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def asked(gateway: RunningGateway, model: str, key: str = _KEY) -> Reply:
    return post(gateway, CHAT, ask(model), bearer(key))


def test_an_open_stream_goes_on_when_its_model_and_its_key_go() -> None:
    slow = simulated("lorem-40+pace-20", "echo")
    with RunningGateway(configuration(slow, _ALIVE)) as gateway:
        with RawClient(gateway) as client:
            body = json.dumps(ask("lorem-40+pace-20", stream=True)).encode()
            client.head(CHAT, authorization=f"Bearer {_KEY}", content_length=str(len(body)), connection="close")
            client.send(body)
            begun = client.read_until(b"data: ")

            key = f"  keys: [{{name: two, key: {_OTHER_KEY}}}]"
            assert gateway.reload(configuration(simulated("lorem-9"), key)) == 2

            assert asked(gateway, "lorem-9", _OTHER_KEY).status == 200
            assert asked(gateway, "lorem-40+pace-20", _OTHER_KEY).status == 404
            assert asked(gateway, "lorem-9").status == 401
            listed = request(gateway, "GET", "/v1/models", headers=bearer(_OTHER_KEY)).json()
            assert [one["id"] for one in listed["data"]] == ["lorem-9"]
            events, is_whole = dechunked(begun + client.read_all())
            assert is_whole
            assert events.endswith(b"data: [DONE]\n\n")
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": 2, "client_error": 2}
        generations = [one["flowspan.config.generation"] for one in gateway.transactions()]
        assert sorted(generations) == [1, 2, 2, 2]
        assert gateway.log_line(config_generation=1)["key"] == "one"
        assert gateway.log_line(config_generation=2, outcome="ok")["key"] == "two"
        assert gateway.sample("flowspan_key_requests_total", key="one") == 1


def test_no_configuration_is_kept_that_nobody_uses() -> None:
    with RunningGateway(configuration(simulated("echo"))) as gateway:
        known = []
        for _ in range(3):
            known.append(weakref.ref(gateway.app.gateway.router))
            assert post(gateway, CHAT, ask("echo")).status == 200
            gateway.reload(configuration(simulated("echo", "lorem-9")))

        def gone() -> bool:
            gc.collect()
            return all(router() is None for router in known)

        until(gone, "the earlier configurations are closed and forgotten")


def test_two_keys_of_one_name_rotate(tmp_path: Path) -> None:
    text = configuration(simulated("echo"), _ALIVE)
    both = f"  keys: [{{name: one, key: {_KEY}}}, {{name: one, key: {_OTHER_KEY}}}]"
    with ReloadingGateway(tmp_path, text) as gateway:
        assert [asked(gateway, "echo", key).status for key in (_KEY, _OTHER_KEY)] == [200, 401]
        assert gateway.change(text.replace(_ALIVE, both)).changed == ("key one: 1 new and 0 gone of its keys",)
        assert [asked(gateway, "echo", key).status for key in (_KEY, _OTHER_KEY)] == [200, 200]
        gateway.change(text.replace(_KEY, _OTHER_KEY))
        assert [asked(gateway, "echo", key).status for key in (_KEY, _OTHER_KEY)] == [401, 200]
        assert gateway.sample("flowspan_key_requests_total", key="one", outcome="ok") == 4
        assert _KEY not in gateway.log.getvalue()


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (lambda text: text.replace("simulated/echo", "simulated/nonsense-"), ":2: model_list[0].litellm_params.model"),
        (lambda text: text + "  nonsense: 1\n", ": gateway.nonsense: unknown option"),
        (lambda text: text + "  [", "flowspan.yaml:"),
        (lambda text: text + "  policies: [./missing.py:Guard]\n", "gateway.policies[0].use: there is no file"),
        (lambda text: text.replace("echo", "echo2").replace(_ALIVE, "  server: {host: 0.0.0.0}"), "no key is set"),
    ],
)
def test_what_cannot_be_used_is_refused_as_a_whole(tmp_path: Path, broken: object, problem: str) -> None:
    assert callable(broken)
    text = configuration(simulated("echo"), _ALIVE)
    with ReloadingGateway(tmp_path, text) as gateway:
        problems = gateway.refused(broken(text))
        assert any(problem in one for one in problems), problems
        assert asked(gateway, "echo").status == 200
        assert gateway.app.gateway.generation == 1
        assert gateway.sample("flowspan_config_reloads_total", result="refused") == 1
        assert gateway.sample("flowspan_config_last_reload_successful") == 0
        assert gateway.log_line(message="a test: the configuration is refused, and the one before stays in use")
        assert problem in gateway.log.getvalue().replace("\\\\", "\\")

        assert gateway.change(text).changed == ()
        assert gateway.sample("flowspan_config_last_reload_successful") == 1
        assert gateway.sample("flowspan_config_generation") == 1


def test_what_only_a_restart_changes_is_named_and_stays(tmp_path: Path) -> None:
    text = configuration(simulated("echo"), _ALIVE + "\n  console: {port: 4001}")
    with ReloadingGateway(tmp_path, text) as gateway:
        other = text.replace("4001", "4999").replace("num_retries: 0", "num_retries: 3")
        reloaded = gateway.change(other)
        assert reloaded.changed == ("router_settings.num_retries: 0 -> 3",)
        assert reloaded.needs_restart == ("gateway.console.port: 4001 -> 4999",)
        assert gateway.app.gateway.settings.console.port == 4001
        # It is told again until the process is started anew.
        assert gateway.change(other).needs_restart == reloaded.needs_restart
        assert gateway.sample("flowspan_config_reloads_total", result="unchanged") == 1


def test_connections_of_deployments_that_stay_stay_open(tmp_path: Path, provider: Provider) -> None:
    text = configuration(models(provider, "direct"), _ALIVE)
    provider.play(text_reply("oai"))
    with ReloadingGateway(tmp_path, text) as gateway:
        assert asked(gateway, "oai").status == 200
        before = provider.connections
        for added in ("echo", "lorem-9"):
            gateway.change(text.replace("litellm_settings", f"{_entry(added)}\nlitellm_settings"))
            assert asked(gateway, "oai").status == 200
        assert provider.connections == before


@pytest.mark.parametrize("backend", ["direct", "litellm"])
def test_a_stream_of_a_provider_ends_well_when_its_deployment_goes(
    tmp_path: Path, provider: Provider, backend: str
) -> None:
    [head, *events] = text_stream("oai")
    provider.play([head, *events[:2], Sleep(1), *events[2:]])
    entries = models(provider, backend)
    with ReloadingGateway(tmp_path, configuration(entries, _ALIVE)) as gateway, RawClient(gateway) as client:
        body = json.dumps(ask("oai", stream=True)).encode()
        client.head(CHAT, authorization=f"Bearer {_KEY}", content_length=str(len(body)), connection="close")
        client.send(body)
        begun = client.read_until(b"Hel")
        gateway.change(configuration(entries[1:], _ALIVE))
        assert asked(gateway, "oai").status == 404
        events_sent, is_whole = dechunked(begun + client.read_all())
        assert is_whole
        assert events_sent.endswith(b"data: [DONE]\n\n")
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": 1, "client_error": 1}


def test_a_breaker_stays_open_as_long_as_its_deployment_is_asked_in_the_same_way(
    tmp_path: Path, provider: Provider
) -> None:
    breakers = _ALIVE + "\n  breakers: {upstream: {threshold: 2, cooldown: 60s}}"
    text = configuration(models(provider, "direct"), breakers)
    provider.play(openai_error(500))
    with ReloadingGateway(tmp_path, text) as gateway:
        for _ in range(2):
            asked(gateway, "oai")
        provider.play(text_reply("oai"))
        assert asked(gateway, "oai").status == 503
        gateway.change(text.replace("litellm_settings", f"{_entry('echo')}\nlitellm_settings"))
        assert asked(gateway, "oai").status == 503
        gateway.change(text.replace("60s", "50s"))
        assert asked(gateway, "oai").status == 503
        assert gateway.sample("flowspan_breaker_state", breaker="oai", state="open") == 1

        gateway.change(text.replace("api_key: sk-", "api_key: sk-another-"))
        assert asked(gateway, "oai").status == 200
        gateway.change(configuration(simulated("echo"), breakers))
        assert gateway.sample("flowspan_breaker_state", breaker="oai") == 0
        assert gateway.sample("flowspan_breaker_trips_total", breaker="oai") == 1


def test_a_policy_goes_on_unless_its_entry_or_its_file_changes(tmp_path: Path) -> None:
    guard = tmp_path / "guard.py"
    guard.write_text(_COUNTING)
    text = configuration(simulated("echo"), f"{_ALIVE}\n  policies: [./guard.py:Counting]")
    with ReloadingGateway(tmp_path, configuration(simulated("echo"), _ALIVE)) as gateway:
        gateway.change(text)

        def content() -> str:
            return str(asked(gateway, "echo").json()["choices"][0]["message"]["content"])

        assert content() == "call 1"
        gateway.change(text.replace("num_retries: 0", "num_retries: 1"))
        assert content() == "call 2"
        guard.write_text(_COUNTING.replace("call", "CALL"))
        assert gateway.run(gateway.reloader.reload("a test")).changed == ("policy Counting: its code",)
        assert content() == "CALL 1"


def test_variables_of_the_file_change_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWSPAN_TEST_OUTER", "outer")
    keys = "  keys: [{name: one, key: os.environ/FLOWSPAN_TEST_KEY}]"
    declared = f"environment_variables: {{FLOWSPAN_TEST_KEY: {_KEY}, FLOWSPAN_TEST_OUTER: inner}}"
    text = configuration(simulated("echo"), keys, declared)
    with ReloadingGateway(tmp_path, text) as gateway:
        gateway.change(text.replace(_KEY, _OTHER_KEY))
        assert [asked(gateway, "echo", key).status for key in (_KEY, _OTHER_KEY)] == [401, 200]
        assert os.environ["FLOWSPAN_TEST_OUTER"] == "inner"
        problems = gateway.refused(text.replace("FLOWSPAN_TEST_KEY:", "FLOWSPAN_TEST_OTHER:"))
        assert any("FLOWSPAN_TEST_KEY is not set" in one for one in problems)
        gateway.change(configuration(simulated("echo"), _ALIVE))
        assert os.environ["FLOWSPAN_TEST_OUTER"] == "outer"
        assert "FLOWSPAN_TEST_KEY" not in os.environ


def test_a_process_reads_its_file_on_sighup_and_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    quick = "  server: {lame_duck: 0, drain_timeout: 200ms}\n  console: {port: 0}"
    with Served(tmp_path, configuration(simulated("echo"), quick)) as served:

        def models() -> list[str]:
            return [one["id"] for one in request(served, "GET", "/v1/models").json()["data"]]

        watched = configuration(simulated("echo", "lorem-9"), f"{quick}\n  reload: {{watch: true}}")
        file.write_text(watched)
        served.send(signal.SIGHUP)
        until(lambda: models() == ["echo", "lorem-9"], "the file was read anew")
        assert request(served, "GET", "/").json()["configuration_generation"] == 2
        file.write_text(watched.replace("lorem-9", "lorem-8"))
        until(lambda: models() == ["echo", "lorem-8"], "the file was read by itself")
        served.send(signal.SIGTERM)
        lines = served.end()
        assert served.process.returncode == 0
    assert "SIGHUP: generation 2 of the configuration is in use" in lines
    assert "a file has changed: generation 3 of the configuration is in use" in lines


class _Folder:
    """A ConfigMap as Kubernetes mounts it: links to a folder behind a link, which is exchanged as a whole."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self._number = 0

    def exchange(self, **files: str) -> None:
        self._number += 1
        folder = self._mount / f"..data_{self._number}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
            if not (self._mount / name).is_symlink():
                (self._mount / name).symlink_to(f"..data/{name}")
        link = self._mount / "..data_new"
        link.symlink_to(folder.name)
        link.replace(self._mount / "..data")


def test_a_changed_file_is_read_once_it_is_at_rest(tmp_path: Path) -> None:
    folder = _Folder(tmp_path)
    text = configuration(simulated("echo"), "  keys: [{name: one, key_file: key}]\n  reload: {watch: true}")
    folder.exchange(config=text, key=_KEY)
    with ReloadingGateway(tmp_path, text, "config") as gateway:
        folder.exchange(config=text, key=_KEY)
        watch = FileWatch(gateway.reloader)

        def looks(count: int) -> list[float]:
            for _ in range(count):
                gateway.run(watch.look())
            results = ("applied", "unchanged", "refused")
            return [gateway.sample("flowspan_config_reloads_total", result=one) for one in results]

        assert looks(1) == [0, 0, 0]
        folder.exchange(config=text, key=_OTHER_KEY)
        assert looks(1) == [0, 0, 0], "what has just changed may still be written"
        assert looks(1) == [1, 0, 0]
        assert [asked(gateway, "echo", key).status for key in (_KEY, _OTHER_KEY)] == [401, 200]
        assert looks(3) == [1, 0, 0]

        folder.exchange(config=text + "  nonsense: 1\n", key=_OTHER_KEY)
        assert looks(5) == [1, 0, 1], "what was refused is not read again and again"
        folder.exchange(config=text, key=_OTHER_KEY)
        assert looks(5) == [1, 1, 1]


def _entry(model: str) -> str:
    return f"  - {{model_name: {model}, litellm_params: {{model: simulated/{model}}}}}"


_COUNTING = """
from msgspec.structs import replace
from flowspan import Policy

class Counting(Policy):
    def __init__(self) -> None:
        self.calls = 0

    async def on_response(self, response, ctx):
        self.calls += 1
        choice = response.choices[0]
        message = replace(choice.message, content=f"call {self.calls}")
        return replace(response, choices=(replace(choice, message=message),))
"""


def test_a_connection_that_goes_on_is_served_by_the_configuration_there_is() -> None:
    """Its client sends the same head each time, before and after its key is gone and is there again."""
    body = json.dumps(ask("echo")).encode()
    fields = ("host: gateway", f"authorization: Bearer {_KEY}", f"content-length: {len(body)}")
    sent = "\r\n".join((f"POST {CHAT} HTTP/1.1", *fields, "", ""))
    other = f"  keys: [{{name: two, key: {_OTHER_KEY}}}]"
    with RunningGateway(configuration(simulated("echo"), _ALIVE)) as gateway, RawClient(gateway) as client:
        found = []
        for keys in (_ALIVE, other, _ALIVE.replace("one", "three", 1)):
            gateway.reload(configuration(simulated("echo"), keys))
            for _ in range(2):
                client.send(sent.encode() + body)
                head = client.read_until(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                left = length - len(head.partition(b"\r\n\r\n")[2])
                while left > 0:
                    left -= len(client.socket.recv(left))
                found.append(int(head.split()[1]))
        assert found == [200, 200, 401, 401, 200, 200]
        gateway.wait_until_idle()
        assert gateway.sample("flowspan_key_requests_total", key="three") == 2
