import type { layers } from '@tensorflow/tfjs-layers';

/** What every TensorFlow.js layer takes: `name`, `trainable`, `inputShape` and so on. */
export type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

const NAMES = new Set(['name', 'trainable', 'dtype', 'inputShape', 'batchInputShape', 'batchSize', 'weights', 'inputDType']);

/** Splits what a layer's constructor received into what every layer takes, and the options of its own. */
export function splitArgs(args: object): { readonly common: LayerArgs; readonly own: Record<string, unknown> } {
  const entries = Object.entries(args);
  return {
    common: Object.fromEntries(entries.filter(([name]) => NAMES.has(name))),
    own: Object.fromEntries(entries.filter(([name]) => !NAMES.has(name))),
  };
}
