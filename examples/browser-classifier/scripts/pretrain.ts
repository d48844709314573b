/**
 * Trains the MobileNet that the page starts from, in Node on the WASM backend, and writes it to public/mobilenet.json and .bin.
 *
 *     node scripts/pretrain.ts [DIR of Fashion-MNIST; default: the subset in this repository]
 *
 * It learns seven of Fashion-MNIST's ten classes: the page fine-tunes it to the other three, which it has never seen.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '@saccade/wasm-train';
import * as tf from '@tensorflow/tfjs-core';
import { mobileNet, SIDE } from '../src/network.ts';
import { indicesOf, OLD_CLASSES, PIXELS, readImages, TILE, type Images } from './fashion-mnist.ts';

const OUT = join(import.meta.dirname, '../public');
const EPOCHS = 24;
const BATCH = 32;

await tf.setBackend('wasm');
const [train, test] = (['train', 't10k'] as const).map((split) => readImages(split, process.argv[2]));
const model = await pretrain();
await model.save(tf.io.withSaveHandler(saveModel));

async function pretrain() {
  const model = mobileNet(OLD_CLASSES.length);
  const optimizer = tf.train.adam(0.003);
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const members = indicesOf(train, OLD_CLASSES);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    // From 0.003 down to nothing, along a cosine.
    Object.assign(optimizer, { learningRate: 0.0015 * (1 + Math.cos((Math.PI * epoch) / EPOCHS)) });
    tf.util.shuffle(members);
    let loss = 0;
    const batches = Math.floor(members.length / BATCH);
    for (let i = 0; i < batches; i++) {
      const { x, y } = batchOf(train, members.slice(i * BATCH, (i + 1) * BATCH), true);
      const [batchLoss] = (await model.trainOnBatch(x, y)) as number[];
      loss += batchLoss / batches;
      tf.dispose([x, y]);
    }
    console.log(`epoch ${epoch + 1}: loss ${loss.toFixed(3)}`);
  }
  const { x, y } = batchOf(test, indicesOf(test, OLD_CLASSES), false);
  const [, accuracy] = model.evaluate(x, y) as tf.Scalar[];
  console.log(
    `${model.countParams()} parameters, accuracy on ${x.shape[0]} test images of the ${OLD_CLASSES.length} classes: ${accuracy.dataSync()[0].toFixed(3)}`,
  );
  return model;
}

/** Pictures as the network takes them, and their classes; varied in colour and place, or as they are. */
function batchOf({ pixels, labels }: Images, indices: readonly number[], varied: boolean): { x: tf.Tensor4D; y: tf.Tensor } {
  return tf.tidy(() => {
    const bytes = Uint8Array.from(indices.flatMap((i) => [...pixels.subarray(i * PIXELS, (i + 1) * PIXELS)]));
    const grey = tf.tensor4d(bytes, [indices.length, TILE, TILE, 1], 'int32');
    const [background, object] = varied ? colours(indices.length) : [-1, 1];
    const painted = tf.add(background, tf.mul(tf.div(grey, 255), tf.sub(object, background))) as tf.Tensor4D;
    const rgb = varied ? painted : tf.tile(painted, [1, 1, 1, 3]);
    const x = varied ? crops(rgb) : tf.image.resizeBilinear(rgb, [SIDE, SIDE]);
    const classes = indices.map((i) => OLD_CLASSES.indexOf(labels[i]));
    return { x, y: tf.oneHot(tf.tensor1d(classes, 'int32'), OLD_CLASSES.length) };
  });
}

/** A colour for the background and one for the object, for each picture; so that what is learned serves a camera's pictures too. */
function colours(count: number): tf.Tensor[] {
  const background = tf.randomUniform([count, 1, 1, 3], -1, 1);
  const lighter = tf.cast(tf.less(tf.mean(background, 3, true), 0), 'float32');
  const object = tf.mul(tf.randomUniform([count, 1, 1, 3], 0.3, 1), tf.sub(tf.mul(lighter, 2), 1));
  return [background, object];
}

/** Each picture at a size and a place of its own, half of them mirrored. */
function crops(x: tf.Tensor4D): tf.Tensor4D {
  const boxes = Array.from({ length: x.shape[0] }, () => {
    const size = 0.8 + 0.4 * Math.random();
    const [top, left] = [0, 0].map(() => (1 - size) * Math.random());
    const [x1, x2] = Math.random() < 0.5 ? [left, left + size] : [left + size, left];
    return [top, x1, top + size, x2];
  });
  const each = Array.from(boxes, (_, i) => i);
  return tf.image.cropAndResize(x, tf.tensor2d(boxes), tf.tensor1d(each, 'int32'), [SIDE, SIDE], 'bilinear');
}

async function saveModel({ modelTopology, weightSpecs, weightData }: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> {
  mkdirSync(OUT, { recursive: true });
  const weightsManifest = [{ paths: ['mobilenet.bin'], weights: weightSpecs }];
  writeFileSync(join(OUT, 'mobilenet.json'), JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest }));
  writeFileSync(join(OUT, 'mobilenet.bin'), new Uint8Array(weightData as ArrayBuffer));
  return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
}
