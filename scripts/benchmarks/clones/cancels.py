"""How soon a job that is cancelled in the middle is gone: its operation has ended, and so has every program of it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from poolfleet import Cancelled, CloneSpec, Operation, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.operation import OperationState
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.memory import family
from scripts.benchmarks.report import Result, say
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import NotReadyError

FROM, TO = "from", "to"
RAW, QCOW2 = "long.raw", "long.qcow2"
WIPED_RAW, WIPED_QCOW2 = "wiped.raw", "wiped.qcow2"
NEW = "new"
HEADER_BYTES = 1 << 20
LATEST_S = 1.5
"""Cancelled at any moment until then, from the start."""
GONE_LIMIT_S = 60.0
LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancels:
    """Jobs on volumes of `data_bytes`, each cancelled in each of `rounds`."""

    host: EmbeddedHost
    agent: AgentClient
    data_bytes: int
    rounds: int

    async def run(self) -> list[Result]:
        """All of them, summed up; NotReadyError: one left something."""
        await self._prepare()
        header = await asyncio.to_thread(self._header)
        jobs = self._jobs()
        taken = {
            case: Figures(case=f"cancelled_{case}", system="poolfleet", metric="until_gone", unit="s") for case in jobs
        }
        for number in range(self.rounds):
            say(f"cancelled: {number + 1} of {self.rounds}")
            for case in random.sample(sorted(jobs), len(jobs)):
                delay_s = random.uniform(0, LATEST_S)
                while not await self._cancelled(taken[case], jobs[case], delay_s):
                    delay_s /= 2  # it was done before
                    await self._restore(header)
            await self._restore(header)
        return [figures.result() for figures in taken.values()]

    def _jobs(self) -> dict[str, Callable[[], Awaitable[Operation]]]:
        volumes = self.agent.volumes

        def cloned(source: str, to: str, form: str = "") -> Callable[[], Awaitable[Operation]]:
            return lambda: volumes.clone(FROM, source, CloneSpec(NEW, format=form), target_pool=to, wait=False)

        def wiped(volume: str) -> Callable[[], Awaitable[Operation]]:
            return lambda: volumes.wipe(FROM, volume, wait=False)

        def preallocated(form: str) -> Callable[[], Awaitable[Operation]]:
            spec = VolumeSpec(NEW, capacity_bytes=4 * self.data_bytes, format=form)
            return lambda: volumes.create(TO, spec, preallocation="full", wait=False)

        return {
            "clone_raw": cloned(RAW, FROM),
            "clone_qcow2": cloned(QCOW2, FROM),
            "clone_across_raw": cloned(RAW, TO),
            "clone_across_qcow2": cloned(QCOW2, TO),
            "convert_raw_to_qcow2": cloned(RAW, TO, "qcow2"),
            "convert_qcow2_to_raw": cloned(QCOW2, TO, "raw"),
            "wipe_raw": wiped(WIPED_RAW),
            "wipe_qcow2": wiped(WIPED_QCOW2),
            "preallocation_raw": preallocated("raw"),
            "preallocation_qcow2": preallocated("qcow2"),
        }

    async def _cancelled(self, figures: Figures, begin: Callable[[], Awaitable[Operation]], delay_s: float) -> bool:
        """Begin a job, and cancel it some time later; False: it was done by then."""
        files, programs = self._files(), self._programs()
        beginning = asyncio.ensure_future(begin())  # which answers when a second is over
        operation = await self._at_work()
        await asyncio.sleep(delay_s)
        if (await self.agent.operations.get(operation)).ended:
            await beginning
            return False
        await figures.time(lambda: self._until_gone(operation, programs))
        await beginning
        if self._files() != files:
            raise NotReadyError(f"{figures.case}: {self._files() - files} was left")
        return True

    async def _at_work(self) -> str:
        """The id of the one operation, as soon as it is at work."""
        async with asyncio.timeout(GONE_LIMIT_S):
            async for operation in self.agent.operations.watch(states=[OperationState.RUNNING]):
                return operation.id
        raise NotReadyError("the agent has ended")

    async def _until_gone(self, operation: str, programs: set[int]) -> None:
        await self.agent.operations.cancel(operation)
        try:
            await self.agent.operations.wait(operation)
        except Cancelled:
            pass
        else:
            raise NotReadyError(f"operation {operation} was not cancelled")

        async def gone() -> bool:
            return self._programs() <= programs

        looking = AsyncRetrying(
            retry=retry_if_result(lambda found: not found),
            wait=wait_fixed(LOOK_EVERY_S),
            stop=stop_after_delay(GONE_LIMIT_S),
        )
        try:
            await looking(gone)
        except RetryError as error:
            raise NotReadyError(f"what operation {operation} ran is still there") from error

    async def _restore(self, header: bytes) -> None:
        """What was made is gone again, and what was wiped is qcow2 again, as far as anybody looks."""
        for pool in (FROM, TO):
            await self.agent.volumes.delete(pool, NEW, allow_missing=True)
        with self._path(WIPED_QCOW2).open("r+b") as file:
            file.write(header)
        await self.agent.pools.refresh(FROM)

    def _header(self) -> bytes:
        with self._path(WIPED_QCOW2).open("rb") as file:
            return file.read(HEADER_BYTES)

    def _programs(self) -> set[int]:
        return set() if (pid := self.host.agent.pid) is None else set(family(pid))

    def _files(self) -> set[Path]:
        return {path for pool in (FROM, TO) for path in (self.host.pools_dir / pool).iterdir()}

    def _path(self, volume: str) -> Path:
        return self.host.pools_dir / FROM / volume

    async def _prepare(self) -> None:
        for pool in (FROM, TO):
            await self.agent.pools.ensure(PoolSpec.dir(pool, target=str(self.host.pools_dir / pool)))
        await asyncio.to_thread(self._fill)
        await self.agent.pools.refresh(FROM)

    def _fill(self) -> None:
        for volume in (RAW, WIPED_RAW):
            with self._path(volume).open("wb") as file:
                for _ in range(self.data_bytes >> 20):
                    file.write(random.randbytes(1 << 20))
        for volume in (QCOW2, WIPED_QCOW2):
            convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(self._path(RAW)), str(self._path(volume))]
            subprocess.run(convert, check=True, timeout=GONE_LIMIT_S)
        with self._path(WIPED_QCOW2).open("r+b") as file:
            # What has no hole is written to its end, also where it is zeros from the time before.
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
