'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const tls = require('node:tls');
const { makeAuthority } = require('./certificates');
const {
  acceptAgain,
  barrier,
  connectedPair,
  frame,
  message,
  recordedClient,
  response,
  scriptedServer,
  withDeadline,
} = require('./helper');
const { program } = require('./program');
const { replace, test } = require('./runner');

const TOKEN = 'correct horse battery staple';
const authority = makeAuthority('authority');
const credentials = authority.issue();
const trusting = { tls: { ca: authority.ca } };

function securePair(t, options = {}, acknowledged = {}) {
  return connectedPair(t, { ...trusting, ...options }, acknowledged, credentials);
}

/** Start a relay to a port; what it accepts is for the test to connect with the socket onward. */
async function startRelay(t, port) {
  const relay = net.createServer({ allowHalfOpen: true });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  return {
    port: relay.address().port,
    async accept() {
      const [socket] = await withDeadline(once(relay, 'connection'), 'the next connection');
      const onward = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      for (const end of [socket, onward]) {
        end.on('error', () => {}); // either side may reset its connection
        t.after(() => end.destroy());
      }
      return { socket, onward };
    },
  };
}

test('client connects over TLS, and says so nowhere in plaintext', async (t) => {
  const seen = [];
  const server = await scriptedServer(t, credentials);
  const relay = await startRelay(t, server.port);
  const { client } = recordedClient(t, relay.port, { ...trusting, token: TOKEN });
  const opened = client.connect();
  const { socket, onward } = await relay.accept();
  socket.on('data', (chunk) => seen.push(chunk));
  socket.pipe(onward).pipe(socket);
  const { peer, hello } = await acceptAgain(server);
  assert.equal(await opened, true);
  assert.equal(hello.payload.token, TOKEN);
  assert.equal(await barrier(client, peer), true);
  const octets = Buffer.concat(seen);
  assert.deepEqual([...octets.subarray(0, 2)], [22, 3]); // a handshake record
  assert.ok(!octets.includes(TOKEN) && !octets.includes('connect'));
});

test('client names the server that it wants, unless that is an address or tls.servername is given', async (t) => {
  const { ca, issue } = makeAuthority('b');
  const server = await scriptedServer(t, issue({ names: ['localhost', '127.0.0.1', 'ipc.test'] }));
  const wanted = [
    [{ host: 'localhost' }, 'localhost'],
    [{ host: '127.0.0.1' }, false],
    [{ host: '127.0.0.1', tls: { ca, servername: 'ipc.test' } }, 'ipc.test'],
  ];
  for (const [options, servername] of wanted) {
    const { client } = recordedClient(t, server.port, { tls: { ca }, ...options });
    const opened = client.connect();
    const { peer } = await acceptAgain(server);
    assert.equal(await opened, true);
    assert.equal(peer.socket.servername, servername);
  }
});

test('client sets TCP_NODELAY under TLS', async (t) => {
  const calls = [];
  const { setNoDelay } = net.Socket.prototype;
  replace(t, net.Socket.prototype, 'setNoDelay', function record(...values) {
    calls.push([this.remotePort, values]);
    return setNoDelay.apply(this, values);
  });
  const { server } = await securePair(t);
  assert.deepEqual(calls.filter(([port]) => port === server.port), [[server.port, [true]]]);
});

test('client reads frames over TLS however they are cut, and large ones', async (t) => {
  const { client, peer } = await securePair(t);
  const got = [];
  client.subscribe('c', ({ payload }) => got.push(payload));
  await peer.receive();
  await peer.trickle(frame(message('publish', 'c', 'é😀')));
  peer.send(message('publish', 'c', 1), message('publish', 'c', 2));
  const large = 'x'.repeat(8 * 1024 * 1024);
  peer.send(message('publish', 'c', large));
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(got, ['é😀', 1, 2, large]);
});

test('client sends large frames and answers over TLS', async (t) => {
  const { client, peer } = await securePair(t);
  const large = 'x'.repeat(8 * 1024 * 1024);
  const answered = client.sendRequest('c', large);
  const request = await peer.receive();
  assert.equal(request.payload, large);
  peer.send(response(request, large));
  assert.equal((await answered).payload, large);
});

