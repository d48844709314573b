import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { run } from './processes.ts';
import type { Registry } from './registry.ts';

/** The files of an app that uses what was installed. */
const APP = path.resolve(import.meta.dirname, '../app');

/** A package that npm put somewhere below a project's `node_modules`. */
export interface Installed {
  readonly name: string;
  readonly version: string;
  /** `node_modules/@saccade/se` */
  readonly place: string;
}

/** A project of someone who installs packages. */
export class Project {
  readonly folder: string;

  /** Makes an empty project whose `@saccade` packages come from a registry. `more` are further entries of its `package.json`. */
  constructor(folder: string, registry: Registry, more: object = {}) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module', ...more }));
    this.use(registry);
    cpSync(APP, folder, { recursive: true });
  }

  /** Takes `@saccade` packages from a registry from now on. */
  use(registry: Registry): void {
    this.write('.npmrc', `@saccade:registry=${registry.url}\n`);
  }

  /** As a user types it: names, or names with versions. */
  async install(...names: string[]): Promise<void> {
    await run('npm', ['install', ...names, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], this.folder);
  }

  /** All that is installed, as npm recorded it. */
  installed(): Installed[] {
    const lock = JSON.parse(this.read('node_modules/.package-lock.json')) as { packages: Record<string, { version: string }> };
    return Object.entries(lock.packages).map(([place, { version }]) => ({ place, version, name: place.split('node_modules/').at(-1)! }));
  }

  /** Where the copies of a package are. */
  copiesOf(name: string): Installed[] {
    return this.installed().filter((installed) => installed.name === name);
  }

  read(file: string): string {
    return readFileSync(path.join(this.folder, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(path.join(this.folder, file), text);
  }
}
