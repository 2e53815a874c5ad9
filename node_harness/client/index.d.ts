/** A message as it travels. `Payload` is what your program expects; the client does not check it. */
export interface Message<Payload = any> {
  message_id: string;
  app_id: string;
  channel_id: string;
  message_type: 'request' | 'response' | 'notification' | 'subscribe' | 'unsubscribe' | 'publish';
  /** Any JSON value. */
  payload: Payload;
  /** Unix time in seconds, by the sender's clock. */
  timestamp: number;
  /** The `message_id` that a response answers. */
  reply_to?: string | null;
}

export interface ClientOptions {
  /** Default 'localhost'. */
  host?: string;
  /** Default 8888. A string of digits, as in an environment variable, will do. */
  port?: number | string;
  /**
   * Path of a Unix domain socket, or of a Windows named pipe, to connect to in place of `host` and `port`, which must
   * be absent then.
   */
  path?: string;
  /**
   * Several servers, in place of `host`, `port` and `path`. An attempt to connect tries each once, from the one that worked
   * last: 'host:port', 'host', '[::1]:port', 'unix:path', or objects.
   */
  servers?: ReadonlyArray<string | ServerAddress>;
  /**
   * The id under which the server knows this client, 1 to 128 characters. Default: one of the client's own. Give none if
   * the server may be one of the package ipc-framework up to 1.1.2.
   */
  connectionId?: string;
  /**
   * TLS, with the server's certificate verified: `true`, or options of Node's `tls.connect`, such as `ca`. Default:
   * plaintext.
   */
  tls?: boolean | TlsOptions;
  /** What the server demands of those who connect; sent to the server, and shown nowhere. */
  token?: string;
  /** Until a connection has to be acknowledged, in milliseconds; default 10000. */
  connectionTimeout?: number;
  /** Attempts to connect again after a loss, 0 for none, Infinity for ever; default 5. */
  reconnectAttempts?: number;
  /** Ahead of the first of these attempts, in milliseconds; default 2000. Each further one waits twice as long. */
  reconnectDelay?: number;
  /** What the wait for an attempt grows up to, in milliseconds; default 30000. */
  maxReconnectDelay?: number;
  /** Between pings, in milliseconds, 0 for no pings; default 30000. */
  heartbeatInterval?: number;
  /** Octets that may wait for a server that does not read, at least 65536; more are refused with `buffer_full`. Default 64 MiB. */
  maxBufferedBytes?: number;
  /** Levels of a message that is delivered, at least 64; deeper ones are dropped with `too_deep`. Default 1024. */
  maxDepth?: number;
}

export type ServerAddress = { host?: string; port?: number | string; path?: undefined } | { path: string };

/** What a handler of each event is given. */
export interface EventArguments {
  connected: [];
  /** Null after `disconnect`. */
  disconnected: [reason: Error | null];
  reconnecting: [next: { attempt: number; delay: number }];
  reconnectFailed: [error: Error];
  drain: [];
  error: [error: Error];
}

export interface StreamOptions {
  /** Messages that may wait for the loop; one more, and the iteration throws `buffer_full`. Default 1024. */
  maxWaiting?: number;
  /** Ends the iteration. */
  signal?: Signal | undefined;
}

export interface RequestOptions {
  /** Ends the wait for the response, with the code `aborted`. The server is not told. */
  signal?: Signal | undefined;
}

/** The part of an `AbortSignal` that is used. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Options of Node's `tls.connect`; all but `host`, `port`, `path` and `socket` are allowed. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, in PEM, in place of Node's own. */
  ca?: string | Uint8Array | Array<string | Uint8Array>;
  /** A certificate of the client's own, in PEM. */
  cert?: string | Uint8Array | Array<string | Uint8Array>;
  /** The private key of `cert`, in PEM. */
  key?: string | Uint8Array | Array<string | Uint8Array | { pem: string | Uint8Array; passphrase?: string }>;
  passphrase?: string;
  /** The name that the server's certificate must have; default: `host`, or 'localhost' with `path`. */
  servername?: string;
  /** False accepts any certificate, and with it anybody who is between client and server. */
  rejectUnauthorized?: boolean;
  host?: never;
  port?: never;
  path?: never;
  socket?: never;
  [option: string]: unknown;
}

/** What a server says of itself in the acknowledgement of a connection. */
export interface Acknowledgement {
  status: 'connected';
  connection_id: string;
  protocol?: string;
  profiles?: string[];
  limits?: {
    max_frame_bytes?: number;
    max_depth?: number;
    max_outbound_bytes?: number;
    max_connections?: number;
    handshake_timeout_ms?: number;
    [member: string]: unknown;
  };
  [member: string]: unknown;
}

export interface ConnectionInfo {
  appId: string;
  connectionId: string;
  /** Null with `path`. */
  host: string | null;
  /** Null with `path`. */
  port: number | null;
  /** Null with `host` and `port`. */
  path: string | null;
  connected: boolean;
  status: 'connected' | 'connecting' | 'reconnecting' | 'disconnected';
  subscribedChannels: string[];
  pendingRequests: number;
  /** Whether this server answers pings; null while that is not known. Deployed servers do not. */
  answersPings: boolean | null;
  /** Null while not connected. */
  server: Acknowledgement | null;
}

export type MessageHandler<Payload = any> = (message: Message<Payload>) => unknown;

/**
 * An error of the connection, of the server, or of a request. `code` is a code of the specification when the server
 * reported the error, otherwise `not_connected`, `connection_failed`, `tls_failed`, `connection_lost`, `timeout`,
 * `heartbeat_timeout`, `frame_too_large`, `too_deep`, `limit_too_small`, `buffer_full`, `aborted`, `malformed_frame`,
 * `invalid_message` or `reconnect_failed`.
 */
