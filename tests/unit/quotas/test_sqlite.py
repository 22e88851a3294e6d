"""What is used outlives the process in a file: where it went on, how it is kept, and what is done when it is lost."""

import logging
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.quotas import Denial, Need, Quotas, Rules, StateLost
from app.settings import Budget, Limits, QuotaSettings, WorkerProcess
from tests.unit.quotas.made import CALLER, Clocks, rules

pytestmark = pytest.mark.anyio
RULES = rules(
    Limits(requests_per_minute=10, tokens_per_minute=1_000, streams=5),
    [Budget(10, "day"), Budget(10, "hour", "sliding")],
)


def _quotas(file: Path, clocks: Clocks, on_loss: str = "start_at_zero", made: Rules = RULES) -> Quotas:
    settings = QuotaSettings(f"sqlite:///{file}", on_loss)  # type: ignore[arg-type]
    return Quotas(made, settings, even=clocks.even, wall=clocks.wall)


async def _spend(quotas: Quotas, tokens: int, usd: float) -> None:
    admitted = await quotas.admit(CALLER)
    assert not isinstance(admitted, Denial)
    assert await admitted.reserve(Need(tokens, usd)) is None
    admitted.commit(tokens, usd)


async def _used(quotas: Quotas) -> list[float]:
    return [round(usage.used, 6) for usage in await quotas.usage(CALLER)]


async def _begun(file: Path, clocks: Clocks) -> None:
    """Use some of everything, and end."""
    quotas = _quotas(file, clocks)
    await quotas.start()
    await _spend(quotas, 300, 2)
    await quotas.admit(CALLER)
    await quotas.close()


def _modes(folder: Path) -> list[int]:
    """Who may do what with the files there."""
    return [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()]


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)
    clocks.advance(30)

    quotas = _quotas(file, clocks, "refuse")
    await quotas.start()
    assert await _used(quotas) == [2, 0, 300, 2, 2]
    assert quotas.state.losses == 0
    clocks.advance(31)
    assert await _used(quotas) == [0, 0, 0, 2, 2]
    clocks.advance(3_600)
    assert await _used(quotas) == [0, 0, 0, 2, 0]
    await quotas.close()
    assert _modes(tmp_path) == [0o600, 0o600]


async def test_a_machine_that_started_anew_goes_by_the_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)
    monkeypatch.setattr("app.quotas.saving.boot_id", lambda: "another")
    clocks.even_time = 5
    clocks.jump(45)

    quotas = _quotas(file, clocks)
    await quotas.start()
    assert await _used(quotas) == [2, 0, 300, 2, 2]
    clocks.advance(16)
    assert await _used(quotas) == [0, 0, 0, 2, 2]
    await quotas.close()
    clocks.even_time = 1
    clocks.jump(-40 * 86_400)

    quotas = _quotas(file, clocks)
    await quotas.start()
    assert await _used(quotas) == [0, 0, 0, 2, 2]
    clocks.advance(86_400)
    assert await _used(quotas) == [0, 0, 0, 0, 0]
    await quotas.close()


async def test_a_jump_while_it_was_down_is_doubted_as_any_other(tmp_path: Path) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)
    clocks.jump(5 * 86_400)
    clocks.advance(100)

    quotas = _quotas(file, clocks)
    await quotas.start()
    assert await _used(quotas) == [0, 0, 0, 2, 2]
    await quotas.close()


async def test_what_was_used_waits_for_a_key_that_comes_back(tmp_path: Path) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)

    quotas = _quotas(file, clocks, made=rules(names=("bob",)))
    await quotas.start()
    quotas.use(RULES)
    assert await _used(quotas) == [2, 0, 300, 2, 2]
    await quotas.close()


def _damage(file: Path) -> None:
    file.write_bytes(b"This is no database. " * 1_000)


def _remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("lose", [_damage, _remove])
async def test_lost_state_begins_at_zero_or_refuses(
    tmp_path: Path, lose: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)
    lose(file)

    with pytest.raises(StateLost, match=r"state\.db.*touch"):
        await _quotas(file, clocks, "refuse").start()
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        quotas = _quotas(file, clocks)
        await quotas.start()
    assert "limits and budgets begin at zero" in caplog.text
    assert quotas.state.losses == 1
    assert await _used(quotas) == [0, 0, 0, 0, 0]
    await _spend(quotas, 1, 1)
    await quotas.close()
    assert ".damaged" in " ".join(os.listdir(tmp_path)) or lose is _remove
    quotas = _quotas(file, clocks, "refuse")
    await quotas.start()
    assert (await _used(quotas))[-1] == 1
    await quotas.close()


