import { existsSync, readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { testReadme } from '@saccade/testkit';
import { describe, expect, test } from 'vitest';

const packages = path.resolve(import.meta.dirname, '../../../packages');
const names = readdirSync(packages).filter((name) => existsSync(path.join(packages, name, 'package.json')));
const read = (...parts: string[]): string => readFileSync(path.join(packages, ...parts), 'utf8');
const manifestOf = (name: string): Manifest => JSON.parse(read(name, 'package.json')) as Manifest;
const isBlock = (name: string): boolean => '@saccade/core' in (manifestOf(name).dependencies ?? {});

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly saccade?: object;
}

const classNamesOf = (name: string): string[] =>
  readdirSync(path.join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...read(name, 'src', file).matchAll(/static (?:override )?readonly className = '(.*)'/g)].map(([, className]) => className));

testReadme(path.resolve(packages, '..'));

test('there are blocks', () => {
  expect(names.filter(isBlock).length).toBeGreaterThan(0);
});

describe.each(names)('packages/%s', (name) => {
  const manifest = manifestOf(name);

  test('is described as the other packages are', () => {
    expect(manifest).toMatchObject({
      name: `@saccade/${name}`,
      license: 'Apache-2.0',
      repository: { directory: `packages/${name}` },
      type: 'module',
      sideEffects: name === 'core' ? false : ['./dist/index.js'],
      engines: { node: '>=20' },
      files: ['dist', 'src', 'CHANGELOG.md'],
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
      publishConfig: { access: 'public' },
      scripts: { build: 'tsc' },
    });
  });

  test('brings no TensorFlow.js of its own', () => {
    expect(Object.keys(manifest.dependencies ?? {}).filter((dependency) => !dependency.startsWith('@saccade/'))).toEqual([]);
    expect(manifest.peerDependencies).toMatchObject({ '@tensorflow/tfjs-core': '^4.22.0' });
  });

  test('has a README, the licence, which npm packs only from here, and tests', () => {
    expect(existsSync(path.join(packages, name, 'README.md'))).toBe(true);
    expect(read(name, 'LICENSE')).toBe(readFileSync(path.resolve(packages, '../LICENSE'), 'utf8'));
    expect(readdirSync(path.join(packages, name, 'test')).some((file) => file.endsWith('.test.ts'))).toBe(true);
  });

  test('imports no file of TensorFlow.js by its path', () => {
    const source = readdirSync(path.join(packages, name, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    expect(source.filter((file) => /@tensorflow\/[\w-]+\/dist/.test(read(name, 'src', file)))).toEqual([]);
  });
});

describe.each(names.filter(isBlock))('the block packages/%s', (name) => {
  const manifest = manifestOf(name);

  test('depends on core alone, by a caret range', () => {
    expect(manifest.dependencies).toEqual({ '@saccade/core': expect.stringMatching(/^\^\d+\.\d+\.\d+$/) as string });
  });

  test('says where the conformance runner and the bench find it', () => {
    expect(manifest).toMatchObject({
      exports: { './torch': { types: './dist/torch.d.ts', default: './dist/torch.js' } },
      saccade: { conformance: expect.any(Object) as object, bench: './bench/index.ts' },
    });
  });
});

test('every layer has a className that saved models can tell from all others', () => {
  const classNames = names.flatMap(classNamesOf);
  expect(classNames.length).toBeGreaterThan(0);
  expect(classNames.filter((className) => !/^Saccade[A-Za-z0-9]+$/.test(className))).toEqual([]);
  expect(classNames.filter((className, i) => classNames.indexOf(className) !== i)).toEqual([]);
});
