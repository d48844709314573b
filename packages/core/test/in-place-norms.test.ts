import { fromInPlaceNorms } from '@saccade/core/torch';
import { expect, test } from 'vitest';

const of = (...values: number[]) => ({ shape: [values.length], data: Float32Array.of(...values) });

test('fromInPlaceNorms gives batch norms the scale of InPlaceABN, and leaves all else as it is', () => {
  const rest = { 'conv.weight': of(-1, 2), 'norm.bias': of(-3, 4), 'norm.running_mean': of(-5, 6), 'norm.running_var': of(7, 8) };
  const plain = fromInPlaceNorms({ ...rest, 'norm.weight': of(-0.5, 0) });
  expect(plain).toEqual({ ...rest, 'norm.weight': of(0.5 + 1e-5, 1e-5) });
});
