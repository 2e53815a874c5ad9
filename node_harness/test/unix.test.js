'use strict';

// The client on a Unix domain socket: what differs from TCP, and that the rest does not.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { makeAuthority } = require('./certificates');
const { makeFolder } = require('./folder');
const {
  acceptAgain,
  barrier,
  connectedPair,
  errorAnswer,
  failedAttempt,
  message,
  recordedClient,
  response,
  scriptedServer,
} = require('./helper');
const { program } = require('./program');
const { startServer } = require('./reference');
const { replace, test } = require('./runner');

/** The path of a socket that does not exist yet. */
function socketPath(t) {
  return path.join(makeFolder(t), 'ipc.sock');
}

/** Leave the socket of a server behind that was killed. */
function leaveStale(socket) {
  const source = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ['-e', source]);
  assert.ok(fs.statSync(socket).isSocket());
}

/** Have the next connections fail with an error of the system. */
function failConnections(t, code, socket) {
  const error = Object.assign(new Error(`connect ${code} ${socket}`), { code, syscall: 'connect', address: socket });
  replace(t, net, 'connect', () => new net.Socket().destroy(error));
}

test('client connects to a path, makes requests, and gets what is published', async (t) => {
  const socket = socketPath(t);
  const { client, peer, hello, events } = await connectedPair(t, { path: socket, token: 'secret' });
  assert.equal(hello.payload.token, 'secret');
  assert.deepEqual(events, ['connected']);
  const { host, port, path: shown, status } = client.getConnectionInfo();
  assert.deepEqual({ host, port, shown, status }, { host: null, port: null, shown: socket, status: 'connected' });
  const large = 'é😀'.repeat(500000);
  const answered = client.sendRequest('c', large);
  const request = await peer.receive();
  assert.equal(request.payload, large);
  peer.send(response(request, large));
  assert.equal((await answered).payload, large);
  const got = [];
  client.subscribe('c', ({ payload }) => got.push(payload));
  await peer.receive();
  peer.send(message('publish', 'c', 1), message('notification', 'c', 2));
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(got, [1, 2]);
});

test('client looks a relative path up in the working directory', async (t) => {
  const socket = path.relative(process.cwd(), socketPath(t));
  const { client } = await connectedPair(t, { path: socket });
  assert.equal(client.getConnectionInfo().path, socket);
});

test('clients on one path are connections of their own', async (t) => {
  const socket = socketPath(t);
  const { client, server, peer } = await connectedPair(t, { path: socket });
  const other = recordedClient(t, undefined, { path: socket });
  const opened = other.client.connect();
  const { peer: otherPeer, hello } = await acceptAgain(server);
  assert.equal(await opened, true);
  assert.equal(hello.payload.connection_id, other.client.connectionId);
  assert.equal(await barrier(other.client, otherPeer), true);
  assert.equal(await barrier(client, peer), true);
});

test('client connects again to a path, with its id and its subscriptions', async (t) => {
  const { client, server, peer, hello, events, nextConnected } = await connectedPair(t, { path: socketPath(t) });
  client.subscribe('c', () => {});
  await peer.receive();
  const answered = client.sendRequest('c', 1);
  peer.end();
  await assert.rejects(answered, { code: 'connection_lost' });
  const again = await acceptAgain(server);
  assert.equal(again.hello.payload.connection_id, hello.payload.connection_id);
  assert.equal((await again.peer.receive()).message_type, 'subscribe');
  await nextConnected();
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost', 'connected']);
});

test('client connects again when the file of the socket is there again', async (t) => {
  const socket = socketPath(t);
  const pair = await connectedPair(t, { path: socket, reconnectAttempts: 1000 });
  pair.server.stop();
  assert.equal((await pair.nextError()).code, 'connection_lost');
  assert.equal(fs.existsSync(socket), false);
  const failed = await pair.nextError();
  assert.deepEqual([failed.code, failed.cause.code], ['connection_failed', 'ENOENT']);
  leaveStale(socket);
  for (let error = failed; error.cause.code !== 'ECONNREFUSED'; ) error = await pair.nextError();
  fs.rmSync(socket);
  const { peer } = await acceptAgain(await scriptedServer(t, undefined, socket));
  await pair.nextConnected();
  assert.equal(await barrier(pair.client, peer), true);
});

