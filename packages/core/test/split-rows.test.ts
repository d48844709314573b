import { splitRows } from '@saccade/core/torch';
import { expect, test } from 'vitest';

test('splitRows parts a tensor by its rows, and leaves one of another size as it is', () => {
  const tensor = (...shape: number[]) => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i) });
  const state = { weight: tensor(4, 2, 1), bias: tensor(4), other: tensor(1) };
  expect(splitRows(state, 'weight', { query: 1, value: 3 })).toEqual({
    bias: state.bias,
    other: state.other,
    'weight[query]': { shape: [1, 2, 1], data: Float32Array.of(0, 1) },
    'weight[value]': { shape: [3, 2, 1], data: Float32Array.of(2, 3, 4, 5, 6, 7) },
  });
  expect(splitRows(state, 'weight', { query: 2, value: 1 })).toBe(state);
  expect(splitRows(state, 'absent', { query: 1 })).toBe(state);
});
