import '@tensorflow/tfjs-backend-cpu';
import { describe, type AnyBlock, type Cost, type Option } from '@saccade/core';
import { max, abs, randomNormal, sub, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import type { Package } from './packages.ts';

type LayerClass = (new () => AnyBlock) & { readonly className: string; readonly options?: Readonly<Record<string, Option<unknown>>> };

/** A layer that a package exports. */
export interface Layer {
  /** The class's name. */
  readonly name: string;
  readonly package: string;
  /** What each option accepts, by its name; undefined for a layer that is no block, as it wraps another one. */
  readonly options: LayerClass['options'];
  /** What the header of its source says of other implementations and the paper, in Markdown. */
  readonly provenance: string;
  readonly type: LayerClass;
}

/** The layers of a package as it is built, in the order of their names. */
export async function layersOf({ name, folder }: Package): Promise<Layer[]> {
  const exported = (await import(`@saccade/${name}`)) as Readonly<Record<string, unknown>>;
  return Object.entries(exported)
    .filter((entry): entry is [string, LayerClass] => typeof entry[1] === 'function' && 'className' in entry[1])
    .map(([layer, type]) => ({ name: layer, package: name, options: type.options, provenance: provenanceOf(folder, layer), type }));
}

/** The input that all layers' costs are told for. */
export const COST_SHAPE = [1, 28, 28, 256];

/** What a layer with its default options costs on {@link COST_SHAPE}. */
export function costOf({ type }: Layer): Cost {
  return new type().cost(COST_SHAPE);
}

/** Whether a new layer gives back its input, so that a trained network computes with it what it did without. */
export function startsAsIdentity(layer: Layer): boolean {
  return tidy(() => {
    const x = randomNormal([1, 8, 8, 64]);
    const y = new layer.type().apply(x) as Tensor | Tensor[];
    if (Array.isArray(y) || y.shape.join() !== x.shape.join()) return false;
    return max(abs(sub(x, y))).dataSync()[0] < 1e-6;
  });
}

/** Whether a layer, once built, takes maps of one size alone: its weights are as many as the map has rows or columns. */
export function isTiedToSize(layer: Layer): boolean {
  const paramsAt = (size: number): number => describe(new layer.type(), [1, size, size, 64]).params;
  return paramsAt(16) !== paramsAt(32);
}

// The header's last paragraphs: after what it is, and after the paper.
function provenanceOf(folder: string, layer: string): string {
  const src = path.join(folder, 'src');
  const source = readdirSync(src)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(path.join(src, file), 'utf8'))
    .find((text) => text.includes(`export class ${layer} `));
  const header = source?.match(/^\/\*\*\n(.*?)\n \*\//s)?.[1];
  if (!header)
    throw new Error(`${folder}: no file in src begins with a comment and declares the class ${layer}. Give its file a header, as packages/se has.`);
  const paragraphs = header
    .replace(/^ \* ?/gm, '')
    .split('\n\n')
    .map((paragraph) => paragraph.replaceAll('\n', ' '));
  const afterPaper = paragraphs.findLastIndex((paragraph) => /https?:\/\/\S+(, section [\d.]+)?$/.test(paragraph)) + 1;
  return paragraphs
    .slice(Math.max(1, afterPaper))
    .join('\n\n')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`');
}
