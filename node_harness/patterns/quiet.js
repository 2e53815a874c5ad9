'use strict';

/**
 * Have a rejected promise of a request not end the process when nobody handles it, as with the client's `sendRequest`.
 * @param {any} Class
 * @param {...string} methods which return a promise
 */
function makeQuiet(Class, ...methods) {
  for (const name of methods) {
    const method = Class.prototype[name];
    /**
     * @this {any}
     * @param {...unknown} values
     */
    const value = function quiet(...values) {
      const promise = method.apply(this, values);
      promise.catch(() => {});
      return promise;
    };
    Object.defineProperty(Class.prototype, name, { value, writable: true, configurable: true });
  }
}

module.exports = { makeQuiet };
