// What users of the Express part write in ECMAScript modules, compiled and not run.

import integration, { IPCExpressService, ipcProxy } from 'ipc-conformance-node-harness/express';
import type { EventsOptions, ProxyOptions, ServiceOptions, UsersOptions } from 'ipc-conformance-node-harness/express';

const proxy: ProxyOptions = { services: ['api'] };
const options: ServiceOptions = { ...proxy, appId: 'web', client: { port: 8888 }, channels: ['news'] };
const service: IPCExpressService = new integration.IPCExpressService(options);
service.app.use('/more', ipcProxy(proxy));
await service.start();

export type { EventsOptions, UsersOptions };
