"""The parts of the sentences that explain a recording: who, what went wrong, how far it came, how long it took.

What a program or a stranger named (models, keys, deployments, words of an error) is bounded, and shown without control
characters.
"""

from collections.abc import Sequence

import msgspec

from app.errors import legible
from app.recorder.recording import RecordedAttempt, Recording
from telemetry.names import NO_KEY, UNNAMED_KEY

_NAME_LIMIT = 80
_WORDS_LIMIT = 300
_ATTEMPTS_NAMED = 4
_NOBODY = frozenset({NO_KEY, UNNAMED_KEY})


def failures(attempts: Sequence[RecordedAttempt]) -> str:
    named = [f"{name(one.deployment)} {failure(one)}" for one in attempts[:_ATTEMPTS_NAMED]]
    more = len(attempts) - len(named)
    return listed([*named, f"{counted(more, 'more attempt')} failed"] if more else named)


def failure(attempt: RecordedAttempt, recording: Recording | None = None) -> str:
    """What went wrong with one attempt, as a verb. With its recording, events and times are told, too."""
    after = f" after {seconds(attempt.ended - attempt.began)}" if recording is not None else ""
    match attempt.error_type:
        case "upstream_truncated":
            return "stopped without ending its answer" + after
        case "upstream_timeout":
            return f"did not answer within {seconds(attempt.ended - attempt.began)}"
        case "upstream_unreachable":
            return "could not be reached"
        case "local_failure":
            return "was not asked, for want of something on the gateway's own machine"
    if attempt.status is not None and attempt.status >= 300:
        return _refusal(attempt, after)
    if recording is not None and recording.chunks_in:
        return f"reported an error amid its answer, after {progress(recording)}"
    return f"reported an error{after}"


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


def caller(recording: Recording) -> str:
    key = recording.entry.key
    return f"the client with the key {name(key)}" if key and key not in _NOBODY else "the client"


def answerer(recording: Recording) -> str:
    return provider(recording) if recording.attempts else "The gateway"


def provider(recording: Recording) -> str:
    """The model that was asked last, as its provider knows it."""
    attempt = last_attempt(recording)
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
    """The error in a body that is no stream."""
    try:
        body = msgspec.json.decode(b"".join(piece.data for piece in recording.answer))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


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


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


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
