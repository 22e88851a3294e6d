"""A recording in a few plain sentences: who was at fault, what the client got, and why it was not tried again."""

from collections.abc import Callable

from app.figures import counted
from app.recorder.other_attempts import other_attempts
from app.recorder.phrases import (
    answerer,
    caller,
    error_object,
    error_words,
    failure,
    failures,
    in_short,
    last_attempt,
    listed,
    name,
    policy_that,
    progress,
    provider,
    seconds,
    sentence,
    silence,
    with_detail,
)
from app.recorder.recording import Recording
from telemetry.names import GATEWAY_SHARE
from telemetry.names.spans import Attribute

_SLOW_S = 10.0
"""Seconds from which on an answer that went well has its time explained."""
_AT_ONCE = 0.01
"""Seconds of a wait that was none."""
_MOST = 0.5
"""The share of the time that makes somebody the one who took it."""
_NO_INTERVENTION = frozenset({"allow", "pass", "passed", "none"})


def explain(recording: Recording) -> str:
    """What became of a transaction and by whose doing, for somebody who is woken up by it."""
    entry = recording.entry
    explanation = _OF_ERRORS.get(entry.error_type or "")
    if entry.outcome == "ok":
        sentences = _of_success(recording)
    elif explanation is not None:
        sentences = explanation(recording)
    elif entry.outcome == "client_disconnect":
        sentences = _of_leaving(recording)
    else:
        sentences = [with_detail("The request failed", recording), _received(recording)]
    return " ".join(sentence(text) for text in sentences if text)


def _of_success(recording: Recording) -> list[str]:
    entry = recording.entry
    what = f"{answerer(recording)} answered {caller(recording)} in {seconds(entry.duration_s)}"
    if entry.stream and recording.chunks_in:
        first = "" if entry.ttft_s is None else f", the first after {seconds(entry.ttft_s)}"
        what += f", with {counted(recording.chunks_in, 'event')}{first}"
    return [what, *other_attempts(recording), *_interventions(recording), _whose_time(recording)]


def _interventions(recording: Recording) -> list[str]:
    names: dict[str, list[str]] = {}
    for one in recording.interventions:
        if one.decision.lower() not in _NO_INTERVENTION:
            names.setdefault(one.policy, []).append(one.decision)
    if not names:
        return []
    named = [f"{name(policy)} ({', '.join(map(name, dict.fromkeys(how)))})" for policy, how in names.items()]
    return [f"{'A policy' if len(named) == 1 else 'Policies'} intervened: {listed(named)}"]


def _whose_time(recording: Recording) -> str:
    total = recording.entry.duration_s
    if total < _SLOW_S or not recording.time:
        return ""
    gateway = sum(recording.time.get(part, 0.0) for part in GATEWAY_SHARE)
    shares = {
        "the provider's": recording.time.get("upstream", 0.0),
        "the client's, which read slowly": recording.time.get("client", 0.0),
        "spent in waiting for a deployment with room": recording.time.get("admission", 0.0),
        "the gateway's and its policies'": gateway,
    }
    whose, most = max(shares.items(), key=lambda share: share[1])
    return f"{seconds(most)} of the time were {whose}" if most >= _MOST * total else ""


def _of_cut(recording: Recording) -> list[str]:
    how = " by breaking off the connection" if "reset" in (recording.detail or "") else ""
    events = recording.chunks_in
    if not events:
        return [
            f"{provider(recording)} ended its answer before anything of it had come{how}",
            *_consequences(recording),
        ]
    what = f"{provider(recording)} stopped sending{how} after {progress(recording)} without ending its answer"
    return [what, *_consequences(recording)]


def _of_timeout(recording: Recording) -> list[str]:
    waited = seconds(silence(recording))
    if recording.chunks_in:
        what = (
            f"{provider(recording)} fell silent after {progress(recording)}: nothing more came for {waited}, so the "
            "gateway ended the answer"
        )
    else:
        what = f"{provider(recording)} did not begin to answer within {waited}, so the gateway gave it up"
    return [what, *_consequences(recording)]


def _of_unreachable(recording: Recording) -> list[str]:
    return [with_detail(f"{provider(recording)} could not be reached", recording), *_consequences(recording)]


def _of_proxy(recording: Recording) -> list[str]:
    what = f"The proxy on the way to {provider(recording)} did not connect to it"
    return [with_detail(what, recording), *_consequences(recording)]


