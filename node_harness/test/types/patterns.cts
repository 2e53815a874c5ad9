// What users of the patterns write, compiled and not run. A line under @ts-expect-error has to be refused.

import { IPCClient, Message } from 'ipc-conformance-node-harness';
import {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MessageQueue,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} from 'ipc-conformance-node-harness/patterns';
import patterns = require('ipc-conformance-node-harness/patterns');

class UserService extends MicroserviceClient {
  constructor() {
    super('user-service', { host: 'localhost', appId: 'shop' });
  }

  async createUser(userData: { name: string }): Promise<string> {
    const validation = await this.callService('validation-service', 'validate_user', userData, { timeout: 100 });
    await this.broadcastEvent('user_created', { valid: validation.payload.valid });
    return validation.payload.user_id;
  }
}

async function use(): Promise<void> {
  const users = new UserService();
  new MicroserviceClient('user-service', { path: '/run/ipc.sock' });
  new IPCConnectionPool('api-pool', { connectionOptions: { path: '/run/ipc.sock' } });
  users.initialize().then(() => console.log(users.getAvailableServices().filter(({ healthy }) => healthy)));
  const end: () => void = users.subscribeToEvents('user_created', ({ data, source }) => console.log(data, source));
  end();

  const balanced = new LoadBalancedClient('data-processor', { strategy: 'least_connections', port: 8888 });
  const result: Message = await balanced.makeRequest('process_data', { x: 1 }, { retries: 2, timeout: 10 });
  console.log(result.payload, balanced.selectInstance().channel, balanced.serviceInstances.length);

  const pool = new IPCConnectionPool('api-pool', { minConnections: 3, connectionOptions: { reconnectAttempts: 5 } });
  const connection = await pool.getConnection();
  const client: IPCClient = connection.client;
  pool.releaseConnection(connection);
  console.log((await pool.executeRequest('api', {})).payload, pool.getStats().waiting, client.connected);

  const queue = new patterns.MessageQueue('email', { maxConcurrency: 3, retryAttempts: 3, retryDelay: 2000 });
  queue.registerProcessor('send', async (data, job) => ({ sent: data.email, attempts: job.attempts }));
  const id: string = await queue.enqueue('send', { email: 'user' }, { priority: 1, delay: 5, maxAttempts: 2 });
  console.log(id, (await queue.getQueueStats()).in_flight);
  await queue.processJobs();
  await queue.shutdown({ timeout: 100 });

  const robust = new RobustIPCClient('robust-app', { logger: console, failureThreshold: 3 });
  const user = await robust.safeRequest('user_service', {}, { defaultValue: { name: 'Unknown' }, retries: 3 });
  const name: string = user.payload.name;
  const maybe: Message | null = await robust.safeRequest('user_service', {}, { throwOnError: false });
  const sure: Message = await robust.safeRequest('user_service', {}, { timeout: 5000 });
  robust.circuitBreaker.reset();
  console.log(name, maybe?.payload, sure.payload, robust.getCircuitBreakerState().state === 'HALF_OPEN');

  const performant = new PerformantIPCClient('perf-app', { batchTimeout: 5, maxBatchSize: 25, cacheTimeout: 30000 });
  await performant.cachedRequest('user_service', {}, { cacheTtl: 60000 });
  const average: number = performant.getMetrics().avgResponseTime;
  console.log(average, (await performant.batchedRequest('data_service', {})).payload);

  const processor = new DataProcessor({ maxConcurrency: 2, processing: { algorithm: 'simple' } });
  processor.onError((error) => console.error(error.message));
  await processor.start();
}

function misuse(robust: RobustIPCClient): void {
  // @ts-expect-error there is no such strategy
  new LoadBalancedClient('service', { strategy: 'fastest' });
  // @ts-expect-error the queue has no name
  new MessageQueue();
  // @ts-expect-error the processor is missing
  new MessageQueue('q').registerProcessor('send');
  // @ts-expect-error without a default value and with throwOnError false there may be nothing
  robust.safeRequest('c', {}, { throwOnError: false }).then((response) => response.payload);
  // @ts-expect-error the state is there to be read
  robust.circuitBreaker = null;
  // @ts-expect-error a pool has the options of its clients in connectionOptions
  new IPCConnectionPool('pool', { path: '/run/ipc.sock' });
  // @ts-expect-error a number of connections
  new IPCConnectionPool('pool', { maxConnections: '10' });
}

export { misuse, use };
