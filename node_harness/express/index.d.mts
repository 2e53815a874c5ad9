import integration from './index.js';

export {
  IPCExpressService,
  health,
  hostGuard,
  ipcErrors,
  ipcMiddleware,
  ipcProxy,
  requireIpc,
  serverSentEvents,
  status,
  usersRouter,
} from './index.js';
export type { EventsHandler, EventsOptions, HostOptions, ProxyOptions, ServiceOptions, UsersOptions } from './index.js';
export default integration;
