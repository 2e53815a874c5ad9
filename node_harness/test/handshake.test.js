'use strict';

const assert = require('node:assert/strict');
const dns = require('node:dns');
const net = require('node:net');
const { version } = require('../package.json');
const {
  acknowledgement,
  barrier,
  connectedPair,
  errorAnswer,
  frame,
  message,
  recordedClient,
  scriptedServer,
} = require('./helper');
const { replace, test } = require('./runner');

/** Begin to connect, and return the server's end once the connect message is there. */
async function greeted(t, options) {
  const server = await scriptedServer(t);
  const recorded = recordedClient(t, server.port, options);
  const opened = recorded.client.connect();
  const peer = await server.accept();
  const hello = await peer.receive();
  return { server, peer, hello, opened, ...recorded };
}

test('client sends the connect message and nothing else, octet for octet', async (t) => {
  const { client, peer, hello } = await greeted(t);
  const expected = {
    message_id: hello.message_id,
    app_id: 'app',
    channel_id: 'system',
    message_type: 'request',
    payload: {
      action: 'connect',
      connection_id: client.connectionId,
      protocol: '1.1',
      client: { name: 'ipc-conformance-node-harness', version },
    },
    timestamp: hello.timestamp,
    reply_to: null,
  };
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(Buffer.concat(peer.octets), frame(expected));
});

test('client sends the connect message in one segment', async (t) => {
  const { peer } = await greeted(t);
  assert.equal(peer.octets.length, 1);
});

test('client is connected by the acknowledgement, and not earlier', async (t) => {
  const { client, events, peer, opened } = await greeted(t);
  assert.equal(client.connected, false);
  assert.equal(client.getConnectionInfo().status, 'connecting');
  peer.send(acknowledgement({ protocol: '1.7', profiles: ['unheard-of'], novelty: {} }));
  assert.equal(await opened, true);
  assert.equal(client.connected, true);
  assert.equal(client.getConnectionInfo().status, 'connected');
  assert.equal(client.getConnectionInfo().server.protocol, '1.7');
  assert.deepEqual(events, ['connected']);
});

test('client accepts an acknowledgement octet by octet', async (t) => {
  const { peer, opened } = await greeted(t);
  await peer.trickle(frame(acknowledgement()));
  assert.equal(await opened, true);
});

test('client ignores other messages while it waits for the acknowledgement', async (t) => {
  const { peer, opened } = await greeted(t);
  peer.send(message('publish', 'c', 1), message('response', 'other', { status: 'connected' }), acknowledgement());
  assert.equal(await opened, true);
});

test('client connects once for several calls of connect', async (t) => {
  const { client, server, peer, opened } = await greeted(t);
  const second = client.connect();
  peer.send(acknowledgement());
  assert.deepEqual(await Promise.all([opened, second, client.connect()]), [true, true, true]);
  assert.equal(server.waiting, 0);
});

const REFUSALS = ['unsupported_protocol', 'unauthorized', 'handshake_required', 'to_come', 'constructor'];
for (const code of REFUSALS) {
  test(`client takes the error answer ${code} for a failed attempt`, async (t) => {
    const { client, server, events, nextError, peer, opened } = await greeted(t);
    peer.send(errorAnswer(code), acknowledgement());
    assert.equal(await opened, false);
    assert.equal(client.connected, false);
    const text = `connection refused by the server \\(${code}\\): told: ${code}`;
    const advice = code === 'unauthorized' ? '. Set the option token to the token that the server requires.' : '';
    assert.match((await nextError()).message, new RegExp(`^${text}${advice}$`));
    await peer.gone();
    assert.deepEqual(events, [`error ${code}`]);
    assert.equal(server.waiting, 0);
  });
}

test('client takes the end of the stream for a failed attempt', async (t) => {
  const { events, peer, opened } = await greeted(t);
  peer.write(frame(acknowledgement()).subarray(0, 20));
  peer.end();
  assert.equal(await opened, false);
  assert.deepEqual(events, ['error connection_failed']);
});

