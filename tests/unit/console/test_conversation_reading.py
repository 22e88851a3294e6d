"""A conversation's turns: what each adds, who speaks, what changed of the prompt."""

from app.console.conversation.reading import Turn, agents_of, title_of, turns_of
from app.recorder.recording import Recording
from tests.agent_recordings import agents_conversation


def _turns(earlier: list[Recording], recordings: list[Recording]) -> list[Turn]:
    agents = agents_of([one.entry for one in (*earlier, *recordings)])
    return turns_of(earlier, recordings, agents, rendered=True)


def test_each_turn_goes_on_from_the_one_of_its_own_thread() -> None:
    recordings = agents_conversation()
    turns = _turns([], recordings)
    ids = [one.entry.transaction_id for one in recordings]

    assert [None if turn.follows is None else ids.index(turn.follows) + 1 for turn in turns] == [
        *(None, None, 2, 3),
        *(None, 5),
        *(4, 7, 8),
    ]
    assert [turn.agent.label for turn in turns[3:6]] == ["main", "agent_7c1d", "agent_7c1d"]
    assert [turn.agent.depth for turn in turns[3:6]] == [0, 1, 1]


def test_a_turn_has_what_is_new_and_an_outline_of_the_rest() -> None:
    recordings = agents_conversation()
    turn = _turns([], recordings)[3]

    before, new = turn.passages
    assert (before.count, [line.role for line in before.outlines]) == (4, ["system", "user", "assistant", "user"])
    assert [(view.role, view.is_echo, view.is_open) for view in new.messages] == [
        ("assistant", True, False),
        ("user", False, True),
    ]
    assert turn.is_prefix_kept


def test_a_changed_system_prompt_is_shown_by_its_lines() -> None:
    turn = _turns([], agents_conversation())[6]

    changed = turn.passages[0].messages[0]
    assert changed.role == "system"
    assert [line.kind for line in changed.change if line.kind in ("added", "removed")] == ["removed", "added"]
    assert not turn.is_prefix_kept
    assert turn.cache_miss is not None
    assert (turn.cache_miss.cause, turn.cache_miss.by, turn.cache_miss.lost_tokens) == ("system", "client", 21_400)


def test_the_first_turn_of_a_page_is_compared_with_one_of_the_page_before() -> None:
    recordings = agents_conversation()
    (turn,) = _turns(recordings[:3], recordings[3:4])

    assert turn.follows == recordings[2].entry.transaction_id


def test_the_gist_of_an_answer_is_its_words_and_calls() -> None:
    turns = _turns([], agents_conversation())

    assert turns[1].gist == "I look for the place where the year is made. → Bash"
    assert turns[2].gist == "→ Read"


def test_a_conversation_is_called_by_what_most_of_it_is_about() -> None:
    assert title_of([one.entry for one in agents_conversation()]) == "The date in the footer is wrong after New Year"
