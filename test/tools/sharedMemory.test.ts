import { expect, it } from 'vitest';
import { withSharedMemory } from '../../src/tools/sharedMemory.mjs';

/** A module of a memory section, of so many memories with these limits, before which another section lies. */
function moduleWith(...memory: number[]): Uint8Array<ArrayBuffer> {
  const custom = [0, 0x81, 0x01, 1, 0x61, ...Array.from({ length: 127 }, () => 5)]; // of 129 bytes, two in LEB128
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...custom, 5, memory.length, ...memory]);
}

it('has a module’s memory shared, of the same limits', () => {
  const bytes = moduleWith(1, 1, 2, 16);
  expect(WebAssembly.validate(bytes)).toBe(true);
  const shared = withSharedMemory(bytes);
  expect(WebAssembly.validate(Uint8Array.from(shared))).toBe(true);
  expect([...shared]).toEqual([...moduleWith(1, 3, 2, 16)]);
});

it('says what cannot be shared', () => {
  expect(() => withSharedMemory(moduleWith(1, 0, 2))).toThrow('Only one memory with a maximum');
  expect(() => withSharedMemory(moduleWith(1, 1, 2, 16).subarray(0, 139))).toThrow('no memory of its own');
});
