import type { Tensor } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-web/wasm';
import type { Peer } from '../engine/peer.ts';
import type { Timer } from '../engine/sampling.ts';
import { twice, type Graph } from './graph.ts';
import { channelsFirst, channelsLast } from './layout.ts';
import { encodeOnnx } from './onnx.ts';

/** A graph on onnxruntime-web's wasm backend, with SIMD and one thread, called as applications call it: maps go in and come out as JavaScript's. */
export async function ortWeb(graph: Graph, input: Tensor): Promise<Peer> {
  ort.env.wasm.numThreads = 1;
  const feeds = { [graph.input.name]: new ort.Tensor('float32', await channelsFirst(input), graph.input.shape) };
  const one = await sessionOf(graph);
  const { dims } = (await one.run(feeds))[graph.output];
  const two = dims.join() === graph.input.shape.join() ? await sessionOf(twice(graph)) : null;
  const timerOf =
    (session: ort.InferenceSession): Timer =>
    async (repetitions) => {
      const start = performance.now();
      for (let i = 0; i < repetitions; i++) await session.run(feeds);
      return performance.now() - start;
    };
  return {
    version: `onnxruntime-web ${ort.env.versions.web}, wasm, 1 thread`,
    output: async () => {
      const { data } = (await one.run(feeds))[graph.output];
      return channelsLast(data as Float32Array, dims);
    },
    time: timerOf(one),
    ...(two && { timeTwo: timerOf(two) }),
    close: async () => {
      await one.release();
      await two?.release();
    },
  };
}

function sessionOf(graph: Graph): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(encodeOnnx(graph), { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
}
