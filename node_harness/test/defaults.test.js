'use strict';

const assert = require('node:assert/strict');
const { acceptAgain, recordedClient, scriptedServer } = require('./helper');
const { replace, test } = require('./runner');

/** The growing waits before attempts to connect again, without what is added at random. */
const WAITS = [2000, 4000, 8000, 16000, 20000];

/** Write down the times that are set from now on, the deadlines of the tests aside; those to reconnect pass at once. */
function recordTimes(t) {
  const times = [];
  for (const name of ['setTimeout', 'setInterval']) {
    const original = globalThis[name];
    replace(t, globalThis, name, (callback, time, ...values) => {
      if (time !== 3000) times.push(`${name} ${time}`);
      return original(callback, WAITS.includes(time) ? 0 : time, ...values);
    });
  }
  return times;
}

test('client has the documented times by default', async (t) => {
  const server = await scriptedServer(t);
  const unset = { connectionTimeout: undefined, reconnectDelay: undefined };
  const { client, nextConnected, nextError } = recordedClient(t, server.port, unset);
  const times = recordTimes(t);
  replace(t, Math, 'random', () => 0);
  client.connect();
  const { peer } = await acceptAgain(server);
  await nextConnected();
  client.sendRequest('c', 1);
  assert.deepEqual(times.splice(0), ['setTimeout 10000', 'setInterval 30000', 'setTimeout 10000']);
  await peer.receive();
  server.stop();
  while ((await nextError()).code !== 'reconnect_failed');
  const attempts = WAITS.flatMap((wait) => [`setTimeout ${wait}`, 'setTimeout 10000']);
  assert.deepEqual(times, attempts);
});

test('client waits as long for a health check as for a connection', async (t) => {
  const server = await scriptedServer(t);
  const { client, nextConnected } = recordedClient(t, server.port, { connectionTimeout: undefined });
  client.connect();
  await acceptAgain(server);
  await nextConnected();
  const times = recordTimes(t);
  client.healthCheck();
  assert.deepEqual(times, ['setTimeout 10000']);
});
