// What users of the package write, compiled and not run. A line under @ts-expect-error has to be refused.

import { IPCClient, IPCError, ClientOptions, ConnectionInfo, Message } from 'ipc-conformance-node-harness';
import ipc = require('ipc-conformance-node-harness');

const options: ClientOptions = { host: 'localhost', port: 8888, reconnectAttempts: 5, reconnectDelay: 2000 };
const client: IPCClient = new IPCClient('my_app', options);
new ipc.IPCClient('my_app', { port: process.env['IPC_PORT'] ?? 8888, token: 'secret', tls: true });
new ipc.IPCClient('my_app', { tls: { ca: [Buffer.from('')], rejectUnauthorized: true, ALPNProtocols: ['ipc'] } });
new ipc.IPCClient('my_app', { path: '/run/ipc.sock', tls: { servername: 'localhost' } });
new ipc.IPCClient('my_app', { connectionTimeout: 1, heartbeatInterval: 0, batchTimeout: 5 });

async function use(): Promise<void> {
  const connected: boolean = await client.connect();
  const response: Message = await client.sendRequest('api', { action: 'get_users', filters: { active: true } }, 10000);
  const users = response.payload.users.length;
  client.subscribe('notifications', (message) => console.log(message.payload, message.reply_to ?? null, users));
  client.subscribe('raw_data', async (message: Message) => void message.payload);
  client.unsubscribe('notifications');
  client.publish('events', { type: 'greeting', timestamp: Date.now() });
  client.notify('events', null);
  const healthy: boolean = await client.healthCheck();
  const info: ConnectionInfo = client.getConnectionInfo();
  const limit: number | undefined = info.server?.limits?.max_frame_bytes;
  const address: string = info.path ?? `${info.host}:${info.port}`;
  client.onConnected(() => console.log(connected, healthy, limit, address));
  client.onDisconnected(() => {});
  client.onDisconnected((reason) => console.log(reason?.message));
  client.onError((error) => console.error(error instanceof IPCError ? error.code : error.message));
  const user: Message<{ name: string }> = await client.sendRequest<{ name: string }>('api', { action: 'get_user' });
  client.subscribe<{ id: number }>('typed', ({ payload }) => payload.id.toFixed() + user.payload.name);
  for await (const message of client.messages<string>('text', { maxWaiting: 5 })) message.payload.trim();
  if (!client.publish('events', 1)) await client.drained();
  client.once('reconnecting', ({ attempt, delay }) => attempt + delay).on('error', (error) => error.message);
  client.off('disconnected', (reason) => reason?.message).off('drain');
  const id: string = client.sendRequestAsync('api', {}, (response) => response.payload, 5) + client.request('api', {});
  const { lostBytes } = await client.disconnect({ timeout: 100 });
  console.log(id, lostBytes.toFixed(), await client.flush(), await client.ping(), info.answersPings, client.isConnected());
  if (client.connected) console.log(client.connectionId.length);
  client.disconnect();
}

new IPCClient('my_app', { servers: ['a.example:8888', { host: 'b.example', port: 8888 }, { path: '/run/ipc.sock' }] });
new IPCClient('my_app', { connectionId: 'worker-1', reconnectAttempts: Infinity, maxReconnectDelay: 60000 });

function misuse(): void {
  // @ts-expect-error there is no such event
  client.on('open', () => {});
  // @ts-expect-error the payload is said to be text
  client.subscribe<string>('text', ({ payload }) => payload.toFixed());
  // @ts-expect-error a server is at an address or a path
  new IPCClient('my_app', { servers: [{ path: '/run/ipc.sock', port: 1 }] });
  // @ts-expect-error the application is missing
  new IPCClient();
  // @ts-expect-error a port is a number, or digits
  new IPCClient('my_app', { port: true });
  // @ts-expect-error a path is a string
  new IPCClient('my_app', { path: Buffer.from('/run/ipc.sock') });
  // @ts-expect-error with a path there is no host
  client.getConnectionInfo().host.length;
  // @ts-expect-error a token is a string
  new IPCClient('my_app', { token: 7 });
  // @ts-expect-error where to connect is not said in tls
  new IPCClient('my_app', { tls: { host: 'localhost' } });
  // @ts-expect-error certificates are text or octets
  new IPCClient('my_app', { tls: { ca: 7 } });
  // @ts-expect-error a channel is a string
  client.publish(7, {});
  // @ts-expect-error the handler is missing
  client.subscribe('notifications');
  // @ts-expect-error the state is there to be read
  client.connected = true;
  // @ts-expect-error there is no such method
  client.reconnect();
  // @ts-expect-error a status is one of four strings
  client.getConnectionInfo().status === 'open';
}

export { misuse, use };
