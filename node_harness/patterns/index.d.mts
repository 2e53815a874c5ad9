import patterns from './index.js';

export {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} from './index.js';
export type {
  CircuitBreaker,
  CircuitBreakerState,
  DataProcessorOptions,
  Instance,
  LoadBalancedClientOptions,
  LogEntry,
  Logger,
  Metrics,
  MicroserviceClientOptions,
  PerformantIPCClientOptions,
  PoolConnection,
  PoolOptions,
  PoolStats,
  RetryOptions,
  RobustIPCClientOptions,
  Service,
  ServiceEvent,
} from './index.js';
export default patterns;
