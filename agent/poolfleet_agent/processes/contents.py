"""What a file holds, changed in place by programs of our own: they know no format, so it may be any volume's."""

import posixpath
from types import ModuleType

from poolfleet_agent.model.image import ImageFile
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.processes import allocate, wipe
from poolfleet_agent.processes.child import own_program
from poolfleet_agent.processes.failures import failure
from poolfleet_agent.processes.jobs import Jobs, Workplace
from poolfleet_agent.processes.progress import told_to


class FileContents:
    """Implements model.ports.images.Contents."""

    def __init__(self, jobs: Jobs) -> None:
        """Own none of the jobs."""
        self._jobs = jobs

    async def allocate(
        self, file: ImageFile, size_bytes: int, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        """Take all bytes up to that length from the storage, as that user; what is there stays."""
        await self._run(allocate, file, str(size_bytes), user=user, listener=listener, timeout_s=timeout_s)

    async def wipe(self, file: ImageFile, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Overwrite with zeros all that is written in it, as that user; its length and its holes stay."""
        await self._run(wipe, file, user=user, listener=listener, timeout_s=timeout_s)

    async def _run(
        self,
        program: ModuleType,
        file: ImageFile,
        *arguments: str,
        user: ShareUser,
        listener: JobListener,
        timeout_s: float,
    ) -> None:
        folder, name = posixpath.split(file.path)
        # It becomes the user itself: that one may have no right on where it lies.
        argv = (*own_program(program), str(user.uid), str(user.gid), name, str(file.inode), *arguments)
        place = Workplace(ROOT, folder, file.device)
        finished = await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s, heard=told_to(listener))
        if finished.status != 0:
            raise failure(program.__name__.rpartition(".")[2], finished.words, finished.status or 0, file.path)
