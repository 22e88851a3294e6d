"""The text of a scrape, in pieces, so that whoever makes it can let others have Python's lock in between.

Families of ours are written by themselves, what other collectors give by prometheus-client.
"""

import zlib
from collections.abc import Iterable, Iterator
from time import sleep

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from telemetry.metrics.families import FamilyMetric

PIECE = 128 * 1024
"""Characters that are made without letting go: about half a millisecond."""
_PAUSE = 0.0002
"""Seconds between two pieces in which others can take Python's lock."""
_GZIP_LEVEL = 1
"""A thirtieth of the text is left at this level, and half of that at the next, slower ones."""
_GZIP_WINDOW = 31
"""zlib's number for gzip's format, with the largest window."""
_END = "# EOF\n"


def body(registry: CollectorRegistry, *, openmetrics: bool, created: bool = False, gzip: bool = False) -> bytes:
    """The body of a scrape's answer. Takes no lock for longer than a piece needs."""
    text = pieces(registry, openmetrics=openmetrics, created=created)
    return _compressed(text) if gzip else _plain(text)


def _compressed(text: Iterable[str]) -> bytes:
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
    # zlib works without Python's lock.
    return b"".join([*[packer.compress(piece.encode()) for piece in text], packer.flush()])


def _plain(text: Iterable[str]) -> bytes:
    encoded = []
    for piece in text:
        encoded.append(piece.encode())
        sleep(_PAUSE)
    return b"".join(encoded)


def pieces(registry: CollectorRegistry, *, openmetrics: bool, created: bool = False) -> Iterator[str]:
    """The text, in pieces of about `PIECE` characters. With `created` OpenMetrics' times of creation are in it."""
    piece, size = [], 0
    for text in _texts(registry, openmetrics, created):
        piece.append(text)
        size += len(text)
        if size >= PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)


def _texts(registry: CollectorRegistry, openmetrics: bool, created: bool) -> Iterator[str]:
    foreign = []
    for metric in registry.collect():
        if isinstance(metric, FamilyMetric):
            yield metric.family.head(openmetrics=openmetrics)
            yield from metric.family.texts(openmetrics=openmetrics, created=created)
        else:
            foreign.append(metric)
    encode = openmetrics_exposition.generate_latest if openmetrics else generate_latest
    yield encode(_Collected(foreign)).decode().removesuffix(_END)
    if openmetrics:
        yield _END


class _Collected(Collector):
    """Metrics that were collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
