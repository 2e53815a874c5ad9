"""Releases: their files, where they may come from, and how one is made."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from protocol_tree import Workshop

from conformance.cli.gate import gate
from conformance.gate.freeze import freeze
from conformance.gate.inputs import against as against_module
from conformance.gate.inputs.against import resolve
from conformance.gate.inputs.release_history import changed_releases
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.release import Release, ReleaseError


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, vectors=("batch",))


def frozen(workshop: Workshop, version: str = "1.0") -> Path:
    return freeze(workshop.root, version, (), lambda _: None)


def test_file_is_canonical_and_comes_back_as_it_was(workshop: Workshop) -> None:
    text = workshop.before.to_json()
    again = Release.from_json(text, "x")
    assert again.to_json() == text
    assert (again.version, again.schemas, again.tables) == (
        workshop.before.version,
        workshop.before.schemas,
        workshop.before.tables,
    )
    assert len([line for line in text.splitlines() if line.startswith('{"id": ')]) == len(again.requirements) + len(
        again.vectors
    )


def test_order_in_the_sources_does_not_matter(workshop: Workshop) -> None:
    before = workshop.before
    turned = Release(
        before.version,
        {name: dict(reversed(rows.items())) for name, rows in reversed(before.tables.items())},
        dict(reversed(before.requirements.items())),
        dict(reversed(before.schemas.items())),
        dict(reversed(before.vectors.items())),
    )
    assert turned.to_json() == before.to_json()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"version": "1.0"', '"version": 1', "not a release: 1 is not of type 'string'"),
        ('"A server MUST', '"A server SHOULD', "changed after it was released"),
        ("{", "[", "not JSON"),
        ('"A server MUST', '"\\ud800 MUST', "not JSON"),
    ],
    ids=["form", "content", "grammar", "surrogate"],
)
def test_file_that_was_changed_is_refused(workshop: Workshop, old: str, new: str, said: str) -> None:
    text = workshop.before.to_json().replace(old, new, 1)
    with pytest.raises(ReleaseError, match=f"^here: {said}"):
        Release.from_json(text, "here")


def test_release_of_a_version_that_is_none_is_refused(workshop: Workshop) -> None:
    content = json.loads(workshop.before.to_json()) | {"version": "1.0.0.0"}
    with pytest.raises(ReleaseError, match=r"^here: not a release: '1\.0\.0\.0' is not a version"):
        Release.from_json(json.dumps(content), "here")


@pytest.fixture
def hosted(workshop: Workshop) -> Iterator[str]:
    """The address of a server that offers the folder of the tree."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(workshop.root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_release_is_found_by_name_file_folder_address_and_by_itself(workshop: Workshop, hosted: str) -> None:
    path = frozen(workshop)
    expected = workshop.before.to_json()
    for against, name in {
        None: "release 1.0",
        "1.0": "release 1.0",
        str(path): str(path),
        str(workshop.root): str(workshop.root),
        f"{hosted}/spec/releases/1.0.json": f"{hosted}/spec/releases/1.0.json",
        f"{hosted.upper()}/spec/releases/1.0.json": f"{hosted.upper()}/spec/releases/1.0.json",
    }.items():
        found, called = resolve(against, workshop.root)
        assert (found.to_json(), called) == (expected, name)


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("place", [".", "protocol"])
def test_git_revision_is_read_without_touching_the_tree(tmp_path: Path, place: str) -> None:
    root = tmp_path / place
    root.mkdir(exist_ok=True)
    workshop = Workshop(root, vectors=("batch",))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    workshop.call_it("1.1", "Nothing.")
    found, name = resolve("git:HEAD", root)
    assert (str(found.version), name) == ("1.0", "git:HEAD")
    assert str(Tree.read(root).release.version) == "1.1"


@pytest.fixture
def repository(workshop: Workshop) -> Workshop:
    """A tree that is a repository of git."""
    git(workshop.root, "init", "-q")
    git(workshop.root, "add", ".")
    git(workshop.root, "commit", "-qm", "first")
    return workshop


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("no-such-branch", "git:no-such-branch: no such revision; fetch it, or name another"),
        ("HEAD~1", "git:HEAD~1: no such revision; fetch it, or name another"),
        ("@{upstream}", "git:@{upstream}: git says: no upstream configured for branch"),
        ("--help", "--against git:--help: not a revision; write git:REF, such as git:origin/main"),
        ("", "--against git:: not a revision; write git:REF, such as git:origin/main"),
    ],
    ids=["branch", "shallow", "upstream", "option", "empty"],
)
def test_revision_that_git_does_not_know_is_said(repository: Workshop, revision: str, said: str) -> None:
    with pytest.raises(ReleaseError) as error:
        resolve(f"git:{revision}", repository.root)
    assert str(error.value).startswith(said)


