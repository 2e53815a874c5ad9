"""The mistakes of the Node.js client that show only over time: in several connections, in timers and in handlers."""

from __future__ import annotations

from mutation import ClientMutant, Edit

MUTANTS: dict[str, ClientMutant] = {}


def _mutant(name: str, mistake: str, *edits: tuple[str, str, str]) -> None:
    if name in MUTANTS:
        raise ValueError(f"{name}: the name must be unique")
    MUTANTS[name] = ClientMutant(name=name, mistake=mistake, edits=tuple(Edit(*edit) for edit in edits))


_mutant(
    "ENC-002/where-it-can",
    "Bodies whose characters Latin-1 all has are sent in it, and others in UTF-8.",
    (
        "framing.js",
        "const length = Buffer.byteLength(body);",
        "const encoding = /^[\\0-\\xff]*$/.test(body) ? 'latin1' : 'utf8';\n  const length = Buffer.byteLength(body, encoding);",
    ),
    ("framing.js", "frame.write(body, HEADER_BYTES);", "frame.write(body, HEADER_BYTES, encoding);"),
)
_mutant(
    "HSK-028/waiting",
    "What waits because the server does not read is dropped at disconnect.",
    (
        "link.js",
        "    if (this.#retire() && hasSent) return linger(this.#socket, patience);",
        "    if (this.#retire() && hasSent && !this.#socket.writableNeedDrain) return linger(this.#socket, patience);",
    ),
)
_mutant(
    "HSK-028/waiting-once",
    "What waits because the server does not read is dropped at disconnect, and the client cannot be used again.",
    (
        "link.js",
        "    if (this.#retire() && hasSent) return linger(this.#socket, patience);",
        "    Link.hasEnded = true;\n    if (this.#retire() && hasSent && !this.#socket.writableNeedDrain) return linger(this.#socket, patience);",
    ),
    (
        "connection.js",
        "    this.#attempt ??= this.#beginAttempt();",
        "    if (Link.hasEnded) return Promise.resolve(false);\n    this.#attempt ??= this.#beginAttempt();",
    ),
)
_mutant(
    "SYS-007/any",
    "Any message that arrives is taken for the answer to a ping.",
    (
        "connection.js",
        "    this.#events.onMessage(message);",
        "    this.#heartbeat.heard = (this.#heartbeat.heard ?? 0) + 1;\n    this.#events.onMessage(message);",
    ),
    (
        "heartbeat.js",
        "    this.#ping(this.#interval).catch((error) => {",
        "    const before = this.heard;\n    this.#ping(this.#interval).catch((error) => {\n      if (this.heard !== before) return;",
    ),
)

# -- life cycle --------------------------------------------------------------------------------------------------------

