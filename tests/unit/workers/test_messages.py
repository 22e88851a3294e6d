"""What supervisor and worker say comes to the other as it was said, over a socket."""

import socket
from pathlib import Path

import pytest

from app.configuration import Source, load
from app.settings import Settings
from app.workers.channel import Broken, Channel, receive_blocking, send_blocking
from app.workers.messages import Hello, Ready, decode_for_supervisor, decode_settings, encode, raw
from tests.support import run

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_settings_come_to_a_worker_as_they_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FLOWSPAN_KEY"):
        monkeypatch.setenv(name, "sk-0123456789abcdefghij")
    settings = load(file).settings
    assert decode_settings(raw(settings)) == settings
    assert decode_settings(raw(Settings())) == Settings()


def test_a_source_is_a_part_of_a_message() -> None:
    assert bytes(raw(Source("f.yaml", {"port": 1}))) == encode(Source("f.yaml", {"port": 1}))


def test_messages_come_whole_and_in_order_until_the_other_side_is_gone() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        channel, other = await Channel.of(ours), await Channel.of(theirs)
        sent = [Hello(), Ready(("a" * 3_000_000,)), Ready()]
        for message in sent:
            channel.send(encode(message))
        channel.close()
        assert [decode_for_supervisor(data) async for data in other.messages()] == sent
        other.close()
        with pytest.raises(Broken):
            other.send(b"x")

    run(main())


def test_a_side_that_reads_nothing_is_given_up() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        channel = await Channel.of(ours)
        channel.send(bytes(100 * 1024**2))
        with pytest.raises(Broken):
            channel.send(b"")
        with pytest.raises(Broken):
            channel.send(b"")
        theirs.close()

    run(main())


def test_blocking_sides_understand_the_same_messages() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_blocking(ours, b"one")
        send_blocking(ours, b"")
        ours.shutdown(socket.SHUT_WR)
        assert [receive_blocking(theirs) for _ in range(3)] == [b"one", b"", None]
