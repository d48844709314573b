import { useBackend } from '@saccade/backends';
import { attend, crissCross } from '@saccade/core';
import { mean, ones, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { inputOf } from '../src/engine/match.ts';
import { workOf } from '../src/engine/profile.ts';

describe.skipIf(!inject('webgpu'))('on WebGPU', () => {
  beforeAll(() => useBackend('webgpu'));

  it('all compute shaders of a kernel count, with what passes between them', async () => {
    const x = ones([1, 4, 4, 8]);
    // One turns the positions innermost, the other one takes their mean.
    expect(await workOf(() => mean(x, [1, 2]))).toEqual({ kernels: 1, dispatches: 2, bytesMoved: 4 * (2 * 128 + 128 + 8) });
  });

  it('attention takes at most 2 dispatches', async () => {
    const rows = inputOf([1, 64, 8]) as Tensor3D;
    expect((await workOf(() => attend(rows, rows, rows))).dispatches).toBeLessThanOrEqual(2);
  });

  it('a loop of criss-cross attention takes at most 2 dispatches', async () => {
    const map = inputOf([1, 12, 12, 8]) as Tensor4D;
    expect((await workOf(() => crissCross(map, map, map))).dispatches).toBeLessThanOrEqual(2);
  });
});
