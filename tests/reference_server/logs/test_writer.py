"""The log does not stop the server: nobody reads it, its descriptor fails or is another file, the process forks."""

import contextlib
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time

import pytest
from log_programs import SECONDS, command, log_of
from refserver_peer import Client, code_of

from reference_server.logs import writer as writer_module
from reference_server.logs.handler import LogHandler
from reference_server.logs.lines import text_line
from reference_server.logs.rates import LINES_OF_A_KIND
from reference_server.logs.writer import MOST_LINES, MOST_OCTETS, Writer

NOTICE = b"lines dropped, because the log was not read or could not be written: "

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, signals and forks as on POSIX")

# Fills a pipe of 64 KiB.
FILL = "for _ in range(10): log.info('%s', 'x' * 8000)\n"


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def writer_to(descriptor):
    return Writer(descriptor, lambda text: f"{text}\n".encode(), lambda: ([], None))


def read(descriptor):
    assert select.select([descriptor], [], [], SECONDS)[0], "nothing is written"
    return os.read(descriptor, 2**20)


def read_until(descriptor, end):
    data = b""
    while not data.endswith(end):
        data += read(descriptor)
    return data


SLOW = """
original = os.write
def write(*arguments):
    time.sleep(0.1)
    return original(*arguments)
os.write = write
"""


def texts_of(program):
    """Return the texts of level INFO; Python 3.12 and later warn about forks of processes with threads."""
    return [line.partition(" INFO ")[2] for line in log_of(SLOW + program) if " INFO " in line]


HANDLERS = """
def register(server):
    @server.handler("fails")
    async def fails(request):
        raise ValueError("a\\nb" + "x" * 8000)
"""


@contextlib.contextmanager
def server(tmp_path, *options):
    file = tmp_path / "handlers.py"
    file.write_text(HANDLERS)
    arguments = ["-m", "reference_server", "--port", "0", "--responder", "--handlers", str(file), *options]
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE)
    try:
        line = process.stderr.readline()
        yield process, int(re.search(rb"listening on localhost:(\d+)\n", line)[1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_server_goes_on_though_nobody_reads_its_log(tmp_path):
    with server(tmp_path) as (process, port):
        client = Client(port, "c")
        for _ in range(200):
            assert code_of(client.ask("fails")) == "handler_failed"
        client.close()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    lines = log.decode().splitlines()
    assert any(line.endswith("INFO shutting down") for line in lines)
    failures = sum("ERROR handler of channel 'fails'" in line for line in lines)
    assert failures < 100
    assert failures + int(re.search(r"and (\d+) more like it", log.decode())[1]) == 200
    assert all(line.isprintable() for line in lines)


def test_server_goes_on_after_its_log_was_closed(tmp_path):
    with server(tmp_path) as (process, port):
        process.stderr.close()
        client = Client(port, "c")
        for _ in range(20):
            assert code_of(client.ask("fails")) == "handler_failed"
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_failing_request_is_one_line(tmp_path):
    with server(tmp_path) as (process, port):
        client = Client(port, "c")
        for _ in range(3):
            client.ask("fails")
        client.close()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=SECONDS)
    lines = [line for line in log.decode().splitlines() if " WARNING running as root" not in line]
    assert len(lines) == 4
    assert ["Traceback" in line for line in lines] == [True, False, False, False]
    assert r"failed: ValueError: a\nbxxx" in lines[1]


def test_process_ends_soon_though_nobody_reads_its_log():
    process = subprocess.Popen(command(FILL), stderr=subprocess.PIPE)
    try:
        assert process.wait(SECONDS / 2) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "os.close(0)"])
def test_records_before_the_end_are_written_in_order(end):
    program = f"for number in range(5): log.info('number %d', number)\n{end}"
    assert texts_of(program) == [f"number {number}" for number in range(5)]


def test_record_after_the_end_of_logging_is_written():
    program = """
import atexit
atexit.unregister(logging.shutdown)
atexit.register(log.info, "late")
atexit.register(logging.shutdown)
log.info("early")"""
    assert texts_of(program) == ["early", "late"]


def test_message_about_a_mistake_comes_after_the_records_before_it(tmp_path):
    file = tmp_path / "handlers.py"
    file.write_text("1 / 0")
    arguments = ["-m", "reference_server", "--log-level", "debug", "--handlers", str(file)]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)

    first, second = done.stderr.splitlines()
    assert "DEBUG" in first
    assert "ZeroDivisionError" in first
    assert second.startswith("Error: handlers file")


FORKS = {
    "os.fork": "if os.fork() == 0: log.info('child'); sys.exit()\nos.wait()",
    "multiprocessing": """
import multiprocessing
process = multiprocessing.get_context("fork").Process(target=lambda: log.info('child'))
process.start()
process.join()""",
}


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_forks_log_too(fork):
    assert texts_of(f"log.info('parent')\ntime.sleep(0.3)\n{fork}\nlog.info('parent again')") == [
        "parent",
        "child",
        "parent again",
    ]


