import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { onTestFinished } from 'vitest';
import { changeset, npm } from '../src/version.ts';

const repository = path.resolve(import.meta.dirname, '../../..');

const { workspaces } = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8')) as { workspaces: string[] };
/** What changesets and npm read of the repository. */
const FILES = [
  'package.json',
  'package-lock.json',
  '.changeset/config.json',
  ...workspaces.map((folder) => `${folder}/package.json`),
  'packages/*/{README,CHANGELOG}.md',
];
/** What it takes to install core and one block. */
const BUILDS = ['packages/{core,se}/{src,dist}/**/*.*'];

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export type Bump = 'patch' | 'minor' | 'major' | 'none';

/** A copy of the repository, with a git history of one commit and no changesets, that the test's end removes. */
export class RepositoryCopy {
  readonly root = temporaryFolder();

  constructor({ builds = false } = {}) {
    for (const file of globSync(builds ? [...FILES, ...BUILDS] : FILES, { cwd: repository })) {
      mkdirSync(path.dirname(path.join(this.root, file)), { recursive: true });
      cpSync(path.join(repository, file), path.join(this.root, file));
    }
    this.git('init', '--quiet', '--initial-branch=main');
    this.commit();
  }

  read(file: string): string {
    return readFileSync(path.join(this.root, file), 'utf8');
  }

  /** Adds to a file, or makes it. */
  append(file: string, text: string): void {
    mkdirSync(path.dirname(path.join(this.root, file)), { recursive: true });
    appendFileSync(path.join(this.root, file), text);
  }

  /** The hash of the last commit. */
  head(): string {
    return this.git('rev-parse', 'HEAD').trim();
  }

  commit(): void {
    this.git('add', '--all');
    this.git('commit', '--quiet', '--message=A commit');
  }

  /** Writes and commits a changeset. */
  describe(bumps: Readonly<Record<string, Bump>>, summary: string): void {
    const lines = Object.entries(bumps).map(([name, bump]) => `'${name}': ${bump}`);
    this.append(`.changeset/${summary.toLowerCase().replaceAll(' ', '-')}.md`, ['---', ...lines, '---', '', `${summary}.`, ''].join('\n'));
    this.commit();
  }

  manifest(name: string): Manifest {
    return JSON.parse(this.read(`packages/${name.replace('@saccade/', '')}/package.json`)) as Manifest;
  }

  /** All published packages' manifests, by name. */
  manifests(): ReadonlyMap<string, Manifest> {
    const manifests = globSync('packages/*/package.json', { cwd: this.root }).map((file) => JSON.parse(this.read(file)) as Manifest);
    return new Map(manifests.filter((manifest) => !manifest.private).map((manifest) => [manifest.name, manifest]));
  }

  /** Files that are not as committed, of published packages. */
  changed(): string[] {
    const status = this.git('status', '--porcelain', '--untracked-files=all', '--no-renames', '--', 'packages');
    return status
      .split('\n')
      .filter(Boolean)
      .map((line) => line.slice(3))
      .toSorted();
  }

  /** Applies the changesets, as a release does, and commits. */
  version(): void {
    changeset(this.root, 'version');
    this.commit();
  }

  /** The tarballs of packages as they stand, by the command of the release workflow. A plan takes the place of the registry's answer: nothing is asked. */
  pack(...names: string[]): string[] {
    const releases = names.map((name) => ({ kind: 'publish', name, version: this.manifest(name).version, access: 'public', tag: 'latest' }));
    const folder = temporaryFolder();
    const plan = path.join(folder, 'plan.json');
    writeFileSync(plan, JSON.stringify({ version: 1, plan: [releases] }));
    changeset(this.root, 'pack', '--from-publish-plan', plan, '--out-dir', folder);
    return releases.map(({ name, version }) => path.join(folder, 'packages', `${name.slice(1).replace('/', '-')}-${version}.tgz`));
  }

  private git(...args: string[]): string {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'core.autocrlf=false'];
    return execFileSync('git', [...identity, ...args], { cwd: this.root, encoding: 'utf8' });
  }
}

/** An empty project with the tarballs installed, that the test's end removes. Throws what npm says where they do not go together. */
export function install(...tarballs: string[]): string {
  const project = temporaryFolder();
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  // The peers come from the repository, as no registry is asked for them.
  npm(project, 'install', ...tarballs, '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund');
  symlinkSync(path.join(repository, 'node_modules/@tensorflow'), path.join(project, 'node_modules/@tensorflow'), 'junction');
  return project;
}

/** What a module printed that ran in the project. */
export function runModule(project: string, source: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', source], { cwd: project, encoding: 'utf8', stdio: 'pipe' });
}

function temporaryFolder(): string {
  // As git names it: on Windows a temporary folder's name may be a short one.
  const folder = realpathSync.native(mkdtempSync(path.join(os.tmpdir(), 'saccade-release-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
