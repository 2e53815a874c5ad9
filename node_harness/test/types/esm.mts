// What users of the package write in ECMAScript modules, compiled and not run.

import ipc, { IPCClient, IPCError } from 'ipc-conformance-node-harness';
import type { ClientOptions, Message, MessageHandler } from 'ipc-conformance-node-harness';

const options: ClientOptions = { port: 8888 };
const handler: MessageHandler = (message: Message) => message.payload;
const client: IPCClient = new ipc.IPCClient('my_app', options);
client.subscribe('notifications', handler);
client.onError((error) => console.error(error instanceof ipc.IPCError && error.code));

const response: Message = await new IPCClient('my_app').sendRequest('api', {});
console.log(response.message_id, new IPCError('timeout', 'too late').code);

// @ts-expect-error there is no such export
import { MessageType } from 'ipc-conformance-node-harness';
