import type { ClientOptions, IPCClient, Message } from '../client/index.js';

// Times are in milliseconds. What is rejected or thrown is a TypeError for wrong arguments, else an IPCError with a code.

/** How often to make a request. */
export interface RetryOptions {
  /** For each attempt; default 10000. */
  timeout?: number;
  /** Attempts in all; default 3. */
  retries?: number;
  /** Ahead of the second attempt; default 1000. Between half of it and all of it is waited, at random. */
  retryDelay?: number;
  /** By how much each wait is longer than the one before; default 2. */
  backoffMultiplier?: number;
  /** The longest wait; default 30000. */
  maxRetryDelay?: number;
}

// Service discovery

export interface Service {
  name: string;
  healthy: boolean;
  [member: string]: unknown;
}

export interface ServiceEvent {
  type: string;
  data: any;
  /** The name of the service that sent it. */
  source: string;
  /** Unix time in milliseconds. */
  timestamp: number;
}

export interface MicroserviceClientOptions extends ClientOptions {
  /** The application of all services; default 'microservices'. */
  appId?: string;
  /** Default without `path`: the environment variable IPC_HOST, or 'localhost'. */
  host?: string;
  /** Default without `path`: the environment variable IPC_PORT, or 8888. */
  port?: number;
}

/** A service that calls other services of its application, and exchanges events with them. */
export class MicroserviceClient {
  constructor(serviceName: string, options?: MicroserviceClientOptions);
  readonly client: IPCClient;
  readonly serviceName: string;
  readonly isReady: boolean;
  /** Called with every error that is not thrown and rejects no promise. */
  onError(handler: (error: Error) => unknown): void;
  /** Connect and get to know the services. */
  initialize(): Promise<void>;
  /** Rejects with `not_initialized`, `service_not_found`, `service_unhealthy`, or as `IPCClient.sendRequest`. */
  callService(
    serviceName: string,
    action: string,
    data?: unknown,
    options?: { timeout?: number; [member: string]: unknown },
  ): Promise<Message>;
  broadcastEvent(eventType: string, data: unknown): Promise<void>;
  /** Returns a function that ends the subscription. */
  subscribeToEvents(eventType: string, handler: (event: ServiceEvent) => unknown): () => void;
  getAvailableServices(): Service[];
  shutdown(): Promise<void>;
}

// Load balancing

export interface Instance {
  id: string;
  channel: string;
  healthy: boolean;
  connections: number;
  [member: string]: unknown;
}

export interface LoadBalancedClientOptions extends ClientOptions {
  /** The application that is offered the service; default 'microservices'. */
  appId?: string;
  /** Default 'round_robin'. */
  strategy?: 'round_robin' | 'random' | 'least_connections';
}

/** Divides requests among the healthy instances of a service. */
export class LoadBalancedClient {
  constructor(serviceType: string, options?: LoadBalancedClientOptions);
  readonly client: IPCClient;
  readonly serviceType: string;
  /** The healthy ones. */
  readonly serviceInstances: Instance[];
  /** Called with every error that is not thrown and rejects no promise. */
  onError(handler: (error: Error) => unknown): void;
  /** Connect and get to know the instances. */
  initialize(): Promise<void>;
  /** Throws `no_instance`. */
  selectInstance(): Instance;
  makeRequest(action: string, data?: unknown, options?: RetryOptions): Promise<Message>;
  shutdown(): Promise<void>;
}

// Connection pool

export interface PoolOptions {
  /** The application of all connections; default: the name of the pool. */
  appId?: string;
  /** Default 2. */
  minConnections?: number;
  /** Default 10. */
  maxConnections?: number;
  /** How long `getConnection` waits, 0 for ever; default 0. */
  acquireTimeout?: number;
  /** `reconnectAttempts` and `reconnectDelay` have no effect: the pool replaces what is lost. */
  connectionOptions?: ClientOptions;
}

export interface PoolConnection {
  id: number;
  client: IPCClient;
  inUse: boolean;
  /** Unix time in milliseconds. */
  createdAt: number;
  /** Unix time in milliseconds. */
  lastUsed: number;
}

export interface PoolStats {
  total: number;
  available: number;
  inUse: number;
  waiting: number;
}

