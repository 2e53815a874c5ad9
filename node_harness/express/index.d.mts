import integration from './index.js';

export {
  IPCExpressService,
  health,
  ipcErrors,
  ipcMiddleware,
  ipcProxy,
  requireIpc,
  serverSentEvents,
  status,
  usersRouter,
} from './index.js';
export type { EventsHandler, EventsOptions, ProxyOptions, ServiceOptions, UsersOptions } from './index.js';
export default integration;
