'use strict';

const { isIP } = require('net');

/** @typedef {import('./address').Address} Address */
/** @typedef {Address & {family?: 4 | 6}} Candidate `family`: of the addresses of its name that are tried */

/** Since these versions, Node itself tries all addresses of a name (`autoSelectFamily`). */
const TRYING_ALL = [
  [18, 13],
  [19, 3],
];

/** The addresses that an attempt to connect tries in turn. The server that worked last is the first. */
class Candidates {
  /** @type {Candidate[][]} for each server */
  #servers;
  #server = 0;
  #worked = 0;
  #tried = 0;
  #family = 0;

  /**
   * @param {readonly Address[]} addresses of one server each, at least one
   * @param {string} [version] of Node
   */
  constructor(addresses, version = process.versions.node) {
    this.#servers = addresses.map((address) => (triesAll(version) ? [address] : inFamilies(address)));
  }

  /** The address that is tried, or was last. */
  get current() {
    return this.#servers[this.#server][this.#family];
  }

  /** Begin an attempt. */
  restart() {
    this.#server = this.#worked;
    this.#tried = 1;
    this.#family = 0;
  }

  /** `current` works. */
  opened() {
    this.#worked = this.#server;
  }

  /** @returns {boolean} whether the present server has another address, which `current` is now */
  nextOfServer() {
    if (this.#family + 1 >= this.#servers[this.#server].length) return false;
    this.#family += 1;
    return true;
  }

  /** @returns {boolean} whether there is a server that this attempt has not tried, whose address `current` is now */
  nextServer() {
    if (this.#tried >= this.#servers.length) return false;
    this.#server = (this.#server + 1) % this.#servers.length;
    this.#family = 0;
    this.#tried += 1;
    return true;
  }
}

/** @param {string} version of Node */
function triesAll(version) {
  const [major, minor] = version.split('.').map(Number);
  const [, first = 0] = TRYING_ALL.find(([each]) => each === major) ?? [];
  return major >= TRYING_ALL[0][0] && minor >= first;
}

/**
 * @param {Address} address
 * @returns {Candidate[]}
 */
function inFamilies(address) {
  if (address.path !== null || isIP(address.host)) return [address];
  return [
    { ...address, family: 4 },
    { ...address, family: 6 },
  ];
}

module.exports = { Candidates };
