// What users of the patterns write in ECMAScript modules, compiled and not run.

import patterns, { PerformantIPCClient } from 'ipc-conformance-node-harness/patterns';
import type { Metrics, RetryOptions } from 'ipc-conformance-node-harness/patterns';

const retry: RetryOptions = { retries: 2 };
const metrics: Metrics = new PerformantIPCClient('app').getMetrics();
console.log(await new patterns.RobustIPCClient('app').makeRequestWithRetry('c', {}, retry), metrics.cacheHits);

// @ts-expect-error there is no such export
import { CircuitBreakers } from 'ipc-conformance-node-harness/patterns';
