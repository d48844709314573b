/**
 * Classifies pictures by a network that was trained in PyTorch.
 *
 *     node classify.js [--json] [PNG…]
 *
 * Pictures are grey, bright things on black, as in Fashion-MNIST. Default: those in images/. `--json` prints the logits too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { PNG } from 'pngjs';
import { readNetwork } from './network.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const bundled = () => readdirSync(join(here, 'images')).map((name) => relative('.', join(here, 'images', name)));
const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean', default: false } } });
const files = positionals.length > 0 ? positionals : bundled();

await tf.setBackend('wasm');
const { model, classes } = readNetwork(readFileSync(join(here, 'se-net.safetensors')));
const results = files.map((file) => classify(file));
if (options.json) console.log(JSON.stringify(results, null, 2));
else for (const { file, name, probability } of results) console.log(`${file}: ${name} ${(100 * probability).toFixed(1)} %`);

function classify(file) {
  return tf.tidy(() => {
    const logits = model.predict(readPicture(file));
    const probabilities = [...tf.softmax(logits).dataSync()];
    const probability = Math.max(...probabilities);
    return { file, name: classes[probabilities.indexOf(probability)], probability, logits: [...logits.dataSync()] };
  });
}

/** A picture of any size as `[1, 28, 28, 1]`, 0 to 1. */
function readPicture(file) {
  const pixels = tf.browser.fromPixels(PNG.sync.read(readFileSync(file)), 1);
  return tf.expandDims(tf.div(tf.image.resizeBilinear(pixels, [28, 28]), 255));
}
