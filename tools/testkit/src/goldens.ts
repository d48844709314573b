import { useBackend } from '@saccade/backends';
import { compareWithGolden, goldensIn, readGolden, type FromTorch } from '@saccade/conformance';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { onEachBackend } from './backends.ts';

/**
 * Tests every golden in a folder, on cpu and wasm. A browser test takes them all on WebGL and WebGPU.
 *
 * @param folder a package's `test/golden`
 * @param adapters official block name → the package's adapter
 */
export function testGoldens(folder: string, adapters: Readonly<Record<string, FromTorch>>): void {
  const files = existsSync(folder) ? goldensIn([folder]) : [];
  if (files.length === 0) {
    test('equals the official implementation', () =>
      expect.fail(`no golden yet: put a .safetensors file of the official implementation into ${folder}`));
    return;
  }
  onEachBackend(
    (backend) => {
      test.each(files.map(readGolden))('equals the official implementation: $name', async (golden) => {
        await useBackend(backend);
        const report = await compareWithGolden(golden, adapters[golden.block], backend);
        expect(report.failure).toBeUndefined();
      });
    },
    ['cpu', 'wasm'],
  );
}
