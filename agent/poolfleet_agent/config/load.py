"""Reading the configuration: a TOML file and, over it, the environment; whatever is wrong is said in sentences."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from poolfleet_agent.config.settings import ENVIRONMENT_PREFIX, Settings


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        """Take the sentences."""
        super().__init__("; ".join(problems))
        self.problems = problems


def load(path: Path | None) -> Settings:
    """Read a file (None: only the environment and defaults); raises ConfigurationError."""
    try:
        document = {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: is not TOML: {error}"]) from error
    sections = {name: name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower() for name in _environment()}
    unknown = [
        f"{name}: {_unknown(key, Settings)}" for name, key in sections.items() if key not in Settings.model_fields
    ]
    if unknown:
        raise ConfigurationError(unknown)
    try:
        return Settings(**document)
    except ValidationError as error:
        raise ConfigurationError([_sentence(detail) for detail in error.errors()]) from error
    except SettingsError as error:
        raise ConfigurationError([f"the environment: {error}; lists are written as JSON"]) from error


def to_toml(settings: Settings) -> str:
    """Write the whole configuration as it holds, as a file that `load` reads back to the same."""
    return "\n".join(_table(settings.model_dump(mode="json", exclude_none=True), ())).strip() + "\n"


def _environment() -> list[str]:
    return [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    # Strings, numbers, booleans and lists of them are written in TOML as in JSON.
    nested = {key: value for key, value in table.items() if _is_nested(value)}
    for key, value in table.items():
        if key not in nested:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in nested.items():
        name = ".".join((*path, key))
        heading = f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"
        for entry in [value] if isinstance(value, dict) else value:
            yield f"\n{heading}"
            yield from _table(entry, (*path, key))


def _is_nested(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _sentence(detail: ErrorDetails) -> str:
    where = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        return f"{'.'.join(where)}: {_unknown(where[-1], _section_at(where[:-1]))}"
    message = detail["msg"].removeprefix("Value error, ")
    return ": ".join(part for part in (".".join(where), message) if part)


def _unknown(key: str, section: type[BaseModel]) -> str:
    known = list(section.model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"there is no such setting; {hint}"


def _section_at(where: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = Settings
    for part in where:
        if part in section.model_fields:
            annotation = section.model_fields[part].annotation
            found = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
            section = found[0] if found else section
    return section
