"""The command line of the server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import importlib
import logging
import runpy
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from click.core import ParameterSource

from reference_server import allocator, logs, precautions, responder
from reference_server.network.tls import CertificateError, load_certificate
from reference_server.network.unix_sockets import UnixSocketError
from reference_server.profiles import registry
from reference_server.profiles.errors import ProfileError
from reference_server.protocol.limits import Limits, check_limit
from reference_server.server import ReferenceServer
from reference_server.version import __version__

_log = logging.getLogger("reference_server")
_DEFAULTS = Limits()
_FILE = click.Path(path_type=Path)
_PROFILES = list(registry.PROFILES)
_KEEPERS = registry.keepers()
_KEPT = " or ".join(f"{what} of the profile {name}" for name, what in _KEEPERS.items())

EPILOG = """\b
Examples:
  python -m reference_server --responder
      the handlers that the conformance suite calls
  python -m reference_server --port 0 --handlers my_handlers.py
      your handlers, on a free port; the first log line shows it
  python -m reference_server --unix /run/user/1000/ipc.sock --handlers my_handlers.py
      your handlers, on a unix socket
  python -m reference_server --handlers reference_server.examples
      the example handlers: users, a cache, data processing

\b
A handlers file or module defines a function register(server):
  def register(server):
      @server.handler("greet")
      async def greet(request):
          return {"hello": request.payload["name"]}
