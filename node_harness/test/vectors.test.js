'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { decodeBody } = require('../client/encoding');
const { FrameDecoder } = require('../client/framing');
const { frame } = require('./helper');
const { test } = require('./runner');

const FOLDER = path.join(__dirname, '..', '..', 'schemas', 'vectors');
const FILES = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

/**
 * What a server should refuse although it is one JSON object. A client need not (ERR-014): to drop its connection at
 * such a publish would let any client of a careless server end the connections of all others.
 */
const REFUSED_BY_SERVERS_ALONE = new Set(['ENC-011', 'ENC-012', 'ENC-013']);

function vectorsOf(file) {
  return JSON.parse(fs.readFileSync(path.join(FOLDER, file), 'utf8')).vectors;
}

function octetsOf({ body }) {
  return body.hex === undefined ? Buffer.from(body.text, 'latin1') : Buffer.from(body.hex, 'hex');
}

function isMalformed({ expect, requirements }) {
  return expect.code === 'malformed_frame' && !REFUSED_BY_SERVERS_ALONE.has(requirements[0]);
}

function decodeFrames(chunks) {
  const decoder = new FrameDecoder(1 << 20);
  const bodies = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let body = decoder.next(); body !== null; body = decoder.next()) bodies.push(body);
  }
  return bodies;
}

test('there are vectors of both kinds', () => {
  const all = FILES.flatMap(vectorsOf);
  assert.ok(all.filter(isMalformed).length > 500, 'malformed ones');
  assert.ok(all.filter((vector) => !isMalformed(vector)).length > 500, 'others');
});

for (const file of FILES) {
  test(`client refuses the malformed bodies of ${file} and takes the others`, () => {
    for (const vector of vectorsOf(file)) {
      const decode = () => decodeBody(octetsOf(vector));
      if (isMalformed(vector)) assert.throws(decode, { name: 'IPCError', code: 'malformed_frame' }, vector.id);
      else assert.equal(typeof decode(), 'object', vector.id);
    }
  });

  test(`client finds the bodies of ${file} cut in two anywhere, octet by octet and one behind the other`, () => {
    const bodies = vectorsOf(file).map(octetsOf);
    for (const body of bodies.filter(({ length }) => length < 1000)) {
      const octets = frame(body);
      for (let cut = 0; cut <= octets.length; cut += 1) {
        const [found, ...others] = decodeFrames([octets.subarray(0, cut), octets.subarray(cut)]);
        if (!body.equals(found) || others.length > 0) assert.fail(`${body} cut at ${cut}: ${found}`);
      }
    }
    const stream = Buffer.concat(bodies.map(frame));
    assert.deepEqual(decodeFrames([stream]), bodies);
    assert.deepEqual(decodeFrames([...stream].map((octet) => Buffer.of(octet))), bodies);
  });
}

test('client takes the last of several members of one name', () => {
  assert.deepEqual(decodeBody(Buffer.from('{"a":1,"\\u0061":2}')), { a: 2 });
});
