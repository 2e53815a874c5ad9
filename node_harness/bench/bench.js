'use strict';

// Measures the client: requests in flight against a server in a process of its own, and the assembly of long frames.
//   node bench/bench.js [--port N] [--seconds S]
// Without --port it starts the reference server with the Python that IPC_TEST_PYTHON names (default: python3).

const { performance } = require('perf_hooks');
const { parseArgs } = require('util');
const { IPCClient } = require('../client');
const { FrameDecoder } = require('../client/framing');
const { startServer } = require('../test/reference');

const IN_FLIGHT = [1, 64, 256, 1000];
const BURST = 10000;
const CHUNK_BYTES = 1024;
const MIBS = [4, 8, 16];
const ROUNDS = 3;

/**
 * Keep a number of requests in flight for a time.
 * @returns {Promise<number>} requests a second
 */
async function throughput(client, channel, payload, inFlight, seconds) {
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let answered = 0;
  const lane = async () => {
    while (performance.now() < end) {
      await client.sendRequest(channel, payload);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return answered / ((performance.now() - begun) / 1000);
}

/** @returns {Promise<number>} milliseconds until all of many requests that were sent at once are answered */
async function burst(client, count) {
  const begun = performance.now();
  await Promise.all(Array.from({ length: count }, (_, number) => client.sendRequest('conformance.echo', { number })));
  return performance.now() - begun;
}

/** @returns {number} milliseconds to put a frame together that arrives in small pieces */
function assembly(mib) {
  const length = mib * 1024 * 1024;
  const stream = Buffer.alloc(4 + length, 'x');
  stream.writeUInt32BE(length);
  const decoder = new FrameDecoder(length);
  const begun = performance.now();
  let body = null;
  for (let at = 0; at < stream.length; at += CHUNK_BYTES) {
    decoder.push(stream.subarray(at, at + CHUNK_BYTES));
    body = decoder.next();
  }
  const taken = performance.now() - begun;
  if (body?.length !== length) throw new Error('the frame was not put together');
  return taken;
}

function show(what, values, unit) {
  const text = values.map((value) => value.toFixed(value < 100 ? 1 : 0).padStart(8)).join('');
  console.log(`${what.padEnd(44)}${text}  ${unit}`);
}

async function repeat(measure) {
  const values = [];
  for (let round = 0; round < ROUNDS; round += 1) values.push(await measure());
  return values;
}

async function main() {
  const { values } = parseArgs({ options: { port: { type: 'string' }, seconds: { type: 'string', default: '2' } } });
  const seconds = Number(values.seconds);
  const server = values.port ? { port: Number(values.port), stop: () => {} } : await startServer();
  const client = new IPCClient('conformance', { host: '127.0.0.1', port: server.port, reconnectAttempts: 0 });
  client.onError((error) => console.error(error.message));
  try {
    if (!(await client.connect())) throw new Error('no connection to the server');
    console.log(`Node ${process.version}; each figure ${ROUNDS} times`);
    for (const [channel, payload] of [['system', { action: 'ping' }], ['conformance.echo', { number: 1 }]]) {
      for (const inFlight of IN_FLIGHT) {
        const rates = await repeat(() => throughput(client, channel, payload, inFlight, seconds / ROUNDS));
        show(`${channel}, ${inFlight} in flight`, rates, 'requests/s');
      }
    }
    show(`${BURST} requests in flight at once`, await repeat(() => burst(client, BURST)), 'ms');
    for (const mib of MIBS) show(`frame of ${mib} MiB in pieces of 1 KiB`, await repeat(() => assembly(mib)), 'ms');
  } finally {
    client.disconnect();
    server.stop();
  }
}

main();
