import patterns from './index.js';

export {
  DataProcessor,
  IPCConnectionPool,
  PerformantIPCClient,
  RobustIPCClient,
} from './index.js';
export type {
  CircuitBreaker,
  CircuitBreakerState,
  DataProcessorOptions,
  LogEntry,
  Logger,
  Metrics,
  PerformantIPCClientOptions,
  PoolConnection,
  PoolOptions,
  PoolStats,
  RetryOptions,
  RobustIPCClientOptions,
} from './index.js';
export default patterns;
