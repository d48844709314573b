import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { compareWithGolden, type FromTorch } from '../src/compare.ts';
import { parseGolden } from '../src/golden.ts';

const manifests = import.meta.glob<{ saccade?: { conformance?: Record<string, string> } }>('../../../packages/*/package.json', {
  eager: true,
  import: 'default',
});
const adapters = import.meta.glob<Record<string, FromTorch>>('../../../packages/*/dist/torch.js');
const goldens = import.meta.glob<string>('../../../packages/*/test/golden/*.safetensors', { eager: true, query: '?url', import: 'default' });

const folderOf = (file: string): string => file.replace(/(packages\/[^/]+)\/.*/, '$1');
const files = Object.keys(goldens);

test('there are goldens', () => {
  expect(files.length).toBeGreaterThan(0);
});

describe.each(['webgl', 'webgpu'] as const)('in a browser on %s', (backend) => {
  beforeAll(async () => {
    tf.env().set('WEBGL_CPU_FORWARD', false);
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    expect(await tf.setBackend(backend)).toBe(true);
  });

  test.each(files)('equals the official implementation: %s', async (file) => {
    const golden = parseGolden(new Uint8Array(await (await fetch(goldens[file])).arrayBuffer()), file);
    const folder = folderOf(file);
    const adapter = manifests[`${folder}/package.json`].saccade!.conformance![golden.block];
    const module = await adapters[`${folder}/dist/torch.js`]();
    const report = await compareWithGolden(golden, module[adapter], backend);
    expect(report.failure).toBeUndefined();
  });
});
