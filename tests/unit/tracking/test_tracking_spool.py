"""The spool on disk: torn and damaged lines, how far it got, who owns it, groups, and a disk that is full."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunetrack.tracking.commands import Command, Decision, End, Files, Group, Log, RunRef, Work, decode, encode, merge
from tunetrack.tracking.names import RunStatus
from tunetrack.tracking.sending.overflow import WriterLimits
from tunetrack.tracking.sending.sources import DeadSpool
from tunetrack.tracking.sending.spool import Spool
from tunetrack.tracking.sending.spool_file import SpoolFile, spool_names

RUN = RunRef("1", key="study/0")
OTHER = RunRef("1", key="study/1")


def log(step: int, run: RunRef = RUN) -> Log:
    return Log(run, (("m", step / 10, 1000 + step, step),))


def steps(commands: list[Work | Group]) -> list[int]:
    return [point[3] for command in commands if isinstance(command, Log) for point in command.metrics]


def ending(name: str, number: int = 0, folder: str = "") -> Group:
    files = (Files(RUN, folder),) if folder else ()
    return Group(name, number, 5, (log(99), *files, End(RUN, RunStatus.FINISHED, 5)))


def everything(source: Spool | DeadSpool) -> list[Work | Group]:
    found: list[Work | Group] = []
    while source.pending:
        found += source.take()
        source.commit()
    return found


def left_by_a_dead_process(folder: Path, *commands: Command) -> Path:
    """The log of a spool whose owner is gone."""
    file = SpoolFile.create(folder)
    file.append(b"".join(map(encode, commands)))
    file.close(remove=False)
    return folder / f"{file.name}.log"


def adopted(folder: Path, *ended: int) -> list[DeadSpool]:
    files = (SpoolFile.adopt(folder, name) for name in spool_names(folder))
    return [DeadSpool(file, ended.__contains__) for file in files if file is not None]


def test_numbers_come_back_as_they_were() -> None:
    values = (0.1 + 0.2, 1e-320, -0.0, math.nan, 1e308)
    line = encode(Group("g", 1, 2, (Log(RUN, tuple(("m", value, 1, 1) for value in values), tags={"t": "ä\n\r"}),)))
    assert line.count(b"\n") == 1
    back = decode(line[:-1])
    assert isinstance(back, Group)
    part = back.parts[0]
    assert isinstance(part, Log)
    assert [repr(point[1]) for point in part.metrics] == [repr(value) for value in values]
    assert part.tags == {"t": "ä\n\r"}


def test_a_text_that_is_no_unicode_is_kept_as_far_as_it_is() -> None:
    back = decode(encode(Log(RUN, (("m", math.nan, 1, 1),), tags={"reason": "no file a\udcffb"}))[:-1])
    assert isinstance(back, Log)
    assert (back.tags, len(back.metrics)) == ({"reason": "no file a?b"}, 1)


def test_merge_joins_what_a_run_logs_but_not_across_anything_else_about_it() -> None:
    end = End(RUN, RunStatus.FINISHED, 1)
    plan = merge([log(1), log(1, OTHER), log(2), end, log(3), log(2, OTHER)])
    assert plan == [[log(1), log(2)], [log(1, OTHER), log(2, OTHER)], [end], [log(3)]]
    whole = Log.joined([Log(RUN, (("a", 1.0, 0, 1),), {"p": "1"}), Log(RUN, (("a", 2.0, 0, 2),), tags={"t": "x"})])
    assert whole == Log(RUN, (("a", 1.0, 0, 1), ("a", 2.0, 0, 2)), {"p": "1"}, {"t": "x"})
    first, second = whole.halves()
    assert (len(first), len(second), Log.joined([first, second])) == (2, 2, whole)


def test_a_torn_last_line_is_cut_off_and_what_is_before_it_is_sent(tmp_path: Path) -> None:
    path = left_by_a_dead_process(tmp_path, log(1), log(2))
    with path.open("ab") as file:
        file.write(encode(log(3))[:-7])
    (source,) = adopted(tmp_path)
    assert (source.pending, steps(everything(source)), source.lost) == (2, [1, 2], 0)
    source.close()
    assert not list(tmp_path.iterdir())


def test_a_damaged_line_is_counted_and_takes_no_other_with_it(tmp_path: Path) -> None:
    path = left_by_a_dead_process(tmp_path, log(1), log(2), log(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"0.2", b"0.7") + lines[2])
    (source,) = adopted(tmp_path)
    assert (steps(everything(source)), source.lost) == ([1, 3], 1)


def test_sending_goes_on_where_it_stopped_and_starts_over_where_that_is_not_known(tmp_path: Path) -> None:
    path = left_by_a_dead_process(tmp_path, log(1), log(2))
    (source,) = adopted(tmp_path)
    assert steps(source.take()) == [1, 2]
    source.commit()
    SpoolFile.append(source._open, encode(log(3)))
    source.pending = 1
    source.close()
    (source,) = adopted(tmp_path)
    assert steps(everything(source)) == [3]
    source.pending = 1
    source.close()
    # After a power cut the note may be that of another time.
    path.with_suffix(".sent").write_text(f"{10:>20} deadbeef\n")
    (source,) = adopted(tmp_path)
    assert steps(everything(source)) == [1, 2, 3]


def test_the_spool_of_a_living_process_is_left_alone_and_spools_come_by_age(tmp_path: Path) -> None:
    alive = Spool(tmp_path, WriterLimits())
    alive.append([log(0)])
    left_by_a_dead_process(tmp_path, log(1))
    left_by_a_dead_process(tmp_path, log(2))
    found = adopted(tmp_path)
    assert [steps(everything(source)) for source in found] == [[1], [2]]
    assert not adopted(tmp_path)  # those are owned now as well
    for source in found:
        source.close()
    assert steps(everything(alive)) == [0]
    assert alive.close() == 0
    assert not tmp_path.exists()


def test_a_forked_child_does_not_keep_the_spool_of_its_dead_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from tunetrack.tracking.sending.spool_file import SpoolFile;"
        "file = SpoolFile.create(Path(sys.argv[1]));"
        "pid = os.fork();"
        "time.sleep(60) if not pid else (print(pid, flush=True), os.kill(os.getpid(), 9))"
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, tmp_path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            parent.wait(60)
            (name,) = spool_names(tmp_path)
            assert SpoolFile.adopt(tmp_path, name) is not None
        finally:
            os.kill(child, 9)


def test_a_group_waits_for_its_decision_and_nothing_waits_for_the_group(tmp_path: Path) -> None:
    spool = Spool(tmp_path, WriterLimits())
    folder = spool.put({"a/b.txt": b"b"})
    assert folder
    spool.append([log(1), ending("g", folder=folder), log(2)])
    assert steps(everything(spool)) == [1, 2]
    spool.append([Decision("g", True), log(3)])
    assert steps(everything(spool)) == [99, 3]
    with spool.folder(folder) as gone:
        assert gone is None  # it was stored, and would be skipped if it were sent again
    spool.append([ending("h"), Decision("h", False)])
    assert everything(spool) == []
    assert spool.close() == 0
    assert not tmp_path.exists()


@pytest.mark.parametrize("ended", [True, False])
def test_an_undecided_ending_is_sent_if_the_search_state_knows_the_trial_as_finished(
    tmp_path: Path, ended: bool
) -> None:
    file = SpoolFile.create(tmp_path)
    file.put("000001", {"weights.pt": b"w"})
    file.append(b"".join(map(encode, [log(1), ending("g", 7, "000001"), log(2)])))
    file.close(remove=False)
    for _ in range(2):  # whoever adopts it next finds the decision already there
        (source,) = adopted(tmp_path, *([7] if ended else []))
        source.close()
    (source,) = adopted(tmp_path)
    commands = everything(source)
    assert [command for command in commands if isinstance(command, Group)] == ([ending("g", 7, "000001")] * ended)
    assert steps(commands) == [1, 2]
    source.close()
    assert not list(tmp_path.iterdir())


def test_commands_behind_an_undecided_group_are_sent_again_after_a_crash(tmp_path: Path) -> None:
    spool = Spool(tmp_path, WriterLimits())
    spool.append([log(1), ending("g", 7), log(2)])
    assert steps(everything(spool)) == [1, 2]
    assert spool.close() == 0  # nothing to send, but the ending must not be forgotten
    (source,) = adopted(tmp_path, 7)
    commands = everything(source)
    assert (steps(commands), commands[-1]) == ([2], ending("g", 7))


def test_a_large_file_begins_anew_once_all_is_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path, WriterLimits(file_bytes=2000))
    for step in range(100):
        spool.append([log(step)])
    assert steps(everything(spool)) == list(range(100))
    (path,) = tmp_path.glob("*.log")
    assert path.stat().st_size == 0
    spool.append([log(100)])
    assert steps(everything(spool)) == [100]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_once_and_memory_takes_over_in_order(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", WriterLimits())
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    spool.append([log(1)])
    folder = spool.put({"weights.pt": bytes(30_000)})
    assert folder
    assert not list(small_disk.glob("spool/*/*"))  # nothing is left half written
    spool.append([Files(RUN, folder), *(log(step) for step in range(2, 200))])
    assert (spool.lost, spool.pending) == (0, 200)
    (news,) = spool.news
    assert "the disk is full" in news
    with spool.folder(folder) as written:
        assert written is not None
        assert (written / "weights.pt").stat().st_size == 30_000
    ballast.unlink()
    spool._retry_at = 0.0
    assert steps(spool.take()) == [1, *range(2, 200)]
    spool.commit()
    assert steps(everything(spool)) == []
    assert spool.close() == 0
    assert not list(small_disk.iterdir())


def test_there_is_room_again_and_what_was_in_memory_survives_a_crash(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", WriterLimits())
    ballast = small_disk / "ballast"
    spool.append([log(0)])
    assert steps(everything(spool)) == [0]
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    count = 0
    while not spool.news:  # the last page of the file has some room left
        spool.append([log(count + 1)])
        count += 1
    assert spool.lost == 0
    ballast.unlink()
    spool._retry_at = 0.0
    spool.append([log(count + 1)])  # in its place, behind what is in memory
    assert spool.close() == count + 1
    (source,) = adopted(small_disk / "spool")
    assert steps(everything(source)) == list(range(1, count + 2))
    source.close()


def test_what_neither_disk_nor_memory_has_room_for_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    spool = Spool(tmp_path / "file" / "spool", WriterLimits(pending=3))
    spool.append([log(step) for step in range(10)])
    assert (spool.lost, spool.pending, len(spool.news)) == (7, 3, 2)
    assert steps(everything(spool)) == [0, 1, 2]
    assert spool.put({"large": bytes(80 << 20)}) is None
    assert spool.lost == 7
    spool.append([log(10)])
    assert (spool.close(), spool.unkept) == (0, 1)


def test_what_is_being_sent_from_memory_is_on_the_disk_as_soon_as_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    spool = Spool(tmp_path / "file" / "spool", WriterLimits())
    assert not spool.append([log(0), log(1)])
    assert steps(spool.take()) == [0, 1]  # and the store is away now
    (tmp_path / "file").unlink()
    assert not spool.settle()  # the disk gets a rest
    spool._retry_at = 0.0
    assert spool.append([log(2)])
    assert spool.settle()
    spool.commit()
    assert spool.pending == 3
    assert steps(everything(spool)) == [0, 1, 2]  # again, which MLflow stores once
    assert spool.close() == 0


_FILE_LIMIT = """
import resource, sys
from pathlib import Path
from tunetrack.tracking.commands import Log, RunRef
from tunetrack.tracking.sending.overflow import WriterLimits
from tunetrack.tracking.sending.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), WriterLimits())
for step in range(100):
    spool.append([Log(RunRef("1", key="k"), (("m", 0.5, 1, step),))])
found = []
while spool.pending:
    found += [log.metrics[0][3] for log in spool.take()]
    spool.commit()
assert found == list(range(100)), found
print(len(spool.news), spool.lost)
"""


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FILE_LIMIT, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("1 0\n", "")
