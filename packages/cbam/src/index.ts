import { serialization } from '@tensorflow/tfjs-core';
import { CBAM } from './cbam.js';
import { ChannelGate } from './channel-gate.js';
import { SpatialGate } from './spatial-gate.js';

for (const layer of [CBAM, ChannelGate, SpatialGate]) serialization.registerClass(layer);

export { CBAM, cbam, type CBAMOptions } from './cbam.js';
export { ChannelGate, channelGate, type ChannelGateOptions, type ChannelGatePool } from './channel-gate.js';
export { SpatialGate, spatialGate, type SpatialGateOptions } from './spatial-gate.js';
