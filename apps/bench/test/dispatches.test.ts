import { useBackend } from '@saccade/backends';
import { attend, crissCross } from '@saccade/core';
import { mean, ones, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { inputOf, matchOf } from '../src/engine/match.ts';
import { workOf } from '../src/engine/profile.ts';
import { workspace } from '../src/node/workspace.ts';

const { packages } = workspace(import.meta.filename);

describe.skipIf(!inject('webgpu'))('on WebGPU', () => {
  beforeAll(() => useBackend('webgpu'));

  it('all compute shaders of a kernel count, with what passes between them', async () => {
    const x = ones([1, 4, 4, 8]);
    // One turns the positions innermost, the other one takes their mean.
    expect(await workOf(() => mean(x, [1, 2]))).toEqual({ kernels: 1, dispatches: 2, bytesMoved: 4 * (2 * 128 + 128 + 8) });
  });

  it.each([
    ['@saccade/se', 'SqueezeExcite', 3, 3],
    ['@saccade/eca', 'EfficientChannelAttention', 3, 3],
    ['@saccade/ge', 'GatherExcite', 3, 3],
    ['@saccade/gc', 'GlobalContext', 4, 3],
    ['@saccade/coord', 'CoordinateAttention', 4, 3],
    ['@saccade/cbam', 'CBAM', 5, 4],
  ])('%s: %s takes at most %i dispatches, and moves the bytes of %i maps', async (name, block, dispatches, maps) => {
    const entries = await packages.find((candidate) => candidate.name === name)!.load();
    // As many positions as early maps have, which large reductions take in stages.
    const { input, subject } = await matchOf(
      entries.find((entry) => entry.block === block)!,
      [1, 56, 56, 64],
    );
    const work = await workOf(() => subject(input));
    expect.soft(work.dispatches).toBeLessThanOrEqual(dispatches);
    // The map, read or written so often, and a tenth for all that is smaller.
    expect.soft(work.bytesMoved / (4 * input.size)).toBeLessThan(1.1 * maps);
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
