import client from './index.js';

export { IPCClient, IPCError } from './index.js';
export type {
  Acknowledgement,
  ClientOptions,
  ConnectionInfo,
  Message,
  MessageHandler,
} from './index.js';
export default client;