test('heartbeat over TLS sends pings, and an unanswered one is a loss', async (t) => {
  const { server, peer, events, nextConnected } = await securePair(t, { heartbeatInterval: 300 });
  const ping = await peer.receive();
  peer.send(response(ping, { status: 'pong' }));
  await peer.receive();
  await peer.gone();
  await acceptAgain(server);
  await nextConnected();
  assert.deepEqual(events, ['connected', 'error heartbeat_timeout', 'lost', 'connected']);
});

const LOSSES = { 'half-closed': (peer) => peer.end(), 'cut off': (peer) => peer.socket.destroy() };
for (const [name, lose] of Object.entries(LOSSES)) {
  test(`client connects again over TLS when the connection was ${name}, with its subscriptions`, async (t) => {
    const { client, server, peer, hello, events, nextConnected } = await securePair(t);
    client.subscribe('c', () => {});
    await peer.receive();
    const answered = client.sendRequest('c', 1);
    lose(peer);
    await assert.rejects(answered, { code: 'connection_lost' });
    const again = await acceptAgain(server);
    assert.equal(again.hello.payload.connection_id, hello.payload.connection_id);
    assert.equal((await again.peer.receive()).message_type, 'subscribe');
    await nextConnected();
    assert.deepEqual(events, ['connected', 'error connection_lost', 'lost', 'connected']);
  });
}

test('disconnect over TLS delivers what was sent, and ends the stream in order', async (t) => {
  const { client, peer, events } = await securePair(t);
  const data = 'x'.repeat(3000000);
  const ended = once(peer.socket, 'end'); // comes of a close_notify alone
  client.publish('c', data);
  client.disconnect();
  peer.send(message('publish', 'c', 'unread'));
  assert.equal((await peer.receive()).payload, data);
  await withDeadline(ended, 'the end of the stream');
  assert.deepEqual(events, ['connected', 'disconnected']);
});

test('disconnect ends an attempt in the middle of the TLS handshake, even if the server completes it', async (t) => {
  const server = await scriptedServer(t, credentials);
  const relay = await startRelay(t, server.port);
  const { client, events } = recordedClient(t, relay.port, trusting);
  const opened = client.connect();
  const { socket, onward } = await relay.accept();
  const [hello] = await once(socket, 'data');
  client.disconnect();
  assert.equal(await opened, false);
  onward.write(hello);
  const [answer] = await once(onward, 'data');
  await new Promise((resolve) => socket.write(answer, resolve));
  const again = client.connect();
  const next = await relay.accept();
  next.socket.pipe(next.onward).pipe(next.socket);
  const { peer } = await acceptAgain(server);
  assert.equal(await again, true);
  assert.equal(await barrier(client, peer), true);
  assert.equal(server.waiting, 0);
  assert.deepEqual(events, ['connected']);
});

/** Run a program with a client that trusts the server, until it ends. */
function trustingProgram(t, port, source) {
  const options = JSON.stringify({ host: '127.0.0.1', port, ...trusting });
  return program(t, port, `const client = new IPCClient('a', ${options}); ${source}`);
}

for (const [name, last] of Object.entries({ 'by itself': '', 'by process.exit()': 'process.exit(0);' })) {
  test(`process ends ${name} after disconnect over TLS, and what was sent arrives`, async (t) => {
    const server = await scriptedServer(t, credentials);
    const source = `await client.connect(); client.publish('c', 'last words'); client.disconnect(); ${last}`;
    const { ended } = trustingProgram(t, server.port, source);
    const { peer } = await acceptAgain(server);
    assert.equal((await peer.receive()).payload, 'last words');
    assert.deepEqual(await ended, { status: 0, output: '' });
  });
}

test('process ends after disconnect in the middle of the TLS handshake', async (t) => {
  const server = await scriptedServer(t);
  const { child, ended } = trustingProgram(
    t,
    server.port,
    `client.connect();
     process.stdin.once('data', () => {
       process.stdin.destroy();
       client.disconnect();
     });`,
  );
  const peer = await server.accept();
  await once(peer.socket, 'data');
  child.stdin.write('now');
  assert.deepEqual(await ended, { status: 0, output: '' });
});

test('client makes the TLS context once for all its connections', async (t) => {
  let made = 0;
  const { createSecureContext } = tls;
  replace(t, tls, 'createSecureContext', (...values) => {
    made += 1;
    return createSecureContext(...values);
  });
  const { server, peer, nextConnected } = await securePair(t);
  const before = made;
  peer.end();
  await acceptAgain(server);
  await nextConnected();
  assert.equal(made, before);
});
