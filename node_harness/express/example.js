#!/usr/bin/env node
'use strict';

// The example handlers of the reference server in a browser: users, and a page that shows what happens to them.
// Environment: PORT (3000), IPC_HOST (localhost), IPC_PORT (8888).

const { IPCExpressService, usersRouter } = require('.');

const SERVICES = ['api', 'user_service', 'processor', 'data_service'];
const READS = ['api/get_users', 'user_service/get_user', 'user_service/get_all_users'];
const CHANNELS = ['notifications', 'events', 'status'];

async function main() {
  const service = new IPCExpressService({ services: SERVICES, reads: READS, channels: CHANNELS });
  service.app.use('/api/users', usersRouter());
  // With a path instead of a root, Express finds nothing below a folder whose name begins with a dot, as pnpm has one.
  service.app.get('/', (req, res) => res.sendFile('example.html', { root: __dirname }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => service.stop());
  await service.start(Number(process.env.PORT || 3000));
  service.client.onError((error) => console.error(error.message));
  service.client.onConnected(() => console.log('connected again'));
  console.log(`open http://localhost:${service.port}/`);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
