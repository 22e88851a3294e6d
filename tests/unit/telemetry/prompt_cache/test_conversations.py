"""Which prompt continues which, and that what is remembered stays within its bounds."""

from telemetry import Tokens
from telemetry.prompt_cache import PromptCaches
from tests.unit.telemetry.prompt_cache.prompts import form, prompt

WRITTEN = Tokens(0, 0, 5_000, 10, 0)
READ = Tokens(0, 5_000, 1_000, 10, 0)
COLD = Tokens(6_000, 0, 0, 10, 0)


def test_requests_of_one_conversation_that_are_open_at_once_do_not_judge_each_other() -> None:
    caches = PromptCaches()
    both = [caches.watch(prompt(form("a"))) for _ in range(2)]

    assert [one.answered("d", 0.0, WRITTEN) for one in both] == [None, None]
    assert caches.watch(prompt(form("a b c"))).answered("d", 1.0, COLD) is not None


def test_a_fallback_within_a_request_is_remembered_in_place_of_what_failed() -> None:
    caches = PromptCaches()
    watched = caches.watch(prompt(form("a")))
    watched.answered("first", 0.0, WRITTEN)
    held = caches.size
    watched.answered("second", 1.0, WRITTEN)

    assert caches.size == held
    assert caches.watch(prompt(form("a b c"))).answered("second", 2.0, READ) is None


def test_a_prompt_continues_the_thread_that_it_has_most_in_common_with() -> None:
    caches = PromptCaches()
    for messages, system, usage in (("a b c", "main", WRITTEN), ("a", "other", COLD), ("x y", "main", COLD)):
        caches.watch(prompt(form(messages, system=system))).answered("d", 0.0, usage)

    missed = caches.watch(prompt(form("a b c d e", system="main"))).answered("d", 1.0, COLD)
    other = caches.watch(prompt(form("a q r", system="other"))).answered("d", 1.0, COLD)
    begun = caches.watch(prompt(form("new", system="main"))).answered("d", 1.0, COLD)

    assert missed is not None
    assert missed.cause == "provider"
    assert (other, begun) == (None, None)


def test_another_agent_that_begins_with_the_same_words_continues_nothing() -> None:
    caches = PromptCaches()
    caches.watch(prompt(form("a", system="main"))).answered("d", 0.0, WRITTEN)

    assert caches.watch(prompt(form("a", system="other"))).answered("d", 0.0, COLD) is None


def test_conversations_with_other_ids_have_nothing_in_common() -> None:
    caches = PromptCaches()
    caches.watch(prompt(form("a"), conversation=1)).answered("d", 0.0, WRITTEN)

    assert caches.watch(prompt(form("a b"), conversation=2)).answered("d", 0.0, COLD) is None


def test_the_conversation_unused_for_longest_is_forgotten_first() -> None:
    caches = PromptCaches(conversations=2)
    for conversation in (1, 2, 1, 3):
        caches.watch(prompt(form("a"), conversation=conversation)).answered("d", 0.0, WRITTEN)

    watched = [caches.watch(prompt(form("a b"), conversation=at)) for at in (1, 2, 3)]

    assert [one.answered("d", 0.0, COLD) is not None for one in watched] == [True, False, True]


def test_threads_and_bytes_are_bounded_whatever_comes() -> None:
    caches = PromptCaches(conversations=50, size=200_000, threads=4)
    largest = 0
    for at in range(1_000):
        words = " ".join(f"{at}-{word}" for word in range(at % 400))
        caches.watch(prompt(form(words), conversation=at % 70)).answered("d", float(at), WRITTEN)
        largest = max(largest, caches.size)
        assert len(caches) <= 50

    assert 100_000 < largest <= 200_000


def test_what_is_forgotten_is_counted_off() -> None:
    caches = PromptCaches(conversations=1, threads=1)
    sizes = []
    for at in range(20):
        caches.watch(prompt(form(f"m{at}"), conversation=at // 5)).answered("d", 0.0, WRITTEN)
        sizes.append(caches.size)

    assert len(set(sizes)) == 1
