"""What a container lets its processes have, read from folders as the kernel shows them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pointsman.system import container
from pointsman.system.container import Memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has control groups")
GB = 1 << 30
STAT = f"anon 5\nfile {GB}\ninactive_file {GB // 2}\nactive_file {GB // 4}\nshmem 7\n"


def written(folder: Path, **files: str) -> None:
    """A group; two underscores stand for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def member(tmp_path: Path, text: str) -> Path:
    """What the kernel says of the groups of a process."""
    path = tmp_path / "member"
    path.write_text(text)
    return path


def test_the_tightest_of_the_groups_around(tmp_path: Path) -> None:
    """Ours has no limit, the one around it has; what it holds of files could be dropped."""
    root = tmp_path / "cgroup"
    written(root / "user" / "app", memory__max="max", memory__current=str(GB), cpu__max="max 100000")
    written(
        root / "user",
        memory__max=str(4 * GB),
        memory__current=str(2 * GB),
        memory__stat=STAT,
        cpu__max="150000 100000",
    )
    written(root, cpu__max="800000 100000")
    ours = member(tmp_path, "0::/user/app\n")
    assert container.memory(root, ours) == Memory(limit=4 * GB, left=2 * GB + 3 * GB // 4)
    assert container.processors(root, ours) == 1.5


def test_a_container_that_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    """Whatever path it is told."""
    root = tmp_path / "cgroup"
    written(root, memory__max=str(GB), memory__current=str(3 * GB), cpu__max="50000 100000")
    for path in ("/", "/docker/0123", "/../elsewhere"):
        ours = member(tmp_path, f"0::{path}\n")
        assert container.memory(root, ours) == Memory(limit=GB, left=0)
        assert container.processors(root, ours) == 0.5


def test_the_older_kind(tmp_path: Path) -> None:
    """A folder for each controller."""
    root = tmp_path / "cgroup"
    stat = "inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 20"
    written(root / "memory" / "box", memory__limit_in_bytes="1000", memory__usage_in_bytes="600", memory__stat=stat)
    written(root / "memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="600")
    written(root / "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    written(root / "cpu,cpuacct" / "box", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    ours = member(tmp_path, "5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/\n")
    assert container.memory(root, ours) == Memory(limit=1000, left=520)
    assert container.processors(root, ours) == 2.0


@pytest.mark.parametrize(
    "text", ["", "nonsense", "0::/\n", "0::/user\n", "1:memory:/x\n", ":::::\n", "0:" * 50], ids=range(7)
)
def test_no_limit(tmp_path: Path, text: str) -> None:
    """No files, and files that say nothing that can be read."""
    root = tmp_path / "cgroup"
    assert container.memory(root, member(tmp_path, text)) is None
    written(root / "user", memory__max="lots", memory__current="", cpu__max="", memory__stat="x")
    assert container.memory(root, member(tmp_path, text)) is None
    assert container.processors(root, member(tmp_path, text)) is None
    assert container.memory(root, tmp_path / "none") is None


def test_this_machine() -> None:
    """Whatever its groups are, they read."""
    ours, share = container.memory(), container.processors()
    assert ours is None or 0 <= ours.left <= ours.limit
    assert share is None or share > 0
