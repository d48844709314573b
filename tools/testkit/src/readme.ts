import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/**
 * Runs the TypeScript of a package's README, all blocks as one program, from the package's folder.
 *
 * @param folder the package's folder
 */
export function testReadme(folder: string): void {
  test('the README runs', async () => {
    await runSamples(path.join(folder, 'README.md'), folder);
  });
}

/**
 * Runs the TypeScript of a Markdown file, all blocks as one program.
 *
 * @param file the Markdown file
 * @param folder where the program runs: what it imports and reads is looked for from there
 */
export async function runSamples(file: string, folder: string): Promise<void> {
  const program = samplesIn(readFileSync(file, 'utf8'));
  expect(program, `${path.basename(file)} has a \`\`\`ts example`).not.toBe('');
  await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', program], { cwd: folder });
}

/** The TypeScript of a Markdown text: its `ts` blocks, one after the other. */
export function samplesIn(markdown: string): string {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code).join('\n');
}
