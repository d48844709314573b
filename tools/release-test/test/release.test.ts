import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { findProblems } from '../src/guard.ts';
import { changeset, versionPackages } from '../src/version.ts';
import { install, RepositoryCopy, runModule, type Bump, type Manifest } from './repository-copy.ts';

const CORE = '@saccade/core';
const BLOCK = '@saccade/se';

// Of all that runs here nothing reaches a registry: npm is offline, and the one it is told of is a port on this machine where nobody listens.
vi.stubEnv('npm_config_offline', 'true');
vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9/');
// Under "npm -s" npm would say nothing of what it refuses.
vi.stubEnv('npm_config_loglevel', 'error');

describe('a release', () => {
  test.each(['patch', 'minor'] as const)('of one block: a %s releases this block and nothing else', (bump) => {
    const copy = new RepositoryCopy();
    const before = copy.manifests();
    copy.describe({ [BLOCK]: bump }, 'A better block');
    changeset(copy.root, 'version');
    expect(releases(copy, before)).toEqual({ [BLOCK]: raised(before.get(BLOCK)!.version, bump) });
    expect(copy.changed()).toEqual(['packages/se/CHANGELOG.md', 'packages/se/package.json']);
    expect(copy.read('packages/se/CHANGELOG.md')).toMatch(
      new RegExp(`^## ${copy.manifest(BLOCK).version}\\n\\n### ${bump} Changes\\n\\n.*A better block\\.$`, 'im'),
    );
  });

  test('of core: a minor releases core and nothing else, and no range moves', () => {
    const copy = new RepositoryCopy();
    const before = copy.manifests();
    copy.describe({ [CORE]: 'minor' }, 'A new part');
    changeset(copy.root, 'version');
    expect(releases(copy, before)).toEqual({ [CORE]: raised(before.get(CORE)!.version, 'minor') });
    expect(copy.changed()).toEqual(['packages/core/CHANGELOG.md', 'packages/core/package.json']);
  });

  test('of core and a block together: the block asks for the core it was written for, and package-lock.json follows', async () => {
    const copy = new RepositoryCopy();
    copy.describe({ [CORE]: 'minor', [BLOCK]: 'patch' }, 'A new part in use');
    await versionPackages(copy.root);
    const { version, dependencies } = copy.manifest(BLOCK);
    expect(dependencies).toEqual({ [CORE]: `^${copy.manifest(CORE).version}` });
    const lock = JSON.parse(copy.read('package-lock.json')) as { packages: Record<string, Manifest> };
    expect(lock.packages['packages/se']).toMatchObject({ version, dependencies });
  });

  test('as a snapshot has versions that no range takes up, and installs', () => {
    const copy = new RepositoryCopy({ builds: true });
    const before = copy.manifests();
    copy.describe({ [BLOCK]: 'minor' }, 'A better block');
    changeset(copy.root, 'version', '--snapshot', 'try');
    expect(releases(copy, before)).toEqual({ [BLOCK]: expect.stringMatching(/^0\.0\.0-try-\d{14}$/) });
    expect(runModule(install(...copy.pack(BLOCK, CORE)), forward(BLOCK))).toBe('1,2,2,4');
  });
});

describe('a major of core', () => {
  test('asks a human: no version changes before a changeset says of every block what it means there', async () => {
    const copy = new RepositoryCopy();
    const before = copy.manifests();
    const next = raised(before.get(CORE)!.version, 'major');
    const blocks = [...before.values()].filter(({ dependencies }) => dependencies?.[CORE]).map(({ name }) => name);
    expect(blocks.length).toBeGreaterThan(1);

    copy.describe({ [CORE]: 'major' }, 'Another shape of everything');
    await expect(versionPackages(copy.root)).rejects.toThrow(
      `.changeset/another-shape-of-everything.md: a major of ${CORE}, ${before.get(CORE)!.version} to ${next}, would release ${blocks.length} other packages.`,
    );
    expect(copy.changed()).toEqual([]);

    const [left, ...decided] = blocks as [string, ...string[]];
    copy.describe({ ...bumpAll(decided, 'patch'), [left]: 'none' }, 'Most blocks hide it');
    expect(await findProblems(copy.root)).toEqual([expect.stringMatching(new RegExp(`would release 1 other packages[^]*\\n'${left}': patch$`))]);

    copy.describe({ [left]: 'major' }, 'One block shows it');
    expect(await findProblems(copy.root)).toEqual([]);
    changeset(copy.root, 'version');
    expect(releases(copy, before)).toEqual({
      [CORE]: next,
      ...Object.fromEntries(decided.map((name) => [name, raised(before.get(name)!.version, 'patch')])),
      [left]: raised(before.get(left)!.version, 'major'),
    });
    for (const name of blocks) expect(copy.manifest(name).dependencies![CORE]).toBe(`^${next}`);
  });
});

