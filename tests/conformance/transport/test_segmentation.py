"""Chop modes: how writes are cut and merged, and that servers which depend on segments fail under them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kit_commands import invoke, mini, run_on

from conformance.core.settings import ChopMode
from conformance.core.trace import Trace
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.transport.address import address_of
from conformance.transport.segmentation import MOST_CUTS, MOST_CUTS_OF_A_CASE, Segmenter

FRAMES = b"".join(codec.frame(body) for body in (b'{"a":1}', b"{}", b'{"b":22}'))
MODES = ("whole", "octets", "header", "random:7", "coalesce")


@pytest.mark.parametrize("text", MODES)
def test_mode_reads_back_as_it_was_written(text: str) -> None:
    assert str(ChopMode.parse(text)) == text


@pytest.mark.parametrize("text", ["", "Whole", "random", "random:", "random:x", "octets:1", "whole:", "random:-1"])
def test_text_that_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a mode; use whole, octets, header, coalesce or random:SEED"):
        ChopMode.parse(text)
    done = invoke("run", "--server", "localhost:1", "--chop", text)
    assert done.exit_code == 2
    assert "is not a mode" in done.output


def pieces(text: str, data: bytes) -> list[bytes]:
    return Segmenter(ChopMode.parse(text)).pieces(data)


@pytest.mark.parametrize("text", MODES)
@pytest.mark.parametrize("data", [b"", b"x", b"xy", FRAMES, FRAMES[3:], bytes(100_000), b"\xff" * 9])
def test_pieces_are_the_data(text: str, data: bytes) -> None:
    found = pieces(text, data)
    assert b"".join(found) == data
    assert found == [b""] or all(found)
    assert len(found) <= MOST_CUTS + 1


def test_cuts_of_a_case_come_to_an_end() -> None:
    segmenter = Segmenter(ChopMode.parse("octets"))
    written = sum(len(segmenter.pieces(bytes(64))) for _ in range(16_384))
    assert written == MOST_CUTS_OF_A_CASE + 16_384


def test_modes_cut_where_they_say() -> None:
    assert pieces("whole", FRAMES) == [FRAMES]
    assert pieces("octets", FRAMES) == [FRAMES[at : at + 1] for at in range(len(FRAMES))]
    assert pieces("header", FRAMES) == [
        *(b"\0\0", b"\0\7", b'{"a":1}\0\0', b"\0\2", b"{}\0\0", b"\0\x08", b'{"b":22}'),
    ]
    assert pieces("header", FRAMES[:4]) == [b"\0\0", b"\0\7"]


def test_random_cuts_depend_on_both_seeds_alone() -> None:
    def cuts(seed: int, case: int) -> list[list[bytes]]:
        segmenter = Segmenter(ChopMode("random", seed), case)
        return [segmenter.pieces(FRAMES) for _ in range(20)]

    assert cuts(1, 1) == cuts(1, 1)
    assert cuts(1, 1) != cuts(2, 1)
    assert cuts(1, 1) != cuts(1, 2)
    assert len({len(each) for each in cuts(1, 1)}) > 3


@contextmanager
def recorded(text: str) -> Iterator[tuple[ClientPeer, ClientPeer, list[bytes]]]:
    """Two connections of one case, and what the first one's other end reads, write by write."""
    segmenter, reads, ends = Segmenter(ChopMode.parse(text)), list[bytes](), list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = address_of(listener)
        first, second = (ClientPeer(label, address, Trace(), 2.0, segmenter) for label in "AB")
        ends += [listener.accept()[0] for _ in range(2)]

        def read() -> None:
            while data := ends[0].recv(65_536):
                reads.append(data)

        reader = threading.Thread(target=read)
        reader.start()
        yield first, second, reads
        first.close()
        second.close()
        reader.join(5)
        for end in ends:
            end.close()


def test_coalesced_writes_leave_when_the_case_does_something_else() -> None:
    with recorded("coalesce") as (first, second, reads):
        first.send_octets(b"one ")
        first.send_octets(b"two ")
        assert not second.has_arrived()  # anything but a write of the first
        first.send_octets(b"three ")
        second.send_octets(b"x")
        first.send_octets(b"four")
        first.end_sending()
        time.sleep(0.1)
    assert b"".join(reads) == b"one two three four"
    assert reads[0].startswith(b"one two ")


def test_each_piece_is_written_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded("octets") as (first, _, reads):
        written: list[bytes] = []
        write = first._write_piece

        def note(piece: bytes) -> None:
            written.append(piece)
            write(piece)

        monkeypatch.setattr(first, "_write_piece", note)
        first.send_octets(FRAMES)
        first.end_sending()
        time.sleep(0.1)
    assert written == pieces("octets", FRAMES)
    assert b"".join(reads) == FRAMES


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrong", ["segments", "first"])
def test_server_that_believes_in_segments_passes_only_whole_writes(wrong: str, mode: str) -> None:
    done = run_on(mini(wrong), "--case", "system/action-empty", "--chop", mode, "--time-scale", "0.2", "--seed", "1")
    assert done.returncode == (mode != "whole"), done.stdout
    if mode != "whole":
        assert f"--seed 1 --time-scale 0.2 --chop {mode}" in done.stdout