def test_folder_that_is_no_repository_or_of_somebody_else_is_said(
    repository: Workshop, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ReleaseError) as error:
        resolve("git:HEAD", repository.root)
    assert str(error.value) == (
        f"git:HEAD: git says: detected dubious ownership in repository at '{repository.root}'; "
        f"git advises: git config --global --add safe.directory {repository.root}"
    )
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    with pytest.raises(ReleaseError, match=r"^git:HEAD: git says: not a git repository"):
        resolve("git:HEAD", tmp_path_factory.mktemp("elsewhere"))


def test_tree_that_was_not_committed_yet_is_said(repository: Workshop) -> None:
    later = repository.root / "later"
    later.mkdir()
    Workshop(later, vectors=("batch",))
    with pytest.raises(ReleaseError, match=r"^git:HEAD: .*later has no spec and schemas at that revision"):
        resolve("git:HEAD", later)


def test_git_revision_that_is_no_tree_is_said(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_text("x")
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-qm", "first")
    with pytest.raises(ReleaseError, match=r"^git:HEAD: .*no spec and schemas at that revision"):
        resolve("git:HEAD", other)


def test_what_is_not_there_is_said(workshop: Workshop, hosted: str) -> None:
    frozen(workshop)
    for against, said in {
        "2.0": "--against 2.0: no such release, folder or file; the releases of this tree are 1.0",
        "nowhere": "--against nowhere: no such release, folder or file",
        f"{hosted}/nothing.json": f"{hosted}/nothing.json: cannot be fetched (HTTP Error 404",
        "http://127.0.0.1:9/x.json": "http://127.0.0.1:9/x.json: cannot be fetched",
    }.items():
        with pytest.raises(ReleaseError) as error:
            resolve(against, workshop.root)
        assert said in str(error.value)


@pytest.mark.parametrize("against", ["", " "], ids=["empty", "space"])
def test_comparison_with_nothing_is_refused(workshop: Workshop, against: str) -> None:
    frozen(workshop)
    with pytest.raises(ReleaseError, match=r"^--against is empty; name a release, git:REF"):
        resolve(against, workshop.root)


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_release_of_the_tree_comes_before_a_file_of_its_name(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    frozen(workshop)
    here = workshop.root / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("1.0").mkdir() if is_folder else Path("1.0").write_text("no release")
    assert resolve("1.0", workshop.root)[1] == "release 1.0"


def test_file_of_a_release_may_have_any_name(workshop: Workshop) -> None:
    path = frozen(workshop)
    copy = workshop.root / "7.7.json"
    copy.write_text(path.read_text("utf-8"), "utf-8")
    assert str(resolve(str(copy), workshop.root)[0].version) == "1.0"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:abc/x", "cannot be fetched (InvalidURL: nonnumeric port: 'abc')"),
        ("http://[::1/x", "cannot be fetched (Invalid IPv6 URL)"),
        ("http://a b/x", "cannot be fetched (InvalidURL: URL can't contain control characters"),
        ("http://127.0.0.1\u00e9/x", "cannot be fetched ("),
    ],
    ids=["port", "bracket", "space", "letter"],
)
def test_address_that_is_none_is_said(workshop: Workshop, address: str, said: str) -> None:
    with pytest.raises(ReleaseError) as error:
        resolve(address, workshop.root)
    assert str(error.value).startswith(f"{address}: {said}")


