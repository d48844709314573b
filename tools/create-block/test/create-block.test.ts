import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createBlock } from '@saccade/create-block';

const repository = path.resolve(import.meta.dirname, '../../..');
const elsewhere = mkdtempSync(path.join(os.tmpdir(), 'saccade-'));
afterAll(() => rmSync(elsewhere, { recursive: true }));

const paper = 'https://arxiv.org/abs/1910.03151';

describe('a new block', () => {
  const root = repositoryLike(repository, elsewhere);
  const folder = createBlock(root, { name: 'new-one', paper, className: 'EfficientNewOne' });
  const link = path.join(root, 'node_modules/@saccade/new-one');
  symlinkSync(folder, link);
  const run = (command: string, ...args: string[]) =>
    execFileSync(process.execPath, [path.join(repository, 'node_modules', command), ...args], { cwd: root, encoding: 'utf8', stdio: 'pipe' });

  test('builds', () => {
    expect(() => run('typescript/bin/tsc', '-p', 'packages/new-one')).not.toThrow();
  });

  test('lints and is formatted', () => {
    expect(() => run('oxlint/bin/oxlint', '--type-aware', '--deny-warnings', 'packages/new-one')).not.toThrow();
    expect(() => run('oxfmt/bin/oxfmt', '--check', 'packages/new-one')).not.toThrow();
  });

  test('fails exactly one test, the one that asks for a golden', () => {
    const report = path.join(root, 'report.json');
    expect(() => run('vitest/vitest.mjs', 'run', 'packages/new-one', '--reporter=json', `--outputFile=${report}`)).toThrow();
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
      testResults: { assertionResults: { status: string; failureMessages: string[] }[] }[];
    };
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(results.length).toBeGreaterThan(10);
    const failed = results.filter(({ status }) => status !== 'passed');
    expect(failed.map(({ failureMessages }) => failureMessages.join())).toEqual([expect.stringContaining('no golden yet')]);
  });

  test('has the names it was given, and none of the template', () => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && !entry.parentPath.includes('dist'),
    );
    expect(files.map(({ name }) => name)).toContain('efficient-new-one.ts');
    const text = files.map(({ parentPath, name }) => readFileSync(path.join(parentPath, name), 'utf8')).join('');
    expect(text).toContain(paper);
    expect(text).toContain("className = 'SaccadeEfficientNewOne'");
    expect(text).not.toMatch(/template/i);
  });
});

test.each([
  [{ name: 'Eca', paper }, 'The name is "Eca", but must be the paper\'s short name in kebab-case, such as "eca" or "channel-gate".'],
  [
    { name: 'eca', paper, className: 'eca' },
    'The class is "eca", but must be in PascalCase, ASCII letters and digits only, such as "EfficientChannelAttention".',
  ],
  [{ name: 'eca', paper: 'arxiv' }, 'The paper is "arxiv", but must be an https URL, such as https://arxiv.org/abs/1910.03151.'],
  [{ name: 'se', paper }, 'packages/se exists. Choose another name, or remove the folder first.'],
])('refuses %j', (block, message) => {
  expect(() => createBlock(repository, block)).toThrow(message);
});

/** A folder that looks to tools like this repository, with no packages of its own. */
function repositoryLike(repository: string, folder: string): string {
  const modules = path.join(folder, 'node_modules');
  mkdirSync(path.join(modules, '@saccade'), { recursive: true });
  mkdirSync(path.join(folder, 'packages'));
  const linkAll = (from: string, to: string, except?: string) => {
    for (const name of readdirSync(from)) if (name !== except) symlinkSync(path.join(from, name), path.join(to, name));
  };
  linkAll(path.join(repository, 'node_modules'), modules, '@saccade');
  linkAll(path.join(repository, 'node_modules/@saccade'), path.join(modules, '@saccade'));
  for (const name of ['tools', 'package.json', 'tsconfig.base.json', 'vitest.config.ts', '.oxlintrc.json', '.oxfmtrc.json']) {
    symlinkSync(path.join(repository, name), path.join(folder, name));
  }
  return folder;
}
