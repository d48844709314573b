import type { ImageSet } from './images.ts';

/** What pixels, 0 to 255, are normalised by, for each channel. */
export interface Normalisation {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** Mean and deviation of a set's pixels; a deviation of less than 1 counts as 1. */
export function normalisationOf({ pixels, channels }: Pick<ImageSet, 'pixels' | 'channels'>): Normalisation {
  const statistics = Array.from({ length: channels }, (_, channel) => {
    const histogram = new Float64Array(256);
    for (let i = channel; i < pixels.length; i += channels) histogram[pixels[i]]++;
    const count = pixels.length / channels;
    const mean = histogram.reduce((sum, times, value) => sum + times * value, 0) / count;
    const deviation = Math.sqrt(histogram.reduce((sum, times, value) => sum + times * (value - mean) ** 2, 0) / count);
    return { mean, deviation: Math.max(deviation, 1) };
  });
  return { mean: statistics.map(({ mean }) => mean), deviation: statistics.map(({ deviation }) => deviation) };
}

/** Pixels as a network takes them: mean 0 and deviation 1 over its training images. */
export function normalised(pixels: Uint8Array, { mean, deviation }: Normalisation): Float32Array {
  return Float32Array.from(pixels, (value, i) => (value - mean[i % mean.length]) / deviation[i % mean.length]);
}