async def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.touch(0o644)

    quotas = _quotas(file, Clocks(), "refuse")
    await quotas.start()
    await quotas.close()
    assert _modes(tmp_path) == [0o600, 0o600]


async def test_a_file_of_others_is_never_touched(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE precious (data TEXT)")
    before = file.read_bytes()

    with pytest.raises(StateLost, match="of another program"):
        await _quotas(file, Clocks()).start()
    assert file.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["state.db", "state.db.lock"]


async def test_two_gateways_do_not_write_one_file(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    first = _quotas(file, Clocks())
    await first.start()

    with pytest.raises(StateLost, match="another gateway writes to it"):
        await _quotas(file, Clocks()).start()
    await first.close()
    second = _quotas(file, Clocks())
    await second.start()
    await second.close()


async def test_a_file_that_disappears_is_written_anew(tmp_path: Path) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    quotas = _quotas(file, clocks)
    await quotas.start()
    await _spend(quotas, 1, 3)
    await quotas.save()
    file.unlink()
    clocks.advance(20)
    await quotas.close()

    quotas = _quotas(file, clocks, "refuse")
    await quotas.start()
    assert (await _used(quotas))[-1] == 3
    await quotas.close()


async def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    quotas = _quotas(file, clocks)
    await quotas.start()
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await _spend(quotas, 1, 3)
        clocks.advance(8)
        await quotas.save()
        assert "cannot be kept" in caplog.text
        assert quotas.state.age == 8
        other.execute("ROLLBACK")
    await _spend(quotas, 1, 1)
    await quotas.save()
    assert quotas.state.age == 0
    await quotas.close()

    quotas = _quotas(file, clocks, "refuse")
    await quotas.start()
    assert (await _used(quotas))[-1] == 4
    await quotas.close()


async def test_one_of_several_processes_saves_what_all_have_used(tmp_path: Path) -> None:
    clocks, file = Clocks(), tmp_path / "state.db"
    await _begun(file, clocks)
    settings, folder = QuotaSettings(f"sqlite:///{file}"), tmp_path / "shared"
    folder.mkdir()

    saving, worker = (
        Quotas(RULES, settings, WorkerProcess(index, 2, str(folder)), saves=saves, even=clocks.even, wall=clocks.wall)
        for index, saves in ((1, True), (0, False))
    )
    await saving.start()
    await worker.start()
    await _spend(worker, 100, 1)
    clocks.advance(7)
    assert (worker.state.age, worker.state.losses) == (7, 0)
    await worker.close()
    await saving.close()

    quotas = _quotas(file, clocks)
    await quotas.start()
    assert await _used(quotas) == [3, 0, 400, 3, 3]
    await quotas.close()
    assert os.listdir(folder) == ["quotas-1"]


async def test_a_loss_is_told_of_by_one_of_several_processes(tmp_path: Path) -> None:
    settings, folder = QuotaSettings(f"sqlite:///{tmp_path}/state.db"), tmp_path / "shared"
    folder.mkdir()

    saving, one, other = (
        Quotas(RULES, settings, WorkerProcess(index, 3, str(folder)), saves=saves)
        for index, saves in ((2, True), (0, False), (1, False))
    )
    await saving.start()
    assert [quotas.state.losses for quotas in (one, other, one)] == [1, 0, 1]
    # Whichever a caller asks, it is told.
    assert [quotas.state.began_at_zero for quotas in (one, other, saving)] == [True] * 3
    await saving.close()


async def test_what_is_known_can_be_read_after_the_end(tmp_path: Path) -> None:
    quotas = _quotas(tmp_path / "state.db", Clocks())
    await quotas.start()
    await quotas.start()
    admitted = await quotas.admit(CALLER)
    await quotas.close()

    assert not isinstance(admitted, Denial)
    admitted.commit(1, 1)
    assert [usage.used for usage in quotas.known_usage(CALLER)] == [1, 0, 1, 1, 1]
    assert quotas.state.losses == 1
