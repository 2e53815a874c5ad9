'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const { acceptAgain, errorAnswer, frame, message, scriptedServer, withDeadline } = require('./helper');

const CLIENT = path.join(__dirname, '..', 'client');

/** Run a program that has `IPCClient` and `port`, and collect what it prints. */
function program(t, port, source) {
  const prelude = `const { IPCClient } = require(${JSON.stringify(CLIENT)}); const port = ${port};`;
  const child = spawn(process.execPath, ['-e', `${prelude}(async () => {${source}})()`]);
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([status]) => ({ status, output: output.trim() }));
  return withDeadline(ended, 'the end of the program');
}

test('process ends by itself after disconnect, although the server keeps its side open', async (t) => {
  const server = await scriptedServer(t);
  const ended = program(
    t,
    server.port,
    `const client = new IPCClient('a', { host: '127.0.0.1', port });
     await client.connect();
     client.subscribe('c', () => {});
     client.sendRequest('silent', {});
     client.publish('c', 'last words');
     client.disconnect();
     const begun = Date.now();
     process.on('exit', () => console.log(Date.now() - begun < 500 ? 'at once' : 'late'));`,
  );
  const { peer } = await acceptAgain(server);
  const received = [await peer.receive(), await peer.receive(), await peer.receive()];
  assert.equal(received[2].payload, 'last words');
  assert.deepEqual(await ended, { status: 0, output: 'at once' });
});

test('process ends by itself when the attempts are used up', async (t) => {
  const server = await scriptedServer(t);
  const ended = program(
    t,
    server.port,
    `await new IPCClient('a', { host: '127.0.0.1', port, reconnectDelay: 1, reconnectAttempts: 2 }).connect();`,
  );
  const { peer } = await acceptAgain(server);
  server.stop();
  await peer.gone();
  assert.deepEqual(await ended, { status: 0, output: '' });
});

/** A program without an error handler, whose handlers fail and which awaits none of its promises. */
const CARELESS = `
  const client = new IPCClient('a', { host: '127.0.0.1', port, reconnectDelay: 1, heartbeatInterval: 60000 });
  client.onDisconnected(() => { throw new Error('in onDisconnected'); });
  client.subscribe('c', () => { throw new Error('in a handler'); });
  client.subscribe('c', async () => { throw new Error('later in a handler'); });
  client.onConnected(() => { client.sendRequest('silent', {}); client.sendRequest('quick', {}, 1); });
  client.sendRequest('too early', {});
  client.sendRequest('', {});
  client.connect();
  client.subscribe('end', () => { client.disconnect(); console.log('alive'); });
`;

test('nothing that goes wrong ends a careless process: an attempt that fails', async (t) => {
  const server = await scriptedServer(t);
  const ended = program(t, server.port, CARELESS);
  (await server.accept()).reset();
  assert.deepEqual(await ended, { status: 0, output: '' });
});

test('nothing that goes wrong ends a careless process: a hostile server', async (t) => {
  const server = await scriptedServer(t);
  const ended = program(t, server.port, CARELESS);
  const provocations = [
    frame('broken'),
    frame(''),
    frame('{}'.repeat(2)),
    Buffer.alloc(64, 0xff),
    frame('['.repeat(100000)),
    frame(errorAnswer('slow_consumer')),
  ];
  for (const octets of provocations) {
    const { peer } = await acceptAgain(server);
    peer.send(message('publish', 'c', 1), {}, { message_type: 'response' });
    peer.write(octets);
    await peer.gone();
  }
  const { peer: reset } = await acceptAgain(server);
  reset.reset();
  const { peer } = await acceptAgain(server);
  peer.send(message('publish', 'end', 1));
  assert.deepEqual(await ended, { status: 0, output: 'alive' });
});
