'use strict';

const { IPCClient } = require('./client');
const { IPCError } = require('./errors');

module.exports = { IPCClient, IPCError };
