"""Another configuration while requests are under way: each keeps the one it began with."""

import gc
import json
import weakref

from tests.behaviour.clients import CHAT, RawClient, ask, dechunked, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until

_KEY = "key-of-the-first-one"
_OTHER_KEY = "key-of-the-other-one"


def test_an_open_stream_goes_on_when_its_model_and_its_key_go() -> None:
    slow = simulated("lorem-40+pace-20", "echo")
    with RunningGateway(configuration(slow, f"  keys: [{{name: one, key: {_KEY}}}]")) as gateway:
        with RawClient(gateway) as client:
            body = json.dumps(ask("lorem-40+pace-20", stream=True)).encode()
            client.head(CHAT, authorization=f"Bearer {_KEY}", content_length=str(len(body)), connection="close")
            client.send(body)
            begun = client.read_until(b"data: ")

            key = f"  keys: [{{name: two, key: {_OTHER_KEY}}}]"
            assert gateway.reload(configuration(simulated("lorem-9"), key)) == 2

            for model, secret, status in (
                ("lorem-9", _OTHER_KEY, 200),
                ("lorem-40+pace-20", _OTHER_KEY, 404),
                ("lorem-9", _KEY, 401),
            ):
                assert post(gateway, CHAT, ask(model), {"authorization": f"Bearer {secret}"}).status == status
            models = request(gateway, "GET", "/v1/models", headers={"authorization": f"Bearer {_OTHER_KEY}"}).json()
            assert [one["id"] for one in models["data"]] == ["lorem-9"]
            events, is_whole = dechunked(begun + client.read_all())
            assert is_whole
            assert events.endswith(b"data: [DONE]\n\n")
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": 2, "client_error": 2}


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
