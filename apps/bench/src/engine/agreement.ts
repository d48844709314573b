import type { Tensor } from '@tensorflow/tfjs-core';

/** How far an output may be from the baseline's where nothing else is said. */
const TOLERANCE = 1e-4;

/**
 * Compares a block's output with another form's of it, such as its baseline's.
 *
 * @param tolerance how far they may be from each other, as a fraction of the larger of 1 and the other's largest value
 * @param whose the other one is, for messages
 * @returns the largest difference, as a fraction of the larger of 1 and the other's largest value
 * @throws where the shapes differ, a value is not finite, or the difference exceeds the tolerance
 */
export async function agreementOf(actual: Tensor, expected: Tensor, tolerance = TOLERANCE, whose = "the baseline's"): Promise<number> {
  const shapes = [actual, expected].map(({ shape }) => `[${shape.join(', ')}]`);
  if (shapes[0] !== shapes[1]) throw new Error(`wrong output: its shape is ${shapes[0]}, ${whose} ${shapes[1]}`);
  const [a, b] = [await actual.data(), await expected.data()];
  let largest = 1;
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(b[i])) throw new Error(`nothing to compare with: of the output, ${whose} value ${i} is ${b[i]}`);
    if (!Number.isFinite(a[i])) throw new Error(`wrong output: its value ${i} is ${a[i]}, ${whose} ${b[i]}`);
    largest = Math.max(largest, Math.abs(b[i]));
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
  }
  if (difference > tolerance * largest) {
    throw new Error(
      `wrong output: it differs from ${whose} by up to ${difference.toPrecision(3)}, where values reach ${largest.toPrecision(3)} and ${tolerance} of that is allowed`,
    );
  }
  return difference / largest;
}