/** Connections of one application that share its requests. */
export class IPCConnectionPool {
  constructor(poolName: string, options?: PoolOptions);
  /** Called with the errors of all connections. */
  onError(handler: (error: Error) => unknown): void;
  initialize(): Promise<void>;
  /** Rejects with `not_initialized`, `timeout`, `pool_closed`, or with why no connection could be opened. */
  getConnection(): Promise<PoolConnection>;
  /** Throws `not_in_use` for one that was released before. */
  releaseConnection(connection: PoolConnection): void;
  executeRequest(channel: string, payload: unknown, timeout?: number): Promise<Message>;
  shutdown(): Promise<void>;
  getStats(): PoolStats;
}

// Queue

export interface MessageQueueOptions extends ClientOptions {
  /** The application whose queue it is; default: 'queue-' and the name of the queue. */
  appId?: string;
  /** Jobs that are done at a time; default 5. */
  maxConcurrency?: number;
  /** Attempts at a job in all; default 3. */
  retryAttempts?: number;
  /** Ahead of the second attempt, twice of it ahead of the third, and so on; default 1000. */
  retryDelay?: number;
  /** How long a job may take before another worker gets it; default 30000. */
  leaseTime?: number;
}

export interface EnqueueOptions {
  /** An integer, larger first; default 0. */
  priority?: number;
  /** Until the job may be done; default 0. */
  delay?: number;
  /** In all; default: `retryAttempts` of the queue. */
  maxAttempts?: number;
  /** Enqueueing an id again has no effect; default: a new one. */
  id?: string;
}

/** Times are Unix time in milliseconds. */
export interface Job {
  id: string;
  type?: string;
  data?: any;
  priority: number;
  /** Those that failed. */
  attempts: number;
  maxAttempts?: number;
  createdAt: number;
  scheduledFor: number;
}

export interface QueueStats {
  queue: string;
  pending: number;
  delayed: number;
  in_flight: number;
  completed: number;
  failed: number;
}

/** A queue that the server keeps: puts jobs into it and, with processors, does them. */
export class MessageQueue {
  constructor(queueName: string, options?: MessageQueueOptions);
  readonly client: IPCClient;
  readonly queueName: string;
  /** Called with errors of the client, of jobs (`job_failed`), and of fetching them. */
  onError(handler: (error: Error) => unknown): void;
  initialize(): Promise<void>;
  /** Resolves to the id of the job. */
  enqueue(jobType: string, jobData: unknown, options?: EnqueueOptions): Promise<string>;
  registerProcessor(jobType: string, processor: (data: any, job: Job) => unknown): void;
  /** Resolves when no job is due and none is being done here. */
  processJobs(): Promise<void>;
  getQueueStats(): Promise<QueueStats>;
  /** Finishes jobs for at most `timeout` (default 30000), and gives back the others. */
  shutdown(options?: { timeout?: number }): Promise<void>;
}

// Robustness

export interface CircuitBreakerState {
  state: 'CLOSED' | 'OPEN' | 'HALF_OPEN';
  /** In a row. */
  failures: number;
  threshold: number;
  timeout: number;
  /** Unix time in milliseconds. */
  lastFailTime: number | null;
}

export interface CircuitBreaker {
  /** Close the circuit and forget all failures. */
  reset(): void;
  snapshot(): CircuitBreakerState;
}

/** What is logged; no payload is. */
export interface LogEntry {
  /** RFC 3339. */
  timestamp: string;
  type: 'ipc_connected' | 'ipc_disconnected' | 'ipc_connection_error' | 'ipc_request_error' | 'circuit_breaker';
  appId: string;
  error?: { code?: string | undefined; message: string; stack?: string | undefined };
  channel?: string;
  state?: CircuitBreakerState['state'];
}

/** `console` is one. */
export interface Logger {
  info?(entry: LogEntry): unknown;
  warn?(entry: LogEntry): unknown;
  error?(entry: LogEntry): unknown;
}

