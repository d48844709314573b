/**
 * Writes public/pictures.png, the pictures that the page bundles: a row of test images for each new class.
 *
 *     node scripts/cut-pictures.ts [DIR of Fashion-MNIST; default: the subset in this repository]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { indicesOf, NEW_CLASSES, PIXELS, readImages, TILE } from './fashion-mnist.ts';

const PER_CLASS = 20;
const images = readImages('t10k', process.argv[2]);
const rows = NEW_CLASSES.flatMap((label) => {
  const chosen = indicesOf(images, [label]).slice(0, PER_CLASS);
  const line = (index: number, y: number) => images.pixels.subarray(index * PIXELS + y * TILE, index * PIXELS + (y + 1) * TILE);
  return Array.from({ length: TILE }, (_, y) => Buffer.concat(chosen.map((index) => line(index, y))));
});
writeFileSync(join(import.meta.dirname, '../public/pictures.png'), greyPng(rows));

function greyPng(rows: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(rows[0].length, 0);
  head.writeUInt32BE(rows.length, 4);
  head[8] = 8; // bits a pixel; the kind of picture, 0, is grey
  const lines = Buffer.concat(rows.flatMap((row) => [Buffer.of(0), row]));
  const chunks = [chunk('IHDR', head), chunk('IDAT', deflateSync(lines, { level: 9 })), chunk('IEND', Buffer.of())];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

function chunk(kind: string, data: Buffer): Buffer {
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  const content = Buffer.concat([Buffer.from(kind), data]);
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, sum]);
}
