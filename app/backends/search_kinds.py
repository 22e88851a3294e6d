"""What a search looks for: a response that comes as a whole, or a stream that has begun."""

from app.admission import Slot
from app.backends.beginnings import Waits, opened
from app.backends.search import Search
from app.errors import UpstreamTimeout
from app.messages import Batch, Received, Request
from app.opened_stream import OpenedStream
from app.settings import Deployment


class WholeSearch(Search[Received]):
    """A search for a response that is not streamed."""

    async def _tried(
        self, deployment: Deployment, slot: Slot, request: Request, *, hedge: bool = False
    ) -> Received | None:
        try:
            if (guarded := self.guarded(deployment, request, slot, hedge=hedge)) is None:
                self._pass_over(deployment, slot)
                return None
            backend = self._services.backends.of(deployment)
            with guarded:
                with guarded.limited(self.limit(deployment)):
                    response = await backend.complete(request, guarded.attempt)
                guarded.received(response)
                return response
        except BaseException:
            slot.end()
            raise

    def _come_of(self, answer: Received) -> Batch:
        return (answer,)


class StreamSearch(Search[OpenedStream]):
    """A search for a stream, which ends once one has begun: after that no other deployment is tried."""

    stream = True

    async def _tried(
        self, deployment: Deployment, slot: Slot, request: Request, *, hedge: bool = False
    ) -> OpenedStream | None:
        services = self._services
        try:
            if (guarded := self.guarded(deployment, request, slot, hedge=hedge)) is None:
                self._pass_over(deployment, slot)
                return None
            stream = services.backends.of(deployment).stream(request, guarded.attempt)
            # What a provider makes in the background goes on there, though nobody waits for it.
            hold = 0.0 if request.extra.get("background") else services.settings.hold_start
            waits = Waits(self.limit(deployment), services.idle_timeout, deployment.first_token_timeout, hold)
            begun = services.clock()
            try:
                answer = await opened(guarded, stream, waits)
            except UpstreamTimeout:
                services.selection.first_token(deployment, services.clock() - begun)
                raise
            services.selection.first_token(deployment, services.clock() - begun)
            return answer
        except BaseException:
            slot.end()
            raise

    def _come_of(self, answer: OpenedStream) -> Batch:
        return answer.first
