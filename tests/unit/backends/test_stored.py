"""Who made which response, and how its maker is asked about it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.backends.breakers import UpstreamBreakers
from app.backends.router import Router
from app.backends.stored import StoredCall, StoredResponses, is_response_id
from app.errors import BreakerOpen, UnknownResponse, UpstreamFailed
from app.messages import Batch, ModelResponse, Native
from app.settings import Deployment, ResponsesApi, RouterSettings, UpstreamBreakerSettings
from telemetry.context import Attempt
from tests.support import run
from tests.unit.backends.fakes import Clock, FakeObservability, ScriptedBackend, ask

CALL = StoredCall("GET", "resp_1")


def deployment(id: str, responses: ResponsesApi = "offered", key: str = "k", model: str = "m") -> Deployment:
    params = {"api_key": key, "api_base": "https://h"}
    return Deployment(id, model, f"openai/{id}", "openai", "openai", responses, params)


def answer(id: str = "resp_1") -> ModelResponse:
    return ModelResponse(id=id, native=Native("openai_responses", b"{}"))


class Keeping(ScriptedBackend):
    """A backend whose provider keeps responses."""

    def __init__(self, *said: bytes | Exception) -> None:
        super().__init__([answer()])
        self.said = list(said)
        self.calls: list[StoredCall] = []

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        self.calls.append(call)
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def stored_stream(self, call: StoredCall, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        self.calls.append(call)
        yield (answer(),)


class Setup:
    def __init__(self, deployments: Sequence[Deployment], *said: bytes | Exception) -> None:
        self.obs = FakeObservability()
        self.backends = {one.id: Keeping(*said) for one in deployments}
        self.router = Router(
            deployments,
            RouterSettings(num_retries=0),
            breakers=UpstreamBreakers(UpstreamBreakerSettings(threshold=1), Clock()),
            make_backend=lambda deployment: self.backends[deployment.id],
        )

    async def stream(self, **fields: Any) -> list[ModelResponse]:
        request = ask(dialect="openai_responses", **fields)
        return [chunk async for batch in self.router.stream(request, self.obs) for chunk in batch]

    @property
    def asked(self) -> list[str]:
        return [id for id, backend in self.backends.items() if backend.calls]


ELSEWHERE = deployment("b", key="other")


@pytest.mark.parametrize("whole", [False, True])
def test_the_deployment_that_made_a_response_is_asked_about_it(whole: bool) -> None:
    setup = Setup([ELSEWHERE, deployment("a", model="n")], b"{}")

    async def main() -> bytes:
        if whole:
            await setup.router.complete(ask(dialect="openai_responses", model="n"), setup.obs)
        else:
            await setup.stream(model="n")
        return await setup.router.stored(CALL, setup.obs)

    assert run(main()) == b"{}"
    assert setup.asked == ["a"]
    assert setup.obs.attempts[-1].given["operation"] == "stored_response"
    assert setup.obs.attempts[-1].ends == 1


def test_an_id_that_nobody_knows_is_asked_of_the_only_account_there_is() -> None:
    setup = Setup([deployment("a"), deployment("b"), deployment("c", "none", key="x")], b"{}")
    assert run(setup.router.stored(CALL, setup.obs)) == b"{}"
    assert setup.asked == ["b"]


def test_an_id_that_several_accounts_may_have_given_is_not_found() -> None:
    setup = Setup([deployment("a"), ELSEWHERE], b"{}")
    with pytest.raises(UnknownResponse):
        run(setup.router.stored(CALL, setup.obs))
    assert setup.asked == []


def test_a_deleted_response_is_forgotten() -> None:
    setup = Setup([deployment("a"), ELSEWHERE], b"{}", b"{}")

    async def main() -> None:
        await setup.stream()
        await setup.router.stored(StoredCall("DELETE", "resp_1"), setup.obs)
        await setup.router.stored(CALL, setup.obs)

    with pytest.raises(UnknownResponse):
        run(main())


def test_a_stream_of_a_response_is_its_makers() -> None:
    setup = Setup([deployment("a")])

    async def main() -> list[ModelResponse]:
        call = StoredCall("GET", "resp_1", stream=True)
        return [chunk async for batch in setup.router.stored_stream(call, setup.obs) for chunk in batch]

    assert run(main()) == [answer()]


def test_a_maker_that_fails_is_not_asked_again_at_once() -> None:
    setup = Setup([deployment("a")], UpstreamFailed("down", upstream_status=500))
    with pytest.raises(UpstreamFailed):
        run(setup.router.stored(CALL, setup.obs))
    with pytest.raises(BreakerOpen):
        run(setup.router.stored(CALL, setup.obs))
    assert setup.obs.attempts[0].failure == "upstream_error"


def test_an_earlier_response_is_followed_where_it_was_made() -> None:
    setup = Setup([deployment("a"), ELSEWHERE, deployment("c")])

    async def main() -> None:
        await setup.stream()
        account = {"b"} if setup.obs.tried == ["b"] else {"a", "c"}
        for _ in range(8):
            await setup.stream(extra={"previous_response_id": "resp_1"})
        assert set(setup.obs.tried) <= account

    run(main())


def test_an_earlier_response_that_nobody_knows_is_not_found() -> None:
    setup = Setup([deployment("a"), ELSEWHERE])
    with pytest.raises(UnknownResponse) as caught:
        run(setup.stream(extra={"previous_response_id": "resp_9"}))
    assert caught.value.param == "previous_response_id"
    assert setup.obs.tried == []


def test_after_a_restart_the_only_account_that_serves_the_model_is_asked() -> None:
    setup = Setup([deployment("a"), deployment("b", "none")])
    for _ in range(4):
        run(setup.stream(extra={"previous_response_id": "resp_9"}))
    assert set(setup.obs.tried) == {"a"}


def test_what_cannot_be_translated_goes_to_those_that_have_the_api() -> None:
    pool = [deployment("a", "none"), deployment("b"), deployment("c", "none")]
    responses = StoredResponses(pool)
    plain, own = ask(dialect="openai_responses"), ask(dialect="openai_responses", extra={"background": True})
    assert responses.suited(pool, plain) == pool
    assert responses.suited(pool, own) == [pool[1]]
    assert responses.suited(pool, ask(extra={"background": True})) == pool
    without = [pool[0], pool[2]]
    assert responses.suited(without, own) == without


def test_so_many_ids_are_known_and_no_more() -> None:
    one, other = deployment("a"), ELSEWHERE
    responses = StoredResponses([one, other], limit=2)
    for id in ("r1", "r2", "r1", "r3"):
        responses.learn([ModelResponse(), answer(id)], one)
    assert [responses.maker(id) for id in ("r1", "r2", "r3")] == [one, None, one]


def test_ids_of_another_dialect_are_not_learnt() -> None:
    responses = StoredResponses([deployment("a"), ELSEWHERE])
    responses.learn([ModelResponse(id="r", native=Native("openai_chat", b""))], ELSEWHERE)
    assert responses.maker("r") is None


@pytest.mark.parametrize(
    ("id", "legal"),
    [
        ("resp_1", True),
        ("a.b:c-d=~", True),
        ("..", False),
        ("a/b", False),
        ("", False),
        ("a b", False),
        ("é", False),
        ("a" * 300, False),
    ],
)
def test_only_what_stays_one_part_of_an_address_is_an_id(id: str, legal: bool) -> None:
    assert is_response_id(id) is legal
