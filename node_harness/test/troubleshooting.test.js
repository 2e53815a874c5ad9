'use strict';

// What users of the first client of this protocol were told to look at when something does not work, and when they come
// from its WebSocket version.

const assert = require('node:assert/strict');
const dns = require('node:dns');
const { once } = require('node:events');
const http = require('node:http');
const {
  acceptAgain,
  barrier,
  connectedPair,
  failedAttempt,
  message,
  recordedClient,
  response,
  scriptedServer,
} = require('./helper');
const { program } = require('./program');
const { startServer } = require('./reference');
const { replace, test } = require('./runner');

/** Have an attempt to connect end in a socket error, by way of the look-up of the name. */
function failLookups(t, code) {
  const error = Object.assign(new Error(`getaddrinfo ${code} ipc.test`), { code });
  replace(t, dns, 'lookup', (host, options, found) => found(error));
}

test('server tells an HTTP client that asks for a WebSocket what it speaks instead', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  const request = http.get({ port: server.port, host: '127.0.0.1', headers });
  const [answer] = await once(request, 'response');
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  assert.equal(answer.statusCode, 426);
  assert.match(Buffer.concat(chunks).toString(), /IPC/);
});

test('client that reaches an HTTP server says to check the port', async (t) => {
  const server = http.createServer((request, answer) => answer.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const error = await failedAttempt(t, server.address().port);
  assert.match(error.message, /Check that host and port are those of an IPC server/);
});

test('client connects to a port given in digits', async (t) => {
  const server = await scriptedServer(t);
  const { client } = recordedClient(t, String(server.port));
  const opened = client.connect();
  await acceptAgain(server);
  assert.equal(await opened, true);
});

test('client says to start the server when nobody listens', async (t) => {
  const server = await scriptedServer(t);
  server.stop();
  const error = await failedAttempt(t, server.port);
  const text = `connection failed: connect ECONNREFUSED 127.0.0.1:${server.port}`;
  assert.equal(error.message, `${text}. Start the server, or check host and port.`);
  assert.deepEqual([error.code, error.cause.code], ['connection_failed', 'ECONNREFUSED']);
});

const ADVICE = {
  ENOTFOUND: /Check the host name/,
  EAI_AGAIN: /Check the host name.*name server/,
  EHOSTUNREACH: /Check host and port.*firewall/,
  ENETUNREACH: /Check host and port.*firewall/,
  ETIMEDOUT: /Check host and port.*firewall/,
  CERT_NOT_YET_VALID: /Renew.*clock/,
  DEPTH_ZERO_SELF_SIGNED_CERT: /tls\.ca/,
  SELF_SIGNED_CERT_IN_CHAIN: /tls\.ca/,
  UNABLE_TO_GET_ISSUER_CERT: /tls\.ca/,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: /tls\.ca/,
};
for (const [code, advice] of Object.entries(ADVICE)) {
  test(`client says what to do about ${code}`, async (t) => {
    failLookups(t, code);
    const error = await failedAttempt(t, 8888, { host: 'ipc.test' });
    assert.deepEqual([error.code, error.cause.code], ['connection_failed', code]);
    assert.match(error.message, new RegExp(`^connection failed: .*${code}.*${advice.source}`));
  });
}

test('client says what to do when a connection is not acknowledged in time', async (t) => {
  const server = await scriptedServer(t);
  const error = await failedAttempt(t, server.port, { connectionTimeout: 300 });
  assert.equal(error.code, 'timeout');
  assert.match(error.message, /^connection timeout: .* within 300 ms\. Check that .*longer connectionTimeout\.$/);
});

test('client says what to do when a connection cannot even be made in time', async (t) => {
  replace(t, dns, 'lookup', () => {});
  const error = await failedAttempt(t, 8888, { host: 'ipc.test', connectionTimeout: 30 });
  assert.equal(error.code, 'timeout');
  assert.match(error.message, /^connection timeout: .* 30 ms\. Check host and port.* longer connectionTimeout\.$/);
});

test('client says what to do about a request without a response in time, and a longer time helps', async (t) => {
  const { client, peer } = await connectedPair(t);
  const impatient = client.sendRequest('slow', {}, 20);
  const expected = { code: 'timeout', message: /^request timeout: .* longer timeout, the third argument/ };
  await assert.rejects(impatient, expected);
  const patient = client.sendRequest('slow', {}, 30000);
  await peer.receive();
  peer.send(response(await peer.receive(), 'done'));
  assert.equal((await patient).payload, 'done');
});

test('client says to connect first', async (t) => {
  const { client } = recordedClient(t, 8888);
  const expected = { code: 'not_connected', message: /^not connected: .*127\.0\.0\.1, port 8888\. Await connect\(\)/ };
  await assert.rejects(client.sendRequest('c', 1), expected);
  assert.throws(() => client.publish('c', 1), expected);
});

test('program that disconnects on SIGINT delivers what it sent', async (t) => {
  const server = await scriptedServer(t);
  const { child, ended } = program(
    t,
    server.port,
    `const client = new IPCClient('a', { host: '127.0.0.1', port });
     process.on('SIGINT', () => {
       client.publish('c', 'last words');
       client.disconnect();
       process.exit(0);
     });
     await client.connect();
     client.publish('c', 'ready');`,
  );
  const { peer } = await acceptAgain(server);
  assert.equal((await peer.receive()).payload, 'ready');
  child.kill('SIGINT');
  assert.equal((await peer.receive()).payload, 'last words');
  await peer.gone();
  assert.deepEqual(await ended, { status: 0, output: '' });
});

/** Receive from a client, answering its pings or not, until it publishes a state. */
async function receiveUntil(peer, state, isAnswering) {
  for (;;) {
    const received = await peer.receive();
    if (received.message_type === 'publish' && received.payload === state) return;
    if (isAnswering && received.payload.action === 'ping') peer.send(response(received, { status: 'pong' }));
  }
}

test('program that watches its connection sees it healthy, ill, lost and back, and ends', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(
    t,
    server.port,
    `const client = new IPCClient('a', { host: '127.0.0.1', port, reconnectDelay: 1 });
     const seen = new Set();
     const note = (text) => {
       if (!seen.has(text) && client.connected) client.publish('state', text);
       seen.add(text);
     };
     client.onConnected(() => note('connected'));
     client.onDisconnected((reason) => note(reason ? 'lost' : 'disconnected'));
     client.onError((error) => note(error.code));
     const watch = setInterval(async () => {
       if (client.connected) note((await client.healthCheck(500)) ? 'healthy' : 'ill');
     }, 50);
     client.subscribe('end', () => {
       clearInterval(watch);
       client.disconnect();
       console.log([...seen].join(' '));
     });
     await client.connect();`,
  );
  const { peer } = await acceptAgain(server);
  await receiveUntil(peer, 'healthy', true);
  await receiveUntil(peer, 'ill', false);
  peer.end();
  const { peer: second } = await acceptAgain(server);
  second.send(message('publish', 'end', 1));
  assert.deepEqual(await ended, { status: 0, output: 'connected healthy ill connection_lost lost disconnected' });
});

