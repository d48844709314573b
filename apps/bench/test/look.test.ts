import { readSafetensors } from '@saccade/core/torch';
import { squeezeExcite } from '@saccade/se';
import { useBackend } from '@saccade/backends';
import { randomNormal, type Tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { hostNetwork } from '../src/engine/network.ts';
import { perturbWeights } from '../src/engine/weights.ts';
import type { BenchLayer } from '../src/entry.ts';
import { toHalf } from '../src/look/half.ts';
import { loadNetwork, restoreNetwork, saveNetwork, type Provenance } from '../src/look/saved-network.ts';

beforeAll(() => useBackend('wasm'));

const provenance: Provenance = {
  task: 'scenes',
  block: 'SqueezeExcite',
  package: '@saccade/se',
  packageVersion: '1.0.0',
  seed: 1,
  epochs: 3,
  data: '2026',
  metric: 'mean IoU',
  score: 0.5,
  params: 1234,
  imageShape: [16, 16, 1],
  mean: [72.9],
  deviation: [90.1],
  backend: 'wasm',
  versions: { tfjs: '4.22.0' },
  commit: null,
  date: '2026-01-02T03:04:05.000Z',
};

const withSqueezeExcite = (seed: number, channels = 1) =>
  hostNetwork([16, 16, channels], 10, seed, { slot: 'branch', layer: () => squeezeExcite({ reduction: 4 }) });

describe('saved networks', () => {
  it('come back with the same outputs to the precision of 16 bits, and exactly from then on', async () => {
    const trained = withSqueezeExcite(1);
    for (const layer of trained.layers) await perturbWeights(layer as BenchLayer);
    const bytes = await saveNetwork(trained, provenance);
    expect(bytes.length).toBeLessThan(2.1 * trained.countParams() + 8_000);

    // Layers made later have other names.
    const restored = withSqueezeExcite(2);
    restoreNetwork(restored, loadNetwork(bytes).weights);
    const x = randomNormal([2, 16, 16, 1], 0, 1, 'float32', 7);
    const [expected, received] = await Promise.all([trained, restored].map(async (network) => (network.apply(x) as Tensor).data()));
    const largest = Math.max(...expected.map(Math.abs));
    expect(Math.max(...expected.map((value, i) => Math.abs(value - received[i])))).toBeLessThan(5e-3 * largest);
    expect(await saveNetwork(restored, provenance)).toEqual(bytes);
  });

  it('say where they come from', async () => {
    const bytes = await saveNetwork(withSqueezeExcite(1), provenance);
    expect(loadNetwork(bytes).provenance).toEqual(provenance);
    expect(readSafetensors(bytes).metadata).toMatchObject({ task: 'scenes', block: 'SqueezeExcite', data: '2026', seed: '1' });
  });

  it('are refused where they do not fit, and where they are none', async () => {
    const bytes = await saveNetwork(withSqueezeExcite(1), provenance);
    const { weights } = loadNetwork(bytes);
    const plain = hostNetwork([16, 16, 1], 10, 1, null);
    const before = await plain.weights[0].read().data();
    expect(() => restoreNetwork(plain, weights)).toThrow(/has a weight ".*squeeze_excite.*" that the network lacks/i);
    expect(await plain.weights[0].read().data()).toEqual(before);
    expect(() => restoreNetwork(withSqueezeExcite(1, 3), weights)).toThrow(
      /"stem\/kernel" of shape \[3, 3, 1, 16\], where the network's is \[3, 3, 3, 16\]/,
    );
    const without = { ...weights };
    delete without['classifier/bias'];
    expect(() => restoreNetwork(withSqueezeExcite(1), without)).toThrow('has no weight "classifier/bias"');
    await expect(saveNetwork(withSqueezeExcite(1), { ...provenance, score: 2 }).then(loadNetwork)).rejects.toThrow(/"score"/);
    expect(() => loadNetwork(bytes.subarray(0, 100))).toThrow(/Not a safetensors file/);
  });

  it('round to the nearest 16-bit float, ties to the even', () => {
    const cases = [
      0,
      -0,
      1,
      -2,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65504,
      65519,
      65520,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      3 * 2 ** -25,
      2047.5 * 2 ** -25,
      1e-9,
      Infinity,
      -0.1,
    ];
    const halves = [0, 0x8000, 0x3c00, 0xc000, 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 0x0400, 1, 0, 2, 0x0400, 0, 0x7c00, 0xae66];
    expect(cases.map(toHalf)).toEqual(halves);
  });
});