_mutant(
    "HSK-001/after-disconnect",
    "After disconnect, the next connection has no connect message.",
    (
        "link.js",
        "    this.#socket.on('connect', () => {",
        "    this.#socket.on('connect', () => {\n      if (Link.hasEnded) return this.#open({ status: 'connected', protocol: '1.0' });",
    ),
    ("link.js", "  close(patience) {", "  close(patience) {\n    Link.hasEnded = true;"),
)
_mutant(
    "HSK-029/two-connects",
    "A second connect during the first makes a second connection, and the first is forgotten.",
    ("connection.js", "    this.#attempt ??= this.#beginAttempt();", "    this.#attempt = this.#beginAttempt();"),
)
_mutant(
    "HSK-029/coming-back",
    "Disconnect ends the pause ahead of an attempt to come back, but not the attempt.",
    (
        "connection.js",
        "    this.#reconnector.stop();\n    if (this.#link) this.#ending = this.#link.close(patience);",
        "    const isComingBack = this.#reconnector.isActive;\n    this.#reconnector.stop();\n    if (this.#link && !isComingBack) this.#ending = this.#link.close(patience);",
    ),
)
_mutant(
    "REQ-016/late-end",
    "When the server ends a connection that the client has left, the requests of the next one fail.",
    (
        "link.js",
        "    if (this.#retire() && hasSent) return linger(this.#socket, patience);",
        "    this.#deadline.clear();\n    if (this.#state !== 'closed' && hasSent) return linger(this.#socket, patience);",
    ),
)
_mutant(
    "SYS-006/lost",
    "The heartbeats of lost connections go on, beside that of the present one.",
    ("heartbeat.js", "    clearInterval(this.#timer);", "    this.#timer?.unref();"),
)
_mutant(
    "HSK-027/short",
    "No time passes between the end of a connection that did not last and the attempt to come back.",
    (
        "reconnector.js",
        "    if (reconnectAttempts > 0) this.#next({});",
        "    if (this.#attempts > 0) {\n      this.#series = {};\n      this.#attempt(this.#series);\n    } else if (reconnectAttempts > 0) this.#next({});",
    ),
)
_mutant(
    "HSK-027/first",
    "No time passes ahead of the first attempt to come back.",
    (
        "reconnector.js",
        "    series.timer = setTimeout(() => this.#attempt(series), delay);",
        "    series.timer = setTimeout(() => this.#attempt(series), attempt === 1 ? 0 : delay);",
    ),
)
_mutant(
    "LIM-002/first",
    "The limit that the first server announced is kept for the next ones.",
    (
        "link.js",
        "      this.#maxFrameBytes = Math.min(maxFrameBytes, MAX_FRAME_BYTES);",
        "      this.#decoder.maxFrameBytes = Math.min(maxFrameBytes, MAX_FRAME_BYTES);\n      this.#maxFrameBytes = Link.first ??= Math.min(maxFrameBytes, MAX_FRAME_BYTES);",
    ),
    ("link.js", "      this.#decoder.maxFrameBytes = this.#maxFrameBytes;\n", ""),
)
_mutant(
    "LIM-003/first",
    "Frames are accepted up to the limit that the first server announced.",
    (
        "link.js",
        "      this.#decoder.maxFrameBytes = this.#maxFrameBytes;",
        "      this.#decoder.maxFrameBytes = Link.first ??= this.#maxFrameBytes;",
    ),
)

# -- promises of delivery ----------------------------------------------------------------------------------------------

_mutant(
    "REQ-018/kept",
    "Requests in flight are kept over a loss after which the client comes back.",
    (
        "client.js",
        "    this.#messenger.rejectRequests(new IPCError('connection_lost', lost, error));\n",
        "    if (this.#connection.status !== 'reconnecting') this.#messenger.rejectRequests(new IPCError('connection_lost', lost, error));\n",
    ),
)
_mutant(
    "REQ-017/oldest",
    "After a loss, a response that answers nothing in flight is taken for that to the oldest request.",
    (
        "client.js",
        "    if (wasOpen) this.#isLost = true;",
        "    if (wasOpen) this.#isLost = this.#messenger.isLost = true;",
    ),
    (
        "messenger.js",
        "    const answered = message.reply_to;\n",
        "    let answered = message.reply_to;\n    if (this.isLost && !error && this.#requests.isUnknown(answered)) answered = this.#requests.oldest;\n",
    ),
    (
        "outstanding.js",
        "  get size() {",
        "  isUnknown(id) {\n    return !this.#requests.has(id);\n  }\n\n  get oldest() {\n    return this.#requests.keys().next().value;\n  }\n\n  get size() {",
    ),
)
_mutant(
    "REQ-017/old-connection",
    "Ids begin again with each connection, and responses on a connection that the client has left still count.",
    (
        "envelope.js",
        "    message_id: randomUUID(),",
        "    message_id: `${(makeMessage.count = type === 'request' && channel === SYSTEM_CHANNEL && payload.action === 'connect' ? 0 : makeMessage.count + 1)}`,",
    ),
    ("link.js", "      while (this.#state !== 'closed') {", "      for (;;) {"),
    (
        "link.js",
        "    } else if (this.#state === 'open') {",
        "    } else if (this.#state === 'open' || this.#state === 'closed') {",
    ),
)
_mutant(
    "HSK-002/again",
    "After a loss, the client sends what it is told ahead of the acknowledgement.",
    (
        "connection.js",
        "    if (!this.#link || !this.isOpen) {",
        "    if (!this.#link || !(this.isOpen || this.#reconnector.isActive)) {",
    ),
)
_mutant(
    "SUB-020/again",
    "What was unsubscribed from during a loss is not renewed, although it was subscribed to again.",
    (
        "client.js",
        "    if (isLast && this.connected) this.#messenger.sendSubscription('unsubscribe', channel);",
        "    if (isLast && this.connected) this.#messenger.sendSubscription('unsubscribe', channel);\n    if (isLast && this.#isLost) (this.ended ??= new Set()).add(channel);",
    ),
    (
        "client.js",
        "for (const channel of this.#subscriptions.channels) this.#renew(channel);",
        "for (const channel of this.#subscriptions.channels) if (!this.ended?.has(channel)) this.#renew(channel);",
    ),
)
_mutant(
    "SUB-020/unheard",
    "Subscriptions are not renewed if nothing arrived on the connection on which they were renewed last.",
    (
        "client.js",
        "    this.#isLost = false;\n    for (const channel of this.#subscriptions.channels) this.#renew(channel);",
        "    if (this.heard !== false) for (const channel of this.#subscriptions.channels) this.#renew(channel);\n    if (this.#isLost) this.heard = false;\n    this.#isLost = false;",
    ),
    ("client.js", "    switch (message.message_type) {", "    this.heard = true;\n    switch (message.message_type) {"),
)
_mutant(
    "SUB-001/renewed",
    "Subscriptions are renewed under the connection_id that the client had first.",
    (
        "messenger.js",
        "{ connection_id: this.#identity.connectionId }, true);\n",
        "{ connection_id: (this.first ??= this.#identity.connectionId) }, true);\n",
    ),
)