def test_fork_during_a_flood_of_records_logs_and_ends():
    program = """
def flood():
    while True: log.info("flood")
for _ in range(3): threading.Thread(target=flood, daemon=True).start()
for number in range(20):
    if os.fork() == 0:
        for _ in range(100): log.warning("child %d", number)
        logs.flush() if hasattr(logs, "flush") else None
        os._exit(0)
    os.wait()
"""
    lines = log_of(program)
    assert {int(number) for number in re.findall(r"WARNING child (\d+)$", "\n".join(lines), re.M)} == set(range(20))


# The writer by itself


def test_what_does_not_fit_is_counted_and_told_in_its_place(pipe):
    reader, descriptor = pipe
    writer = writer_to(descriptor)
    count = 2 * MOST_LINES
    for number in range(count):
        writer.put(b"%04d" % number + b"x" * 500 + b"\n")
    data = b""
    expected = 0
    while expected < count:
        *lines, data = (data + read(reader)).split(b"\n")
        for line in lines:
            if line.startswith(NOTICE):
                expected += int(line.removeprefix(NOTICE))
                was_told = True
            else:
                assert int(line.rstrip(b"x")) == expected
                expected += 1
    assert was_told
    writer.put(b"end\n")
    assert read(reader) == b"end\n"


def test_later_lines_come_after_the_notice_about_dropped_ones(pipe):
    reader, descriptor = pipe
    writer = writer_to(descriptor)
    line = b"x" * (MOST_OCTETS // 8) + b"\n"
    for _ in range(10):
        writer.put(line)
    while writer._waiting > 4:
        read(reader)
    writer.put(b"later\n")
    lines = read_until(reader, b"later\n").splitlines()
    assert lines[-2].startswith(NOTICE)


@pytest.mark.parametrize("is_reused", [False, True])
def test_closed_descriptor_is_not_written_to(pipe, tmp_path, is_reused):
    _, descriptor = pipe
    writer = writer_to(descriptor)
    os.close(descriptor)
    file = tmp_path / "jobs.db"
    file.touch()
    if is_reused:
        other = os.open(file, os.O_WRONLY)
        os.dup2(other, descriptor)
    writer.put(b"a line\n")
    writer.flush(SECONDS)
    assert file.read_bytes() == b""


def test_without_a_descriptor_lines_are_dropped():
    writer = writer_to(None)
    writer.put(b"a line\n")
    writer.flush(SECONDS)
    assert not writer._waiting


def test_descriptor_that_does_not_block_gets_everything(pipe):
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = writer_to(descriptor)
    for _ in range(10):
        writer.put(b"x" * 50_000 + b"\n")
    writer.put(b"end\n")
    assert read_until(reader, b"end\n") == (b"x" * 50_000 + b"\n") * 10 + b"end\n"


def test_line_after_a_broken_one_begins_at_the_left(pipe, monkeypatch):
    """The disk is full within a line; later it has space again."""
    reader, descriptor = pipe
    written, errors = [], [None, OSError(28, "No space left on device")]

    def write(to, data):
        if to != descriptor:
            return original(to, data)
        if error := (errors.pop(0) if errors else None):
            raise error
        count = original(to, data[:3])
        written.append(count)
        return count

    original = os.write
    monkeypatch.setattr(writer_module.os, "write", write)
    writer = writer_to(descriptor)
    writer.put(b"first\n")
    writer.flush(SECONDS)
    writer.put(b"second\n")
    lines = read_until(reader, b"second\n").splitlines()
    assert lines == [b"fir", NOTICE + b"1", b"second"]


def test_waiting_for_a_reader_ends_and_is_not_repeated(pipe):
    _, descriptor = pipe
    writer = writer_to(descriptor)
    writer.put(b"x" * 200_000)
    begin = time.monotonic()
    writer.flush(0.3)
    writer.flush(SECONDS)
    assert 0.3 <= time.monotonic() - begin < 3


def test_line_is_written_at_once(pipe):
    reader, descriptor = pipe
    writer = writer_to(descriptor)
    waits = []
    for _ in range(20):
        begin = time.monotonic()
        writer.put(b"listening\n")
        read(reader)
        waits.append(time.monotonic() - begin)
    assert sorted(waits)[10] < 0.02


def test_what_is_left_out_is_told_without_another_record(pipe):
    reader, descriptor = pipe
    handler = LogHandler(text_line, descriptor, "utf-8")
    record = logging.LogRecord("mine", logging.INFO, "file.py", 1, "flood", (), None)
    for count in (LINES_OF_A_KIND, 10 * LINES_OF_A_KIND):
        for _ in range(count):
            handler.handle(record)
        time.sleep(0.2)
        data = read(reader)
    while b" more like it" not in data:
        data += read(reader)


def test_thread_is_a_daemon(pipe):
    writer_to(pipe[1]).put(b"a line\n")
    assert [each.daemon for each in threading.enumerate() if each.name == "log"][-1:] == [True]
