"""The parts of the sentences that explain a recording: who, what went wrong, how far it came, how long it took.

What a program or a stranger named (models, keys, deployments, words of an error) is bounded, and shown without control
characters.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from app.errors import legible
from app.figures import counted
from app.recorder.recording import RecordedAttempt, Recording
from telemetry.names import NO_KEY, UNNAMED_KEY

_NAME_LIMIT = 80
_WORDS_LIMIT = 300
_FAILURES_NAMED = 4
_AT_ONCE = 0.0015
"""Seconds that nobody waits for."""
_LAST_PIECES = 4
"""Pieces of an answer in which an error is looked for."""
_DATA = b"data: "
_TIMES = {2: "twice", 3: "three times", 4: "four times"}
_NOBODY = frozenset({NO_KEY, UNNAMED_KEY})


def failures(attempts: Sequence[RecordedAttempt]) -> str:
    """What went wrong with each attempt; equal ones are counted."""
    counts = Counter(f"{name(one.deployment)} {failure(one)}" for one in attempts)
    named = [_times(what, count) for what, count in list(counts.items())[:_FAILURES_NAMED]]
    more = len(attempts) - sum(list(counts.values())[:_FAILURES_NAMED])
    return listed([*named, f"{counted(more, 'more attempt')} failed"] if more else named)


def _times(what: str, count: int) -> str:
    return what if count == 1 else f"{what} {_TIMES.get(count, f'{count} times')}"


def failure(attempt: RecordedAttempt, recording: Recording | None = None) -> str:
    """What went wrong with one attempt, as a verb. With its recording, events and times are told, too."""
    after = _after(attempt.ended - attempt.began) if recording is not None else ""
    match attempt.error_type:
        case "upstream_truncated":
            return "stopped without ending its answer" + after
        case "upstream_timeout":
            return f"did not answer within {seconds(attempt.ended - attempt.began)}"
        case "upstream_unreachable":
            return "could not be reached"
        case "upstream_proxy_failed":
            return "was not asked, as the proxy on the way there failed"
        case "outpaced":
            return "was slower than another"
        case "local_failure":
            return "was not asked, for want of something on the gateway's own machine"
    if attempt.status is not None and attempt.status >= 300:
        return _refusal(attempt, after)
    if recording is not None and recording.chunks_in:
        return f"reported an error amid its answer, after {progress(recording)}"
    return f"reported an error{after}"


def _after(duration: float) -> str:
    return " at once" if duration < _AT_ONCE else f" after {seconds(duration)}"


def _refusal(attempt: RecordedAttempt, after: str) -> str:
    match attempt.status:
        case 429:
            wait = dict(attempt.response_headers).get("retry-after")
            asked = "" if wait is None else f", and asked to wait {_wait(wait)}"
            return f"turned the request away because of a rate limit (429){after}{asked}"
        case 401 | 403:
            return f"refused the gateway's own key ({attempt.status}){after}"
        case status:
            return f"answered {status}{after}"


def _wait(header: str) -> str:
    try:
        return seconds(float(header))
    except ValueError:
        return f"until {name(header)}"


def progress(recording: Recording) -> str:
    """How far the provider's answer had come, and when the last of it came."""
    attempt = last_attempt(recording)
    if attempt is None:
        return seconds(recording.entry.duration_s)
    last = attempt.answer[-1].at if attempt.answer else attempt.ended
    return f"{counted(recording.chunks_in, 'event')} and {seconds(max(0.0, last - attempt.began))}"


def silence(recording: Recording) -> float:
    attempt = last_attempt(recording)
    if attempt is None:
        return recording.entry.duration_s
    return max(0.0, attempt.ended - (attempt.answer[-1].at if attempt.answer else attempt.began))


def last_attempt(recording: Recording) -> RecordedAttempt | None:
    return recording.attempts[-1] if recording.attempts else None


def answering_attempt(recording: Recording) -> RecordedAttempt | None:
    """The last attempt, or the one that was faster than that."""
    faster = [one for one in recording.attempts if one.error_type != "outpaced"]
    return faster[-1] if faster else last_attempt(recording)


def caller(recording: Recording) -> str:
    key = recording.entry.key
    return f"the client with the key {name(key)}" if key and key not in _NOBODY else "the client"


def answerer(recording: Recording) -> str:
    return provider(recording) if recording.attempts else "The gateway"


def provider(recording: Recording) -> str:
    """The model that answered, or was asked last, as its provider knows it."""
    attempt = answering_attempt(recording)
    return name(recording.entry.model) if attempt is None else name(f"{attempt.provider}/{attempt.model}")


def policy_that(recording: Recording, doing: str) -> str:
    """The policy that ended the request: named by what it did, or by the detail of its failure."""
    found = [one for one in recording.interventions if one.decision.startswith(doing)]
    if found:
        return f"The policy {name(found[-1].policy)}"
    failed, _, hook = (recording.detail or "").partition(".")
    if hook.startswith("on_"):
        return f"The policy {name(failed)}"
    return f"The policy {name(recording.interventions[-1].policy)}" if recording.interventions else "A policy"


def with_detail(what: str, recording: Recording) -> str:
    return f"{what}: {in_short(recording.detail)}" if recording.detail else what


def error_words(recording: Recording) -> str:
    """What the error says that the client got; empty where it got none."""
    message = error_object(recording).get("message")
    return in_short(message).rstrip(".") if isinstance(message, str) else ""


def error_object(recording: Recording) -> dict[str, object]:
    """The error that the client got: as a body, or as the last event of a stream."""
    body = b"".join(piece.data for piece in recording.answer[-_LAST_PIECES:])
    for data in (body, body[body.rfind(_DATA) + len(_DATA) :].partition(b"\n")[0]):
        try:
            found = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        for holder in (found, found.get("response")) if isinstance(found, dict) else ():
            error = holder.get("error") if isinstance(holder, dict) else None
            if isinstance(error, dict):
                return error
    return {}


def name(text: str) -> str:
    return legible(text, _NAME_LIMIT) or "(nameless)"


def in_short(text: str | None) -> str:
    return legible(" ".join((text or "").split()), _WORDS_LIMIT)


def sentence(text: str) -> str:
    """A text as a sentence. A model's name at its beginning stays as it is."""
    if "/" not in text.partition(" ")[0]:
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def seconds(duration: float) -> str:
    """A duration as somebody would say it: under 1 ms, 340 ms, 12.3 s, 4 min 10 s."""
    if duration < 0.0005:
        return "under 1 ms"
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms"
    if duration < 99.95:
        return f"{duration:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
