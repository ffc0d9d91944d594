"""Knows what can be asked of a tracking store, as plain data that survives a crash: one line of a spool each.

A line is the checksum of the rest in eight hexadecimal digits, a space, and the command as JSON. What a crash has torn
or a disk has damaged does not fit its checksum and is recognised.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from tunetrack.tracking.datasets import DatasetInfo
from tunetrack.tracking.names import RunStatus

__all__ = [
    "Command",
    "Decision",
    "End",
    "Files",
    "Group",
    "Inputs",
    "Log",
    "OpenTrial",
    "Point",
    "Reopen",
    "RunRef",
    "Texts",
    "View",
    "Work",
    "checksum",
    "decode",
    "encode",
    "merge",
]

#: NaN is a metric's value like any other.
_NAN_ALLOWED = ConfigDict(ser_json_inf_nan="constants")

#: Name, value, time in ms since 1970, step.
Point: TypeAlias = tuple[str, float, int, int]


@dataclass(frozen=True, slots=True)
class RunRef:
    """Which run a command is about.

    Attributes:
        experiment: id of its experiment.
        key: value of the tag by which a trial's run is found; empty for a run that is known by its id.
        run_id: MLflow's id; empty for a trial's run, which may not have been created when the command is written down.
    """

    experiment: str
    key: str = ""
    run_id: str = ""

    def __str__(self) -> str:
        return self.key or self.run_id


@dataclass(frozen=True, slots=True)
class OpenTrial:
    """Find a trial's run by its key, else create it.

    Attributes:
        run: by its key.
        name: what MLflow shows.
        tags: of a new run, the key among them.
        start: ms since 1970.
        existing: whether it may be there already; it is then looked for first, and set RUNNING again.
    """

    run: RunRef
    name: str
    tags: dict[str, str]
    start: int
    existing: bool = False
    do: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Log:
    """Store metrics, params and tags of one run."""

    run: RunRef
    metrics: tuple[Point, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    do: Literal["log"] = "log"

    __pydantic_config__ = _NAN_ALLOWED

    def __len__(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)

    def halves(self) -> tuple[Log, Log]:
        """The same in two commands, each about half as large; each has something where this one has two or more."""
        entries = [
            *(Log(self.run, metrics=(point,)) for point in self.metrics),
            *(Log(self.run, params={key: value}) for key, value in self.params.items()),
            *(Log(self.run, tags={key: value}) for key, value in self.tags.items()),
        ]
        middle = len(entries) // 2
        return Log.joined(entries[:middle]), Log.joined(entries[middle:])

    @classmethod
    def joined(cls, logs: Sequence[Log]) -> Log:
        """What several commands about the same run say, the later one counting."""
        if len(logs) == 1:
            return logs[0]
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        for log in logs:
            params.update(log.params)
            tags.update(log.tags)
        return cls(logs[0].run, tuple(point for log in logs for point in log.metrics), params, tags)


@dataclass(frozen=True, slots=True)
class Files:
    """Store the files of a folder as artifacts; `folder` is its name below the spool's own."""

    run: RunRef
    folder: str
    do: Literal["files"] = "files"


@dataclass(frozen=True, slots=True)
class Texts:
    """Store texts as artifacts; they are in the line itself, which is written faster than files.

    Attributes:
        texts: content by relative path.
        documents: plain data by relative path, stored as YAML. Making that takes a millisecond, the sender's.
    """

    run: RunRef
    texts: dict[str, str] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    do: Literal["texts"] = "texts"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Store a data set as inputs of a run."""

    run: RunRef
    dataset: DatasetInfo
    do: Literal["inputs"] = "inputs"


@dataclass(frozen=True, slots=True)
class Reopen:
    """Set a run RUNNING again, with a name and tags; `at` in ms since 1970."""

    run: RunRef
    name: str
    tags: dict[str, str]
    at: int
    do: Literal["reopen"] = "reopen"


@dataclass(frozen=True, slots=True)
class End:
    """End a run; `at` in ms since 1970."""

    run: RunRef
    status: RunStatus
    at: int
    do: Literal["end"] = "end"


@dataclass(frozen=True, slots=True)
class View:
    """Write a study's saved view, a tag of its experiment, where MLflow's UI is one that the format was tested with."""

    run: RunRef
    key: str
    value: str
    do: Literal["view"] = "view"


Work: TypeAlias = OpenTrial | Log | Texts | Files | Inputs | Reopen | End | View


@dataclass(frozen=True, slots=True)
class Group:
    """What ends a trial, written down before it is known whether it counts. Nothing is done before a `Decision`.

    Attributes:
        group: its name.
        number: the trial's number.
        at: when the trial ended, ms since 1970.
        parts: what to do, in order; all about one run.
    """

    group: str
    number: int
    at: int
    parts: tuple[Annotated[Log | Texts | Files | End, Field(discriminator="do")], ...]
    do: Literal["group"] = "group"

    @property
    def run(self) -> RunRef:
        """The run that all parts are about."""
        return self.parts[0].run


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a `Group` is sent or forgotten."""

    group: str
    send: bool
    do: Literal["decision"] = "decision"


Command: TypeAlias = Work | Group | Decision

_LINES: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="do")], config=_NAN_ALLOWED)
#: What the training thread writes for every epoch takes half as long without a choice among kinds.
_LOG = TypeAdapter(Log)


def checksum(content: bytes) -> str:
    """Eight hexadecimal digits."""
    return f"{zlib.crc32(content):08x}"


def encode(command: Command) -> bytes:
    """The command as a line, its end included."""
    try:
        content = _LOG.dump_json(command) if isinstance(command, Log) else _LINES.dump_json(command)
    except PydanticSerializationError:  # a text that is no Unicode, such as the path of a file in another encoding
        content = json.dumps(asdict(command), ensure_ascii=False).encode("utf-8", "replace")
    return b"%b %b\n" % (checksum(content).encode(), content)


def decode(line: bytes) -> Command | None:
    """The command of a line without its end; None where it is torn, damaged or of another version."""
    check, _, content = line.partition(b" ")
    if check != checksum(content).encode():
        return None
    try:
        return _LINES.validate_json(content)
    except ValidationError:
        return None


def merge(commands: Iterable[Work | Group]) -> list[list[Work | Group]]:
    """Put `Log`s of the same run together wherever nothing else about that run lies between; each run's order stays."""
    plan: list[list[Work | Group]] = []
    open_logs: dict[RunRef, list[Work | Group]] = {}
    for command in commands:
        if not isinstance(command, Log):
            open_logs.pop(command.run, None)
            plan.append([command])
        elif command.run in open_logs:
            open_logs[command.run].append(command)
        else:
            open_logs[command.run] = [command]
            plan.append(open_logs[command.run])
    return plan
