'use strict';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/**
 * Return true if a JSON text is nested deeper than a limit, objects and arrays counted alike (ENC-009). Takes no memory
 * and no stack, whatever the text is.
 * @param {Buffer} text
 * @param {number} maxDepth
 * @returns {boolean} of a text that is not JSON, either
 */
function isDeeper(text, maxDepth) {
  if (text.length <= 2 * maxDepth || countOpening(text, maxDepth) <= maxDepth) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const octet = text[at];
    if (octet === QUOTE) at = endOfString(text, at);
    else if (octet === ARRAY || octet === OBJECT) depth += 1;
    else if (octet === ARRAY_END || octet === OBJECT_END) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}

/**
 * Count the brackets that open something, those in strings too, until there are more than a limit: most messages have
 * few, and Node finds them faster than a loop reads all octets.
 * @param {Buffer} text
 * @param {number} most
 */
function countOpening(text, most) {
  let count = 0;
  for (const bracket of [ARRAY, OBJECT]) {
    for (let at = text.indexOf(bracket); at !== -1 && count <= most; at = text.indexOf(bracket, at + 1)) count += 1;
  }
  return count;
}

/**
 * Return a JSON text with null in place of each object and array inside its root.
 * @param {Buffer} text
 * @returns {Buffer}
 */
function outlineOf(text) {
  const kept = [];
  let depth = 0;
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    const octet = text[at];
    if (octet === QUOTE) at = endOfString(text, at);
    else if (octet === ARRAY || octet === OBJECT) {
      depth += 1;
      if (depth === 2) kept.push(text.subarray(begin, at), Buffer.from('null'));
    } else if (octet === ARRAY_END || octet === OBJECT_END) {
      depth -= 1;
      if (depth === 1) begin = at + 1;
    }
  }
  return Buffer.concat([...kept, text.subarray(begin)]);
}

/**
 * @param {Buffer} text
 * @param {number} begin where its opening quote is
 * @returns {number} where its closing quote is, or the end of a text without one
 */
function endOfString(text, begin) {
  let at = begin + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}

module.exports = { isDeeper, outlineOf };
