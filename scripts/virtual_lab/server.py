"""The NFS server of a lab, and the ways in which it fails its hosts. None of them touches how it is reached by ssh."""

from __future__ import annotations

import shlex
import subprocess

from scripts.embedded.process import wait_until
from scripts.virtual_lab.machine import Machine

EXPORTS = ("vm_data", "squashed", "squashed0750", "read_only", "small", "nested")
ISCSI_TARGET = "iqn.2026-01.lab.nfs:units"
ISCSI_GUARDED_TARGET = "iqn.2026-01.lab.nfs:guarded"
"""Lets nobody in but ISCSI_USER, with ISCSI_PASSWORD (CHAP); its one unit is the first."""
ISCSI_USER, ISCSI_PASSWORD = "vms", "twelve-chars-long"
ISCSI_UNITS = (1, 2)
ISCSI_UNIT_BYTES = 16 << 20
READY_LIMIT_S = 180.0
# As guest/image/etc/nfs.conf.d/lab.conf has it.
GRACE_S = 15.0


class Server(Machine):
    """A kernel NFS server with the exports `/srv/nfs/NAME`; guest/server tells what each is."""

    def wait_serving(self, *, limit_s: float = READY_LIMIT_S) -> None:
        """Return when it exports; what is opened within 15 s from then may have to wait for its grace period."""
        wait_until(self._serves, limit_s=limit_s, what="the NFS server runs")

    def silent(self) -> None:
        """Drop whatever hosts send: they hear nothing any more."""
        self._answer_hosts_by("-j DROP")

    def refuse(self) -> None:
        """Refuse every connection, those that are open already too."""
        self._answer_hosts_by("-p tcp -j REJECT --reject-with tcp-reset", "-p udp -j REJECT")

    def silent_on(self, port: int) -> None:
        """Be silent on one port only, such as 53 for names or 2049 for NFS."""
        self._answer_hosts_by(*(f"-p {protocol} --dport {port} -j DROP" for protocol in ("tcp", "udp")))

    def silent_to_mounts(self) -> None:
        """Answer what is as short as a probe, which has a header and no more; drop the calls that make a mount."""
        self._answer_hosts_by("-p tcp --dport 2049 -m length --length 160:65535 -j DROP")

    def heal(self) -> None:
        """Answer hosts again."""
        self._answer_hosts_by()

    def clear(self) -> None:
        """Leave no file in any export but `nested`, which nobody fills, and in no SMB share."""
        folders = " ".join(["/srv/smb/vm_data", *(f"/srv/nfs/{name}" for name in EXPORTS if name != "nested")])
        self.ssh(f"find {folders} -mindepth 1 -delete")

    def unexport(self, export: str) -> None:
        """Take an export, such as `/srv/nfs/vm_data`, from all hosts; `reexport` gives all back."""
        self.ssh(f"exportfs -u {shlex.quote('*:' + export)}")

    def reexport(self) -> None:
        """Export again what its file of exports says."""
        self.ssh("exportfs -ra")

    def replace_export(self, export: str, *, holding: str) -> None:
        """Put another folder in place of `/srv/nfs/EXPORT`, with one file: all handles of the old are stale then."""
        folder = f"/srv/nfs/{shlex.quote(export)}"
        file = f"{folder}/{shlex.quote(holding)}"
        self.ssh(f"rm -rf {folder} && mkdir {folder} && truncate -s 1M {file} && exportfs -ra && exportfs -f")

    def stop_serving(self) -> None:
        """End the NFS service alone: connections are refused then, as the machine itself answers."""
        self.ssh("systemctl stop nfs-server", timeout_s=READY_LIMIT_S)

    def start_serving(self) -> None:
        """Start it again; a grace period begins."""
        self.ssh("systemctl start nfs-server", timeout_s=READY_LIMIT_S)

    def start_smb(self) -> None:
        """Serve `//SERVER/vm_data` to guests, and `//SERVER/closed` to nobody."""
        self.ssh("pidof -q smbd || smbd --daemon", timeout_s=READY_LIMIT_S)
        wait_until(lambda: self.ssh_any("ss -Hltn sport = 445").out != "", limit_s=READY_LIMIT_S, what="smbd listens")

    def start_gluster(self) -> None:
        """Serve the gluster volume `vm_data`, of one brick, to everybody."""
        lines = (
            "modprobe fuse",
            "pidof -q glusterd || glusterd",
            "gluster --mode=script volume info vm_data >/dev/null 2>&1 ||"
            " gluster --mode=script volume create vm_data nfs.lab:/srv/gluster/vm_data force",
            "gluster --mode=script volume status vm_data >/dev/null 2>&1 || gluster --mode=script volume start vm_data",
        )
        self.ssh(" && ".join(f"{{ {line}; }}" for line in lines), timeout_s=READY_LIMIT_S)

    def start_iscsi(self) -> None:
        """Serve the units 1 and 2 of the iSCSI target ISCSI_TARGET, of ISCSI_UNIT_BYTES each, to everybody.

        And ISCSI_GUARDED_TARGET to who logs in.
        """
        files = [f"/srv/iscsi/unit{number}" for number in (*ISCSI_UNITS, "-guarded")]
        on, guarded = (f"tgtadm --lld iscsi --tid {number} --mode" for number in (1, 2))
        new = (
            f"{on} target --op new --targetname {ISCSI_TARGET}",
            *(
                f"{on} logicalunit --op new --lun {number} --backing-store {file}"
                for number, file in zip(ISCSI_UNITS, files, strict=False)
            ),
            f"{on} target --op bind --initiator-address ALL",
            f"{guarded} target --op new --targetname {ISCSI_GUARDED_TARGET}",
            f"{guarded} logicalunit --op new --lun 1 --backing-store {files[-1]}",
            f"tgtadm --lld iscsi --mode account --op new --user {ISCSI_USER} --password {ISCSI_PASSWORD}",
            f"{guarded} account --op bind --user {ISCSI_USER}",
            f"{guarded} target --op bind --initiator-address ALL",
        )
        lines = (
            f"mkdir -p /srv/iscsi && truncate -s {ISCSI_UNIT_BYTES} {' '.join(files)}",
            "pidof -q tgtd || tgtd",
            f"{on} target --op show >/dev/null 2>&1 || {{ {' && '.join(new)}; }}",
        )
        self.ssh(" && ".join(f"{{ {line}; }}" for line in lines), timeout_s=READY_LIMIT_S)

    def _answer_hosts_by(self, *rules: str) -> None:
        # In one go, or an answer could slip out between the old rules and the new.
        lines = ["*filter", ":LAB - [0:0]", *(f"-A LAB {rule}" for rule in rules), "COMMIT", ""]
        self.ssh("iptables-restore --noflush", stdin="\n".join(lines))
        self.ssh("ip6tables-restore --noflush", stdin="\n".join(lines))
        for tables in ("iptables", "ip6tables"):
            self.ssh(f"{tables} -C INPUT -i br0 -j LAB 2>/dev/null || {tables} -I INPUT -i br0 -j LAB")

    def _serves(self) -> bool:
        try:
            return self.ssh_any("systemctl is-active nfs-server", timeout_s=30).out.strip() == "active"
        except subprocess.TimeoutExpired:
            return False
