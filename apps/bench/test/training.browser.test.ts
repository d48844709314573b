import { useBackend } from '@saccade/backends/browser';
import type { BackendName } from '@saccade/backends/names';
import { beforeAll, expect, test } from 'vitest';
import type { Dataset } from '../src/data/images.ts';
import { train, type Training } from '../src/engine/accuracy.ts';
import type { TaskName } from '../src/tasks/names.ts';
import { Scaled } from './fixture/packages/scaled/scaled.ts';

/** Squares that are dim or bright, which is their class. */
function squares(count: number): Dataset['train'] {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  const pixels = Uint8Array.from({ length: count * 64 }, (_, p) => (labels[Math.floor(p / 64)] === 0 ? 100 : 255));
  return { count, height: 8, width: 8, channels: 1, pixels, labels };
}

const TASKS = ['clothes', 'scenes'] as const;
const data: Record<(typeof TASKS)[number], Dataset> = {
  clothes: { name: 'squares', train: squares(64), test: squares(8), classes: 2 },
  // Half as many scenes as images: two steps.
  scenes: { name: 'squares', train: squares(32), test: squares(4), classes: 2 },
};
const expected = new Map<TaskName, Training>();

async function trainedOn(backend: BackendName, task: (typeof TASKS)[number]): Promise<Training> {
  await useBackend(backend);
  const { training, network } = await train(task, data[task], { slot: 'branch', layer: () => new Scaled() }, { seed: 3, epochs: 1 });
  network.dispose();
  return training;
}

beforeAll(async () => {
  for (const task of TASKS) expected.set(task, await trainedOn('wasm', task));
});

test.each([
  ['webgl', 'clothes'],
  ['webgl', 'scenes'],
  ['webgpu', 'clothes'],
] as const)('%s trains on %s as wasm does: the same images, weights and steps', async (backend, task) => {
  const { losses, accuracy, params } = await trainedOn(backend, task);
  const other = expected.get(task)!;
  expect(params).toBe(other.params);
  expect(losses[0]).toBeCloseTo(other.losses[0], 3);
  expect(accuracy).toBeCloseTo(other.accuracy, 1);
});
