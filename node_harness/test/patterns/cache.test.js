'use strict';

const assert = require('node:assert/strict');
const { ResponseCache } = require('../../patterns/cache');
const { requestKey } = require('../../patterns/request-key');
const { test } = require('../runner');

function makeCache(capacity) {
  const clock = { now: 0 };
  return { cache: new ResponseCache(capacity, () => clock.now), clock };
}

test('a response is there until it is as old as the reader allows', () => {
  const { cache, clock } = makeCache(10);
  cache.set('a', { payload: 1 });
  clock.now = 99;
  assert.deepEqual(cache.get('a', 100), { payload: 1 });
  clock.now = 100;
  assert.equal(cache.get('a', 100), undefined);
  assert.deepEqual(cache.get('a', 101), { payload: 1 });
  assert.equal(cache.get('a', 0), undefined);
  assert.equal(cache.get('b', 100), undefined);
  cache.set('a', { payload: 2 });
  assert.deepEqual([cache.get('a', 100), cache.size], [{ payload: 2 }, 1]);
});

test('the response that was used least recently gives way', () => {
  const { cache } = makeCache(2);
  cache.set('a', { payload: 'a' });
  cache.set('b', { payload: 'b' });
  cache.get('a', 1);
  cache.set('c', { payload: 'c' });
  assert.deepEqual(['a', 'b', 'c'].map((key) => cache.get(key, 1)?.payload), ['a', undefined, 'c']);
  cache.set('a', { payload: 'new' });
  cache.set('d', { payload: 'd' });
  assert.deepEqual(['a', 'c', 'd'].map((key) => cache.get(key, 1)?.payload), ['new', undefined, 'd']);
  assert.equal(cache.size, 2);
});

test('readers have copies of their own', () => {
  const { cache } = makeCache(1);
  const response = { payload: { list: [1] } };
  cache.set('a', response);
  response.payload.list.push(2);
  cache.get('a', 1).payload.list.push(3);
  assert.deepEqual(cache.get('a', 1), { payload: { list: [1] } });
});

test('requests have the same key if their payloads are the same JSON value', () => {
  const key = (payload, channel = 'c') => requestKey(channel, payload);
  const deep = { list: [{ x: 1, y: 2 }], m: { p: null, q: 'é' } };
  assert.equal(key(deep), key({ m: { q: 'é', p: null }, list: [{ y: 2, x: 1 }] }));
  assert.equal(key({ a: 1, b: undefined }), key({ a: 1 }));
  assert.equal(key({ when: new Date(0) }), key({ when: '1970-01-01T00:00:00.000Z' }));
  const different = [[1, 2], [2, 1], ['1', 2], { 0: 1, 1: 2 }, {}, [], '', null, 0, '0', '{}', { a: [] }, { a: {} }];
  assert.equal(new Set(different.map((payload) => key(payload))).size, different.length);
  assert.notEqual(key(1, 'c'), key(1, 'd'));
  assert.notEqual(key(JSON.parse('{"__proto__":1}')), key({}));
  for (const wrong of [undefined, () => {}, 1n]) assert.throws(() => key(wrong), TypeError);
});
