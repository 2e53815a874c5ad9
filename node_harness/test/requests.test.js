'use strict';

const assert = require('node:assert/strict');
const { barrier, connectedPair, errorAnswer, frame, message, recordedClient, response } = require('./helper');
const { test } = require('./runner');

test('request carries channel, payload and the connection id', async (t) => {
  const { client, peer } = await connectedPair(t);
  const payload = Object.freeze({ action: 'x' });
  client.sendRequest('api', payload);
  const request = await peer.receive();
  assert.deepEqual(request.payload, { action: 'x', connection_id: client.connectionId });
  assert.deepEqual([request.channel_id, request.message_type, request.reply_to], ['api', 'request', null]);
  assert.deepEqual(Object.keys(request).length, 7);
});

for (const payload of [[], 'text', 0, false, null, { connection_id: 'mine' }]) {
  test(`request carries the payload ${JSON.stringify(payload)} unchanged`, async (t) => {
    const { client, peer } = await connectedPair(t);
    client.sendRequest('api', payload);
    assert.deepEqual((await peer.receive()).payload, payload);
  });
}

test('request resolves to the whole response, members it does not know included', async (t) => {
  const { client, peer } = await connectedPair(t);
  const answered = client.sendRequest('api', {});
  const answer = { ...response(await peer.receive()), novelty: 1 };
  peer.send(answer);
  assert.deepEqual(await answered, answer);
});

test('request resolves to an error answer, whatever its code', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  for (const code of ['no_handler', 'session_replaced']) {
    const answered = client.sendRequest('api', {});
    peer.send(errorAnswer(code, { reply_to: (await peer.receive()).message_id }));
    assert.equal((await answered).payload.error.code, code);
  }
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(events, ['connected']);
});

test('requests are matched by reply_to, in any order, in one segment or octet by octet', async (t) => {
  const { client, peer } = await connectedPair(t);
  const answers = ['a', 'b', 'c'].map((name) => client.sendRequest(name, {}));
  const [a, b, c] = [await peer.receive(), await peer.receive(), await peer.receive()];
  peer.send(response(c, 'C'), response(a, 'A'));
  await peer.trickle(frame(response(b, 'B é😀')));
  assert.deepEqual((await Promise.all(answers)).map((answer) => answer.payload), ['A', 'B é😀', 'C']);
});

test('request that gets no response is rejected with a timeout', async (t) => {
  const { client, peer } = await connectedPair(t);
  const answered = client.sendRequest('slow', {}, 20);
  await assert.rejects(answered, { code: 'timeout', message: /request timeout.*'slow' within 20 ms/ });
  assert.equal(client.getConnectionInfo().pendingRequests, 0);
  const late = await peer.receive();
  peer.send(response(late), errorAnswer('handler_failed', { reply_to: late.message_id }));
  assert.equal(await barrier(client, peer), true);
});

test('late, second and unknown responses are ignored', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  const answered = client.sendRequest('api', {});
  const request = await peer.receive();
  const unknown = message('response', 'api', 1, { reply_to: 'nobody' });
  peer.send(unknown, response(request, 'first'), response(request, 'second'));
  peer.send(errorAnswer('shutting_down', { reply_to: 'nobody' }), message('response', 'api', 1));
  assert.equal((await answered).payload, 'first');
  assert.equal(client.getConnectionInfo().pendingRequests, 0);
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(events, ['connected']);
});

test('requests in flight are rejected at once when the connection is lost', async (t) => {
  const { client, events, peer } = await connectedPair(t, { reconnectAttempts: 0 });
  const answers = [client.sendRequest('a', {}), client.sendRequest('b', {})];
  await peer.receive();
  peer.reset();
  for (const answer of answers) await assert.rejects(answer, { code: 'connection_lost', message: /connection lost/ });
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost']);
  await assert.rejects(client.sendRequest('a', {}), { code: 'not_connected', message: /not connected.*connection/ });
});

test('requests in flight are rejected by disconnect', async (t) => {
  const { client } = await connectedPair(t);
  const answered = client.sendRequest('a', {});
  client.disconnect();
  await assert.rejects(answered, { code: 'connection_lost', message: /connection closed by disconnect/ });
});

test('request that JSON cannot express is rejected and leaves nothing behind', async (t) => {
  const { client, peer } = await connectedPair(t);
  for (const payload of [1n, undefined, { a: '\ud800' }]) {
    await assert.rejects(client.sendRequest('a', payload), TypeError);
  }
  assert.equal(client.getConnectionInfo().pendingRequests, 0);
  assert.equal(await barrier(client, peer), true);
});

test('request over the announced limit is refused, one at the limit is sent', async (t) => {
  const limit = 1048576;
  const { client, peer } = await connectedPair(t, {}, { limits: { max_frame_bytes: limit } });
  client.sendRequest('a', '');
  const overhead = JSON.stringify(await peer.receive()).length;
  // The time stamp's digits vary; the room is found by trying.
  const size = await (async () => {
    for (let room = limit - overhead + 8; ; room -= 1) {
      try {
        client.publish('a', 'x'.repeat(room));
        return room;
      } catch (error) {
        assert.equal(error.code, 'frame_too_large');
      }
    }
  })();
  assert.ok(size > limit - overhead - 16);
  assert.equal((await peer.receive()).payload.length, size);
  await assert.rejects(client.sendRequest('a', 'x'.repeat(limit)), { code: 'frame_too_large' });
});

test('ten thousand requests in flight are all answered', async (t) => {
  const { client, peer } = await connectedPair(t);
  const answers = Array.from({ length: 10000 }, (_, number) => client.sendRequest('n', number));
  const requests = [];
  for (const _ of answers) requests.push(await peer.receive());
  peer.send(...requests.reverse().map((request) => response(request, request.payload)));
  assert.deepEqual((await Promise.all(answers)).map((answer) => answer.payload), [...answers.keys()]);
});

test('healthCheck tells whether a ping is answered with pong', async (t) => {
  const { client, peer } = await connectedPair(t);
  assert.equal(await barrier(client, peer), true);
  const odd = client.healthCheck();
  const ping = await peer.receive();
  assert.deepEqual([ping.channel_id, ping.payload.action], ['system', 'ping']);
  peer.send(response(ping, { status: 'tired' }));
  assert.equal(await odd, false);
  assert.equal(await client.healthCheck(10), false);
  assert.equal(await recordedClient(t, 1).client.healthCheck(), false);
});
