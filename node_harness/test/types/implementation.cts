// The declarations are written by hand; what they declare has to be what client/ implements.

import declared = require('ipc-conformance-node-harness');
import client = require('../../client/client.js');
import errors = require('../../client/errors.js');

export const IPCClient: typeof declared.IPCClient = client.IPCClient;
export const IPCError: new (code: string, message: string, cause?: Error) => Error & { code: string } = errors.IPCError;
