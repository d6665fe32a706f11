"""What docs/operations.md tells people to do with Redis, done."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.pinning import pin
from shared.redis.connection import RedisUnavailable, connect
from shared.redis.local import local_client
from shared.settings import load
from shared.shards import LAYOUT_KEY
from tests.deploy.manifests import ROOT
from tests.waiting import until

Start = Callable[..., int]


def test_a_snapshot_is_restored_and_the_append_only_file_goes_on_from_it(
    start_redis: Start, tmp_path: Path
) -> None:
    with connect(f"redis://127.0.0.1:{start_redis('--appendonly', 'yes', folder=tmp_path)}") as client:
        pin(client, 64)
        client.save()
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(tmp_path / "dump.rdb", restored / "backup.rdb")
    port = start_redis("--dbfilename", "backup.rdb", "--appendonly", "no", folder=restored)
    with local_client(port, timeout_s=5.0) as client:
        assert client.exists(LAYOUT_KEY)
        client.config_set("appendonly", "yes")
        until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the first append-only file")
        client.set("afterwards", "kept")
        client.shutdown(nosave=True)
    again = start_redis("--appendonly", "yes", folder=restored)
    with connect(f"redis://127.0.0.1:{again}") as client:
        assert client.exists(LAYOUT_KEY, "afterwards") == 2


def test_a_password_is_rotated_while_both_hold(start_redis: Start) -> None:
    port = start_redis()
    with local_client(port, timeout_s=5.0) as admin:
        admin.execute_command(
            "ACL", "SETUSER", "selfmis", "on", ">old", "~*", "+@all", "-@admin", "-@dangerous", "+info"
        )
        admin.execute_command("ACL", "SETUSER", "selfmis", ">new")
        for password in ("old", "new"):
            connect(f"redis://selfmis:{password}@127.0.0.1:{port}").close()
        admin.execute_command("ACL", "SETUSER", "selfmis", "<old")
    with pytest.raises(RedisUnavailable, match="password"):
        connect(f"redis://selfmis:old@127.0.0.1:{port}")
    connect(f"redis://selfmis:new@127.0.0.1:{port}").close()


def test_every_variable_that_people_are_told_of_is_a_setting() -> None:
    places = [ROOT / "docs" / "operations.md", *(ROOT / "deploy" / "docker").glob("*.yaml")]
    places += (ROOT / "deploy" / "kubernetes").rglob("*.yaml")
    named = set(re.findall(r"\bSELFMIS_[A-Z_]+\b", "\n".join(path.read_text("utf-8") for path in places)))
    settings = load(environ={})
    known = {f"SELFMIS_{row[0].replace('.', '_').upper()}" for row in settings.rows()}
    assert {"SELFMIS_API_VIEW_TOKEN", "SELFMIS_API_ACT_TOKEN", "SELFMIS_REDIS_URL"} <= named
    assert named - known == set()


def test_every_file_that_the_pages_name_is_there() -> None:
    """What people make themselves (in `var`, secrets) is none of them."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    of_ours = re.compile(r"(?<![\w/.-])(?:deploy|docs|services|shared|tests|training|benchmarks)/[\w./-]*\w")
    missing = {}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        named = set(of_ours.findall(text))
        named |= {f"docs/{name}" for name in re.findall(r"\]\((\w[\w-]*\.md)", text) if page.parent.name == "docs"}
        absent = sorted(each for each in named if "/secrets/" not in each and not (ROOT / each).exists())
        if absent:
            missing[page.name] = absent
    assert missing == {}
