'use strict';

// A program that blocks the event loop: what has arrived meanwhile must not lose against timers that have passed.

const assert = require('node:assert/strict');
const { acceptAgain, acknowledgement, connectedPair, recordedClient, response, scriptedServer } = require('./helper');
const { test } = require('./runner');

function block(milliseconds) {
  const end = Date.now() + milliseconds;
  while (Date.now() < end);
}

test('response that arrived while the event loop was blocked is not too late', async (t) => {
  const { client, peer } = await connectedPair(t);
  for (let round = 0; round < 5; round += 1) {
    const answered = client.sendRequest('c', round, 30);
    const request = await peer.receive();
    peer.send(response(request, round));
    block(60);
    assert.equal((await answered).payload, round);
  }
});

test('a long response that arrived while the event loop was blocked is not too late', async (t) => {
  const { client, peer } = await connectedPair(t);
  const text = 'x'.repeat(8 * 1024 * 1024);
  const answered = client.sendRequest('c', 1, 100);
  peer.send(response(await peer.receive(), text));
  block(150);
  assert.equal((await answered).payload.length, text.length);
});

test('pong that arrived while the event loop was blocked is not too late', async (t) => {
  const { client, peer, events } = await connectedPair(t, { heartbeatInterval: 30 });
  for (let beat = 0; beat < 5; beat += 1) {
    const ping = await peer.receive();
    peer.send(response(ping, { status: 'pong' }));
    block(80);
  }
  assert.equal(client.connected, true);
  assert.deepEqual(events, ['connected']);
});

test('connection that was made while the event loop was blocked has its full time', async (t) => {
  const server = await scriptedServer(t);
  const { client } = recordedClient(t, server.port, { connectionTimeout: 50 });
  const opened = client.connect();
  block(100);
  await acceptAgain(server);
  assert.equal(await opened, true);
});

test('acknowledgement that arrived while the event loop was blocked is not too late', async (t) => {
  const server = await scriptedServer(t);
  const { client } = recordedClient(t, server.port, { connectionTimeout: 100 });
  const opened = client.connect();
  const peer = await server.accept();
  await peer.receive();
  peer.send(acknowledgement());
  block(200);
  assert.equal(await opened, true);
});
