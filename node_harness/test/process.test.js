'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { acceptAgain, errorAnswer, frame, message, scriptedServer } = require('./helper');
const { program } = require('./program');
const { test } = require('./runner');

/** Return a port whose listener never accepts and whose queue is full: connecting neither succeeds nor fails. */
async function unansweringPort(t) {
  const listen = `const server = require('net').createServer().listen(0, '127.0.0.1', 1, () => {
    require('fs').writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [octets] = await once(child.stdout, 'data');
  const port = Number(octets);
  for (let answers = true; answers; ) {
    const socket = net.connect({ host: '127.0.0.1', port });
    t.after(() => socket.destroy());
    answers = await Promise.race([once(socket, 'connect').then(() => true), sleep(200, false)]);
  }
  return port;
}

/** How a program of `stateProgram` says that it ended by itself, within a second after disconnect(). */
const IN_TIME = { status: 0, output: 'in time' };

/** Run a program that brings a client into a state; `disconnect` has it check that state and call disconnect(). */
function stateProgram(t, port, { options = {}, status, setup }) {
  const { child, ended } = program(
    t,
    port,
    `const options = { host: '127.0.0.1', port, reconnectDelay: 60000, ...${JSON.stringify(options)} };
     const client = new IPCClient('a', options);
     process.stdin.once('data', () => {
       process.stdin.destroy();
       const reached = client.getConnectionInfo().status;
       if (reached !== '${status}') console.log('the state is', reached);
       const begun = Date.now();
       process.on('exit', () => console.log(Date.now() - begun < 1000 ? 'in time' : 'late'));
       client.disconnect();
     });
     ${setup}`,
  );
  return { ended, disconnect: () => child.stdin.write('now') };
}

const CONNECT = "client.connect().then((connected) => connected && console.log('it connected'));";

test('process ends after disconnect: never connected', async (t) => {
  const { ended, disconnect } = stateProgram(t, 1, { status: 'disconnected', setup: '' });
  disconnect();
  assert.deepEqual(await ended, IN_TIME);
});

test('process ends after disconnect: connecting to a port that accepts and says nothing', async (t) => {
  const server = await scriptedServer(t);
  const { ended, disconnect } = stateProgram(t, server.port, { status: 'connecting', setup: CONNECT });
  await (await server.accept()).receive();
  disconnect();
  assert.deepEqual(await ended, IN_TIME);
});

test('process ends after disconnect: connecting to an address that does not answer', async (t) => {
  const port = await unansweringPort(t);
  const { ended, disconnect } = stateProgram(t, port, { status: 'connecting', setup: CONNECT });
  await sleep(300); // nothing tells from outside that the program has begun to connect
  disconnect();
  assert.deepEqual(await ended, IN_TIME);
});

/** What a program does once it is connected, and how many messages the server then gets. */
const BUSY = {
  idle: ['', 0],
  'with requests pending': ["client.sendRequest('silent', {}); client.sendRequest('silent', 1, 60000);", 2],
  'with a health check pending': ['client.healthCheck(60000);', 1],
  'with subscriptions': ["client.subscribe('c', () => {}); client.subscribe('d', () => {});", 2],
  'with an unanswered ping of the heartbeat': ['', 1, { heartbeatInterval: 300 }],
};
for (const [name, [busy, messages, options]] of Object.entries(BUSY)) {
  test(`process ends after disconnect: connected, ${name}`, async (t) => {
    const server = await scriptedServer(t);
    const setup = `await client.connect(); ${busy}`;
    const { ended, disconnect } = stateProgram(t, server.port, { options, status: 'connected', setup });
    const { peer } = await acceptAgain(server);
    for (let count = 0; count < messages; count += 1) await peer.receive();
    if (messages === 0) await sleep(100); // nothing tells from outside that the acknowledgement has arrived
    disconnect();
    assert.deepEqual(await ended, IN_TIME);
  });
}

test('process ends after disconnect: waiting for the next attempt', async (t) => {
  const server = await scriptedServer(t);
  const setup = 'await client.connect();';
  const { ended, disconnect } = stateProgram(t, server.port, { status: 'reconnecting', setup });
  const { peer } = await acceptAgain(server);
  peer.end();
  await peer.gone();
  disconnect();
  assert.deepEqual(await ended, IN_TIME);
});

test('process ends after disconnect: in an attempt to connect again', async (t) => {
  const server = await scriptedServer(t);
  const options = { reconnectDelay: 1 };
  const setup = 'await client.connect();';
  const { ended, disconnect } = stateProgram(t, server.port, { options, status: 'reconnecting', setup });
  const { peer } = await acceptAgain(server);
  peer.end();
  await (await server.accept()).receive();
  disconnect();
  assert.deepEqual(await ended, IN_TIME);
});

test('process ends after disconnect, and what was sent arrives', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(
    t,
    server.port,
    `const client = new IPCClient('a', { host: '127.0.0.1', port });
     await client.connect();
     client.publish('c', 'last words');
     client.disconnect();`,
  );
  const { peer } = await acceptAgain(server);
  assert.equal((await peer.receive()).payload, 'last words');
  assert.deepEqual(await ended, { status: 0, output: '' });
});

test('what was sent arrives when the process is ended right after disconnect', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(
    t,
    server.port,
    `const client = new IPCClient('a', { host: '127.0.0.1', port });
     await client.connect();
     client.publish('c', 'last words');
     client.disconnect();
     process.exit(0);`,
  );
  const { peer } = await acceptAgain(server);
  assert.equal((await peer.receive()).payload, 'last words');
  assert.deepEqual(await ended, { status: 0, output: '' });
});

test('process ends by itself when the attempts are used up', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(
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
  const { ended } = program(t, server.port, CARELESS);
  (await server.accept()).reset();
  assert.deepEqual(await ended, { status: 0, output: '' });
});

test('nothing that goes wrong ends a careless process: a hostile server', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(t, server.port, CARELESS);
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

test('a program that waits for the connection and never calls connect is told so, once', async (t) => {
  const quick = 'const real = setTimeout; global.setTimeout = (act, ms) => real(act, ms / 10);';
  const wait = 'setTimeout(() => process.exit(), 8000);';
  const handlers = "for (const each of [a, b]) each.onConnected(() => {}); a.on('connected', () => {});";
  const clients = `${quick} const a = new IPCClient('a', { port }), b = new IPCClient('b', { port });`;
  const forgotten = program(t, 1, `${clients} ${handlers} ${wait}`);
  const unconcerned = program(t, 1, `${clients} a.onError(() => {}); ${wait}`);
  const connecting = program(t, 1, `${clients} ${handlers} a.onError(() => {}); a.connect(); b.disconnect(); ${wait}`);
  const short = program(t, 1, `${clients} ${handlers}`);
  const programs = [forgotten, unconcerned, connecting, short];
  const texts = await Promise.all(programs.map(async ({ ended }) => (await ended).output));
  assert.match(texts[0], /IPC_NEVER_CONNECTED.*of 'a' has a handler for 'connected', but connect\(\) was never called/);
  assert.equal(texts[0].match(/IPC_NEVER_CONNECTED/g).length, 1);
  assert.deepEqual(texts.slice(1), ['', '', '']);
});
