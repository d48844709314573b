import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel, type LayersModel } from '@tensorflow/tfjs-layers';
import { withCoordinateAttention } from './network.ts';

/** A picture, `SIDE` by `SIDE`, and the class that it shows. */
export interface Example {
  readonly picture: ImageData;
  readonly label: number;
}

export const EPOCHS = 12;
const BATCH = 16;

/** The trained MobileNet with coordinate attention, which knows nothing yet of its new classes. */
export async function newClassifier(classes: number): Promise<LayersModel> {
  const trained = await loadLayersModel(new URL('mobilenet.json', document.baseURI).href);
  const model = withCoordinateAttention(trained, classes);
  trained.dispose(); // but for what the two share
  return model;
}

/**
 * Trains all weights on examples and on their mirror images.
 *
 * @param onEpoch told the mean loss of each epoch
 */
export async function fineTune(model: LayersModel, examples: readonly Example[], onEpoch: (loss: number) => void): Promise<void> {
  const [classes] = model.outputShape.slice(-1) as number[];
  const { x, y } = tf.tidy(() => {
    const pictures = toBatch(examples.map(({ picture }) => picture));
    const labels = tf.oneHot(
      examples.map(({ label }) => label),
      classes,
    );
    return { x: tf.concat([pictures, tf.reverse(pictures, 2)]), y: tf.concat([labels, labels]) };
  });
  const optimizer = tf.train.adam(0.003);
  model.compile({ optimizer, loss: 'categoricalCrossentropy' });
  const onEpochEnd = async (_: number, logs?: { loss?: number }) => onEpoch(logs!.loss!);
  await model.fit(x, y, { epochs: EPOCHS, batchSize: BATCH, shuffle: true, verbose: 0, callbacks: { onEpochEnd } });
  optimizer.dispose();
  tf.dispose([x, y]);
}

/** The probabilities of all classes, for each picture. */
export async function predict(model: LayersModel, pictures: readonly ImageData[]): Promise<number[][]> {
  const probabilities = tf.tidy(() => model.predict(toBatch(pictures)) as tf.Tensor2D);
  const rows = await probabilities.array();
  probabilities.dispose();
  return rows;
}

/** `[N, H, W, 3]`, −1 to 1. */
function toBatch(pictures: readonly ImageData[]): tf.Tensor4D {
  const pixels = tf.stack(pictures.map((picture) => tf.browser.fromPixels(picture))) as tf.Tensor4D;
  return tf.sub(tf.div(pixels, 127.5), 1);
}
