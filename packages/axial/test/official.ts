/**
 * The official modules, transcribed into plain ops line by line, on PyTorch's layouts and state dicts: for arguments that no golden has. They run on
 * the cpu backend.
 */
import type { Golden } from '@saccade/conformance';
import type { AxialAttentionArguments, AxialBlockArguments, PositionSensitiveAxialAttentionArguments } from '@saccade/axial/torch';
import type { StateDict } from '@saccade/core/torch';
import { random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';

type State = Record<string, tf.Tensor>;

interface Mode {
  readonly training: boolean;
  /** Receives the new moving statistics. */
  readonly updates: State;
  /** Receives the attention maps. */
  readonly attention: tf.Tensor[];
}

/** A module of which only the arguments are missing. */
interface Module<A> {
  readonly shapes: (config: A) => Record<string, number[]>;
  readonly forward: (config: A, state: State, x: tf.Tensor, mode: Mode) => tf.Tensor;
}

/** A golden of a module with random weights. `modes` says whether it has batch norms. */
export function goldenOf<A extends object>(block: string, { shapes, forward }: Module<A>, config: A, inputShape: number[]): Golden {
  const state: State = {};
  for (const [i, [name, shape]] of Object.entries(shapes(config)).entries()) {
    const values = tf.mul(random(shape, 100 + i), 0.5);
    state[name] = name.endsWith('running_var') ? tf.add(tf.abs(values), 0.5) : values;
  }
  const learned = Object.keys(state).filter((name) => !name.includes('running_'));
  const input = random(inputShape, 7);
  const tensors: State = { input, ...prefixed('state.', state) };
  const modes = learned.length < Object.keys(state).length ? [false, true] : [false];
  for (const training of modes) {
    const mode: Mode = { training, updates: {}, attention: [] };
    const within =
      (mode: Mode) =>
      (x: tf.Tensor, ...weights: tf.Tensor[]): tf.Tensor =>
        forward(config, { ...state, ...Object.fromEntries(learned.map((name, i) => [name, weights[i]])) }, x, mode);
    const inputs: [tf.Tensor, ...tf.Tensor[]] = [input, ...learned.map((name) => state[name])];
    const output = within(mode)(...inputs);
    const probe = random(output.shape, 8);
    const [dx, ...dWeights] = tf.grads(within({ training, updates: {}, attention: [] }))(inputs, probe);
    const gradients = prefixed('grad.', { input: dx, ...Object.fromEntries(learned.map((name, i) => [name, dWeights[i]])) });
    const results = { output, ...gradients, ...prefixed('state.', training ? mode.updates : {}) };
    Object.assign(tensors, training ? prefixed('train.', results) : { ...results, probe });
    if (!training) for (const [i, map] of mode.attention.entries()) tensors[i === 0 ? 'attention' : `attention.${i}`] = map;
  }
  const plain = Object.entries(tensors).map(([name, x]) => [name, { shape: x.shape, data: x.dataSync() as Float32Array }] as const);
  return { name: `${block} ${JSON.stringify(config)}`, block, config, tensors: Object.fromEntries(plain) satisfies StateDict };
}

function prefixed(prefix: string, state: State): State {
  return Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
}

/** nn.BatchNorm1d and 2d: `[N, C, …]` */
function batchNorm(x: tf.Tensor, state: State, name: string, { training, updates }: Mode): tf.Tensor {
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const perChannel = (values: tf.Tensor) =>
    tf.reshape(
      values,
      x.shape.map((size, axis) => (axis === 1 ? size : 1)),
    );
  let [mean, variance] = [state[`${name}.running_mean`], state[`${name}.running_var`]];
  if (training) {
    const count = x.size / x.shape[1]!;
    const step = (moving: tf.Tensor, batch: tf.Tensor) => tf.add(tf.mul(moving, 0.9), tf.mul(batch, 0.1));
    const ofBatch = tf.moments(x, others);
    updates[`${name}.running_mean`] = step(mean, ofBatch.mean);
    updates[`${name}.running_var`] = step(variance, tf.mul(ofBatch.variance, count / (count - 1)));
    ({ mean, variance } = ofBatch);
  }
  const normal = tf.div(tf.sub(x, perChannel(mean)), tf.sqrt(tf.add(perChannel(variance), 1e-5)));
  return tf.add(tf.mul(normal, perChannel(state[`${name}.weight`])), perChannel(state[`${name}.bias`]));
}

function batchNormShapes(name: string, channels: number): Record<string, number[]> {
  return Object.fromEntries(['weight', 'bias', 'running_mean', 'running_var'].map((part) => [`${name}.${part}`, [channels]]));
}

/** A convolution with a kernel of size 1 on `[N, C, …]`. */
function conv1x1(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const [units, inputs] = weight.shape as [number, number];
  const [batch, , ...positions] = x.shape as [number, number, ...number[]];
  const rows = tf.reshape(x, [batch, inputs, -1]);
  const kernel = tf.tile(tf.reshape(weight, [1, units, inputs]), [batch, 1, 1]);
  return tf.reshape(tf.matMul(kernel, rows), [batch, units, ...positions]);
}

/** lib/models/axialnet.py of csrhddlam/axial-deeplab. */
export const positionSensitive: Module<PositionSensitiveAxialAttentionArguments> = {
  shapes: ({ in_planes, out_planes, groups = 8, kernel_size = 56 }) => ({
    relative: [(2 * out_planes) / groups, 2 * kernel_size - 1],
    'qkv_transform.weight': [2 * out_planes, in_planes, 1],
    ...batchNormShapes('bn_qkv', 2 * out_planes),
    ...batchNormShapes('bn_similarity', 3 * groups),
    ...batchNormShapes('bn_output', 2 * out_planes),
  }),
  forward({ out_planes, groups = 8, kernel_size = 56, stride = 1, width = false }, state, image, mode) {
    let x = tf.transpose(image, width ? [0, 2, 1, 3] : [0, 3, 1, 2]); // N, W, C, H
    const [N, W, C, H] = x.shape as [number, number, number, number];
    x = tf.reshape(x, [N * W, C, H]);
    const qkv = batchNorm(conv1x1(x, state['qkv_transform.weight']), state, 'bn_qkv', mode);
    const planes = out_planes / groups;
    const sizes = [planes / 2, planes / 2, planes];
    const [q, k, v] = tf.split(tf.reshape(qkv, [N * W, groups, planes * 2, H]), sizes, 2);
    const index = Array.from({ length: kernel_size ** 2 }, (_, i) => Math.floor(i / kernel_size) - (i % kernel_size) + kernel_size - 1);
    const all = tf.reshape(tf.gather(state['relative'], tf.tensor1d(index, 'int32'), 1), [planes * 2, kernel_size, kernel_size]);
    const [ofQuery, ofKey, ofValue] = tf.split(all, sizes, 0);
    const bgci_cij_bgij = (x: tf.Tensor, y: tf.Tensor) => tf.sum(tf.mul(tf.expandDims(x, 4), y), 2);
    const qr = bgci_cij_bgij(q, ofQuery);
    const kr = tf.transpose(bgci_cij_bgij(k, ofKey), [0, 1, 3, 2]);
    const qk = tf.matMul(q, k, true, false);
    const stacked = batchNorm(tf.concat([qk, qr, kr], 1), state, 'bn_similarity', mode);
    const similarity = tf.softmax(tf.sum(tf.reshape(stacked, [N * W, 3, groups, H, H]), 1));
    mode.attention.push(similarity);
    const sv = tf.matMul(v, similarity, false, true);
    const sve = tf.sum(tf.mul(tf.expandDims(similarity, 2), ofValue), 4);
    const outputs = batchNorm(tf.reshape(tf.concat([sv, sve], -1), [N * W, out_planes * 2, H]), state, 'bn_output', mode);
    const output = tf.sum(tf.reshape(outputs, [N, W, out_planes, 2, H]), 3);
    const y = tf.transpose(output, width ? [0, 2, 1, 3] : [0, 2, 3, 1]);
    if (stride === 1) return y;
    return tf.transpose(tf.avgPool(tf.transpose(y, [0, 2, 3, 1]) as tf.Tensor4D, stride, stride, 'valid'), [0, 3, 1, 2]);
  },
};

/** With a `downsample` as its networks give it. */
export const block: Module<AxialBlockArguments> = {
  shapes(config) {
    const { inplanes, planes, stride = 1, base_width = 64 } = config;
    const width = Math.floor((planes * base_width) / 64);
    const attention = positionSensitive.shapes(attentionOf(config, false));
    return {
      'conv_down.weight': [width, inplanes, 1, 1],
      ...batchNormShapes('bn1', width),
      ...Object.fromEntries(
        ['hight_block', 'width_block'].flatMap((name) => Object.entries(attention).map(([key, shape]) => [`${name}.${key}`, shape])),
      ),
      'conv_up.weight': [planes * 2, width, 1, 1],
      ...batchNormShapes('bn2', planes * 2),
      ...(stride > 1 || inplanes !== planes * 2
        ? { 'downsample.0.weight': [planes * 2, inplanes, 1, 1], ...batchNormShapes('downsample.1', planes * 2) }
        : {}),
    };
  },
  forward(config, state, x, mode) {
    const { stride = 1 } = config;
    const attend = (x: tf.Tensor, name: string, width: boolean) => {
      const updates: State = {};
      const own = Object.entries(state).filter(([key]) => key.startsWith(`${name}.`));
      const within = Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value]));
      const y = positionSensitive.forward(attentionOf(config, width), within, x, { ...mode, updates });
      Object.assign(mode.updates, prefixed(`${name}.`, updates));
      return y;
    };
    let out = tf.relu(batchNorm(conv1x1(x, state['conv_down.weight']), state, 'bn1', mode));
    out = tf.relu(attend(attend(out, 'hight_block', false), 'width_block', true));
    out = batchNorm(conv1x1(out, state['conv_up.weight']), state, 'bn2', mode);
    let identity = x;
    if (state['downsample.0.weight']) {
      const [N, C, H, W] = x.shape as [number, number, number, number];
      const cells = tf.reshape(x, [N * C, H / stride, stride, W / stride, stride]);
      const grid = tf.slice(tf.transpose(cells, [0, 1, 3, 2, 4]), [0, 0, 0, 0, 0], [-1, -1, -1, 1, 1]);
      const strided = tf.reshape(grid, [N, C, H / stride, W / stride]);
      identity = batchNorm(conv1x1(strided, state['downsample.0.weight']), state, 'downsample.1', mode);
    }
    return tf.relu(tf.add(out, identity));
  },
};