export class IPCError extends Error {
  constructor(code: string, message: string, cause?: Error);
  readonly name: 'IPCError';
  readonly code: string;
  readonly cause?: Error;
}

/** A client of an IPC server: one application, one connection at a time. */
export class IPCClient {
  /**
   * @throws TypeError naming the argument and what it must be. Options that are not known are ignored; a process warning
   * tells of those that look like mistakes.
   */
  constructor(appId: string, options?: ClientOptions | (ClientOptions & Record<string, unknown>));

  /** Whether the connection is open: acknowledged and not ended. */
  readonly connected: boolean;

  /**
   * The id under which the server knows this client. It stays the same when the client connects again, except to a server
   * that announces no protocol version: there each connection has another one, unless you gave it.
   */
  readonly connectionId: string;

  /** Make one attempt to connect. False after an error, which the `onError` handlers were given. Never rejects. */
  connect(): Promise<boolean>;

  /**
   * End the connection, or the attempts to make one. Requests in flight are rejected; messages sent are delivered, for as
   * long as the server reads. After `timeout` milliseconds (default 30000) in which it reads nothing, the rest is given up.
   * Resolves once the system has taken everything, or the rest was given up, to the number of octets that were lost, at
   * most; `onError` is told of a loss, too. Never rejects.
   */
  disconnect(options?: { timeout?: number }): Promise<{ lostBytes: number }>;

  /**
   * Send a request. Resolves to the whole response, also when it is an error answer (`payload.status === 'error'`);
   * rejects when no response comes within `timeout` milliseconds (default 10000) or the connection is lost.
   */
  sendRequest<Payload = any>(
    channel: string,
    payload: unknown,
    timeout?: number,
    options?: RequestOptions,
  ): Promise<Message<Payload>>;

  /** Send a request, and wait for no response; `onError` is told of an error answer. Returns the message id. */
  request(channel: string, payload: unknown): string;

  /**
   * Send a request, and have a function called with its response; `onError` is told if none comes. Returns the message id.
   * Throws as `publish`.
   */
  sendRequestAsync<Payload = any>(
    channel: string,
    payload: unknown,
    handler: MessageHandler<Payload>,
    timeout?: number,
  ): string;

  /**
   * Call a handler with every publish and notification on a channel, until `unsubscribe`. Throws `buffer_full` while the
   * server does not read. In an `onConnected` handler, it takes the place of what the same handler subscribed to on the
   * channel at earlier connections; after an `await`, too, if the handler is itself an `async` function of JavaScript.
   */
  subscribe<Payload = any>(channel: string, handler: MessageHandler<Payload>): void;

  /**
   * Subscribe to a channel and iterate over its messages: `for await (const message of client.messages('c'))`. Ends with
   * the loop, by `signal`, or by `disconnect`. A lost connection does not end it, unless no attempt to connect again
   * follows: then the iteration throws.
   */
  messages<Payload = any>(channel: string, options?: StreamOptions): AsyncIterableIterator<Message<Payload>>;

  /** Remove a handler of a channel, or all of them. */
  unsubscribe<Payload = any>(channel: string, handler?: MessageHandler<Payload>): void;

  /**
   * Send data to every subscriber of a channel. Throws when not connected, and when too much waits already. False if the
   * server reads slower than this program sends: wait for `onDrain` or `drained()` before you send more.
   */
  publish(channel: string, data: unknown): boolean;

  /** Tell the server something and expect no answer. Otherwise as `publish`. */
  notify(channel: string, data: unknown): boolean;

  /**
   * False if the connection is not open, or the server should answer pings and did not within `timeout` milliseconds
   * (default: `connectionTimeout`). True also for an open connection to a server that announces no protocol version and
   * has never answered a ping: nothing says that it is gone. Never rejects.
   */
  healthCheck(timeout?: number): Promise<boolean>;

  /** Whether the server answered a ping within `timeout` milliseconds (default: `connectionTimeout`). Never rejects. */
  ping(timeout?: number): Promise<boolean>;

  /** Wait until little waits for the server to read it. False when the connection ended before. Never rejects. */
  drained(): Promise<boolean>;

  /** Wait until the system has taken everything that was sent. False when the connection ended before. Never rejects. */
  flush(): Promise<boolean>;

  getConnectionInfo(): ConnectionInfo;

  /** `connected`, as a function. */
  isConnected(): boolean;

  /** Call a handler at each event. Adding it again has no effect. */
  on<Name extends keyof EventArguments>(event: Name, handler: (...values: EventArguments[Name]) => unknown): this;

  /** As `on`, for the next time only. */
  once<Name extends keyof EventArguments>(event: Name, handler: (...values: EventArguments[Name]) => unknown): this;

  /** Remove a handler, or all handlers, of an event. */
  off<Name extends keyof EventArguments>(event: Name, handler?: (...values: EventArguments[Name]) => unknown): this;

  /** Called whenever the connection is open, with all subscriptions sent again. */
  onConnected(handler: () => unknown): void;

  /** Called when an open connection ended; `reason` is null after `disconnect`. */
  onDisconnected(handler: (reason: Error | null) => unknown): void;

  /** Called before each attempt to connect again; `delay` is in milliseconds. */
  onReconnecting(handler: (next: { attempt: number; delay: number }) => unknown): void;

  /**
   * Called with an error when no further attempt follows: all have failed (`reconnect_failed`), `connect()` took their
   * place and failed, or the server has refused the client for good.
   */
  onReconnectFailed(handler: (error: Error) => unknown): void;

  /** Called when the server has read enough after `publish` or `notify` returned false. */
  onDrain(handler: () => unknown): void;

  /** Called with every error that is not thrown and rejects no promise. */
  onError(handler: (error: Error) => unknown): void;
}
