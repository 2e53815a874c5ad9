import patterns from './index.js';

export {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MessageQueue,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} from './index.js';
export type {
  CircuitBreaker,
  CircuitBreakerState,
  DataProcessorOptions,
  EnqueueOptions,
  Instance,
  Job,
  LoadBalancedClientOptions,
  LogEntry,
  Logger,
  MessageQueueOptions,
  Metrics,
  MicroserviceClientOptions,
  PerformantIPCClientOptions,
  PoolConnection,
  PoolOptions,
  PoolStats,
  QueueStats,
  RetryOptions,
  RobustIPCClientOptions,
  Service,
  ServiceEvent,
} from './index.js';
export default patterns;
