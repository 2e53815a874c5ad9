import client from './index.js';

export { IPCClient, IPCError } from './index.js';
export type {
  Acknowledgement,
  ClientOptions,
  ConnectionInfo,
  Message,
  MessageHandler,
  TlsOptions,
} from './index.js';
export default client;
