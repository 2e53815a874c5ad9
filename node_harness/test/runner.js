'use strict';

const nodeTest = require('node:test');

/** `test` of Node's test runner, whose context has no `after` in Node 16. */
function test(name, body) {
  nodeTest(name, async () => {
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