test('heartbeat on a path sends pings, and an unanswered one is a loss', async (t) => {
  const { server, peer, events, nextConnected } = await connectedPair(t, {
    path: socketPath(t),
    heartbeatInterval: 300,
  });
  const ping = await peer.receive();
  peer.send(response(ping, { status: 'pong' }));
  await peer.receive();
  await peer.gone();
  await acceptAgain(server);
  await nextConnected();
  assert.deepEqual(events, ['connected', 'error heartbeat_timeout', 'lost', 'connected']);
});

test('disconnect on a path delivers what was sent, and ends the stream in order', async (t) => {
  const { client, peer, events } = await connectedPair(t, { path: socketPath(t) });
  const data = 'x'.repeat(3000000);
  const ended = once(peer.socket, 'end');
  client.publish('c', data);
  client.disconnect();
  peer.send(message('publish', 'c', 'unread'));
  assert.equal((await peer.receive()).payload, data);
  await ended;
  assert.deepEqual(events, ['connected', 'disconnected']);
});

test('process ends by itself after disconnect on a path, and what was sent arrives', async (t) => {
  const socket = socketPath(t);
  const server = await scriptedServer(t, undefined, socket);
  const { ended } = program(
    t,
    null,
    `const client = new IPCClient('a', { path: ${JSON.stringify(socket)} });
     await client.connect();
     client.publish('c', 'last words');
     client.disconnect();`,
  );
  const { peer } = await acceptAgain(server);
  assert.equal((await peer.receive()).payload, 'last words');
  assert.deepEqual(await ended, { status: 0, output: '' });
});

const authority = makeAuthority('authority');

test('client speaks TLS on a path, for localhost or the name in tls.servername', async (t) => {
  const credentials = authority.issue({ names: ['localhost', 'ipc.test'] });
  for (const servername of ['localhost', 'ipc.test']) {
    const tls = servername === 'localhost' ? { ca: authority.ca } : { ca: authority.ca, servername };
    const pair = await connectedPair(t, { path: socketPath(t), tls }, {}, credentials);
    assert.equal(pair.peer.socket.servername, servername);
    pair.peer.end();
    const { peer } = await acceptAgain(pair.server);
    await pair.nextConnected();
    assert.equal(await barrier(pair.client, peer), true);
  }
});

test('client refuses a certificate for another name on a path, with advice', async (t) => {
  const socket = socketPath(t);
  await scriptedServer(t, authority.issue({ names: ['other.test'] }), socket);
  const error = await failedAttempt(t, undefined, { path: socket, tls: { ca: authority.ca } });
  assert.equal(error.code, 'tls_failed');
  assert.match(error.message, /^connection failed: .*localhost.*\. Set tls\.serv/);
});

test('client that speaks TLS on a path says that the server does not', async (t) => {
  const socket = socketPath(t);
  const server = await scriptedServer(t, undefined, socket);
  const { client, nextError } = recordedClient(t, undefined, { path: socket, tls: { ca: authority.ca } });
  const opened = client.connect();
  (await server.accept()).send(errorAnswer('frame_too_large'));
  assert.equal(await opened, false);
  const { code, message: text } = await nextError();
  assert.equal(code, 'tls_failed');
  assert.ok(text.endsWith(`. Does the server speak TLS on unix:${socket}? If not, omit the option tls.`), text);
});

const PERMISSIONS = 'Check the permissions: this user needs write access to the socket, and access to its directory.';
const ADVICE = {
  EACCES: PERMISSIONS,
  EPERM: PERMISSIONS,
  ENOTSOCK: 'The file is not a socket. Check the option path.',
  EPROTOTYPE: 'The socket is not a stream socket. Check the option path.',
  EAGAIN: 'Too many clients wait for the server to accept them. Try again later.',
  EIO: 'Check that a server listens on unix:/run/$&.sock.',
};

/** Have a client fail to connect to a path, and check what it says of the error. */
async function assertAdvice(t, socket, code, advice) {
  const error = await failedAttempt(t, undefined, { path: socket });
  assert.deepEqual([error.code, error.cause.code], ['connection_failed', code]);
  assert.equal(error.message, `connection failed: connect ${code} unix:${socket}. ${advice}`);
}

