import { fileURLToPath } from 'node:url';
import { crissCrossAttention } from '@saccade/ccnet';
import { readSafetensors } from '@saccade/core/torch';
import { nonLocal } from '@saccade/nonlocal';
import { squeezeExcite } from '@saccade/se';
import { useBackend } from '@saccade/backends';
import {
  add,
  argMax,
  cast,
  concat,
  dispose,
  div,
  eye,
  grad,
  matMul,
  memory,
  mul,
  oneHot,
  ones,
  randomNormal,
  range,
  relu,
  reshape,
  slice,
  sub,
  sum,
  tensor1d,
  tidy,
  zeros,
  type Tensor,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { networkOf } from '../src/engine/network.ts';
import { perturbWeights } from '../src/engine/weights.ts';
import type { BenchLayer } from '../src/entry.ts';
import { gradCam } from '../src/look/grad-cam.ts';
import { toHalf } from '../src/look/half.ts';
import { mapsOf, meanDistance, networkBefore, placesOf, reachOf, spreadOver, type AttentionLayer, type PlaneMap } from '../src/look/maps.ts';
import { loadNetwork, restoreNetwork, saveNetwork, type Provenance } from '../src/look/saved-network.ts';
import { imageFor, openViewer, predict, type Viewer } from '../src/look/viewer.ts';
import { discover } from '../src/node/discover.ts';

beforeAll(() => useBackend('wasm'));

const provenance: Provenance = {
  task: 'scenes',
  block: 'SqueezeExcite',
  package: '@saccade/se',
  packageVersion: '1.0.0',
  seed: 1,
  epochs: 3,
  data: '2026',
  metric: 'mean IoU',
  score: 0.5,
  params: 1234,
  images: { height: 28, width: 28, channels: 1, classes: 10 },
  mean: [72.9],
  deviation: [90.1],
  backend: 'wasm',
  versions: { tfjs: '4.22.0' },
  commit: null,
  date: '2026-01-02T03:04:05.000Z',
};

const withSqueezeExcite = (seed: number, channels = 1) =>
  networkOf('clothes', { height: 16, width: 16, channels: channels, classes: 10 }, seed, {
    slot: 'branch',
    layer: () => squeezeExcite({ reduction: 4 }),
  });

describe('saved networks', () => {
  it('come back with the same outputs to the precision of 16 bits, and exactly from then on', async () => {
    const trained = withSqueezeExcite(1);
    for (const layer of trained.layers) await perturbWeights(layer as BenchLayer);
    const bytes = await saveNetwork(trained, provenance);
    expect(bytes.length).toBeLessThan(2.1 * trained.countParams() + 8_000);

    // Layers made later have other names.
    const restored = withSqueezeExcite(2);
    restoreNetwork(restored, loadNetwork(bytes).weights);
    const x = randomNormal([2, 16, 16, 1], 0, 1, 'float32', 7);
    const [expected, received] = await Promise.all([trained, restored].map(async (network) => (network.apply(x) as Tensor).data()));
    const largest = Math.max(...expected.map(Math.abs));
    expect(Math.max(...expected.map((value, i) => Math.abs(value - received[i])))).toBeLessThan(5e-3 * largest);
    expect(await saveNetwork(restored, provenance)).toEqual(bytes);
  });

  it('say where they come from', async () => {
    const bytes = await saveNetwork(withSqueezeExcite(1), provenance);
    expect(loadNetwork(bytes).provenance).toEqual(provenance);
    expect(readSafetensors(bytes).metadata).toMatchObject({ task: 'scenes', block: 'SqueezeExcite', data: '2026', seed: '1' });
  });

  it('are refused where they do not fit, and where they are none', async () => {
    const bytes = await saveNetwork(withSqueezeExcite(1), provenance);
    const { weights } = loadNetwork(bytes);
    const plain = networkOf('clothes', { height: 16, width: 16, channels: 1, classes: 10 }, 1, null);
    const before = await plain.weights[0].read().data();
    expect(() => restoreNetwork(plain, weights)).toThrow(/has a weight ".*squeeze_excite.*" that the network lacks/i);
    expect(await plain.weights[0].read().data()).toEqual(before);
    expect(() => restoreNetwork(withSqueezeExcite(1, 3), weights)).toThrow(
      /"stem\/kernel" of shape \[3, 3, 1, 16\], where the network's is \[3, 3, 3, 16\]/,
    );
    const without = { ...weights };
    delete without['classifier/bias'];
    expect(() => restoreNetwork(withSqueezeExcite(1), without)).toThrow('has no weight "classifier/bias"');
    await expect(saveNetwork(withSqueezeExcite(1), { ...provenance, score: 2 }).then(loadNetwork)).rejects.toThrow(/"score"/);
    expect(() => loadNetwork(bytes.subarray(0, 100))).toThrow(/Not a safetensors file/);
  });

  it('round to the nearest 16-bit float, ties to the even', () => {
    const cases = [
      0,
      -0,
      1,
      -2,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65504,
      65519,
      65520,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      3 * 2 ** -25,
      2047.5 * 2 ** -25,
      1e-9,
      Infinity,
      -0.1,
    ];
    const halves = [0, 0x8000, 0x3c00, 0xc000, 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 0x0400, 1, 0, 2, 0x0400, 0, 0x7c00, 0xae66];
    expect(cases.map(toHalf)).toEqual(halves);
  });
});

const SIZE = 64;
/** One image of a network's size. */
const image = () => randomNormal([1, SIZE, SIZE, 1], 0, 1, 'float32', 3) as Tensor4D;

describe('maps', () => {
  it('are those of the block on the features before it', async () => {
    const network = networkOf('scenes', { height: 28, width: 28, channels: 1, classes: 10 }, 1, { slot: 'stage', layer: () => nonLocal() });
    for (const layer of network.layers) await perturbWeights(layer as BenchLayer);
    const places = placesOf(network);
    expect(places.map(({ height, width, channels }) => [height, width, channels])).toEqual([
      [32, 32, 16],
      [16, 16, 32],
    ]);
    // The features, computed layer by layer, without a model of their own.
    const values = new Map([[network.inputs[0].id, image() as Tensor]]);
    for (const layer of network.layers.slice(1)) {
      const inputs = [layer.input].flat().map(({ id }) => values.get(id)!);
      values.set((layer.output as SymbolicTensor).id, layer.apply(inputs.length > 1 ? inputs : inputs[0]) as Tensor);
    }
    for (const place of places) {
      const expected = place.layer.attentionMaps(values.get((place.layer.input as SymbolicTensor).id)!, { queries: [37] });
      const x = networkBefore(network, place).apply(image()) as Tensor;
      const [map] = (await mapsOf(place.layer, x, 37)) as PlaneMap[];
      expect(map).toMatchObject({ kind: 'plane', name: 'query', height: place.height, width: place.width, ofQuery: true });
      expect(map.planes[0]).toEqual(await expected['query'].data());
    }
  });

  it('of every block can be drawn, on the plane that they are of', async () => {
    const packages = discover(fileURLToPath(new URL('../../..', import.meta.url)));
    const entries = (await Promise.all(packages.map(({ load }) => load()))).flat();
    expect(entries.length).toBeGreaterThan(40);
    const [height, width, channels] = [16, 8, 32];
    const x = randomNormal([1, height, width, channels], 0, 1, 'float32', 5);
    const query = 5 * width + 3;
    for (const { block, hostLayer, layer: make } of entries) {
      const layer = (hostLayer ?? make)(channels) as unknown as AttentionLayer;
      const raw = layer.attentionMaps(x, { queries: [query] });
      const maps = await mapsOf(layer, x, query);
      expect(maps.length, block).toBeGreaterThan(0);
      for (const map of maps) {
        if (map.kind !== 'plane') continue;
        expect(map.height / map.width, `${block} ${map.name}`).toBe(height / width);
        const total = map.planes.reduce((sum, plane) => sum + plane.reduce((a, b) => a + b, 0), 0);
        // A query's weights are there all, and once.
        if (map.name.startsWith('query')) expect(total, `${block} ${map.name}`).toBeCloseTo((await sum(raw[map.name]).data())[0], 3);
      }
    }
  });

  it('put weights where they belong', async () => {
    const [height, width] = [4, 4];
    const at = (row: number, column: number) => row * width + column;
    const draw = async (name: string, shape: number[], query = at(1, 2)) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const layer = { attentionMaps: () => ({ [name]: reshape(range(1, size + 1), shape) }) } as unknown as AttentionLayer;
      return (await mapsOf(layer, zeros([1, height, width, 4]), query))[0];
    };
    const values = async (...args: Parameters<typeof draw>) => ((await draw(...args)) as PlaneMap).planes.map((plane) => Array.from(plane));
    // The column from the top, then the row; the query itself has both.
    expect(await values('query', [1, 1, 8])).toEqual([[0, 0, 1, 0, 5, 6, 2 + 7, 8, 0, 0, 3, 0, 0, 0, 4, 0]]);
    expect(await draw('query', [1, 2, 1, 4])).toMatchObject({
      height: 2,
      width: 2,
      planes: [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8)],
    });
    // Whole lines: the query's row of the weights of each head.
    expect(await values('width', [1, 1, 1, 4, 4])).toEqual([[0, 0, 0, 0, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0]]);
    expect((await values('height', [1, 1, 2, 4, 4]))[1]).toEqual([0, 0, 21, 0, 0, 0, 22, 0, 0, 0, 23, 0, 0, 0, 24, 0]);
    // Squeezed lines, a weight for all of a row.
    expect(await values('row', [1, 1, 4, 4])).toEqual([[5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8]]);
    // Strips: a plane for each channel.
    expect((await values('height', [1, 4, 3]))[1]).toEqual([2, 2, 2, 2, 5, 5, 5, 5, 8, 8, 8, 8, 11, 11, 11, 11]);
    // On a square map whose channels are as many as its rows, the shape of a gate is that of a stack of maps.
    expect((await values('gate', [1, 4, 4, 4]))[0]).toEqual(Array.from({ length: 16 }, (_, i) => 1 + 4 * i));
    expect((await values('gather', [1, 4, 4, 4]))[0]).toEqual(Array.from({ length: 16 }, (_, i) => 1 + i));
    expect(await draw('channel', [1, 4, 4])).toMatchObject({ kind: 'affinity', channels: 4 });
    expect(await draw('channel', [1, 2, 4])).toMatchObject({ kind: 'channel', rows: [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8)] });
    await expect(draw('query', [1, 1, 7])).rejects.toThrow(/7 keys/);
  });

  it('of criss-cross attention reach the cross in one loop, and all positions in two', async () => {
    const x = randomNormal([1, 6, 5, 8], 0, 1, 'float32', 5);
    const query = 2 * 5 + 3;
    const reach = async (recurrence: number) => {
      const layer = crissCrossAttention({ recurrence, reduction: 2 });
      layer.apply(x);
      await perturbWeights(layer);
      return [...(await reachOf(layer, x))!(query).planes[0]];
    };
    const [once, twice] = [await reach(1), await reach(2)];
    once.forEach((weight, p) => expect(weight > 0, `${p}`).toBe(Math.floor(p / 5) === 2 || p % 5 === 3));
    expect(Math.min(...twice)).toBeGreaterThan(0);
    for (const weights of [once, twice]) expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(await reachOf(squeezeExcite(), x)).toBeNull();
  });

  it('of loops are put together from the last to the first', async () => {
    // On a map of one row, each position attends to one of it: to the next in the first loop; the first two to each other in the second.
    const rows = (targets: number[]) => concat([zeros([1, 3, 1]), cast(reshape(oneHot(tensor1d(targets, 'int32'), 3), [1, 3, 3]), 'float32')], 2);
    const layer = {
      getConfig: () => ({ recurrence: 2 }),
      attentionMaps: () => ({ query: rows([1, 2, 0]), query1: rows([1, 0, 2]) }),
    } as unknown as AttentionLayer;
    const reach = (await reachOf(layer, zeros([1, 1, 3, 4])))!;
    expect([0, 1, 2].map((query) => reach(query).planes[0].indexOf(1))).toEqual([2, 1, 0]);
  });

  it('of criss-cross attention are what its output depends on', async () => {
    // With values that are the input itself and a gate of 1, the block adds to x what it gathers: its derivative is the map.
    const [height, width, channels] = [3, 4, 4];
    const x = randomNormal([1, height, width, channels], 0, 1, 'float32', 5);
    const layer = crissCrossAttention({ recurrence: 2, reduction: 2 });
    layer.apply(x);
    layer.setWeights(
      layer.weights.map(({ originalName, shape }) => {
        if (originalName.endsWith('value/kernel')) return eye(channels);
        if (originalName.endsWith('gamma')) return ones(shape as number[]);
        // Keys of which none depends on x: all of a cross get the same weight, in every loop.
        return zeros(shape as number[]);
      }),
    );
    const query = 6;
    const gradient = grad((input: Tensor) => sum(slice(layer.apply(input) as Tensor, [0, 1, 2, 0], [1, 1, 1, 1])))(x);
    const expected = await slice(gradient, [0, 0, 0, 0], [1, height, width, 1]).data();
    const { planes } = (await reachOf(layer, x))!(query);
    // (1 + A)(1 + A) = 1 + 2A + A², the residual connections and both loops' maps.
    const [cross] = ((await mapsOf(layer, x, query)) as PlaneMap[])[0].planes;
    const received = planes[0].map((weight, p) => (p === query ? 1 : 0) + 2 * cross[p] + weight);
    received.forEach((value, p) => expect(value).toBeCloseTo(expected[p], 5));
  });

  it('are as far apart as they differ', async () => {
    expect(meanDistance([Float32Array.of(1, 0), Float32Array.of(0, 3)])).toBe(0.5);
    expect(meanDistance([Float32Array.of(1, 0), Float32Array.of(2, 0), Float32Array.of(0, 1)])).toBeCloseTo((0 + 0.5 + 0.5) / 3, 10);
    const x = randomNormal([1, 8, 8, 16], 0, 1, 'float32', 5);
    const queries = spreadOver({ height: 8, width: 8 }, 3);
    expect(queries).toEqual([9, 12, 14, 33, 36, 38, 49, 52, 54]);
    const layer = nonLocal() as unknown as AttentionLayer;
    layer.apply(x);
    await perturbWeights(layer as unknown as BenchLayer);
    const distance = async () =>
      meanDistance((await Promise.all(queries.map((query) => mapsOf(layer, x, query)))).map(([map]) => (map as PlaneMap).planes[0]));
    expect(await distance()).toBeGreaterThan(0.01);
    // A query that is its bias alone is the same at all positions, and so is what it attends to.
    layer.setWeights(
      layer.weights.map((weight) => (/(query|theta)\/kernel$/.test(weight.originalName) ? zeros(weight.shape as number[]) : weight.read())),
    );
    expect(await distance()).toBeCloseTo(0, 6);
    const [map] = (await mapsOf(layer, x, 0)) as PlaneMap[];
    expect(Math.max(...map.planes[0])).toBeGreaterThan(1.5 * Math.min(...map.planes[0]));
  });
});

