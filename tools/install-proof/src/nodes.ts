import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as path from 'node:path';

/** An installed Node. */
export interface NodeBinary {
  readonly file: string;
  readonly version: string;
  /** Whether its `require` takes ES modules: since 20.19 and 22.12. */
  readonly requiresModules: boolean;
}

/** The least Node that the packages support. */
const LEAST = 20;

/** This Node, and those of other versions on the path that the packages support. */
export function findNodes(): NodeBinary[] {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const files = [process.execPath, ...folders.map((folder) => path.join(folder, 'node')).filter((file) => existsSync(file))];
  const byVersion = new Map(files.map((file) => [versionOf(file), file]).toReversed() as [string, string][]);
  return [...byVersion]
    .map(([version, file]) => ({ version, file, requiresModules: takesModules(version) }))
    .filter(({ version }) => Number.parseInt(version) >= LEAST)
    .toReversed();
}

function versionOf(file: string): string {
  return file === process.execPath ? process.versions.node : execFileSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
}

function takesModules(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
}
