"""What the words mean that a program says when it fails: qemu-img's, and the system's own."""

import errno

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_texts import image_failure
from poolfleet_agent.processes.in_folder import NOT_THE_MOUNT
from poolfleet_agent.processes.own_file import NOT_THE_FILE


def failure(program: str, words: str, status: int, path: str) -> ModelError:
    """What a program that failed said, as a model error; `status` is negative for a signal."""
    said = words or f"{program} ended with status {status}"
    metadata = {"path": path}
    if NOT_THE_MOUNT in words:
        return ModelError(Reason.UNMOUNTED, said, metadata=metadata)
    if NOT_THE_FILE in words:
        return ModelError(Reason.RESOURCE_BUSY, said, metadata=metadata)
    is_own_fault = "Traceback (most recent call last)" in words and "[Errno " not in words
    reason, told = image_failure(words)
    if reason is None or is_own_fault:
        return ModelError(Reason.INTERNAL, said, metadata=metadata | {"status": str(status)})
    if told:
        metadata["errno"] = errno.errorcode[told]
    if reason is Reason.INVALID_FIELD:
        reason = Reason.PATH_NOT_USABLE  # what we tell it to do was checked before: it is what it found in a file
    return ModelError(reason, said, metadata=metadata)
