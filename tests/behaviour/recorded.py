"""A gateway whose transactions are recorded, and kept in a list."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.main import concealing_of, secrets_of
from app.policies import load_policies
from app.recorder.capture import Capture, EndedTransaction
from app.recorder.recording import Piece, Recording
from app.settings import RecorderSettings
from tests.behaviour.gateway import RunningGateway, configuration, until


class Recordings:
    """Keeps what ends."""

    def __init__(self) -> None:
        self._ended: dict[str, EndedTransaction] = {}

    def pins(self, cause: str) -> bool:
        return True

    def offer(self, taken: EndedTransaction) -> None:
        self._ended[taken.transaction_id] = taken

    def of(self, transaction_id: str) -> Recording:
        """The recording of a transaction, once it has ended."""
        taken: EndedTransaction = until(lambda: self._ended.get(transaction_id), f"the end of {transaction_id}")
        return taken.recording()

    def next(self, seen: int) -> Recording:
        """The recording of the transaction that ended after `seen` others."""
        until(lambda: len(self._ended) > seen, "one more transaction")
        return list(self._ended.values())[seen].recording()

    def __len__(self) -> int:
        return len(self._ended)


class RecordingGateway(RunningGateway):
    """`capture` has what is under way, `recordings` what has ended."""

    def __init__(self, configuration: str, settings: RecorderSettings | None = None) -> None:
        super().__init__(configuration)
        self.recordings = Recordings()
        self.capture = Capture(
            self.recordings,
            settings or RecorderSettings(),
            secrets=secrets_of(self.settings),
            concealing=concealing_of(load_policies(self.settings.policies)),
            gateway="test",
        )
        self.telemetry.record(self.capture)

    def __enter__(self) -> "RecordingGateway":
        super().__enter__()
        return self


@contextmanager
def recording_gateway(models: list[str], gateway: str = "", rest: str = "") -> Iterator[RecordingGateway]:
    running = RecordingGateway(configuration(models, gateway, rest))
    with running:
        yield running


def data_of(pieces: tuple[Piece, ...]) -> bytes:
    return b"".join(piece.data for piece in pieces)
