"""The reference of the Python library, from the objects themselves: their signatures, fields and docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, get_args

import poolfleet.aio
from poolfleet.blocking import agent as blocking_agent
from poolfleet.blocking.face import Face
from poolfleet.inventory import model as inventory_model
from poolfleet.inventory.check import model as check_model
from scripts import markdown

FOLDER = "reference/python"
_ASYNC_ITERATOR = re.compile(r"^Async(?:Iterator|Generator)\[(.*?)(?:, None)?\]$")
_WIDTH = 100
# The pages: title, what they say first, and the modules whose public names they have.
_PAGES = {
    "client": (
        "AgentClient",
        "One agent. Its `pools`, `volumes`, `secrets`, `operations` and `inventory` are of the classes below it.",
        ("agent",),
    ),
    "fleet": ("Fleet", "Many agents, and what comes of a call to them.", ("fleet", "hosts", "result", "fleet_file")),
    "inventory": ("Inventory", "What a fleet stores, each storage and each volume once.", ("model",)),
    "check": ("StorageCheck", "Hosts on which a storage is not as on the others.", ("model",)),
    "pools": (
        "Pools",
        "What a pool is asked to be, and what it is.",
        ("pool_spec", "pool", "pool_source", "retry", "probe", "discovery"),
    ),
    "volumes": ("Volumes", "What a volume is asked to be, and what it is; who uses it.", ("volume", "disk")),
    "watching": ("Watching", "How a host's inventory is followed, change by change.", ("watched", "inventory")),
    "store": ("Store", "The inventory of a fleet in a database.", ("addresses", "port", "sync")),
    "secrets": ("Secrets", "Passphrases and keys.", ("secret",)),
    "operations": ("Operations", "The records of changes.", ("operation",)),
    "hosts": (
        "Agents and connections",
        "What an agent tells of itself, and how it is reached.",
        ("agent", "connection", "snapshot"),
    ),
    "errors": ("Exceptions", "One tree; `reason` says what was wrong ([Errors](../../errors.md)).", ("errors",)),
    "aio": (
        "asyncio",
        "`poolfleet.aio` has the same two classes for who has an event loop: the methods are coroutines, and lists are"
        " asynchronous iterators. The parts of `AgentClient` have the methods of those of the blocking one. All other"
        " names are those of `poolfleet`.",
        (),
    ),
}

# Those that have all of a module, also what `poolfleet` does not name itself.
_MODELS = {"inventory": inventory_model, "check": check_model}


def pages() -> dict[str, str]:
    """The pages, by their paths in the site."""
    return {
        f"{FOLDER}/{page}.md": "\n\n".join((f"# {title}", about, *_classes(page))) + "\n"
        for page, (title, about, _) in _PAGES.items()
    }


def documented() -> dict[str, list[Any]]:
    """The classes and functions of each page, in their order."""
    return {page: _documented(page) for page in _PAGES}


def _documented(page: str) -> list[Any]:
    if page == "client":
        parts = ("Pools", "Volumes", "Secrets", "Operations", "Inventory")
        return [poolfleet.AgentClient, *(getattr(blocking_agent, name) for name in parts)]
    if page == "aio":
        return [poolfleet.aio.AgentClient, poolfleet.aio.Fleet]
    model = _MODELS.get(page)
    names = (getattr(poolfleet, name) for name in poolfleet.__all__) if model is None else vars(model).values()
    modules = _PAGES[page][2]
    found = [
        each
        for each in names
        if (inspect.isclass(each) or inspect.isfunction(each))
        and (_module(each) in modules if model is None else each.__module__ == model.__name__)
        and each is not poolfleet.AgentClient
    ]
    return sorted(found, key=lambda each: (modules.index(_module(each)), inspect.getsourcelines(each)[1]))


def _module(kind: Any) -> str:
    return str(kind.__module__).rpartition(".")[2]


def _classes(page: str) -> Iterator[str]:
    for kind in _documented(page):
        yield from _class(kind)


def _class(kind: Any) -> Iterator[str]:
    name = kind.__name__
    yield f"## {name} {{ #{name} }}"
    if inspect.isfunction(kind):
        yield _signature(name, kind)
        yield _docstring(kind)
        return
    about = _about_attributes(kind)
    is_dataclass = dataclasses.is_dataclass(kind)
    if not issubclass(kind, Enum):
        if not is_dataclass and "__init__" in vars(kind):
            yield _signature(name, kind.__init__)
        bases = [base.__name__ for base in kind.__bases__ if issubclass(base, Exception)]
        if bases:
            yield f"A kind of `{bases[0]}`."
    # What a dataclass has no docstring for, Python fills with its signature.
    yield _docstring(kind)
    if issubclass(kind, Enum):
        yield from markdown.table(
            ("Name", "Value", "Meaning"),
            ((f"`{member.name}`", f"`{member.value!r}`", about.get(member.name, "")) for member in kind),
        )
        return
    if is_dataclass:
        yield from markdown.table(
            ("Field", "Type", "Default", "Meaning"),
            (
                (f"`{field.name}`", f"`{_type(field.type)}`", _default(field), about.get(field.name, ""))
                for field in dataclasses.fields(kind)
                if not field.name.startswith("_")
            ),
        )
    yield from _members(kind)


def _members(kind: type[Any]) -> Iterator[str]:
    fields = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    for name, member in vars(kind).items():
        if name.startswith("_") or name in fields or not _is_documented(member):
            continue
        yield f"### {kind.__name__}.{name} {{ #{kind.__name__}.{name} }}"
        if isinstance(member, property):
            returned = inspect.signature(member.fget).return_annotation if member.fget else ""
            yield f"```python\n{name}: {returned}\n```"
        else:
            yield _signature(name, member.__func__ if isinstance(member, classmethod) else member)
        yield _docstring(member)


def _is_documented(member: object) -> bool:
    return isinstance(member, (property, classmethod)) or inspect.isfunction(member)


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    of_class = "." in function.__qualname__
    parameters = list(_parameters(list(signature.parameters.values())[of_class:]))
    returned = str(signature.return_annotation)
    if inspect.iscoroutinefunction(function):
        name = f"async {name}"
    elif not inspect.isasyncgenfunction(function):
        # A blocking method has the signature of the asynchronous one that it stands for.
        returned = _ASYNC_ITERATOR.sub(r"Iterator[\1]", returned)
    answer = "" if name[:1].isupper() or returned == "None" else f" -> {returned}"
    line = f"{name}({', '.join(parameters)}){answer}"
    if len(line) > _WIDTH:
        inner = "".join(f"    {each},\n" for each in parameters)
        line = f"{name}(\n{inner}){answer}"
    return f"```python\n{line}\n```"


def _parameters(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    named_only = False
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not named_only:
            named_only = True
            yield "*"
        default = "" if each.default is inspect.Parameter.empty else f" = {each.default!r}"
        yield f"{each.name}: {each.annotation}{default}"


def _type(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`" if not isinstance(field.default, Enum) else f"`{field.default}`"
    return "" if field.default_factory is dataclasses.MISSING else "empty"


def _docstring(member: object) -> str:
    words = inspect.getdoc(member) or ""
    if inspect.isclass(member) and issubclass(member, Face) and words.startswith("As `"):
        # A part of the blocking client says no more than whose words are its own.
        (core,) = get_args(vars(member)["__orig_bases__"][0])
        words = inspect.getdoc(core) or ""
    return "\n\n".join(_paragraph(each) for each in words.split("\n\n"))


def _paragraph(words: str) -> str:
    lines = words.splitlines()
    starts = [index for index, line in enumerate(lines) if re.match(r"\w+: ", line)]
    # One line for each of its subjects, the next ones of it further in: a list.
    is_list = len(starts) > 1 and starts[0] == 0
    if is_list and all(line.startswith(" ") for index, line in enumerate(lines) if index not in starts):
        return "\n".join(
            f"- `{line.partition(':')[0]}`:{markdown.text(line.partition(':')[2])}"
            if index in starts
            else f"  {markdown.text(line.strip())}"
            for index, line in enumerate(lines)
        )
    return markdown.text(words)


def _about_attributes(kind: type[Any]) -> dict[str, str]:
    """What stands below each attribute of a class in its source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    return dict(_pairs(tree.body)) if isinstance(tree, ast.ClassDef) else {}


def _pairs(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    name = ""
    for statement in body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and name:
            yield name, markdown.one_line(str(statement.value.value))
        else:
            name = ""
