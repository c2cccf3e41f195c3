"""One attempt to mount a share, as libvirt would: the exact words of mount, and an end in time."""

from collections.abc import Collection, Sequence

import structlog

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.mount_options import harmful_options, option_value, single_options
from poolfleet_agent.model.mount_texts import mount_failure
from poolfleet_agent.model.ports.mounts import MountRequest
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.run import Finished, run

_log = structlog.get_logger(__name__)

_PROTECTION = ("nodev", "nosuid", "noexec")
_LONGEST_MESSAGE = 1000


class Mounter:
    """Runs mount(8), each in a process group of its own. `allowed_options`: harmful ones that pools may have."""

    def __init__(
        self, children: Children, *, program: Sequence[str] = ("mount",), allowed_options: Collection[str] = ()
    ) -> None:
        self._children = children
        self._program = program
        self._allowed_options = allowed_options

    async def mount(self, request: MountRequest, *, timeout_s: float) -> None:
        """Mount, or end the attempt after `timeout_s` with all that it started: MountError.

        Whether it was mounted nevertheless, only the mount table tells: mount may end well without mounting anything,
        and be killed when it has just mounted.
        """
        argv = (*self._program, *mount_arguments(request, self._allowed_options))
        try:
            finished = await run(self._children, argv, timeout_s=timeout_s)
        except ModelError as error:
            raise MountError(MountFailure.HELPER_MISSING, error.message) from error
        if finished.status is None:
            raise MountError(MountFailure.TIMED_OUT, f"mount did not end within {timeout_s:g} s, and was killed")
        if finished.status != 0:
            failed = mount_error(finished)
            if failed.failure is MountFailure.UNKNOWN:
                _log.warning("mount failed with words not known", status=finished.status, words=finished.words)
            raise failed


def mount_error(finished: Finished) -> MountError:
    """What a mount(8) that failed says."""
    words = finished.words[:_LONGEST_MESSAGE] or f"mount ended with status {finished.status}"
    return MountError(mount_failure(finished.words), words)


def mount_arguments(request: MountRequest, allowed_options: Collection[str] = ()) -> list[str]:
    """What follows `mount`: libvirt's options in libvirt's order, and `retry=0`.

    MountError BAD_OPTION, NOT_SUPPORTED.
    """
    source, own = request.source, single_options(request.options)
    if harmful := harmful_options(own, allowed_options):
        message = f"mount options that this agent's configuration does not allow: {', '.join(harmful)}"
        raise MountError(MountFailure.BAD_OPTION, message)
    match source.format:
        case "glusterfs":
            raise MountError(MountFailure.NOT_SUPPORTED, "a glusterfs share is mounted by libvirt")
        case "cifs":
            kind, share = "cifs", f"//{source.host}/{source.path}"
            options = [*_PROTECTION, "guest", *own]
        case _:
            kind, share = "nfs", f"{source.host}:{source.path}"
            version = [f"nfsvers={request.protocol_version}"] if request.protocol_version else []
            # mount.nfs would try for two minutes by itself, unheard.
            once = ["retry=0"] if option_value(own, "retry") is None else []
            options = [*_PROTECTION, *version, *own, *once]
    return ["-t", kind, "-o", ",".join(options), "--", share, request.target]
