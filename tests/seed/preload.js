'use strict';

// Loaded before a program of the document, which names fixed ports: lets its connections to port 8888 reach the server
// under test, gives an HTTP server of the program a free port, and then asks it for the paths in SEED_ASKS.

const http = require('http');
const net = require('net');

const DOCUMENTED_PORT = 8888;
const { connect } = net.Socket.prototype;
const { listen } = net.Server.prototype;

net.Socket.prototype.connect = function connectElsewhere(...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  if (Number(options?.port) === DOCUMENTED_PORT) options.port = Number(process.env.SEED_PORT);
  return connect.apply(this, given);
};

net.Server.prototype.listen = function listenElsewhere(port, ...rest) {
  if (this instanceof http.Server) this.once('listening', () => askAll(this.address().port));
  return listen.call(this, 0, ...rest);
};

/** @param {number} port */
async function askAll(port) {
  for (const asked of (process.env.SEED_ASKS ?? '').split('\n').filter(Boolean)) {
    const [method, path] = asked.split(' ');
    const { status, text } = await ask(port, method, path);
    console.log(`HTTP ${asked}: ${status} ${text.trim()}`);
  }
}

/** @returns {Promise<{status: number, text: string}>} of the first piece, since a stream does not end */
function ask(port, method, path) {
  return new Promise((resolve) => {
    const request = http.request({ host: '127.0.0.1', port, method, path }, (response) => {
      response.once('data', (piece) => {
        resolve({ status: response.statusCode, text: String(piece) });
        response.destroy();
      });
    });
    request.on('error', (error) => resolve({ status: 0, text: error.message }));
    request.end();
  });
}
