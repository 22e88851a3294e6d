"""What the processes that serve together have in common, beside what they count.

news ........ what one lets the others know
outbox ...... news of this process, gathered until it is worth a message
breakers .... circuit breakers that are in one state in all of them
memory ...... responses and conversations that any of them may be asked about
peers ....... all of it, as a process has it
"""

from app.peers.peers import Peers

__all__ = ["Peers"]