test('client says that there is no socket at a path', async (t) => {
  const socket = socketPath(t);
  await assertAdvice(t, socket, 'ENOENT', `There is no such socket: is the server running with --unix ${socket}?`);
});

/** What the client says about a path that the system refuses to connect to. */
function refused(socket) {
  const why = 'the file is not a socket, or it is the stale socket of a server that has ended';
  return `No server listens there: ${why}. Start the server with --unix ${socket}.`;
}

test('client says that nobody listens on a stale socket', async (t) => {
  const socket = socketPath(t);
  leaveStale(socket);
  await assertAdvice(t, socket, 'ECONNREFUSED', refused(socket));
});

test('client says that a file is no socket', async (t) => {
  const file = path.join(makeFolder(t, { 'text.txt': 'text' }), 'text.txt');
  // Linux does not tell a file from a stale socket.
  if (process.platform === 'linux') await assertAdvice(t, file, 'ECONNREFUSED', refused(file));
  else await assertAdvice(t, file, 'ENOTSOCK', ADVICE.ENOTSOCK);
});

test('client says that a part of a path is no directory', async (t) => {
  const socket = path.join(makeFolder(t, { file: '' }), 'file', 'ipc.sock');
  await assertAdvice(t, socket, 'ENOTDIR', 'A part of the path is not a directory. Check the option path.');
});

for (const [code, advice] of Object.entries(ADVICE)) {
  test(`client says what to do about ${code} of a path`, async (t) => {
    const socket = '/run/$&.sock'; // a name with a pattern of String.replace
    failConnections(t, code, socket);
    await assertAdvice(t, socket, code, advice);
  });
}

test('client says to check the path of a server that closes the connection, or says nothing', async (t) => {
  const socket = socketPath(t);
  const server = await scriptedServer(t, undefined, socket);
  const advice = `Check that unix:${socket} is the socket of an IPC server, and whether it speaks TLS (option tls).`;
  const { client, nextError } = recordedClient(t, undefined, { path: socket });
  const opened = client.connect();
  (await server.accept()).end();
  assert.equal(await opened, false);
  assert.equal((await nextError()).message, `connection failed: the server closed the connection. ${advice}`);
  const silent = await failedAttempt(t, undefined, { path: socket, connectionTimeout: 30 });
  const what = 'connection timeout: no acknowledgement within 30 ms';
  assert.equal(silent.message, `${what}. ${advice} A slow server needs a longer connectionTimeout.`);
});

test('client on a path that is not connected names the path, and says to connect first', (t) => {
  const { client } = recordedClient(t, undefined, { path: '/run/ipc.sock' });
  const text = 'not connected: no open connection to unix:/run/ipc.sock. Await connect(), ';
  assert.throws(
    () => client.publish('c', 1),
    (error) => error.code === 'not_connected' && error.message.startsWith(text),
  );
});

test('client and the reference server talk on a path, and again after the server was killed', async (t) => {
  const socket = socketPath(t);
  const server = await startServer({ unix: socket });
  t.after(() => server.stop());
  const options = { path: socket, reconnectAttempts: 10000 };
  const { client, nextConnected, nextError } = recordedClient(t, undefined, options, 'conformance');
  assert.equal(await client.connect(), true);
  await nextConnected();
  const large = 'é😀'.repeat(200000);
  assert.equal((await client.sendRequest('conformance.echo', large)).payload, large);
  await server.kill();
  assert.equal((await nextError()).code, 'connection_lost');
  const again = await startServer({ unix: socket });
  t.after(() => again.stop());
  await nextConnected();
  assert.equal((await client.sendRequest('conformance.echo', 1)).payload, 1);
});

test('client and the reference server speak TLS on a path', async (t) => {
  const { cert, key } = authority.issue();
  const folder = makeFolder(t, { 'cert.pem': cert, 'key.pem': key });
  const [socket, certFile, keyFile] = ['ipc.sock', 'cert.pem', 'key.pem'].map((name) => path.join(folder, name));
  const server = await startServer({ unix: socket, options: ['--tls-cert', certFile, '--tls-key', keyFile] });
  t.after(() => server.stop());
  const { client } = recordedClient(t, undefined, { path: socket, tls: { ca: authority.ca } }, 'conformance');
  assert.equal(await client.connect(), true);
  assert.equal((await client.sendRequest('conformance.echo', 1)).payload, 1);
});
