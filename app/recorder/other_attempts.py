"""What a recording has beside the attempt that answered, in plain sentences: failures, beginnings that nobody saw, and
attempts that another one outpaced."""

from app.figures import counted
from app.recorder.phrases import answering_attempt, failures, name, seconds
from app.recorder.recording import RecordedAttempt, Recording

_LATER_NUMBERS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def other_attempts(recording: Recording) -> list[str]:
    """Sentences about the attempts of a request that went well, but for the one that answered."""
    last = answering_attempt(recording)
    if last is None:
        return []
    others = [one for one in recording.attempts if one is not last]
    failed = [one for one in others if one.error_type != "outpaced"]
    outpaced = [one for one in others if one.error_type == "outpaced"]
    return [_after(failed, last), _unseen(failed, recording), *(_outpaced(one, last) for one in outpaced)]


def _after(failed: list[RecordedAttempt], last: RecordedAttempt) -> str:
    if not failed:
        return ""
    number = len(failed) + 1
    ordinal = _LATER_NUMBERS.get(number, f"{number}th")
    kind = "a fallback, and " if last.why == "fallback" else ""
    return f"it was {kind}the {ordinal} attempt, at {name(last.deployment)}, after {failures(failed)}"


def _unseen(failed: list[RecordedAttempt], recording: Recording) -> str:
    """Streams that had begun, of which the client knows nothing."""
    begun = [one for one in failed if one.answer and (one.status is None or one.status < 300)]
    if not begun or not recording.entry.stream:
        return ""
    what = "a stream" if len(begun) == 1 else counted(len(begun), "stream")
    whose = " and ".join(dict.fromkeys(name(one.deployment) for one in begun))
    return f"what had come of {what} of {whose} held nothing of an answer yet, and the client saw nothing of it"


def _outpaced(attempt: RecordedAttempt, last: RecordedAttempt) -> str:
    waited = seconds(attempt.ended - attempt.began)
    if last.why == "hedge":
        return f"{name(attempt.deployment)} took long, so {name(last.deployment)} was asked beside it, and was faster"
    return f"{name(attempt.deployment)} was asked beside it for {waited}, as it took long, and given up"