describe('a change asks for a changeset', () => {
  test.each([
    ["a block's adapter", 'packages/se/src/torch.ts'],
    ["a block's README", 'packages/se/README.md'],
    ["a block's manifest", 'packages/se/package.json'],
  ])('in %s, which names this block', async (_, file) => {
    const copy = new RepositoryCopy();
    copy.describe({ [BLOCK]: 'patch' }, 'An earlier change');
    const before = copy.head();
    copy.append(file, '\n');
    copy.describe({ [CORE]: 'minor' }, 'A new part');
    expect(await findProblems(copy.root, before)).toEqual([
      expect.stringContaining(`${BLOCK} changed since ${before}, but no changeset of this branch names it`),
    ]);
    copy.describe({ [BLOCK]: 'none' }, 'Nothing for users');
    expect(await findProblems(copy.root, before)).toEqual([]);
  });

  test('but not in its tests, and not in the commit that makes the release', async () => {
    const copy = new RepositoryCopy();
    copy.describe({ [BLOCK]: 'patch' }, 'A better block');
    const before = copy.head();
    copy.append('packages/se/test/another.test.ts', '\n');
    copy.commit();
    expect(await findProblems(copy.root, before)).toEqual([]);
    copy.version();
    expect(await findProblems(copy.root, before)).toEqual([]);
  });
});

test('installed: an old block with a new core, a new block with an old core, and none with a core before its range', () => {
  const copy = new RepositoryCopy({ builds: true });
  const [oldBlock, oldCore] = copy.pack(BLOCK, CORE) as [string, string];

  copy.append('packages/core/dist/index.js', "\nexport const added = 'in a minor';\n");
  copy.describe({ [CORE]: 'minor' }, 'A new part');
  copy.version();
  const [newCore] = copy.pack(CORE) as [string];

  const { dependencies } = copy.manifest(BLOCK);
  copy.append('packages/se/README.md', '\nA better explanation.\n');
  copy.append('packages/se/dist/torch.js', '\nexport const better = true;\n');
  copy.describe({ [BLOCK]: 'patch' }, 'A better adapter and README');
  copy.version();
  const [newBlock] = copy.pack(BLOCK) as [string];
  expect(copy.manifest(BLOCK).dependencies).toEqual(dependencies);

  copy.append('packages/core/dist/index.js', "\nexport const addedLater = 'in the next minor';\n");
  copy.append('packages/se/dist/index.js', `\nexport { addedLater } from '${CORE}';\n`);
  copy.describe({ [CORE]: 'minor', [BLOCK]: 'minor' }, 'A block that needs the next core');
  copy.version();
  const [nextBlock, nextCore] = copy.pack(BLOCK, CORE) as [string, string];

  const oldWithNew = install(oldBlock, newCore);
  const newWithOld = install(newBlock, oldCore);
  const next = install(nextBlock, nextCore);
  for (const project of [oldWithNew, newWithOld, next]) {
    expect(existsSync(path.join(project, 'node_modules', BLOCK, 'node_modules'))).toBe(false);
    expect(runModule(project, forward(BLOCK))).toBe('1,2,2,4');
  }
  expect(runModule(oldWithNew, `import { added } from '${CORE}'; process.stdout.write(added);`)).toBe('in a minor');
  expect(runModule(newWithOld, `import { better } from '${BLOCK}/torch'; process.stdout.write(String(better));`)).toBe('true');
  expect(readFileSync(path.join(newWithOld, 'node_modules', BLOCK, 'README.md'), 'utf8')).toContain('A better explanation.');
  expect(runModule(next, `import { addedLater } from '${BLOCK}'; process.stdout.write(addedLater);`)).toBe('in the next minor');

  // npm looks for a core that fits, which only a registry could have.
  expect(() => install(nextBlock, newCore)).toThrow(/ENOTCACHED[^]*@saccade(\/|%2f)core/);
});

/** The versions of the packages that changed; and nothing but versions, and ranges of packages that are released, may have changed. */
function releases(copy: RepositoryCopy, before: ReadonlyMap<string, Manifest>): Record<string, string> {
  const after = [...copy.manifests().values()];
  const released = after.filter((manifest) => manifest.version !== before.get(manifest.name)!.version);
  const kept = after.filter((manifest) => !released.includes(manifest));
  expect(kept).toEqual(kept.map(({ name }) => before.get(name)));
  return Object.fromEntries(released.map(({ name, version }) => [name, version]));
}

function raised(version: string, bump: Bump): string {
  const [major, minor, patch] = version.split('.').map(Number) as [number, number, number];
  if (bump === 'major') return `${major + 1}.0.0`;
  return bump === 'minor' ? `${major}.${minor + 1}.0` : `${major}.${minor}.${patch + 1}`;
}

function bumpAll(names: readonly string[], bump: Bump): Record<string, Bump> {
  return Object.fromEntries(names.map((name) => [name, bump]));
}

/** A module that runs the block on a map of ones and prints the shape of what comes out, if all of it is finite. */
function forward(block: string): string {
  return `
    import * as tf from '@tensorflow/tfjs-core';
    import '@tensorflow/tfjs-backend-cpu';
    import { squeezeExcite } from '${block}';
    const y = squeezeExcite({ reduction: 2 }).apply(tf.ones([1, 2, 2, 4]));
    process.stdout.write(y.dataSync().every(Number.isFinite) ? y.shape.join() : 'not finite');`;
}
