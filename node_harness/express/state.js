'use strict';

/** @typedef {import('express').Request} Request */
/** @typedef {import('express').Response} Response */

/** How long a health check waits for the IPC server, in milliseconds: less than what asks usually waits for it. */
const HEALTH_TIMEOUT_MS = 3000;

/**
 * Answers whether the IPC server answers: 200 `healthy` or 503 `unhealthy`.
 * @param {Request} req
 * @param {Response} res
 */
async function health(req, res) {
  const isHealthy = await req.ipc.healthCheck(HEALTH_TIMEOUT_MS);
  const body = { status: isHealthy ? 'healthy' : 'unhealthy', timestamp: new Date().toISOString() };
  res.status(isHealthy ? 200 : 503).json(body);
}

/**
 * Describes the connection to the IPC server. Not its id: who has that can take the connection over.
 * @param {Request} req
 * @param {Response} res
 */
async function status(req, res) {
  const healthy = await req.ipc.healthCheck(HEALTH_TIMEOUT_MS);
  const { connectionId: _id, server: _acknowledgement, ...connection } = req.ipc.getConnectionInfo();
  const ipc = { connected: connection.connected, healthy, connection };
  res.json({ status: 'ok', ipc, timestamp: new Date().toISOString() });
}

module.exports = { health, status };
