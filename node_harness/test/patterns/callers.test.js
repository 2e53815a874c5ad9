'use strict';

// What callers of the patterns may do: wait as long as they want to for a shared request, and not wait at all.

const assert = require('node:assert/strict');
const path = require('node:path');
const { PerformantIPCClient } = require('../../patterns');
const { acceptAgain, response, scriptedServer } = require('../helper');
const { program } = require('../program');
const { test } = require('../runner');

const PATTERNS = path.join(__dirname, '..', '..', 'patterns');

async function makePair(t) {
  const server = await scriptedServer(t);
  const client = new PerformantIPCClient('a', { host: '127.0.0.1', port: server.port, heartbeatInterval: 0 });
  t.after(() => client.disconnect());
  const opened = client.connect();
  const { peer } = await acceptAgain(server);
  await opened;
  return { client, peer };
}

for (const method of ['deduplicatedRequest', 'cachedRequest']) {
  test(`each caller of ${method} waits as long as it wants to`, async (t) => {
    const { client, peer } = await makePair(t);
    const impatient = client[method]('c', { a: 1 }, { timeout: 20 });
    const patient = client[method]('c', { a: 1 }, { timeout: 60000 });
    const another = client[method]('c', { a: 1 }, { timeout: 30 });
    await assert.rejects(impatient, { code: 'timeout', message: /within 20 ms$/ });
    await assert.rejects(another, { code: 'timeout', message: /within 30 ms$/ });
    peer.send(response(await peer.receive(), 'late'));
    assert.equal((await patient).payload, 'late');
    assert.equal(peer.unread, 0);
  });

  test(`request of ${method} ends when its last caller waits no more`, async (t) => {
    const { client, peer } = await makePair(t);
    const callers = [10, 20].map((timeout) => client[method]('c', { a: 1 }, { timeout }));
    for (const caller of callers) await assert.rejects(caller, { code: 'timeout' });
    const { pendingRequests, requestCount, errorCount } = client.getMetrics();
    assert.deepEqual([pendingRequests, requestCount, errorCount], [0, 1, 1]);
    assert.equal(client.client.getConnectionInfo().pendingRequests, 0);
    await peer.receive();
    const fresh = client[method]('c', { a: 1 });
    peer.send(response(await peer.receive(), 'fresh'));
    assert.equal((await fresh).payload, 'fresh');
    await assert.rejects(client[method]('c', {}, { timeout: 0 }), TypeError);
  });
}

/** Requests that nobody waits for, and that fail. */
const FORGOTTEN = {
  IPCConnectionPool: `
    const pool = new patterns.IPCConnectionPool('p', { minConnections: 0, connectionOptions: options });
    await pool.initialize();
    pool.executeRequest('c', {});
    pool.getConnection();`,
  LoadBalancedClient: "new patterns.LoadBalancedClient('s', options).makeRequest('a');",
  MessageQueue: `
    const queue = new patterns.MessageQueue('q', options);
    queue.enqueue('a', {});
    queue.getQueueStats();`,
  MicroserviceClient: `
    const service = new patterns.MicroserviceClient('s', options);
    service.callService('t', 'a');
    service.broadcastEvent('e', {});`,
  PerformantIPCClient: `
    const client = new patterns.PerformantIPCClient('a', { ...options, batchTimeout: 1 });
    client.cachedRequest('c', {});
    client.batchedRequest('c', {});
    client.deduplicatedRequest('c', {});`,
  RobustIPCClient: `
    const client = new patterns.RobustIPCClient('a', options);
    client.makeRequest('c', {});
    client.makeRequestWithRetry('c', {}, { retries: 1 });
    client.safeRequest('c', {}, { retries: 1 });`,
};
for (const [name, source] of Object.entries(FORGOTTEN)) {
  test(`a failed request of ${name} that nobody waits for does not end the process`, async (t) => {
    const options = "const options = { host: '127.0.0.1', port };";
    const prelude = `const patterns = require(${JSON.stringify(PATTERNS)}); ${options}`;
    const { ended } = program(t, 1, `${prelude} ${source} setTimeout(() => console.log('alive'), 200);`);
    assert.deepEqual(await ended, { status: 0, output: 'alive' });
  });
}
