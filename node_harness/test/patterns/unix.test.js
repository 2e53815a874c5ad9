'use strict';

// Every pattern hands the option path on to its clients.

const assert = require('node:assert/strict');
const path = require('node:path');
const {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MessageQueue,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} = require('../../patterns');
const { makeFolder } = require('../folder');
const { acceptAgain, response, scriptedServer } = require('../helper');
const { test } = require('../runner');

/** How to make each pattern with options of the client, to connect it, and to end it. */
const PATTERNS = {
  DataProcessor: [(options) => new DataProcessor(options), 'start', 'stop'],
  IPCConnectionPool: [
    (connectionOptions) => new IPCConnectionPool('pool', { minConnections: 1, connectionOptions }),
    'initialize',
    'shutdown',
  ],
  LoadBalancedClient: [(options) => new LoadBalancedClient('service', options), 'initialize', 'shutdown'],
  MessageQueue: [(options) => new MessageQueue('mail', options), 'initialize', 'shutdown'],
  MicroserviceClient: [(options) => new MicroserviceClient('orders', options), 'initialize', 'shutdown'],
  PerformantIPCClient: [(options) => new PerformantIPCClient('app', options), 'connect', 'disconnect'],
  RobustIPCClient: [(options) => new RobustIPCClient('app', options), 'connect', 'disconnect'],
};

for (const [name, [make, open, end]] of Object.entries(PATTERNS)) {
  test(`${name} connects to a path`, async (t) => {
    const socket = path.join(makeFolder(t), 'ipc.sock');
    const server = await scriptedServer(t, undefined, socket);
    const pattern = make({ path: socket });
    t.after(() => pattern[end]());
    const opened = Promise.resolve(pattern[open]()).catch(() => {}); // some ask the server more than this test answers
    const { hello } = await acceptAgain(server);
    assert.equal(hello.payload.action, 'connect');
    await pattern[end]();
    await opened;
  });

  test(`${name} refuses a path together with a port`, () => {
    assert.throws(() => make({ path: '/run/ipc.sock', port: 8888 }), /^TypeError: path must be given without host/);
  });
}

test('pool makes requests on a path, and replaces a connection that is lost', async (t) => {
  const socket = path.join(makeFolder(t), 'ipc.sock');
  const server = await scriptedServer(t, undefined, socket);
  const pool = new IPCConnectionPool('pool', { minConnections: 1, connectionOptions: { path: socket } });
  t.after(() => pool.shutdown());
  const initialized = pool.initialize();
  const { peer } = await acceptAgain(server);
  await initialized;
  peer.end();
  const { peer: second } = await acceptAgain(server);
  const answered = pool.executeRequest('c', 1);
  second.send(response(await second.receive(), 'done'));
  assert.equal((await answered).payload, 'done');
});

test('path takes the place of the host and port of the environment', (t) => {
  Object.assign(process.env, { IPC_HOST: '127.0.0.2', IPC_PORT: 'eighty' });
  t.after(() => ['IPC_HOST', 'IPC_PORT'].forEach((name) => delete process.env[name]));
  const { host, port, path: shown } = new MicroserviceClient('a', { path: '/run/ipc.sock' }).client.getConnectionInfo();
  assert.deepEqual([host, port, shown], [null, null, '/run/ipc.sock']);
  assert.throws(() => new MicroserviceClient('a', { path: '' }), /^TypeError: path must be a string/);
});
