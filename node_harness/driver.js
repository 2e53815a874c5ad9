#!/usr/bin/env node
'use strict';

// Drives a client by JSON lines: a command on each line of standard input; answers and events on standard output. The
// lines are described by schemas/tools/driver-command.schema.json and driver-event.schema.json.

const { parseArgs } = require('util');
const { loadPackage } = require('./driver/load');
const { normalizeError } = require('./driver/normalize');
const { ClientUnderTest, Skipped } = require('./driver/client-under-test');

const PROTOCOL = '1.1';
const WRONG_USE = 2;
const CRASHED = 70; // EX_SOFTWARE of sysexits.h

const HELP = `Usage: node driver.js [--package NAME_OR_PATH]

Drives an IPC client: commands on standard input, answers and events on standard output, a JSON text a line.

  --package NAME_OR_PATH  The package that exports IPCClient, a CommonJS or an ECMAScript module: the name of one
                          that is installed for the working directory, or the path of a folder or file, absolute or
                          with a dot at its beginning. Default: the client beside this driver.
  --help                  Show this message and exit.
`;

/** @type {import('./driver/load').LoadedPackage} */
let loaded;
/** @type {ClientUnderTest} */
let client;

/**
 * What each command does. What it returns, or its promise resolves to, is the result; a command without one has {}.
 * @type {Record<string, (members: any) => unknown>}
 */
const COMMANDS = {
  capabilities: () => {
    const { name, version } = loaded;
    return { name, version, language: 'node', protocol: PROTOCOL, commands: Object.keys(COMMANDS) };
  },
  create: (members) => client.create(members),
  connect: async () => ({ connected: Boolean(await client.call('connect')) }),
  disconnect: async () => void (await client.call('disconnect')),
  send_request: (members) => client.sendRequest(members),
  subscribe: (members) => client.subscribe(members),
  react: ({ action: { command, ...members }, ...where }) => client.react(where, () => outcomeOf(command, members)),
  unsubscribe: (members) => client.unsubscribe(members),
  publish: async ({ channel, payload }) => void (await client.call('publish', channel, payload)),
  notify: async ({ channel, payload }) => void (await client.call('notify', channel, payload)),
  health_check: async () => ({ healthy: Boolean(await client.call('healthCheck')) }),
  connection_info: () => client.connectionInfo(),
  exit: finish,
};

/**
 * @param {object} line
 * @param {() => void} [written]
 */
function emit(line, written) {
  process.stdout.write(`${JSON.stringify(line)}\n`, written);
}

/** @param {string} line */
async function execute(line) {
  /** @type {any} */
  let told;
  try {
    told = JSON.parse(line) ?? {};
    if (!Number.isSafeInteger(told.id)) throw new TypeError('a command needs an integer id');
  } catch (error) {
    emit({ id: null, error: normalizeError(error) });
    return;
  }
  const { id, command, ...members } = told;
  emit({ id, ...(await outcomeOf(command, members)) });
}

/**
 * Obey a command, the beginning of it before this returns.
 * @param {string} command
 * @param {any} members
 * @returns {Promise<object>} its result, its error or why it was skipped
 */
async function outcomeOf(command, members) {
  try {
    if (!Object.hasOwn(COMMANDS, command)) throw new Error(`unknown command ${JSON.stringify(command)}`);
    return { result: (await COMMANDS[command](members)) ?? {} };
  } catch (error) {
    return error instanceof Skipped ? { skipped: error.message } : { error: normalizeError(error) };
  }
}

/**
 * Cut standard input at line feeds alone: readline would also cut at U+2028, which JSON may hold as it is.
 * @param {(line: string) => void} onLine
 */
function readLines(onLine) {
  /** @type {string[]} */
  let parts = [];
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (/** @type {string} */ text) => {
    const pieces = text.split('\n');
    for (const piece of pieces.slice(0, -1)) {
      onLine(parts.join('') + piece);
      parts = [];
    }
    parts.push(pieces[pieces.length - 1]);
  });
}

/** Let the process end by itself: a timer or socket that the client forgot keeps it alive, and the kit sees that. */
async function finish() {
  process.stdin.destroy();
  await client.end();
}

/** @param {unknown} error */
function crash(error) {
  emit({ event: 'crash', error: normalizeError(error) }, () => process.exit(CRASHED));
}

/** @param {string} spec */
async function drive(spec) {
  // What a client logs to the console must not stand between the lines of the driver.
  globalThis.console = new console.Console(process.stderr, process.stderr);
  loaded = await loadPackage(spec);
  client = new ClientUnderTest(loaded.IPCClient, emit);
  process.on('uncaughtException', crash); // unhandled rejections arrive here, too
  process.stdout.on('error', () => process.exit(CRASHED)); // the kit no longer reads
  process.stdin.on('end', finish);
  readLines((line) => line.trim() && execute(line));
}

/** @param {any} error */
function refuse(error) {
  process.stderr.write(`driver: ${error.message}\n`, () => process.exit(WRONG_USE));
}

async function main() {
  const { values } = parseArgs({ options: { package: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) process.stdout.write(HELP);
  else await drive(values.package ?? __dirname);
}

main().catch(refuse);
