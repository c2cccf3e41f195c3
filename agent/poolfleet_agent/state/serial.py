"""The model's values as JSON documents, by their type hints: the one place that knows how they look on disk.

A field that a stored document lacks takes its default, one that the model no longer has is ignored. Texts must be
encodable as UTF-8 (those of libvirt, of requests and of error messages are).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.pool_source import SOURCES
from poolfleet_agent.model.volume import VolumeFacts

_Value = TypeVar("_Value")

_CONFIG = ConfigDict(
    ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants", hide_input_in_errors=True
)


class UnreadableDocumentError(Exception):
    """A stored document is not what the model expects."""


class Serial(Generic[_Value]):
    """Both ways for one type. Fields that have their default are left out, so that documents stay small."""

    def __init__(self, adapter: TypeAdapter[tuple[_Value]]) -> None:
        self._adapter = adapter

    def write(self, value: _Value) -> bytes:
        """Give the document: one line, an array of the one value."""
        return self._adapter.dump_json((value,), exclude_defaults=True)

    def read(self, document: bytes) -> _Value:
        """Give the value: UnreadableDocumentError."""
        try:
            return self._adapter.validate_json(document)[0]
        except ValidationError as error:
            raise UnreadableDocumentError(str(error)) from error


_SOURCE_OF_TYPE: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in SOURCES.items()}


def _with_typed_sources(pool: Any) -> Any:
    """Read the sources of a pool's definitions as what the pool types have: their fields alone do not tell."""
    facts = pool.get("facts") if isinstance(pool, dict) else None
    for name in ("definition", "stored_definition"):
        definition = facts.get(name) if isinstance(facts, dict) else None
        if isinstance(definition, dict) and definition.get("source") is not None:
            source_of_type = _SOURCE_OF_TYPE.get(str(definition.get("type")))
            if source_of_type is not None:
                definition["source"] = source_of_type.validate_python(definition["source"])
    return pool


# In a tuple, because pydantic takes settings for what stands in a container, but not for a dataclass itself.
OPERATION = Serial(TypeAdapter(tuple[Operation], config=_CONFIG))
POOL = Serial(TypeAdapter(tuple[Annotated[Pool, BeforeValidator(_with_typed_sources)]], config=_CONFIG))
VOLUME = Serial(TypeAdapter(tuple[VolumeFacts], config=_CONFIG))
