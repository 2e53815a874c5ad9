'use strict';

const nodeTest = require('node:test');

/** Far longer than any test takes: one that waits for ever fails. */
const TIMEOUT_MS = 120000;

/** `test` of Node's test runner, whose context has no `after` in Node 16. */
function test(name, body) {
  nodeTest(name, { timeout: TIMEOUT_MS }, async () => {
    const cleanUps = [];
    try {
      await body({ after: (cleanUp) => cleanUps.push(cleanUp) });
    } finally {
      while (cleanUps.length > 0) await cleanUps.pop()();
    }
  });
}

/** Replace a method for the time of a test. */
function replace(t, object, name, replacement) {
  const original = object[name];
  object[name] = replacement;
  t.after(() => (object[name] = original));
}

module.exports = { replace, test };