test('nothing stays of a client after disconnect', async (t) => {
  const server = await scriptedServer(t);
  const { ended } = program(
    t,
    server.port,
    `// Pipes are the standard streams.
     const resources = () => process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
     async function use() {
       const client = new IPCClient('a', { host: '127.0.0.1', port });
       client.onError(() => {});
       await client.connect();
       client.subscribe('c', () => client);
       client.publish('c', 1);
       client.sendRequest('silent', 1, 600000);
       client.healthCheck(600000);
       client.disconnect();
       return new WeakRef(client);
     }
     const clients = [await use(), await use(), await use()];
     while (clients.some((client) => client.deref()) || resources().length > 0) {
       await new Promise((resolve) => setTimeout(resolve, 10));
       gc();
     }
     console.log('gone');`,
    ['--expose-gc'],
  );
  for (let client = 0; client < 3; client += 1) {
    const { peer } = await acceptAgain(server);
    await peer.gone();
    peer.end();
  }
  assert.deepEqual(await ended, { status: 0, output: 'gone' });
});

test('a client that connects and disconnects a hundred times keeps nothing of it', async (t) => {
  const { client, server, peer } = await connectedPair(t);
  client.subscribe('c', () => {});
  let current = peer;
  for (let round = 0; round < 100; round += 1) {
    client.sendRequest('silent', 1);
    client.disconnect();
    assert.equal(client.getConnectionInfo().pendingRequests, 0);
    const opened = client.connect();
    await current.gone();
    current.end();
    current = (await acceptAgain(server)).peer;
    assert.equal(await opened, true);
  }
  assert.equal((await current.receive()).message_type, 'subscribe');
  assert.equal(await barrier(client, current), true);
  assert.equal(server.waiting, 0);
});
