import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { run } from '../processes.ts';
import type { Tarball } from '../tarballs.ts';

const ATTW = path.resolve(import.meta.dirname, '../../../../node_modules/.bin/attw');

/** publint's and attw's opinion of a tarball: none. */
export async function provesWellFormed({ file }: Tarball): Promise<void> {
  const { buffer, byteOffset, byteLength } = readFileSync(file);
  const tarball = buffer.slice(byteOffset, byteOffset + byteLength);
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  if (messages.length > 0) throw new Error(`publint: ${messages.map((message) => formatMessage(message, pkg, { color: false })).join('\n')}`);
  await run(ATTW, [file, '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii'], path.dirname(file));
}
