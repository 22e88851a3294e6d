"""Whatever order requests come, reserve and end in, and whatever the wall clock does meanwhile: no limit is passed."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.quotas import Denial, Need, Quotas, Reservation
from app.settings import Budget, Limits, QuotaSettings
from tests.unit.quotas.made import CALLER, Clocks, rules

T = TypeVar("T")
_MID_MONTH = 1_794_744_000.0
"""15 November 2026."""
_REQUESTS, _STREAMS, _TOKENS, _HOUR, _MONTH = 12, 4, 1_000, 3.0, 8.0
_TOLERANCE = 1e-6


def _result(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


class _Request:
    def __init__(self, reservation: Reservation, admitted: float) -> None:
        self.reservation = reservation
        self.admitted = admitted
        self.reserved: float | None = None
        """When; None where nothing was."""
        self.need = Need(0, 0)
        self.ended: float | None = None
        self.tokens = 0
        self.usd = 0.0


class Limited(RuleBasedStateMachine):
    """The engine beside a list of all requests, of which everything can be computed."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks(_MID_MONTH)
        made = rules(
            Limits(requests_per_minute=_REQUESTS, streams=_STREAMS, tokens_per_minute=_TOKENS),
            [Budget(_HOUR, "hour", "sliding")],
            team_budgets=[Budget(_MONTH)],
        )
        self.quotas = Quotas(made, QuotaSettings(), even=self.clocks.even, wall=self.clocks.wall)
        self.requests: list[_Request] = []

    @property
    def open(self) -> list[_Request]:
        return [request for request in self.requests if request.ended is None]

    @rule(seconds=st.floats(0, 90))
    def advance(self, seconds: float) -> None:
        self.clocks.advance(seconds)

    @rule()
    def wait_long(self) -> None:
        for _ in range(20):
            self.clocks.advance(60)
            _result(self.quotas.usage(CALLER))

    @rule(days=st.floats(-100, 100), seconds=st.floats(0, 600))
    def set_the_clock_wrong_for_a_while(self, days: float, seconds: float) -> None:
        self.clocks.jump(days * 86_400)
        self.clocks.advance(seconds)
        self.admit()
        self.clocks.jump(-days * 86_400)
        self.admit()

    @rule()
    def admit(self) -> None:
        admitted = _result(self.quotas.admit(CALLER))
        if not isinstance(admitted, Denial):
            self.requests.append(_Request(admitted, self.clocks.even_time))

    @precondition(lambda self: any(request.reserved is None for request in self.open))
    @rule(data=st.data(), tokens=st.integers(0, 600), usd=st.floats(0, 2))
    def reserve(self, data: st.DataObject, tokens: int, usd: float) -> None:
        request = data.draw(st.sampled_from([one for one in self.open if one.reserved is None]))
        need = Need(tokens, usd)
        if _result(request.reservation.reserve(need)) is None:
            request.reserved, request.need = self.clocks.even_time, need
            assert self._excess_of_admission() <= _TOLERANCE

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1.5))
    def end(self, data: st.DataObject, share: float) -> None:
        request = data.draw(st.sampled_from(self.open))
        request.ended = self.clocks.even_time
        request.tokens, request.usd = int(request.need.tokens * share), request.need.usd * share
        request.reservation.commit(request.tokens, request.usd)

    @precondition(lambda self: len(self.open) < _STREAMS)
    @rule(tokens=st.integers(1, _TOKENS))
    def wait_as_long_as_advised(self, tokens: int) -> None:
        """Just before the end of the wait the limit is still in the way, and at its end no longer."""
        need = Need(tokens, 0)
        denial = self._denial(need)
        if denial is None or denial.retry_after is None or denial.retry_after <= 1:
            return
        self.clocks.advance(denial.retry_after - 0.01)
        early = self._denial(need)
        assert early is not None
        assert early.limit == denial.limit
        self.clocks.advance(0.0101)
        late = self._denial(need)
        assert late is None or late.limit != denial.limit

    def _denial(self, need: Need) -> Denial | None:
        """What is in the way of a request, which ends at once."""
        admitted = _result(self.quotas.admit(CALLER))
        if isinstance(admitted, Denial):
            return admitted
        denial = _result(admitted.reserve(need))
        request = _Request(admitted, self.clocks.even_time)
        request.ended = self.clocks.even_time
        self.requests.append(request)
        admitted.commit(0, 0)
        return denial

    def _tokens(self, seconds: float) -> tuple[float, float]:
        """Tokens within these last seconds, and how many of them exceeded estimates."""
        since = self.clocks.even_time - seconds
        recent = [one for one in self.requests if one.reserved is not None and one.reserved > since]
        counted = sum(one.need.tokens if one.ended is None else one.tokens for one in recent)
        return counted, sum(max(one.tokens - one.need.tokens, 0) for one in recent)

    def _dollars(self, seconds: float) -> tuple[float, float]:
        since = self.clocks.even_time - seconds
        recent = [one for one in self.requests if one.ended is None or one.ended > since]
        counted = sum(one.need.usd if one.ended is None else one.usd for one in recent)
        return counted, sum(max(one.usd - one.need.usd, 0) for one in recent)

    def _excess_of_admission(self) -> float:
        """By how much the limits are passed when a request has just been let in."""
        forever = 1e9
        return max(self._tokens(60)[0] - _TOKENS, self._dollars(3_600)[0] - _HOUR, self._dollars(forever)[0] - _MONTH)

    @invariant()
    def no_limit_is_passed_but_by_errors_of_estimates(self) -> None:
        since = self.clocks.even_time - 60
        assert sum(request.admitted > since for request in self.requests) <= _REQUESTS
        assert len(self.open) <= _STREAMS
        for (counted, errors), most in (
            (self._tokens(60), _TOKENS),
            (self._dollars(3_600), _HOUR),
            (self._dollars(1e9), _MONTH),
        ):
            assert counted <= most + errors + _TOLERANCE

    @invariant()
    def what_is_reserved_and_spent_is_known(self) -> None:
        usages = {usage.limit: usage for usage in _result(self.quotas.usage(CALLER))}
        month = usages["budget_month"]
        assert usages["streams"].used == len(self.open)
        assert abs(month.reserved - sum(one.need.usd for one in self.open)) < _TOLERANCE
        assert abs(month.used - sum(one.usd for one in self.requests)) < _TOLERANCE
        minute = usages["tokens_per_minute"]
        assert 0 <= minute.reserved <= sum(one.need.tokens for one in self.open)
        assert self._tokens(60)[0] <= minute.used + minute.reserved <= self._tokens(61)[0]


TestLimited = Limited.TestCase
TestLimited.settings = settings(max_examples=40, stateful_step_count=40)
