'use strict';

// The servers of the PyPI package ipc-framework, up to 1.1.2: they announce no protocol version, answer no ping, and
// when they notice the end of a connection late, they remove the new one of the same id.

const assert = require('node:assert/strict');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { IPCClient } = require('..');
const { acknowledgement, connectedPair, message, response } = require('./helper');
const { replace, test } = require('./runner');

const DEPLOYED = { protocol: undefined };
const OUR_ID = '7e57ab1e-0000-4000-8000-000000000001';

/** Accept the client's next connection as a deployed server does. */
async function acceptAsDeployed(server) {
  const peer = await server.accept();
  const hello = await peer.receive();
  peer.send(acknowledgement(DEPLOYED));
  return { peer, hello };
}

test('a server that has never answered a ping is not lost, and is left in peace', async (t) => {
  const { client, peer, events } = await connectedPair(t, { heartbeatInterval: 20 }, DEPLOYED);
  assert.equal(client.getConnectionInfo().answersPings, null);
  await peer.receive();
  while (client.getConnectionInfo().answersPings === null) await sleep(5);
  const sent = peer.unread;
  await sleep(100);
  assert.equal(peer.unread, sent);
  assert.deepEqual([client.connected, client.getConnectionInfo().answersPings, events], [true, false, ['connected']]);
});

test('healthCheck counts an open connection to such a server as healthy, ping does not', async (t) => {
  const { client, peer } = await connectedPair(t, { heartbeatInterval: 0, reconnectAttempts: 0 }, DEPLOYED);
  assert.equal(await client.ping(10), false);
  assert.equal(await client.healthCheck(10), true);
  const asked = peer.unread;
  assert.equal(await client.healthCheck(60000), true); // known by now
  assert.equal(peer.unread, asked);
  peer.end();
  while (client.connected) await sleep(5);
  assert.equal(await client.healthCheck(10), false);
});

test('a server that has answered a ping once must go on, whatever it announces', async (t) => {
  const { client, peer, nextError } = await connectedPair(t, { heartbeatInterval: 30, reconnectAttempts: 0 }, DEPLOYED);
  peer.send(response(await peer.receive(), { status: 'pong' }));
  assert.equal((await nextError()).code, 'heartbeat_timeout');
  assert.equal(client.connected, false);
});

test('a late pong shows that a server answers pings', async (t) => {
  const { client, peer } = await connectedPair(t, { heartbeatInterval: 0 }, DEPLOYED);
  assert.equal(await client.healthCheck(10), true);
  const late = await peer.receive();
  const other = message('response', 'elsewhere', { status: 'pong' }, { reply_to: 'another' });
  peer.send(other, response(late, { status: 'pong' }));
  while (client.getConnectionInfo().answersPings === false) await sleep(5);
  assert.equal(client.getConnectionInfo().answersPings, true);
  assert.equal(await client.healthCheck(10), false);
});

test('a late pong resumes the heartbeat', async (t) => {
  const { client, peer, nextError } = await connectedPair(t, { heartbeatInterval: 30, reconnectAttempts: 0 }, DEPLOYED);
  const slow = await peer.receive();
  while (client.getConnectionInfo().answersPings === null) await sleep(5);
  await sleep(150); // a ping may have been on its way
  while (peer.unread > 0) await peer.receive();
  peer.send(response(slow, { status: 'pong' }));
  const { payload } = await peer.receive();
  assert.equal(payload.action, 'ping');
  assert.equal((await nextError()).code, 'heartbeat_timeout');
});

test('each connection to a deployed server has an id of its own', async (t) => {
  const { client, server, peer, hello, nextConnected } = await connectedPair(t, {}, DEPLOYED);
  client.subscribe('c', () => {});
  peer.end();
  const second = await acceptAsDeployed(server);
  await nextConnected();
  client.disconnect();
  client.connect();
  const third = await acceptAsDeployed(server);
  await nextConnected();
  const ids = [hello, second.hello, third.hello].map(({ payload }) => payload.connection_id);
  assert.equal(new Set(ids).size, 3);
  assert.equal(client.connectionId, ids[2]);
  for (const [{ peer: each }, id] of [[second, ids[1]], [third, ids[2]]]) {
    assert.deepEqual((await each.receive()).payload, { connection_id: id });
  }
});

test('a connection id that the user gave is used for each connection', async (t) => {
  const { client, server, peer, hello } = await connectedPair(t, { connectionId: OUR_ID }, DEPLOYED);
  peer.end();
  const second = await acceptAsDeployed(server);
  const ids = [client.connectionId, hello.payload.connection_id, second.hello.payload.connection_id];
  assert.deepEqual(ids, [OUR_ID, OUR_ID, OUR_ID]);
  for (const connectionId of ['', 'x'.repeat(129), 7]) {
    assert.throws(() => new IPCClient('a', { connectionId }), /^TypeError: connectionId must be a string of 1 to 128/);
  }
});

test('the system probes an idle connection', async (t) => {
  const probed = [];
  replace(t, net.Socket.prototype, 'setKeepAlive', function record(...values) {
    probed.push(values);
    return this;
  });
  await connectedPair(t);
  assert.deepEqual(probed, [[true, 30000]]);
});
