"""Bodies of requests and of whole responses: how many bytes the process may hold, and their JSON.

`Bodies` is the budget, and the threads in which large bodies are worked on. `request_body` checks and decodes what a
client sent, and `decompression` what it sent compressed; `json_decoding` and `json_encoding` work in steps where a text
is large, so that other threads get a turn.
"""

from app.bodies.budget import SMALL, Bodies, Held

__all__ = ["SMALL", "Bodies", "Held"]
