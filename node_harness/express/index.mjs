import integration from './index.js';

export const {
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
} = integration;
export default integration;
