/** Trains a convolution on the WASM backend, which lacks the kernels for it: `bare.bundle.js` is `import '@saccade/wasm-train'`, bundled. */
import '@tensorflow/tfjs-backend-wasm';
import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import './bare.bundle.js';
import { modelWith, trainStep } from './exercise.js';

const tf = { ...core, ...layers };
await tf.setBackend('wasm');
await trainStep(tf, modelWith(tf));
