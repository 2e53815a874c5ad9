'use strict';

const assert = require('node:assert/strict');
const { DataProcessor, IPCConnectionPool, MessageQueue, PerformantIPCClient } = require('../../patterns');
const { acknowledgement, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { sharedServer, until } = require('./helper');

/** Open a pattern's client on a scripted server, and return the server's end of its connection. */
async function scripted(t, make, open, acknowledged) {
  const server = await scriptedServer(t);
  const made = make({ host: '127.0.0.1', port: server.port });
  const opened = open(made);
  const peer = await server.accept();
  const hello = await peer.receive();
  peer.send(acknowledgement(acknowledged));
  return { made, opened, peer, hello };
}

test('pool has two to ten connections unless told otherwise', async (t) => {
  const { port } = await sharedServer();
  const pool = new IPCConnectionPool('pool', { connectionOptions: { host: '127.0.0.1', port } });
  t.after(() => pool.shutdown());
  await pool.initialize();
  assert.equal(pool.getStats().total, 2);

  const taken = Array.from({ length: 11 }, () => pool.getConnection());
  const connections = await Promise.all(taken.slice(0, 10));
  await until(() => pool.getStats().total === 10, 'ten connections');
  assert.deepEqual(pool.getStats(), { total: 10, available: 0, inUse: 10, waiting: 1 });
  connections.forEach((connection) => pool.releaseConnection(connection));
  pool.releaseConnection(await taken[10]);
});

test('queue takes five jobs at a time for thirty seconds, and tries each three times, a second apart', async (t) => {
  const make = (options) => new MessageQueue('mail', options);
  const { made: queue, opened, peer, hello } = await scripted(t, make, (made) => made.initialize());
  t.after(() => queue.shutdown({ timeout: 0 }));
  assert.equal(hello.app_id, 'queue-mail');
  assert.equal((await peer.receive()).channel_id, 'queue:mail');
  peer.send(response(await peer.receive(), { queue: 'mail' })); // to the question whether there are queues at all
  await opened;

  const enqueued = queue.enqueue('work', {});
  const enqueue = await peer.receive();
  const { id, priority, maxAttempts } = enqueue.payload.job;
  assert.deepEqual({ priority, maxAttempts }, { priority: 0, maxAttempts: 3 });
  peer.send(response(enqueue, { status: 'ok', job_id: id }));
  assert.equal(await enqueued, id);

  queue.registerProcessor('work', () => Promise.reject(new Error('no')));
  const dequeue = await peer.receive();
  assert.equal(dequeue.payload.count, 5);
  assert.equal(dequeue.payload.lease_ms, 30000);
  peer.send(response(dequeue, { jobs: [{ id: 'old', type: 'work', attempts: 1 }] }));
  let said = await peer.receive();
  while (said.payload.action === 'dequeue') said = await peer.receive(); // for its four other jobs
  assert.deepEqual({ action: said.payload.action, delay: said.payload.delay }, { action: 'retry_job', delay: 2000 });
});

test('batch has fifty requests at most', async (t) => {
  const make = (options) => new PerformantIPCClient('app', options);
  const { made: client, opened, peer } = await scripted(t, make, (made) => made.connect(), { profiles: ['batch'] });
  t.after(() => client.disconnect());
  await opened;
  const requests = Array.from({ length: 51 }, (_, item) => client.batchedRequest('work', item));
  const full = await peer.receive();
  const rest = await peer.receive();
  assert.equal(full.payload.requests.length, 50);
  peer.send(response(full, { responses: full.payload.requests.map(({ payload }) => payload) }));
  const answers = rest.payload.requests ? { responses: [50] } : 50;
  peer.send(response(rest, answers));
  const responses = await Promise.all(requests);
  assert.deepEqual(responses.map(({ payload }) => payload), [...requests.keys()]);
});

test('data processor is an application of its own', (t) => {
  const processor = new DataProcessor();
  t.after(() => processor.stop());
  const { appId, host, port } = processor.client.getConnectionInfo();
  assert.deepEqual({ appId, host, port }, { appId: 'data-processor', host: 'localhost', port: 8888 });
});
