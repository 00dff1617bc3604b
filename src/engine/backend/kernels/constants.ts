import { fillConstants, tableFloats } from './vector';

/** Floats of the table that the kernels keep. */
export function constantFloats(): i32 {
  return tableFloats;
}

/** Give the kernels memory for their table, for good; before any other call. */
export function placeConstants(at: usize): void {
  fillConstants(at);
}
