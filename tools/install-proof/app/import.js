/** `node import.js ENTRY…`: imports all that a package offers; trains a step with its cheapest layer, if it has layers, and saves the model. */
import '@tensorflow/tfjs-backend-cpu';
import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { cheapestLayer, modelWith, trainStep } from './exercise.js';
import { toFile } from './saved.js';

const tf = { ...core, ...layers };
const [main] = await Promise.all(process.argv.slice(2).map((entry) => import(entry)));
const layer = cheapestLayer(main);
if (layer) {
  const model = modelWith(tf, layer);
  const output = await trainStep(tf, model);
  await model.save(toFile);
  console.log(JSON.stringify(output));
}
