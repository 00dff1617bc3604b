// Rewrites a WebAssembly module so that its memory is shared: other threads may then work in it. Nothing else in the module
// changes, for the instructions are the same (WebAssembly threads proposal, memory types).

const memorySection = 5;
const hasMaximum = 1;
const isShared = 2;
const headerBytes = 8;

/**
 * @param {Uint8Array} bytes of a module that has one memory of its own, with a maximum
 * @returns {Uint8Array} the module with that memory shared
 */
export function withSharedMemory(bytes) {
  for (let at = headerBytes; at < bytes.length; ) {
    const size = readNumber(bytes, at + 1);
    if (bytes[at] === memorySection) return withFlag(bytes, size.end);
    at = size.end + size.value;
  }
  throw new Error('The WebAssembly module has no memory of its own.');
}

/**
 * @param {Uint8Array} bytes
 * @param {number} section where the memory section's contents begin: the number of memories, then the flags of the first
 */
function withFlag(bytes, section) {
  const [memories, flags] = [bytes[section], bytes[section + 1]];
  if (memories !== 1 || flags === undefined || (flags & hasMaximum) === 0)
    throw new Error('Only one memory with a maximum can be shared.');
  const changed = Uint8Array.from(bytes);
  changed[section + 1] = flags | isShared;
  return changed;
}

/**
 * A number in LEB128, as modules have them.
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function readNumber(bytes, start) {
  let value = 0;
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at];
    if (byte === undefined) throw new Error('The WebAssembly module ends too early.');
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, end: at + 1 };
  }
}
