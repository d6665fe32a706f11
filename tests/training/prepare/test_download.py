"""wfdb's own downloader, pointed at a web server of this test that looks like PhysioNet."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from wfdb.io import download as wfdb_download

from training.prepare.command import main
from training.prepare.download import download
from training.prepare.listing import PrepareError
from training.store import Store

Make = Callable[..., Path]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """What the server serves."""
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


@pytest.fixture
def asked() -> list[str]:
    """The paths of the files that were asked for."""
    return []


@pytest.fixture
def mirror(web: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(web))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def physionet(web: Path, ptbxl: Make) -> Path:
    """Four records of PTB-XL as PhysioNet publishes them."""
    for page in ("content/ptb-xl", "content/ptb-xl/1.0.3"):
        (web / page).mkdir(parents=True)
        (web / page / "index.html").write_text("<html>\n<p>Version: 1.0.3</p>\n</html>\n")
    files = web / "files/ptb-xl/1.0.3"
    files.parent.mkdir(parents=True)
    ptbxl("original").rename(files)
    for name in ("scp_statements.csv", "LICENSE.txt"):
        (files / name).write_text("x")
    return files


def test_what_is_downloaded_is_what_is_published(physionet: Path, mirror: str, tmp_path: Path) -> None:
    assert download(tmp_path / "got", mirror=mirror) == 8
    published = {path.relative_to(physionet): path.read_bytes() for path in physionet.rglob("*") if path.is_file()}
    got = {path.relative_to(tmp_path / "got"): path.read_bytes() for path in (tmp_path / "got").rglob("*.*")}
    assert got == published


def test_a_second_download_goes_on_where_the_first_ended(
    physionet: Path, mirror: str, asked: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "got"
    assert download(out, mirror=mirror, limit=2) == 4
    cut = out / "records100/00000/00002_lr.dat"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:1000])
    asked.clear()
    assert download(out, mirror=mirror, limit=3) == 3
    assert cut.read_bytes() == whole
    assert not any("00001_lr" in path or path.endswith(".csv") for path in asked)


def test_downloading_and_preparing_are_one_command(physionet: Path, mirror: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert main(["--download", str(tmp_path / "ptb"), "--mirror", mirror, "--out", str(store)]) == 0
    assert len(Store(store)) == 4


def test_wfdb_is_left_as_it_was(physionet: Path, mirror: str, tmp_path: Path) -> None:
    before = wfdb_download.PN_CONTENT_URL, wfdb_download.config.db_index_url
    download(tmp_path / "got", mirror=mirror, limit=1)
    assert (wfdb_download.PN_CONTENT_URL, wfdb_download.config.db_index_url) == before


def test_a_file_that_is_not_there_is_one_line(physionet: Path, mirror: str, tmp_path: Path) -> None:
    (physionet / "records100/00000/00003_lr.dat").unlink()
    with pytest.raises(PrepareError, match=r"cannot download ptb-xl from .*; run it again to go on") as raised:
        download(tmp_path / "got", mirror=mirror)
    assert "\n" not in str(raised.value)


def test_a_server_without_the_data_set_is_one_line(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="cannot download ptb-xl"):
        download(tmp_path / "got", mirror=mirror)


def test_a_page_without_a_version_is_one_line(web: Path, mirror: str, tmp_path: Path) -> None:
    (web / "content/ptb-xl").mkdir(parents=True)
    with pytest.raises(PrepareError, match="names no version: is it a mirror of PhysioNet"):
        download(tmp_path / "got", mirror=mirror)


def test_nobody_at_the_address_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"cannot download ptb-xl from http://127\.0\.0\.1:9/"):
        download(tmp_path / "got", mirror="http://127.0.0.1:9/")


@pytest.mark.parametrize("mirror", ["ftp://host/", "https://host", "host/"])
def test_an_address_that_is_none_is_refused(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="write it as https://HOST/"):
        download(tmp_path / "got", mirror=mirror)


def test_a_table_that_names_files_elsewhere_is_refused(physionet: Path, mirror: str, tmp_path: Path) -> None:
    table = physionet / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("records100/00000/00002", "../../records/00002"))
    with pytest.raises(PrepareError, match="lies outside the data set"):
        download(tmp_path / "got", mirror=mirror)
