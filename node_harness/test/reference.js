'use strict';

// Starts the reference server, with the Python that the variable IPC_TEST_PYTHON names (default: python3).

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const REPOSITORY = path.join(__dirname, '..', '..');
const DEADLINE_MS = 20000;

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function accepts(address) {
  return new Promise((resolve) => {
    const socket = net.connect(address);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/**
 * Start the reference server with the handlers that the conformance suite calls.
 * @param {{port?: number, unix?: string, options?: string[]}} [settings] a free port unless told otherwise; the path of
 *   a socket in place of a port; further options
 * @returns {Promise<{port: number, stop: () => void, kill: () => Promise<void>, unref: () => void}>} `kill` is for a
 *   sudden end; `unref` lets this process end before
 */
async function startServer({ port: wanted, unix, options: further = [] } = {}) {
  const port = unix === undefined ? (wanted ?? (await freePort())) : undefined;
  const address = unix === undefined ? { host: '127.0.0.1', port } : { path: unix };
  const listen = unix === undefined ? ['--host', '127.0.0.1', '--port', String(port)] : ['--unix', unix];
  const python = process.env.IPC_TEST_PYTHON ?? 'python3';
  const options = [...listen, '--responder', '--log-level', 'warning', ...further];
  const child = spawn(python, ['-m', 'reference_server', ...options], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let failure = null;
  child.on('error', (error) => (failure = error.message));
  child.on('exit', (status) => (failure = `it ended with status ${status}`));
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await accepts(address))) {
    if (Date.now() > deadline) failure ??= 'it does not listen';
    if (failure) throw new Error(`the reference server did not start: ${failure}`);
    await sleep(50);
  }
  const kill = async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return { port, stop: () => child.kill(), kill, unref: () => child.unref() };
}

module.exports = { freePort, startServer };
