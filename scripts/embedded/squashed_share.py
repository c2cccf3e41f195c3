"""A netfs stand-in whose server takes root for nobody, as every NFS server does where it is not told otherwise."""

from __future__ import annotations

import os

from scripts.embedded.silent_share import SilentShare


class SquashedShare(SilentShare):
    """A share on which libvirt, being root, may do what its directory lets others do; `give` says whose that is."""

    kind = "squash"

    def give(self, *, uid: int, gid: int, mode: int) -> None:
        """Let the share's directory be somebody's, with that mode."""
        os.chown(self.files, uid, gid)
        self.files.chmod(mode)
