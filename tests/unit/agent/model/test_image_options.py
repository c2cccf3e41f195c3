"""Layouts of images: which there are, and which libvirt makes where little is said."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_options import ImageOptions, check_options, made_compat


@pytest.mark.parametrize(
    ("image_format", "stated"),
    [
        ("raw", {}),
        ("vmdk", {}),
        ("raw", {"nocow": True}),
        ("qcow2", {"nocow": True, "compat": "0.10", "cluster_size_bytes": 512}),
        ("qcow2", {"compat": "1.1", "features": ("lazy_refcounts", "extended_l2"), "cluster_size_bytes": 16384}),
        ("qcow2", {"cluster_size_bytes": 2 << 20, "features": ("lazy_refcounts",)}),
    ],
)
def test_a_layout_that_an_image_can_have(image_format: str, stated: Any) -> None:
    check_options("spec", image_format, ImageOptions(**stated))


@pytest.mark.parametrize(
    ("image_format", "stated", "field"),
    [
        ("raw", {"compat": "1.1"}, "spec.compat"),
        ("raw", {"cluster_size_bytes": 0}, "spec.cluster_size_bytes"),
        ("vmdk", {"features": ("lazy_refcounts",)}, "spec.features"),
        ("vmdk", {"nocow": True}, "spec.nocow"),
        ("qcow2", {"compat": "9"}, "spec.compat"),
        ("qcow2", {"compat": "1.1,backing_file=/etc/shadow"}, "spec.compat"),
        ("qcow2", {"features": ("quick",)}, "spec.features"),
        ("qcow2", {"features": ("extended_l2", "extended_l2")}, "spec.features"),
        ("qcow2", {"features": ("extended_l2",), "compat": "0.10"}, "spec.features"),
        ("qcow2", {"cluster_size_bytes": 1000}, "spec.cluster_size_bytes"),
        ("qcow2", {"cluster_size_bytes": 256}, "spec.cluster_size_bytes"),
        ("qcow2", {"cluster_size_bytes": 4 << 20}, "spec.cluster_size_bytes"),
        ("qcow2", {"cluster_size_bytes": -512}, "spec.cluster_size_bytes"),
        ("qcow2", {"cluster_size_bytes": 8192, "features": ("extended_l2",)}, "spec.cluster_size_bytes"),
    ],
)
def test_a_layout_that_it_cannot_have_names_its_field(image_format: str, stated: Any, field: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_options("spec", image_format, ImageOptions(**stated))
    assert refused.value.reason is Reason.INVALID_FIELD
    assert [violation.field for violation in refused.value.violations] == [field]


@pytest.mark.parametrize(
    ("stated", "compat"),
    [({}, "0.10"), ({"features": ("lazy_refcounts",)}, "1.1"), ({"compat": "1.1"}, "1.1")],
)
def test_libvirt_makes_old_images_unless_more_is_asked_for(stated: Any, compat: str) -> None:
    assert made_compat(ImageOptions(**stated)) == compat
