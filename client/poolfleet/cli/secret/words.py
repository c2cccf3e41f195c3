"""How a secret is named on the command line, and how its value comes in: never as a word of the command.

Words of a command are seen by everybody who lists processes, and stay in the shell's history.
"""

from __future__ import annotations

import base64
import binascii
import sys
from pathlib import Path

import typer

from poolfleet.cli.parsing import looks_like_uuid
from poolfleet.cli.session import UsageError, say
from poolfleet.types.secret import SecretRef


def secret_ref(text: str) -> SecretRef:
    """Read `TYPE:ID`, such as `ceph:client.admin`, or a UUID."""
    if looks_like_uuid(text):
        return SecretRef(uuid=text)
    usage_type, colon, usage_id = text.partition(":")
    if not colon or not usage_type or not usage_id or "/" in usage_type:
        raise typer.BadParameter(
            f"{text!r} names no secret: write TYPE:ID, such as volume:/vm_data/web1.img, or a UUID"
        )
    return SecretRef(usage_type=usage_type, usage_id=usage_id)


def volume_secret_ref(text: str) -> SecretRef:
    """Read what encrypts a volume: a UUID, or the id of a secret for volumes with or without `volume:` before it."""
    if looks_like_uuid(text):
        return SecretRef(uuid=text)
    return SecretRef(usage_type="volume", usage_id=text.removeprefix("volume:"))


def taken_in(file: str | None, *, is_base64: bool) -> bytes:
    """Read a value from a file, `-`: standard input, or ask for it; raises UsageError, which says nothing of it."""
    if file is None:
        value = _asked_for()
    else:
        value = _read(file)
        if value.endswith(b"\n") and not is_base64:
            say("The value ends with a line break, which is part of it: `printf %s` writes none.")
    if is_base64:
        try:
            value = base64.b64decode(b"".join(value.split()), validate=True)
        except binascii.Error:
            # Python's own error may hold some of it.
            raise UsageError("the value is no base64: leave --base64 out, or mend the file") from None
    if not value:
        raise UsageError("the value is empty")
    return value


def _asked_for() -> bytes:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked for the value here: say --file FILE, or --file - for standard input")
    answer: str = typer.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    return answer.encode()


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
