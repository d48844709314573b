import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Peer } from '../engine/peer.ts';
import { JobFailure } from '../errors.ts';
import { PYTHON } from './check.ts';
import type { Constant, Graph } from './graph.ts';
import { channelsFirst, channelsLast } from './layout.ts';

/** A graph in a Python of its own, with torch: on one thread of the CPU, or on CUDA. */
export async function torch(graph: Graph, input: Tensor, device: 'cpu' | 'cuda'): Promise<Peer> {
  const { ask, end } = startPython([join(import.meta.dirname, 'torch-graph.py'), device]);
  const { version } = await ask<{ version: string }>(messageOf(graph, await channelsFirst(input)));
  return {
    version,
    output: async () => {
      const { shape, values } = await ask<{ shape: number[]; values: string }>('output');
      return channelsLast(new Float32Array(Uint8Array.from(Buffer.from(values, 'base64')).buffer), shape);
    },
    time: async (repetitions) => (await ask<{ ms: number }>(repetitions)).ms,
    close: end,
  };
}

/** A graph as torch-graph.py reads it. */
function messageOf({ input, output, steps, constants }: Graph, values: Float32Array): object {
  const tensorOf = ({ name, shape, values }: Constant) =>
    values instanceof Float32Array
      ? { name, shape, values: Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64') }
      : { name, sizes: Array.from(values, Number) };
  return { output, steps, tensors: [{ ...input, values }, ...constants].map(tensorOf) };
}

/** A Python that gets one request a line, and gives one answer to each. */
function startPython(args: readonly string[]) {
  const python = spawn(PYTHON, args);
  const ended = once(python, 'close');
  let complaints = '';
  python.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2000)));
  // One that ended cannot be written to; that it ended shows where its answer is awaited.
  python.stdin.on('error', () => undefined);
  const answers = createInterface(python.stdout)[Symbol.asyncIterator]();
  return {
    ask: async <T>(request: unknown): Promise<T> => {
      python.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await answers.next();
      if (!done) return JSON.parse(value) as T;
      await ended;
      throw new JobFailure(`${PYTHON} ended early: ${complaints.trim().split('\n').at(-1)}`);
    },
    end: async () => {
      python.stdin.end();
      await ended;
    },
  };
}
