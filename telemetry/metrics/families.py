"""How an instrument is exposed: a family of series, as prometheus-client's samples and as text for a scrape.

A scrape can have tens of thousands of lines, and while they are made nobody else has Python's lock. So the text of one
child (a histogram has some twenty lines) is made by formatting one template, which the family has made once. What
prometheus-client makes of the same samples is what a test holds the text to.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import NamedTuple, Protocol, TypeVar

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from telemetry.metrics.cells import LabelValues
from telemetry.names.metrics import MetricSpec


class Number(Protocol):
    """A counter or a gauge that is read. `created` is in Unix time."""

    @property
    def created(self) -> float: ...
    @property
    def value(self) -> float: ...


class NumberReading(NamedTuple):
    """What a counter or a gauge holds at one moment."""

    value: float
    created: float
    """When it was made, in Unix time."""


class Reading(NamedTuple):
    """What a histogram holds at one moment."""

    counts: Sequence[float]
    """How many values were no greater than each bound; the last bound is infinite."""
    sum: float
    exemplars: Mapping[int, Exemplar]
    """The latest of each bucket that has one, by the bucket's position."""
    created: float
    """When it was made, in Unix time."""


class Distribution(Protocol):
    """A histogram that is read."""

    def reading(self) -> Reading: ...


Child = TypeVar("Child", covariant=True)


class Instrument(Protocol[Child]):
    def children(self) -> Iterable[tuple[LabelValues, Child]]:
        """All children with the values of their labels."""


@dataclass(frozen=True)
class Selection:
    """Which children of an instrument a family shows, and with which labels.

    `only` and `never` say by a label's position which values it must have, and which not. `hidden` are positions of
    labels that the family does not have, `added` the values of those that it has besides.
    """

    only: Mapping[int, frozenset[str]] = field(default_factory=dict)
    never: Mapping[int, frozenset[str]] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    added: LabelValues = ()

    def labels(self, values: LabelValues) -> LabelValues | None:
        """The values of a child's labels in the family; None for a child that it does not show."""
        if any(values[at] not in wanted for at, wanted in self.only.items()):
            return None
        if any(values[at] in unwanted for at, unwanted in self.never.items()):
            return None
        return (*(value for at, value in enumerate(values) if at not in self.hidden), *self.added)


class Family(Collector):
    """One metric of the exposition. `name` is that of its samples without their suffixes."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.name = spec.name.removesuffix("_total") if spec.kind == "counter" else spec.name
        self.metric = FamilyMetric(self)

    def collect(self) -> Iterable[Metric]:
        return [self.metric]

    def describe(self) -> Iterable[Metric]:
        return [self.metric]

    @abstractmethod
    def samples(self) -> Iterator[Sample]:
        """What the text says, as prometheus-client has it."""

    @abstractmethod
    def texts(self, *, openmetrics: bool, created: bool) -> Iterator[str]:
        """The lines of each child, one text a child. With `created` OpenMetrics' time of creation is among them."""

    def head(self, *, openmetrics: bool) -> str:
        """The lines before those of the children."""
        name = self.name if openmetrics else self.spec.name
        return f"# HELP {name} {self.spec.help}\n# TYPE {name} {self.spec.kind}\n"


class FamilyMetric(Metric):
    """A family as prometheus-client's registry gives it out; its samples are made when somebody looks at them."""

    def __init__(self, family: Family) -> None:
        self.family = family
        super().__init__(family.name, family.spec.help, family.spec.kind)

    @property
    def samples(self) -> list[Sample]:
        return list(self.family.samples())

    @samples.setter
    def samples(self, samples: list[Sample]) -> None:
        """Ignore the empty list that every metric begins with."""


class NumberFamily(Family):
    """A counter or a gauge."""

    def __init__(self, spec: MetricSpec, instrument: Instrument[Number], selection: Selection | None = None) -> None:
        super().__init__(spec)
        self._instrument = instrument
        self._labels = _LabelTexts(spec.labels, selection)

    def samples(self) -> Iterator[Sample]:
        for values, child in self._instrument.children():
            if (labels := self._labels.of(values)) is not None:
                yield Sample(self.spec.name, labels.pairs, child.value)

    def texts(self, *, openmetrics: bool, created: bool) -> Iterator[str]:
        name, label_texts = self.spec.name, self._labels
        with_created = created and openmetrics and self.spec.kind == "counter"
        for values, child in self._instrument.children():
            if (labels := label_texts.of(values)) is None:
                continue
            text = f"{name}{labels.outer} {_number(child.value)}\n"
            yield f"{text}{self.name}_created{labels.outer} {child.created!r}\n" if with_created else text


