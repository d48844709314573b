import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { complaint, dependenciesOf, type Lock } from '@saccade/licences';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);

test.each([...packages, 'apps/bench'])('all that %s needs at run time has a licence that is allowed', (workspace) => {
  const dependencies = dependenciesOf(lock, workspace);
  // All stand on TensorFlow.js.
  expect(dependencies.map(({ path }) => path.at(-1))).toContain('@tensorflow/tfjs-core');
  expect(dependencies.map(complaint).filter(Boolean)).toEqual([]);
});

test('a licence that is not allowed, or none, is told with the way to it', () => {
  const ours = (license: string | undefined): Lock => ({
    packages: {
      'packages/x': { name: '@saccade/x', dependencies: { a: '1' }, peerDependencies: { absent: '1' } },
      'node_modules/a': { version: '1.0.0', license: 'MIT', dependencies: { b: '2' } },
      'node_modules/b': { version: '1.0.0', license: 'MIT' },
      'node_modules/a/node_modules/b': { version: '2.0.0', ...(license ? { license } : {}) },
    },
  });
  const complaintsOf = (license?: string) => dependenciesOf(ours(license), 'packages/x').map(complaint).filter(Boolean);
  expect(complaintsOf('GPL-3.0-only')).toEqual([
    expect.stringMatching(/^b 2\.0\.0 \(@saccade\/x > a > b\) is under GPL-3\.0-only; allowed are .*MIT/),
  ]);
  expect(complaintsOf()).toEqual([expect.stringContaining('states no licence')]);
  expect(complaintsOf('MIT AND GPL-3.0-only')).toHaveLength(1);
  expect(complaintsOf('(MIT OR GPL-3.0-only)')).toEqual([]);
});
