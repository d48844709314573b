import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const repository = path.resolve(import.meta.dirname, '../../..');
const folder = path.join(repository, '.github/workflows');
const files = globSync('*.yml', { cwd: folder });

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly environment?: string;
  readonly strategy?: { readonly matrix: { readonly os: readonly string[]; readonly node: readonly number[] } };
  readonly steps: readonly { readonly uses?: string; readonly run?: string; readonly with?: Readonly<Record<string, unknown>> }[];
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

test('there are workflows', () => expect(files.toSorted()).toEqual(['ci.yml', 'release.yml']));

describe.each(files)('%s', (file) => {
  const text = readFileSync(path.join(folder, file), 'utf8');
  const { permissions, jobs } = parse(text) as Workflow;

  test('names each action by its commit, with the version beside it', () => {
    const uses = text.match(/uses: .*/g)!;
    expect(uses.length).toBeGreaterThan(0);
    for (const line of uses) expect(line).toMatch(/^uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('may read, and no more than that where a job does not say so', () => {
    for (const permission of Object.values(permissions)) expect(permission).toBe('read');
    expect(text).not.toContain('secrets.');
  });

  test('leaves no credentials behind in the checkout', () => {
    const checkouts = Object.values(jobs).flatMap(({ steps }) => steps.filter(({ uses }) => uses?.startsWith('actions/checkout@')));
    expect(checkouts).toHaveLength(Object.keys(jobs).length);
    for (const { with: inputs } of checkouts) expect(inputs).toMatchObject({ 'persist-credentials': false });
  });

  test('gives the identity that publishes to jobs of the npm environment alone, and runs no install scripts beside it', () => {
    for (const { permissions, environment, steps } of Object.values(jobs)) {
      expect(environment === 'npm').toBe(permissions?.['id-token'] === 'write');
      if (environment !== 'npm') continue;
      const installs = steps.filter(({ run }) => run?.includes('npm ci'));
      expect(installs).toHaveLength(1);
      expect(installs[0].run).toContain('--ignore-scripts');
    }
  });
});

test('CI runs the check on Linux, macOS and Windows, on Node 22 and 24', () => {
  const { jobs } = parse(readFileSync(path.join(folder, 'ci.yml'), 'utf8')) as Workflow;
  const { strategy, steps } = jobs['check'];
  expect(strategy!.matrix).toEqual({ os: ['ubuntu-latest', 'macos-latest', 'windows-latest'], node: [22, 24] });
  expect(steps.at(-1)!.run).toBe('npm run check');
});

test('only the release workflow publishes: no script of a package.json does', () => {
  const manifests = globSync(['package.json', '{packages,apps,tools}/*/package.json'], { cwd: repository });
  expect(manifests.length).toBeGreaterThan(10);
  for (const file of manifests) {
    const { scripts = {} } = JSON.parse(readFileSync(path.join(repository, file), 'utf8')) as { scripts?: Record<string, string> };
    expect(Object.values(scripts).join('\n'), file).not.toMatch(/\bpublish\b/);
  }
});
