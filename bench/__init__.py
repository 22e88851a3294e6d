"""What the gateway costs, beside a bare passthrough and the peers that are installed: `python -m bench`.

upstream        a mock provider of both dialects, and a trace receiver, made of prebuilt bytes
load            clients made of raw sockets, which check that every answer is whole
floor           a bare FastAPI + aiohttp passthrough, and one that parses and encodes each event
rows            what is compared
configurations  the same models for each row's gateway, and the command that starts it
servers         the gateways of the rows on cores of their own; `processes` tells what they use
cells           what is measured: small answers, fast streams, paced streams, held streams, a long prompt
report          medians, spread and ratios to the floor, within one run
counts          functions called by a request and a chunk, which `counted` counts: figures without noise
instructions    the same in instructions of the processor, under valgrind
relay           bytes from socket to socket, a lower bound
workers         what two cores serve, with one worker and with two
growth          cost over the length of a stream, open streams, configured models and keys
"""
