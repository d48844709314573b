import { INVOCATIONS, typeOf, type Lanes } from './contraction.js';

// How many workgroups keep a GPU busy, and rows an invocation should take before a second dispatch pays.
const BUSY = 64;
const ROWS = 64;

/** Of an array that joins: few, since a software GPU takes the longer to compile a shader, the more workgroup memory that has. */
export const ENTRIES = 32;

/** How invocations share the rows of matrices, each of so many elements: `width` of each workgroup lie side by side, the others take other rows. */
export interface RowShares {
  readonly width: number;
  /** How many workgroups lie side by side. */
  readonly blocks: number;
  /** Rows of a part, each of which has workgroups of its own: all rows where there is one part. */
  readonly part: number;
  readonly parts: number;
}

/** @param units elements of a row */
export function rowSharesOf(images: number, rows: number, units: number, lanes: Lanes): RowShares {
  // What is read together is 64 bytes at least, and more where there are enough workgroups, or too few rows.
  let width = Math.min(16 / lanes, powerOfTwo(units));
  const wider = () => INVOCATIONS / width > rows || images * Math.ceil(units / width / 2) >= 2 * BUSY;
  while (width < ENTRIES && width < units && wider()) width *= 2;
  const blocks = Math.ceil(units / width);
  const each = rows / (INVOCATIONS / width);
  const parts = each > ROWS && images * blocks < BUSY ? Math.min(Math.ceil(each / (ROWS / 4)), Math.ceil((4 * BUSY) / (images * blocks))) : 1;
  const part = Math.ceil(rows / parts);
  return { width, blocks, part, parts: Math.ceil(rows / part) };
}

/**
 * WGSL, for all invocations of a workgroup at once: joins what they hold, down to the first so many.
 *
 * @param first how many are left, a power of two of at most {@link ENTRIES}, the same for the whole workgroup: an i32 expression
 * @param store puts what an invocation holds into workgroup memory, at `at`
 * @param join joins with what an invocation holds what is there
 */
export function joinWgsl(first: string, store: string, join: string): string {
  return `
    for (var count = ${INVOCATIONS}; count > ${first};) {
      let moved = min(${ENTRIES}, count / 2);
      count -= moved;
      if (i32(lane) >= count && i32(lane) < count + moved) {
        let at = i32(lane) - count;
        ${store}
      }
      workgroupBarrier();
      if (i32(lane) < moved) {
        let at = i32(lane);
        ${join}
      }
      workgroupBarrier();
    }`;
}

/** WGSL: an array in workgroup memory for {@link joinWgsl}. */
export function sharedWgsl(name: string, lanes: Lanes): string {
  return `var<workgroup> ${name} : array<${typeOf(lanes)}, ${ENTRIES}>;`;
}

/** The least power of two that is not below a number. */
export function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
