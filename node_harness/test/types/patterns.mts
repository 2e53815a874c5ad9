// What users of the patterns write in ECMAScript modules, compiled and not run.

import patterns, { MessageQueue, PerformantIPCClient } from 'ipc-conformance-node-harness/patterns';
import type { Job, Metrics, RetryOptions } from 'ipc-conformance-node-harness/patterns';

const retry: RetryOptions = { retries: 2 };
const metrics: Metrics = new PerformantIPCClient('app').getMetrics();
new MessageQueue('q').registerProcessor('send', (data, job: Job) => [data, job.id]);
console.log(await new patterns.RobustIPCClient('app').makeRequestWithRetry('c', {}, retry), metrics.cacheHits);

// @ts-expect-error there is no such export
import { CircuitBreakers } from 'ipc-conformance-node-harness/patterns';