@pytest.fixture
def answering() -> Iterator[Callable[[bytes, float], str]]:
    """Makes servers that write these octets to the first connection, each after so many seconds, and hang up."""
    servers = []

    def make(octets: bytes, pause: float = 0) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=answer, args=(server, octets, pause), daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/1.0.json"

    def answer(server: socket.socket, octets: bytes, pause: float) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(4096)
            for part in (octets[n : n + 1] for n in range(len(octets))) if pause else (octets,):
                connection.sendall(part)
                time.sleep(pause)

    yield make
    for server in servers:
        server.close()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"hello\r\n", "cannot be fetched (BadStatusLine: hello"),
        (OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n{}", "cannot be fetched (LineTooLong: "),
        (OK + b"Content-Length: 99\r\n\r\n{}", "incomplete: the server sent less than it announced"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}", "incomplete: the server sent less than it announced"),
        (OK + b"Content-Length: 99\r\n\r\n\xc3", "incomplete: the server sent less than it announced"),
        (OK + b"\r\n\xff", "not JSON ('utf-8' codec can't decode"),
    ],
    ids=["status", "header", "length", "chunk", "character", "text"],
)
def test_answer_that_is_none_is_said(
    workshop: Workshop, answering: Callable[..., str], octets: bytes, said: str
) -> None:
    address = answering(octets)
    with pytest.raises(ReleaseError) as error:
        resolve(address, workshop.root)
    assert str(error.value).startswith(f"{address}: {said}")


@pytest.mark.parametrize("octets", [OK * 99, OK + b"\r\n" + b"{" * 999], ids=["header", "body"])
def test_server_that_talks_slowly_is_given_up(
    workshop: Workshop, answering: Callable[..., str], octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_module, "_SECONDS", 0.5)
    address = answering(octets, 0.02)
    with pytest.raises(ReleaseError, match=r": cannot be fetched \(not complete after 0\.5 seconds\)$"):
        resolve(address, workshop.root)


def test_file_under_another_name_is_refused(workshop: Workshop) -> None:
    path = frozen(workshop)
    path.rename(path.with_name("1.2.json"))
    with pytest.raises(ReleaseError, match=r"1\.2\.json: this is version 1\.0; name the file after it"):
        resolve(None, workshop.root)
    (path.parent / "1.2.json").rename(path.parent / "latest.json")
    with pytest.raises(ReleaseError, match=r"latest\.json: the file of a release must be named after its version"):
        resolve(None, workshop.root)


def test_latest_release_is_the_largest_version_and_not_the_largest_name(workshop: Workshop) -> None:
    path = frozen(workshop)
    for version in ("1.2", "1.10"):
        release = json.loads(path.read_text("utf-8")) | {"version": version}
        (path.parent / f"{version}.json").write_text(json.dumps(release), "utf-8")
    assert resolve(None, workshop.root)[1] == "release 1.10"


def test_release_is_written_once(workshop: Workshop) -> None:
    path = frozen(workshop)
    assert path == workshop.root / "spec" / "releases" / "1.0.json"
    assert path.read_text("utf-8") == workshop.before.to_json()
    with pytest.raises(ReleaseError, match="released already; a release is never edited"):
        frozen(workshop)


def test_release_is_written_as_a_whole_or_not_at_all(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, _: Any) -> None:
        assert path.stat().st_size > 1000
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            frozen(workshop)
    assert list((workshop.root / "spec" / "releases").iterdir()) == []
    frozen(workshop)


def test_release_of_another_version_is_refused(workshop: Workshop) -> None:
    for version, said in {"1.1": "this is version 1.0", "one": "'one' is not a version"}.items():
        with pytest.raises(ReleaseError, match=said):
            frozen(workshop, version)


def test_stale_list_of_requirements_is_refused(workshop: Workshop) -> None:
    workshop.replace("spec/11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")
    with pytest.raises(ReleaseError, match=r"requirements\.json:1: stale; run ipc-conformance spec extract"):
        frozen(workshop)


def test_release_without_a_word_in_the_changelog_is_refused(workshop: Workshop) -> None:
    (workshop.root / "CHANGELOG.md").write_text("# Changelog\n", "utf-8")
    with pytest.raises(ReleaseError, match=r"the section 'Protocol 1\.0' is missing or empty"):
        frozen(workshop)


def test_release_that_the_gate_refuses_is_not_written(workshop: Workshop) -> None:
    frozen(workshop)
    workshop.replace("schemas/pong.schema.json", '"const": "pong"', '"const": "ping"')
    workshop.call_it("1.1", "The pong is a ping.")
    with pytest.raises(ReleaseError, match=r"the gate refuses 1\.1 against release 1\.0 \(findings: "):
        frozen(workshop, "1.1")
    assert not (workshop.root / "spec" / "releases" / "1.1.json").exists()
    workshop.replace("spec/README.md", "Protocol 1.1", "Protocol 2.0")
    workshop.replace("CHANGELOG.md", "Protocol 1.1", "Protocol 2.0")
    workshop.renumber("2")
    assert frozen(workshop, "2.0").name == "2.0.json"


