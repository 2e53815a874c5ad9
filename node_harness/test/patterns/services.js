'use strict';

const { IPCClient } = require('../../client');

let names = 0;

/** A name of a service that no other test uses. */
function serviceName() {
  names += 1;
  return `service-${process.pid}-${names}`;
}

/** Someone who says, in the application of the responder, which services there are. */
async function makeRegistrar(t, port) {
  const client = new IPCClient('conformance', { host: '127.0.0.1', port });
  t.after(() => client.disconnect());
  if (!(await client.connect())) throw new Error('the registrar did not connect');
  const ask = async (payload) => {
    const response = await client.sendRequest('conformance.services', payload);
    if (response.payload.status !== 'ok') throw new Error(`not registered: ${JSON.stringify(response.payload)}`);
  };
  return {
    client,
    set: (name, id, members = {}) => {
      const instance = { id, channel: 'conformance.echo', healthy: true, connections: 0, ...members };
      return ask({ service_type: name, set: instance });
    },
    remove: (name, id) => ask({ service_type: name, remove: id }),
  };
}

module.exports = { makeRegistrar, serviceName };
