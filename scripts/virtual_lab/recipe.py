"""What the machines' first disk is made of: the same for server and hosts, and for every change of poolfleet's code.

What differs, and what changes often, is on their second disk: see payload.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("guest")

SUITE = "bookworm"
# The interpreter of that suite, for which poolfleet's dependencies are fetched.
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

PACKAGES = (
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "udev",
    "kmod",
    "procps",
    "iproute2",
    "iptables",
    "openssh-server",
    "nfs-kernel-server",
    "nfs-common",
    "autofs",
    "cifs-utils",
    "samba",
    "glusterfs-server",
    "tgt",
    "open-iscsi",
    "multipath-tools",
    "lvm2",
    "parted",
    "libvirt-daemon",
    "libvirt-daemon-system",
    "libvirt-daemon-driver-storage-gluster",
    "libvirt-daemon-driver-storage-iscsi-direct",
    "libvirt-clients",
    "qemu-utils",
    "python3",
    "python3-libvirt",
)

# What only makes the boot slower here; who wants autofs, smbd, glusterd, tgtd, iscsid or multipathd starts it.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "autofs.service",
    "blk-availability.service",
    "dm-event.socket",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "glusterd.service",
    "glustereventsd.service",
    "iscsid.service",
    "iscsid.socket",
    "kmod-static-nodes.service",
    "libvirt-guests.service",
    "lvm2-lvmpolld.socket",
    "lvm2-monitor.service",
    "man-db.timer",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "multipathd.service",
    "multipathd.socket",
    "networking.service",
    "nmbd.service",
    "open-iscsi.service",
    "samba-ad-dc.service",
    "nfs-blkmap.service",
    "smbd.service",
    "systemd-binfmt.service",
    "systemd-logind.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
    "tgt.service",
)


def requirements() -> list[str]:
    """What the agent needs from PyPI, in the versions that are installed here; its libvirt binding is Debian's."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["agent"]]
    names = [match.group() for text in wanted if (match := re.match(r"[A-Za-z0-9._-]+", text))]
    return [f"{name}=={version(name)}" for name in names if name != "libvirt-python"]


def key() -> str:
    """Names the recipe: another one as soon as anything in it, or how it is carried out, changes."""
    digest = hashlib.sha256()
    ours = sorted(path for path in (GUEST / "image").rglob("*") if path.is_file())
    for path in (Path(__file__), Path(__file__).with_name("image.py"), *ours):
        digest.update(f"{path.relative_to(CHECKOUT)} {path.stat().st_mode}\n".encode())
        digest.update(path.read_bytes())
    digest.update("\n".join(requirements()).encode())
    return digest.hexdigest()[:16]
