/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** A generator of uniform numbers that depend on `seed` alone: mulberry32 over a hash of it. */
export function randomFrom(seed: string | number): Random {
  let state = seedOf(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A 32-bit hash of a seed (FNV-1a). */
export function seedOf(seed: string | number): number {
  let hash = 0x811c9dc5;
  for (const character of String(seed)) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}

/** The numbers 0 to `count` − 1 in random order (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Runs `f` with `Math.random`, which TensorFlow.js seeds its initializers from, replaced by `random`. `f` must not be asynchronous. */
export function withRandom<T>(random: Random, f: () => T): T {
  const original = Math.random;
  Math.random = random;
  try {
    return f();
  } finally {
    Math.random = original;
  }
}