def _of_provider_error(recording: Recording) -> list[str]:
    attempt = last_attempt(recording)
    if attempt is None:
        return [with_detail("The provider failed", recording), *_consequences(recording)]
    words = error_words(recording) if recording.chunks_in else ""
    what = f"{provider(recording)} {failure(attempt, recording)}" + (f": {words}" if words else "")
    return [what, *_consequences(recording)]


def _of_refusal(recording: Recording) -> list[str]:
    why = {
        "context_overflow": "the conversation is longer than the model takes",
        "content_refused": "it does not serve this content",
        "model_not_found": "it has no such model",
    }.get(recording.entry.error_type or "")
    attempt = last_attempt(recording)
    status = "" if attempt is None or attempt.status is None else f" with status {attempt.status}"
    if why is None and attempt is not None and attempt.status in (401, 403):
        why = "it did not accept the credential that the caller sent along for it"
    what = f"{provider(recording)} refused the request{status}"
    return [f"{what}: {why or error_words(recording) or 'it found fault with it'}", _received(recording)]


def _of_local_failure(recording: Recording) -> list[str]:
    what = "The gateway's own machine was in the way, and not the provider"
    return [with_detail(what, recording), *_consequences(recording)]


def _of_block(recording: Recording) -> list[str]:
    policy = policy_that(recording, "block")
    when = "before a provider was asked" if not recording.attempts else f"after {progress(recording)}"
    if recording.attempts and not recording.chunks_in:
        when = "after the provider had answered"
    words = error_words(recording)
    return [f"{policy} blocked it {when}" + (f", with the words: {words}" if words else ""), _received(recording)]


def _of_policy(recording: Recording) -> list[str]:
    what = {
        "policy_failed": "failed",
        "policy_timeout": "took longer than it may",
        "policy_flooded": "emitted more than it may",
    }[recording.entry.error_type or ""]
    where = "" if recording.attempts else " before a provider was asked"
    detail = f" ({in_short(recording.detail)})" if recording.detail else ""
    return [
        f"{policy_that(recording, 'fail')} {what}{where}{detail}, so the gateway ended the request",
        _received(recording),
    ]


def _of_overflow(recording: Recording) -> list[str]:
    detail = f" ({in_short(recording.detail)})" if recording.detail else ""
    what = f"The client did not read its answer, so the gateway ended it after {progress(recording)}{detail}"
    return [what, _received(recording)]


def _of_leaving(recording: Recording) -> list[str]:
    who, after = caller(recording), seconds(recording.entry.duration_s)
    if recording.answer_size or recording.chunks_out:
        when = f"amid the answer, after {counted(recording.chunks_out, 'event')} and {after}"
    elif recording.attempts:
        when = f"after {after}, before anything of the answer had come from {provider(recording)}"
    else:
        when = f"after {after}, before a provider was asked"
    return [f"{who} closed the connection {when}", "neither the provider nor the gateway failed"]


def _of_breaker(recording: Recording) -> list[str]:
    what = (
        f"No deployment of {name(recording.entry.model)} could be asked: its breaker is open, because too many "
        "attempts had failed before"
    )
    before = f"before, {failures(recording.attempts)}" if recording.attempts else ""
    return [what, before, _received(recording)]


def _of_admission(recording: Recording) -> list[str]:
    which = f"Every deployment of {name(recording.entry.model)} that could be asked had as much to do as it may"
    waited = recording.time.get("admission", 0.0)
    if recording.entry.error_type == "admission_queue_full":
        how = "and so many requests waited already that this one was turned away"
    elif waited < _AT_ONCE:
        how = "and it was turned away at once, for so many requests waited that it could not have been served in time"
    else:
        how = f"and the request waited {seconds(waited)} in vain"
    before = f"before, {failures(recording.attempts)}" if recording.attempts else ""
    return [f"{which}, {how}", before, _received(recording)]


def _of_overload(recording: Recording) -> list[str]:
    what = "The gateway held as much as it may, and turned this request away"
    return [with_detail(what, recording), _received(recording)]


def _of_drain(recording: Recording) -> list[str]:
    after = seconds(recording.entry.duration_s)
    return [f"The gateway was shut down, and the answer had not ended in time, after {after}", _received(recording)]


