'use strict';

const assert = require('node:assert/strict');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { FrameDecoder, encodeFrame } = require('../client/framing');
const { frame } = require('./helper');
const { test } = require('./runner');

const SEQUENCES = {
  'one frame': ['{"a":1}'],
  'an empty body': [''],
  'an empty body between others': ['{}', '', '{"b":2}'],
  'characters of two to four octets': ['"é€😀"', '"ß"'],
  'frames of one octet': ['1', '2', '3'],
};

function decode(chunks, limit = 1000) {
  const decoder = new FrameDecoder(limit);
  const bodies = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let body = decoder.next(); body !== null; body = decoder.next()) bodies.push(body.toString());
  }
  return bodies;
}

for (const [name, bodies] of Object.entries(SEQUENCES)) {
  const stream = Buffer.concat(bodies.map(frame));

  test(`decoder finds ${name} at every pair of cuts`, () => {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
        assert.deepEqual(decode(chunks), bodies, `cuts at ${first} and ${second}`);
      }
    }
  });

  test(`decoder finds ${name} octet by octet`, () => {
    assert.deepEqual(decode([...stream].map((octet) => Buffer.from([octet]))), bodies);
  });

  test(`decoder finds ${name} when everything is there before it is asked`, () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const decoder = new FrameDecoder(1000);
      const chunks = [stream.subarray(0, cut), stream.subarray(cut), stream];
      for (const chunk of chunks) decoder.push(chunk);
      for (const body of [...bodies, ...bodies]) assert.equal(decoder.next().toString(), body, `cut at ${cut}`);
      assert.equal(decoder.next(), null);
    }
  });

  test(`decoder keeps what follows ${name}`, () => {
    const decoder = new FrameDecoder(1000);
    decoder.push(Buffer.concat([stream, Buffer.from([0, 0, 0])]));
    for (const body of bodies) assert.equal(decoder.next().toString(), body);
    assert.equal(decoder.next(), null);
  });
}

test('decoder accepts a body at its limit and refuses one over it on the header alone', () => {
  assert.deepEqual(decode([frame('12345')], 5), ['12345']);
  assert.throws(() => decode([Buffer.from([0, 0, 0, 6])], 5), { code: 'frame_too_large' });
  assert.throws(() => decode([Buffer.from([0xff, 0xff, 0xff, 0xff])], 2 ** 31), { code: 'frame_too_large' });
});

test('decoder takes over a limit that changes between two frames of one chunk', () => {
  const decoder = new FrameDecoder(1);
  decoder.push(Buffer.concat([frame('1'), frame('22')]));
  assert.equal(decoder.next().toString(), '1');
  decoder.maxFrameBytes = 2;
  assert.equal(decoder.next().toString(), '22');
});

test('decoder takes a long body in many chunks in reasonable time', () => {
  const body = 'x'.repeat(1 << 21);
  const stream = frame(body);
  const chunks = [];
  for (let at = 0; at < stream.length; at += 64) chunks.push(stream.subarray(at, at + 64));
  const begun = Date.now();
  assert.equal(decode(chunks, body.length)[0].length, body.length);
  assert.ok(Date.now() - begun < 1000);
});

test('encoder writes the length in octets, most significant first, then the body', () => {
  assert.deepEqual(encodeFrame('"é"', 100), Buffer.from([0, 0, 0, 4, 0x22, 0xc3, 0xa9, 0x22]));
  assert.equal(encodeFrame('x'.repeat(0x010203), 2 ** 20).readUInt32BE(), 0x010203);
});

test('encoder refuses a body over the limit, counted in octets', () => {
  assert.equal(encodeFrame('é', 2).length, 6);
  assert.throws(() => encodeFrame('éé', 3), { code: 'frame_too_large', message: /4 octets exceeds the limit of 3/ });
});

/** Return what is in use, in octets, without what is garbage. */
function memoryInUse() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

test('frame in segments of one octet does not take a buffer for each', () => {
  const length = 200000;
  const decoder = new FrameDecoder(length);
  decoder.push(frame('x'.repeat(length)).subarray(0, 4));
  assert.equal(decoder.next(), null);
  const before = memoryInUse();
  for (let count = 1; count < length; count += 1) decoder.push(Buffer.from('x'));
  const taken = memoryInUse() - before;
  decoder.push(Buffer.from('y'));
  assert.equal(decoder.next().toString(), `${'x'.repeat(length - 1)}y`);
  assert.ok(taken < 5 * length, `${taken} octets for ${length}`);
});
