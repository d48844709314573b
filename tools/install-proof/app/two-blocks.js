/** `node two-blocks.js BLOCK BLOCK`: one model with a layer of each, trained, saved and loaded. */
import '@tensorflow/tfjs-backend-cpu';
import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { cheapestLayer, modelWith, predict, trainStep } from './exercise.js';
import { fromFile, toFile } from './saved.js';

const tf = { ...core, ...layers };
const blocks = await Promise.all(process.argv.slice(2).map((entry) => import(entry)));
const model = modelWith(tf, ...blocks.map(cheapestLayer));
const trained = await trainStep(tf, model);
await model.save(toFile);
const reloaded = predict(tf, await tf.loadLayersModel(fromFile));
if (String(reloaded) !== String(trained)) throw new Error('The reloaded model predicts something else than the saved one.');
