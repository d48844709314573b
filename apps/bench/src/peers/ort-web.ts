import type { Tensor } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-web/wasm';
import type { Peer } from '../engine/peer.ts';
import type { Graph } from './graph.ts';
import { channelsFirst, channelsLast } from './layout.ts';
import { encodeOnnx } from './onnx.ts';

/** A graph on onnxruntime-web's wasm backend, with SIMD and one thread, called as an application calls it: maps in and out are JavaScript's. */
export async function ortWeb(graph: Graph, input: Tensor): Promise<Peer> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(encodeOnnx(graph), { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  const feeds = { [graph.input.name]: new ort.Tensor('float32', await channelsFirst(input), graph.input.shape) };
  return {
    version: `onnxruntime-web ${ort.env.versions.web}`,
    output: async () => {
      const { [graph.output]: map } = await session.run(feeds);
      return channelsLast(map.data as Float32Array, map.dims);
    },
    time: async (repetitions) => {
      const start = performance.now();
      for (let i = 0; i < repetitions; i++) await session.run(feeds);
      return performance.now() - start;
    },
    close: () => session.release(),
  };
}