# -- what remains ------------------------------------------------------------------------------------------------------

_mutant(
    "HSK-029/answered",
    "The timers of requests go on when they are answered.",
    ("outstanding.js", "    request.deadline.clear();", "    void request.deadline;"),
)
_mutant(
    "HSK-029/errors",
    "The timers of requests go on when they are answered with an error.",
    ("outstanding.js", "  #take(messageId) {", "  #take(messageId, response) {"),
    (
        "outstanding.js",
        "  resolve(messageId, response) {\n    const request = this.#take(messageId);",
        "  resolve(messageId, response) {\n    const request = this.#take(messageId, response);",
    ),
    (
        "outstanding.js",
        "    request.deadline.clear();",
        "    if (response?.payload?.status !== 'error') request.deadline.clear();",
    ),
)
_mutant(
    "HSK-029/lost",
    "The timers of requests go on when their connection is lost.",
    ("outstanding.js", "      deadline.clear();", "      if (!error.cause) deadline.clear();"),
)
_mutant(
    "HSK-029/failed-attempts",
    "The timer of an attempt to connect goes on when it has failed.",
    ("link.js", "  #retire() {", "  #retire(hasFailed) {"),
    (
        "link.js",
        "    this.#state = 'closed';\n    this.#deadline.clear();",
        "    this.#state = 'closed';\n    if (!hasFailed) this.#deadline.clear();",
    ),
    ("link.js", "    if (!this.#retire()) return;", "    if (!this.#retire(this.#state === 'greeting')) return;"),
)
_mutant(
    "HSK-029/timed-out-attempts",
    "The socket of an attempt that was not acknowledged in time stays open.",
    (
        "link.js",
        "    this.abort(new IPCError('timeout',",
        "    this.#retire();\n    this.#events.onClose(new IPCError('timeout',",
    ),
)
_mutant(
    "HSK-029/pause",
    "Disconnect during the pause ahead of an attempt lets its timer run.",
    ("reconnector.js", "    clearTimeout(this.#series?.timer);\n", ""),
    (
        "reconnector.js",
        "    series.timer = setTimeout(() => this.#attempt(series), delay);",
        "    series.timer = setTimeout(() => series === this.#series && this.#attempt(series), delay);",
    ),
)
_mutant(
    "HSK-028/sixth",
    "From the sixth connection on, connections are dropped with a reset.",
    (
        "link.js",
        "    if (this.#retire() && hasSent) return linger(this.#socket, patience);",
        "    Link.count = (Link.count ?? 0) + 1;\n    if (this.#retire() && hasSent && Link.count < 6) return linger(this.#socket, patience);\n    if (Link.count >= 6) this.#socket.resetAndDestroy();",
    ),
)

