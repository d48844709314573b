/** Loads the saved model, in an app that imports the package for its registration alone: `bare.bundle.js` is `import '@saccade/se'`, bundled. */
import '@tensorflow/tfjs-backend-cpu';
import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import './bare.bundle.js';
import { predict } from './exercise.js';
import { fromFile } from './saved.js';

const tf = { ...core, ...layers };
console.log(JSON.stringify(predict(tf, await tf.loadLayersModel(fromFile))));
