import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';

/**
 * Runs the TypeScript of a package's README, all blocks as one program, from the package's folder.
 *
 * @param folder the package's folder
 */
export function testReadme(folder: string): void {
  test('the README runs', () => {
    const readme = readFileSync(path.join(folder, 'README.md'), 'utf8');
    const program = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code).join('\n');
    expect(program, 'the README has a ```ts example').not.toBe('');
    execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
  });
}
