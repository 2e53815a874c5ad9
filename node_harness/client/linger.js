'use strict';

/** How long the server may take to end its side, once everything is on its way to it, in milliseconds. */
const END_MS = 1000;

/**
 * End a socket without losing what was written to it: destroying it while octets arrive could reset the connection. It
 * does not keep the process alive once everything is on its way.
 * @param {import('net').Socket} socket
 * @param {number} patience how long the system may take nothing before the rest is given up, in milliseconds
 * @returns {Promise<number>} how many octets, at most, were lost; 0 once the system has taken everything
 */
function linger(socket, patience) {
  return new Promise((resolve) => {
    let waiting = socket.writableLength;
    let before = progress(socket);
    const watch = setInterval(() => {
      waiting = socket.writableLength;
      if (progress(socket) === before) socket.destroy();
      before = progress(socket);
    }, patience);
    socket.once('close', () => {
      clearInterval(watch);
      resolve(waiting);
    });
    socket.once('finish', () => {
      waiting = 0;
      clearInterval(watch);
      const timer = setTimeout(() => socket.destroy(), END_MS);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
      socket.unref();
      resolve(0);
    });
    socket.end();
  });
}

/**
 * Return a value that changes when the system takes octets of a socket.
 * @param {any} socket Node itself, too, looks there whether a long write goes on. Below TLS is a handle of TCP; that of
 *   TLS has the same number from the beginning of a write to its end
 */
function progress(socket) {
  return `${socket.writableLength} ${socket._handle?.writeQueueSize} ${socket._handle?._parent?.writeQueueSize}`;
}

module.exports = { linger };