"""


class UsageProblem(click.ClickException):
    """A mistake that the caller can fix; one line, exit status 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message after what was logged before."""
        logs.flush()
        super().show(file)


def _limit_option(flag: str, what: str) -> Callable[..., Any]:
    name = flag.removeprefix("--").replace("-", "_")
    default = getattr(_DEFAULTS, name)
    kind = int if default is None else type(default)

    def check(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        try:
            check_limit(name, value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    return click.option(flag, type=kind, default=default, show_default=True, callback=check, help=what)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--host", default="localhost", show_default=True, help="Name or address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help="TCP port; 0 for a free one."
)
@click.option(
    "--unix", type=_FILE, metavar="PATH", help="Listen on a unix socket instead of TCP; only your user can connect."
)
@click.option("--responder", "with_responder", is_flag=True, help="Add the handlers that the conformance suite calls.")
@click.option(
    "--handlers",
    metavar="FILE.py|MODULE",
    help="Python file or module that defines register(server).",
)
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(_PROFILES),
    multiple=True,
    help="Offer this profile; repeatable.",
)
@click.option(
    "--state",
    type=_FILE,
    metavar="FILE",
    help=f"Store the {_KEPT} in this file; created if missing.",
)
@click.option("--token-file", type=_FILE, metavar="FILE", help="Require the token in this file, which has one line.")
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Use TLS with this certificate chain (PEM).")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Private key of the certificate (PEM).")
@_limit_option("--max-frame-bytes", "Maximum length of a message body, in octets.")
@_limit_option("--max-depth", "Maximum nesting of a message, in levels.")
@_limit_option("--max-outbound-bytes", "Maximum data buffered for a client that does not read, in octets.")
@_limit_option("--max-connections", "Maximum number of connections at a time.")
@_limit_option("--max-address-connections", "Maximum for one address; by default all but a tenth.")
@_limit_option("--max-memory", "Maximum memory of the process, in octets.")
@_limit_option("--frame-timeout", "Time for a long message to arrive once it has begun, in seconds.")
@_limit_option("--max-address-handshakes", "Maximum number of connections of one address before their handshake.")
@_limit_option("--max-batch-items", "Maximum number of items of a batch (--profile batch).")
@_limit_option("--max-queue-jobs", "Maximum number of unfinished jobs (--profile queue).")
@_limit_option("--max-queue-bytes", "Maximum size of all jobs, in octets (--profile queue).")
@_limit_option("--max-wrong-tokens", "Wrong tokens of an address in a minute before it is slowed down.")
@_limit_option("--handshake-timeout", "Deadline for a client's connect message, in seconds.")
@_limit_option("--shutdown-grace", "Time for handlers to finish after SIGTERM, in seconds.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Lowest level that is logged to stderr.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of the log."
)
@click.version_option(__version__)
def main(
    *,
    host: str,
    port: int,
    unix: Path | None,
    with_responder: bool,
    handlers: str | None,
    profiles: tuple[str, ...],
    state: Path | None,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    log_level: str,
    log_format: str,
    **limits: Any,
) -> None:
    """Run a server of the IPC Framework Wire Protocol until SIGINT or SIGTERM."""
    logs.configure(log_level, log_format)
    if unix and _is_given("host", "port"):
        raise UsageProblem("--unix replaces --host and --port; omit them")
    if state and not _KEEPERS.keys() & profiles:
        raise UsageProblem(f"--state stores the {_KEPT}; add {' or '.join(f'--profile {name}' for name in _KEEPERS)}")
    server = ReferenceServer(
        host,
        port,
        unix=unix,
        limits=_limits(limits),
        profiles=profiles,
        state=state,
        token=_token(token_file),
        tls=_tls(tls_cert, tls_key),
    )
    if with_responder:
        responder.install(server)
    if handlers:
        _register(handlers, server)
    allocator.keep_spare_blocks()
    gc.freeze()  # what exists now stays; collections look at what clients cause
    _allow_open_files(server.limits.max_connections)
    warnings = [
        *precautions.unsafe_files({"token": token_file, "key": tls_key}),
        *(() if unix else precautions.unsafe_transport(host, has_token=bool(token_file), has_tls=bool(tls_cert))),
        *precautions.unsafe_user(),
    ]
    with _explaining(host, port):
        asyncio.run(_serve(server, warnings))


def _is_given(*parameters: str) -> bool:
    """Return true if the command line has one of these parameters."""
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in parameters)


def _limits(values: dict[str, Any]) -> Limits:
    try:
        return Limits(**values)
    except ValueError as error:  # each value was checked; a combination can still be wrong
        raise UsageProblem(str(error)) from None


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageProblem(f"cannot read token file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageProblem(f"token file {file} is not UTF-8 text") from None
    if len(lines) != 1 or not lines[0]:
        raise UsageProblem(f"token file {file} must have one line, the token, but has {len(lines)}")
    return lines[0]


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageProblem("--tls-cert and --tls-key must be given together")
    try:
        return load_certificate(certificate, key)
    except CertificateError as error:
        raise UsageProblem(str(error)) from None


async def _serve(server: ReferenceServer, warnings: Iterable[str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(logs.report_loop_problem)
    with _on_signals(stop.set):
        async with server:
            _log.info("listening on %s", server.address)
            for warning in warnings:
                _log.warning("%s", warning)
            await stop.wait()
            _log.info("shutting down")


@contextlib.contextmanager
def _on_signals(callback: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, callback)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))
    yield


def _register(handlers: str, server: ReferenceServer) -> None:
    """Call the function `register` of a file or a module.

    A name that ends with .py or contains a path separator is a file.
    """
    is_file = handlers.endswith(".py") or Path(handlers).name != handlers
    what = f"handlers {'file' if is_file else 'module'} {handlers}"
    try:
        register = (_load_file if is_file else _load_module)(handlers)
        if not callable(register):
            raise UsageProblem(f"{what} has no function register(server)")
        register(server)
    except UsageProblem:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the caller's code may raise anything
        _log.debug("%s failed", what, exc_info=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageProblem(f"{what} failed: {reason} (--log-level debug shows where)") from None


def _load_file(name: str) -> Any:
    try:
        return runpy.run_path(name, run_name="handlers").get("register")
    except OSError as error:
        raise UsageProblem(f"cannot read handlers file {name}: {error.strerror}") from None


def _load_module(name: str) -> Any:
    try:
        return getattr(importlib.import_module(name), "register", None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists, but one of its imports is missing
        raise UsageProblem(f"there is no handlers module {name}; the name of a file must end with .py") from None


_OWN_ADDRESS = "give a name or an address of this machine with --host"
_ADVICE = {
    errno.EADDRINUSE: "stop the program that listens there, or choose another port with --port (0 for a free one)",
    errno.EADDRNOTAVAIL: _OWN_ADDRESS,
    errno.EAFNOSUPPORT: _OWN_ADDRESS,
    errno.EINVAL: _OWN_ADDRESS,  # a link-local address without its interface
}
"""What to do about an error of the operating system."""


@contextlib.contextmanager
def _explaining(host: str, port: int) -> Iterator[None]:
    """Turn the operating system's error about an address into one line with advice."""
    try:
        yield
    except (ProfileError, UnixSocketError) as error:
        raise UsageProblem(str(error)) from None
    except socket.gaierror:
        _give_up(f"host {host!r} is unknown", _OWN_ADDRESS)
    except PermissionError:
        _give_up(f"no permission to listen on port {port}", "choose a port above 1023 with --port")
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "choose another address with --host, or another port with --port")
        _give_up(f"cannot listen on {host}:{port}: {error.strerror}", advice)


def _give_up(problem: str, advice: str) -> NoReturn:
    raise UsageProblem(f"{problem}; {advice}")


def _allow_open_files(connections: int) -> None:
    """Raise this process's limit of open files so that it suffices for ``connections``, as far as the system allows."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - does not exist on Windows

    wanted = connections + 100  # listeners, log, and connections that are refused because there are too many
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    if reachable < wanted:
        _log.warning("the system allows %d open files, too few for %d connections", reachable, connections)
