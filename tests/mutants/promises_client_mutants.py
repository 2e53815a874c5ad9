"""The mistakes of the Node.js client against what clients of protocol 1.1 promise."""

from __future__ import annotations

from mutation import ClientMutant, Edit

MUTANTS: dict[str, ClientMutant] = {}


def _mutant(name: str, mistake: str, *edits: tuple[str, str, str]) -> None:
    if name in MUTANTS:
        raise ValueError(f"{name}: the name must be unique")
    MUTANTS[name] = ClientMutant(name=name, mistake=mistake, edits=tuple(Edit(*edit) for edit in edits))


_REFUSAL = (
    """      throw new IPCError('not_connected', `${text}. Await connect(), and look at what it resolves to.`);"""
)
_OPENED = "    this.#events.onOpen();\n"
_SENT = "    return this.#link.send(message, isVital);"

# -- one connection, and nothing ahead of its acknowledgement -----------------------------------------------------------

_mutant(
    "HSK-031",
    "A second connect during the first makes a second connection.",
    ("connection.js", "    this.#attempt ??= this.#beginAttempt();", "    this.#attempt = this.#beginAttempt();"),
)
_mutant(
    "HSK-031/coming-back",
    "A connect while the client comes back makes a second connection.",
    (
        "connection.js",
        "    if (!this.isOpen && this.#reconnector.isActive) this.#hasReplaced = true;",
        "    if (!this.isOpen && this.#reconnector.isActive) this.#attempt = null;",
    ),
)
_mutant(
    "HSK-031/connected",
    "A connect on an open connection makes a second one.",
    (
        "connection.js",
        "    if (this.isOpen) return Promise.resolve(true);",
        "    if (this.isOpen) {\n      this.#openLink(null);\n      return Promise.resolve(true);\n    }",
    ),
)
_mutant(
    "HSK-032",
    "What the client is told is sent ahead of the acknowledgement.",
    ("connection.js", "    if (!this.#link || !this.isOpen) {", "    if (!this.#link) {"),
)

# -- what the client is told without a connection -----------------------------------------------------------------------

_mutant(
    "HSK-033/dropped",
    "What the client is told to send without a connection is dropped, and nobody is told.",
    ("connection.js", _REFUSAL, "      return Boolean(text);"),
)
_mutant(
    "HSK-033/reversed",
    "What the client is told to send without a connection is sent later, the latest first.",
    ("connection.js", _REFUSAL, "      (this.kept ??= []).unshift([message, isVital]);\n      return Boolean(text);"),
    (
        "connection.js",
        _OPENED,
        _OPENED + "    for (const each of (this.kept ?? []).splice(0)) this.#link?.send(...each);\n",
    ),
)
_mutant(
    "HSK-033/overtaken",
    "What the client is told when it is connected again overtakes what it kept.",
    ("connection.js", _REFUSAL, "      (this.kept ??= []).push([message, isVital]);\n      return Boolean(text);"),
    (
        "connection.js",
        _OPENED,
        _OPENED + "    setTimeout(() => {\n"
        "      for (const each of (this.kept ?? []).splice(0)) this.#link?.send(...each);\n"
        "    }, 40).unref();\n",
    ),
)
_mutant(
    "HSK-034",
    "Requests that were in flight at a loss are sent again on the next connection.",
    (
        "connection.js",
        _SENT,
        "    if (message.message_type === 'request') (this.unanswered ??= new Map()).set(message.message_id, message);\n"
        + _SENT,
    ),
    (
        "connection.js",
        "    if (errorOf(message) === null) this.#reconnector.worked();",
        "    if (errorOf(message) === null) this.#reconnector.worked();\n    this.unanswered?.delete(message.reply_to);",
    ),
    (
        "connection.js",
        _OPENED,
        _OPENED + "    for (const each of this.unanswered?.values() ?? []) this.#link?.send(each);\n",
    ),
)
_mutant(
    "HSK-034/publishes",
    "A publish after which nothing was received is sent again on the next connection.",
    ("connection.js", _SENT, "    if (message.message_type === 'publish') this.last = message;\n" + _SENT),
    (
        "connection.js",
        "    if (errorOf(message) === null) this.#reconnector.worked();",
        "    if (errorOf(message) === null) this.#reconnector.worked();\n    this.last = null;",
    ),
    ("connection.js", _OPENED, _OPENED + "    if (this.last) this.#link?.send(this.last);\n"),
)
_mutant(
    "HSK-034/timeouts",
    "A request that timed out is sent a second time.",
    (
        "messenger.js",
        "    return { id: request.message_id, response: this.#requests.add(request, timeout) };",
        "    const response = this.#requests.add(request, timeout);\n"
        "    response.catch((error) => {\n"
        "      if (error.code === 'timeout') this.#connection.send(this.#makeRequest(channel, payload));\n"
        "    }).catch(() => {});\n"
        "    return { id: request.message_id, response };",
    ),
)

