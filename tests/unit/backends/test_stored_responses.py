"""Who made which response, and how its maker is asked about it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.backends.attempts import AttemptControl
from app.backends.router import Router
from app.backends.stored_responses import ResponseIds, StoredCall, StoredResponses, is_response_id
from app.errors import BreakerOpen, UnknownResponse, UpstreamFailed
from app.messages import Batch, Choice, ModelResponse, Native, Received
from app.providers import ResponsesApi
from app.settings import Deployment, RouterSettings, UpstreamBreakerSettings
from app.stages import generated
from telemetry import Attempt
from tests.support import run
from tests.unit.backends.fakes import Clock, FakeObservability, ScriptedBackend, all_of, ask

CALL = StoredCall("GET", "resp_1")


def deployment(id: str, responses: ResponsesApi = "offered", key: str = "k", model: str = "m") -> Deployment:
    params = {"api_key": key, "api_base": "https://h"}
    return Deployment(id, model, f"openai/{id}", "openai", "openai", responses, params)


def answer(id: str = "resp_1") -> Received:
    chunk = ModelResponse(id=id, choices=(Choice(finish_reason="stop"),))
    return Received(chunk, Native("openai_responses", b"{}"))


class Keeping(ScriptedBackend):
    """A backend whose provider keeps responses."""

    def __init__(self, *bodies: bytes | Exception) -> None:
        super().__init__([answer()])
        self.bodies = list(bodies)
        self.calls: list[StoredCall] = []

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        self.calls.append(call)
        body = self.bodies.pop(0)
        if isinstance(body, Exception):
            raise body
        return body

    @generated
    async def stored_stream(self, call: StoredCall, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        self.calls.append(call)
        yield (answer(),)


class Setup:
    def __init__(self, deployments: Sequence[Deployment], *bodies: bytes | Exception, shared: bool = True) -> None:
        self.obs = FakeObservability()
        self.backends = {one.id: Keeping(*bodies) for one in deployments}
        self.router = Router(
            deployments,
            RouterSettings(num_retries=0),
            control=AttemptControl(UpstreamBreakerSettings(threshold=1), Clock()),
            make_backend=lambda deployment: self.backends[deployment.id],
            shared_responses=shared,
        )

    async def stream(self, **fields: Any) -> list[Received]:
        request = ask(dialect="openai_responses", **fields)
        return await all_of(await self.router.open(request, self.obs))

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
    assert setup.obs.attempts.started[-1].target.operation == "fetch_response"
    assert setup.obs.attempts.started[-1].ends == 1


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

    async def main() -> list[Received]:
        call = StoredCall("GET", "resp_1", stream=True)
        return await all_of(await setup.router.open(call, setup.obs))

    assert run(main()) == [answer()]


def test_a_maker_that_fails_is_not_asked_again_at_once() -> None:
    setup = Setup([deployment("a")], UpstreamFailed("down", upstream_status=500))
    with pytest.raises(UpstreamFailed):
        run(setup.router.stored(CALL, setup.obs))
    with pytest.raises(BreakerOpen):
        run(setup.router.stored(CALL, setup.obs))
    assert setup.obs.attempts.started[0].failure == "upstream_error"


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
    plain, untranslatable = ask(dialect="openai_responses"), ask(dialect="openai_responses", extra={"background": True})
    assert responses.suited(pool, plain) == pool
    assert responses.suited(pool, untranslatable) == [pool[1]]
    assert responses.suited(pool, ask(extra={"background": True})) == pool
    without = [pool[0], pool[2]]
    assert responses.suited(without, untranslatable) == without


def test_the_ids_of_stored_responses_are_bounded() -> None:
    one, other = deployment("a"), ELSEWHERE
    responses = StoredResponses([one, other], ResponseIds(2))
    for id in ("r1", "r2", "r1", "r3"):
        responses.learn(ask(dialect="openai_responses"), [Received(ModelResponse()), answer(id)], one)
    assert [responses.origin(id, "") for id in ("r1", "r2", "r3")] == [one, None, one]


def test_ids_of_another_dialect_are_not_learnt() -> None:
    responses = StoredResponses([deployment("a"), ELSEWHERE])
    responses.learn(
        ask(dialect="openai_responses"), [Received(ModelResponse(id="r"), Native("openai_chat", b""))], ELSEWHERE
    )
    assert responses.origin("r", "") is None


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


def kept_from(setup: Setup, caller: str, response_id: str = "resp_1") -> str:
    """What `caller` is told who asks about a response and follows it."""
    messages = []
    for method in ("GET", "DELETE"):
        with pytest.raises(UnknownResponse) as caught:
            run(setup.router.stored(StoredCall(method, response_id, caller=caller), setup.obs))
        messages.append(caught.value.message.replace(response_id, "ID"))
    with pytest.raises(UnknownResponse) as caught:
        run(setup.stream(caller=caller, extra={"previous_response_id": response_id}))
    return " ".join([*messages, caught.value.message])


@pytest.mark.parametrize("whole", [False, True])
def test_a_response_is_its_callers_alone(whole: bool) -> None:
    setup = Setup([deployment("a")], b"{}", b"{}", shared=False)
    if whole:
        run(setup.router.complete(ask(dialect="openai_responses", caller="x"), setup.obs))
    else:
        run(setup.stream(caller="x"))
    attempts = len(setup.obs.attempts.started)
    # An id of another's is told like one that nobody knows, and nobody is asked.
    assert kept_from(setup, "y") == kept_from(setup, "y", "resp_9")
    assert (setup.asked, len(setup.obs.attempts.started)) == ([], attempts)
    assert run(setup.router.stored(StoredCall("GET", "resp_1", caller="x"), setup.obs)) == b"{}"
    run(setup.stream(caller="x", extra={"previous_response_id": "resp_1"}))


def test_nobody_deletes_what_is_anothers() -> None:
    setup = Setup([deployment("a")], b"{}", shared=False)
    run(setup.stream(caller="x"))
    with pytest.raises(UnknownResponse):
        run(setup.router.stored(StoredCall("DELETE", "resp_1", caller="y"), setup.obs))
    assert run(setup.router.stored(StoredCall("GET", "resp_1", caller="x"), setup.obs)) == b"{}"


def test_an_id_that_nobody_knows_is_asked_of_nobody_where_callers_are_kept_apart() -> None:
    kept_from(Setup([deployment("a")], b"{}", shared=False), "x", "resp_of_yesterday")


@pytest.mark.parametrize("named", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_the_first_callers_who_used_it(named: object) -> None:
    setup = Setup([deployment("a")], shared=False)
    run(setup.stream(caller="x", extra={"conversation": named}))
    with pytest.raises(UnknownResponse) as caught:
        run(setup.stream(caller="y", extra={"conversation": {"id": "conv_1"}}))
    assert caught.value.param == "conversation"
    run(setup.stream(caller="x", extra={"conversation": "conv_1"}))
    run(setup.stream(caller="y", extra={"conversation": "conv_2"}))


def test_a_conversation_goes_on_where_it_was_begun() -> None:
    setup = Setup([deployment("a"), ELSEWHERE])

    async def main() -> None:
        for _ in range(8):
            await setup.stream(extra={"conversation": "conv_1"})

    run(main())
    assert len(set(setup.obs.tried)) == 1


def test_a_caller_who_makes_many_pushes_out_its_own_alone() -> None:
    pool = [deployment("a")]
    responses = StoredResponses(pool, ResponseIds(10), shared=False)
    for number in range(3):
        responses.learn(ask(dialect="openai_responses", caller="honest"), (answer(f"resp_honest_{number}"),), pool[0])
    for number in range(100):
        responses.learn(ask(dialect="openai_responses", caller="hostile"), (answer(f"resp_hostile_{number}"),), pool[0])
    assert all(responses.origin(f"resp_honest_{number}", "honest") for number in range(3))
    kept = [number for number in range(100) if responses.origin(f"resp_hostile_{number}", "hostile")]
    assert kept == list(range(93, 100))


def test_a_conversation_whose_id_can_be_none_is_not_remembered() -> None:
    pool = [deployment("a")]
    responses = StoredResponses(pool, shared=False)
    long = ask(dialect="openai_responses", caller="a", extra={"conversation": "c" * 257})
    responses.learn(long, (answer(),), pool[0])
    assert responses.origin("c" * 257, "a") is None


def test_who_used_a_conversation_at_the_same_time_does_not_take_it_over() -> None:
    pool = [deployment("a")]
    responses = StoredResponses(pool, shared=False)
    for caller in "xy":
        request = ask(dialect="openai_responses", caller=caller, extra={"conversation": "conv_1"})
        responses.learn(request, (answer(f"resp_{caller}"),), pool[0])
    assert responses.origin("conv_1", "x") == pool[0]
    assert responses.origin("conv_1", "y") is None
