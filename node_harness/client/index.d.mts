import client from './index.js';

export { IPCClient, IPCError } from './index.js';
export type {
  Acknowledgement,
  ClientOptions,
  ConnectionInfo,
  EventArguments,
  Message,
  MessageHandler,
  RequestOptions,
  ServerAddress,
  Signal,
  StreamOptions,
  TlsOptions,
} from './index.js';
export default client;
