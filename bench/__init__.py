"""What the gateway costs, beside a bare passthrough and the peers that are installed: `python -m bench`.

upstream    a mock provider of both dialects, and a trace receiver, made of prebuilt bytes
load        clients made of raw sockets, which check that every answer is whole
floor       a bare FastAPI + aiohttp passthrough, and one that parses and encodes each event
servers     how each row's gateway is started, and its CPU, memory and start
cells       what is measured: small answers, fast streams, paced streams, held streams, a long prompt
report      medians, spread and ratios to the floor, within one run
growth      cost over the length of a stream, open streams, configured models and keys
"""