# -- handlers -----------------------------------------------------------------------------------------------------------

_mutant(
    "SUB-022",
    "Short messages overtake long ones on their way to the handlers.",
    (
        "client.js",
        "        this.#subscriptions.dispatch(message);",
        "        if (JSON.stringify(message).length < 1000) this.#subscriptions.dispatch(message);\n"
        "        else setTimeout(() => this.#subscriptions.dispatch(message), 2);",
    ),
)
_mutant(
    "SUB-022/notifications",
    "Notifications overtake publishes on their way to the handlers.",
    (
        "client.js",
        "        this.#subscriptions.dispatch(message);",
        "        if (message.message_type === 'notification') this.#subscriptions.dispatch(message);\n"
        "        else setImmediate(() => this.#subscriptions.dispatch(message));",
    ),
)
_mutant(
    "SUB-023",
    "After a loss, the client renews its subscriptions a moment after it says that it is connected.",
    (
        "client.js",
        "    this.#isLost = false;\n    for (const channel of this.#subscriptions.channels) this.#renew(channel);",
        "    const delay = this.#isLost ? 20 : 0;\n    this.#isLost = false;\n    const renew = () => {\n"
        "      for (const channel of this.#subscriptions.channels) this.#renew(channel);\n"
        "    };\n    if (delay) setTimeout(renew, delay);\n    else renew();",
    ),
)
_mutant(
    "SUB-024",
    "Messages wait for a handler that is busy, and are given to it although it was removed.",
    (
        "handlers.js",
        "      this.#callOne(handler, values);",
        "      handler.before = (handler.before ?? Promise.resolve()).then(() => this.#callOne(handler, values));",
    ),
    ("handlers.js", "        Promise.resolve(result).catch(", "        return Promise.resolve(result).catch("),
)
_mutant(
    "SUB-025",
    "What the server sends after disconnect is handed over.",
    ("link.js", "      while (this.#state !== 'closed') {", "      for (;;) {"),
    (
        "link.js",
        "    } else if (this.#state === 'open') {",
        "    } else if (this.#state === 'open' || this.#state === 'closed') {",
    ),
)
_mutant(
    "SUB-025/waiting",
    "Messages that wait for a handler at disconnect are given to it later.",
    (
        "handlers.js",
        "      this.#callOne(handler, values);",
        "      handler.before = (handler.before ?? Promise.resolve()).then(() => this.#callOne(handler, values));",
    ),
    (
        "handlers.js",
        "        Promise.resolve(result).catch(",
        "        return Promise.resolve(result).then(() => new Promise((next) => setTimeout(next, 20))).catch(",
    ),
)

# -- pings --------------------------------------------------------------------------------------------------------------

_mutant(
    "SYS-008",
    "A connection on which only answers arrive six times in a row is taken for idle, and ended.",
    (
        "heartbeat.js",
        "    this.#isAnswered = true;\n  }",
        "    this.#isAnswered = true;\n    this.quiet = (this.quiet ?? 0) + 1;\n    if (this.quiet > 5) this.#onLost();\n  }",
    ),
    (
        "connection.js",
        "    this.#events.onMessage(message);",
        "    if (message.message_type !== 'response') this.#heartbeat.quiet = 0;\n    this.#events.onMessage(message);",
    ),
)
