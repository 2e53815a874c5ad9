/** A message as it travels. */
export interface Message {
  message_id: string;
  app_id: string;
  channel_id: string;
  message_type: 'request' | 'response' | 'notification' | 'subscribe' | 'unsubscribe' | 'publish';
  /** Any JSON value. */
  payload: any;
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
   * TLS, with the server's certificate verified: `true`, or options of Node's `tls.connect`, such as `ca`. Default:
   * plaintext.
   */
  tls?: boolean | TlsOptions;
  /** What the server demands of those who connect; sent to the server, and shown nowhere. */
  token?: string;
  /** Until a connection has to be acknowledged, in milliseconds; default 10000. */
  connectionTimeout?: number;
  /** Attempts to connect again after a loss, 0 for none; default 5. */
  reconnectAttempts?: number;
  /** Ahead of each of these attempts, in milliseconds; default 2000. */
  reconnectDelay?: number;
  /** Between pings, in milliseconds, 0 for no pings; default 30000. */
  heartbeatInterval?: number;
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
  /** Null while not connected. */
  server: Acknowledgement | null;
}

export type MessageHandler = (message: Message) => unknown;

/**
 * An error of the connection, of the server, or of a request. `code` is a code of the specification when the server
 * reported the error, otherwise `not_connected`, `connection_failed`, `tls_failed`, `connection_lost`, `timeout`,
 * `heartbeat_timeout`, `frame_too_large`, `malformed_frame`, `invalid_message` or `reconnect_failed`.
 */
export class IPCError extends Error {
  constructor(code: string, message: string, cause?: Error);
  readonly name: 'IPCError';
  readonly code: string;
  readonly cause?: Error;
}

/** A client of an IPC server: one application, one connection at a time, one connection id for its whole life. */
export class IPCClient {
  /** @throws TypeError naming the argument and what it must be. Options that are not known are ignored. */
  constructor(appId: string, options?: ClientOptions | (ClientOptions & Record<string, unknown>));

  /** Whether the connection is open: acknowledged and not ended. */
  readonly connected: boolean;

  /** The id under which the server knows this client; it stays the same when the client connects again. */
  readonly connectionId: string;

  /** Make one attempt to connect. False after an error, which the `onError` handlers were given. Never rejects. */
  connect(): Promise<boolean>;

  /** End the connection, or the attempts to make one. Requests in flight are rejected; messages sent are delivered. */
  disconnect(): void;

  /**
   * Send a request. Resolves to the whole response, also when it is an error answer (`payload.status === 'error'`);
   * rejects when no response comes within `timeout` milliseconds (default 10000) or the connection is lost.
   */
  sendRequest(channel: string, payload: unknown, timeout?: number): Promise<Message>;

  /** Call a handler with every publish and notification on a channel, until `unsubscribe`. */
  subscribe(channel: string, handler: MessageHandler): void;

  /** Remove a handler of a channel, or all of them. */
  unsubscribe(channel: string, handler?: MessageHandler): void;

  /** Send data to every subscriber of a channel. Throws when not connected. */
  publish(channel: string, data: unknown): void;

  /** Tell the server something and expect no answer. Throws when not connected. */
  notify(channel: string, data: unknown): void;

  /** Whether the server answers a ping within `timeout` milliseconds (default: `connectionTimeout`). Never rejects. */
  healthCheck(timeout?: number): Promise<boolean>;

  getConnectionInfo(): ConnectionInfo;

  /** Called whenever the connection is open, with all subscriptions sent again. */
  onConnected(handler: () => unknown): void;

  /** Called when an open connection ended; `reason` is null after `disconnect`. */
  onDisconnected(handler: (reason: Error | null) => unknown): void;

  /** Called with every error that is not thrown and rejects no promise. */
  onError(handler: (error: Error) => unknown): void;
}