describe('Grad-CAM', () => {
  it('of pooling and a linear classifier is the class activation map', async () => {
    const network = networkOf('clothes', { height: 32, width: 32, channels: 1, classes: 5 }, 1, {
      slot: 'branch',
      layer: () => squeezeExcite({ reduction: 4 }),
    });
    for (const layer of network.layers) await perturbWeights(layer as BenchLayer);
    const x = randomNormal([1, 32, 32, 1], 0, 1, 'float32', 9) as Tensor4D;
    const pooling = network.layers.at(-2)!;
    const features = model({ inputs: network.inputs, outputs: pooling.input }).apply(x) as Tensor4D; // [1, 4, 4, 64]
    const kernel = network.getLayer('classifier').getWeights()[0]; // [64, 5]
    for (const label of [0, 3]) {
      const { height, width, values } = await gradCam(network, x, label);
      expect([height, width]).toEqual(features.shape.slice(1, 3));
      const weights = slice(kernel, [0, label], [-1, 1]);
      const expected = await relu(div(matMul(reshape(features, [-1, 64]), weights), height * width)).data();
      expect(Math.max(...expected)).toBeGreaterThan(0);
      values.forEach((value, p) => expect(value).toBeCloseTo(expected[p], 5));
    }
  });

  it('of dense labels weighs channels by the finite differences of the score over the pixels of the class', async () => {
    const network = networkOf('scenes', { height: 28, width: 28, channels: 1, classes: 2 }, 1, null);
    for (const layer of network.layers) await perturbWeights(layer as BenchLayer);
    const x = image();
    const [classifier, upsample] = [network.getLayer('classifier'), network.getLayer('upsample')];
    const features = model({ inputs: network.inputs, outputs: classifier.input }).apply(x) as Tensor4D; // [1, 16, 16, 64]
    const tail = (map: Tensor) => upsample.apply(classifier.apply(map)) as Tensor;
    const predicted = Array.from(await argMax(tail(features), -1).data());
    const labels = [...new Set(predicted)];
    expect(labels.length).toBeGreaterThan(1);
    const score = async (map: Tensor, label: number) => {
      const logits = await tail(map).data();
      return predicted.reduce((total, guess, p) => total + (guess === label ? logits[3 * p + label] : 0), 0);
    };
    const [positions, channels] = [256, 64];
    for (const label of labels) {
      const alphas = new Float32Array(channels);
      for (const channel of alphas.keys()) {
        // All positions by so much: the sum over them of the gradient. The tail is linear, so that any step will do.
        const step = mul(oneHot(tensor1d([channel], 'int32'), channels), 4);
        const difference = (await score(add(features, step), label)) - (await score(sub(features, step), label));
        alphas[channel] = difference / 8 / positions;
      }
      const expected = await relu(matMul(reshape(features, [positions, channels]), reshape(tensor1d(alphas), [channels, 1]))).data();
      const { values } = await gradCam(network, x, label);
      const largest = Math.max(...expected);
      values.forEach((value, p) => expect(Math.abs(value - expected[p])).toBeLessThan(2e-3 * largest));
    }
  });
});

