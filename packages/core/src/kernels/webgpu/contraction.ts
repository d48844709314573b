/** Values of an element of a storage buffer that is read or written. */
export type Lanes = 1 | 4;

/** How many of `channels` values an element has: four where they divide so. */
export function lanesOf(channels: number): Lanes {
  return channels % 4 === 0 ? 4 : 1;
}

/** WGSL: the type of such an element. */
export function typeOf(lanes: Lanes): string {
  return lanes === 4 ? 'vec4<f32>' : 'f32';
}

/** Of a workgroup that shares sums. */
export const INVOCATIONS = 256;

/** How the invocations of a workgroup share the sums of a product: so many elements of a row, each sum in so many parts, so many rows. */
interface Shares {
  readonly units: number;
  readonly parts: number;
  readonly rows: number;
}

// A part of a sum has at least so many terms, where the workgroup may rather take more rows.
const TERMS = 4;

/**
 * @param terms of each sum
 * @param units elements of a row of results
 * @param rows whether the workgroup may take several rows
 */
export function sharesOf(terms: number, units: number, rows: boolean): Shares {
  const ofUnits = Math.min(powerOfTwo(units), rows ? INVOCATIONS / 4 : INVOCATIONS);
  const left = INVOCATIONS / ofUnits;
  const parts = rows ? Math.min(left, powerOfTwo(Math.ceil(terms / TERMS))) : left;
  return { units: ofUnits, parts, rows: left / parts };
}

/** A sum that some invocations of a workgroup share. */
interface SharedSum {
  /** WGSL: the array in workgroup memory, an element for each invocation, in which the sum is at `lane` in the end where `part` is 0. */
  readonly partial: string;
  readonly lanes: Lanes;
  /** WGSL: the term number `k`, an i32. */
  readonly term: string;
  /** WGSL: how many terms, the same for the whole workgroup. */
  readonly terms: string;
  /** WGSL: whether this invocation has terms. */
  readonly active: string;
  /** WGSL: how many invocations share it, and how far apart they lie, the same for the whole workgroup. */
  readonly parts: string;
  readonly distance: string;
}

/** WGSL, for all invocations of a workgroup at once: the sum of which this one takes part number `part`, an i32. */
export function sumWgsl({ partial, lanes, term, terms, active, parts, distance }: SharedSum): string {
  return `
    var sum = ${typeOf(lanes)}();
    if (${active}) {
      for (var k = part; k < ${terms}; k += ${parts}) { sum += ${term}; }
    }
    ${partial}[lane] = sum;
    workgroupBarrier();
    for (var step = ${parts} / 2; step > 0; step /= 2) {
      if (part < step) { ${partial}[lane] += ${partial}[i32(lane) + step * ${distance}]; }
      workgroupBarrier();
    }`;
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