class SumFamily(NumberFamily):
    """A counter of all that a histogram has seen: its sum."""

    def __init__(
        self, spec: MetricSpec, instrument: Instrument[Distribution], selection: Selection | None = None
    ) -> None:
        super().__init__(spec, _Sums(instrument), selection)


@dataclass(frozen=True)
class _Sums:
    """The sums of a histogram's children, as if each were a counter."""

    histogram: Instrument[Distribution]

    def children(self) -> Iterator[tuple[LabelValues, NumberReading]]:
        for values, child in self.histogram.children():
            reading = child.reading()
            yield values, NumberReading(reading.sum, reading.created)


class HistogramFamily(Family):
    def __init__(
        self, spec: MetricSpec, instrument: Instrument[Distribution], selection: Selection | None = None
    ) -> None:
        super().__init__(spec)
        self._instrument = instrument
        self._labels = _LabelTexts(spec.labels, selection)
        name = spec.name
        self._bounds = [go_number(bound) for bound in (*spec.buckets, inf)]
        buckets = "".join(f'{name}_bucket{{%sle="{bound}"}} %s%s\n' for bound in self._bounds)
        self._template = f"{buckets}{name}_count%s %s\n{name}_sum%s %s\n"

    def samples(self) -> Iterator[Sample]:
        name = self.spec.name
        for labels, reading in self._readings():
            for at, (bound, count) in enumerate(zip(self._bounds, reading.counts, strict=True)):
                yield Sample(
                    f"{name}_bucket", {**labels.pairs, "le": bound}, float(count), None, reading.exemplars.get(at)
                )
            yield Sample(f"{name}_count", labels.pairs, float(reading.counts[-1]))
            yield Sample(f"{name}_sum", labels.pairs, reading.sum)

    def texts(self, *, openmetrics: bool, created: bool) -> Iterator[str]:
        template, size = self._template, len(self._bounds)
        for labels, (counts, total, exemplars, made) in self._readings():
            # Three for each bucket: labels, count, exemplar.
            values: list[object] = [labels.inner, 0, ""] * size
            values[1::3] = counts
            if openmetrics:
                for at, exemplar in exemplars.items():
                    values[3 * at + 2] = _exemplar(exemplar)
            text = template % (*values, labels.outer, counts[-1], labels.outer, _number(total))
            yield f"{text}{self.name}_created{labels.outer} {made!r}\n" if created and openmetrics else text

    def _readings(self) -> Iterator[tuple["LabelText", Reading]]:
        for values, child in self._instrument.children():
            if (labels := self._labels.of(values)) is not None:
                yield labels, child.reading()


@dataclass(frozen=True, slots=True)
class LabelText:
    """The labels of one series; `inner` is ready for one more behind it, `outer` complete."""

    pairs: dict[str, str]
    inner: str
    outer: str


class _LabelTexts:
    """The labels of a family's children, written once for each and kept."""

    def __init__(self, names: Sequence[str], selection: Selection | None) -> None:
        self._names = names
        self._selection = selection
        self._made: dict[LabelValues, LabelText | None] = {}

    def of(self, values: LabelValues) -> LabelText | None:
        """The labels of a child of the instrument; None for one that the family does not show."""
        try:
            return self._made[values]
        except KeyError:
            return self._made.setdefault(values, self._text(values))

    def _text(self, values: LabelValues) -> LabelText | None:
        selected = values if self._selection is None else self._selection.labels(values)
        if selected is None:
            return None
        pairs = dict(zip(self._names, selected, strict=True))
        text = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())
        return LabelText(pairs, f"{text}," if text else "", f"{{{text}}}" if text else "")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return repr(value) if isfinite(value) else go_number(value)


def go_number(value: float) -> str:
    """A number as Go writes it, so that the bounds of buckets are the same text whoever exposes them."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _exemplar(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    labels = ",".join([f'{name}="{_escaped(value)}"' for name, value in exemplar.labels.items()])
    time = "" if exemplar.timestamp is None else f" {exemplar.timestamp!r}"
    return f" # {{{labels}}} {_number(exemplar.value)}{time}"