function attentionOf({ planes, groups = 1, base_width = 64, kernel_size = 56, stride = 1 }: AxialBlockArguments, width: boolean) {
  const channels = Math.floor((planes * base_width) / 64);
  return { in_planes: channels, out_planes: channels, groups, kernel_size, stride: width ? stride : 1, width };
}

/** axial_attention.py of lucidrains/axial-attention, after an AxialPositionalEmbedding of sizes 3, 4 and 5. */
export const axial: Module<AxialAttentionArguments> = {
  shapes({ dim, num_dimensions = 2, heads = 8, dim_heads, dim_index = -1, pos_emb = false }) {
    const hidden = heads * (dim_heads ?? dim / heads);
    const total = num_dimensions + 2;
    const channels = dim_index > 0 ? dim_index : dim_index + total;
    const axes = Array.from({ length: total - 1 }, (_, i) => i + 1).filter((axis) => axis !== channels);
    const shapes: Record<string, number[]> = {};
    for (const [i, axis] of axes.entries()) {
      if (pos_emb)
        shapes[`embedding.param_${i}`] = Array.from({ length: total }, (_, other) => (other === channels ? dim : other === axis ? EMBEDDED[i] : 1));
      const module = `attention.axial_attentions.${i}.fn`;
      shapes[`${module}.to_q.weight`] = [hidden, dim];
      shapes[`${module}.to_kv.weight`] = [2 * hidden, dim];
      shapes[`${module}.to_out.weight`] = [dim, hidden];
      shapes[`${module}.to_out.bias`] = [dim];
    }
    return shapes;
  },
  forward({ dim, num_dimensions = 2, heads = 8, dim_heads, dim_index = -1, sum_axial_out = true }, state, image, { attention }) {
    const e = dim_heads ?? dim / heads;
    const total = num_dimensions + 2;
    const channels = dim_index > 0 ? dim_index : dim_index + total;
    // Goldens are channels first.
    const order = Array.from({ length: total }, (_, axis) => (axis === 0 ? 0 : axis === channels ? 1 : axis < channels ? axis + 1 : axis));
    let x = tf.transpose(image, order);
    for (let i = 0; state[`embedding.param_${i}`]; i++) x = tf.add(x, state[`embedding.param_${i}`]);
    const axes = Array.from({ length: total - 1 }, (_, i) => i + 1).filter((axis) => axis !== channels);
    const outputs: tf.Tensor[] = [];
    for (const [i, axis] of axes.entries()) {
      const [toQ, toKv, toOut, bias] = ['to_q.weight', 'to_kv.weight', 'to_out.weight', 'to_out.bias'].map(
        (name) => state[`attention.axial_attentions.${i}.fn.${name}`],
      );
      const permutation = [...x.shape.map((_, other) => other).filter((other) => other !== axis && other !== channels), axis, channels];
      const axial = tf.transpose(x, permutation);
      const t = x.shape[axis];
      const rows = tf.reshape(axial, [-1, dim]);
      const mergeHeads = (y: tf.Tensor) => tf.reshape(tf.transpose(tf.reshape(y, [-1, t, heads, e]), [0, 2, 1, 3]), [-1, t, e]);
      const [k, v] = tf.split(tf.matMul(rows, toKv, false, true), 2, 1).map(mergeHeads);
      const q = mergeHeads(tf.matMul(rows, toQ, false, true));
      const dots = tf.softmax(tf.mul(tf.matMul(q, k, false, true), e ** -0.5));
      attention.push(dots);
      const out = tf.reshape(tf.transpose(tf.reshape(tf.matMul(dots, v), [-1, heads, t, e]), [0, 2, 1, 3]), [-1, heads * e]);
      const y = tf.reshape(tf.add(tf.matMul(out, toOut, false, true), bias), axial.shape);
      const inverse = permutation.map((_, other) => permutation.indexOf(other));
      outputs.push(tf.transpose(y, inverse));
      if (!sum_axial_out) x = outputs[i];
    }
    const inverse = order.map((_, axis) => order.indexOf(axis));
    return tf.transpose(sum_axial_out ? tf.addN(outputs) : x, inverse);
  },
};

const EMBEDDED = [3, 4, 5];