describe('the viewer', () => {
  const packages = discover(fileURLToPath(new URL('../../..', import.meta.url)));
  const images = { height: 28, width: 28, channels: 1, classes: 10 };
  const savedAs = async (block: string, name: string) => {
    const entries = await packages.find((candidate) => candidate.name === name)!.load();
    const { slot, layer, hostLayer } = entries.find((candidate) => candidate.block === block)!;
    const network = networkOf('scenes', images, 5, { slot, layer: hostLayer ?? layer });
    for (const built of network.layers) await perturbWeights(built as BenchLayer);
    return loadNetwork(await saveNetwork(network, { ...provenance, block, package: name, images }));
  };

  it('builds a saved network anew, with as many loops as are asked for', async () => {
    const saved = await savedAs('CrissCrossAttention', '@saccade/ccnet');
    const pixels = Uint8Array.from({ length: SIZE * SIZE }, (_, p) => (p * 37) % 256);
    const outputs = async (viewer: Viewer) => Array.from(await (viewer.network.apply(imageFor(viewer, pixels)) as Tensor).data());
    const [own, once, twice] = await Promise.all([null, 1, 2].map((recurrence) => openViewer(saved, packages, recurrence)));
    expect([own, once, twice].map(({ recurrence }) => recurrence)).toEqual([2, 1, 2]);
    expect(await outputs(twice)).toEqual(await outputs(own));
    expect(await outputs(once)).not.toEqual(await outputs(own));
    const { shares, pixels: labels } = await predict(own, imageFor(own, pixels));
    const logits = await outputs(own);
    const best = Array.from({ length: SIZE * SIZE }, (_, p) => logits.slice(11 * p, 11 * (p + 1))).map((row) => row.indexOf(Math.max(...row)));
    expect(Array.from(labels!)).toEqual(best);
    expect(shares).toEqual(own.task.labels.map((_, label) => best.filter((guess) => guess === label).length / best.length));
    const mean = (pixels.reduce((sum, value) => sum + value, 0) / pixels.length - provenance.mean[0]) / provenance.deviation[0];
    expect(Array.from(await imageFor(own, pixels).data()).reduce((sum, value) => sum + value, 0) / pixels.length).toBeCloseTo(mean, 4);
  });

  it('leaves no tensor behind', async () => {
    const saved = await savedAs('CrissCrossAttention', '@saccade/ccnet');
    const look = async () => {
      const viewer = await openViewer(saved, packages, 1);
      const picture = imageFor(viewer, new Uint8Array(SIZE * SIZE).fill(100));
      await predict(viewer, picture);
      await gradCam(viewer.network, picture, 3);
      const [place] = viewer.places;
      const before = networkBefore(viewer.network, place);
      const x = tidy(() => before.apply(picture) as Tensor);
      await reachOf(place.layer, x);
      await mapsOf(place.layer, x, 7);
      dispose([picture, x]);
      viewer.network.dispose();
    };
    await look();
    const { numTensors } = memory();
    await look();
    expect(memory().numTensors).toBe(numTensors);
  });

  it('says which block it lacks', async () => {
    const saved = await savedAs('SqueezeExcite', '@saccade/se');
    await expect(openViewer(saved, [])).rejects.toThrow('SqueezeExcite of @saccade/se');
  });
});
