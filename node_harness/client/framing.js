'use strict';

const { IPCError } = require('./errors');

const HEADER_BYTES = 4;

/** So many segments in a row are joined if they are short: each has a cost of its own of some hundred octets. */
const JOINED_SEGMENTS = 1024;
const SHORT_SEGMENT_BYTES = 256;

/** The largest limit that a server may announce, in octets (FRM-008). */
const MAX_FRAME_BYTES = 1024 * 1024 * 1024;

/** The limit while a server has announced none, in octets (LIM-003). */
const CUSTOMARY_MAX_FRAME_BYTES = 16 * 1024 * 1024;

/**
 * Make a frame of a body. Header and body are one buffer, so that one write sends both (FRM-001, FRM-004).
 * @param {string} body one JSON text
 * @param {number} maxFrameBytes longest body that may be sent, in octets
 * @returns {Buffer}
 * @throws {IPCError} `frame_too_large` when the body is longer (LIM-002)
 */
function encodeFrame(body, maxFrameBytes) {
  const length = Buffer.byteLength(body);
  if (length > maxFrameBytes) {
    throw new IPCError('frame_too_large', `message of ${length} octets exceeds the limit of ${maxFrameBytes}`);
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length);
  frame.write(body, HEADER_BYTES);
  return frame;
}

/**
 * @param {Buffer} frame one that `encodeFrame` made
 * @returns {Buffer}
 */
function bodyOf(frame) {
  return frame.subarray(HEADER_BYTES);
}

/**
 * Finds the frames in a stream, however the network cut it (FRM-005, FRM-006).
 *
 * Feed it with `push`, then call `next` until it returns null. `maxFrameBytes` may be changed between two calls of
 * `next`; the new limit holds from the next header on.
 */
class FrameDecoder {
  /** @type {Buffer[]} */
  #chunks = [];
  #buffered = 0;
  /** How many of the first chunks need no joining. */
  #joined = 0;
  /** @type {number | null} length of the body whose header was read */
  #bodyLength = null;

  /** @param {number} maxFrameBytes longest body accepted, in octets */
  constructor(maxFrameBytes) {
    this.maxFrameBytes = maxFrameBytes;
  }

  /** @param {Buffer} chunk octets as they arrived */
  push(chunk) {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#chunks.length - this.#joined >= JOINED_SEGMENTS) this.#joinSegments();
  }

  #joinSegments() {
    const segments = this.#chunks.slice(this.#joined);
    const length = segments.reduce((sum, segment) => sum + segment.length, 0);
    if (length < segments.length * SHORT_SEGMENT_BYTES) {
      this.#chunks.splice(this.#joined, segments.length, Buffer.concat(segments, length));
    }
    this.#joined = this.#chunks.length;
  }

  /**
   * Return the body of the next complete frame, or null when more octets are needed.
   * @returns {Buffer | null}
   * @throws {IPCError} `frame_too_large`, on the header alone; the stream cannot be read on after that
   */
  next() {
    if (this.#bodyLength === null) this.#bodyLength = this.#readHeader();
    if (this.#bodyLength === null || this.#buffered < this.#bodyLength) return null;
    const body = this.#take(this.#bodyLength);
    this.#bodyLength = null;
    return body;
  }

  #readHeader() {
    if (this.#buffered < HEADER_BYTES) return null;
    const length = this.#take(HEADER_BYTES).readUInt32BE();
    if (length > this.maxFrameBytes) {
      throw new IPCError('frame_too_large', `frame of ${length} octets exceeds the limit of ${this.maxFrameBytes}`);
    }
    return length;
  }

  /**
   * Remove the first octets of what is buffered; joins chunks once, when all of them are there.
   * @param {number} size
   */
  #take(size) {
    const first = this.#chunks[0];
    this.#buffered -= size;
    if (first?.length > size) {
      this.#chunks[0] = first.subarray(size);
      return first.subarray(0, size);
    }
    return this.#joinChunks(size);
  }

  /** @param {number} size */
  #joinChunks(size) {
    let count = 0;
    let length = 0;
    while (length < size) length += this.#chunks[count++].length;
    const joined = Buffer.concat(this.#chunks.splice(0, count), length);
    this.#joined = Math.max(0, this.#joined - count);
    if (length > size) this.#chunks.unshift(joined.subarray(size));
    return joined.subarray(0, size);
  }
}

module.exports = { CUSTOMARY_MAX_FRAME_BYTES, FrameDecoder, MAX_FRAME_BYTES, bodyOf, encodeFrame };
