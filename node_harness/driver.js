'use strict';

// Drives the client in client/ by JSON lines: a command on each line of standard input; answers and events on standard
// output. The lines are described by schemas/tools/driver-command.schema.json and driver-event.schema.json.

const { IPCClient } = require('./client');
const { PROTOCOL } = require('./client/envelope');
const { name, version } = require('./package.json');

const CRASHED = 70; // EX_SOFTWARE of sysexits.h

/** @type {IPCClient | null} */
let client = null;
/** The handlers made by `subscribe`, by channel, then by the name that the command gave. */
const handlers = new Map();

function emit(line, written) {
  process.stdout.write(`${JSON.stringify(line)}\n`, written);
}

function describe({ message, code }) {
  return code === undefined ? { message } : { message, code };
}

function theClient() {
  if (client === null) throw new Error("there is no client yet: send the command 'create' first");
  return client;
}

function create({ app_id, ...members }) {
  if (client !== null) throw new Error('there is a client already');
  client = new IPCClient(app_id, {
    host: members.host,
    port: members.port,
    connectionTimeout: members.connection_timeout_ms,
    reconnectAttempts: members.reconnect_attempts,
    reconnectDelay: members.reconnect_delay_ms,
    heartbeatInterval: members.heartbeat_interval_ms,
  });
  client.onConnected(() => emit({ event: 'connected' }));
  client.onDisconnected((reason) => emit({ event: 'disconnected', reason: reason?.message ?? null }));
  client.onError((error) => emit({ event: 'error', error: describe(error) }));
  return { connection_id: client.connectionId };
}

function subscribe({ channel, handler = 'default', fails = false }) {
  const named = handlers.get(channel) ?? new Map();
  if (named.has(handler)) throw new Error(`channel '${channel}' has a handler '${handler}' already`);
  const report = (message) => {
    emit({ event: 'message', channel, handler, message });
    if (fails) throw new Error(`handler '${handler}' failed, as it was told to`);
  };
  theClient().subscribe(channel, report);
  handlers.set(channel, named.set(handler, report));
}

function unsubscribe({ channel, handler }) {
  if (handler === undefined) {
    theClient().unsubscribe(channel);
    handlers.delete(channel);
    return;
  }
  const report = handlers.get(channel)?.get(handler);
  if (!report) throw new Error(`channel '${channel}' has no handler '${handler}'`);
  theClient().unsubscribe(channel, report);
  handlers.get(channel).delete(handler);
}

function connectionInfo() {
  const { connectionId, connected, status, subscribedChannels } = theClient().getConnectionInfo();
  return { connection_id: connectionId, connected, status, subscribed_channels: subscribedChannels };
}

/** What each command does. What it returns, or its promise resolves to, is the result; a command without one has {}. */
const COMMANDS = {
  capabilities: () => ({ name, version, language: 'node', protocol: PROTOCOL, commands: Object.keys(COMMANDS) }),
  create,
  connect: async () => ({ connected: await theClient().connect() }),
  disconnect: () => theClient().disconnect(),
  send_request: async ({ channel, payload, timeout_ms }) => ({
    response: await theClient().sendRequest(channel, payload, timeout_ms),
  }),
  subscribe,
  unsubscribe,
  publish: ({ channel, payload }) => theClient().publish(channel, payload),
  notify: ({ channel, payload }) => theClient().notify(channel, payload),
  health_check: async () => ({ healthy: await theClient().healthCheck() }),
  connection_info: connectionInfo,
  exit: finish,
};

async function obey(line) {
  let id = null;
  try {
    const { id: given, command, ...members } = JSON.parse(line) ?? {};
    if (!Number.isSafeInteger(given)) throw new TypeError('a command needs an integer id');
    id = given;
    if (!Object.hasOwn(COMMANDS, command)) throw new Error(`unknown command ${JSON.stringify(command)}`);
    emit({ id, result: (await COMMANDS[command](members)) ?? {} });
  } catch (error) {
    emit({ id, error: describe(error) });
  }
}

/** Cut standard input at line feeds alone: readline would also cut at U+2028, which JSON may hold as it is. */
function readLines(onLine) {
  let parts = [];
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text) => {
    const pieces = text.split('\n');
    for (const piece of pieces.slice(0, -1)) {
      onLine(parts.join('') + piece);
      parts = [];
    }
    parts.push(pieces[pieces.length - 1]);
  });
}

/** Let the process end by itself, so that a client that leaves a timer or a socket behind shows. */
function finish() {
  client?.disconnect();
  process.stdin.destroy();
}

function crash(error) {
  emit({ event: 'crash', error: describe(error instanceof Error ? error : { message: String(error) }) }, () => {
    process.exit(CRASHED);
  });
}

process.on('uncaughtException', crash); // a rejection that nobody handles ends up here too
process.stdout.on('error', () => process.exit(CRASHED)); // nobody listens any more
process.stdin.on('end', finish);
readLines((line) => line.trim() && obey(line));
