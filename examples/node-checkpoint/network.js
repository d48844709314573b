import { readSafetensors } from '@saccade/core/torch';
import { fromTorch } from '@saccade/se/torch';
import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';

/**
 * The network of train.py, with the weights of its checkpoint.
 *
 * @param {Uint8Array} checkpoint a safetensors file
 * @returns the model, from pictures `[N, 28, 28, 1]` of 0 to 1 to logits `[N, classes]`, and the names of its classes
 */
export function readNetwork(checkpoint) {
  const { tensors: state, metadata } = readSafetensors(checkpoint);
  const model = sequential({
    layers: [
      layers.inputLayer({ inputShape: [28, 28, 1] }),
      ...stage(under(state, 'stage1')),
      layers.maxPooling2d({ poolSize: 2 }),
      ...stage(under(state, 'stage2')),
      layers.maxPooling2d({ poolSize: 2 }),
      ...stage(under(state, 'stage3')),
      layers.globalAveragePooling2d({}),
      fullyConnected(under(state, 'fc')),
    ],
  });
  return { model, classes: JSON.parse(metadata.classes) };
}

/** Convolution, batch norm, ReLU and squeeze-and-excitation: `Stage` in train.py. */
function stage(state) {
  const [filters] = state['conv.weight'].shape;
  const kernel = tf.transpose(toTensor(state['conv.weight']), [2, 3, 1, 0]); // PyTorch: [filters, inputs, kH, kW]
  const norm = ['weight', 'bias', 'running_mean', 'running_var'];
  return [
    layers.conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false, weights: [kernel] }),
    layers.batchNormalization({ epsilon: 1e-5, weights: norm.map((name) => toTensor(state[`bn.${name}`])) }),
    layers.activation({ activation: 'relu' }),
    fromTorch({ config: { channels: filters, rd_channels: filters / 4 }, state: under(state, 'se') }),
  ];
}

function fullyConnected(state) {
  const kernel = tf.transpose(toTensor(state.weight)); // PyTorch: [outputs, inputs]
  return layers.dense({ units: kernel.shape[1], weights: [kernel, toTensor(state.bias)] });
}

/** The part of a state dict that belongs to a submodule. */
function under(state, module) {
  const prefix = `${module}.`;
  const entries = Object.entries(state).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(prefix.length), value]));
}

function toTensor({ data, shape }) {
  return tf.tensor(data, [...shape]);
}
