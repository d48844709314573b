import { BenchError } from '../errors.ts';

/** Labelled images, of which none has more than 256 classes. */
export interface ImageSet {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** `[count, height, width, channels]`, 0 to 255. */
  readonly pixels: Uint8Array;
  /** `[count]`, or `[count, height, width]` where each pixel has a label */
  readonly labels: Uint8Array;
}

/** What a network is trained on and judged by. */
export interface Dataset {
  readonly name: string;
  readonly train: ImageSet;
  readonly test: ImageSet;
  readonly classes: number;
}

/** A file that is not what it should be: says what was received, what is expected, and the fix. */
export class DataError extends BenchError {
  override name = 'DataError';

  constructor(message: string) {
    super(message, 2);
  }
}
