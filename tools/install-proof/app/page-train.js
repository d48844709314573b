/** A page that trains a step with each package and saves the models in the browser's database. */
import * as tf from '@tensorflow/tfjs';
import { packages } from './packages.js';
import { cheapestLayer, modelWith, trainStep } from './exercise.js';

async function trainAll() {
  // The CPU backend computes the same everywhere and needs no shader compiled: the kernels are proven elsewhere.
  await tf.setBackend('cpu');
  const outputs = {};
  for (const [name, exports] of Object.entries(packages)) {
    const model = modelWith(tf, cheapestLayer(exports));
    outputs[name] = await trainStep(tf, model);
    await model.save(`indexeddb://${name}`);
  }
  return outputs;
}

globalThis.proof = trainAll();
