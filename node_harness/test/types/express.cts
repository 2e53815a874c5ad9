// What users of the Express part write, compiled and not run. A line under @ts-expect-error has to be refused.

import express = require('express');
import { IPCClient } from 'ipc-conformance-node-harness';
import {
  EventsHandler,
  IPCExpressService,
  ServiceOptions,
  health,
  ipcErrors,
  ipcMiddleware,
  ipcProxy,
  requireIpc,
  serverSentEvents,
  status,
  usersRouter,
} from 'ipc-conformance-node-harness/express';

const client = new IPCClient('express-api-server', { host: 'localhost', port: 8888 });
const app = express();
const events: EventsHandler = serverSentEvents(client, { channel: 'notifications', heartbeatInterval: 15000 });
app.use(ipcMiddleware(client));
app.get('/api/events', events);
app.get('/events/:channel', serverSentEvents(client, { channels: ['notifications'] }));
app.use('/api/users', usersRouter({ service: 'user_service', bodyLimit: '1mb' }));
app.use('/api', ipcProxy({ services: ['api'], timeout: 1000, bodyLimit: 1024 }));
app.get('/health', health);
app.get('/status', status);
app.get('/own', requireIpc, async (req, res) => {
  const ready: boolean = req.ipcReady;
  res.json({ ready, answer: (await req.ipc.sendRequest('api', { action: 'get_users' })).payload });
});
app.use(ipcErrors);
events.close();

async function run(options: ServiceOptions): Promise<void> {
  const service: IPCExpressService = await new IPCExpressService(options).start(3000, '127.0.0.1');
  service.app.get('/', (req, res) => void res.send(String(req.ipc.connected)));
  const port: number | null = service.port;
  console.log(port, service.isReady, service.client.connectionId);
  new IPCExpressService({ client: { path: '/run/ipc.sock' } });
  await (await new IPCExpressService().initialize()).stop();
}

function misuse(service: IPCExpressService): void {
  // @ts-expect-error the client is missing
  ipcMiddleware();
  // @ts-expect-error the services are a list
  ipcProxy({ services: 'api' });
  // @ts-expect-error the options of the client have a member of their own
  new IPCExpressService({ host: 'localhost' });
  // @ts-expect-error the port is a number
  service.start('3000');
  // @ts-expect-error the state is there to be read
  service.isReady = true;
}

export { misuse, run };