test('client takes a reset for a failed attempt', async (t) => {
  const { events, peer, opened } = await greeted(t);
  peer.reset();
  assert.equal(await opened, false);
  assert.deepEqual(events, ['error connection_failed']);
});

const BAD_ANSWERS = {
  'a body that is no JSON': [frame('hello'), 'malformed_frame'],
  'a body that is no object': [frame('[]'), 'malformed_frame'],
  'another protocol': [Buffer.from('HTTP/1.1 426 Upgrade Required\r\n\r\n'), 'frame_too_large'],
};
for (const [name, [octets, code]] of Object.entries(BAD_ANSWERS)) {
  test(`client takes ${name} for a failed attempt`, async (t) => {
    const { events, peer, opened } = await greeted(t);
    peer.write(octets);
    assert.equal(await opened, false);
    assert.deepEqual(events, [`error ${code}`]);
    await peer.gone();
  });
}

test('client gives up when no acknowledgement comes in time', async (t) => {
  const { nextError, peer, opened } = await greeted(t, { connectionTimeout: 30 });
  assert.equal(await opened, false);
  assert.match((await nextError()).message, /connection timeout: no acknowledgement within 30 ms/);
  await peer.gone();
});

test('client reports that nobody listens, with a reason', async (t) => {
  const server = await scriptedServer(t);
  server.stop();
  for (const host of ['127.0.0.1', 'localhost']) {
    const { client, nextError } = recordedClient(t, server.port, { host });
    assert.equal(await client.connect(), false);
    assert.match((await nextError()).message, /^connection failed: .*ECONNREFUSED/);
  }
});

test('client gives a reason when several addresses of a host fail', async (t) => {
  const server = await scriptedServer(t);
  server.stop();
  const addresses = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }];
  // Node 16 asks for one address.
  replace(t, dns, 'lookup', (host, { all }, found) => (all ? found(null, addresses) : found(null, '127.0.0.1', 4)));
  const { client, nextError } = recordedClient(t, server.port, { host: 'two.test' });
  assert.equal(await client.connect(), false);
  assert.match((await nextError()).message, /^connection failed: .*ECONNREFUSED/);
});

test('client sets TCP_NODELAY', async (t) => {
  const calls = [];
  const { setNoDelay } = net.Socket.prototype;
  replace(t, net.Socket.prototype, 'setNoDelay', function record(...values) {
    calls.push([this.remotePort, values]);
    return setNoDelay.apply(this, values);
  });
  const { server } = await connectedPair(t);
  assert.deepEqual(calls.filter(([port]) => port === server.port), [[server.port, [true]]]);
});

test('client can connect after a failed attempt', async (t) => {
  const { client, server, peer, opened } = await greeted(t);
  peer.end();
  assert.equal(await opened, false);
  const again = client.connect();
  const second = await server.accept();
  assert.equal((await second.receive()).payload.connection_id, client.connectionId);
  second.send(acknowledgement());
  assert.equal(await again, true);
});

test('disconnect during the attempt makes it fail without an error', async (t) => {
  const { client, events, peer, opened } = await greeted(t);
  client.disconnect();
  assert.equal(await opened, false);
  await peer.gone();
  assert.deepEqual(events, []);
});

test('client processes what stands behind the acknowledgement in the same segment', async (t) => {
  const { client, nextError, peer, opened } = await greeted(t);
  const got = [];
  client.subscribe('c', (received) => got.push(received.payload));
  peer.send(acknowledgement(), message('publish', 'c', 'behind'), errorAnswer('forbidden'));
  assert.equal(await opened, true);
  assert.equal((await nextError()).code, 'forbidden');
  assert.deepEqual(got, ['behind']);
});

test('client ignores a second acknowledgement', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  peer.send(acknowledgement());
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(events, ['connected']);
});