@pytest.fixture
def history(workshop: Workshop) -> Workshop:
    """A tree whose release 1.0 is in git."""
    frozen(workshop)
    git(workshop.root, "init", "-q", "-b", "main")
    git(workshop.root, "add", ".")
    git(workshop.root, "commit", "-qm", "release 1.0")
    return workshop


def edit_with_digest(path: Path) -> None:
    """Lower a duty in a release, and write the digest of the result."""
    release = Release.from_json(path.read_text("utf-8"), "x")
    first = next(iter(release.requirements))
    changed = {first: replace(release.requirements[first], level="should")}
    path.write_text(replace(release, requirements=release.requirements | changed).to_json(), "utf-8")


def make_one_true(path: Path) -> None:
    """Replace a 1 in a schema by true, and write the matching digest."""
    release = Release.from_json(path.read_text("utf-8"), "x")
    changed = json.loads(json.dumps(release.schemas).replace('"minLength": 1', '"minLength": true', 1))
    assert changed == release.schemas
    path.write_text(replace(release, schemas=changed).to_json(), "utf-8")


def freeze_again(path: Path) -> None:
    """Delete a release, and freeze another protocol in its place."""
    path.unlink()
    chapter = path.parents[1] / "11-system.md"
    chapter.write_text(chapter.read_text("utf-8").replace('`"pong"`.', '`"ping"`.'), "utf-8")
    (path.parents[1] / "requirements.json").unlink()
    freeze(path.parents[2], "1.0", (), lambda _: None)


@pytest.mark.parametrize("is_committed", [False, True], ids=["working", "committed"])
@pytest.mark.parametrize("revision", [None, "main"])
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edit_with_digest, "was edited, or deleted and released again"),
        (make_one_true, "was edited, or deleted and released again"),
        (freeze_again, "was edited, or deleted and released again"),
        (Path.unlink, "was deleted"),
    ],
    ids=["edited", "true", "again", "deleted"],
)
def test_release_that_was_edited_is_noticed(
    history: Workshop, edit: Callable[[Path], None], said: str, revision: str | None, is_committed: bool
) -> None:
    git(history.root, "checkout", "-qb", "topic")
    edit(history.root / "spec/releases/1.0.json")
    if is_committed:
        git(history.root, "commit", "-qam", "edit")
    assert changed_releases(history.root, revision) == {"1.0": said}


def test_gate_refuses_an_edited_release(history: Workshop) -> None:
    edit_with_digest(history.root / "spec/releases/1.0.json")
    for against in ([], ["--against", "git:main"]):
        result = CliRunner().invoke(gate, ["--tree", str(history.root), *against])
        assert result.exit_code == 1
        assert f"refused  release-edited  {history.root}/spec/releases/1.0.json:1\n" in result.output


def test_release_that_gained_a_table_or_another_layout_is_no_other(history: Workshop) -> None:
    path = history.root / "spec/releases/1.0.json"
    release = Release.from_json(path.read_text("utf-8"), "x")
    path.write_text(replace(release, tables={**release.tables, "more": {}}).to_json(), "utf-8")
    assert not changed_releases(history.root, "main")
    path.write_text(path.read_text("utf-8").replace("\n", "\r\n"), "utf-8")
    assert not changed_releases(history.root)


def test_version_that_two_branches_released_is_left_to_the_merge(history: Workshop) -> None:
    path = history.root / "spec/releases/1.1.json"
    for branch in ("one", "two"):
        git(history.root, "checkout", "-q", "-b", branch, "main")
        path.write_text(f'{{"{branch}": 1}}', "utf-8")
        git(history.root, "add", ".")
        git(history.root, "commit", "-qm", branch)
    git(history.root, "merge", "-q", "-X", "ours", "one")
    path.write_text("{}", "utf-8")
    assert not changed_releases(history.root)


def test_folder_without_history_has_no_edited_release(workshop: Workshop) -> None:
    frozen(workshop)
    assert not changed_releases(workshop.root, "main")
