'use strict';

const assert = require('node:assert/strict');
const { decodeBody, encodeBody } = require('../client/encoding');
const { test } = require('./runner');

const LONE = '\ud800';

function nested(depth) {
  let value = [];
  for (let level = 1; level < depth; level += 1) value = [value];
  return value;
}

const MALFORMED = {
  nothing: '',
  'white space': '  ',
  'an array': '[]',
  'a string': '"x"',
  'a number': '1',
  null: 'null',
  'a text that ends early': '{"a":',
  'two texts': '{}{}',
  NaN: '{"a":NaN}',
  'a comment': '{} // no',
  'a byte order mark': '\ufeff{}',
  'ill-formed UTF-8 in a value': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]),
  'an overlong form': Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
  'an encoded surrogate': Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  'a hundred thousand brackets': '['.repeat(100000),
};

for (const [name, body] of Object.entries(MALFORMED)) {
  test(`decodeBody refuses ${name}`, () => {
    assert.throws(() => decodeBody(Buffer.from(body)), { code: 'malformed_frame' });
  });
}

test('decodeBody reads every character back that encodeBody wrote', () => {
  const text = '\u0000\u0001"\\\u2028\u2029\ufffe\ufeff\u{10ffff}é€😀 \\ud800';
  assert.deepEqual(decodeBody(Buffer.from(encodeBody({ [text]: text }))), { [text]: text });
});

const LONE_SURROGATES = [LONE, `x${LONE}y`, '\udc00', '\udc00\ud800', `\\${LONE}`, `\\\\${LONE}`, `\\ud800${LONE}`];
for (const text of LONE_SURROGATES) {
  test(`encodeBody refuses the lone surrogate in ${JSON.stringify(text)}`, () => {
    assert.throws(() => encodeBody({ payload: text }), { name: 'TypeError', message: /surrogate/ });
    assert.throws(() => encodeBody({ payload: { [text]: 1 } }), { name: 'TypeError' });
  });
}

for (const text of ['\\ud800', '\\\\ud800', '\ud83d\ude00', 'ud800']) {
  test(`encodeBody accepts ${JSON.stringify(text)}, which has no lone surrogate`, () => {
    assert.deepEqual(JSON.parse(encodeBody({ payload: text })), { payload: text });
  });
}

const cycle = {};
cycle.self = cycle;
const UNENCODABLE = { 'a cycle': cycle, 'a BigInt': 1n, 'a failing toJSON': { toJSON: () => nested.missing.member } };
for (const [name, payload] of Object.entries({ ...UNENCODABLE, 'endless nesting': nested(200000) })) {
  test(`encodeBody refuses ${name} with a TypeError`, () => {
    assert.throws(() => encodeBody({ payload }), { name: 'TypeError', message: /^payload cannot be encoded/ });
  });
}
