/** An error in how a block is used: what was received, what is expected, and the fix. */
export class BlockError extends Error {
  override name = 'BlockError';
}

/** Writes a received value as a reader would type it, shortened where long. */
export function show(value: unknown): string {
  const text = typeof value === 'string' || (typeof value === 'object' && value !== null) ? json(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function json(value: string | object): string {
  try {
    return JSON.stringify(value);
  } catch {
    return Array.isArray(value) ? 'a list' : 'an object'; // circular, or nested too deeply
  }
}

/** Writes a shape as `[null, 7, 12]`. */
export function showShape(shape: readonly (number | null)[]): string {
  return `[${shape.map(String).join(', ')}]`;
}

/** Writes alternatives as `a`, `b` or `c`. */
export function either(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** The candidate nearest to a misspelt name, or undefined where none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, name.length / 3) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
