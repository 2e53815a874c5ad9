'use strict';

const fs = require('fs');
const { createRequire } = require('module');
const path = require('path');
const { pathToFileURL } = require('url');
const { normalizeError } = require('./normalize');

/** What `require` throws for a package that can only be imported. */
const IMPORT_ONLY = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);

/** The keys of `exports` that hold for an import by Node. */
const IMPORT_CONDITIONS = new Set(['node', 'import', 'default']);

/** What was named cannot be driven. The message is one line. */
class LoadError extends Error {}

/**
 * @typedef {object} LoadedPackage
 * @property {any} IPCClient the class
 * @property {string} name of the package
 * @property {string} version of the package; 'unknown' when it has none
 */

/**
 * Load a package that exports `IPCClient`, as a CommonJS or an ECMAScript module.
 * @param {string} spec the path of a folder or file, absolute or with a dot at its beginning; anything else is the name
 *   of a package that is installed for the working directory
 * @returns {Promise<LoadedPackage>}
 * @throws {LoadError} there is no such package, it cannot be loaded, or it exports no such class
 */
async function loadPackage(spec) {
  const place = path.isAbsolute(spec) || spec.startsWith('.') ? existing(path.resolve(spec)) : installed(spec);
  const folder = packageFolder(place);
  try {
    const manifest = readManifest(folder);
    const exported = await loadModule(folder, place === folder ? null : place, manifest);
    const IPCClient = exported?.IPCClient ?? exported?.default?.IPCClient;
    if (typeof IPCClient !== 'function') throw new Error('it does not export IPCClient');
    return { IPCClient, name: String(manifest.name ?? spec), version: String(manifest.version ?? 'unknown') };
  } catch (error) {
    const { message } = normalizeError(error);
    // The first line: Node lists under it which modules required which.
    throw new LoadError(`cannot drive ${spec}: ${message.split('\n')[0]}`);
  }
}

/** @param {string} place */
function existing(place) {
  if (!fs.existsSync(place)) throw new LoadError(`there is no file or folder ${place}`);
  return place;
}

/** @param {string} name */
function installed(name) {
  const places = createRequire(path.join(process.cwd(), 'anything')).resolve.paths(name) ?? [];
  const folder = places.map((place) => path.join(place, name)).find((each) => fs.existsSync(manifestOf(each)));
  if (!folder) throw new LoadError(`no package ${name} is installed here; a path must begin with . or be absolute`);
  return folder;
}

/** @param {string} place */
function packageFolder(place) {
  let folder = fs.statSync(place).isDirectory() ? place : path.dirname(place);
  if (folder === place) return place;
  while (!fs.existsSync(manifestOf(folder)) && folder !== path.dirname(folder)) folder = path.dirname(folder);
  return folder;
}

/** @param {string} folder */
function manifestOf(folder) {
  return path.join(folder, 'package.json');
}

/**
 * @param {string} folder
 * @returns {any}
 */
function readManifest(folder) {
  const file = manifestOf(folder);
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
}

/**
 * @param {string} folder of the package
 * @param {string | null} file a module in it; null for what the package exports
 * @param {any} manifest
 * @returns {Promise<any>}
 */
async function loadModule(folder, file, manifest) {
  const requireThere = createRequire(manifestOf(folder));
  try {
    // By its own name a package can require what its `exports` say.
    return requireThere(file ?? (manifest.exports ? manifest.name : folder));
  } catch (error) {
    if (!IMPORT_ONLY.has(String(normalizeError(error).code))) throw error;
    return import(pathToFileURL(file ?? importEntry()).href);
  }

  function importEntry() {
    return manifest.exports ? path.join(folder, importTarget(manifest.exports)) : requireThere.resolve(folder);
  }
}

/**
 * Look up what an import of the package itself loads.
 * @param {any} target `exports`, or a part of it
 * @returns {string} relative to the package's folder
 */
function importTarget(target) {
  if (typeof target === 'string') return target;
  const key = Object.keys(target).find((each) => each === '.' || IMPORT_CONDITIONS.has(each));
  if (key === undefined) throw new Error('it has no export for an import');
  return importTarget(target[key]);
}

module.exports = { LoadError, loadPackage };
