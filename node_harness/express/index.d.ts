import type { ErrorRequestHandler, Express, RequestHandler, Router } from 'express';
import type { ClientOptions, IPCClient } from '../client';

declare global {
  namespace Express {
    interface Request {
      /** The client; there behind `ipcMiddleware`. */
      ipc: IPCClient;
      /** Whether it was connected when the request came. */
      ipcReady: boolean;
    }
  }
}

export interface HostOptions {
  /** Further names of this host, without a port; default: those of the loopback interface, and its addresses. */
  hosts?: string[] | undefined;
}

export interface UsersOptions {
  /** Pages that may ask besides our own, such as 'https://example.com'; default: none. */
  origins?: string[] | undefined;
  /** The channel of the service; default 'user_service'. */
  service?: string | undefined;
  /** For each answer of a handler, in milliseconds; default 30000. */
  timeout?: number | undefined;
  /** The longest body of a request, in octets or as '1mb'; default '100kb'. */
  bodyLimit?: number | string | undefined;
}

export interface ProxyOptions {
  /** The channels that requests may be sent to; default: all that are not reserved. */
  services?: string[] | undefined;
  /** Actions that GET may request too, because they change nothing, as 'service/action'; default: none. */
  reads?: string[] | undefined;
  /** Pages that may ask besides our own, such as 'https://example.com'; default: none. */
  origins?: string[] | undefined;
  /** For each answer of a handler, in milliseconds; default 30000. */
  timeout?: number | undefined;
  /** The longest body of a request, in octets or as '1mb'; default '100kb'. */
  bodyLimit?: number | string | undefined;
}

export interface EventsOptions {
  /** The channel; default: the parameter `channel` of the route. */
  channel?: string | undefined;
  /** The channels that may be listened to; default: all that are not reserved. */
  channels?: string[] | undefined;
  /** Between comments that keep the connection in use, in milliseconds; default 15000. */
  heartbeatInterval?: number | undefined;
  /** How long events are kept for browsers that come back after the last one has left, in milliseconds; default 10000. */
  resumeTime?: number | undefined;
  /** Pages that may listen besides our own, such as 'https://example.com'; default: none. */
  origins?: string[] | undefined;
  /** Streams at a time; default 512. */
  maxStreams?: number | undefined;
  /** Of these, from one address; default 64. */
  maxStreamsPerAddress?: number | undefined;
}

export interface EventsHandler extends RequestHandler<any> {
  /** End all streams; whoever asks for one from now on gets 503. */
  close(): void;
}

export interface ServiceOptions extends ProxyOptions, HostOptions {
  /** A middleware in front of all routes that answers requests of strangers itself. */
  authenticate?: RequestHandler | undefined;
  /** Event streams at a time; default 512. */
  maxStreams?: number | undefined;
  /** Of these, from one address; default 64. */
  maxStreamsPerAddress?: number | undefined;
  /** Default 'express-service'. */
  appId?: string | undefined;
  /** By default, without `path`, the environment variables IPC_HOST and IPC_PORT, and attempts to connect again without end. */
  client?: ClientOptions | undefined;
  /** The channels that `/events` streams; default: all that are not reserved. */
  channels?: string[] | undefined;
}

/** Give each request the client, as `req.ipc`, and `req.ipcReady`. */
export function ipcMiddleware(client: IPCClient): RequestHandler;

/** Answers 421 to requests for a host that is not ours: against DNS rebinding. */
export function hostGuard(options?: HostOptions): RequestHandler;

/** Answers 503 while the client is not connected. */
export const requireIpc: RequestHandler;

/** Answers errors of the IPC server and of what the browser sent with a status and JSON; hands on all others. */
export const ipcErrors: ErrorRequestHandler;

/** `/:service/:action` for the handler of the channel `service`. */
export function ipcProxy(options?: ProxyOptions): Router;

/** GET lists users, POST creates one. */
export function usersRouter(options?: UsersOptions): Router;

/** A stream of Server-Sent Events with what is published on a channel. */
export function serverSentEvents(client: IPCClient, options?: EventsOptions): EventsHandler;

/** Answers whether the IPC server answers: 200 or 503. */
export const health: RequestHandler;

/** Describes the connection to the IPC server. */
export const status: RequestHandler;

/** An HTTP service in front of an IPC server. Routes of your own go to `app` before `start`. */
export class IPCExpressService {
  /** @throws TypeError naming the option and what it must be. */
  constructor(options?: ServiceOptions);
  readonly app: Express;
  readonly client: IPCClient;
  /** Whether the IPC server is connected. */
  readonly isReady: boolean;
  /** The port that is listened on; null before `start` and after `stop`. */
  readonly port: number | null;
  /** Connect to the IPC server. Rejects when that fails. */
  initialize(): Promise<this>;
  /** Connect, then listen, by default on 127.0.0.1; port 0 takes a free one. Rejects when either fails, with nothing left running. */
  start(port?: number, host?: string): Promise<this>;
  /** End the streams, answer what is in flight, close the listener, disconnect. */
  stop(): Promise<void>;
}
