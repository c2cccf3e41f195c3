"""The program that touches files for the agent: `python -I -S worker.py [UID GID]`, the standard library only.

It reads requests from standard input and writes answers to standard output, each a frame (frames.py). A request is (id,
name of the operation, arguments…), an answer (id, errno or 0, what it found…); what can be asked is in looking.py,
listing.py and making.py. Answers come in any order: several threads work, so that one slow directory does not hold up
the others, and a probe has one of its own. No descriptor is held between requests, or the share could not be unmounted.
The end of its input is its own end, whatever its threads hang on.

With a UID and a GID it becomes that user, in no other group, before it reads its first request. It is started as root
all the same, so that the user needs no right on the folders that Python and the agent are installed in.
"""

import errno
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

if __name__ == "__main__":
    # A program in isolated mode is given no folder to import from, not even its own.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from poolfleet_agent.files import listing, looking, making
from poolfleet_agent.files.frames import Fields, numbers, pack, unpack
from poolfleet_agent.files.looking import PROBE
from poolfleet_agent.processes.become import become

THREADS = 4
PING = b"ping"
UMASK = 0o022
"""All of the agents of a share, and a libvirt that is nobody there, read what is made: the agent's own may be stricter.
"""
OPERATIONS: dict[bytes, Callable[..., Fields]] = {**looking.OPERATIONS, **making.OPERATIONS, **listing.OPERATIONS}

_STACK_BYTES = 256 * 1024


class _Answers:
    """Standard output, one whole frame at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, *fields: bytes) -> None:
        with self._lock:
            self._stream.write(pack(*fields))
            self._stream.flush()


def _requests(stream: BinaryIO) -> Iterator[list[bytes]]:
    while len(head := stream.read(4)) == 4:
        yield unpack(stream.read(int.from_bytes(head, "big")))


def _work(requests: "queue.SimpleQueue[list[bytes]]", answers: _Answers) -> None:
    while True:
        request_id, name, *arguments = requests.get()
        try:
            found = OPERATIONS[name](*arguments)
        except OSError as error:
            answers.write(request_id, *numbers(error.errno or errno.EIO))
        except ValueError:
            answers.write(request_id, *numbers(errno.EINVAL))
        else:
            answers.write(request_id, b"0", *found)


def _end_with_trace(failure: threading.ExceptHookArgs) -> None:
    # A worker with a thread less would be slower for ever: its owner starts another.
    traceback.print_exception(failure.exc_value)
    os._exit(70)


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the end of standard input; `arguments`: uid and gid, or none."""
    os.umask(UMASK)
    if arguments:
        uid, gid = map(int, arguments)
        become(uid, gid)
    threading.excepthook = _end_with_trace
    threading.stack_size(_STACK_BYTES)
    requests: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
    probes: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
    answers = _Answers(sys.stdout.buffer)
    for taken in (probes, *[requests] * THREADS):
        threading.Thread(target=_work, args=(taken, answers), daemon=True).start()
    for request in _requests(sys.stdin.buffer):
        if request[1] == PING:
            answers.write(request[0], b"0")
        else:
            (probes if request[1] == PROBE else requests).put(request)
    # A thread that hangs must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
