'use strict';

const assert = require('node:assert/strict');
const envelope = require('../client/envelope');
const { acknowledgement, errorAnswer, message } = require('./helper');
const { test } = require('./runner');

test('makeMessage fills in the seven members and no other', () => {
  const before = Date.now() / 1000;
  const made = envelope.makeMessage('app', 'ch', 'publish', [1]);
  const { message_id: id, timestamp, ...rest } = made;
  assert.deepEqual(rest, { app_id: 'app', channel_id: 'ch', message_type: 'publish', payload: [1], reply_to: null });
  assert.ok(id.length >= 1 && id.length <= 128);
  assert.ok(timestamp >= before && timestamp <= Date.now() / 1000);
});

test('makeMessage never uses an id twice', () => {
  const ids = Array.from({ length: 1000 }, () => envelope.makeMessage('a', 'c', 'request', 0).message_id);
  assert.equal(new Set(ids).size, ids.length);
});

test('withConnectionId adds the member to objects without one, in a copy', () => {
  const payload = Object.freeze({ a: 1 });
  assert.deepEqual(envelope.withConnectionId(payload, 'id'), { a: 1, connection_id: 'id' });
  assert.deepEqual(envelope.withConnectionId({ connection_id: undefined }, 'id'), { connection_id: 'id' });
  const added = envelope.withConnectionId(JSON.parse('{"__proto__":1}'), 'id');
  assert.deepEqual(Object.keys(added), ['__proto__', 'connection_id']);
});

for (const payload of [{ connection_id: 'mine' }, { connection_id: null }, [], [1], 'text', 0, true, null]) {
  test(`withConnectionId leaves ${JSON.stringify(payload)} alone`, () => {
    assert.equal(envelope.withConnectionId(payload, 'id'), payload);
  });
}

test('jsonPayload refuses what JSON would leave out and resolves toJSON', () => {
  for (const payload of [undefined, () => 1, Symbol('s'), { toJSON: () => undefined }]) {
    assert.throws(() => envelope.jsonPayload(payload), { name: 'TypeError', message: /payload must be a JSON value/ });
  }
  assert.equal(envelope.jsonPayload(new Date(0)), '1970-01-01T00:00:00.000Z');
  assert.equal(envelope.jsonPayload(null), null);
});

test('isMessage ignores members it does not know, and foreign types of reply_to', () => {
  const good = message('publish', 'ch', null, { extra: {} });
  assert.ok(envelope.isMessage(good));
  assert.ok(envelope.isMessage({ ...good, reply_to: undefined }));
  for (const bad of [{ message_type: 1 }, { channel_id: null }, { payload: undefined }, { reply_to: 7 }]) {
    assert.ok(!envelope.isMessage({ ...good, ...bad }), JSON.stringify(bad));
  }
});

test('isAcknowledgement looks at type, channel and status alone', () => {
  assert.ok(envelope.isAcknowledgement({ ...acknowledgement({ news: 1 }), reply_to: 'x', app_id: 'other' }));
  assert.ok(!envelope.isAcknowledgement({ ...acknowledgement(), channel_id: 'other' }));
  assert.ok(!envelope.isAcknowledgement({ ...acknowledgement(), message_type: 'request' }));
  for (const payload of [null, [], 'connected', { status: 'pong' }]) {
    assert.ok(!envelope.isAcknowledgement({ ...acknowledgement(), payload }));
  }
});

test('errorOf reads error answers, odd ones too, and nothing else', () => {
  assert.deepEqual(envelope.errorOf(errorAnswer('no_handler')), { code: 'no_handler', message: 'told: no_handler' });
  const odd = { code: 'unknown', message: 'no explanation' };
  assert.deepEqual(envelope.errorOf(message('response', 'c', { status: 'error' })), odd);
  assert.deepEqual(envelope.errorOf(message('response', 'c', { status: 'error', error: null })), odd);
  assert.equal(envelope.errorOf(message('publish', 'c', { status: 'error' })), null);
  assert.equal(envelope.errorOf(message('response', 'c', null)), null);
});
