import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { installExample, run } from '../src/install.ts';

const folder = mkdtempSync(join(tmpdir(), 'saccade-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('the Node example gives the logits of PyTorch', () => {
  const example = installExample('node-checkpoint', folder);
  const expected = JSON.parse(readFileSync(join(example, 'expected.json'), 'utf8')) as Record<string, number[]>;
  const results = JSON.parse(run(process.execPath, ['classify.js', '--json'], example)) as { file: string; name: string; logits: number[] }[];
  expect(results).toHaveLength(Object.keys(expected).length);
  for (const { file, name, logits } of results) {
    const torch = expected[file.replace(/^images./, '')];
    expect(Math.max(...logits.map((logit, i) => Math.abs(logit - torch[i]))), file).toBeLessThan(1e-4);
    expect(file).toContain(name);
  }
});
