"""A stage that reads a queue and has no task until it needs one.

It is lent to its queue from the start. A client that keeps up with its stream never makes it wait, and the task that
puts into the queue does its work, its end included. The first time that it falls behind or fails, it gets a task.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.pipeline.queues import StageQueue

Item = TypeVar("Item")


class QueueStage(ABC, Generic[Item]):
    """`tasks` is the group of the stream that it is a stage of: its failure ends that."""

    def __init__(self, input: StageQueue[Item], tasks: asyncio.TaskGroup) -> None:
        self._input = input
        self._tasks = tasks
        self._has_task = False
        input.lend(self)

    def start(self) -> None:
        """Have a task of its own work to the end."""
        self._has_task = True
        work = self._work()
        try:
            self._tasks.create_task(work)
        except RuntimeError:
            # Another stage has failed, and with it the stream, whose task has not had its turn yet.
            work.close()

    async def finish(self) -> None:
        """Work to the end of the queue, which has been closed, unless a task does."""
        if not self._has_task:
            await self._work()

    take: Callable[[Sequence[Item]], bool]

    @abstractmethod
    async def flush(self) -> None: ...

    @abstractmethod
    async def _work(self) -> None:
        """Read the queue to its end, and do what is to be done then."""
