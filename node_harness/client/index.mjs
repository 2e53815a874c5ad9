import client from './index.js';

export const { IPCClient, IPCError } = client;
export default client;
