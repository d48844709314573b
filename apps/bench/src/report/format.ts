/** What stands where there is no figure. */
export const NONE = '–';

/** Three significant digits, and no exponent: 0.0123, 1.23, 1230. */
export function significant(value: number | null | undefined): string {
  if (value === undefined || value === null) return NONE;
  if (value === 0) return '0';
  const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(decimals);
}

/** Millions, e.g. of bytes. */
export function mega(value: number | null | undefined): string {
  return value === undefined || value === null ? NONE : significant(value / 1e6);
}

/** A fraction as a percentage with one decimal. */
export function percent(fraction: number | null | undefined): string {
  return fraction === undefined || fraction === null ? NONE : (100 * fraction).toFixed(1);
}

/** A whole number with thousands apart. */
export function whole(value: number | undefined): string {
  return value === undefined ? NONE : value.toLocaleString('en-US');
}

/** 1×56×56×256 */
export function shapeName(shape: readonly number[]): string {
  return shape.join('×');
}

/** Height × width of a map `[N, …positions, C]`. */
export function positionsOf(shape: readonly number[]): number {
  return shape.slice(1, -1).reduce((product, size) => product * size, 1);
}

/** A power of the number of positions: N^1.98 */
export function powerName(exponent: number): string {
  return `N^${exponent.toFixed(2)}`;
}

/** A span of time for a human: 45 s, 3 min. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
