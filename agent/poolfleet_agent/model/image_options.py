"""How an image is laid out beyond its format and size, and which layouts there are."""

from dataclasses import dataclass

from poolfleet_agent.model.errors import invalid_field

QCOW2 = "qcow2"
COMPATS = ("0.10", "1.1")
FEATURES = frozenset({"lazy_refcounts", "extended_l2"})
NOCOW_FORMATS = frozenset({"raw", QCOW2})

DEFAULT_CLUSTER_BYTES = 64 << 10
SMALLEST_CLUSTER_BYTES = 512
LARGEST_CLUSTER_BYTES = 2 << 20
SMALLEST_EXTENDED_CLUSTER_BYTES = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """What may be stated of a layout, in libvirt's spelling. Empty, None and False: not stated."""

    compat: str = ""
    cluster_size_bytes: int | None = None
    features: tuple[str, ...] = ()
    nocow: bool = False
    """Without copy-on-write of the file system's own; btrfs alone has any."""


PLAIN = ImageOptions()
"""Nothing is stated."""


def made_compat(options: ImageOptions) -> str:
    """The compatibility level that libvirt gives to a qcow2 image."""
    return options.compat or ("1.1" if options.features else "0.10")


def check_options(message: str, image_format: str, options: ImageOptions) -> None:
    """Refuse a layout that such an image cannot have: INVALID_FIELD, with the field of that message."""
    for field, stated in (
        ("compat", options.compat),
        ("cluster_size_bytes", options.cluster_size_bytes is not None),
        ("features", options.features),
    ):
        if stated and image_format != QCOW2:
            raise invalid_field(f"{message}.{field}", "is qcow2's alone", value=image_format)
    if options.nocow and image_format not in NOCOW_FORMATS:
        raise invalid_field(f"{message}.nocow", "is for raw and qcow2 alone", value=image_format)
    if options.compat and options.compat not in COMPATS:
        raise invalid_field(f"{message}.compat", f"must be one of {', '.join(COMPATS)}", value=options.compat)
    _check_features(f"{message}.features", options)
    _check_cluster_size(f"{message}.cluster_size_bytes", options)


def _check_features(field: str, options: ImageOptions) -> None:
    for feature in options.features:
        if feature not in FEATURES:
            raise invalid_field(field, f"must be of {', '.join(sorted(FEATURES))}", value=feature)
    if len(set(options.features)) < len(options.features):
        raise invalid_field(field, "names a feature twice", value=",".join(options.features))
    if options.features and made_compat(options) == "0.10":
        raise invalid_field(field, "needs compat 1.1", value=",".join(options.features))


def _check_cluster_size(field: str, options: ImageOptions) -> None:
    size_bytes = options.cluster_size_bytes
    if size_bytes is None:
        return
    extended = "extended_l2" in options.features
    smallest_bytes = SMALLEST_EXTENDED_CLUSTER_BYTES if extended else SMALLEST_CLUSTER_BYTES
    if not smallest_bytes <= size_bytes <= LARGEST_CLUSTER_BYTES or size_bytes.bit_count() != 1:
        beside = " with extended_l2" if extended else ""
        reason = f"must be a power of two between {smallest_bytes} and {LARGEST_CLUSTER_BYTES}{beside}"
        raise invalid_field(field, reason, value=str(size_bytes))
