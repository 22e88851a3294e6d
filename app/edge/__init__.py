"""The HTTP edge: from accepted sockets to ASGI, and nothing that a stranger sends held without bound.

listener        accepts, within bounds per process and per address
connection      one client's connection: its requests one at a time, its deadlines, and how it ends
server_context  what the connections of one server share
parser          bytes -> requests, and how much of them may be no body
unix_sockets    sockets with a path: who may open them, and who has
threaded_server an application on an address of its own, in a thread of its own
head            what of a request's head RFC 9112 has a server refuse
scopes          what ASGI's scope says of a connection and of a head
request_cycle   one request on its ASGI side: what came of its body, and what goes out of its response
response        the bytes of one response: head, framing, and no header that could be read as more
flow            reading and writing, each as fast as whoever is at its other end
"""
