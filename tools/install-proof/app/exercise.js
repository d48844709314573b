/**
 * What every app does with a package's layers. `tf` is TensorFlow.js, whole, or its core and layers in one object: the same files run in Node and in
 * a page, by `import` and by `require`.
 */

/** The cheapest layer of a package, or undefined where it has none. One is enough: what a tarball lacks, all its layers lack. */
export function cheapestLayer(exports) {
  const layers = Object.values(exports)
    .filter((value) => value?.className && value.prototype.cost)
    .map((Layer) => new Layer());
  const macs = (layer) => layer.cost([1, 8, 8, 64]).macs;
  return layers.toSorted((a, b) => macs(a) - macs(b))[0];
}

/** A small model around layers, one after the other. */
export function modelWith(tf, ...layers) {
  const input = tf.input({ shape: [8, 8, 3] });
  const convolution = tf.layers.conv2d({ filters: 64, kernelSize: 3, padding: 'same' });
  const features = [convolution, ...layers].reduce((x, layer) => layer.apply(x), input);
  return tf.model({ inputs: input, outputs: [features].flat().map((x) => tf.layers.globalAveragePooling2d({}).apply(x)) });
}

/** Trains one step. Returns what the model then predicts. */
export async function trainStep(tf, model) {
  const before = predict(tf, model);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const goals = model.outputs.map(({ shape }) => tf.ones([1, shape[1]]));
  await model.trainOnBatch(probe(tf), goals);
  const after = predict(tf, model);
  if (!after.every(Number.isFinite)) throw new Error('After a step of training the output is not finite.');
  if (String(after) === String(before)) throw new Error('A step of training changed nothing.');
  return after;
}

/** A model's outputs for an input that is always the same. */
export function predict(tf, model) {
  return [model.predict(probe(tf))].flat().flatMap((output) => Array.from(output.dataSync()));
}

function probe(tf) {
  return tf.reshape(tf.sin(tf.range(0, 8 * 8 * 3)), [1, 8, 8, 3]);
}
