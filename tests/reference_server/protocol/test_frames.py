import time
import tracemalloc

import pytest
from refserver_peer import frame

from reference_server.protocol.errors import FrameTooLargeError, HttpRequestError
from reference_server.protocol.frames import HTTP_METHODS, FrameDecoder, encode_frame

LIMIT = 1024

SAMPLES = {
    "empty": [b""],
    "one octet": [b"x"],
    "longest": [b"x" * LIMIT],
    "several": [b"{}", b"", b"abc", b"\x00" * 300, b"x"],
}


def frames_of(decoder, *chunks):
    found = []
    for chunk in chunks:
        decoder.receive_data(chunk)
        while (one := decoder.next_frame()) is not None:
            found.append(one)
    return found


def octets(data):
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("bodies", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("trailing", [b"", b"\x00", b"\x00\x00\x00\x05abcd"])
def test_frames_are_the_same_however_they_are_cut(bodies, trailing):
    wanted = [frame(body) for body in bodies]
    data = b"".join(wanted) + trailing

    assert frames_of(FrameDecoder(LIMIT), data) == wanted
    assert frames_of(FrameDecoder(LIMIT), *octets(data)) == wanted
    for cut in range(len(data)):
        assert frames_of(FrameDecoder(LIMIT), data[:cut], data[cut:]) == wanted


def test_encode_frame_states_the_length_of_the_body_only():
    assert encode_frame(b"abc") == b"\x00\x00\x00\x03abc"


@pytest.mark.parametrize("length", [LIMIT + 1, 2**20, 2**31, 2**32 - 1])
def test_length_over_the_limit_is_refused_on_the_header_alone(length):
    decoder = FrameDecoder(LIMIT)
    decoder.receive_data(frame(b"first") + length.to_bytes(4, "big"))

    assert decoder.next_frame() == frame(b"first")
    with pytest.raises(FrameTooLargeError, match=f"states {length} octets, the limit is {LIMIT}"):
        decoder.next_frame()


def test_three_octets_of_a_header_are_no_reason_to_refuse():
    assert frames_of(FrameDecoder(LIMIT), b"\xff\xff\xff") == []


@pytest.mark.parametrize("method", sorted(HTTP_METHODS))
def test_http_is_recognised_on_the_first_four_octets_only(method):
    with pytest.raises(HttpRequestError):
        frames_of(FrameDecoder(2**30), *octets(method))
    with pytest.raises(FrameTooLargeError):
        frames_of(FrameDecoder(2**30), frame(b"") + method)


def test_stated_length_reserves_no_memory():
    decoder = FrameDecoder(2**30)
    tracemalloc.start()
    try:
        frames_of(decoder, frame(b"") + (2**30).to_bytes(4, "big") + b"x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10_000


def test_frame_that_arrives_alone_is_not_copied():
    decoder, data = FrameDecoder(LIMIT), frame(b"x" * 500)
    decoder.receive_data(data)

    assert decoder.next_frame() is data
    assert not decoder.ready


def test_decoding_takes_linear_time():
    body = frame(b"x" * 2**20)
    small = frame(b"x" * 20) * 20_000
    started = time.perf_counter()

    assert frames_of(FrameDecoder(2**20), *(body[at : at + 64] for at in range(0, len(body), 64))) == [body]
    assert len(frames_of(FrameDecoder(2**20), small)) == 20_000
    # About 0.02 s; a decoder that copies its buffer for every chunk or frame takes many seconds.
    assert time.perf_counter() - started < 1
