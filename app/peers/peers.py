"""What a process shares with those that serve with it, made once; parts of the gateway are made of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, time

from app.peers.breakers import COLUMNS, SharedDeploymentBreakers, SharedQueueBreakers, SharedStates
from app.peers.memory import SharedConversations, SharedResponses
from app.peers.news import AttemptEnds, BreakerNews, ConversationNews, News, ResponseForgotten, ResponseNews
from app.peers.outbox import Outbox
from app.settings import QueueBreakerSettings, Settings, UpstreamBreakerSettings, WorkerProcess
from app.shared_table import SharedTable

_ROWS = 16_384
"""The table of breakers has so many, whatever is in the configuration of each process: all have to agree on it."""
_TABLE = "breakers.table"


class Peers:
    """The processes that serve with this one. `send` gives them news, without waiting; theirs come by `receive`. What
    is made here is used on the gateway's event loop alone, and made once."""

    def __init__(
        self,
        process: WorkerProcess,
        send: Callable[[News], None],
        settings: Settings,
        clock: Callable[[], float] = monotonic,
        *,
        generation: int = 1,
        since: float | None = None,
    ) -> None:
        """`generation` is that of the configuration which all serve, and `since` when it came into use, in Unix time;
        now unless it is given."""
        self.process = process
        self.generation = generation
        self.since = time() if since is None else since
        self._table = SharedTable(COLUMNS, _ROWS, Path(process.folder) / _TABLE)
        self._states = SharedStates(self._table)
        self._outbox = Outbox(send, clock)
        self._clock = clock
        self._deployments: SharedDeploymentBreakers | None = None
        self._queues: SharedQueueBreakers | None = None
        self.responses = SharedResponses(self._outbox)
        """Which deployment made which response."""
        self.conversations = SharedConversations(self._outbox)
        """Which conversation a response is part of."""
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        breakers = settings.breakers
        self._outbox.memory = max(breakers.upstream.window, breakers.queue.window)
        self.responses.deployments = {one.id: one for one in settings.deployments}

    def deployment_breakers(self, settings: UpstreamBreakerSettings, by_caller: bool) -> SharedDeploymentBreakers:
        """The breakers of deployments, in one state in all processes."""
        self._deployments = SharedDeploymentBreakers(settings, by_caller, self._states, self._outbox)
        return self._deployments

    def queue_breakers(self, settings: QueueBreakerSettings, by_caller: bool) -> SharedQueueBreakers:
        """The breakers of queues, in one state in all processes."""
        self._queues = SharedQueueBreakers(settings, by_caller, self._states, self._outbox)
        return self._queues

    def receive(self, news: News) -> None:
        """Take in what another process lets this one know."""
        match news:
            case BreakerNews(deployments, queues):
                self._learn(deployments, queues, self._clock())
            case ResponseNews() | ResponseForgotten():
                self.responses.take(news)
            case ConversationNews():
                self.conversations.take(news)

    def flush(self) -> None:
        """Let the others know what was gathered for them."""
        self._outbox.flush()

    def close(self) -> None:
        """Give back the memory that is shared."""
        self._table.close()

    def _learn(self, deployments: Sequence[AttemptEnds], queues: Sequence[AttemptEnds], now: float) -> None:
        if any(one.failed or one.abandoned for one in (*deployments, *queues)):
            self._outbox.others_fail()
        if self._deployments is not None:
            self._deployments.learn(deployments, now)
        if self._queues is not None:
            self._queues.learn(queues, now)
