"""What our programs say of their progress, for whoever listens to their job."""

from collections.abc import Callable

from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.ports.images import JobListener


def told_to(listener: JobListener) -> Callable[[bytes], None]:
    """What takes in lines `DONE TOTAL`, in bytes, as they come in pieces, and tells the last of each piece."""
    begun = b""

    def hear(piece: bytes) -> None:
        nonlocal begun
        *lines, begun = (begun + piece).split(b"\n")
        if lines:
            done, total = map(int, lines[-1].split())
            listener.progress(Progress(done_bytes=done, total_bytes=total))

    return hear
