import { tensor, type Tensor } from '@tensorflow/tfjs-core';
import type { BenchLayer, WeightReader } from '../entry.ts';
import { randomFrom } from './random.ts';

/** A weight's path in its layer, e.g. `reduce/kernel`. */
export function pathOf(layer: { readonly name: string }, { originalName }: { readonly originalName: string }): string {
  const prefix = `${layer.name}/`;
  return originalName.startsWith(prefix) ? originalName.slice(prefix.length) : originalName;
}

/** The weights of a built layer by their path. */
function weightsByPath(layer: BenchLayer): Map<string, BenchLayer['weights'][number]> {
  return new Map(layer.weights.map((weight) => [pathOf(layer, weight), weight]));
}

/** A reader of the layer's current weights. */
export function weightReader(layer: BenchLayer): WeightReader {
  const weights = weightsByPath(layer);
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as in WeightReader
  return <T extends Tensor>(path: string) => {
    const weight = weights.get(path);
    if (!weight)
      throw new Error(
        `The baseline asks for the weight "${path}", but the layer has ${[...weights.keys()].join(', ') || 'none'}. Correct the path in bench/index.ts.`,
      );
    return weight.read() as T;
  };
}

/**
 * Moves every weight of a built layer away from where it starts, so that a comparison of outputs means something: a projection or gate
 * that starts at zero would hide all that stands before it. The moves depend on the weights' paths alone.
 *
 * A weight of one axis moves by 0.25 to 0.5 up or down, so that a variance or an exponent that starts at 1 stays positive; one of
 * several axes by as much as keeps its outputs near 1.
 */
export async function perturbWeights(layer: BenchLayer): Promise<void> {
  for (const [path, weight] of weightsByPath(layer)) {
    const start = weight.read();
    const random = randomFrom(path);
    const fanIn = start.size / (start.shape.at(-1) ?? 1);
    const step = start.rank > 1 ? () => (2 * random() - 1) / Math.sqrt(fanIn) : () => (random() < 0.5 ? -1 : 1) * (0.25 + 0.25 * random());
    const moved = tensor(
      (await start.data()).map((value) => value + step()),
      start.shape,
    );
    weight.write(moved);
    moved.dispose();
  }
}
