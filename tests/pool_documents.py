"""A document of a pool of every type, with the elements that libvirt documents for it, and the source that it states.

`{folder}` is a folder in which pools may lie.
"""

from __future__ import annotations

from dataclasses import dataclass

from poolfleet.types.pool_source import (
    DirSource,
    DiskSource,
    FcHostAdapter,
    FsSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    MpathSource,
    NetfsSource,
    PoolSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    SourceHost,
    VstorageSource,
    ZfsSource,
)

SECRET = "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
_FS = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
_RBD = "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
_BY_PATH = "<target><path>/dev/disk/by-path</path></target>"


@dataclass(frozen=True)
class Document:
    """`source` is what libvirt makes of the document, with its defaults."""

    type: str
    inside: str
    source: PoolSource
    namespace: str = ""

    def xml(self, name: str, folder: str) -> str:
        return f"<pool type='{self.type}' {self.namespace}><name>{name}</name>{self.inside}</pool>".format(
            folder=folder
        )


DOCUMENTS = {
    "dir": Document(
        "dir",
        "<source/><target><path>{folder}/dir</path><permissions><mode>0711</mode><owner>107</owner><group>107</group>"
        "<label>virt_image_t</label></permissions></target>",
        DirSource(),
    ),
    "dir-cow": Document(
        "dir",
        "<features><cow state='no'/></features><target><path>{folder}/dir-cow</path></target>",
        DirSource(),
    ),
    "fs": Document(
        "fs",
        "<source><device path='/dev/VolGroup00/VirtImages'/></source><target><path>{folder}/fs</path></target>",
        FsSource(device="/dev/VolGroup00/VirtImages", format="auto"),
    ),
    "fs-options": Document(
        "fs",
        "<features><cow state='yes'/></features><source><device path='/dev/sdb1'/><format type='ext4'/>"
        "<vendor name='Acme'/><product name='model'/></source><target><path>{folder}/fs-options</path></target>"
        "<fs:mount_opts><fs:option name='noatime'/><fs:option name='data=journal'/></fs:mount_opts>",
        FsSource(device="/dev/sdb1", format="ext4"),
        _FS,
    ),
    "dir-naming": Document(
        "dir",
        "<target><path>{folder}/&lt;dir&gt; &amp; &quot;more&quot;</path></target>",
        DirSource(),
    ),
    "netfs": Document(
        "netfs",
        "<source><host name='nfs.example.com'/><dir path='/var/lib/virt/images'/><format type='nfs'/>"
        "<protocol ver='4.2'/></source><target><path>{folder}/netfs</path></target>"
        "<fs:mount_opts><fs:option name='sync'/></fs:mount_opts>",
        NetfsSource(host="nfs.example.com", path="/var/lib/virt/images", format="nfs"),
        _FS,
    ),
    "netfs-auto": Document(
        "netfs",
        "<source><host name='auto.example.com'/><dir path='/var/lib/virt/images'/><format type='auto'/></source>"
        "<target><path>{folder}/auto</path></target>",
        NetfsSource(host="auto.example.com", path="/var/lib/virt/images", format="auto"),
    ),
    # What is left out is libvirt's to find.
    "netfs-bare": Document(
        "netfs",
        "<source><host name='bare.example.com'/><dir path='/var/lib/virt/images/'/></source>"
        "<target><path>{folder}/bare/</path></target>",
        NetfsSource(host="bare.example.com", path="/var/lib/virt/images", format="auto"),
    ),
    "netfs-cifs": Document(
        "netfs",
        "<source><host name='samba.example.com'/><dir path='samba_share'/><format type='cifs'/></source>"
        "<target><path>{folder}/cifs</path></target>",
        NetfsSource(host="samba.example.com", path="samba_share", format="cifs"),
    ),
    "netfs-glusterfs": Document(
        "netfs",
        "<source><host name='gluster.example.com'/><dir path='/volume/'/><format type='glusterfs'/></source>"
        "<target><path>{folder}/glusterfs</path></target>",
        NetfsSource(host="gluster.example.com", path="/volume", format="glusterfs"),
    ),
    "netfs-glusterfs-volume": Document(
        "netfs",
        "<source><host name='gluster.example.com'/><format type='glusterfs'/><dir path='other'/></source>"
        "<target><path>{folder}/glusterfs-volume</path></target>",
        NetfsSource(host="gluster.example.com", path="other", format="glusterfs"),
    ),
    "logical": Document(
        "logical",
        "<source><device path='/dev/sda1'/><device path='/dev/sdc'/><name>HostVG</name><format type='lvm2'/></source>"
        "<target><path>/dev/HostVG</path><permissions><mode>0700</mode></permissions></target>",
        LogicalSource(name="HostVG", devices=("/dev/sda1", "/dev/sdc"), format="lvm2"),
    ),
    "logical-bare": Document("logical", "", LogicalSource(name="logical-bare", format="lvm2")),
    "logical-nopath": Document(
        "logical",
        "<source><device path='/dev/sdq7'/><name>NoPathVG</name></source>",
        LogicalSource(name="NoPathVG", devices=("/dev/sdq7",), format="lvm2"),
    ),
    "disk": Document(
        "disk",
        "<source><device path='/dev/sdd'/><format type='gpt'/></source><target><path>/dev</path></target>",
        DiskSource(device="/dev/sdd", format="gpt"),
    ),
    "disk-mapper": Document(
        "disk",
        "<source><device path='/dev/mapper/mpatha' part_separator='no'/></source><target><path>/dev</path></target>",
        DiskSource(device="/dev/mapper/mpatha", format="unknown", part_separator=False),
    ),
    "iscsi": Document(
        "iscsi",
        "<source><host name='iscsi.example.com'/><device path='iqn.2013-06.com.example:iscsi-pool'/>"
        f"<vendor name='test-vendor'/><product name='test-product'/></source>{_BY_PATH}",
        IscsiSource(host=SourceHost("iscsi.example.com"), device="iqn.2013-06.com.example:iscsi-pool"),
    ),
    "iscsi-auth": Document(
        "iscsi",
        "<source><host name='iscsi.example.com' port='3260'/><device path='demo-target'/>"
        "<initiator><iqn name='iqn.2013-06.com.example:iscsi-initiator'/></initiator>"
        f"<auth type='chap' username='myname'><secret usage='mycluster_myname'/></auth></source>{_BY_PATH}",
        IscsiSource(
            host=SourceHost("iscsi.example.com", port=3260),
            device="demo-target",
            initiator="iqn.2013-06.com.example:iscsi-initiator",
            auth=SourceAuth(type="chap", username="myname", secret_usage="mycluster_myname"),
        ),
    ),
    "iscsi-direct": Document(
        "iscsi-direct",
        "<source><host name='iscsi.example.com'/><device path='iqn.2013-06.com.example:iscsi-pool'/>"
        "<initiator><iqn name='iqn.2013-06.com.example:iscsi-initiator'/></initiator>"
        f"<auth type='chap' username='myname'><secret uuid='{SECRET.upper()}'/></auth></source>",
        IscsiDirectSource(
            host=SourceHost("iscsi.example.com"),
            device="iqn.2013-06.com.example:iscsi-pool",
            initiator="iqn.2013-06.com.example:iscsi-initiator",
            auth=SourceAuth(type="chap", username="myname", secret_uuid=SECRET),
        ),
    ),
    "iscsi-direct-open": Document(
        "iscsi-direct",
        "<source><host name='open.example.com' port='3261'/><device path='iqn.2013-06.com.example:open'/>"
        "<initiator><iqn name='iqn.2013-06.com.example:iscsi-initiator'/></initiator></source>",
        IscsiDirectSource(
            host=SourceHost("open.example.com", port=3261),
            device="iqn.2013-06.com.example:open",
            initiator="iqn.2013-06.com.example:iscsi-initiator",
        ),
    ),
    "scsi": Document(
        "scsi",
        f"<source><adapter name='host0'/></source>{_BY_PATH}",
        ScsiSource(adapter=ScsiHostAdapter(name="host0")),
    ),
    "scsi-host": Document(
        "scsi",
        f"<source><adapter type='scsi_host' name='scsi_host4'/></source>{_BY_PATH}",
        ScsiSource(adapter=ScsiHostAdapter(name="scsi_host4")),
    ),
    "scsi-address": Document(
        "scsi",
        "<source><adapter type='scsi_host'><parentaddr unique_id='1'><address domain='0x0000' bus='0x00' slot='0x1f'"
        f" function='0x2'/></parentaddr></adapter></source>{_BY_PATH}",
        ScsiSource(adapter=ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=1)),
    ),
    "scsi-fc": Document(
        "scsi",
        "<source><adapter type='fc_host' parent='scsi_host5' managed='yes' wwnn='20000000c9831b4b'"
        f" wwpn='10000000c9831b4b'/></source>{_BY_PATH}",
        ScsiSource(
            adapter=FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000c9831b4b", parent="scsi_host5", managed=True)
        ),
    ),
    "scsi-fc-bare": Document(
        "scsi",
        f"<source><adapter type='fc_host' wwnn='20000000c9831b4d' wwpn='10000000c9831b4d'/></source>{_BY_PATH}",
        ScsiSource(adapter=FcHostAdapter(wwnn="20000000c9831b4d", wwpn="10000000c9831b4d")),
    ),
    "scsi-fc-parent-wwn": Document(
        "scsi",
        "<source><adapter type='fc_host' parent_wwnn='20000000c9831b50' parent_wwpn='10000000c9831b50'"
        f" wwnn='20000000c9831b4e' wwpn='10000000c9831b4e'/></source>{_BY_PATH}",
        ScsiSource(
            adapter=FcHostAdapter(
                wwnn="20000000c9831b4e",
                wwpn="10000000c9831b4e",
                parent_wwnn="20000000c9831b50",
                parent_wwpn="10000000c9831b50",
            )
        ),
    ),
    "scsi-fabric": Document(
        "scsi",
        "<source><adapter type='fc_host' parent_fabric_wwn='2002000573de9a81' wwnn='20000000c9831b4c'"
        f" wwpn='10000000c9831b4c'/></source>{_BY_PATH}",
        ScsiSource(
            adapter=FcHostAdapter(
                wwnn="20000000c9831b4c", wwpn="10000000c9831b4c", parent_fabric_wwn="2002000573de9a81"
            )
        ),
    ),
    "mpath": Document("mpath", "<target><path>/dev/mapper</path></target>", MpathSource()),
    "rbd": Document(
        "rbd",
        "<source><name>rbdpool</name><host name='1.2.3.4'/><host name='my.ceph.monitor' port='6789'/>"
        "<host name='2205::192:168:205:141' port='6789'/>"
        f"<auth type='ceph' username='admin'><secret uuid='{SECRET}'/></auth></source>"
        "<refresh><volume allocation='capacity'/></refresh>",
        RbdSource(
            name="rbdpool",
            hosts=(
                SourceHost("1.2.3.4"),
                SourceHost("my.ceph.monitor", port=6789),
                SourceHost("2205::192:168:205:141", port=6789),
            ),
            auth=SourceAuth(type="ceph", username="admin", secret_uuid=SECRET),
            volume_allocation="capacity",
        ),
    ),
    "rbd-options": Document(
        "rbd",
        "<source><name>vms</name><host name='mon1'/></source><rbd:config_opts>"
        "<rbd:option name='client_mount_timeout' value='45'/><rbd:option name='rados_mon_op_timeout' value='20'/>"
        "</rbd:config_opts>",
        RbdSource(
            name="vms",
            hosts=(SourceHost("mon1"),),
            config_options=(("client_mount_timeout", "45"), ("rados_mon_op_timeout", "20")),
        ),
        _RBD,
    ),
    "gluster": Document(
        "gluster",
        "<source><host name='localhost'/><dir path='/path'/><name>volume</name></source>",
        GlusterSource(hosts=(SourceHost("localhost"),), name="volume", path="/path"),
    ),
    "gluster-bare": Document(
        "gluster",
        "<source><host name='gluster1' port='24007'/></source>",
        GlusterSource(hosts=(SourceHost("gluster1", port=24007),), name="gluster-bare", path="/"),
    ),
    "zfs": Document(
        "zfs",
        "<source><name>zfspool</name><device path='/dev/ada1'/><device path='/dev/ada2'/></source>",
        ZfsSource(name="zfspool", devices=("/dev/ada1", "/dev/ada2")),
    ),
    "zfs-bare": Document("zfs", "<source><name>testpool</name></source>", ZfsSource(name="testpool")),
    "vstorage": Document(
        "vstorage",
        "<source><name>myclust</name></source><target><path>{folder}/vstorage</path></target>",
        VstorageSource(name="myclust"),
    ),
}
