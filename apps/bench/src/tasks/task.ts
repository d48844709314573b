import type { Dataset, ImageSet } from '../data/images.ts';
import type { TaskName } from './names.ts';

/** What a network is judged by, 0 to 1. `mean IoU`: intersection over union of predicted and true pixels, the mean over classes. */
export type Metric = 'accuracy' | 'mean IoU';

/** What is known of images without reading them: enough to build a network. */
export type ImageFormat = Pick<ImageSet, 'height' | 'width' | 'channels'> & Pick<Dataset, 'classes'>;

/** What networks are trained on: images with a label each, or with one for each pixel. */
export interface Task {
  readonly name: TaskName;
  readonly metric: Metric;
  /** Whether each pixel has a label. The network then is a fully convolutional one, and else ends with global pooling. */
  readonly dense: boolean;
  /** How many pixels, in a row and in a column, a position of the network's last maps stands for. */
  readonly stride: 4 | 8;
  /** The classes' names, in the order of labels; for what comes from items, those of Fashion-MNIST. */
  readonly labels: readonly string[];
  /** Images in a training step. */
  readonly batch: number;
  /** The form of the task's images, where it is made from images of a form. */
  format(images: ImageFormat): ImageFormat;
  /**
   * The task's images and labels: the training set made from training images alone, and the test set from test images alone.
   *
   * @param seed everything random depends on it. Trainings use the default, whatever their own seed, so that all see the same images
   */
  dataset(images: Dataset, seed?: number): Dataset;
}

/** Fashion-MNIST's classes. */
export const CLOTHES = ['T-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'] as const;

/** The form of a data set's images. */
export function formatOf({ train: { height, width, channels }, classes }: Dataset): ImageFormat {
  return { height, width, channels, classes };
}