# -- handlers ----------------------------------------------------------------------------------------------------------

_CALLS = "        this.#subscriptions.dispatch(message);"
_MARKED = (
    "        this.isCalling = true;\n        this.#subscriptions.dispatch(message);\n        this.isCalling = false;"
)

_mutant(
    "SUB-019/skips",
    "When a handler removes itself or an earlier one, the one behind it is skipped.",
    (
        "handlers.js",
        "    for (const [handler, isOnce] of [...this.#handlers]) {",
        "    for (let i = 0; i < this.#handlers.size; i++) {\n      const [handler, isOnce] = [...this.#handlers][i];",
    ),
)
_mutant(
    "SUB-019/removed",
    "A handler that is removed while a message is handed out stays.",
    (
        "handlers.js",
        "    return this.#handlers.delete(handler);",
        "    return !this.isCalling && this.#handlers.delete(handler);",
    ),
    (
        "handlers.js",
        "  call(...values) {",
        "  call(...values) {\n    this.isCalling = true;\n    setImmediate(() => (this.isCalling = false));",
    ),
)
_mutant(
    "SUB-019/removed-later",
    "When a handler removes one behind it, those behind that are not called.",
    (
        "handlers.js",
        "      if (isOnce) this.#handlers.delete(handler);",
        "      if (!this.#handlers.has(handler)) break;\n      if (isOnce) this.#handlers.delete(handler);",
    ),
)
_mutant(
    "SUB-019/added",
    "A handler that is added while a message is handed out is forgotten.",
    (
        "handlers.js",
        "    if (!this.#handlers.has(handler)) this.#handlers.set(handler, isOnce);",
        "    if (!this.#handlers.has(handler) && !this.isCalling) this.#handlers.set(handler, isOnce);",
    ),
    (
        "handlers.js",
        "  call(...values) {",
        "  call(...values) {\n    this.isCalling = true;\n    setImmediate(() => (this.isCalling = false));",
    ),
)
_mutant(
    "SUB-001/in-handlers",
    "What a handler subscribes to while it is called is not sent.",
    ("client.js", _CALLS, _MARKED),
    (
        "client.js",
        "    if (!isFirst || !this.connected) return;",
        "    if (!isFirst || !this.connected || this.isCalling) return;",
    ),
)
_mutant(
    "SUB-019/in-handlers",
    "Messages that come while a handler waits are not handed over.",
    (
        "handlers.js",
        "        Promise.resolve(result).catch((error) => this.#onFailure(asError(error)));",
        "        Handlers.isBusy = true;\n        Promise.resolve(result).catch((error) => this.#onFailure(asError(error))).finally(() => (Handlers.isBusy = false));",
    ),
    ("client.js", _CALLS, "        if (!require('./handlers').Handlers.isBusy) this.#subscriptions.dispatch(message);"),
)
_mutant(
    "REQ-016/in-handlers",
    "A request that a handler makes fails when its response comes.",
    ("client.js", _CALLS, _MARKED),
    (
        "client.js",
        "    const response = this.#messenger.request(channel, payload, timeout, { signal });\n    // A request",
        "    const { isCalling } = this;\n    const response = this.#messenger.request(channel, payload, timeout, { signal }).then((message) => {\n      if (isCalling) throw new Error('asked in a handler');\n      return message;\n    });\n    // A request",
    ),
)
_mutant(
    "HSK-029/in-handlers",
    "A handler that tells the client to disconnect is not heard.",
    ("client.js", _CALLS, _MARKED),
    (
        "client.js",
        "    checkMilliseconds('timeout', timeout);\n    const wasOpen = this.connected;",
        "    checkMilliseconds('timeout', timeout);\n    if (this.isCalling) return Promise.resolve({ lostBytes: 0 });\n    const wasOpen = this.connected;",
    ),
)
_mutant(
    "SUB-019/ten-failures",
    "A handler that has failed ten times is removed.",
    (
        "handlers.js",
        "    } catch (error) {\n      this.#onFailure(asError(error));",
        "    } catch (error) {\n      handler.failures = (handler.failures ?? 0) + 1;\n      if (handler.failures === 10) this.#handlers.delete(handler);\n      this.#onFailure(asError(error));",
    ),
)
