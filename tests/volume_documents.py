"""A document of a volume of every form that libvirt documents for files, and the typed form that asks for the same.

`{base}.raw` and `{base}.qcow2` are files of these formats that a volume may lie on, `{owner}` and `{group}` are whom
files can be given to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from poolfleet import SecretRef, VolumeEncryption
from poolfleet.types.volume import BackingStore, Permissions

MIB = 1 << 20
PASSPHRASE_OF = "the passphrase"
SECRET = SecretRef(usage_type="volume", usage_id=PASSPHRASE_OF)
_TIMES = "<timestamps><atime>1341933637.273190990</atime><mtime>1341930622.047245868</mtime></timestamps>"
_LUKS = f"<encryption format='luks'><secret type='passphrase' usage='{PASSPHRASE_OF}'/></encryption>"


@dataclass(frozen=True, kw_only=True)
class Document:
    """`stated`: the fields of the VolumeSpec that means the same. `shown`: what the volume has beyond them.

    `untyped`: it says more than the typed form can, or what the typed form has no word for.
    """

    inside: str
    stated: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)
    untyped: bool = False
    opening: str = "<volume>"

    def xml(self, name: str, base: str, owner: int, group: int) -> str:
        inside = self.inside.format(base=base, owner=owner, group=group)
        return f"{self.opening}<name>{name}</name>{inside}</volume>"


def _qcow2(target: str = "", after: str = "", **stated: Any) -> Document:
    return Document(
        inside=f"<capacity unit='MiB'>8</capacity><target><format type='qcow2'/>{target}</target>{after}",
        stated={"capacity_bytes": 8 * MIB, "format": "qcow2", **stated},
    )


def _of_size(unit: str, size_bytes: int) -> Document:
    said = f" unit='{unit}'" if unit else ""
    return Document(
        inside=f"<capacity{said}>3</capacity><allocation{said}>0</allocation>",
        stated={"capacity_bytes": 3 * size_bytes, "allocation_bytes": 0},
        shown={"format": "raw"},
    )


def _over(below: str, **stated: Any) -> Document:
    backing = f"<backingStore><path>{{base}}.{below}</path><format type='{below}'/></backingStore>"
    return _qcow2(after=backing, backing_store=BackingStore(path=f"{{base}}.{below}", format=below), **stated)


DOCUMENTS: Mapping[str, Document] = {
    "all-allocated": Document(
        inside="<capacity>4194304</capacity><target><format type='raw'/></target>",
        stated={"capacity_bytes": 4 * MIB, "format": "raw"},
    ),
    "partly-allocated": Document(
        inside="<capacity unit='M'>4</capacity><allocation unit='KiB'>512</allocation>",
        stated={"capacity_bytes": 4 * MIB, "allocation_bytes": MIB // 2},
        shown={"format": "raw"},
    ),
    "whose-it-is": Document(
        inside="<allocation>0</allocation><capacity unit='G'>1</capacity><target><permissions><owner>{owner}</owner>"
        "<group>{group}</group><mode>0744</mode></permissions></target>",
        stated={"capacity_bytes": 1 << 30, "allocation_bytes": 0, "permissions": Permissions(mode=0o744)},
        shown={"format": "raw"},
    ),
    # As libvirt itself writes it: what is only told, is not read.
    "as-it-is-shown": Document(
        opening="<volume type='file'>",
        inside="<key>/elsewhere/key</key><source/><capacity unit='bytes'>1048576</capacity>"
        "<allocation unit='bytes'>0</allocation><physical unit='bytes'>77</physical>"
        f"<target><path>/elsewhere/path</path><format type='raw'/>{_TIMES}</target>",
        stated={"capacity_bytes": MIB, "allocation_bytes": 0, "format": "raw"},
    ),
    # libvirt makes an empty file of it, which is raw when it looks.
    "iso": Document(
        inside="<capacity>1048576</capacity><target><format type='iso'/></target>",
        stated={"capacity_bytes": MIB, "format": "raw"},
        untyped=True,
    ),
    "qcow2": _qcow2(),
    "qcow2-0.10": _qcow2("<compat>0.10</compat>", compat="0.10"),
    "qcow2-1.1": _qcow2("<compat>1.1</compat>", compat="1.1"),
    "qcow2-features": _qcow2(
        "<compat>1.1</compat><features><lazy_refcounts/></features>", compat="1.1", features=("lazy_refcounts",)
    ),
    # Features alone mean the later level.
    "qcow2-extended": _qcow2(
        "<clusterSize unit='KiB'>128</clusterSize><features><extended_l2/></features>",
        features=("extended_l2",),
        cluster_size_bytes=128 << 10,
    ),
    "qcow2-clusters": _qcow2("<clusterSize unit='B'>4096</clusterSize>", cluster_size_bytes=4096),
    "qcow2-nocow": _qcow2("<nocow/>", nocow=True),
    "qcow2-on-nothing": _qcow2(after="<backingStore/>"),
    "qcow2-over-raw": _over("raw"),
    "qcow2-over-qcow2": _over("qcow2", compat=""),
    "qcow2-as-large-as-what-it-lies-on": Document(
        inside="<target><format type='qcow2'/></target><backingStore><path>{base}.qcow2</path><format type='qcow2'/>"
        "<permissions><mode>0744</mode></permissions></backingStore>",
        stated={
            "capacity_bytes": 0,
            "format": "qcow2",
            "backing_store": BackingStore(path="{base}.qcow2", format="qcow2"),
        },
        shown={"capacity_bytes": 4 * MIB},
    ),
    "luks": Document(
        inside=f"<capacity unit='MiB'>4</capacity><target><format type='raw'/>{_LUKS}</target>",
        stated={"capacity_bytes": 4 * MIB, "format": "raw", "encryption": VolumeEncryption(secret=SECRET)},
    ),
    "luks-cipher": Document(
        inside="<capacity unit='MiB'>4</capacity><target><format type='raw'/><encryption format='luks'>"
        f"<secret type='passphrase' usage='{PASSPHRASE_OF}'/><cipher name='aes' size='128' mode='cbc' hash='sha256'/>"
        "<ivgen name='plain64' hash='sha256'/></encryption></target>",
        stated={"capacity_bytes": 4 * MIB, "format": "raw", "encryption": VolumeEncryption(secret=SECRET)},
        untyped=True,
    ),
    "qcow2-luks": _qcow2(_LUKS, encryption=VolumeEncryption(secret=SECRET)),
    **{
        f"in-{unit or 'nothing'}": _of_size(unit, size_bytes)
        for unit, size_bytes in {
            "": 1,
            "B": 1,
            "bytes": 1,
            "KB": 10**3,
            "K": 1 << 10,
            "KiB": 1 << 10,
            "MB": 10**6,
            "M": 1 << 20,
            "MiB": 1 << 20,
            "GB": 10**9,
            "G": 1 << 30,
            "GiB": 1 << 30,
            "TB": 10**12,
            "T": 1 << 40,
            "TiB": 1 << 40,
        }.items()
    },
    **{
        form: Document(
            inside=f"<capacity unit='MiB'>4</capacity><target><format type='{form}'/></target>",
            stated={"capacity_bytes": 4 * MIB, "format": form},
        )
        for form in ("qcow", "qed", "vmdk", "vdi")
    },
    "vpc": Document(
        inside="<capacity unit='MiB'>4</capacity><target><format type='vpc'/></target>",
        stated={"capacity_bytes": 4 * MIB, "format": "vpc"},
        shown={"capacity_bytes": 4 * MIB + 18432},
    ),
}

_FORMAT = "<capacity unit='MiB'>4</capacity><target><format type='{}'/></target>"
UNSUPPORTED: Mapping[str, str] = {
    **{form: _FORMAT.format(form) for form in ("cow", "bochs", "cloop", "dmg", "fat", "vhd", "ploop", "dir")},
    "no-such-format": _FORMAT.format("zork"),
    "no-such-feature": "<capacity>1</capacity><target><format type='qcow2'/><features><zork/></features></target>",
    "old-encryption": "<capacity>1</capacity><target><format type='qcow2'/><encryption format='qcow'>"
    f"<secret type='passphrase' usage='{PASSPHRASE_OF}'/></encryption></target>",
    "default-encryption": "<capacity>1</capacity><target><format type='qcow2'/><encryption format='default'>"
    f"<secret type='passphrase' usage='{PASSPHRASE_OF}'/></encryption></target>",
    "nocow": "<capacity>1024</capacity><target><format type='raw'/><nocow/></target>",
}
"""What libvirt knows, or knew, and nobody makes in a directory of files that is not on btrfs."""
