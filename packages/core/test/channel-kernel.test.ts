import { adaptiveKernelSize } from '@saccade/core';
import { expect, test } from 'vitest';

test('the kernel along the channels grows with their number as in ECA', () => {
  expect([8, 64, 128, 256, 512, 1024, 2048, 32_768].map((channels) => adaptiveKernelSize(channels))).toEqual([3, 3, 5, 5, 5, 5, 7, 9]);
  expect(adaptiveKernelSize(256, { gamma: 1, b: 3 })).toBe(11);
  expect(adaptiveKernelSize(4, { b: -8 })).toBe(3);
  expect(adaptiveKernelSize(4)).toBe(1);
  expect(adaptiveKernelSize(4, { min: 3 })).toBe(3);
});
