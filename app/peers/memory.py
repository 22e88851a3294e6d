"""What a process remembers of responses, kept the same in all processes: a client's next request may reach any."""

from collections.abc import Mapping

from app.backends.stored_responses import ResponseIds, ResponseOrigin
from app.peers.news import ConversationNews, ResponseForgotten, ResponseNews
from app.peers.outbox import Outbox
from app.request_ids import Conversations
from app.settings import Deployment


class SharedResponses(ResponseIds):
    """The ids of responses that are known, whichever process got them. `deployments` are those of the present
    configuration, by their ids."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self.deployments: Mapping[str, Deployment] = {}
        self._outbox = outbox

    def remember(self, id: str, origin: ResponseOrigin) -> None:
        is_known = self.get(id) == origin
        super().remember(id, origin)
        if not is_known:
            self._outbox.send(ResponseNews(id, origin.deployment.id, origin.caller))

    def forget(self, id: str) -> None:
        super().forget(id)
        self._outbox.send(ResponseForgotten(id))

    def take(self, news: ResponseNews | ResponseForgotten) -> None:
        """Remember, or forget, what another process has learnt. What it says of a caller's id here, or of a deployment
        that this process does not have, counts for nothing."""
        match news:
            case ResponseNews(id, of, caller):
                known, deployment = self.get(id), self.deployments.get(of)
                if deployment is not None and (known is None or known.caller == caller):
                    super().remember(id, ResponseOrigin(deployment, caller))
            case ResponseForgotten(id):
                super().forget(id)


class SharedConversations(Conversations):
    """Which conversation a response is part of, whichever process it passed."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def learn(self, response_id: str, conversation_id: str) -> None:
        super().learn(response_id, conversation_id)
        if response_id and conversation_id:
            self._outbox.send(ConversationNews(response_id, conversation_id))

    def take(self, news: ConversationNews) -> None:
        """Remember what another process has learnt."""
        super().learn(news.response, news.conversation)