def _of_cancelling(recording: Recording) -> list[str]:
    after = seconds(recording.entry.duration_s)
    return [f"An operator of the gateway cancelled it after {after}", _received(recording)]


def _of_drained_model(recording: Recording) -> list[str]:
    return ["An operator has taken all deployments of the model out of service", _received(recording)]


def _of_defect(recording: Recording) -> list[str]:
    return [with_detail("The gateway failed by a defect of its own", recording), _received(recording)]


def _of_request(recording: Recording) -> list[str]:
    error = error_object(recording)
    field, words = error.get("param"), error_words(recording)
    what = f"The request of {caller(recording)} could not be served"
    if isinstance(field, str) and field and field not in words:
        what += f", because of {name(field)}"
    return [what + (f": {words}" if words else ""), _unasked(recording)]


def _of_authentication(recording: Recording) -> list[str]:
    words = error_words(recording)
    key = f" with the key {name(recording.entry.key)}" if recording.entry.key else ""
    return [f"The caller{key} was not let in: {words or 'its key is missing, unknown or expired'}", _unasked(recording)]


def _of_limit(recording: Recording) -> list[str]:
    words = error_words(recording)
    what = f"{caller(recording)} asked for more than its key or its team may"
    return [what + (f": {words}" if words else ""), _unasked(recording)]


def _of_slow_request(recording: Recording) -> list[str]:
    return [f"The client's request had not arrived after {seconds(recording.entry.duration_s)}", _received(recording)]


def _unasked(recording: Recording) -> str:
    asked = "" if recording.attempts else "; no provider was asked"
    return f"the client got status {recording.entry.status}{asked}"


_Explanation = Callable[[Recording], list[str]]
_OF_ERRORS: dict[str, _Explanation] = {
    "upstream_truncated": _of_cut,
    "upstream_timeout": _of_timeout,
    "upstream_unreachable": _of_unreachable,
    "upstream_proxy_failed": _of_proxy,
    "upstream_error": _of_provider_error,
    "upstream_rejected": _of_refusal,
    "context_overflow": _of_refusal,
    "content_refused": _of_refusal,
    "model_not_found": _of_refusal,
    "local_failure": _of_local_failure,
    "policy_blocked": _of_block,
    "policy_failed": _of_policy,
    "policy_timeout": _of_policy,
    "policy_flooded": _of_policy,
    "queue_overflow": _of_overflow,
    "client_disconnect": _of_leaving,
    "breaker_open": _of_breaker,
    "admission_queue_full": _of_admission,
    "admission_timeout": _of_admission,
    "overloaded": _of_overload,
    "draining": _of_drain,
    "cancelled": _of_cancelling,
    "out_of_service": _of_drained_model,
    "internal_error": _of_defect,
    "authentication": _of_authentication,
    "permission": _of_authentication,
    "request_timeout": _of_slow_request,
    **dict.fromkeys(("rate_limited", "budget_spent", "request_tokens_exceeded", "model_not_allowed"), _of_limit),
    **dict.fromkeys(
        (
            "invalid_request",
            "unknown_model",
            "unknown_response",
            "unknown_route",
            "method_not_allowed",
            "request_too_large",
            "unsupported_encoding",
        ),
        _of_request,
    ),
}


def _consequences(recording: Recording) -> list[str]:
    """What the client was told of a provider's failure, and what became of retries."""
    return [_received(recording), _tried_again(recording)]


def _has_begun(recording: Recording) -> bool:
    return recording.entry.status < 400 and bool(recording.answer_size or recording.chunks_out)


def _received(recording: Recording) -> str:
    if not _has_begun(recording):
        status = recording.entry.status
        return f"the client got status {status}" if status else "the client got no answer"
    if recording.delivered:
        return "the client was told with an error event"
    return "the client's connection was broken off, so that it cannot take this for the end of the answer"


def _tried_again(recording: Recording) -> str:
    attempts = recording.attempts
    if len(attempts) > 1:
        earlier = f"before, {failures(attempts[:-1])}"
        return f"{earlier}; it was not tried again, because text had left" if _has_begun(recording) else earlier
    if _has_begun(recording):
        return "it was not tried again, because text had left"
    if any(span.attributes.get(Attribute.RETRY_DENIED) for span in recording.spans):
        return "it was not tried again, because the model's budget for retries was used up"
    return "it was not tried again: nothing that is configured for it was left to try"
