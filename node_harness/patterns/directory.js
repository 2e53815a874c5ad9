'use strict';

const { IPCError } = require('../client');
const { SYSTEM_CHANNEL } = require('../client/envelope');
const { malformed, requireSuccess } = require('./answers');

/** The application of clients that use services, unless told otherwise: applications see nothing of each other. */
const DEFAULT_APP_ID = 'microservices';

/**
 * What the server lists on request, and the events that tell of changes (spec chapter Discovery).
 * @typedef {object} Topic
 * @property {string} channel of the events
 * @property {object} request for the list
 * @property {string} list the member of the answer that has the items
 * @property {string} item the member of an event that has the item
 * @property {string} key the member of an item that names it
 * @property {string[]} changed actions of events about an item that is there
 * @property {string} removed action of events about an item that has gone
 * @property {(event: any) => boolean} concerns whether an event is about the list
 */

/** @type {Topic} */
const SERVICES = {
  channel: 'service_discovery',
  request: { action: 'list_services' },
  list: 'services',
  item: 'service',
  key: 'name',
  changed: ['service_registered', 'service_health_changed'],
  removed: 'service_unregistered',
  concerns: () => true,
};

/**
 * @param {string} serviceType
 * @returns {Topic}
 */
function instancesOf(serviceType) {
  return {
    channel: 'service_instances',
    request: { action: 'get_service_instances', service_type: serviceType },
    list: 'instances',
    item: 'instance',
    key: 'id',
    changed: ['instance_added', 'instance_health_changed'],
    removed: 'instance_removed',
    concerns: (event) => event.service_type === serviceType,
  };
}

/**
 * The items of a topic as the server last told of them.
 *
 * On every connection it subscribes to the events first and asks for the list second, so that no change is missed. An
 * event says what an item is like now and can be taken twice; those that come while the list is on its way are taken
 * once more after it.
 */
class Directory {
  #connector;
  #topic;
  #isOpen = false;
  #isReady = false;
  /** @type {Map<string, any>} */
  #items = new Map();
  /** @type {Promise<void>} */
  #listed = Promise.resolve();
  /** @type {any[] | null} the events since the list was asked for */
  #events = null;

  /**
   * @param {import('./connector').Connector} connector
   * @param {Topic} topic
   */
  constructor(connector, topic) {
    this.#connector = connector;
    this.#topic = topic;
    connector.client.onConnected(() => {
      if (this.#isOpen) this.#beginList();
    });
  }

  /** Whether the list has been there since `open`. */
  get isReady() {
    return this.#isReady;
  }

  /** The items, in the order in which they became known. */
  get items() {
    return [...this.#items.values()];
  }

  /**
   * Connect, subscribe and get the list.
   * @throws {Error} why that failed; the client is not connected then
   */
  async open() {
    if (this.#isReady) throw new IPCError('already_initialized', 'this client is initialized already');
    const { client } = this.#connector;
    this.#isOpen = true;
    try {
      if (client.connected) client.disconnect(); // the order of subscribing and asking is right on a new connection
      client.subscribe(this.#topic.channel, this.#receive);
      await this.#connector.connect();
      await this.#listed;
    } catch (error) {
      this.close();
      throw error;
    }
    this.#isReady = true;
  }

  /** Disconnect, and forget everything. */
  close() {
    this.#isOpen = false;
    this.#isReady = false;
    this.#items.clear();
    this.#connector.client.unsubscribe(this.#topic.channel, this.#receive);
    this.#connector.client.disconnect();
  }

  /**
   * Return an item, after the list that may be on its way.
   * @param {string} key
   * @returns {Promise<any>} undefined when there is none
   */
  async find(key) {
    await this.settled();
    return this.#items.get(key);
  }

  /** Wait for a list that may be on its way. Never rejects: without a new list, the last one remains. */
  async settled() {
    await this.#listed.catch(() => {});
  }

  #beginList() {
    this.#listed = this.#list();
    this.#listed.catch((error) => {
      if (this.#isReady) this.#connector.report(error); // else open() throws it
    });
  }

  async #list() {
    /** @type {any[]} */
    const events = [];
    this.#events = events;
    const { request, list, key } = this.#topic;
    try {
      const { payload } = requireSuccess(await this.#connector.client.sendRequest(SYSTEM_CHANNEL, request));
      const items = payload?.[list];
      if (!Array.isArray(items)) throw malformed('an answer', `it has no array '${list}'`);
      for (const item of items) this.#check(item);
      this.#items = new Map(items.map((item) => [item[key], item]));
      for (const event of events) this.#apply(event);
    } catch (error) {
      throw explained(error);
    } finally {
      if (this.#events === events) this.#events = null;
    }
  }

  /** @param {import('../client/envelope').Message} message */
  #receive = ({ payload: event }) => {
    if (typeof event !== 'object' || event === null || !this.#topic.concerns(event)) return;
    this.#apply(event);
    this.#events?.push(event);
  };

  /** @param {any} event */
  #apply(event) {
    const { item: member, key, changed, removed } = this.#topic;
    const item = event[member];
    if (event.action !== removed && !changed.includes(event.action)) return;
    this.#check(item);
    if (event.action === removed) this.#items.delete(item[key]);
    else this.#items.set(item[key], item);
  }

  /** @param {any} item */
  #check(item) {
    const { item: what, key } = this.#topic;
    if (typeof item?.[key] !== 'string') throw malformed(`a description of a ${what}`, `it has no string '${key}'`);
  }
}

/** @param {any} error */
function explained(error) {
  if (error.code !== 'unknown_action') return error;
  const text = `the server does not offer service discovery, the profile 'discovery' (${error.message})`;
  return new IPCError(error.code, text, error);
}

module.exports = { DEFAULT_APP_ID, Directory, SERVICES, instancesOf };