export interface RobustIPCClientOptions extends ClientOptions {
  /** Default 10. */
  reconnectAttempts?: number;
  /** Default 3000. */
  reconnectDelay?: number;
  /** Failures in a row that open the circuit; default 5. */
  failureThreshold?: number;
  /** Until an open circuit lets a probe pass; default 30000. */
  resetTimeout?: number;
  /** Default: nothing is logged. */
  logger?: Logger;
}

/** A client for servers that fail. */
export class RobustIPCClient {
  constructor(appId: string, options?: RobustIPCClientOptions);
  readonly client: IPCClient;
  readonly circuitBreaker: CircuitBreaker;
  connect(): Promise<boolean>;
  disconnect(): void;
  /** Rejects as `IPCClient.sendRequest`, or with `circuit_open`. */
  makeRequest(channel: string, payload: unknown, options?: { timeout?: number }): Promise<Message>;
  makeRequestWithRetry(channel: string, payload: unknown, options?: RetryOptions): Promise<Message>;
  /** After a failure or an error answer: the default value as a payload, or null if `throwOnError` is false. */
  safeRequest<T>(
    channel: string,
    payload: unknown,
    options: RetryOptions & { defaultValue: T; throwOnError?: boolean },
  ): Promise<Message | { payload: T }>;
  safeRequest(
    channel: string,
    payload: unknown,
    options: RetryOptions & { defaultValue?: undefined; throwOnError: false },
  ): Promise<Message | null>;
  safeRequest(
    channel: string,
    payload: unknown,
    options?: RetryOptions & { defaultValue?: undefined; throwOnError?: true },
  ): Promise<Message>;
  getCircuitBreakerState(): CircuitBreakerState;
}

// Performance

export interface PerformantIPCClientOptions extends ClientOptions {
  /** Until what waits for a batch is sent; default 10. */
  batchTimeout?: number;
  /** At most 1000; default 50. */
  maxBatchSize?: number;
  /** How old a remembered response may be; default 60000. */
  cacheTimeout?: number;
  /** The one that was used least recently gives way; default 1000. */
  maxCacheEntries?: number;
}

export interface Metrics {
  /** Requests that were made, not those that the cache or another request answered. */
  requestCount: number;
  /** Requests that were rejected. */
  errorCount: number;
  cacheHits: number;
  cacheMisses: number;
  /** Mean of the requests that got a response. */
  avgResponseTime: number;
  /** Requests that travelled in a batch. */
  batchedRequests: number;
  cacheSize: number;
  pendingRequests: number;
  /** Requests that wait for a batch. */
  queuedBatches: number;
}

/** A client that saves requests. All of its requests resolve and reject as `IPCClient.sendRequest`. */
export class PerformantIPCClient {
  constructor(appId: string, options?: PerformantIPCClientOptions);
  readonly client: IPCClient;
  connect(): Promise<boolean>;
  disconnect(): void;
  cachedRequest(
    channel: string,
    payload: unknown,
    options?: { cacheTtl?: number; timeout?: number },
  ): Promise<Message>;
  batchedRequest(channel: string, payload: unknown, options?: { timeout?: number }): Promise<Message>;
  deduplicatedRequest(channel: string, payload: unknown, options?: { timeout?: number }): Promise<Message>;
  getMetrics(): Metrics;
  clearCache(): void;
}

// Pipeline

export interface DataProcessorOptions extends ClientOptions {
  /** Default 'data-processor'. */
  appId?: string;
  /** Default 10. */
  reconnectAttempts?: number;
  /** Default 3000. */
  reconnectDelay?: number;
  /** Items that are processed at a time; default 10. */
  maxConcurrency?: number;
  /** Items that wait for that; default 1000. */
  maxWaiting?: number;
  /** For an item to be processed; default 10000. */
  timeout?: number;
  /** The `options` that the handler of the channel `processor` gets. */
  processing?: object;
}

/** Sends what is published on `raw_data` to `processor`, and publishes the outcome. */
export class DataProcessor {
  constructor(options?: DataProcessorOptions);
  readonly client: IPCClient;
  /** Called with the client's errors, and those that cannot be published. */
  onError(handler: (error: Error) => unknown): void;
  start(): Promise<void>;
  /** Takes no further items, and finishes those that are there. */
  stop(): Promise<void>;
  /** Never rejects. */
  processData(message: { payload: any }): Promise<void>;
}
