"""Responses and conversations that one process has learnt of are known to all."""

from pathlib import Path

from app.backends.stored_responses import ResponseOrigin, StoredResponses
from app.messages import ModelResponse, Native, Received, Request
from app.peers import Peers
from app.peers.news import News
from app.settings import Deployment, Settings, WorkerProcess

DEPLOYMENTS = tuple(
    Deployment(id, "m", f"openai/{id}", "openai", "openai", "offered", {"api_key": id}) for id in ("a", "b")
)
ASKED = Request(model="m", messages=(), dialect="openai_responses", caller="one")
ANSWER = Received(ModelResponse(id="resp_1"), Native("openai_responses", b"{}"))


def two(folder: Path, *deployments: tuple[Deployment, ...]) -> tuple[Peers, Peers]:
    """Two processes, each of which is let know at once what the other sends."""
    receivers: list[Peers] = []

    def started(index: int) -> Peers:
        def send(news: News) -> None:
            receivers[1 - index].receive(news)

        settings = Settings(deployments=deployments[index] if deployments else DEPLOYMENTS)
        return Peers(WorkerProcess(index, 2, str(folder)), send, settings)

    receivers += [started(0), started(1)]
    return receivers[0], receivers[1]


def responses_of(process: Peers, deployments: tuple[Deployment, ...] = DEPLOYMENTS) -> StoredResponses:
    return StoredResponses(deployments, process.responses, shared=False)


def test_a_response_can_be_asked_about_at_any_process(tmp_path: Path) -> None:
    first, second = map(responses_of, two(tmp_path))
    first.learn(ASKED, (ANSWER,), DEPLOYMENTS[1])
    assert second.origin("resp_1", "one") is DEPLOYMENTS[1]
    assert second.origin("resp_1", "another") is None
    second.forget("resp_1")
    assert first.origin("resp_1", "one") is None


def test_what_a_process_knows_of_one_caller_no_other_takes_from_it(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    first = responses_of(one)
    first.learn(ASKED, (ANSWER,), DEPLOYMENTS[1])
    other.responses.remember("resp_1", ResponseOrigin(DEPLOYMENTS[0], "thief"))
    assert first.origin("resp_1", "one") is DEPLOYMENTS[1]
    assert first.origin("resp_1", "thief") is None


def test_a_deployment_that_a_process_does_not_have_is_none_of_its_business(tmp_path: Path) -> None:
    one, other = two(tmp_path, DEPLOYMENTS, DEPLOYMENTS[:1])
    first, second = responses_of(one), responses_of(other, DEPLOYMENTS[:1])
    first.learn(ASKED, (ANSWER,), DEPLOYMENTS[1])
    assert second.origin("resp_1", "one") is None


def test_a_conversation_goes_on_at_any_process(tmp_path: Path) -> None:
    first, second = (one.conversations for one in two(tmp_path))
    first.learn("resp_1", "conv_1")
    assert second.of("resp_1") == "conv_1"
    assert second.of("resp_2") == "resp_2"
