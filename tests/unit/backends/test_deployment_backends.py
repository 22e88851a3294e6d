"""Backends that several configurations share."""

from collections.abc import Callable

from msgspec.structs import replace

from app.backends.attempts import Backend
from app.backends.deployment_backends import BackendFactory, BackendPool
from app.backends.memory import RoutingMemory, staying
from app.backends.stored_responses import ResponseIds, StoredResponses
from app.messages import ModelResponse, Native, Received
from app.settings import Deployment
from tests.support import run
from tests.unit.backends.fakes import ScriptedBackend, ask, text


class Closing(ScriptedBackend):
    """Knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__([text("x")])
        self.is_closed = False

    async def aclose(self) -> None:
        assert not self.is_closed
        self.is_closed = True


class Factory:
    def __init__(self) -> None:
        self.made: list[Closing] = []

    def __call__(self, deployment: Deployment) -> Backend:
        self.made.append(Closing())
        return self.made[-1]


def deployment(id: str, key: str = "k", model: str = "m") -> Deployment:
    return Deployment(id, model, f"openai/{id}", "openai", "openai", "offered", {"api_key": key})


def test_a_deployment_that_stays_keeps_its_backend() -> None:
    pool, make = BackendPool(), Factory()
    first = pool.backends([deployment("a"), deployment("b")], make)
    made = first.of(deployment("a"))
    first.of(deployment("b"))
    second = pool.backends([deployment("a"), deployment("b", key="other")], make)
    run(first.aclose())

    assert second.of(deployment("a")) is made
    assert second.of(deployment("b", key="other")) is make.made[2]
    assert [one.is_closed for one in make.made] == [False, True, False]
    run(second.aclose())
    assert [one.is_closed for one in make.made] == [True, True, True]
    assert pool.kept() == []


def test_one_that_is_made_while_both_are_used_is_shared() -> None:
    pool, make = BackendPool(), Factory()
    first, second = (pool.backends([deployment("a")], make) for _ in range(2))
    assert first.of(deployment("a")) is second.of(deployment("a"))
    run(second.aclose())
    assert not make.made[0].is_closed
    run(first.aclose())
    assert make.made[0].is_closed


def test_other_settings_of_all_make_other_backends() -> None:
    pool, makers = BackendPool(), (Factory(), Factory())

    def of(make: BackendFactory) -> Callable[[], Backend]:
        backends = pool.backends([deployment("a")], make)
        return lambda: backends.of(deployment("a"))

    assert of(makers[0])() is not of(makers[1])()


def test_models_behind_a_wildcard_keep_theirs() -> None:
    pool, make = BackendPool(), Factory()
    entry = deployment("all", model="openai/*")
    of_model = Deployment("all", "openai/*", "openai/gpt-5", "openai", "openai", "offered", {"api_key": "k"})
    first = pool.backends([entry], make)
    made = first.of(of_model)
    second = pool.backends([entry], make)
    run(first.aclose())
    assert second.of(of_model) is made
    third = pool.backends([deployment("all", key="other", model="openai/*")], make)
    run(second.aclose())
    assert make.made[0].is_closed
    assert third.of(of_model) is not made


def test_deployments_stay_that_are_asked_in_the_same_way() -> None:
    before = [deployment("same"), deployment("heavier"), deployment("renewed"), deployment("gone")]
    heavier = replace(deployment("heavier"), model_name="other", weight=9)
    after = [deployment("same"), heavier, deployment("renewed", key="new"), deployment("added")]
    assert staying(before, after) == {"same", "heavier"}


def test_only_what_is_known_of_deployments_that_stay_is_kept() -> None:
    memory = RoutingMemory()
    memory.resting = {"a": 1.0, "b": 2.0}
    memory.missing = {"a", "b"}
    memory.keep(frozenset({"a"}))
    assert (memory.resting, memory.missing) == ({"a": 1.0}, {"a"})


def test_a_response_is_asked_about_after_a_reload() -> None:
    ids = ResponseIds()
    request = ask(dialect="openai_responses", caller="x")
    before = StoredResponses([deployment("a"), deployment("b", key="of b")], ids, shared=False)
    made = Received(ModelResponse(id="resp_1"), Native("openai_responses", b""))
    before.learn(request, (made,), deployment("a"))

    renewed = deployment("a", key="rotated")
    for after, expected in (
        ([deployment("a"), deployment("c")], deployment("a")),
        # Another name of the same account, and a new key of the same name.
        ([deployment("renamed"), deployment("b", key="of b")], deployment("renamed")),
        ([renewed, deployment("b", key="of b")], renewed),
        ([deployment("b", key="of b")], None),
    ):
        responses = StoredResponses(after, ids, shared=False)
        assert responses.origin("resp_1", "x") == expected
        assert responses.origin("resp_1", "y") is None
