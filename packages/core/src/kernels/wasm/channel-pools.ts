import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { ChannelPoolsAttributes, ChannelPoolsInputs } from '../channel-pools.js';
import type { Form, Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { CHANNEL_POOLS } from './channel-pools-binary.js';
import { programOf } from './program.js';

/** What we call of channel-pools.as. */
interface ChannelPools {
  readonly poolChannels: (x: number, images: number, positions: number, channels: number, gate: number, means: number, maxima: number) => void;
}

export const channelPools = programOf<ChannelPools>(CHANNEL_POOLS);

/** The kernel on wasm. */
export const wasmChannelPools: Form<WasmBackend, ChannelPoolsInputs, ChannelPoolsAttributes> = {
  canRun: channelPools.canRun,
  fits: (_, { activation }) => !activation,
  run,
};

function run(backend: WasmBackend, { x, gate }: Inputs<ChannelPoolsInputs>, { kinds, shape }: ChannelPoolsAttributes): TensorInfo {
  const { poolChannels } = channelPools.on(backend);
  const out = backend.makeOutput(shape, 'float32');
  const channels = x.shape[x.shape.length - 1];
  const [images] = x.shape;
  const results = sizeOf(x.shape) / channels;
  const [means, maxima] = (['avg', 'max'] as const).map((kind) => {
    const at = kinds.indexOf(kind);
    return at < 0 ? 0 : addressOf(backend, out) + at * results * FLOAT_BYTES;
  });
  poolChannels(addressOf(backend, x), images, results / images, channels, gate ? addressOf(backend, gate) : 0, means, maxima);
  return out;
}
