"""What to do next, by the reason of an error: the second half of every sentence on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolfleet.cli.output.text import printable

if TYPE_CHECKING:
    from poolfleet.types.errors import PoolfleetError

_BY_REASON = {
    "POOL_NOT_FOUND": "`poolfleet pool list` shows what there is; `poolfleet pool define` makes it",
    "VOLUME_NOT_FOUND": "`poolfleet volume list` shows what there is",
    "OPERATION_NOT_FOUND": "`poolfleet operation list` shows those of the last day",
    "SECRET_NOT_FOUND": "`poolfleet secret list` shows what there is; `poolfleet secret set` makes it",
    "SECRET_EXISTS": "leave those options out, or delete it first",
    "SECRET_IN_USE": "what uses it cannot be opened without it; --allow-in-use overrides",
    "SECRET_NOT_USABLE": "set it anew: `poolfleet secret set`",
    "POOL_EXISTS": "compare it with `poolfleet pool show`; `poolfleet pool update` changes it",
    "VOLUME_EXISTS": "compare it with `poolfleet volume show`, or choose another name",
    "SOURCE_IN_USE": "use that pool",
    "PATH_NOT_ALLOWED": "or choose another path",
    "TARGET_IN_USE": "choose another --target",
    "POOL_IN_USE": "move the guests away, or say --allow-in-use",
    "VOLUME_IN_USE": "`poolfleet volume users` shows who uses it; --allow-in-use overrides",
    "MOUNT_NOT_OURS": "unmount it on the host yourself",
    "POOL_UNRESPONSIVE": "wait for its server, or get rid of the share: `poolfleet pool stop --force`",
    "HOST_MOUNT_UNRESPONSIVE": "unmount what the message names, or wait for its server",
    "MOUNT_FAILED": "look at the server, and at the export's path",
    "OBSERVE_ONLY": "this agent is configured to change nothing",
    "AGENT_NOT_AUTHORIZED": "let the agent run as root, or mend libvirt's access rules",
    "WOULD_SHRINK": "shrink what lies in it first, then say --allow-shrink",
    "POOL_NOT_ACTIVE": "start it: `poolfleet pool start`",
    "POOL_ACTIVE": "stop it first: `poolfleet pool stop`",
    "POOL_ALREADY_BUILT": "start it: `poolfleet pool start`",
    "POOL_TRANSIENT": "store it first: `poolfleet pool define`",
    "PATH_NOT_USABLE": "`poolfleet pool build` makes a pool's target; a pool is erased when it is empty",
    "ETAG_MISMATCH": "somebody changed it meanwhile: look at it again",
    "OPERATION_IN_PROGRESS": "`poolfleet operation wait` waits for it",
    "RESOURCE_BUSY": "try again shortly",
    "REGISTRY_NOT_LOADED": "look at libvirt on that host, then try again",
    "LIBVIRT_UNAVAILABLE": "look at libvirt on that host, then try again",
    "AGENT_RESTARTED": "call it again",
    "AGENT_STOPPING": "try again shortly",
    "OPERATION_TIMED_OUT": "look at the storage, then try again",
    "NO_SPACE": "free space, or ask for less",
    "FULL": "free space",
    "QUOTA_EXCEEDED": "raise the quota",
    "TOO_BUSY": "try again later",
    "NOT_CANCELLABLE": "wait for its end: `poolfleet operation wait`",
    "INCOMPLETE": "see to what is named, and try again; --allow-in-use passes over it, used or not",
    "NO_HOST": "see to one of them, or name one: --host",
    "IDENTITY_CONFLICT": "`poolfleet storage show` tells more; configure an id, or `poolfleet storage adopt`",
    "INTERNAL": "look at the agent's log; please report it",
}
_BY_CODE = {
    "UNAVAILABLE": "is poolfleet-agent running there? `poolfleet host check` looks at each host",
    "DEADLINE_EXCEEDED": "say a longer --timeout, or look with `poolfleet host check`",
    "PERMISSION_DENIED": "the socket is for root and its group; over the network a client certificate is needed",
    "UNIMPLEMENTED": "the agent or its libvirt cannot do that",
}


def next_step(error: PoolfleetError) -> str:
    """What a person may do about it; empty where there is nothing to say."""
    if error.reason == "STILL_RUNNING":
        return f"it goes on; `poolfleet operation wait {error.operation_id}` waits for its end"
    if error.reason == "UNREACHABLE" and "ermission denied" in error.message:
        return _BY_CODE["PERMISSION_DENIED"]
    return _BY_REASON.get(error.reason) or _BY_CODE.get(error.code, "")


def sentence(error: PoolfleetError) -> str:
    """The whole: what happened, and what to do next."""
    what = printable(error.message or error.reason).rstrip(".")
    unsaid = [each for each in error.violations if each.description.rstrip(".") not in error.message]
    fields = "; ".join(printable(f"{each.field}: {each.description}").rstrip(".") for each in unsaid)
    step = next_step(error)
    return what + (f" ({fields})" if fields else "") + (f"; {step}" if step else "") + "."
